//! How a client shows at an OAuth endpoint that it is itself (OAuth 2.1 section 2.4).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::SecretString;
use warp::http::{HeaderMap, HeaderValue, header};

use super::super::call::{Call, decoded};
use super::fault::Fault;
use super::find::{self, NoClient};
use crate::App;
use crate::authn::Caller;
use crate::authn::oauth::{Client, ProofMethod};

/// What the body of a request holds of it.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a SecretString>,
}

/// Who asks.
pub enum Asker {
    /// A machine that is registered as an agent: a principal itself.
    Agent(Box<Caller>),
    /// A program that acts for people.
    Client(Box<Client>),
}

/// What is shown, by the one way that the request goes.
enum Shown {
    Secret {
        id: String,
        secret: SecretString,
    },
    /// A public client has nothing but its name.
    Id(String),
}

/// Recognises who asks. Guesses are counted; an unknown client is answered like a wrong secret.
pub async fn recognise(app: &App, call: &Call, given: Presented<'_>) -> Result<Asker, Fault> {
    let (address, origin) = (call.origin.ip, call.origin.clone());
    match shown(&call.headers, given)? {
        Shown::Secret { id, secret } => {
            let Some(client) = client(app, call, &id).await? else {
                app.sign_in_limits.admit(address, &id)?;
                let agent = app.authn.prove_client(&id, &secret, origin).await?;
                return Ok(Asker::Agent(Box::new(agent)));
            };
            if client.knows(&secret) {
                return Ok(Asker::Client(Box::new(client)));
            }
            app.sign_in_limits.admit(address, &id)?;
            Err(app.authn.refuse_client(&client.id, "wrong_secret", &origin).await.into())
        }
        Shown::Id(id) => match client(app, call, &id).await? {
            Some(it) if it.metadata.proof == ProofMethod::None => Ok(Asker::Client(Box::new(it))),
            known => {
                app.sign_in_limits.admit_address(address)?;
                let name = known.map_or_else(|| "unknown".to_owned(), |it| it.id);
                Err(app.authn.refuse_client(&name, "no_secret", &origin).await.into())
            }
        },
    }
}

/// An agent is never looked up in the store: there may be many requests of many agents.
async fn client(app: &App, call: &Call, id: &str) -> Result<Option<Client>, Fault> {
    let is_agent = |id| app.directory.snapshot().agent(id).is_some();
    if id.parse().is_ok_and(is_agent) {
        return Ok(None);
    }
    match find::client(app, id, call.origin.ip).await {
        Ok(it) => Ok(Some(it)),
        Err(NoClient::Unknown) => Ok(None),
        Err(NoClient::Document(why)) => Err(Fault::new("invalid_client", why.to_string())),
        Err(NoClient::Failed(error)) => Err(error.into()),
    }
}

/// The client's name and secret, by one way and not by two.
fn shown(headers: &HeaderMap, given: Presented<'_>) -> Result<Shown, Fault> {
    let twice = || {
        let how = "prove who you are by HTTP Basic or in the body, not by both";
        Fault::new("invalid_request", how)
    };
    let unreadable = || {
        let how = "send client_id and client_secret, once: by HTTP Basic or in the body";
        Fault::new("invalid_client", how)
    };
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    match (values.next(), given.client_id, given.client_secret) {
        (Some(_), _, Some(_)) => Err(twice()),
        (Some(value), id, None) => {
            let (basic_id, secret) = basic(value).ok_or_else(unreadable)?;
            let same = values.next().is_none() && id.is_none_or(|it| it == basic_id);
            same.then_some(Shown::Secret { id: basic_id, secret }).ok_or_else(unreadable)
        }
        (None, Some(id), Some(secret)) => {
            Ok(Shown::Secret { id: id.to_owned(), secret: secret.clone() })
        }
        (None, Some(id), None) => Ok(Shown::Id(id.to_owned())),
        (None, None, _) => Err(unreadable()),
    }
}

fn basic(value: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?.into()))
}

/// Both halves are form-encoded first (RFC 6749 section 2.3.1).
fn form_decoded(text: &str) -> Option<String> {
    Some(decoded(&text.replace('+', " "))?.into_owned())
}
