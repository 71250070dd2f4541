//! Probing servers of every age and temper.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use super::fixture::*;
use crate::gateway::mcp::{Failure, Preference, Transport};
use crate::net::outbound::Reach;
use crate::secrets::Scrubber;

fn tool(name: &str) -> Value {
    json!({ "name": name, "inputSchema": { "type": "object" } })
}

fn why(failure: Option<&Failure>) -> String {
    failure.map_or_else(|| "ok".into(), ToString::to_string)
}

#[tokio::test]
async fn a_probe_is_kept_without_what_the_server_was_shown() {
    let scrubber = Scrubber::new(&[SecretString::from("s3cr3t")]);
    let server = Server::start(|asked| match asked.method() {
        "initialize" => {
            let mut answer = initialized(asked);
            answer["result"]["serverInfo"]["title"] = json!("For s3cr3t");
            json(&answer)
        }
        "notifications/initialized" => status(202),
        "tools/list" => json(&result(
            asked,
            &json!({ "tools": [tool("of_s3cr3t"), {
                "name": "b",
                "title": "s3cr3t?",
                "description": "Got Bearer s3cr3t.",
                "inputSchema": { "type": "object", "properties": { "s3cr3t": {} } },
                "outputSchema": { "type": "object", "title": "s3cr3t" },
                "annotations": { "title": "s3cr3t", "readOnlyHint": true },
            }] }),
        )),
        _ => status(400),
    })
    .await;
    let probe = server.probe().await.scrubbed(&scrubber);
    assert_eq!(why(probe.failure.as_ref()), "ok");
    let info = serde_json::to_value(&probe.server_info).unwrap();
    assert_eq!((&info["name"], &info["title"]), (&json!("old"), &json!("For ********")));
    let names: Vec<_> = probe.tools.iter().map(|it| &it.name).collect();
    assert_eq!(names, ["b"]);
    let kept = serde_json::to_string(&probe.tools).unwrap();
    assert!(!kept.contains("s3cr3t"), "{kept}");
    assert_eq!(probe.tools[0].description, "Got Bearer ********.");
    assert_eq!(probe.tools[0].annotations.as_ref().unwrap()["readOnlyHint"], true);

    let refusing = Server::modern("tools/list", |asked| {
        let mut refusal = error(asked, -32000);
        refusal["error"]["message"] = json!("s3cr3t is not good");
        json(&refusal)
    })
    .await;
    let failure = refusing.probe().await.scrubbed(&scrubber).failure;
    assert_eq!(why(failure.as_ref()), "the server refuses with error -32000: ******** is not good");
}

#[tokio::test]
async fn a_server_of_the_newer_era_is_asked_twice() {
    let server = Server::modern("tools/list", |asked| {
        let cursor = &asked.body["params"]["cursor"];
        json(&result(
            asked,
            &match cursor.as_str() {
                None => json!({ "tools": [tool("a")], "nextCursor": "b" }),
                Some(_) => json!({ "tools": [{
                    "name": "b",
                    "title": "Bee",
                    "description": "Does b.",
                    "inputSchema": { "type": "object", "properties": { "x": {} } },
                    "outputSchema": { "type": "object" },
                    "annotations": { "readOnlyHint": true },
                }] }),
            },
        ))
    })
    .await;
    let probe = server.probe().await;
    assert_eq!(why(probe.failure.as_ref()), "ok");
    let dialect = probe.dialect.unwrap();
    assert_eq!(
        (dialect.transport, dialect.protocol.as_str()),
        (Transport::StreamableHttp, "2026-07-28")
    );
    assert_eq!(server.methods(), ["server/discover", "tools/list", "tools/list"]);
    let names: Vec<_> = probe.tools.iter().map(|it| &it.name).collect();
    assert_eq!(names, ["a", "b"]);
    let bee = &probe.tools[1];
    assert_eq!((bee.title.as_deref(), bee.description.as_str()), (Some("Bee"), "Does b."));
    assert!(bee.input_schema["properties"]["x"].is_object() && bee.output_schema.is_some());
    assert_eq!(bee.annotations.as_ref().unwrap()["readOnlyHint"], true);
    for asked in server.asked() {
        let meta = &asked.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert_eq!(asked.headers["mcp-protocol-version"], "2026-07-28");
        assert_eq!(asked.headers["mcp-method"], asked.method());
        assert!(!asked.headers.contains_key("mcp-session-id"));
    }
}

/// A server of 2025-11-25 with sessions, that refuses what it does not know in its own way.
async fn older(refusal: impl Fn(&Asked) -> Says + Send + Sync + 'static) -> Server {
    Server::start(move |asked| match asked.method() {
        "initialize" => {
            let session = "content-type: application/json\r\nmcp-session-id: s-1\r\n";
            Says::Text(200, session, initialized(asked).to_string())
        }
        "notifications/initialized" => status(202),
        "tools/list" => stream(&format!(
            ": hello\n\nevent: message\ndata: {}\n\n",
            result(asked, &json!({ "tools": [tool("a")] }))
        )),
        "" if asked.is("DELETE") => status(200),
        _ => refusal(asked),
    })
    .await
}

