//! The tools there are: registered, changed, found.

mod actions;
mod catalogue;
mod connection;
mod definition;
mod draft;
mod drift;
mod effort;
mod import;
mod listed;
mod probed;
mod reach;
mod schema;
mod search;
mod seen;
mod servers;
mod tool;
mod versions;

use std::sync::Arc;

use arc_swap::ArcSwap;
use uuid::Uuid;

use crate::audit::Ledger;
use crate::authz::{Permit, Warrant};
use crate::clock::Clock;
use crate::credentials;
use crate::secrets::Staged;
use crate::store::{Database, Statement};
use crate::{Error, Result};

use draft::complete;
use servers::Plan;

pub use actions::{
    AcceptTool, ActivateTool, CreateTool, DeactivateTool, DeleteTool, ImportTools, ListProbes,
    ListTools, ListVersions, ProbeTool, PublishVersion, RollBackTool, ShowTool, TestConnection,
    UpdateTool,
};
pub use catalogue::Catalogue;
pub use connection::{
    Auth, Builtin, ClientCredentials, Connection, HttpMethod, HttpTool, KeyIn, KeyPlace, Lease,
    Masked, Member, Place, Remote, ToolType, Transport, Username,
};
pub(crate) use definition::is_word;
pub use definition::{Definition, RiskLevel};
pub use draft::{HEADER, NewTool, ToolPatch};
pub use drift::Change;
pub use import::{ImportBody, Imported};
pub use listed::Unusable;
pub use probed::{Found, ProbeView, Probed, Quarantine};
pub(crate) use reach::is_header as is_free_header;
pub use servers::{Effects, accepted};
pub use tool::{State, Tool};
pub use versions::{History, Version};

/// The registry: read from memory, changed through the ledger.
pub struct Registry {
    catalogue: ArcSwap<Catalogue>,
    ledger: Ledger,
    clock: Clock,
}

impl Registry {
    /// Reads all tools.
    pub async fn load(db: &dyn Database, ledger: Ledger, clock: Clock) -> Result<Registry> {
        let catalogue = Catalogue::load(db).await?;
        Ok(Registry { catalogue: ArcSwap::from_pointee(catalogue), ledger, clock })
    }

    /// The tools as of now; stays as it is however long it is held.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Registers a tool in the state that was decided for it, the tools of a server with it, and
    /// writes down with it what keeps its secrets.
    pub async fn create(&self, permit: Permit<CreateTool>, new: New) -> Result<Arc<Tool>> {
        let (caller, action, _, warrant) = permit.spend();
        let New { id, decided: Decided { state, found, secrets } } = new;
        let owner = caller.principal().id();
        let tool = Tool::new(id, owner, action.definition, state, self.clock.micros())?;
        complete(&tool.definition, &secrets.names)?;
        let tool = tool.fitted(|it| {
            it.secrets = secrets.names;
            if let Some(found) = &found {
                it.believe(&found.probed);
            }
        })?;
        let mut also = secrets.statements;
        self.free(&tool)?;
        warrant.note("tool", id.to_string());
        warrant.note("name", tool.definition.name.as_str());
        warrant.note("digest", tool.digest());
        let name = tool.definition.name.clone();
        let mut plan = Plan::default();
        if let Some(found) = &found {
            plan = self.plan(&tool, found, state)?;
            also.extend(probed::kept(id, &found.probed)?);
        }
        plan.added.insert(0, tool);
        let written = self.carry_out(&warrant, None, plan, also).await;
        written.map_err(|error| match error {
            Error::Conflict(_) => taken(&name),
            other => other,
        })?;
        self.catalogue().tool(id).cloned().ok_or(Error::NotFound)
    }

