//! A registered tool.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use cedar_policy::{Entity, EntityUid};
use jsonschema::Validator;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::definition::Definition;
use super::probed::{Probed, Quarantine};
use super::schema;
use super::seen::Seen;
use crate::Result;
use crate::authz::case::written;
use crate::authz::facts::{Particulars, ToolVersion};
use crate::authz::{Resource, View};
use crate::error::FieldFault;
use crate::gateway::mcp::ListedTool;
use crate::secrets::SecretName;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Registered by somebody who may not activate it.
    Draft,
    Active,
    Deactivated,
    /// Its definition is not the one it was registered with any more.
    Quarantined,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            State::Draft => "draft",
            State::Active => "active",
            State::Deactivated => "deactivated",
            State::Quarantined => "quarantined",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Tool {
    pub id: Uuid,
    pub owner: Uuid,
    /// What was decided for this very tool; see [`Tool::is_active`].
    pub state: State,
    pub definition: Definition,
    /// The names of the secrets that are kept for it.
    pub secrets: BTreeSet<SecretName>,
    /// Until when the last probe of a remote tool is believed: microseconds.
    pub probe_valid_until: Option<i64>,
    /// The last probe of a server that went well.
    pub probed: Option<Probed>,
    /// How the server of a tool described it when it was taken for good: what it must stay.
    pub listed: Option<ListedTool>,
    /// Why it is out of use, while it is quarantined.
    pub quarantine: Option<Quarantine>,
    /// The revision that its definition came with.
    pub pinned: i64,
    /// Goes up by one with every change; the `ETag`.
    pub revision: i64,
    pub created_at: i64,
    pub updated_at: i64,
    name_key: String,
    digest: String,
    /// The state that counts: a tool of a server is in no better one than its server.
    standing: State,
    /// The name of its server, without regard to case, once it stands under it.
    server: Option<String>,
    entity: Entity,
    written: Arc<OnceLock<Option<Arc<RawValue>>>>,
    arguments: Arc<OnceLock<Validator>>,
}

/// A tool as the store keeps it.
#[derive(Serialize, Deserialize)]
struct Body {
    id: Uuid,
    owner: Uuid,
    state: State,
    definition: Definition,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    secrets: BTreeSet<SecretName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probe_valid_until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    probed: Option<Probed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<ListedTool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quarantine: Option<Quarantine>,
    #[serde(default = "first")]
    pinned: i64,
    created_at: i64,
    updated_at: i64,
}

/// Of tools that were there before versions were kept, which is as good as any.
fn first() -> i64 {
    1
}

impl Tool {
    pub fn new(
        id: Uuid,
        owner: Uuid,
        definition: Definition,
        state: State,
        now: i64,
    ) -> Result<Tool> {
        Body {
            id,
            owner,
            state,
            definition,
            secrets: BTreeSet::new(),
            probe_valid_until: None,
            probed: None,
            listed: None,
            quarantine: None,
            pinned: first(),
            created_at: now,
            updated_at: now,
        }
        .sealed(1)
    }

    pub(super) fn restore(body: &str, revision: i64) -> Result<Tool> {
        let body: Body = serde_json::from_str(body).map_err(anyhow::Error::from)?;
        body.sealed(revision)
    }

    /// The next revision.
    pub(super) fn changed(&self, now: i64, change: impl FnOnce(&mut Tool)) -> Result<Tool> {
        let mut next = self.clone();
        change(&mut next);
        next.updated_at = now;
        let revision = self.revision + 1;
        let mut next = next.stored().sealed(revision)?;
        if next.digest != self.digest {
            next.pinned = revision;
        }
        Ok(next)
    }

    /// The same revision, for one that nobody has seen yet.
    pub(super) fn fitted(mut self, change: impl FnOnce(&mut Tool)) -> Result<Tool> {
        change(&mut self);
        self.stored().sealed(self.revision)
    }

    pub(super) fn body(&self) -> Result<String> {
        Ok(serde_json::to_string(&self.stored()).map_err(anyhow::Error::from)?)
    }

