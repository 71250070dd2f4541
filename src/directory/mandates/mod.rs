//! Mandates: a user's word that an agent may act for them, for a while and with a set of tools.

mod actions;
mod give;
mod revoke;

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Directory;
use crate::Result;
use crate::authz::facts::{self, Particulars};
use crate::authz::{Resource, View};
use crate::clock::instant;
use crate::store::{Database, Row};

pub use actions::{ListMandates, ShowMandate};
pub use give::{AgentRef, GiveMandate, NewMandate};
pub use revoke::RevokeMandate;

const SECOND: i64 = 1_000_000;

/// The columns that [`Mandate::from_row`] reads, in its order.
macro_rules! columns {
    () => {
        "id, user_id, agent_id, body, created_at, expires_at, revoked_at"
    };
}
use columns;

/// Instants are microseconds since the epoch.
#[derive(Clone, Debug)]
pub struct Mandate {
    pub id: Uuid,
    /// Who gave it.
    pub user: Uuid,
    /// Who has it.
    pub agent: Uuid,
    /// What may be held and asked for in the user's name: scopes of access tokens, and the tools'
    /// own words.
    pub scopes: BTreeSet<String>,
    /// The tool set: a tag that tools carry.
    pub tools: String,
    pub not_before: i64,
    pub expires_at: i64,
    /// How many agents may act, one for the other.
    pub max_depth: u32,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
    entity: Entity,
}

/// What the store keeps beside the columns that are searched.
#[derive(Serialize, Deserialize)]
struct Body {
    scopes: BTreeSet<String>,
    tools: String,
    not_before: i64,
    max_depth: u32,
}

impl Mandate {
    /// Whether it holds at `now`.
    pub fn is_live(&self, now: i64) -> bool {
        self.revoked_at.is_none() && self.not_before <= now && now < self.expires_at
    }

    /// For how many whole seconds it will still hold.
    pub fn remaining_seconds(&self, now: i64) -> u64 {
        u64::try_from((self.expires_at - now) / SECOND).unwrap_or(0)
    }

    /// Goes up by one with every change: once, when it is revoked.
    pub fn revision(&self) -> i64 {
        1 + i64::from(self.revoked_at.is_some())
    }

    /// As decisions are told of it.
    pub fn facts(&self) -> facts::Mandate {
        facts::Mandate {
            id: self.id.to_string(),
            user: self.user.to_string(),
            agent: self.agent.to_string(),
            scopes: self.scopes.clone(),
            tools: self.tools.clone(),
            not_before: instant(self.not_before),
            expires_at: instant(self.expires_at),
            max_depth: self.max_depth,
            revoked: self.revoked_at.is_some(),
        }
    }

    /// Makes the entity fit the attributes.
    fn sealed(mut self) -> Result<Mandate> {
        self.entity = self.facts().entity()?;
        Ok(self)
    }

    pub(super) fn from_row(row: &Row) -> Result<Mandate> {
        let id = row.uuid(0)?;
        let body: Body = row.json(3)?;
        Mandate {
            id,
            user: row.uuid(1)?,
            agent: row.uuid(2)?,
            scopes: body.scopes,
            tools: body.tools,
            not_before: body.not_before,
            expires_at: row.int(5)?,
            max_depth: body.max_depth,
            created_at: row.int(4)?,
            revoked_at: row.opt_int(6)?,
            entity: unsealed(id),
        }
        .sealed()
    }
}

fn unsealed(id: Uuid) -> Entity {
    use crate::authz::uid::{Kind, uid};
    Entity::with_uid(uid(Kind::Mandate, &id.to_string()))
}

/// Those that have not expired.
pub(super) async fn unexpired(db: &dyn Database, now: i64) -> Result<Vec<Mandate>> {
    const SQL: &str = concat!("SELECT ", columns!(), " FROM mandates WHERE expires_at > $1");
    let rows = db.query(SQL, vec![now.into()]).await?;
    rows.iter().map(Mandate::from_row).collect()
}

impl Directory {
    /// Any mandate there ever was.
    async fn find_mandate(&self, id: Uuid) -> Result<Option<Arc<Mandate>>> {
        const SQL: &str = concat!("SELECT ", columns!(), " FROM mandates WHERE id = $1");
        let rows = self.db.query(SQL, vec![id.into()]).await?;
        rows.first().map(|row| Mandate::from_row(row).map(Arc::new)).transpose()
    }
}

impl Resource for Arc<Mandate> {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn name(&self) -> &str {
        &self.tools
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_mandate", particulars: || Particulars::Token })
    }
}
