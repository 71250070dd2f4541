//! Machines: client credentials (RFC 6749 section 4.4).

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::{AccessToken, Authn, Caller, Via};
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, World};
use crate::directory::Principal;
use crate::store::Statement;
use crate::{Error, Result};

/// Giving a machine an access token: decided like a sign-in.
#[derive(Debug)]
pub struct IssueToken;

impl Action for IssueToken {
    const NAME: &'static str = "sign_in";
    const EVENT: &'static str = "auth.token";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Base
    }
}

impl Authn {
    /// Checks a client secret. A wrong one is written down, and answered like an unknown client.
    pub async fn prove_client(
        &self,
        client_id: &str,
        secret: &SecretString,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        let id = client_id.parse::<Uuid>().ok();
        let agent = id.and_then(|id| self.directory.snapshot().agent(id).cloned());
        match agent {
            Some(agent) if agent.knows(secret) => {
                Ok(self.fresh(Principal::Agent(agent), Via::Secret, origin))
            }
            known => {
                let name = known.map_or_else(|| "unknown".to_owned(), |it| it.name.clone());
                let actor = Actor::anonymous(&name);
                Err(self.refuse("auth.token", actor, "wrong_secret", &origin).await)
            }
        }
    }

    /// Writes down that somebody failed to prove to be the client of this id.
    pub async fn refuse_client(&self, id: &str, reason: &str, origin: &Origin) -> Error {
        self.refuse("auth.token", Actor::anonymous(id), reason, origin).await
    }

    /// The caller, whose token is to be for `audience`.
    pub(crate) fn for_audience(&self, caller: Caller, audience: &str) -> Caller {
        let other = (audience != self.rules.audience).then(|| audience.to_owned());
        caller.proving(|it| it.resource = other)
    }

    /// A token of a session as long as itself: there is no refresh token to steal.
    pub async fn issue(
        &self,
        permit: Permit<IssueToken>,
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<AccessToken> {
        let (caller, _, _, warrant) = permit.spend();
        let (session, ttl) = (self.clock.new_id(), self.rules.access_ttl);
        statements.push(self.insert_session(session, &caller, &scopes, ttl)?);
        let of = (caller.principal(), caller.session());
        let token = self.access_token(&warrant, of, session, scopes, ttl)?;
        self.ledger.commit(&warrant, statements).await?;
        Ok(token)
    }
}
