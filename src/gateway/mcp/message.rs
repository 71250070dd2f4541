//! Messages of JSON-RPC 2.0, as MCP uses them.

use bytes::Bytes;
use rmcp::model::{ErrorCode, ErrorData, JsonRpcVersion2_0, RequestId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::failure::Failure;

/// What a server says in an error is shortened to this.
const ERROR_CHARS_MAX: usize = 500;

/// A message from the server.
pub(super) enum Received {
    /// The id is missing where the server could not read that of the request.
    Answer {
        id: Option<RequestId>,
        outcome: Result<Value, ErrorData>,
    },
    Asked {
        id: RequestId,
        method: String,
    },
    Told {
        method: String,
        params: Value,
    },
}

#[derive(Deserialize)]
struct Envelope {
    #[expect(dead_code, reason = "another version is refused by its type")]
    jsonrpc: JsonRpcVersion2_0,
    id: Option<RequestId>,
    method: Option<String>,
    #[serde(default)]
    params: Value,
    #[serde(default, deserialize_with = "present")]
    result: Option<Value>,
    error: Option<ErrorData>,
}

#[derive(Serialize)]
struct Sent<'a> {
    jsonrpc: JsonRpcVersion2_0,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RequestId>,
    #[serde(flatten)]
    content: Content<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Method { method: &'a str, params: Value },
    Result { result: Value },
    Error { error: ErrorData },
}

/// Reads one message. Nesting beyond serde_json's 128 levels is refused with what cannot be read.
pub(super) fn read(text: &[u8]) -> Result<Received, Failure> {
    let envelope: Envelope = serde_json::from_slice(text)
        .map_err(|_| Failure::Protocol("a message is not one of JSON-RPC 2.0"))?;
    match envelope {
        Envelope { id, method: None, result: Some(result), error: None, .. } => {
            Ok(Received::Answer { id, outcome: Ok(result) })
        }
        Envelope { id, method: None, result: None, error: Some(error), .. } => {
            Ok(Received::Answer { id, outcome: Err(shortened(error)) })
        }
        Envelope { id: Some(id), method: Some(method), result: None, error: None, .. } => {
            Ok(Received::Asked { id, method })
        }
        Envelope { id: None, method: Some(method), params, result: None, error: None, .. } => {
            Ok(Received::Told { method, params })
        }
        _ => Err(Failure::Protocol("a message is neither question, answer nor notification")),
    }
}

pub(super) fn request(id: &RequestId, method: &str, params: Value) -> Result<Bytes, Failure> {
    written(Some(id), Content::Method { method, params })
}

pub(super) fn notification(method: &str, params: Value) -> Result<Bytes, Failure> {
    written(None, Content::Method { method, params })
}

/// The answer to whatever a server asks of its client: that it lives, and nothing else. Sampling,
/// elicitation and roots are for clients that said that they can.
pub(super) fn reply(id: &RequestId, method: &str) -> Result<Bytes, Failure> {
    let content = match method {
        "ping" => Content::Result { result: json!({}) },
        _ => {
            let code = ErrorCode::METHOD_NOT_FOUND;
            Content::Error { error: ErrorData::new(code, "this client offers no such thing", None) }
        }
    };
    written(Some(id), content)
}

fn written(id: Option<&RequestId>, content: Content) -> Result<Bytes, Failure> {
    serde_json::to_vec(&Sent { jsonrpc: JsonRpcVersion2_0, id, content })
        .map(Bytes::from)
        .map_err(|_| Failure::Protocol("the request cannot be written as JSON"))
}

fn shortened(error: ErrorData) -> ErrorData {
    let message: String =
        error.message.chars().filter(|it| !it.is_control()).take(ERROR_CHARS_MAX).collect();
    ErrorData::new(error.code, message, error.data)
}

/// Tells `null` from what is left out.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_of_four_kinds_or_refused() {
        for (text, kind) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "answer"),
            (r#"{"jsonrpc":"2.0","id":"a","result":null}"#, "answer"),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#, "error"),
            (r#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#, "error"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "asked"),
            (r#"{"jsonrpc":"2.0","method":"x","params":{}}"#, "told"),
            (r#"{"jsonrpc":"1.0","id":1,"result":{}}"#, "refused"),
            (r#"{"id":1,"result":{}}"#, "refused"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#, "refused"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"method":"x"}"#, "refused"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#, "refused"),
            (r#"{"jsonrpc":"2.0","id":{},"result":{}}"#, "refused"),
            (r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#, "refused"),
            (r#"{"jsonrpc":"2.0"}"#, "refused"),
            ("<html>", "refused"),
            ("", "refused"),
        ] {
            let found = match read(text.as_bytes()) {
                Ok(Received::Answer { outcome: Ok(_), .. }) => "answer",
                Ok(Received::Answer { .. }) => "error",
                Ok(Received::Asked { .. }) => "asked",
                Ok(Received::Told { .. }) => "told",
                Err(_) => "refused",
            };
            assert_eq!(found, kind, "{text}");
        }
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}"#, "[".repeat(100_000));
        assert!(read(deep.as_bytes()).is_err());
    }

    #[test]
    fn servers_learn_that_their_client_lives_and_offers_nothing() {
        let answer = |method| {
            let id = RequestId::String("a".into());
            serde_json::from_slice::<Value>(&reply(&id, method).unwrap()).unwrap()
        };
        assert_eq!(answer("ping"), json!({ "jsonrpc": "2.0", "id": "a", "result": {} }));
        for method in ["sampling/createMessage", "elicitation/create", "roots/list", "x"] {
            assert_eq!(answer(method)["error"]["code"], -32601, "{method}");
        }
    }
}
