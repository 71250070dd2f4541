//! Servers and their tools: what is done with what a probe found.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use super::actions::AcceptTool;
use super::connection::Connection;
use super::definition::Definition;
use super::drift::{Change, vanished};
use super::listed::{self, Unusable};
use super::probed::{Found, Probed, Quarantine, kept};
use super::tool::{State, Tool};
use super::{Catalogue, Registry, Work};
use crate::authz::{Permit, Warrant};
use crate::gateway::mcp::ListedTool;
use crate::store::Statement;
use crate::{Error, Result, metrics};

/// What a probe changed.
#[derive(Debug, Default)]
pub struct Effects {
    /// Names of tools that are new; somebody has to activate them.
    pub added: Vec<String>,
    /// Names of tools that are not what they were, and out of use until somebody accepts them.
    pub quarantined: Vec<String>,
    /// Tools that cannot be registered.
    pub unusable: Vec<Unusable>,
}

/// The changes that a probe makes to the tools of a server, and their names.
#[derive(Default)]
pub(super) struct Plan {
    pub changed: Vec<(Arc<Tool>, Tool)>,
    pub added: Vec<Tool>,
    pub effects: Effects,
    diffs: Vec<Value>,
}

impl Registry {
    /// Takes in what a probe of `server` found: the server is believed anew, tools that it has
    /// besides become drafts, and those that are not what they were are quarantined.
    ///
    /// # Errors
    /// A conflict when one of the tools was changed in the meantime.
    pub async fn probed(
        &self,
        warrant: &Warrant,
        server: &Arc<Tool>,
        found: Found,
    ) -> Result<Effects> {
        if !found.probed.ok {
            let also = kept(server.id, &found.probed)?.into();
            self.ledger.commit(warrant, also).await?;
            return Ok(Effects::default());
        }
        let next = server.changed(self.clock.micros(), |it| it.believe(&found.probed))?;
        let plan = self.plan(&next, &found, State::Draft)?;
        let also = kept(server.id, &found.probed)?.into();
        self.carry_out(warrant, Some((server.clone(), next)), plan, also).await
    }

    /// What a probe changes about the tools of `server`; those that are new begin in `state`.
    pub(super) fn plan(&self, server: &Tool, found: &Found, state: State) -> Result<Plan> {
        let mut plan = Plan::default();
        let Some(tools) = &found.tools else { return Ok(plan) };
        let (catalogue, now) = (self.catalogue(), self.clock.micros());
        let members: Vec<Arc<Tool>> = catalogue.members(server.id).cloned().collect();
        for member in &members {
            plan.compare(server, member, tools, now)?;
        }
        let name =
            |it: &Arc<Tool>| it.definition.connection.member().map(|it| it.remote_name.clone());
        let known: Vec<String> = members.iter().filter_map(name).collect();
        let names = listed::names(&server.definition.name, tools);
        for tool in tools.iter().filter(|it| !known.contains(&it.name)) {
            let name = names.get(tool.name.as_str()).cloned().unwrap_or_default();
            plan.add((server, state), tool, name, &catalogue, (self.clock.new_id(), now))?;
        }
        Ok(plan)
    }

    /// Writes a plan, with the server itself where it changes, in one commit.
    pub(super) async fn carry_out(
        &self,
        warrant: &Warrant,
        server: Option<(Arc<Tool>, Tool)>,
        plan: Plan,
        also: Vec<Statement>,
    ) -> Result<Effects> {
        let Plan { changed, added, effects, diffs } = plan;
        effects.note(warrant, diffs);
        let changed = server.into_iter().chain(changed).collect();
        self.write(warrant, Work { changed, added, also }).await?;
        metrics::quarantined(effects.quarantined.len());
        Ok(effects)
    }

    /// Takes the definition that a quarantined tool has now for its own, and puts it back to where
    /// it was.
    pub async fn accept(&self, permit: Permit<AcceptTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let (quarantine, found) = acceptable(&tool)?;
        let definition = accepted(&tool)?;
        let next = tool.changed(self.clock.micros(), |it| {
            it.definition = definition;
            it.listed = Some(found.clone());
            it.state = quarantine.before;
            it.quarantine = None;
        })?;
        warrant.note("digest", next.digest());
        warrant.note("state", next.state.as_str());
        warrant.note("diff", json!(quarantine.diff));
        self.replace(&warrant, &tool, next, action.if_match, Vec::new()).await
    }
}

