//! `tools/list`: the tools that this caller may discover and that can be called here.

use std::borrow::Cow;
use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rmcp::ErrorData;
use rmcp::model::{
    CacheScope, JsonObject, ListToolsResult, MetaObject, Tool as Listed, ToolAnnotations,
};
use serde_json::{Value, json};

use crate::Result;
use crate::authz::facts::Particulars;
use crate::authz::{Candidates, Listing, Visible, World};
use crate::registry::{Builtin, Connection, HttpMethod, RiskLevel, Tool};

/// Not every client asks for a second page.
const PAGE_SIZE: usize = 200;
/// What a cursor begins with, so that another kind of text is told from one.
const CURSOR: &str = "after:";

/// The tools that a caller may discover and call through the gateway, by name.
#[derive(Debug)]
pub struct ListCallable {
    /// The name behind which the page begins.
    after: Option<String>,
}

impl ListCallable {
    /// The page that a cursor asks for.
    ///
    /// # Errors
    /// It is not one of ours. One that is made up shows nothing that is not shown without it.
    pub fn at(cursor: Option<&str>) -> Result<ListCallable, ErrorData> {
        let after = cursor.map(|it| name_in(it).ok_or_else(bad_cursor)).transpose()?;
        Ok(ListCallable { after })
    }

    fn holds(&self, tool: &Tool) -> bool {
        let connection = &tool.definition.connection;
        // A whole server is not called, and functions are run by those who call them.
        let callable = !connection.is_server() && !matches!(connection, Connection::Function);
        callable
            && tool.is_active()
            && self.after.as_deref().is_none_or(|after| tool.name_key() > after)
    }
}

impl Listing for ListCallable {
    const NAME: &'static str = "discover_tool";
    const EVENT: &'static str = "tool.list";
    type Item = Arc<Tool>;

    async fn candidates(&self, world: &World) -> Result<Candidates<Arc<Tool>>> {
        let mut items = world.registry.catalogue().tools();
        items.retain(|it| self.holds(it));
        Ok(Candidates { items, more: false })
    }

    fn particulars(&self) -> Particulars {
        Particulars::Find
    }

    fn page_size(&self) -> usize {
        PAGE_SIZE
    }

    fn token_after(&self, item: &Arc<Tool>) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(format!("{CURSOR}{}", item.name_key()))
    }
}

fn name_in(cursor: &str) -> Option<String> {
    let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix(CURSOR).map(str::to_owned)
}

fn bad_cursor() -> ErrorData {
    ErrorData::invalid_params("the cursor is not one that was given here", None)
}

/// The page as MCP has it: this caller's own, and never fresh for long.
pub fn page(visible: &Visible<ListCallable>) -> ListToolsResult {
    let mut page =
        ListToolsResult::with_all_items(visible.items().iter().map(|it| listed(it)).collect())
            .with_ttl_ms(0)
            .with_cache_scope(CacheScope::Private);
    page.next_cursor = Some(visible.next_page_token().to_owned()).filter(|it| !it.is_empty());
    page
}

/// One tool as MCP has it.
pub fn listed(tool: &Tool) -> Listed {
    let it = &tool.definition;
    let description = Some(it.description.clone()).filter(|it| !it.is_empty()).map(Cow::Owned);
    let mut listed = Listed::new_with_raw(it.name.clone(), description, schema(&it.input_schema))
        .with_annotations(annotations(tool))
        .with_meta(meta(tool));
    if !it.display_name.is_empty() {
        listed = listed.with_title(it.display_name.clone());
    }
    listed
}

/// MCP wants the schema to say what it is the schema of: arguments are always an object.
fn schema(schema: &Value) -> JsonObject {
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    schema.entry("type").or_insert_with(|| "object".into());
    schema
}

/// What is not known is not said: then clients take a tool for one that changes and destroys.
fn annotations(tool: &Tool) -> ToolAnnotations {
    let it = &tool.definition;
    let mut hints = ToolAnnotations::new();
    if !it.consequential && only_reads(&it.connection) {
        hints = hints.read_only(true);
    }
    match it.risk_level {
        RiskLevel::Low if !it.consequential => hints.destructive(false),
        RiskLevel::Low | RiskLevel::Medium if !it.consequential => hints,
        _ => hints.destructive(true),
    }
}

fn only_reads(connection: &Connection) -> bool {
    match connection {
        Connection::Http(it) => matches!(it.method, HttpMethod::Get | HttpMethod::Head),
        Connection::Builtin { builtin } => matches!(builtin, Builtin::WebSearch | Builtin::Llm),
        Connection::Remote(_) | Connection::Function => false,
    }
}

fn meta(tool: &Tool) -> MetaObject {
    let it = &tool.definition;
    let mut meta = MetaObject::new();
    for (name, value) in [
        ("gatewright/tool_id", json!(tool.id)),
        ("gatewright/version", json!(it.version)),
        ("gatewright/risk_level", json!(it.risk_level)),
        ("gatewright/consequential", json!(it.consequential)),
    ] {
        meta.0.insert(name.to_owned(), value);
    }
    meta
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_taken_back_and_nothing_else_is() {
        let cursor = BASE64_URL_SAFE_NO_PAD.encode("after:orders");
        assert_eq!(ListCallable::at(Some(&cursor)).unwrap().after.as_deref(), Some("orders"));
        assert_eq!(ListCallable::at(None).unwrap().after, None);
        for bad in ["", "orders", "b3JkZXJz", "\u{0}", &"A".repeat(5000)] {
            assert!(ListCallable::at(Some(bad)).is_err(), "{bad}");
        }
    }
}
