//! The tools there are: registered, changed, found.

mod actions;
mod connection;
mod definition;
mod draft;
mod effort;
mod reach;
mod schema;
mod tool;

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::{HashMap, OrdSet};
use uuid::Uuid;

use crate::audit::Ledger;
use crate::authz::{Permit, Warrant};
use crate::clock::Clock;
use crate::credentials;
use crate::secrets::Staged;
use crate::store::{Database, Statement};
use crate::{Error, Result};

use draft::complete;

pub use actions::{
    ActivateTool, CreateTool, DeactivateTool, DeleteTool, ListTools, ShowTool, UpdateTool,
};
pub use connection::{
    Auth, Builtin, ClientCredentials, Connection, HttpMethod, HttpTool, KeyIn, KeyPlace, Lease,
    Masked, Member, Place, Remote, ToolType, Transport, Username,
};
pub(crate) use definition::is_word;
pub use definition::{Definition, RiskLevel};
pub use draft::{HEADER, NewTool, ToolPatch};
pub(crate) use reach::is_header as is_free_header;
pub use tool::{State, Tool};

/// All tools at one instant: immutable, shared, swapped whole.
#[derive(Clone, Default)]
pub struct Catalogue {
    tools: HashMap<Uuid, Arc<Tool>>,
    names: HashMap<String, Uuid>,
    /// The tools of each server.
    members: HashMap<Uuid, OrdSet<Uuid>>,
}

impl Catalogue {
    pub fn tool(&self, id: Uuid) -> Option<&Arc<Tool>> {
        self.tools.get(&id)
    }

    /// Finds a tool by name, whatever its case.
    pub fn named(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tool(*self.names.get(&name.to_lowercase())?)
    }

    /// Whether some tool has this tag.
    pub fn has_tagged(&self, tag: &str) -> bool {
        self.tools.values().any(|it| it.definition.tags.contains(tag))
    }

    /// In order of name.
    pub fn tools(&self) -> Vec<Arc<Tool>> {
        let mut all: Vec<_> = self.tools.values().cloned().collect();
        all.sort_unstable_by(|a, b| a.name_key().cmp(b.name_key()));
        all
    }

    /// The tools of a server, in order of age.
    pub fn members(&self, server: Uuid) -> impl Iterator<Item = &Arc<Tool>> {
        self.members.get(&server).into_iter().flatten().filter_map(|id| self.tools.get(id))
    }

    /// The server that a tool is one of.
    pub fn server_of(&self, tool: &Tool) -> Option<&Arc<Tool>> {
        self.tool(tool.definition.connection.server()?)
    }

    /// Takes in a tool, fitting it to its server, or its own tools to it.
    fn put(&mut self, tool: Arc<Tool>) -> Result<()> {
        let before = self.tools.get(&tool.id).cloned();
        if before.as_ref().is_some_and(|it| it.revision >= tool.revision) {
            return Ok(());
        }
        let tool = match self.server_of(&tool) {
            Some(server) => Arc::new(tool.under(server)?),
            None => tool,
        };
        let below: Vec<Uuid> = self.members.get(&tool.id).into_iter().flatten().copied().collect();
        for id in below {
            if let Some(member) = self.tools.get(&id) {
                let member = Arc::new(member.under(&tool)?);
                self.tools.insert(id, member);
            }
        }
        if let Some(server) = tool.definition.connection.server() {
            self.members.entry(server).or_default().insert(tool.id);
        }
        // A name that was given up is free.
        if let Some(before) = before {
            self.remove(&before);
        }
        self.names.insert(tool.name_key().to_owned(), tool.id);
        let name_key = tool.name_key().to_owned();
        if let Some(before) = self.tools.insert(tool.id, tool)
            && before.name_key() != name_key
        {
            self.forget_name(&before);
        }
        Ok(())
    }

    fn remove(&mut self, tool: &Tool) {
        self.tools.remove(&tool.id);
        self.forget_name(tool);
        if let Some(server) = tool.definition.connection.server()
            && let Some(members) = self.members.get_mut(&server)
        {
            members.remove(&tool.id);
        }
    }

    fn forget_name(&mut self, tool: &Tool) {
        // The name may have been taken again in the meantime.
        if self.names.get(tool.name_key()) == Some(&tool.id) {
            self.names.remove(tool.name_key());
        }
    }
}

/// The registry: read from memory, changed through the ledger.
pub struct Registry {
    catalogue: ArcSwap<Catalogue>,
    ledger: Ledger,
    clock: Clock,
}

impl Registry {
    /// Reads all tools.
    pub async fn load(db: &dyn Database, ledger: Ledger, clock: Clock) -> Result<Registry> {
        let mut catalogue = Catalogue::default();
        for row in db.query("SELECT body, revision FROM tools", vec![]).await? {
            catalogue.put(Arc::new(Tool::restore(row.text(0)?, row.int(1)?)?))?;
        }
        Ok(Registry { catalogue: ArcSwap::from_pointee(catalogue), ledger, clock })
    }

    /// The tools as of now; stays as it is however long it is held.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Registers a tool in the state that was decided for it, and writes down with it what keeps
    /// its secrets.
    pub async fn create(&self, permit: Permit<CreateTool>, new: New) -> Result<Arc<Tool>> {
        let (caller, action, _, warrant) = permit.spend();
        let owner = caller.principal().id();
        let now = self.clock.micros();
        let mut tool = Tool::new(new.id, owner, action.definition, new.state, now)?;
        complete(&tool.definition, &new.secrets.names)?;
        tool.secrets = new.secrets.names;
        self.insert(&warrant, tool, new.secrets.statements).await
    }

