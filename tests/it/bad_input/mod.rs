//! What callers get wrong, by accident or on purpose: each is refused by its own name, the next
//! request is answered as ever, and nothing has changed.

mod heads;

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::wire::{Said, request};
use crate::harness::{Caller, Gate, Setup, Wire, samples, send};

const BODY_BYTES_MAX: usize = 256 * 1024;

/// Everything that the lists show.
async fn state(admin: &Caller) -> Vec<Value> {
    let mut lists = Vec::new();
    for list in ["tools", "users", "agents", "credentials"] {
        lists.push(admin.get(&format!("/api/v1/{list}?page_size=200")).await.expect(200));
    }
    lists
}

/// A server with a tool, an agent and a credential, and its administrator.
async fn furnished(setup: Setup) -> (Gate, Caller, String) {
    let gate = setup.start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let id = tool["id"].as_str().unwrap().to_owned();
    let (_, agent) = gate.agent("lingua", "translator").await;
    let path = format!("/api/v1/tools/{id}/access");
    agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
    (gate, admin, id)
}

fn as_json(caller: &Caller) -> String {
    let token = caller.token.as_deref().unwrap();
    format!("authorization: Bearer {token}\r\ncontent-type: application/json\r\n")
}

/// Sends `content` as it is and gives status, code and the pointers of field faults.
async fn answered(
    wire: &mut Wire,
    line: &str,
    headers: &str,
    content: &[u8],
) -> (u16, String, Vec<String>) {
    let said = wire.ask(&request(line, headers, content)).await;
    let body: Value = serde_json::from_slice(&said.body).unwrap();
    let faults = body["errors"].as_array().cloned().unwrap_or_default();
    let pointers = faults.iter().map(|it| it["pointer"].as_str().unwrap().to_owned());
    (said.status, said.code(), pointers.collect())
}

