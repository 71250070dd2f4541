//! Token exchange (RFC 8693): an agent shows whose word it has, and gets a token that says so.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cedar_policy::{Entity, EntityUid};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::session::json;
use super::{AccessToken, Authn, Caller, Delegated, SECOND, Service, Via};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, Resource, World};
use crate::directory::{Kind, Mandate, User};
use crate::store::Statement;
use crate::{Error, Result};

/// What the agent shows.
#[derive(Debug)]
pub enum SubjectToken {
    /// A person's, or one of an agent that acts for a person already.
    AccessToken(SecretString),
    /// By its id, which is no secret: it is good in the hands of its agent only.
    Mandate(SecretString),
}

/// Why that gives no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSubject {
    #[error("the subject token is not valid, or not any more")]
    Token,
    #[error("the subject token is bound to a key: it is good in its holder's hands only")]
    Bound,
    #[error("the subject token stands for a machine, which has nothing to pass on")]
    Machine,
    #[error("this client acts in that chain already")]
    InChain,
    #[error("there is no such mandate for this client, or it holds no more")]
    Mandate,
}

/// Whom the token will stand for, and what bounds it.
#[derive(Debug)]
pub struct Subject {
    delegated: Delegated,
    mandate: Option<Arc<Mandate>>,
    /// What the token above it holds; none where the user's own word is the beginning.
    scopes: Option<Arc<BTreeSet<String>>>,
    /// When the token above it ends; microseconds.
    expires_at: i64,
}

impl Subject {
    /// Without one, policy lets nobody act.
    pub fn has_mandate(&self) -> bool {
        self.mandate.is_some()
    }

    /// What a token for it may hold at most: `asked`, or all there is.
    pub fn bound(&self, asked: Option<&BTreeSet<String>>) -> Vec<String> {
        let Some(mandate) = &self.mandate else { return Vec::new() };
        let within = |it: &&String| {
            asked.is_none_or(|asked| asked.contains(*it))
                && self.scopes.as_ref().is_none_or(|above| above.contains(*it))
        };
        mandate.scopes.iter().filter(within).cloned().collect()
    }
}

/// Asking for a token that stands for a user: everybody in the chain must be allowed.
#[derive(Debug)]
pub struct ActFor {
    subject: Subject,
}

impl ActFor {
    pub fn new(subject: Subject) -> ActFor {
        ActFor { subject }
    }
}

/// Who is to be acted for. The agent has that user's word: there is nothing to hide from it.
#[derive(Debug)]
pub struct Represented(Arc<User>);

impl Resource for Represented {
    fn uid(&self) -> EntityUid {
        self.0.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Resource::entity(&self.0)
    }

    fn name(&self) -> &str {
        &self.0.username
    }
}

impl Action for ActFor {
    const NAME: &'static str = "act_for";
    const EVENT: &'static str = "auth.exchange";
    type Resource = Represented;

    async fn find(&self, world: &World) -> Result<Option<Represented>> {
        let snapshot = world.directory.snapshot();
        Ok(snapshot.user(self.subject.delegated.user).cloned().map(Represented))
    }

    fn particulars(&self, _: &Represented) -> Particulars {
        Particulars::Find
    }
}

impl Authn {
    /// Reads what the agent shows. Whether it may act on it is for policy to say.
    pub fn subject(&self, agent: &Caller, shown: &SubjectToken) -> Result<Subject, BadSubject> {
        let (agent, now) = (agent.principal().id(), self.clock.micros());
        match shown {
            SubjectToken::Mandate(id) => self.by_mandate(agent, id.expose_secret(), now),
            SubjectToken::AccessToken(token) => self.by_token(agent, token, now),
        }
    }

    fn by_mandate(&self, agent: Uuid, id: &str, now: i64) -> Result<Subject, BadSubject> {
        let known = self.directory.snapshot();
        let mandate = id.parse().ok().and_then(|id| known.mandate(id).cloned());
        let mandate = mandate.filter(|it| it.agent == agent && it.is_live(now));
        let mandate = mandate.ok_or(BadSubject::Mandate)?;
        let (user, chain, under) = (mandate.user, vec![agent], Vec::new());
        let delegated = Delegated { mandate: mandate.id, user, chain, under };
        Ok(Subject { delegated, mandate: Some(mandate), scopes: None, expires_at: i64::MAX })
    }

