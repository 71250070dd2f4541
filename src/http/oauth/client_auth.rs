//! Who asks at an OAuth endpoint: a machine that acts for itself, or a program that acts for people.

use secrecy::SecretString;

use super::super::call::Call;
use super::client::{Fields, NotShown, Shown};
use super::fault::Fault;
use super::find::{self, NoClient};
use crate::authn::Caller;
use crate::authn::oauth::{Client, ClientKeys, ProofMethod};
use crate::authn::proofs::{Assertion, KeySet};
use crate::store::Statement;
use crate::{App, Result, Unproven};

/// Who asks.
pub struct Asker {
    pub kind: AskerKind,
    /// What uses up the proof of it, for the commit of what is given.
    pub used: Option<Statement>,
}

pub enum AskerKind {
    /// A machine that is registered as an agent: a principal itself.
    Agent(Box<Caller>),
    /// A program that acts for people.
    Client(Box<Client>),
}

/// Recognises who asks. Guesses are counted; an unknown client is answered like a wrong secret.
pub async fn recognise(app: &App, call: &Call, fields: &Fields<'_>) -> Result<Asker, Fault> {
    let shown = Shown::read(&call.headers, fields).map_err(|fault| match fault {
        NotShown::Twice => Fault::new("invalid_request", fault.to_string()),
        _ => Fault::new("invalid_client", fault.to_string()),
    })?;
    let client = client(app, call, shown.claimed()).await?;
    match (client, shown) {
        (Some(client), Shown::Id(_)) if client.metadata.proof == ProofMethod::None => {
            Ok(Asker::client(client, None))
        }
        // Nobody guessed anything, so there is nothing to count or to write down.
        (_, Shown::Id(_)) => Err(Fault::new("invalid_client", NotShown::Nothing.to_string())),
        (Some(client), Shown::Secret { secret, .. }) => by_secret(app, call, client, &secret).await,
        (Some(client), Shown::Assertion(it)) => by_key(app, call, client, it).await,
        (None, Shown::Secret { id, secret }) => {
            app.sign_in_limits.admit_address(call.origin.ip)?;
            match app.authn.prove_client(&id, &secret, call.origin.clone()).await {
                Ok(caller) => Ok(Asker::agent(caller, None)),
                Err(error) => {
                    look_as_for_strangers(app, &id).await?;
                    Err(error.into())
                }
            }
        }
        (None, Shown::Assertion(it)) => {
            app.sign_in_limits.admit_address(call.origin.ip)?;
            let (caller, used) = app.authn.prove_client_by_key(it, call.origin.clone()).await?;
            Ok(Asker::agent(caller, Some(used)))
        }
    }
}

/// An agent is never looked for in the store: there may be many requests of many agents.
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

/// Looks in the store for an agent, too, once its secret was wrong: strangers are looked for there,
/// and the time must not tell which agents there are.
async fn look_as_for_strangers(app: &App, id: &str) -> Result<()> {
    match id.parse() {
        Ok(id) if app.directory.snapshot().agent(id).is_some() => {
            app.oauth.clients.find(id).await.map(drop)
        }
        _ => Ok(()),
    }
}

async fn by_secret(
    app: &App,
    call: &Call,
    client: Client,
    secret: &SecretString,
) -> Result<Asker, Fault> {
    match client.knows(secret) {
        true => Ok(Asker::client(client, None)),
        false => Err(refused(app, call, &client, "wrong_secret").await),
    }
}

async fn by_key(
    app: &App,
    call: &Call,
    client: Client,
    assertion: Assertion<'_>,
) -> Result<Asker, Fault> {
    let keys = keys(app, &client, &assertion).await?;
    match app.authn.check_assertion(assertion, &keys) {
        Ok(used) => Ok(Asker::client(client, Some(used))),
        Err(bad) => {
            let refused = refused(app, call, &client, "wrong_assertion").await;
            Err(match refused {
                Fault::Said { .. } => crate::Error::from(Unproven::Assertion(bad)).into(),
                other => other,
            })
        }
    }
}

/// The keys that the client registered; a client that registered none has none.
async fn keys(app: &App, client: &Client, assertion: &Assertion<'_>) -> Result<KeySet, Fault> {
    let ProofMethod::PrivateKeyJwt(keys) = &client.metadata.proof else {
        return Ok(KeySet::default());
    };
    match keys {
        ClientKeys::Inline(set) => Ok(KeySet::of_usable(set).unwrap_or_default()),
        ClientKeys::At(url) => {
            let found = app.oauth.keys_at(url, assertion).await;
            let found = found.map_err(|why| Fault::new("invalid_client", why.to_string()))?;
            Ok(KeySet::clone(&found))
        }
    }
}

async fn refused(app: &App, call: &Call, client: &Client, reason: &str) -> Fault {
    match app.sign_in_limits.admit(call.origin.ip, &client.id) {
        Ok(()) => app.authn.refuse_client(&client.id, reason, &call.origin).await.into(),
        Err(error) => error.into(),
    }
}

impl Asker {
    fn agent(caller: Caller, used: Option<Statement>) -> Asker {
        Asker { kind: AskerKind::Agent(Box::new(caller)), used }
    }

    fn client(client: Client, used: Option<Statement>) -> Asker {
        Asker { kind: AskerKind::Client(Box::new(client)), used }
    }
}
