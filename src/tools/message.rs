//! What an MCP message asks for, read before anything acts on it.

use bytes::Bytes;
use serde_json::{Map, Value};

/// A message, as far as it matters who sent it.
#[derive(Debug)]
pub(super) enum Message {
    /// A tool is to be called. The bytes say it again, once and clearly, so that nobody who reads
    /// them can find another call in them than this.
    Call { call: Call, bytes: Bytes },
    /// Anything else, readable or not: none of it touches a tool.
    Other(Bytes),
}

/// Which tool, by its MCP name, with which arguments: an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) tool: String,
    pub(super) arguments: Value,
}

impl Message {
    pub(super) fn read(bytes: Bytes) -> Message {
        match serde_json::from_slice::<Value>(&bytes) {
            Ok(message) => match call(&message) {
                Some(call) => Message::Call { call, bytes: message.to_string().into() },
                None => Message::Other(bytes),
            },
            Err(_) => Message::Other(bytes),
        }
    }
}

fn call(message: &Value) -> Option<Call> {
    if message.get("method")? != "tools/call" {
        return None;
    }
    let params = message.get("params")?;
    let tool = params.get("name")?.as_str()?.to_owned();
    let arguments = match params.get("arguments") {
        None | Some(Value::Null) => Value::Object(Map::new()),
        Some(it) => it.clone(),
    };
    Some(Call { tool, arguments })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Message {
        Message::read(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_call_is_told_from_all_else() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call",
                       "params":{"name":"sum","arguments":{"a":1}}}"#;
        let Message::Call { call, .. } = read(text) else { panic!("a call") };
        assert_eq!(call, Call { tool: "sum".into(), arguments: json!({ "a": 1 }) });
        let bare = r#"{"method":"tools/call","params":{"name":"sum"}}"#;
        let Message::Call { call, .. } = read(bare) else { panic!("a call") };
        assert_eq!(call.arguments, json!({}));
        for other in [
            "",
            "{",
            "[]",
            r#"[{"method":"tools/call","params":{"name":"sum"}}]"#,
            r#"{"method":"tools/list"}"#,
            r#"{"method":"tools/call"}"#,
            r#"{"method":"tools/call","params":{"name":7}}"#,
        ] {
            assert!(matches!(read(other), Message::Other(_)), "{other}");
        }
    }

    #[test]
    fn whoever_reads_on_finds_the_same_call() {
        let twice = r#"{"method":"tools/list","method":"tools/call","params":{"name":"cheap"},
                        "params":{"name":"dear","name":"sum","arguments":{"a":1,"a":2}}}"#;
        let Message::Call { call, bytes } = read(twice) else { panic!("a call") };
        assert_eq!(call, Call { tool: "sum".into(), arguments: json!({ "a": 2 }) });
        let text = std::str::from_utf8(&bytes).unwrap();
        assert_eq!(text.matches("name").count(), 1, "{text}");
        assert_eq!(text.matches("tools/").count(), 1, "{text}");
    }
}