    fn by_token(&self, agent: Uuid, token: &SecretString, now: i64) -> Result<Subject, BadSubject> {
        let shown = self.checked(token.expose_secret(), Service::Api, now);
        let (shown, _) = shown.map_err(|_| BadSubject::Token)?;
        let session = shown.session();
        if session.proof.key.is_some() {
            return Err(BadSubject::Bound);
        }
        let known = self.directory.snapshot();
        let expires_at = shown.expires_at();
        if let Some(above) = shown.delegation() {
            let mut delegated = above.clone();
            if delegated.chain.contains(&agent) {
                return Err(BadSubject::InChain);
            }
            delegated.chain.push(agent);
            delegated.under.push(shown.sid);
            let mandate = known.mandate(delegated.mandate).cloned();
            return Ok(Subject { delegated, mandate, scopes: Some(session.scopes), expires_at });
        }
        if shown.kind != Kind::User {
            return Err(BadSubject::Machine);
        }
        // The user is there; what the agent may do for them, their newest mandate says.
        let mandate = known.mandate_between(shown.sub, agent, now).cloned();
        let delegated = Delegated {
            mandate: mandate.as_ref().map_or(Uuid::nil(), |it| it.id),
            user: shown.sub,
            chain: vec![agent],
            under: vec![shown.sid],
        };
        Ok(Subject { delegated, mandate, scopes: None, expires_at })
    }

    /// The agent as it would act: in the user's name, with a token of these scopes.
    pub fn acting(&self, agent: Caller, subject: &Subject, scopes: &[String]) -> Caller {
        let acting = agent.proving(|it| {
            it.via = Via::Exchange;
            it.delegation = Some(subject.delegated.clone());
        });
        acting.holding(scopes.iter().cloned().collect())
    }

    /// A token of a session of its own, which ends with the mandate and with whatever it was
    /// exchanged for.
    ///
    /// # Errors
    /// [`Error::Conflict`] when one of them ended since the decision.
    pub async fn exchange(
        &self,
        permit: Permit<ActFor>,
        mut statements: Vec<Statement>,
    ) -> Result<AccessToken> {
        let (caller, ActFor { subject }, _, warrant) = permit.spend();
        let (session, now) = (self.clock.new_id(), self.clock.micros());
        let mandate = subject.mandate.as_ref().ok_or(Error::NotFound)?;
        let left = subject.expires_at.min(mandate.expires_at).saturating_sub(now);
        let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
        // Tokens tell time in whole seconds.
        let ttl = Duration::from_secs(left.min(self.rules.access_ttl).as_secs());
        if ttl.is_zero() {
            return Err(Error::Conflict("what it would stand on ends this second".into()));
        }
        let scopes: Vec<String> = caller.session().scopes.iter().cloned().collect();
        statements.push(self.insert_under(session, &caller, &subject.delegated, ttl)?);
        let of = (caller.principal(), caller.session());
        let token = self.access_token(&warrant, of, session, scopes, ttl)?;
        self.ledger.commit(&warrant, statements).await?;
        Ok(token)
    }

    /// The session's row, if what it stands on still stands, whichever replica may have ended it.
    fn insert_under(
        &self,
        id: Uuid,
        caller: &Caller,
        delegated: &Delegated,
        ttl: Duration,
    ) -> Result<Statement> {
        let session = caller.session();
        let ends = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX).saturating_mul(SECOND);
        let insert = Statement::new(
            "INSERT INTO sessions (id, principal_kind, principal_id, scopes, authenticated_at,
                                   expires_at, proof, mandate_id, parent_id)
             SELECT $1, $2, $3, $4, CAST($5 AS BIGINT), CAST($6 AS BIGINT), $7, $8, $9
             WHERE EXISTS (SELECT 1 FROM mandates WHERE id = $8 AND revoked_at IS NULL)
               AND NOT EXISTS (SELECT 1 FROM sessions WHERE id = $9 AND revoked_at IS NOT NULL)",
        )
        .bind(id)
        .bind(caller.principal().kind().as_str())
        .bind(caller.principal().id())
        .bind(serde_json::json!(session.scopes).to_string())
        .bind(session.authenticated_at)
        .bind(self.clock.micros().saturating_add(ends))
        .bind(json(&session.proof)?)
        .bind(delegated.mandate)
        .bind(delegated.under.last().copied())
        .expect_rows(1);
        Ok(insert)
    }
}
