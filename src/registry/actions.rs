//! What can be asked of the registry.

use std::cmp::Ordering;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use uuid::Uuid;

use super::connection::{Remote, ToolType};
use super::definition::{Definition, RiskLevel};
use super::draft::ToolPatch;
use super::import::{self, ImportBody, Imported};
use super::search::Scores;
use super::servers::acceptable;
use super::tool::Tool;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Candidates, Listing, TheRegistry, World};
use crate::secrets::Change;
use crate::{Error, Result};

/// Registering a tool.
#[derive(Debug)]
pub struct CreateTool {
    pub definition: Definition,
    pub secrets: Change,
}

impl Action for CreateTool {
    const NAME: &'static str = "register_tool";
    const EVENT: &'static str = "tool.create";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }
}

/// Registering the tools that a document describes.
#[derive(Debug)]
pub struct ImportTools {
    body: Arc<ImportBody>,
    /// What comes of the body, once somebody who may import it had it read.
    imported: tokio::sync::OnceCell<Imported>,
}

impl ImportTools {
    pub fn new(body: ImportBody) -> ImportTools {
        ImportTools { body: Arc::new(body), imported: tokio::sync::OnceCell::new() }
    }

    /// The tools that the document describes. Finding them is work: not before it is allowed.
    ///
    /// # Errors
    /// The document or the template cannot be used; it takes too long.
    pub async fn imported(&self) -> Result<&Imported> {
        self.imported.get_or_try_init(|| import::read(self.body.clone())).await
    }

    /// The same, if it was found before.
    pub(super) fn into_imported(self) -> Option<Imported> {
        self.imported.into_inner()
    }
}

impl Action for ImportTools {
    const NAME: &'static str = "register_tool";
    const EVENT: &'static str = "tool.import";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }
}

/// Looking at an MCP server that nobody has registered: whoever may register it may look first.
#[derive(Debug)]
pub struct TestConnection {
    pub server: Remote,
    pub secrets: Change,
}

impl Action for TestConnection {
    const NAME: &'static str = "register_tool";
    const EVENT: &'static str = "tool.remote.test_connection";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }
}

/// An action on one tool, with what it carries besides which tool.
macro_rules! on_tool {
    ($name:ident { $($field:ident: $type:ty),* }, $action:literal, $event:literal, $particulars:expr
     $(, $check:expr)?) => {
        #[derive(Debug)]
        pub struct $name {
            pub tool: Uuid,
            $(pub $field: $type),*
        }

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = Arc<Tool>;

            async fn find(&self, world: &World) -> Result<Option<Arc<Tool>>> {
                Ok(world.registry.catalogue().tool(self.tool).cloned())
            }

            $(fn check(&self, tool: &Arc<Tool>, _: &World) -> Result<()> {
                $check(tool)
            })?

            fn particulars(&self, _: &Self::Resource) -> Particulars {
                $particulars
            }
        }
    };
}

on_tool!(ShowTool {}, "view_tool", "tool.show", Particulars::Find);
on_tool!(
    UpdateTool { patch: ToolPatch, if_match: Option<i64> },
    "update_tool", "tool.update", Particulars::Admin { approval: None }
);
on_tool!(
    ActivateTool { if_match: Option<i64> },
    "activate_tool", "tool.activate", Particulars::Admin { approval: None }
);
on_tool!(
    DeactivateTool { if_match: Option<i64> },
    "deactivate_tool", "tool.deactivate", Particulars::Admin { approval: None }
);
on_tool!(
    DeleteTool { if_match: Option<i64> },
    "delete_tool", "tool.delete", Particulars::Admin { approval: None }
);

on_tool!(
    ListVersions { before: Option<i64>, page_size: usize },
    "view_tool", "tool.versions", Particulars::Find
);
on_tool!(
    PublishVersion { patch: ToolPatch, if_match: Option<i64> },
    "publish_version", "tool.version.publish", Particulars::Admin { approval: None }
);
on_tool!(
    RollBackTool { version: String, if_match: Option<i64> },
    "publish_version", "tool.version.rollback", Particulars::Admin { approval: None }
);
on_tool!(
    ProbeTool {},
    "probe_tool",
    "tool.remote.reprobe",
    Particulars::Admin { approval: None },
    on_a_server
);
on_tool!(
    ListProbes { before: Option<Uuid>, page_size: usize },
    "probe_tool", "tool.remote.probes", Particulars::Admin { approval: None }, on_a_server
);
on_tool!(
    AcceptTool { if_match: Option<i64> },
    "accept_tool", "tool.accept", Particulars::Admin { approval: None },
    |tool: &Arc<Tool>| acceptable(tool).map(|_| ())
);

