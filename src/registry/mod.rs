//! The tools there are: registered, changed, found.

mod actions;
mod definition;
mod effort;
mod schema;
mod tool;

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::HashMap;
use uuid::Uuid;

use crate::audit::Ledger;
use crate::authz::{Permit, Warrant};
use crate::clock::Clock;
use crate::credentials;
use crate::store::{Database, Statement};
use crate::{Error, Result};

pub use actions::{
    ActivateTool, CreateTool, DeactivateTool, DeleteTool, ListTools, ShowTool, UpdateTool,
};
pub(crate) use definition::is_word;
pub use definition::{Definition, RiskLevel, ToolPatch, ToolType};
pub use tool::{State, Tool};

/// All tools at one instant: immutable, shared, swapped whole.
#[derive(Clone, Default)]
pub struct Catalogue {
    tools: HashMap<Uuid, Arc<Tool>>,
    names: HashMap<String, Uuid>,
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

    fn put(&mut self, tool: Arc<Tool>) {
        let before = self.tools.get(&tool.id).cloned();
        if before.as_ref().is_some_and(|it| it.revision >= tool.revision) {
            return;
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
    }

    fn remove(&mut self, tool: &Tool) {
        self.tools.remove(&tool.id);
        self.forget_name(tool);
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
            catalogue.put(Arc::new(Tool::restore(row.text(0)?, row.int(1)?)?));
        }
        Ok(Registry { catalogue: ArcSwap::from_pointee(catalogue), ledger, clock })
    }

    /// The tools as of now; stays as it is however long it is held.
    pub fn catalogue(&self) -> Arc<Catalogue> {
        self.catalogue.load_full()
    }

    /// Registers a tool in the state that was decided for it.
    pub async fn create(&self, permit: Permit<CreateTool>, state: State) -> Result<Arc<Tool>> {
        let (caller, CreateTool(definition), _, warrant) = permit.spend();
        let owner = caller.principal().id();
        let tool = Tool::new(self.clock.new_id(), owner, definition, state, self.clock.micros())?;
        self.insert(&warrant, tool).await
    }

    async fn insert(&self, warrant: &Warrant, tool: Tool) -> Result<Arc<Tool>> {
        if self.catalogue().named(tool.name_key()).is_some() {
            return Err(taken(&tool.definition.name));
        }
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
        self.ledger.commit(warrant, vec![insert]).await.map_err(|error| match error {
            Error::Conflict(_) => taken(&tool.definition.name),
            other => other,
        })?;
        Ok(self.publish(tool))
    }

    /// Changes a tool. One that is active stays so only if `state`, which was decided for the
    /// changed tool, says so.
    pub async fn update(&self, permit: Permit<UpdateTool>, state: State) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let definition = action.patch.apply(&tool.definition)?;
        let name = definition.name.clone();
        let next = tool.changed(self.clock.micros(), |it| {
            it.definition = definition;
            it.state = if it.state == State::Active { state } else { it.state };
        })?;
        if self.catalogue().named(next.name_key()).is_some_and(|it| it.id != next.id) {
            return Err(taken(&name));
        }
        warrant.note("digest", next.digest());
        warrant.note("state", next.state.as_str());
        self.replace(&warrant, &tool, next, action.if_match).await
    }

    pub async fn activate(&self, permit: Permit<ActivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        let next = tool.changed(self.clock.micros(), |it| it.state = State::Active)?;
        self.replace(&warrant, &tool, next, action.if_match).await
    }

    pub async fn deactivate(&self, permit: Permit<DeactivateTool>) -> Result<Arc<Tool>> {
        let (_, action, tool, warrant) = permit.spend();
        let next = tool.changed(self.clock.micros(), |it| it.state = State::Deactivated)?;
        self.replace(&warrant, &tool, next, action.if_match).await
    }

    async fn replace(
        &self,
        warrant: &Warrant,
        tool: &Tool,
        next: Tool,
        if_match: Option<i64>,
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
        let mut statements = Vec::from([update]);
        // The name is free for another tool now: what was vended under it must not fit that one.
        if next.definition.name != tool.definition.name {
            statements.extend(credentials::of_tool(tool.id, next.updated_at));
        }
        self.ledger.commit(warrant, statements).await.map_err(|it| overtaken(it, if_match))?;
        Ok(self.publish(next))
    }

    /// Deletes the tool for good, and revokes what was vended for it in the same commit.
    pub async fn delete(&self, permit: Permit<DeleteTool>) -> Result<()> {
        let (_, action, tool, warrant) = permit.spend();
        if action.if_match.is_some_and(|it| it != tool.revision) {
            return Err(Error::PreconditionFailed);
        }
        let delete = Statement::new("DELETE FROM tools WHERE id = $1 AND revision = $2")
            .bind(tool.id)
            .bind(tool.revision)
            .expect_rows(1);
        let [tell, mark] = credentials::of_tool(tool.id, self.clock.micros());
        let written = self.ledger.commit(&warrant, vec![tell, mark, delete]).await;
        written.map_err(|it| overtaken(it, action.if_match))?;
        self.swap(|it| it.remove(&tool));
        Ok(())
    }

    fn publish(&self, tool: Tool) -> Arc<Tool> {
        let tool = Arc::new(tool);
        self.swap(|it| it.put(tool.clone()));
        tool
    }

    fn swap(&self, change: impl Fn(&mut Catalogue)) {
        self.catalogue.rcu(|it| {
            let mut next = Catalogue::clone(it);
            change(&mut next);
            next
        });
    }
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
