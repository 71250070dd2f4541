//! `/oauth/introspect`: what a token is good for, for those who are given one (RFC 7662).

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::super::call::Call;
use super::super::route::settle;
use super::about::about;
use super::client_auth::AskerKind;
use super::fault::Fault;
use super::no_store;
use crate::audit::Outcome;
use crate::authn::oauth::ProofMethod;
use crate::authn::{
    Act, Caller, Claims, Confirmation, IntrospectToken, KnownToken, TokenKind, ViewSelf,
};
use crate::authz::facts::Particulars;
use crate::authz::{Action, TheRegistry};
use crate::directory::Kind;
use crate::{App, Error, Result};

const SECOND: i64 = 1_000_000;

/// RFC 7662 section 2.2. Instants are seconds since the epoch.
#[derive(Default, Serialize, JsonSchema)]
pub struct Introspection {
    /// Whether it is good now, and you may know. Nothing else is told when it is not.
    active: bool,
    #[serde(flatten)]
    good: Option<Good>,
}

#[derive(Serialize, JsonSchema)]
struct Good {
    /// `Bearer`, or `DPoP` where it is good with its key alone; `refresh_token`.
    token_type: &'static str,
    /// Space-separated; what an API key holds by now.
    scope: String,
    sub: Uuid,
    /// Whether `sub` is a user or an agent.
    sub_kind: Kind,
    /// The user or agent by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    /// None for an API key that is good until somebody ends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    /// Who acts for `sub` (RFC 8693 section 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// What may not be known is answered like what is not good.
pub async fn introspect(app: Arc<App>, call: Call) -> Result<Response> {
    match known_to(&app, &call).await {
        Ok(known) => {
            let good = known.map(|it| good(&app, it));
            let answer = Introspection { active: good.is_some(), good };
            Ok(no_store(json(&answer).into_response()))
        }
        Err(fault) => fault.respond(),
    }
}

async fn known_to(app: &App, call: &Call) -> Result<Option<KnownToken>, Fault> {
    let (asker, known) = about(app, call).await?;
    let client = match &asker {
        AskerKind::Agent(caller) => caller.principal().id().to_string(),
        // A name is no proof of who asks, and whoever scans for tokens has one (section 2.1).
        AskerKind::Client(it) if matches!(it.metadata.proof, ProofMethod::None) => {
            return Err(Fault::new("invalid_client", "only clients that prove themselves may ask"));
        }
        AskerKind::Client(it) => it.id.clone(),
    };
    let Some(known) = known else {
        if let AskerKind::Agent(caller) = asker {
            app.authz.note_refusal(&caller, IntrospectToken::EVENT, "unknown_token").await?;
        }
        return Ok(None);
    };
    let may_know = match asker {
        _ if known.is_of(&client) => allowed(app, known.bearer.clone(), ViewSelf).await?,
        AskerKind::Agent(caller) => {
            allowed(app, *caller, IntrospectToken).await? && is_alive(app, &known)?
        }
        AskerKind::Client(_) => false,
    };
    Ok(may_know.then_some(known))
}

async fn allowed<A: Action>(app: &App, caller: Caller, action: A) -> Result<bool> {
    match app.authz.authorize(caller, action).await {
        Ok(permit) => settle(app, permit.warrant(), Outcome::Success).await.map(|()| true),
        Err(Error::Denied(_) | Error::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A token is good for nothing whose bearer may not even see who it is: of a suspended principal.
fn is_alive(app: &App, known: &KnownToken) -> Result<bool> {
    app.authz.would_allow(&known.bearer, ViewSelf::NAME, &TheRegistry, &Particulars::Token)
}

fn good(app: &App, known: KnownToken) -> Good {
    let KnownToken { bearer, kind } = known;
    let (principal, session) = (bearer.principal(), bearer.session());
    let plain = Good {
        token_type: "Bearer",
        scope: Vec::from_iter(session.scopes.iter().map(String::as_str)).join(" "),
        sub: principal.id(),
        sub_kind: principal.kind(),
        username: Some(principal.name().to_owned()),
        iss: app.oauth.issuer.clone(),
        aud: Some(app.oauth.resources.own().to_owned()),
        client_id: session.proof.client.clone(),
        jti: None,
        iat: None,
        exp: None,
        act: None,
        cnf: session.proof.key.clone().map(|jkt| Confirmation { jkt }),
    };
    match kind {
        TokenKind::Access(claims) => of_access(app, *claims, plain),
        TokenKind::Refresh { expires_at } => {
            Good { token_type: "refresh_token", exp: Some(expires_at), ..plain }
        }
        TokenKind::ApiKey(key) => Good {
            iat: Some(key.created_at / SECOND),
            exp: key.expires_at.map(|it| it / SECOND),
            ..plain
        },
        TokenKind::Line => plain,
    }
}

/// As the token itself says it.
fn of_access(app: &App, claims: Claims, plain: Good) -> Good {
    let subject = app.directory.snapshot().principal(claims.kind, claims.sub);
    Good {
        token_type: if claims.cnf.is_some() { "DPoP" } else { "Bearer" },
        scope: claims.scope,
        sub: claims.sub,
        sub_kind: claims.kind,
        username: subject.map(|it| it.name().to_owned()),
        aud: Some(claims.aud),
        client_id: Some(claims.client_id),
        jti: Some(claims.jti),
        iat: Some(claims.iat),
        exp: Some(claims.exp),
        act: claims.act,
        cnf: claims.cnf,
        ..plain
    }
}