    async fn insert(
        &self,
        warrant: &Warrant,
        tool: Tool,
        also: Vec<Statement>,
    ) -> Result<Arc<Tool>> {
        self.free(&tool)?;
        warrant.note("tool", tool.id.to_string());
        warrant.note("name", tool.definition.name.as_str());
        warrant.note("digest", tool.digest());
        let insert = Statement::new(
            "INSERT INTO tools (id, name_key, body, revision) VALUES ($1, $2, $3, $4)",
        )
        .bind(tool.id)
        .bind(tool.name_key())
        .bind(tool.body()?)
        .bind(tool.revision);
        let statements = [insert].into_iter().chain(also).collect();
        self.ledger.commit(warrant, statements).await.map_err(|error| match error {
            Error::Conflict(_) => taken(&tool.definition.name),
            other => other,
        })?;
        self.publish(tool)
    }

    /// Changes a tool. One that is active stays so only if `state`, which was decided for the
    /// changed tool, says so.
    pub async fn update(
        &self,
        permit: Permit<UpdateTool>,
        state: State,
        secrets: Staged,
    ) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let definition = action.patch.apply(&tool.definition)?;
        let next = tool.changed(self.clock.micros(), |it| {
            it.definition = definition;
            it.secrets = secrets.names;
            it.state = if it.state == State::Active { state } else { it.state };
        })?;
        complete(&next.definition, &next.secrets)?;
        self.free(&next)?;
        warrant.note("digest", next.digest());
        warrant.note("state", next.state.as_str());
        self.replace(&warrant, &tool, next, action.if_match, secrets.statements).await
    }

    pub async fn activate(&self, permit: Permit<ActivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        let next = tool.changed(self.clock.micros(), |it| it.state = State::Active)?;
        self.replace(&warrant, &tool, next, action.if_match, Vec::new()).await
    }

    pub async fn deactivate(&self, permit: Permit<DeactivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        let next = tool.changed(self.clock.micros(), |it| it.state = State::Deactivated)?;
        self.replace(&warrant, &tool, next, action.if_match, Vec::new()).await
    }

    async fn replace(
        &self,
        warrant: &Warrant,
        tool: &Tool,
        next: Tool,
        if_match: Option<i64>,
        also: Vec<Statement>,
    ) -> Result<Arc<Tool>> {
        if if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let update = Statement::new(
            "UPDATE tools SET name_key = $3, body = $4, revision = $5
             WHERE id = $1 AND revision = $2",
        )
        .bind(tool.id)
        .bind(tool.revision)
        .bind(next.name_key())
        .bind(next.body()?)
        .bind(next.revision)
        .expect_rows(1);
        let mut statements: Vec<Statement> = [update].into_iter().chain(also).collect();
        // The name is free for another tool now: what was vended under it must not fit that one.
        if next.definition.name != tool.definition.name {
            statements.extend(credentials::of_tool(tool.id, next.updated_at));
        }
        self.ledger.commit(warrant, statements).await.map_err(|it| overtaken(it, if_match))?;
        self.publish(next)
    }

    /// Deletes the tool for good, and the tools of a server with it, and revokes what was vended
    /// for them in the same commit. `also` does away with their secrets.
    pub async fn delete(&self, permit: Permit<DeleteTool>, also: Vec<Statement>) -> Result<()> {
        let (_, action, tool, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let catalogue = self.catalogue();
        let gone: Vec<_> = catalogue.members(tool.id).chain([&tool]).cloned().collect();
        let mut statements = Vec::with_capacity(gone.len() * 3 + also.len());
        for it in &gone {
            statements.extend(credentials::of_tool(it.id, self.clock.micros()));
            statements.push(
                Statement::new("DELETE FROM tools WHERE id = $1 AND revision = $2")
                    .bind(it.id)
                    .bind(it.revision)
                    .expect_rows(1),
            );
        }
        statements.extend(also);
        let written = self.ledger.commit(&warrant, statements).await;
        written.map_err(|it| overtaken(it, action.if_match))?;
        self.swap(|it| {
            gone.iter().for_each(|tool| it.remove(tool));
            Ok(())
        })
    }

    /// Refuses a name that another tool has.
    fn free(&self, tool: &Tool) -> Result<()> {
        match self.catalogue().named(tool.name_key()) {
            Some(it) if it.id != tool.id => Err(taken(&tool.definition.name)),
            _ => Ok(()),
        }
    }

    fn publish(&self, tool: Tool) -> Result<Arc<Tool>> {
        let (id, tool) = (tool.id, Arc::new(tool));
        self.swap(|it| it.put(tool.clone()))?;
        Ok(self.catalogue().tool(id).cloned().unwrap_or(tool))
    }

    fn swap(&self, change: impl Fn(&mut Catalogue) -> Result<()>) -> Result<()> {
        let mut ended = Ok(());
        self.catalogue.rcu(|it| {
            let mut next = Catalogue::clone(it);
            ended = change(&mut next);
            if ended.is_ok() { Arc::new(next) } else { it.clone() }
        });
        ended
    }
}

/// What decided about a new tool, besides what its publisher said.
pub struct New {
    pub id: Uuid,
    pub state: State,
    pub secrets: Staged,
}

/// Who insisted on a revision is told that it is gone, however late that was found out.
fn overtaken(error: Error, if_match: Option<i64>) -> Error {
    match (error, if_match) {
        (Error::Conflict(_), Some(_)) => Error::PreconditionFailed,
        (other, _) => other,
    }
}

fn taken(name: &str) -> Error {
    Error::Conflict(
        format!("a tool named `{name}` is registered already (case does not count)").into(),
    )
}