/// What a tool becomes if the definition that it has now is accepted.
///
/// # Errors
/// There is none; it cannot be a tool's.
pub fn accepted(tool: &Tool) -> Result<Definition> {
    let (_, found) = acceptable(tool)?;
    let before = tool.listed.clone().unwrap_or_else(|| found.clone());
    listed::taken_over(&tool.definition, &before, found).checked()
}

/// The definition that can be accepted.
///
/// # Errors
/// A conflict where there is none.
pub(super) fn acceptable(tool: &Tool) -> Result<(&Quarantine, &ListedTool)> {
    let conflict = |what: &'static str| Error::Conflict(what.into());
    let quarantine = tool.quarantine.as_ref();
    let quarantine =
        quarantine.ok_or(conflict("this tool is what it was: there is nothing to accept"))?;
    match &quarantine.found {
        Some(found) => Ok((quarantine, found)),
        None => Err(conflict("the server has this tool no more: there is nothing to accept")),
    }
}

impl Plan {
    /// Holds a tool against what its server says of it now.
    fn compare(
        &mut self,
        server: &Tool,
        member: &Arc<Tool>,
        tools: &[ListedTool],
        now: i64,
    ) -> Result<()> {
        let Some(place) = member.definition.connection.member() else { return Ok(()) };
        let found = tools.iter().find(|it| it.name == place.remote_name);
        let diff = match (found, &member.listed) {
            (Some(found), Some(pinned)) => listed::differences(pinned, found),
            (Some(_), None) => Vec::new(),
            (None, _) => vanished(&place.remote_name),
        };
        let quarantine = match (&member.quarantine, diff.is_empty()) {
            (None, true) => None,
            // Whoever looks at it sees what there is to accept now.
            (Some(it), _) => Some(Quarantine { diff, found: found.cloned(), ..it.clone() }),
            (None, false) => {
                self.effects.quarantined.push(member.definition.name.clone());
                self.diffs.push(told(member, &diff));
                let before = member.state;
                Some(Quarantine { since: now, before, diff, found: found.cloned() })
            }
        };
        let mut connection = member.definition.connection.clone();
        connection.follow(&server.definition.connection);
        if quarantine == member.quarantine && connection == member.definition.connection {
            return Ok(());
        }
        let next = member.changed(now, |it| {
            if quarantine.is_some() {
                it.state = State::Quarantined;
            }
            it.quarantine = quarantine;
            it.definition.connection = connection;
        })?;
        self.changed.push((member.clone(), next));
        Ok(())
    }

    fn add(
        &mut self,
        (server, state): (&Tool, State),
        listed: &ListedTool,
        name: String,
        catalogue: &Catalogue,
        (id, now): (Uuid, i64),
    ) -> Result<()> {
        let definition = match listed::definition((&server.definition, server.id), listed, name) {
            Ok(it) => it,
            Err(unusable) => {
                self.effects.unusable.push(unusable);
                return Ok(());
            }
        };
        if catalogue.named(&definition.name).is_some() {
            let detail = format!("a tool named `{}` is registered already", definition.name);
            self.effects.unusable.push(Unusable { name: listed.name.clone(), detail });
            return Ok(());
        }
        let tool = Tool::new(id, server.owner, definition, state, now)?;
        let tool = tool.fitted(|it| it.listed = Some(listed.clone()))?;
        self.effects.added.push(tool.definition.name.clone());
        self.added.push(tool);
        Ok(())
    }
}

impl Effects {
    fn note(&self, warrant: &Warrant, diffs: Vec<Value>) {
        if !self.added.is_empty() {
            warrant.note("added", json!(self.added));
        }
        if !diffs.is_empty() {
            warrant.note("quarantined", Value::Array(diffs));
        }
    }
}

impl Tool {
    /// Goes by what a probe found.
    pub(super) fn believe(&mut self, probed: &Probed) {
        self.probe_valid_until = probed.valid_until;
        self.probed = Some(probed.clone());
    }
}

impl Connection {
    /// Leads to where the server is, if this is one of its tools.
    fn follow(&mut self, server: &Connection) {
        if let (Connection::Remote(it), Connection::Remote(server)) = (self, server) {
            it.server_url.clone_from(&server.server_url);
            it.transport_preference = server.transport_preference;
            it.requires_per_user_auth = server.requires_per_user_auth;
        }
    }
}

fn told(tool: &Tool, diff: &[Change]) -> Value {
    json!({ "tool": tool.id, "name": tool.definition.name, "diff": diff })
}
