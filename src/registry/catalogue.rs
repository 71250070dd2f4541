//! All tools at one instant.

use std::ops::Bound;
use std::sync::Arc;

use imbl::{HashMap, OrdMap, OrdSet};
use uuid::Uuid;

use super::search::{Index, Scores};
use super::tool::Tool;
use crate::Result;
use crate::store::Database;

/// All tools at one instant: immutable, shared, swapped whole.
#[derive(Clone, Default)]
pub struct Catalogue {
    tools: HashMap<Uuid, Arc<Tool>>,
    /// In order, for lists.
    names: OrdMap<String, Uuid>,
    /// The tools of each server.
    members: HashMap<Uuid, OrdSet<Uuid>>,
    index: Index,
}

impl Catalogue {
    /// Reads all tools.
    ///
    /// # Errors
    /// The store does not answer, or holds what is no tool.
    pub async fn load(db: &dyn Database) -> Result<Catalogue> {
        let mut catalogue = Catalogue::default();
        for row in db.query("SELECT body, revision FROM tools", vec![]).await? {
            catalogue.put(Arc::new(Tool::restore(row.text(0)?, row.int(1)?)?))?;
        }
        Ok(catalogue)
    }

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
        self.names.values().filter_map(|id| self.tools.get(id)).cloned().collect()
    }

    /// Those whose names (without regard to case) come after `name_key`, in order of name.
    pub fn after(&self, name_key: &str) -> impl Iterator<Item = &Arc<Tool>> {
        let behind = (Bound::Excluded(name_key.to_owned()), Bound::Unbounded);
        self.names.range(behind).filter_map(|(_, id)| self.tools.get(id))
    }

    /// How well tools fit what is asked for, by id; those that do not fit at all are left out.
    pub fn search(&self, asked: &str) -> Scores {
        self.index.search(asked)
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
    pub(super) fn put(&mut self, tool: Arc<Tool>) -> Result<()> {
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
        // A name that was given up is free.
        if let Some(before) = before {
            self.remove(&before);
        }
        if let Some(server) = tool.definition.connection.server() {
            self.members.entry(server).or_default().insert(tool.id);
        }
        self.names.insert(tool.name_key().to_owned(), tool.id);
        self.index.put(tool.id, &tool.definition);
        let name_key = tool.name_key().to_owned();
        if let Some(before) = self.tools.insert(tool.id, tool)
            && before.name_key() != name_key
        {
            self.forget_name(&before);
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, tool: &Tool) {
        self.tools.remove(&tool.id);
        self.index.remove(tool.id, &tool.definition);
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
