//! An approval as the store knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde_json::Value;
use uuid::Uuid;

use crate::authz::facts::{self, ApprovalState, Particulars};
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};
use crate::clock::instant;
use crate::directory;
use crate::store::Row;
use crate::{Error, Result};

/// The columns that [`Approval::from_row`] reads, in its order.
macro_rules! columns {
    () => {
        "id, decision_id, digest, state, principal_kind, principal_id, principal_name, on_behalf_of,
         chain, parties, tool_id, tool_name, tool_owner, tool_digest, risk, cost_micros, arguments,
         reasons, created_at, updated_at, expires_at, decided_by, decided_at, reason, call_id,
         revision"
    };
}
pub(super) use columns;

/// Somebody asks that a person allow one call. Instants are microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct Approval {
    pub id: Uuid,
    /// The refusal that it is asked for.
    pub decision_id: Uuid,
    pub digest: String,
    /// As of when it was read: what has expired says so, whatever the store says.
    pub state: ApprovalState,
    pub principal_kind: directory::Kind,
    pub principal_id: Uuid,
    pub principal_name: String,
    /// The user in whose name an agent asks.
    pub on_behalf_of: Option<Uuid>,
    pub chain: BTreeSet<Uuid>,
    pub parties: BTreeSet<Uuid>,
    pub tool_id: Uuid,
    pub tool_name: String,
    pub tool_owner: Uuid,
    pub tool_digest: String,
    pub risk: String,
    /// Millionths of a US dollar.
    pub cost_micros: i64,
    pub arguments: Value,
    /// Ids of the policies that refused the call.
    pub reasons: Vec<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub expires_at: i64,
    pub decided_by: Option<Uuid>,
    pub decided_at: Option<i64>,
    /// What the person who decided has to say.
    pub reason: Option<String>,
    /// The call that used it.
    pub call_id: Option<Uuid>,
    /// Goes up by one with every change.
    pub revision: i64,
    pub(super) entity: Entity,
}

impl Approval {
    pub(super) fn from_row(row: &Row, now: i64) -> Result<Arc<Approval>> {
        let kind = directory::Kind::parse(row.text(4)?);
        let stored = ApprovalState::parse(row.text(3)?);
        let (Some(principal_kind), Some(stored)) = (kind, stored) else {
            return Err(Error::internal("an approval of an unknown kind or state"));
        };
        let (id, expires_at) = (row.uuid(0)?, row.int(20)?);
        Approval {
            id,
            decision_id: row.uuid(1)?,
            digest: row.text(2)?.to_owned(),
            state: as_of(now, stored, expires_at),
            principal_kind,
            principal_id: row.uuid(5)?,
            principal_name: row.text(6)?.to_owned(),
            on_behalf_of: row.opt_uuid(7)?,
            chain: row.json(8)?,
            parties: row.json(9)?,
            tool_id: row.uuid(10)?,
            tool_name: row.text(11)?.to_owned(),
            tool_owner: row.uuid(12)?,
            tool_digest: row.text(13)?.to_owned(),
            risk: row.text(14)?.to_owned(),
            cost_micros: row.int(15)?,
            arguments: row.json(16)?,
            reasons: row.json(17)?,
            created_at: row.int(18)?,
            updated_at: row.int(19)?,
            expires_at,
            decided_by: row.opt_uuid(21)?,
            decided_at: row.opt_int(22)?,
            reason: row.opt_text(23)?.map(str::to_owned),
            call_id: row.opt_uuid(24)?,
            revision: row.int(25)?,
            entity: Entity::with_uid(uid(Kind::Approval, &id.to_string())),
        }
        .sealed()
    }

    /// Makes the entity fit the attributes.
    pub(super) fn sealed(mut self) -> Result<Arc<Approval>> {
        self.entity = self.facts().entity()?;
        Ok(Arc::new(self))
    }

    /// The approval as policies are told of it.
    pub fn facts(&self) -> facts::Approval {
        let text = |it: &Uuid| it.to_string();
        let agent = self.principal_kind == directory::Kind::Agent;
        facts::Approval {
            id: text(&self.id),
            state: self.state,
            agent: agent.then(|| text(&self.principal_id)),
            user: if agent {
                self.on_behalf_of.as_ref().map(text)
            } else {
                Some(text(&self.principal_id))
            },
            chain: self.chain.iter().map(text).collect(),
            parties: self.parties.iter().map(text).collect(),
            tool: text(&self.tool_id),
            digest: self.digest.clone(),
            approved_by: self.approved_by().iter().map(text).collect(),
            expires_at: instant(self.expires_at),
            tool_owner: text(&self.tool_owner),
        }
    }

    /// Whether somebody said yes, whatever became of it.
    pub fn was_approved(&self) -> bool {
        self.decided_at.is_some()
            && !matches!(self.state, ApprovalState::Rejected | ApprovalState::Cancelled)
    }

    fn approved_by(&self) -> Option<Uuid> {
        self.decided_by.filter(|_| self.was_approved())
    }
}

/// Time ends what is alive, before anybody writes it down.
fn as_of(now: i64, stored: ApprovalState, expires_at: i64) -> ApprovalState {
    match stored {
        ApprovalState::Pending | ApprovalState::Approved if expires_at <= now => {
            ApprovalState::Expired
        }
        other => other,
    }
}

impl Resource for Arc<Approval> {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.tool_name
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_approval", particulars: || Particulars::Token })
    }
}