    /// Registers all tools of a document, or none, each in the state that was decided for it and
    /// with the secrets that are kept for it.
    pub async fn import(
        &self,
        permit: Permit<ImportTools>,
        decided: Vec<New>,
    ) -> Result<Vec<Arc<Tool>>> {
        let (caller, action, _, warrant) = permit.spend();
        let (owner, now) = (caller.principal().id(), self.clock.micros());
        let unread = || Error::internal("a document is read before it is imported");
        let definitions = action.into_imported().ok_or_else(unread)?.definitions;
        let (mut added, mut also) = (Vec::new(), Vec::new());
        for (definition, New { id, decided }) in definitions.into_iter().zip(decided) {
            complete(&definition, &decided.secrets.names)?;
            let tool = Tool::new(id, owner, definition, decided.state, now)?;
            let tool = tool.fitted(|it| it.secrets = decided.secrets.names)?;
            self.free(&tool)?;
            also.extend(decided.secrets.statements);
            added.push(tool);
        }
        let ids: Vec<Uuid> = added.iter().map(|it| it.id).collect();
        warrant.note("tools", ids.iter().map(Uuid::to_string).collect::<Vec<_>>());
        self.write(&warrant, Work { changed: Vec::new(), added, also }).await?;
        let catalogue = self.catalogue();
        Ok(ids.iter().filter_map(|id| catalogue.tool(*id).cloned()).collect())
    }

