//! Vending: one allowed access becomes one Biscuit, recorded in the commit that decides it.

use std::collections::BTreeSet;
use std::sync::Arc;

use secrecy::SecretString;
use serde_json::Value;
use uuid::Uuid;

use super::attenuate::{ArgumentCheck, AttenuateError, argument_checks};
use super::mint::{Draft, MintError, Minted, mint};
use super::record::{insert, record};
use super::residual;
use super::{Credential, Credentials};
use crate::authn::Caller;
use crate::authz::facts::{Ask, Call, Particulars};
use crate::authz::quota::NOTHING_USED;
use crate::authz::residual::{Life, Residual};
use crate::authz::{Action, Behalf, Permit, Use, UseKind, Warrant, World};
use crate::clock::instant;
use crate::registry::Tool;
use crate::store::Statement;
use crate::{Error, Result, metrics};

const SECOND: i64 = 1_000_000;
/// How long a credential lives that Gatewright calls with itself.
const CALL_TTL_SECONDS: i64 = 60;

/// Asking for a credential for one tool.
#[derive(Debug)]
pub struct RequestCredential {
    pub tool: ToolRef,
    /// The tool's own words.
    pub scopes: BTreeSet<String>,
    pub ttl: Ttl,
    /// The user in whose name it is asked for; what the access token says, when left out.
    pub on_behalf_of: Option<Uuid>,
    /// The RFC 7638 thumbprint of the key that the credential is bound to.
    pub holder_key: Option<String>,
    /// Only calls whose arguments pass all of these.
    pub constraints: Vec<ArgumentCheck>,
}

/// A tool by id or by name.
#[derive(Clone, Debug)]
pub enum ToolRef {
    Id(Uuid),
    Name(String),
}

/// How long the credential is to live.
#[derive(Clone, Copy, Debug)]
pub enum Ttl {
    Seconds(u64),
    /// This many seconds, or as many as the tool's publisher allows.
    AtMost(u64),
}

impl ToolRef {
    pub fn find(&self, world: &World) -> Option<Arc<Tool>> {
        let catalogue = world.registry.catalogue();
        match self {
            ToolRef::Id(id) => catalogue.tool(*id),
            ToolRef::Name(name) => catalogue.named(name),
        }
        .cloned()
    }
}

impl RequestCredential {
    /// What is known of the calls that a credential is for: no person confirms them.
    pub fn call(tool: &Tool, arguments: Value) -> Call {
        Call {
            digest: String::new(),
            version: tool.version(),
            confirmed: false,
            arguments,
            tool_name: Some(tool.definition.name.clone()),
        }
    }

    fn ttl_seconds(&self, tool: &Tool) -> u64 {
        match self.ttl {
            Ttl::Seconds(it) => it,
            Ttl::AtMost(it) => it.min(u64::from(tool.definition.max_ttl_seconds)),
        }
    }
}

impl Action for RequestCredential {
    const NAME: &'static str = "request_credential";
    const EVENT: &'static str = "credential.issue";
    type Resource = Arc<Tool>;

    async fn find(&self, world: &World) -> Result<Option<Arc<Tool>>> {
        Ok(self.tool.find(world))
    }

    fn on_behalf_of(&self) -> Option<Uuid> {
        self.on_behalf_of
    }

    fn fit(&mut self, behalf: &Behalf) {
        if let Ttl::AtMost(seconds) = &mut self.ttl {
            *seconds = behalf.remaining_seconds().min(*seconds).max(1);
        }
    }

    fn particulars(&self, tool: &Arc<Tool>) -> Particulars {
        Particulars::Credential {
            usage: NOTHING_USED,
            ask: Ask { scopes: self.scopes.clone(), ttl_seconds: self.ttl_seconds(tool) },
            approval: None,
        }
    }

    /// A credential counts as one use: how often it is then shown offline, nobody can count.
    fn use_of(&self, tool: &Arc<Tool>) -> Option<Use> {
        Some(Use {
            tool: tool.id,
            cost_micros: tool.definition.cost_per_call,
            kind: UseKind::Credential,
        })
    }
}

/// A credential for a call of Gatewright's own, and what records it.
pub struct ForCall {
    pub token: SecretString,
    pub statement: Statement,
}

/// A credential and, this once, its token.
#[derive(Debug)]
pub struct Issued {
    pub credential: Credential,
    pub minted: Minted,
}

