//! Tools that are one operation of an HTTP API.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::ExposeSecret as _;
use serde_json::{Map, Value, json};
use url::Url;

use super::{Answered, Outgoing};
use crate::authz::Warrant;
use crate::gateway::Gateway;
use crate::gateway::failure::{Failure, FailureKind};
use crate::net::outbound::{Answer, Ask};
use crate::registry::{HttpTool, Place};
use crate::secrets::Scrubber;

/// What a path segment may hold unescaped (RFC 3986 section 2.3). Everything else is escaped, so
/// that no argument becomes a second segment, a query or a fragment.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~').remove(b'.');

/// What is left of an answer that is not text.
const NOT_TEXT: &str = "the tool answered with something that is neither JSON nor text";

impl Gateway {
    pub(super) async fn call_http(
        &self,
        warrant: &Warrant,
        tool: &HttpTool,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let mut request = Request::of(tool, outgoing.arguments)?;
        let proof = self.prove(warrant, outgoing).await?;
        request.headers.extend(proof.headers);
        if let Some((name, value)) = &proof.query {
            if request.url.query_pairs().any(|(it, _)| it == *name) {
                return Err(unplaced(name, "stands where the tool's own key goes"));
            }
            request.url.query_pairs_mut().append_pair(name, value.expose_secret());
        }
        if let Some(trace) = outgoing.along.trace.as_deref().and_then(|it| it.parse().ok()) {
            request.headers.insert("traceparent", trace);
        }
        let ask = Ask {
            method: request.method,
            url: without_empty_query(request.url),
            reach: outgoing.limits.reach,
            headers: request.headers,
            body: request.body,
            time_max: outgoing.limits.time_max,
            bytes_max: outgoing.limits.bytes_max,
        };
        let answer = self.outbound.call(warrant, ask).await?;
        warrant.note("status", answer.status.as_u16());
        if answer.status == StatusCode::UNAUTHORIZED {
            self.machine_tokens.forget(outgoing.called.reached().id);
        }
        read(&answer, &proof.scrubber)
    }
}

/// What an operation and its arguments come to.
struct Request {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
}

impl Request {
    /// # Errors
    /// An argument that cannot stand where it belongs.
    fn of(tool: &HttpTool, arguments: &Value) -> Result<Request, Failure> {
        let mut left = arguments.as_object().cloned().unwrap_or_default();
        let mut url = path(&tool.endpoint, &mut left)?;
        let mut headers = HeaderMap::from_iter([(
            ACCEPT,
            HeaderValue::from_static("application/json, text/*;q=0.8, */*;q=0.1"),
        )]);
        let (mut json, mut whole) = (Map::new(), None);
        let fixed: BTreeSet<String> = url.query_pairs().map(|(it, _)| it.into_owned()).collect();
        for (name, value) in left {
            let otherwise = if tool.method.asks_by_query() { Place::Query } else { Place::Json };
            match tool.argument_in.get(&name).copied().unwrap_or(otherwise) {
                // What the publisher asks for is not an agent's to ask for again.
                Place::Query if fixed.contains(&name) => {
                    return Err(unplaced(&name, "is asked for by the tool itself"));
                }
                Place::Query => ask(&mut url, &name, &value),
                Place::Header => {
                    headers.insert(header(&name)?, header_value(&name, &value)?);
                }
                Place::Json => {
                    json.insert(name, value);
                }
                Place::Body => whole = Some(value),
            }
        }
        let body = whole.or_else(|| (!json.is_empty()).then_some(Value::Object(json)));
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let body = body.map(|it| Bytes::from(it.to_string())).unwrap_or_default();
        Ok(Request { method: tool.method.into(), url, headers, body })
    }
}

/// The endpoint with its braces filled in. Each argument stays inside its segment.
fn path(endpoint: &str, arguments: &mut Map<String, Value>) -> Result<Url, Failure> {
    let mut filled = String::with_capacity(endpoint.len() + 32);
    let mut rest = endpoint;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        let value = arguments.remove(name).map(|it| plain(&it)).unwrap_or_default();
        if value.is_empty() {
            return Err(unplaced(name, "is part of the path and must not be empty"));
        }
        filled.push_str(before);
        filled.extend(utf8_percent_encode(&value, SEGMENT));
        rest = after;
    }
    filled.push_str(rest);
    // Dots that make up a whole segment would climb, however they came together.
    let segments = filled.split(['?', '#']).next().unwrap_or_default().split('/');
    if segments.skip(3).any(|it| it == "." || it == "..") {
        return Err(unplaced("/", "must not make a path that climbs"));
    }
    Url::parse(&filled).map_err(|_| unplaced("/", "do not make a URL"))
}

