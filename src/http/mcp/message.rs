//! One message of a client, as far as it must be understood before rmcp gets it.

use rmcp::ErrorData;
use rmcp::model::RequestId;
use serde_json::{Map, Value};
use warp::http::HeaderMap;

use super::super::distinct;
use super::Unreadable;

const VERSION: &str = "mcp-protocol-version";
const VERSION_IN_META: &str = "io.modelcontextprotocol/protocolVersion";
/// The first version that knows no sessions. Versions are dates, and compare as text.
const STATELESS_SINCE: &str = "2026-07-28";
const ID_CHARS_MAX: usize = 256;

/// A JSON-RPC 2.0 request or notification.
pub struct Message {
    pub kind: Kind,
    /// Whether it says by itself all that there is to know of its client.
    pub is_stateless: bool,
}

pub enum Kind {
    /// Begins a conversation of the older versions.
    Initialize,
    Request(RequestId),
    /// Takes back a request of the older versions.
    Cancelled(RequestId),
    Notification,
}

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// It is no JSON, nested too deeply, names a member twice, is a batch or an answer to nothing.
    pub fn read(body: &[u8], headers: &HeaderMap) -> Result<Message, Unreadable> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|it| ErrorData::parse_error(format!("the body is not JSON: {it}"), None))?;
        if let Some(pointer) = distinct::repeated(body) {
            return Err(invalid(format!("`{pointer}` is given more than once")).into());
        }
        let Value::Object(message) = value else {
            return Err(invalid("send one message, as a JSON object: batches are not taken").into());
        };
        let id = id(&message)?;
        let refused = |error| Unreadable { id: id.clone(), error: Box::new(error) };
        if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
            return Err(refused(invalid("`jsonrpc` must be `2.0`")));
        }
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            return Err(refused(invalid("nothing was asked that this could be the answer to")));
        };
        let params = message.get("params").and_then(Value::as_object);
        let kind = match (id.clone(), method) {
            (Some(_), "initialize") => Kind::Initialize,
            (Some(id), _) => Kind::Request(id),
            (None, "notifications/cancelled") => match params.and_then(|it| it.get("requestId")) {
                Some(id) => Kind::Cancelled(request_id(id)?),
                None => Kind::Notification,
            },
            (None, _) => Kind::Notification,
        };
        Ok(Message { kind, is_stateless: is_stateless(params, headers) })
    }

    pub fn id(&self) -> Option<&RequestId> {
        match &self.kind {
            Kind::Request(id) => Some(id),
            _ => None,
        }
    }
}

fn id(message: &Map<String, Value>) -> Result<Option<RequestId>, Unreadable> {
    message.get("id").map(|it| Ok(request_id(it)?)).transpose()
}

fn request_id(value: &Value) -> Result<RequestId, ErrorData> {
    let id = match value {
        Value::Number(it) => it.as_i64().map(RequestId::Number),
        Value::String(it) if it.len() <= ID_CHARS_MAX => {
            Some(RequestId::String(it.as_str().into()))
        }
        _ => None,
    };
    id.ok_or_else(|| invalid("an id must be an integer or a short text"))
}

fn is_stateless(params: Option<&Map<String, Value>>, headers: &HeaderMap) -> bool {
    let in_meta = params.and_then(|it| it.get("_meta")).and_then(|it| it.get(VERSION_IN_META));
    let in_header = headers.get(VERSION).and_then(|it| it.to_str().ok());
    in_meta.and_then(Value::as_str).or(in_header).is_some_and(|it| it >= STATELESS_SINCE)
}

fn invalid(what: impl Into<std::borrow::Cow<'static, str>>) -> ErrorData {
    ErrorData::invalid_request(what, None)
}

#[cfg(test)]
mod tests {
    use rmcp::model::ErrorCode;

    use super::*;

    fn read(body: &str) -> Result<Message, (Option<RequestId>, ErrorCode)> {
        Message::read(body.as_bytes(), &HeaderMap::new()).map_err(|it| (it.id, it.error.code))
    }

    #[test]
    fn one_message_is_read_and_nothing_else() {
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"method":{}1"#, "[".repeat(1000));
        let seven = Some(RequestId::Number(7));
        for (body, id, code) in [
            ("", None, ErrorCode::PARSE_ERROR),
            ("{", None, ErrorCode::PARSE_ERROR),
            (&deep, None, ErrorCode::PARSE_ERROR),
            ("[]", None, ErrorCode::INVALID_REQUEST),
            ("1", None, ErrorCode::INVALID_REQUEST),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, None, ErrorCode::INVALID_REQUEST),
            (r#"{"id":7,"method":"ping"}"#, seven.clone(), ErrorCode::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, seven, ErrorCode::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None, ErrorCode::INVALID_REQUEST),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, None, ErrorCode::INVALID_REQUEST),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
                None,
                ErrorCode::INVALID_REQUEST,
            ),
        ] {
            assert_eq!(read(body).map(|_| ()), Err((id, code)), "{body}");
        }
    }

    #[test]
    fn a_message_tells_its_version_by_itself_or_by_its_header() {
        let body = |meta: &str| {
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{meta}}}}}"#)
        };
        let new = format!(r#"{{"{VERSION_IN_META}":"2026-07-28"}}"#);
        let old = format!(r#"{{"{VERSION_IN_META}":"2025-11-25"}}"#);
        for (meta, header, expected) in [
            ("{}", None, false),
            ("{}", Some("2025-11-25"), false),
            ("{}", Some("2026-07-28"), true),
            (new.as_str(), None, true),
            (new.as_str(), Some("2025-11-25"), true),
            (old.as_str(), Some("2026-07-28"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(it) = header {
                headers.insert(VERSION, it.parse().unwrap());
            }
            let message = Message::read(body(meta).as_bytes(), &headers).ok().unwrap();
            assert_eq!(message.is_stateless, expected, "{meta} {header:?}");
        }
    }

    #[test]
    fn what_is_taken_back_is_named_by_its_id() {
        let cancelled = |params: &str| {
            let method = r#""method":"notifications/cancelled""#;
            read(&format!(r#"{{"jsonrpc":"2.0",{method},"params":{params}}}"#)).ok().unwrap().kind
        };
        assert!(matches!(
            cancelled(r#"{"requestId":"a"}"#),
            Kind::Cancelled(RequestId::String(it)) if &*it == "a"
        ));
        assert!(matches!(cancelled("{}"), Kind::Notification));
    }
}
