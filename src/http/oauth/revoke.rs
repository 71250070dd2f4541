//! `/oauth/revoke`: a client that needs a token no more, or fears for it, has it ended (RFC 7009).

use std::sync::Arc;

use warp::http::StatusCode;
use warp::reply::{Reply as _, Response};

use super::super::call::Call;
use super::about::about;
use super::client_auth::AskerKind;
use super::fault::Fault;
use super::no_store;
use crate::authn::api_keys::RevokeApiKey;
use crate::authn::{KnownToken, SignOut, TokenKind};
use crate::{App, Error, Result};

/// A token that is not good, or not any more, needs no ending (section 2.2).
pub async fn revoke(app: Arc<App>, call: Call) -> Result<Response> {
    match end(&app, &call).await {
        Ok(()) => Ok(no_store(StatusCode::OK.into_response())),
        Err(fault) => fault.respond(),
    }
}

/// Who has a token may end it: decided on as if it had come with the request. Of tokens that were
/// given to a client, that is the client's to do (section 2.1).
async fn end(app: &App, call: &Call) -> Result<(), Fault> {
    let (asker, known) = about(app, call).await?;
    let Some(known) = known else { return Ok(()) };
    let client = match &asker {
        AskerKind::Agent(caller) => caller.principal().id().to_string(),
        AskerKind::Client(it) => it.id.clone(),
    };
    let of_client = known.is_of(&client);
    let KnownToken { bearer, kind } = known;
    match kind {
        TokenKind::Access(_) | TokenKind::Refresh { .. } if !of_client => {
            note(app, call, &asker).await?;
            Err(Fault::new("unauthorized_client", "this token was not given to this client"))
        }
        TokenKind::Access(_) | TokenKind::Refresh { .. } => {
            let permit = app.authz.authorize(bearer, SignOut).await;
            let permit = permit.map_err(|it| Fault::denied(it, "access_denied"))?;
            let record = permit.warrant().record().clone();
            Ok(app.authz.settled(&record, app.authn.sign_out(permit)).await?)
        }
        TokenKind::ApiKey(key) => {
            let action = RevokeApiKey { key: key.id, if_match: None };
            let permit = app.authz.authorize(bearer, action).await;
            let permit = permit.map_err(|it| Fault::denied(it, "access_denied"))?;
            let record = permit.warrant().record().clone();
            Ok(app.authz.settled(&record, app.api_keys.revoke(permit)).await?)
        }
        TokenKind::Line => {
            let how = "it stands in the server's tokens file: take its line out there";
            Err(Fault::new("unsupported_token_type", how))
        }
    }
}

/// Writes down that a client tried to end what is another's.
async fn note(app: &App, call: &Call, asker: &AskerKind) -> Result<()> {
    const ANOTHERS: &str = "anothers_token";
    match asker {
        AskerKind::Agent(caller) => app.authz.note_refusal(caller, "token.revoke", ANOTHERS).await,
        AskerKind::Client(it) => {
            match app.authn.refuse_client(&it.id, ANOTHERS, &call.origin).await {
                Error::Unauthenticated(_) => Ok(()),
                error => Err(error),
            }
        }
    }
}
