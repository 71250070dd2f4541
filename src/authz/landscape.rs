//! What there is for policies to speak of, as the service knows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::uid::Kind;
use crate::directory::Snapshot;
use crate::policy::{KnownTool, Landscape};
use crate::registry::{Catalogue, Connection, Tool};

/// The group of whoever sets the service up.
const BOOTSTRAP: &str = "bootstrap";

/// Tools, principals and networks at one instant.
pub struct Survey {
    pub catalogue: Arc<Catalogue>,
    /// None where only the tools are known.
    pub directory: Option<Arc<Snapshot>>,
    /// The names of networks; none where they are not known.
    pub zones: Option<BTreeSet<String>>,
}

impl Landscape for Survey {
    fn tool(&self, name: &str) -> Option<KnownTool> {
        self.catalogue.named(name).map(|it| known(it))
    }

    fn tool_names(&self) -> Vec<String> {
        self.catalogue.tools().iter().map(|it| it.definition.name.clone()).collect()
    }

    fn ids(&self, kind: Kind) -> Option<BTreeSet<String>> {
        let tools = || self.catalogue.tools();
        Some(match kind {
            Kind::Tool => tools().iter().map(|it| it.id.to_string()).collect(),
            Kind::ToolSet => {
                let mut sets = BTreeSet::new();
                for it in tools() {
                    sets.extend(it.definition.tags.iter().cloned());
                    if it.definition.connection.is_server() {
                        sets.insert(it.name_key().to_owned());
                    }
                }
                sets
            }
            Kind::Scope => {
                let mut scopes = BTreeSet::new();
                for it in tools() {
                    scopes.extend(it.definition.scopes.iter().cloned());
                    scopes.extend(it.definition.required_scopes.iter().cloned());
                }
                scopes
            }
            Kind::NetZone => self.zones.clone()?,
            _ => self.principals(kind)?,
        })
    }

    fn named(&self, kind: Kind, name: &str) -> Option<String> {
        match kind {
            Kind::Tool => self.catalogue.named(name).map(|it| it.id.to_string()),
            Kind::Agent => self.directory.as_ref()?.agent_named(name).map(|it| it.id.to_string()),
            Kind::User => self.directory.as_ref()?.user_named(name).map(|it| it.id.to_string()),
            _ => None,
        }
    }
}

impl Survey {
    fn principals(&self, kind: Kind) -> Option<BTreeSet<String>> {
        let directory = self.directory.as_ref()?;
        Some(match kind {
            Kind::User => directory.users().iter().map(|it| it.id.to_string()).collect(),
            Kind::Agent => directory.agents().iter().map(|it| it.id.to_string()).collect(),
            Kind::Group => {
                let mut groups = BTreeSet::from([BOOTSTRAP.to_owned()]);
                for it in directory.users() {
                    groups.extend(it.groups.iter().cloned());
                }
                for it in directory.agents() {
                    groups.extend(it.groups.iter().cloned());
                }
                groups
            }
            _ => return None,
        })
    }
}

fn known(tool: &Tool) -> KnownTool {
    let it = &tool.definition;
    let is_server = it.connection.is_server();
    KnownTool {
        id: tool.id.to_string(),
        name: it.name.clone(),
        input_schema: Arc::new(it.input_schema.clone()),
        is_called_here: !is_server && !matches!(it.connection, Connection::Function),
    }
}