/// Refuses what cannot be probed.
fn on_a_server(tool: &Arc<Tool>) -> Result<()> {
    match tool.definition.connection.tool_type() {
        ToolType::Remote => Ok(()),
        _ => Err(Error::Conflict("only MCP servers and their tools are probed".into())),
    }
}

/// The tools a caller may discover, filtered.
#[derive(Debug, Default)]
pub struct ListTools {
    pub tool_type: Option<ToolType>,
    /// Only tools of this server.
    pub server: Option<Uuid>,
    pub risk_level: Option<RiskLevel>,
    pub is_active: Option<bool>,
    pub tag: Option<String>,
    /// A scope that the tool offers or requires.
    pub scope: Option<String>,
    pub owner: Option<Uuid>,
    /// Words of a name, display name, description or tag; the tools that fit best come first.
    pub q: Option<String>,
    /// Behind which the page begins.
    pub after: Option<Place>,
    /// How many of the visible ones come before the page, for callers that count in pages.
    pub skip: usize,
    pub page_size: usize,
    /// How well tools fit `q`, once it was looked for.
    pub scores: OnceLock<Scores>,
}

/// A place in a list of tools: by name, or where they are ranked, by rank and then by name.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    rank: f64,
    name_key: String,
}

/// Between a rank and a name.
const RANK_END: char = '~';

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(token: &str) -> Result<Place, NoPlace> {
        let Some((rank, name)) = token.split_once(RANK_END) else {
            return Ok(Place { rank: 0.0, name_key: token.to_owned() });
        };
        let bits = u64::from_str_radix(rank, 16).map_err(|_| NoPlace)?;
        Ok(Place { rank: f64::from_bits(bits), name_key: name.to_owned() })
    }
}

/// The text is no place in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoPlace;

impl Place {
    fn is_before(&self, rank: f64, name_key: &str) -> bool {
        match rank.total_cmp(&self.rank) {
            Ordering::Less => true,
            Ordering::Equal => name_key > self.name_key.as_str(),
            Ordering::Greater => false,
        }
    }
}

impl Listing for ListTools {
    const NAME: &'static str = "discover_tool";
    const EVENT: &'static str = "tool.list";
    type Item = Arc<Tool>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Tool>>> {
        let catalogue = world.registry.catalogue();
        let Some(q) = &self.q else {
            let mut items = catalogue.tools();
            items.retain(|it| self.matches(it, 0.0));
            return Ok(Candidates { items, more: false });
        };
        let scores = self.scores.get_or_init(|| catalogue.search(q));
        let found = scores.iter().filter_map(|(id, rank)| Some((catalogue.tool(*id)?, *rank)));
        let mut found: Vec<_> = found.filter(|(it, rank)| self.matches(it, *rank)).collect();
        found.sort_unstable_by(|(a, rank_a), (b, rank_b)| {
            rank_b.total_cmp(rank_a).then_with(|| a.name_key().cmp(b.name_key()))
        });
        let items = found.into_iter().map(|(it, _)| it.clone()).collect();
        Ok(Candidates { items, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Find
    }

    fn page_size(&self) -> usize {
        self.page_size
    }

    fn skip(&self) -> usize {
        self.skip
    }

    fn token_after(&self, item: &Arc<Tool>) -> String {
        let rank = self.scores.get().and_then(|it| it.get(&item.id));
        match rank {
            Some(rank) => format!("{:x}{RANK_END}{}", rank.to_bits(), item.name_key()),
            None => item.name_key().to_owned(),
        }
    }
}

impl ListTools {
    fn matches(&self, tool: &Tool, rank: f64) -> bool {
        let it = &tool.definition;
        self.after.as_ref().is_none_or(|after| after.is_before(rank, tool.name_key()))
            && self.tool_type.is_none_or(|want| it.connection.tool_type() == want)
            && self.server.is_none_or(|want| it.connection.server() == Some(want))
            && self.risk_level.is_none_or(|want| it.risk_level == want)
            && self.is_active.is_none_or(|want| tool.is_active() == want)
            && self.owner.is_none_or(|want| tool.owner == want)
            && self.tag.as_ref().is_none_or(|want| it.tags.contains(want))
            && self
                .scope
                .as_ref()
                .is_none_or(|want| it.scopes.contains(want) || it.required_scopes.contains(want))
    }
}
