//! Vending: one allowed access becomes one Biscuit, recorded in the commit that decides it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::Entity;
use uuid::Uuid;

use super::attenuate::{ArgumentCheck, AttenuateError, argument_checks};
use super::mint::{Draft, MintError, Minted, mint};
use super::{Credential, Credentials};
use crate::authn::Caller;
use crate::authz::facts::{Ask, Particulars};
use crate::authz::quota::NOTHING_USED;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Action, Permit, Use, Warrant, World};
use crate::clock::instant;
use crate::directory::Principal;
use crate::registry::Tool;
use crate::store::Statement;
use crate::{Error, Result, metrics};

const SECOND: i64 = 1_000_000;

/// Asking for a credential for one tool.
#[derive(Debug)]
pub struct RequestCredential {
    pub tool: ToolRef,
    /// The tool's own words.
    pub scopes: BTreeSet<String>,
    pub ttl: Ttl,
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

    fn particulars(&self, tool: &Arc<Tool>) -> Particulars {
        Particulars::Credential {
            usage: NOTHING_USED,
            ask: Ask { scopes: self.scopes.clone(), ttl_seconds: self.ttl_seconds(tool) },
            approval: None,
        }
    }

    /// A credential counts as one use: how often it is then shown offline, nobody can count.
    fn use_of(&self, tool: &Arc<Tool>) -> Option<Use> {
        Some(Use { tool: tool.id, cost_micros: tool.definition.cost_per_call })
    }
}

/// A credential and, this once, its token.
#[derive(Debug)]
pub struct Issued {
    pub credential: Credential,
    pub minted: Minted,
}

impl Credentials {
    /// Mints what was decided, and records it before it leaves.
    pub async fn issue(&self, permit: Permit<RequestCredential>) -> Result<Issued> {
        let started = self.clock.monotonic();
        let (caller, action, tool, warrant) = permit.spend();
        let now = self.clock.micros();
        // Whole seconds are all that Datalog dates can say.
        let ttl = i64::try_from(action.ttl_seconds(&tool)).map_err(anyhow::Error::from)?;
        let expires_at = now.div_euclid(SECOND).saturating_add(ttl).saturating_mul(SECOND);
        let draft = Draft {
            issuer: self.issuer.clone(),
            credential_id: self.clock.new_id().to_string(),
            decision_id: warrant.decision().to_string(),
            agent_id: caller.principal().id().to_string(),
            agent_name: caller.principal().name().to_owned(),
            on_behalf_of: None,
            tool: tool.definition.name.clone(),
            tool_digest: tool.digest().to_owned(),
            scopes: action.scopes,
            expires_at: instant(expires_at),
            holder: action.holder_key,
            online_only: false,
            checks: argument_checks(&action.constraints).map_err(|it| unsayable(&it))?,
        };
        let minted = self.sign(&warrant, &draft)?;
        let credential = record(&draft, &minted, caller.principal(), &tool, &warrant, now)?;
        warrant.note("credential", credential.id.to_string());
        warrant.note("tool", credential.tool_name.as_str());
        warrant.note("scopes", credential.scopes.iter().cloned().collect::<Vec<_>>());
        warrant.note("expires_at", draft.expires_at.to_string());
        let insert = insert(&credential, &caller, &tool);
        self.ledger.commit(&warrant, vec![insert]).await?;
        metrics::vended(started.elapsed());
        Ok(Issued { credential, minted })
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

fn record(
    draft: &Draft,
    minted: &Minted,
    principal: &Principal,
    tool: &Tool,
    warrant: &Warrant,
    now: i64,
) -> Result<Credential> {
    let id: Uuid = draft.credential_id.parse().map_err(anyhow::Error::from)?;
    Credential {
        id,
        decision_id: warrant.decision(),
        tool_id: tool.id,
        tool_name: draft.tool.clone(),
        tool_owner: tool.owner,
        principal_kind: principal.kind(),
        principal_id: principal.id(),
        agent_owner: match principal {
            Principal::Agent(agent) => Some(agent.owner),
            Principal::User(_) => None,
        },
        scopes: draft.scopes.clone(),
        root_key_id: minted.root_key_id,
        revocation_ids: minted.revocation_ids.clone(),
        created_at: now,
        expires_at: draft.expires_at.as_microsecond(),
        revoked_at: None,
        entity: Entity::with_uid(uid(Kind::Credential, &draft.credential_id)),
    }
    .sealed()
}

/// The row, if the principal and the tool still are what was decided on: whoever was suspended since,
/// here or by another replica, and revoked of all credentials, must not get one more. The same for a
/// session or an API key that has ended since.
fn insert(it: &Credential, caller: &Caller, tool: &Tool) -> Statement {
    macro_rules! insert_while {
        ($principals:literal) => {
            concat!(
                "INSERT INTO credentials (id, decision_id, tool_id, tool_name, tool_owner,
                                          principal_kind, principal_id, agent_owner, scopes,
                                          root_key_id, revocation_ids, created_at, expires_at,
                                          session_id)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, CAST($10 AS BIGINT), $11,
                        CAST($12 AS BIGINT), CAST($13 AS BIGINT), $16
                 WHERE EXISTS (SELECT 1 FROM tools WHERE id = $3 AND revision = $14)
                   AND EXISTS (SELECT 1 FROM ",
                $principals,
                " WHERE id = $7 AND state = $15)
                   AND NOT EXISTS (SELECT 1 FROM sessions
                                   WHERE id = $16 AND revoked_at IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM api_keys WHERE id = $16 AND state <> 'active')"
            )
        };
    }
    let (sql, state) = match caller.principal() {
        Principal::Agent(agent) => (insert_while!("agents"), agent.state),
        Principal::User(user) => (insert_while!("users"), user.state),
    };
    Statement::new(sql)
        .bind(it.id)
        .bind(it.decision_id)
        .bind(it.tool_id)
        .bind(it.tool_name.as_str())
        .bind(it.tool_owner)
        .bind(it.principal_kind.as_str())
        .bind(it.principal_id)
        .bind(it.agent_owner)
        .bind(serde_json::json!(it.scopes).to_string())
        .bind(i64::from(it.root_key_id))
        .bind(serde_json::json!(it.revocation_ids).to_string())
        .bind(it.created_at)
        .bind(it.expires_at)
        .bind(tool.revision)
        .bind(state.as_str())
        .bind(caller.session().root())
        .expect_rows(1)
}