impl Credentials {
    /// From when to when the credential would be good that was decided on.
    ///
    /// # Errors
    /// It would never end.
    pub fn life(&self, permit: &Permit<RequestCredential>) -> Result<Life> {
        let now = self.clock.micros();
        // Whole seconds are all that Datalog dates can say.
        let ttl = permit.action().ttl_seconds(permit.resource());
        let ttl = i64::try_from(ttl).map_err(anyhow::Error::from)?;
        let until = now.div_euclid(SECOND).saturating_add(ttl).saturating_mul(SECOND);
        // The decision is some milliseconds old: those are not added to the mandate.
        let mandate = permit.behalf().and_then(|it| it.mandate());
        let until = mandate.map_or(until, |it| it.expires_at.min(until));
        Ok(Life { from: instant(now), until: instant(until) })
    }

    /// Mints what was decided, with what is left to decide of it, and records it before it leaves.
    pub async fn issue(
        &self,
        permit: Permit<RequestCredential>,
        life: Life,
        left: &Residual,
    ) -> Result<Issued> {
        let started = self.clock.monotonic();
        let behalf = permit.behalf().cloned();
        let (caller, action, tool, warrant) = permit.spend();
        let by = (&caller, behalf.as_deref());
        let now = self.clock.micros();
        let constraints = argument_checks(&action.constraints).map_err(|it| unsayable(&it))?;
        let draft = Draft {
            scopes: action.scopes,
            holder: action.holder_key,
            online_only: left.beyond.is_some(),
            checks: constraints.into_iter().chain(residual::checks(left)).collect(),
            ..self.draft(by, &tool, &warrant, life.until.as_microsecond())
        };
        if let Some(why) = &left.beyond {
            warrant.note("online_only", why.as_str());
        }
        let minted = self.sign(&warrant, &draft)?;
        let credential = record(&draft, &minted, by, &tool, &warrant, now)?;
        warrant.note("credential", credential.id.to_string());
        warrant.note("tool", credential.tool_name.as_str());
        warrant.note("scopes", credential.scopes.iter().cloned().collect::<Vec<_>>());
        warrant.note("expires_at", draft.expires_at.to_string());
        let insert = insert(&credential, by, &tool);
        self.ledger.commit(&warrant, vec![insert]).await?;
        metrics::vended(started.elapsed());
        Ok(Issued { credential, minted })
    }

    /// A credential for one call that Gatewright makes itself, under the decision that allowed the
    /// call: every scope that the tool offers, and no longer than such a call may wait.
    pub fn for_call(
        &self,
        warrant: &Warrant,
        by: (&Caller, Option<&Behalf>),
        tool: &Tool,
    ) -> Result<ForCall> {
        let now = self.clock.micros();
        let expires_at = (now.div_euclid(SECOND) + CALL_TTL_SECONDS) * SECOND;
        let draft = self.draft(by, tool, warrant, expires_at);
        let minted = self.sign(warrant, &draft)?;
        let credential = record(&draft, &minted, by, tool, warrant, now)?;
        warrant.note("credential", credential.id.to_string());
        Ok(ForCall { token: minted.token, statement: insert(&credential, by, tool) })
    }

    /// A draft with every scope that the tool offers, and no conditions.
    fn draft(
        &self,
        (caller, behalf): (&Caller, Option<&Behalf>),
        tool: &Tool,
        warrant: &Warrant,
        expires_at: i64,
    ) -> Draft {
        Draft {
            issuer: self.issuer.clone(),
            credential_id: self.clock.new_id().to_string(),
            decision_id: warrant.decision().to_string(),
            agent_id: caller.principal().id().to_string(),
            agent_name: caller.principal().name().to_owned(),
            on_behalf_of: behalf.map(|it| it.user().to_string()),
            tool: tool.definition.name.clone(),
            tool_digest: tool.digest().to_owned(),
            scopes: tool.definition.scopes.clone(),
            expires_at: instant(expires_at),
            holder: None,
            online_only: false,
            checks: Vec::new(),
        }
    }

    /// The signing key works for nobody without a warrant.
    fn sign(&self, _: &Warrant, draft: &Draft) -> Result<Minted> {
        mint(draft, self.keys.active()).map_err(|error| match error {
            // The caller chose its size: by many scopes, or by long conditions.
            MintError::TooLarge(_) => Error::field("", error.to_string()),
            other => Error::Internal(other.into()),
        })
    }
}

fn unsayable(error: &AttenuateError) -> Error {
    Error::field("/constraints", error.to_string())
}