    fn stored(&self) -> Body {
        Body {
            id: self.id,
            owner: self.owner,
            state: self.state,
            definition: self.definition.clone(),
            secrets: self.secrets.clone(),
            probe_valid_until: self.probe_valid_until,
            probed: self.probed.clone(),
            listed: self.listed.clone(),
            quarantine: self.quarantine.clone(),
            pinned: self.pinned,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// The name without regard to case.
    pub fn name_key(&self) -> &str {
        &self.name_key
    }

    /// SHA-256 over the canonical JSON (RFC 8785) of the definition: what a credential is pinned to.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The definition as decisions are told of it. What is in the registry was put there by a
    /// decision, and is pinned by its digest.
    pub fn version(&self) -> ToolVersion {
        ToolVersion {
            id: self.digest.clone(),
            tool: self.id.to_string(),
            signed: true,
            schema_digest: self.digest.clone(),
        }
    }

    /// Whether it may be used: it is active itself, and so is its server.
    pub fn is_active(&self) -> bool {
        self.standing == State::Active
    }

    /// The state that counts.
    pub fn standing(&self) -> State {
        self.standing
    }

    /// What is wrong with these arguments, by JSON pointer below `/arguments`; empty when they fit.
    ///
    /// # Errors
    /// The schema was accepted once and cannot be compiled any more.
    pub fn faults_in(&self, arguments: &Value) -> Result<Vec<FieldFault>> {
        let validator = match self.arguments.get() {
            Some(it) => it,
            None => {
                let fresh = schema::compile(&self.definition.input_schema)
                    .map_err(|it| anyhow::anyhow!("`{}` has no usable schema: {it}", self.id))?;
                self.arguments.get_or_init(|| fresh)
            }
        };
        Ok(schema::faults_in(validator, arguments))
    }

    /// The same tool as it stands under `server`.
    pub(super) fn under(&self, server: &Tool) -> Result<Tool> {
        let mut next = self.clone();
        next.standing = match (self.state, server.state) {
            (State::Active, of_server) => of_server,
            (own, _) => own,
        };
        next.probe_valid_until = server.probe_valid_until;
        next.server = Some(server.name_key().to_owned());
        next.entity = next.stored().entity(next.standing, next.server.as_deref())?;
        next.written = Arc::default();
        Ok(next)
    }
}

impl Body {
    /// Makes what is derived fit what is given.
    fn sealed(self, revision: i64) -> Result<Tool> {
        // Without its server a tool of one is good for nothing: see `Catalogue::put`.
        let standing = match self.definition.connection.server() {
            Some(_) if self.state == State::Active => State::Deactivated,
            _ => self.state,
        };
        let canonical =
            serde_json_canonicalizer::to_vec(&self.definition).map_err(anyhow::Error::from)?;
        Ok(Tool {
            name_key: self.definition.name.to_lowercase(),
            digest: format!("sha256:{}", hex::encode(Sha256::digest(canonical))),
            standing,
            server: None,
            entity: self.entity(standing, None)?,
            written: Arc::default(),
            arguments: Arc::default(),
            secrets: self.secrets,
            probe_valid_until: self.probe_valid_until,
            probed: self.probed,
            listed: self.listed,
            quarantine: self.quarantine,
            pinned: self.pinned,
            id: self.id,
            owner: self.owner,
            state: self.state,
            definition: self.definition,
            revision,
            created_at: self.created_at,
            updated_at: self.updated_at,
        })
    }

    fn entity(&self, standing: State, server: Option<&str>) -> Result<Entity> {
        let (owned, probed) = ((self.owner, standing), self.probe_valid_until);
        Seen::new(&self.definition, owned, probed, server).entity(self.id)
    }
}

impl Resource for Arc<Tool> {
    fn uid(&self) -> EntityUid {
        self.entity.uid()
    }

    fn entity(&self) -> Option<&Entity> {
        Some(&self.entity)
    }

    fn written(&self) -> Option<Arc<RawValue>> {
        self.written.get_or_init(|| written(&self.entity)).clone()
    }

    fn likeness(&self) -> Option<Vec<u8>> {
        let (owned, probed) = ((self.owner, self.standing), self.probe_valid_until);
        Seen::new(&self.definition, owned, probed, self.server.as_deref()).likeness()
    }

    fn name(&self) -> &str {
        &self.definition.name
    }

    fn view(&self) -> Option<View> {
        Some(View { action: "view_tool", particulars: || Particulars::Find })
    }
}