#[tokio::test]
async fn an_older_server_is_known_by_its_refusal() {
    let refusals: [fn(&Asked) -> Says; 4] = [
        |_| status(400),
        |_| Says::Text(400, "content-type: text/plain\r\n", "Missing session ID".into()),
        |asked| json(&error(asked, -32601)),
        |_| {
            let body =
                r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no"}}"#;
            Says::Text(400, JSON, body.into())
        },
    ];
    for refusal in refusals {
        let server = older(refusal).await;
        let probe = server.probe().await;
        assert_eq!(why(probe.failure.as_ref()), "ok");
        assert_eq!(probe.dialect.unwrap().protocol.as_str(), "2025-11-25");
        assert_eq!(probe.server_info.unwrap().name, "old");
        assert_eq!(probe.tools.len(), 1);
        let methods =
            ["server/discover", "initialize", "notifications/initialized", "tools/list", "DELETE"];
        assert_eq!(server.methods(), methods);
        let asked = server.asked();
        assert!(!asked[1].headers.contains_key("mcp-session-id"), "{:?}", asked[1]);
        for asked in &asked[2..] {
            assert_eq!(asked.headers["mcp-session-id"], "s-1");
            assert_eq!(asked.headers["mcp-protocol-version"], "2025-11-25");
        }
    }
}

#[tokio::test]
async fn a_wish_for_credentials_is_no_failure() {
    for code in [401, 403] {
        let server = Server::start(move |_| {
            let challenge =
                "www-authenticate: Bearer resource_metadata=\"https://a.example/m\"\r\n";
            Says::Text(code, challenge, String::new())
        })
        .await;
        let probe = server.probe().await;
        assert!(probe.is_ok() && probe.requires_auth && probe.tools.is_empty());
        assert_eq!(probe.resource_metadata.as_deref(), Some("https://a.example/m"));
        assert_eq!(server.methods(), ["server/discover"]);
    }
}

#[tokio::test]
async fn secret_headers_go_along_and_never_replace_the_protocols() {
    let server =
        Server::modern("tools/list", |asked| json(&result(asked, &json!({ "tools": [] })))).await;
    let mut target = server.target();
    target.headers.insert("x-api-key", "sesame".parse().unwrap());
    target.headers.insert("mcp-protocol-version", "1999".parse().unwrap());
    target.headers.insert("accept", "text/html".parse().unwrap());
    assert!(probe(&target).await.is_ok());
    for asked in server.asked() {
        assert_eq!(asked.headers["x-api-key"], "sesame");
        assert_eq!(asked.headers["mcp-protocol-version"], "2026-07-28");
        assert_eq!(asked.headers["accept"], "application/json, text/event-stream");
    }
}

#[tokio::test]
async fn no_list_is_longer_than_allowed() {
    let many = |count: usize| (0..count).map(|it| tool(&format!("t{it}"))).collect::<Vec<_>>();
    for (what, tools, cursor, expected) in [
        ("as many as allowed", many(50), false, "ok"),
        ("one more", many(51), false, "lists more tools than are allowed"),
        ("the same again", vec![tool("a"), tool("a")], false, "two of its tools have one name"),
        ("no end, with nothing in it", vec![], true, "its list of tools has no end"),
        ("no name", vec![tool("")], false, "a tool has no name"),
        ("no tool", vec![json!(1)], false, "its list of tools cannot be read"),
        ("no schema", vec![json!({ "name": "a" })], false, "its list of tools cannot be read"),
    ] {
        let server = Server::modern("tools/list", move |asked| {
            let next = if cursor { json!("again") } else { Value::Null };
            json(&result(asked, &json!({ "tools": tools, "nextCursor": next })))
        })
        .await;
        let probe = server.probe().await;
        let found = why(probe.failure.as_ref());
        assert!(found.contains(expected), "{what}: {found}");
        assert_eq!(probe.is_ok(), expected == "ok");
    }
}

type Case = (&'static str, Box<dyn Fn(&Asked) -> Says + Send + Sync>, &'static str);

/// Answers that are too long, or take too long.
fn endless() -> Vec<Case> {
    vec![
        (
            "a stream without end",
            Box::new(|_| {
                Says::Forever(
                    STREAM,
                    String::new(),
                    "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n".repeat(100),
                )
            }),
            "too_large",
        ),
        (
            "comments without end",
            Box::new(|_| Says::Forever(STREAM, String::new(), ": ping\n\n".repeat(500))),
            "too_large",
        ),
        (
            "a line without end",
            Box::new(|_| Says::Forever(STREAM, "data: ".into(), "x".repeat(5_000))),
            "too_large",
        ),
        (
            "a body without end",
            Box::new(|_| Says::Forever(JSON, "{".into(), " ".repeat(1000))),
            "too_large",
        ),
        ("nothing after the head", Box::new(|_| Says::Stalls(JSON, "{".into())), "timed_out"),
        ("a silent stream", Box::new(|_| Says::Stalls(STREAM, ": hi\n\n".into())), "timed_out"),
        (
            "questions without end",
            Box::new(|_| {
                let ask =
                    r#"{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage","params":{}}"#;
                Says::Forever(STREAM, String::new(), format!("data: {ask}\n\n"))
            }),
            "protocol",
        ),
    ]
}

