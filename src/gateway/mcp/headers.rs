//! The headers of streamable HTTP: those that every request has, and those that 2026-07-28 copies
//! from its body so that proxies need not read it (SEP-2243).

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use rmcp::transport::common::http_header::{
    BASE64_HEADER_PREFIX, BASE64_HEADER_SUFFIX, HEADER_MCP_METHOD, HEADER_MCP_NAME,
    HEADER_MCP_PARAM_PREFIX,
};
use serde_json::{Map, Value};

/// What a schema annotates a property with to have its argument copied into a header.
const ANNOTATION: &str = "x-mcp-header";

/// Whether a header is the protocol's own, so that nobody may register it to be sent along.
pub fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [&str; 14] = [
        "accept",
        "connection",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    ];
    RESERVED.contains(&name.as_str()) || name.as_str().starts_with("mcp-")
}

/// The headers that repeat a request's method, the tool that it names, and its marked arguments.
pub(super) fn routing(
    method: &str,
    name: Option<&str>,
    marked: &[(String, String)],
) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(HeaderName::try_from(HEADER_MCP_METHOD).ok()?, method.parse().ok()?);
    if let Some(name) = name {
        headers.insert(HeaderName::try_from(HEADER_MCP_NAME).ok()?, encoded(name)?);
    }
    for (header, value) in marked {
        let name = HeaderName::try_from(format!("{HEADER_MCP_PARAM_PREFIX}{header}")).ok()?;
        headers.insert(name, encoded(value)?);
    }
    Some(headers)
}

/// The arguments that the schema marks for a header, with the name that it gives them.
pub(super) fn marked(
    schema: &Map<String, Value>,
    arguments: &Map<String, Value>,
) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let Some(Value::Object(properties)) = schema.get("properties") else { return found };
    for (name, property) in properties {
        let Some(property) = property.as_object() else { continue };
        match (property.get(ANNOTATION).and_then(Value::as_str), arguments.get(name)) {
            (Some(header), Some(value)) => {
                found.extend(as_text(value).map(|it| (header.to_owned(), it)));
            }
            (None, Some(Value::Object(inner))) => found.extend(marked(property, inner)),
            _ => {}
        }
    }
    found
}

fn as_text(value: &Value) -> Option<String> {
    match value {
        Value::String(it) => Some(it.clone()),
        Value::Bool(it) => Some(it.to_string()),
        Value::Number(it) => Some(it.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// As it is where it may stand in a header, else in Base64 between the marks of SEP-2243.
fn encoded(value: &str) -> Option<HeaderValue> {
    let plain = value.bytes().all(|it| (0x20..=0x7e).contains(&it))
        && value.trim_matches([' ', '\t']) == value
        && !(value.starts_with(BASE64_HEADER_PREFIX) && value.ends_with(BASE64_HEADER_SUFFIX));
    if plain {
        return value.parse().ok();
    }
    let inner = BASE64_STANDARD.encode(value);
    format!("{BASE64_HEADER_PREFIX}{inner}{BASE64_HEADER_SUFFIX}").parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn marked_arguments_are_copied_wherever_they_nest() {
        let schema = object(json!({ "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "deep": { "properties": { "count": { "type": "integer", "x-mcp-header": "Count" } } },
            "plain": { "type": "string" },
        }}));
        let arguments = object(json!({ "region": "tōkyō", "deep": { "count": 3 }, "plain": "x" }));
        let found = marked(&schema, &arguments);
        let headers = routing("tools/call", Some("weather"), &found).unwrap();
        assert_eq!(headers["mcp-method"], "tools/call");
        assert_eq!(headers["mcp-name"], "weather");
        assert_eq!(headers["mcp-param-region"], "=?base64?dMWNa3nFjQ==?=");
        assert_eq!(headers["mcp-param-count"], "3");
        assert_eq!(headers.len(), 4);
        assert!(marked(&schema, &object(json!({ "region": null }))).is_empty());
    }

    #[test]
    fn what_a_header_cannot_hold_is_encoded() {
        for plain in ["", "a b", "weather.now"] {
            assert_eq!(encoded(plain).unwrap(), plain);
        }
        for text in [" a", "a\t", "a\nb: c", "é", "=?base64?YQ==?="] {
            assert!(encoded(text).unwrap().to_str().unwrap().starts_with("=?base64?"), "{text:?}");
        }
        assert!(routing("tools/call", None, &[("a b".into(), "c".into())]).is_none());
    }
}
