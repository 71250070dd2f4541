//! What a `tools/call` asks for, beside the tool and its arguments: in `_meta`, where the client
//! writes and not the model.

use rmcp::model::{CallToolRequestParams, JsonObject};
use serde_json::Value;

use super::super::invoke::{TRACE_CHARS_MAX, is_idempotency_key};
use super::approval::{APPROVAL, carried};
use crate::credentials::ToolRef;
use crate::gateway::{Along, InvokeTool};
use crate::{Error, Result};

/// What the keys that are for us begin with.
pub const OURS: &str = "gatewright/";
const CONFIRM: &str = "gatewright/confirm_consequential";
const KEY: &str = "gatewright/idempotency_key";
const ON_BEHALF_OF: &str = "gatewright/on_behalf_of";
const TRACE: &str = "traceparent";

/// The call as the gateway has it. What is in `_meta` and not for us goes along, as it came.
///
/// # Errors
/// A key that is for us holds something else than it should.
pub fn invocation(
    params: CallToolRequestParams,
    mut meta: JsonObject,
    trace_header: Option<String>,
) -> Result<InvokeTool> {
    let trace = meta.remove(TRACE).and_then(|it| it.as_str().map(str::to_owned)).or(trace_header);
    let tool = ToolRef::Name(params.name.into_owned());
    let arguments = Value::Object(params.arguments.unwrap_or_default());
    let mut asked = InvokeTool {
        confirmed: confirmed(meta.remove(CONFIRM).as_ref())?,
        idempotency_key: idempotency_key(meta.remove(KEY))?,
        on_behalf_of: on_behalf_of(meta.remove(ON_BEHALF_OF))?,
        approval_id: carried(meta.remove(APPROVAL), params.request_state)?,
        ..InvokeTool::new(tool, arguments)
    };
    // A key with a typing error must not become no key.
    if let Some(name) = meta.keys().find(|it| it.starts_with(OURS)) {
        let name: String = name.chars().take(60).collect();
        return Err(Error::field(&pointer(&name), "is not a key of this request"));
    }
    let trace = trace.filter(|it| it.len() <= TRACE_CHARS_MAX);
    asked.along = Along { trace, meta, ..Along::default() };
    Ok(asked)
}

fn confirmed(value: Option<&Value>) -> Result<bool> {
    match value {
        None => Ok(false),
        Some(Value::Bool(it)) => Ok(*it),
        Some(_) => Err(Error::field(&pointer(CONFIRM), "must be true or false")),
    }
}

fn idempotency_key(value: Option<Value>) -> Result<Option<String>> {
    match value {
        None => Ok(None),
        Some(Value::String(it)) if is_idempotency_key(&it) => Ok(Some(it)),
        Some(_) => Err(Error::field(&pointer(KEY), "must be 1 to 255 visible characters")),
    }
}

fn on_behalf_of(value: Option<Value>) -> Result<Option<uuid::Uuid>> {
    let Some(value) = value else { return Ok(None) };
    let id = value.as_str().and_then(|it| it.parse().ok());
    id.map(Some).ok_or_else(|| Error::field(&pointer(ON_BEHALF_OF), "must be the id of a user"))
}

/// Where in the request a key of ours stands (RFC 6901).
fn pointer(key: &str) -> String {
    format!("/params/_meta/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(meta: &Value) -> Result<InvokeTool> {
        let params = CallToolRequestParams::new("orders");
        invocation(params, meta.as_object().unwrap().clone(), Some("header".into()))
    }

    #[test]
    fn what_is_for_us_is_taken_out_and_the_rest_goes_along() {
        let asked = read(&json!({
            "gatewright/confirm_consequential": true,
            "gatewright/idempotency_key": "k-1",
            "gatewright/on_behalf_of": uuid::Uuid::nil(),
            "traceparent": "00-1",
            "com.example/unknown": { "a": 1 },
            "progressToken": 7,
        }))
        .unwrap();
        assert!(asked.confirmed);
        assert_eq!(asked.idempotency_key.as_deref(), Some("k-1"));
        assert_eq!(asked.on_behalf_of, Some(uuid::Uuid::nil()));
        assert_eq!(asked.along.trace.as_deref(), Some("00-1"));
        assert_eq!(
            Value::Object(asked.along.meta),
            json!({ "com.example/unknown": { "a": 1 }, "progressToken": 7 })
        );
        assert_eq!(asked.arguments, json!({}));
        assert_eq!(read(&json!({})).unwrap().along.trace.as_deref(), Some("header"));
    }

    #[test]
    fn what_is_for_us_and_makes_no_sense_is_refused() {
        for meta in [
            json!({ "gatewright/confirm_consequential": "yes" }),
            json!({ "gatewright/idempotency_key": "" }),
            json!({ "gatewright/idempotency_key": 1 }),
            json!({ "gatewright/on_behalf_of": "ann" }),
            json!({ "gatewright/confirm": true }),
        ] {
            assert!(matches!(read(&meta), Err(Error::Invalid(_))), "{meta}");
        }
    }
}
