//! Machines: client credentials (RFC 6749 section 4.4).

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::proofs::{Assertion, BadAssertion, KeySet};
use super::single_use::Kind as Use;
use super::{AccessToken, Authn, Caller, SECOND, Via};
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, World};
use crate::directory::Principal;
use crate::store::Statement;
use crate::{Error, Result, Unproven};

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
            Some(agent) if agent.knows(secret, self.clock.micros()) => {
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

    /// Checks an assertion by the keys that the agent it names registered: the agent is attested.
    /// The statement uses the assertion up, and belongs into the commit of what it gives.
    pub async fn prove_client_by_key(
        &self,
        assertion: Assertion<'_>,
        origin: Arc<Origin>,
    ) -> Result<(Caller, Statement)> {
        let id = assertion.claimed().parse::<Uuid>().ok();
        let agent = id.and_then(|id| self.directory.snapshot().agent(id).cloned());
        let none = KeySet::default();
        let keys = agent.as_ref().map_or(&none, |it| it.keys());
        match (self.check_assertion(assertion, keys), agent) {
            (Ok(used), Some(agent)) => {
                let caller = self.fresh(Principal::Agent(agent), Via::Assertion, origin);
                Ok((caller.proving(|it| it.attested = true), used))
            }
            (checked, known) => {
                let name = known.map_or_else(|| "unknown".to_owned(), |it| it.name.clone());
                let actor = Actor::anonymous(&name);
                let fault = checked.err().unwrap_or(BadAssertion::Key);
                match self.refuse("auth.token", actor, "wrong_assertion", &origin).await {
                    Error::Unauthenticated(_) => Err(Unproven::Assertion(fault).into()),
                    other => Err(other),
                }
            }
        }
    }

    /// Checks an assertion by the keys of the client that it names; gives what uses it up.
    pub fn check_assertion(
        &self,
        assertion: Assertion<'_>,
        keys: &KeySet,
    ) -> Result<Statement, BadAssertion> {
        let endpoint = format!("{}/oauth/token", self.rules.server);
        let server = [self.rules.issuer.as_str(), &endpoint];
        let proven = assertion.verified(keys, &server, self.seconds())?;
        let until = proven.until * SECOND;
        Ok(self.single_use.use_up(Use::ClientAssertion, &proven.client, &proven.id, until))
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