    /// Changes a tool. One that is active stays so only if what was decided for the changed tool
    /// says so.
    pub async fn update(&self, permit: Permit<UpdateTool>, decided: Decided) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        self.patch(&warrant, &tool, (&action.patch, action.if_match), decided).await
    }

    /// Changes a tool into a version that it names.
    pub async fn publish(
        &self,
        permit: Permit<PublishVersion>,
        decided: Decided,
    ) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        self.patch(&warrant, &tool, (&action.patch, action.if_match), decided).await
    }

    async fn patch(
        &self,
        warrant: &Warrant,
        tool: &Arc<Tool>,
        (patch, if_match): (&ToolPatch, Option<i64>),
        decided: Decided,
    ) -> Result<Arc<Tool>> {
        let definition = patch.apply(&tool.definition)?;
        self.redefine(warrant, tool, definition, (if_match, decided)).await
    }

    /// Gives a tool the definition that it had in an earlier version.
    pub async fn roll_back(
        &self,
        permit: Permit<RollBackTool>,
        version: Version,
        decided: Decided,
    ) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        warrant.note("version", version.number);
        let definition = version.definition.checked()?;
        self.redefine(&warrant, &tool, definition, (action.if_match, decided)).await
    }

    async fn redefine(
        &self,
        warrant: &Warrant,
        tool: &Arc<Tool>,
        definition: Definition,
        (if_match, decided): (Option<i64>, Decided),
    ) -> Result<Arc<Tool>> {
        if if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let Decided { state, found, secrets } = decided;
        let next = tool.changed(self.clock.micros(), |it| {
            it.definition = definition;
            it.secrets = secrets.names;
            it.state = if it.state == State::Active { state } else { it.state };
            if let Some(found) = &found {
                it.believe(&found.probed);
            }
        })?;
        complete(&next.definition, &next.secrets)?;
        self.free(&next)?;
        warrant.note("digest", next.digest());
        warrant.note("state", next.state.as_str());
        let mut plan = Plan::default();
        let mut also = secrets.statements;
        if let Some(found) = &found {
            plan = self.plan(&next, found, State::Draft)?;
            also.extend(probed::kept(tool.id, &found.probed)?);
        }
        let written = self.carry_out(warrant, Some((tool.clone(), next)), plan, also).await;
        written.map_err(|it| overtaken(it, if_match))?;
        self.catalogue().tool(tool.id).cloned().ok_or(Error::NotFound)
    }

    pub async fn activate(&self, permit: Permit<ActivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        let next = tool.changed(self.clock.micros(), |it| {
            it.state = State::Active;
            it.quarantine = None;
        })?;
        self.replace(&warrant, &tool, next, action.if_match, Vec::new()).await
    }

    pub async fn deactivate(&self, permit: Permit<DeactivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        // It is out of use already, and what releases it must stay what releases it.
        if tool.state == State::Quarantined {
            return Err(Error::Conflict("this tool is quarantined, and out of use already".into()));
        }
        let next = tool.changed(self.clock.micros(), |it| it.state = State::Deactivated)?;
        self.replace(&warrant, &tool, next, action.if_match, Vec::new()).await
    }

    async fn replace(
        &self,
        warrant: &Warrant,
        tool: &Arc<Tool>,
        next: Tool,
        if_match: Option<i64>,
        also: Vec<Statement>,
    ) -> Result<Arc<Tool>> {
        if if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let id = tool.id;
        let work = Work { changed: vec![(tool.clone(), next)], added: Vec::new(), also };
        self.write(warrant, work).await.map_err(|it| overtaken(it, if_match))?;
        self.catalogue().tool(id).cloned().ok_or(Error::NotFound)
    }

    /// Writes changed and new tools in one commit, each with the version that its definition makes.
    async fn write(&self, warrant: &Warrant, work: Work) -> Result<()> {
        let Work { changed, added, also } = work;
        let mut statements = Vec::new();
        for (before, next) in &changed {
            statements.push(update(before, next)?);
            if next.digest() != before.digest() {
                statements.extend([versions::recalled(before)?, versions::made(warrant, next)?]);
            }
            // The name is free for another tool now: what was vended under it must not fit that one.
            if next.definition.name != before.definition.name {
                statements.extend(credentials::of_tool(next.id, next.updated_at));
            }
        }
        for tool in &added {
            statements.extend([insert(tool)?, versions::made(warrant, tool)?]);
        }
        statements.extend(also);
        self.ledger.commit(warrant, statements).await?;
        let tools: Vec<Arc<Tool>> =
            changed.into_iter().map(|(_, next)| next).chain(added).map(Arc::new).collect();
        self.swap(|it| tools.iter().try_for_each(|tool| it.put(tool.clone())))
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
            statements.extend(versions::forgotten(it.id));
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
        let catalogue = self.catalogue();
        // What looks like a tool of a server is one.
        let server = tool.name_key().split_once("__").and_then(|(it, _)| catalogue.named(it));
        let of_another = server.is_some_and(|it| {
            it.definition.connection.is_server()
                && tool.definition.connection.server() != Some(it.id)
                && it.owner != tool.owner
        });
        match catalogue.named(tool.name_key()) {
            _ if of_another => {
                Err(Error::Conflict("names like this are for the tools of a server".into()))
            }
            Some(it) if it.id != tool.id => Err(taken(&tool.definition.name)),
            _ => Ok(()),
        }
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

/// A new tool, besides what its publisher said.
pub struct New {
    pub id: Uuid,
    pub decided: Decided,
}

/// What was decided and found out about a tool that begins, or changes.
pub struct Decided {
    /// In which it is active only if its publisher could activate it.
    pub state: State,
    /// Of a server: what it was found to be.
    pub found: Option<Found>,
    /// The names of its secrets, and what is written with it to keep them.
    pub secrets: Staged,
}

/// What is written at once.
struct Work {
    changed: Vec<(Arc<Tool>, Tool)>,
    added: Vec<Tool>,
    also: Vec<Statement>,
}

fn insert(tool: &Tool) -> Result<Statement> {
    let insert =
        Statement::new("INSERT INTO tools (id, name_key, body, revision) VALUES ($1, $2, $3, $4)");
    Ok(insert.bind(tool.id).bind(tool.name_key()).bind(tool.body()?).bind(tool.revision))
}

fn update(before: &Tool, next: &Tool) -> Result<Statement> {
    let update = Statement::new(
        "UPDATE tools SET name_key = $3, body = $4, revision = $5 WHERE id = $1 AND revision = $2",
    );
    Ok(update
        .bind(before.id)
        .bind(before.revision)
        .bind(next.name_key())
        .bind(next.body()?)
        .bind(next.revision)
        .expect_rows(1))
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