/// Answers that are none.
fn misleading() -> Vec<Case> {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    vec![
        (
            "an answer to something else",
            Box::new(|_| json(&json!({ "jsonrpc": "2.0", "id": 99, "result": { "tools": [] } }))),
            "protocol",
        ),
        (
            "a stream of answers to something else",
            Box::new(|_| stream("data: {\"jsonrpc\":\"2.0\",\"id\":99,\"result\":{}}\n\n")),
            "protocol",
        ),
        (
            "a page",
            Box::new(|_| Says::Text(200, "content-type: text/html\r\n", "<p>".into())),
            "protocol",
        ),
        ("no type", Box::new(|_| Says::Text(200, "", "{}".into())), "protocol"),
        ("no JSON", Box::new(|_| Says::Text(200, JSON, "{".into())), "protocol"),
        ("no event", Box::new(|_| stream("nonsense\n\n")), "protocol"),
        ("not UTF-8 as it should be", Box::new(|_| stream("data: {}\n\n")), "protocol"),
        ("acknowledged only", Box::new(|_| status(202)), "protocol"),
        ("gone", Box::new(|_| status(500)), "status"),
        (
            "a deep schema",
            Box::new(move |asked| {
                let id = &asked.body["id"];
                Says::Text(200, JSON, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{deep}}}"#))
            }),
            "protocol",
        ),
    ]
}

#[tokio::test]
async fn a_hostile_answer_ends_within_the_limits() {
    for (what, script, expected) in endless().into_iter().chain(misleading()) {
        let server = Server::modern("tools/list", script).await;
        let mut limits = LIMITS;
        let patience = if expected == "timed_out" { 300 } else { 20_000 };
        limits.time_max = Duration::from_millis(patience);
        let probe = client().probe(&warrant(), &server.target(), limits).await;
        let failure = probe.failure.unwrap();
        assert_eq!(failure.code(), expected, "{what}: {failure}");
    }
}

#[tokio::test]
async fn no_server_sends_its_client_elsewhere() {
    let secret = Server::start(|_| json(&json!({}))).await;
    let place = secret.address;
    let redirect = Server::start(move |_| {
        let location = format!("location: http://{place}/mcp\r\n");
        Says::Text(307, Box::leak(location.into_boxed_str()), String::new())
    })
    .await;
    let probe_found = redirect.probe().await.failure.unwrap();
    assert_eq!(probe_found.code(), "status", "{probe_found}");
    for endpoint in [
        format!("http://{place}/messages"),
        format!("//{place}/messages"),
        format!("http://localhost:{}/messages", secret.address.port()),
        "http://169.254.169.254/latest".into(),
        "https://one.example/messages".into(),
        "file:///etc/passwd".into(),
        "data:,".into(),
    ] {
        let server =
            Server::start(move |_| stream(&format!("event: endpoint\ndata: {endpoint}\n\n"))).await;
        let mut target = server.target();
        target.preference = Preference::Sse;
        let failure = probe(&target).await.failure.unwrap();
        assert!(failure.to_string().contains("another origin"), "{failure}");
        assert_eq!(server.methods(), ["GET"]);
    }
    assert!(secret.asked().is_empty());
}

#[tokio::test]
async fn what_strangers_name_is_public_or_not_called() {
    let server =
        Server::modern("tools/list", |asked| json(&result(asked, &json!({ "tools": [] })))).await;
    for preference in [Preference::Auto, Preference::StreamableHttp, Preference::Sse] {
        let mut target = server.target();
        target.reach = Reach::Public;
        target.preference = preference;
        let failure = probe(&target).await.failure.unwrap();
        assert!(matches!(failure, Failure::Unreachable(_)), "{failure}");
    }
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn a_transport_that_was_asked_for_is_the_only_one_tried() {
    let server = Server::start(|_| status(404)).await;
    for (preference, methods) in [
        (Preference::Auto, &["server/discover", "initialize", "GET"][..]),
        (Preference::StreamableHttp, &["server/discover", "initialize"]),
        (Preference::Sse, &["GET"]),
    ] {
        let before = server.asked().len();
        let mut target = server.target();
        target.preference = preference;
        assert_eq!(probe(&target).await.failure.unwrap().code(), "status");
        assert_eq!(server.methods()[before..], *methods);
    }
}