/// Lists are asked for by name once for each of their members.
fn ask(url: &mut Url, name: &str, value: &Value) {
    let mut pairs = url.query_pairs_mut();
    match value {
        Value::Null => {}
        Value::Array(items) => {
            for it in items {
                pairs.append_pair(name, &plain(it));
            }
        }
        other => {
            pairs.append_pair(name, &plain(other));
        }
    }
}

fn header(name: &str) -> Result<HeaderName, Failure> {
    HeaderName::try_from(name).map_err(|_| unplaced(name, "cannot be a header"))
}

fn header_value(name: &str, value: &Value) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(&plain(value)).map_err(|_| unplaced(name, "cannot stand in a header"))
}

/// A text as it is, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(it) => it.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn unplaced(name: &str, detail: &str) -> Failure {
    Failure::unsent(FailureKind::Refused, format!("the argument `{name}` {detail}"))
}

/// `query_pairs_mut` leaves a `?` behind even when nothing was added.
fn without_empty_query(mut url: Url) -> Url {
    if url.query() == Some("") {
        url.set_query(None);
    }
    url
}

/// The answer as the caller gets it; only a 2xx is a result.
fn read(answer: &Answer, scrubber: &Scrubber) -> Result<Answered, Failure> {
    let said = said(&answer.body, scrubber);
    let status = answer.status;
    if status.is_success() {
        let said = said.ok_or_else(|| Failure::new(FailureKind::Refused, NOT_TEXT))?;
        let result = json!({ "status": status.as_u16(), "body": said });
        return Ok(Answered { result, is_error: false });
    }
    let detail = match status {
        _ if status.is_redirection() => {
            format!("the tool answered {status}; redirects are not followed")
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("the tool answered {status}: it does not take what Gatewright proves itself by")
        }
        _ => format!("the tool answered {status}"),
    };
    Err(Failure { said, ..Failure::new(FailureKind::Refused, detail) })
}

/// A body as JSON where it is, as text where that is possible.
fn said(body: &[u8], scrubber: &Scrubber) -> Option<Value> {
    let text = std::str::from_utf8(body).ok()?;
    if text.is_empty() {
        return Some(Value::Null);
    }
    let mut said = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
    scrubber.json(&mut said);
    Some(said)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::registry::{Auth, HttpMethod};

    fn tool(endpoint: &str, method: HttpMethod, argument_in: &[(&str, Place)]) -> HttpTool {
        let argument_in: BTreeMap<_, _> =
            argument_in.iter().map(|(name, place)| ((*name).to_owned(), *place)).collect();
        HttpTool { endpoint: endpoint.into(), method, argument_in, auth: Auth::None }
    }

    #[test]
    fn arguments_go_where_they_belong() {
        let it = tool(
            "https://a.example/users/{id}?v=1",
            HttpMethod::Post,
            &[("page", Place::Query), ("X-Tenant", Place::Header)],
        );
        let arguments = json!({ "id": 7, "page": [1, 2], "X-Tenant": "t", "name": "n" });
        let request = Request::of(&it, &arguments).unwrap();
        assert_eq!(request.url.as_str(), "https://a.example/users/7?v=1&page=1&page=2");
        assert_eq!(request.headers["x-tenant"], "t");
        assert_eq!(&request.body[..], br#"{"name":"n"}"#);
        let it = tool("https://a.example/", HttpMethod::Get, &[]);
        let request = Request::of(&it, &json!({ "q": "a b&c" })).unwrap();
        assert_eq!(request.url.as_str(), "https://a.example/?q=a+b%26c");
        assert!(request.body.is_empty());
        let it = tool("https://a.example/", HttpMethod::Put, &[("all", Place::Body)]);
        let request = Request::of(&it, &json!({ "all": [1] })).unwrap();
        assert_eq!(&request.body[..], b"[1]");
    }

    #[test]
    fn no_argument_leaves_its_segment() {
        let it = tool("https://a.example/v1/{id}/x", HttpMethod::Get, &[]);
        let url = |id: &str| Request::of(&it, &json!({ "id": id })).map(|it| it.url.to_string());
        let inside = |id: &str| url(id).unwrap();
        assert_eq!(inside("a/../b"), "https://a.example/v1/a%2F..%2Fb/x");
        assert_eq!(inside("a?b#c"), "https://a.example/v1/a%3Fb%23c/x");
        assert_eq!(inside("%2e%2e"), "https://a.example/v1/%252e%252e/x");
        assert_eq!(inside("@evil.example"), "https://a.example/v1/%40evil.example/x");
        for climbing in ["..", ".", ""] {
            assert!(url(climbing).is_err(), "{climbing}");
        }
        let headers = tool("https://a.example/", HttpMethod::Get, &[("X-A", Place::Header)]);
        assert!(Request::of(&headers, &json!({ "X-A": "a\r\nEvil: 1" })).is_err());
    }
}
