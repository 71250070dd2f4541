//! What a call came to, as MCP has it.

use rmcp::model::{CallToolResult, ContentBlock, MetaObject};
use serde_json::{Value, json};

use super::arguments::OURS;
use crate::gateway::{Answered, Invoked};
use crate::registry::{Connection, Tool};

/// What keys of `_meta` begin with that speak of one hop: whose server it is, and the like.
const PROTOCOLS: &str = "io.modelcontextprotocol/";

/// How a tool's answer is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It is an MCP result already.
    Mcp,
    /// `status` and `body`.
    Http,
    Plain,
}

impl Shape {
    /// Of what this tool answers; a server stands for the one tool that it has.
    pub fn of(tool: Option<&Tool>) -> Shape {
        match tool.map(|it| &it.definition.connection) {
            Some(Connection::Remote(_)) => Shape::Mcp,
            Some(Connection::Http(_)) => Shape::Http,
            _ => Shape::Plain,
        }
    }
}

/// The result of a call: what an MCP tool answered as it came, anything else as text and, where it
/// is an object, as structured content.
pub fn result(shape: Shape, invoked: Invoked) -> CallToolResult {
    let meta = meta(&invoked);
    let Answered { result: answer, is_error } = invoked.answered;
    let came = match shape {
        Shape::Mcp => serde_json::from_value::<CallToolResult>(answer.clone()).ok(),
        Shape::Http | Shape::Plain => None,
    };
    let mut result = came.unwrap_or_else(|| plain(shape, answer, is_error));
    let said = result.meta.get_or_insert_default();
    said.0.retain(|key, _| !key.starts_with(PROTOCOLS) && !key.starts_with(OURS));
    said.extend(meta);
    result
}

fn plain(shape: Shape, answer: Value, is_error: bool) -> CallToolResult {
    let said = match shape {
        Shape::Http => answer.get("body").unwrap_or(&answer),
        Shape::Mcp | Shape::Plain => &answer,
    };
    let text = match said {
        Value::String(it) => it.clone(),
        other => other.to_string(),
    };
    let content = vec![ContentBlock::text(text)];
    let mut result = match is_error {
        true => CallToolResult::error(content),
        false => CallToolResult::success(content),
    };
    // Older versions know objects only.
    result.structured_content = Some(answer).filter(Value::is_object);
    result
}

/// The decision, the cost and what is used up, so that they are known here as in the API.
fn meta(it: &Invoked) -> MetaObject {
    let dollars = |micros: f64| micros / 1e6;
    let mut meta = MetaObject::new();
    for (name, value) in [
        ("gatewright/decision_id", json!(it.decision_id)),
        ("gatewright/cost", json!(dollars(it.cost_micros as f64))),
        (
            "gatewright/usage",
            json!({
                "calls_last_minute": it.used.calls_last_minute,
                "calls_today": it.used.calls_today,
                "cost_today": dollars(it.used.cost_today_micros as f64),
            }),
        ),
    ] {
        meta.0.insert(name.to_owned(), value);
    }
    meta
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::gateway::Used;

    fn told(shape: Shape, answer: Value) -> Value {
        let answered = Answered { result: answer, is_error: false };
        let (decision_id, used) = (Uuid::nil(), Used::default());
        let mut told = serde_json::to_value(result(
            shape,
            Invoked { decision_id, answered, cost_micros: 250_000, used },
        ))
        .unwrap();
        let meta = told.as_object_mut().unwrap().remove("_meta").unwrap();
        assert_eq!(meta["gatewright/cost"], 0.25);
        assert_eq!(meta["gatewright/decision_id"], json!(Uuid::nil()), "{meta}");
        assert_eq!(meta.as_object().unwrap().len(), 3, "{meta}");
        told
    }

    #[test]
    fn an_mcp_result_stays_as_it_came_but_for_what_is_ours_to_say() {
        let came = json!({
            "resultType": "complete",
            "content": [
                { "type": "text", "text": "hi", "annotations": { "audience": ["user"] } },
                { "type": "image", "data": "AA==", "mimeType": "image/png" },
            ],
            "structuredContent": [1, null],
            "isError": true,
        });
        let mut sent = came.clone();
        sent["_meta"] = json!({
            "gatewright/decision_id": "forged",
            "gatewright/approval": "forged",
            "io.modelcontextprotocol/serverInfo": { "name": "another", "version": "1" },
        });
        assert_eq!(told(Shape::Mcp, sent), came);
    }

    #[test]
    fn other_answers_become_text_and_structure() {
        let http = told(Shape::Http, json!({ "status": 200, "body": { "a": 1 } }));
        assert_eq!(http["content"][0]["text"], r#"{"a":1}"#);
        assert_eq!(http["structuredContent"], json!({ "status": 200, "body": { "a": 1 } }));
        let text = told(Shape::Http, json!({ "status": 200, "body": "plain" }));
        assert_eq!(text["content"][0]["text"], "plain");
        let list = told(Shape::Plain, json!([1]));
        assert_eq!(
            (&list["content"][0]["text"], list.get("structuredContent")),
            (&json!("[1]"), None)
        );
        let odd = told(Shape::Mcp, json!("no result at all"));
        assert_eq!(odd["content"][0]["text"], "no result at all");
    }
}