/// A tool in JSON, with something else in place of its input schema.
fn tool_with(schema: &str) -> Vec<u8> {
    format!(r#"{{"tool_type":"function","name":"t","scopes":["read"],"input_schema":{schema}}}"#)
        .into_bytes()
}

#[tokio::test]
async fn bodies_that_are_no_json_are_malformed() {
    let (gate, admin, _) = furnished(Setup::new()).await;
    let before = state(&admin).await;
    let headers = as_json(&admin);
    let mut wire = Wire::open(&gate.url).await;
    let deep =
        |open: &str, close: &str| [open.repeat(40_000), "1".into(), close.repeat(40_000)].concat();
    let table: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("a word", b"tool".to_vec()),
        ("half", tool_with("{")),
        ("more than one value", [tool_with("{}"), b"{}".to_vec()].concat()),
        ("a trailing comma", br#"{"name":"a",}"#.to_vec()),
        ("single quotes", b"{'name':'a'}".to_vec()),
        ("bad UTF-8", tool_with("{\"title\":\"\u{fffd}\"}").replace(b"\xef\xbf\xbd", b"\xff\xfe")),
        (
            "overlong UTF-8",
            tool_with("{\"title\":\"\u{fffd}\"}").replace(b"\xef\xbf\xbd", b"\xc0\x80"),
        ),
        ("a byte order mark", [b"\xef\xbb\xbf".to_vec(), tool_with("{}")].concat()),
        ("UTF-16", "{}".encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("a raw NUL in a text", tool_with("{\"title\":\"\0\"}")),
        ("a lone surrogate", tool_with(r#"{"title":"\ud800"}"#)),
        ("surrogates the wrong way round", tool_with(r#"{"title":"\udc00\ud800"}"#)),
        ("1e400", tool_with(r#"{"maximum":1e400}"#)),
        ("NaN", tool_with(r#"{"maximum":NaN}"#)),
        ("a leading zero", tool_with(r#"{"maximum":01}"#)),
        ("arrays 40,000 deep", tool_with(&deep("[", "]"))),
        ("objects 40,000 deep", tool_with(&deep(r#"{"":"#, "}"))),
        ("100,000 open brackets", b"[".repeat(100_000)),
    ];
    for (what, content) in table {
        let answer = answered(&mut wire, "POST /api/v1/tools", &headers, &content).await;
        assert_eq!(answer, (400, "malformed".into(), vec![]), "{what}");
    }
    assert_eq!(state(&admin).await, before);
}

/// `replace` for bytes.
trait Replace {
    fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8>;
}

impl Replace for Vec<u8> {
    fn replace(&self, from: &[u8], to: &[u8]) -> Vec<u8> {
        let at = self.windows(from.len()).position(|it| it == from).unwrap();
        [&self[..at], to, &self[at + from.len()..]].concat()
    }
}

#[tokio::test]
async fn bodies_of_another_shape_are_invalid_and_say_where() {
    let (gate, admin, id) = furnished(Setup::new()).await;
    let before = state(&admin).await;
    let headers = as_json(&admin);
    let mut wire = Wire::open(&gate.url).await;
    let (tools, access) = ("POST /api/v1/tools", format!("POST /api/v1/tools/{id}/access"));
    let many = (0..20_000).map(|it| format!("\"k{it}\":1,")).collect::<String>();
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        (tools, b"[]".to_vec(), ""),
        (tools, b"null".to_vec(), ""),
        (tools, b"\"text\"".to_vec(), ""),
        (tools, br#"{"name":5}"#.to_vec(), "/name"),
        (tools, br#"{"tool_type":"weapon"}"#.to_vec(), "/tool_type"),
        (tools, br#"{"scopes":{"a":1}}"#.to_vec(), "/scopes"),
        (tools, br#"{"scopes":["a",1]}"#.to_vec(), "/scopes/1"),
        (tools, br#"{"max_ttl_seconds":-1}"#.to_vec(), "/max_ttl_seconds"),
        (tools, br#"{"max_ttl_seconds":4294967296}"#.to_vec(), "/max_ttl_seconds"),
        (tools, br#"{"max_ttl_seconds":1e30}"#.to_vec(), "/max_ttl_seconds"),
        (tools, br#"{"max_ttl_seconds":99999999999999999999999999}"#.to_vec(), "/max_ttl_seconds"),
        (tools, br#"{"cost_per_call":1e300}"#.to_vec(), "/cost_per_call"),
        (tools, br#"{"nonsense":1}"#.to_vec(), "/nonsense"),
        (tools, br#"{"__proto__":{"name":"a"}}"#.to_vec(), "/__proto__"),
        (tools, format!("{{{many}\"name\":\"a\"}}").into_bytes(), "/k0"),
        (tools, br#"{"name":"a","name":"b"}"#.to_vec(), "/name"),
        (tools, br#"{"name":"a","n\u0061me":"b"}"#.to_vec(), "/name"),
        (tools, tool_with(r#"{"type":"object","type":"string"}"#), "/input_schema/type"),
        (tools, tool_with(r#"{"not":{"$ref":"a","$ref":"b"}}"#), "/input_schema/not/$ref"),
        (tools, tool_with(r#"{"type":"strin"}"#), "/input_schema/type"),
        (tools, tool_with(r#"{"$ref":"file:///etc/passwd"}"#), "/input_schema/$ref"),
        (tools, tool_with(r#"{"pattern":"("}"#), "/input_schema/pattern"),
        (
            tools,
            tool_with(&format!("{}{{}}{}", r#"{"not":"#.repeat(70), "}".repeat(70))),
            "/input_schema/not",
        ),
        (&access, br#"{"scopes":"read"}"#.to_vec(), "/scopes"),
        (&access, br#"{"scopes":["read"],"ttl_seconds":"long"}"#.to_vec(), "/ttl_seconds"),
        (&access, br#"{"scopes":["a b"]}"#.to_vec(), "/scopes"),
        (&access, br#"{"scopes":["read"],"holder_key":"me"}"#.to_vec(), "/holder_key"),
        ("POST /api/v1/register/machine", br#"{"name":"a b","role":"agent"}"#.to_vec(), "/name"),
        (
            "POST /api/v1/register/machine",
            br#"{"name":"\u0000\u0000","role":"agent"}"#.to_vec(),
            "/name",
        ),
        (
            "POST /api/v1/users",
            br#"{"username":"","password":"a-long-pass-phrase"}"#.to_vec(),
            "/username",
        ),
        ("POST /api/v1/users", br#"{"username":"carol","password":12345}"#.to_vec(), "/password"),
        ("POST /api/v1/auth/login", br#"{"username":{},"password":""}"#.to_vec(), "/username"),
    ];
    for (line, content, pointer) in rows {
        let shown = String::from_utf8_lossy(&content[..content.len().min(120)]).into_owned();
        let (status, code, pointers) = answered(&mut wire, line, &headers, &content).await;
        assert_eq!((status, code.as_str()), (422, "invalid"), "{line} {shown}");
        assert!(pointers[0].starts_with(pointer), "{line} {shown}: {pointers:?}");
    }
    assert_eq!(state(&admin).await, before);
}

#[tokio::test]
async fn a_value_of_the_wrong_type_is_not_said_back() {
    let gate = Gate::start();
    let wrong = json!({ "username": "admin", "password": { "canary-9d1f": "canary-9d1f" } });
    let answer = gate.anyone().post("/api/v1/auth/login", &wrong).await;
    answer.problem(422, "invalid");
    assert!(!answer.text.contains("canary"), "{}", answer.text);
    let wrong = json!({ "refresh_token": 7_391_846 });
    let answer = gate.anyone().post("/api/v1/auth/refresh", &wrong).await;
    answer.problem(422, "invalid");
    assert!(!answer.text.contains("7391846"), "{}", answer.text);
}

#[tokio::test]
async fn bodies_have_a_type_and_a_size() {
    let (gate, admin, id) = furnished(Setup::new()).await;
    let before = state(&admin).await;
    let body = serde_json::to_vec(&samples::translate("another")).unwrap();
    for kind in ["text/plain", "text/json", "application/json-patch+json", "application/xml", ""] {
        let post = admin.request(Method::POST, "/api/v1/tools").header(header::CONTENT_TYPE, kind);
        send(post.body(body.clone())).await.problem(415, "unsupported_media_type");
    }
    let post = admin.request(Method::POST, "/api/v1/tools").body(body);
    send(post).await.problem(415, "unsupported_media_type");
    let unexpected = json!({});
    let path = format!("/api/v1/tools/{id}/activate");
    admin.post(&path, &unexpected).await.problem(400, "malformed");

    let headers = as_json(&admin);
    let large = vec![b' '; BODY_BYTES_MAX + 1];
    let huge = vec![b' '; 32 * BODY_BYTES_MAX];
    for (content, path) in [(&large, "/api/v1/tools"), (&huge, "/api/v1/tools")] {
        let said = alone(&gate, &request(&format!("POST {path}"), &headers, content)).await;
        assert_eq!((said.status, said.code().as_str()), (413, "too_large"));
        let said = alone(&gate, &chunked(&format!("POST {path}"), &headers, content)).await;
        assert_eq!((said.status, said.code().as_str()), (413, "too_large"));
    }
    for path in ["/api/v1/nowhere", "/livez"] {
        let said = alone(&gate, &request(&format!("POST {path}"), &headers, &huge)).await;
        assert!([404, 405].contains(&said.status), "{said:?}");
    }
    // As large as may be: only what it says is wrong.
    let just = [tool_with("[]"), vec![b' '; BODY_BYTES_MAX]].concat()[..BODY_BYTES_MAX].to_vec();
    let said = alone(&gate, &chunked("POST /api/v1/tools", &headers, &just)).await;
    assert_eq!(said.status, 422, "{}", said.text());
    assert_eq!(state(&admin).await, before);
}

/// The answer to one request on a connection of its own.
async fn alone(gate: &Gate, request: &[u8]) -> Said {
    Wire::open(&gate.url).await.ask(request).await
}

fn chunked(line: &str, headers: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{line} HTTP/1.1\r\nhost: localhost\r\n{headers}transfer-encoding: chunked\r\n\r\n"
    )
    .into_bytes();
    for chunk in content.chunks(10_000) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    bytes
}
