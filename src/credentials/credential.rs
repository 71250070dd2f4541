//! A credential as the ledger of credentials knows it.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Entity, EntityUid, RestrictedExpression};
use uuid::Uuid;

use crate::authn::Root;
use crate::authz::facts::Particulars;
use crate::authz::past::Who;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Resource, View};
use crate::clock::instant;
use crate::directory;
use crate::store::Row;
use crate::{Error, Result};

/// The columns that [`Credential::from_row`] reads, in its order.
macro_rules! columns {
    () => {
        "id, decision_id, tool_id, tool_name, tool_owner, principal_kind, principal_id, agent_owner,
         scopes, root_key_id, revocation_ids, created_at, expires_at, revoked_at, on_behalf_of,
         mandate_id, session_id,
         (SELECT k.id FROM api_keys k WHERE k.id = credentials.session_id) AS api_key_id"
    };
}
pub(super) use columns;

/// What was vended, without the token itself: that is never stored.
#[derive(Clone, Debug)]
pub struct Credential {
    pub id: Uuid,
    pub decision_id: Uuid,
    pub tool_id: Uuid,
    pub tool_name: String,
    pub tool_owner: Uuid,
    pub principal_kind: directory::Kind,
    pub principal_id: Uuid,
    /// Who answers for the agent that holds it; none when a user does.
    pub agent_owner: Option<Uuid>,
    /// The user in whose name an agent holds it.
    pub on_behalf_of: Option<Uuid>,
    pub mandate_id: Option<Uuid>,
    /// What it was asked for with.
    pub root: Option<Root>,
    pub scopes: BTreeSet<String>,
    pub root_key_id: u32,
    /// Hexadecimal.
    pub revocation_ids: Vec<String>,
    pub created_at: i64,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub(super) entity: Entity,
}

impl Credential {
    /// Goes up by one with every change: once, when it is revoked.
    pub fn revision(&self) -> i64 {
        1 + i64::from(self.revoked_at.is_some())
    }

    /// Whose past a use of it is held against: whoever asked for it, in the session of then.
    pub(super) fn whose(&self) -> Who {
        Who::under(self.root, (self.principal_kind, self.principal_id), self.on_behalf_of)
    }

    pub(super) fn from_row(row: &Row) -> Result<Credential> {
        let kind = directory::Kind::parse(row.text(5)?)
            .ok_or_else(|| Error::internal("a credential of an unknown kind of principal"))?;
        let agent_owner = row.opt_text(7)?.map(|_| row.uuid(7)).transpose()?;
        let id = row.uuid(0)?;
        Credential {
            id,
            decision_id: row.uuid(1)?,
            tool_id: row.uuid(2)?,
            tool_name: row.text(3)?.to_owned(),
            tool_owner: row.uuid(4)?,
            principal_kind: kind,
            principal_id: row.uuid(6)?,
            agent_owner,
            on_behalf_of: row.opt_uuid(14)?,
            mandate_id: row.opt_uuid(15)?,
            root: match row.opt_uuid(17)? {
                Some(key) => Some(Root::ApiKey(key)),
                None => row.opt_uuid(16)?.map(Root::Session),
            },
            scopes: row.json(8)?,
            root_key_id: u32::try_from(row.int(9)?).map_err(anyhow::Error::from)?,
            revocation_ids: row.json(10)?,
            created_at: row.int(11)?,
            expires_at: row.int(12)?,
            revoked_at: row.opt_int(13)?,
            entity: Entity::with_uid(uid(Kind::Credential, &id.to_string())),
        }
        .sealed()
    }

    /// Makes the entity fit the attributes.
    pub(super) fn sealed(mut self) -> Result<Credential> {
        let one = |kind, id: &str| RestrictedExpression::new_entity_uid(uid(kind, id));
        let holder = self.principal_id.to_string();
        let scopes = self.scopes.iter().map(|it| one(Kind::Scope, it));
        // Credentials expire at whole seconds; Cedar wants its datetimes without a fraction, then.
        let expires_at = instant(self.expires_at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut attributes = HashMap::from([
            ("tool".to_owned(), one(Kind::Tool, &self.tool_id.to_string())),
            ("tool_owner".to_owned(), one(Kind::User, &self.tool_owner.to_string())),
            ("scopes".to_owned(), RestrictedExpression::new_set(scopes)),
            ("expires_at".to_owned(), RestrictedExpression::new_datetime(expires_at)),
            ("revoked".to_owned(), RestrictedExpression::new_bool(self.revoked_at.is_some())),
        ]);
        let attribute = match self.principal_kind {
            directory::Kind::User => "user",
            directory::Kind::Agent => "agent",
        };
        attributes.insert(attribute.to_owned(), one(self.principal_kind.entity_kind(), &holder));
        if let Some(user) = self.on_behalf_of {
            attributes.insert("user".to_owned(), one(Kind::User, &user.to_string()));
        }
        if let Some(owner) = self.agent_owner {
            attributes.insert("agent_owner".to_owned(), one(Kind::User, &owner.to_string()));
        }
        self.entity = Entity::new(self.entity.uid(), attributes, Default::default())
            .map_err(anyhow::Error::from)?;
        Ok(self)
    }
}

impl Resource for Arc<Credential> {
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
        Some(View { action: "view_credential", particulars: || Particulars::Token })
    }
}
