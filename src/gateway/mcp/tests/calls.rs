//! Calling tools: once, or not at all.

use std::time::Duration;

use rmcp::model::ProtocolVersion;
use secrecy::SecretString;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fixture::*;
use crate::gateway::mcp::{Call, Called, Dialect, Failed, Ran, Target, Transport};
use crate::secrets::Scrubber;

fn call(name: &str) -> Call<'_> {
    let arguments = Map::from_iter([("city".to_owned(), json!("Paris"))]);
    Call { name, arguments, schema: None, meta: Map::new(), progress: None, scrubber: None }
}

async fn run(target: &Target, call: Call<'_>) -> Result<Called, Failed> {
    client().call_tool(&warrant(), target, call, LIMITS, &CancellationToken::new()).await
}

fn known(protocol: ProtocolVersion) -> Option<Dialect> {
    Some(Dialect { transport: Transport::StreamableHttp, protocol })
}

fn said(asked: &Asked) -> Says {
    json(&result(asked, &json!({ "content": [{ "type": "text", "text": "sunny" }] })))
}

#[tokio::test]
async fn a_known_server_of_the_newer_era_is_asked_once() {
    let server = Server::modern("tools/call", said).await;
    let target = Target { known: known(ProtocolVersion::V_2026_07_28), ..server.target() };
    let schema = json!({ "properties": { "city": { "type": "string", "x-mcp-header": "City" } } });
    let meta = json!({
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        "example.com/own": { "a": 1 },
        "io.modelcontextprotocol/clientInfo": { "name": "someone else", "version": "0" },
    });
    let it = Call {
        schema: schema.as_object(),
        meta: meta.as_object().unwrap().clone(),
        ..call("forecast")
    };
    let called = run(&target, it).await.unwrap();
    assert_eq!(called.result["content"][0]["text"], "sunny");
    assert!(!called.is_error);
    let [asked] = &server.asked()[..] else { panic!("{:?}", server.methods()) };
    assert_eq!(asked.headers["mcp-name"], "forecast");
    assert_eq!(asked.headers["mcp-param-city"], "Paris");
    let params = &asked.body["params"];
    assert_eq!(
        (&params["name"], &params["arguments"]),
        (&json!("forecast"), &json!({ "city": "Paris" }))
    );
    assert_eq!(params["_meta"]["traceparent"], meta["traceparent"]);
    assert_eq!(params["_meta"]["example.com/own"], meta["example.com/own"]);
    assert_eq!(params["_meta"]["io.modelcontextprotocol/clientInfo"]["name"], "gatewright");
}

#[tokio::test]
async fn progress_is_passed_on_and_questions_are_declined() {
    let server = Server::start(|asked| match asked.method() {
        "initialize" => json(&initialized(asked)),
        "notifications/initialized" => status(202),
        "tools/call" => {
            let report = |token: &str, done: u32| {
                let params = json!({ "progressToken": token, "progress": done, "total": 3 });
                json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
            };
            let question = json!({
                "jsonrpc": "2.0", "id": "q", "method": "elicitation/create",
                "params": { "message": "Your password?", "requestedSchema": {} },
            });
            let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" });
            let answer = result(asked, &json!({ "content": [], "isError": true }));
            let events =
                [report("p", 1), report("other", 2), question, ping, report("p", 3), answer];
            stream(&events.map(|it| format!("data: {it}\n\n")).concat())
        }
        "" => status(202),
        _ => status(400),
    })
    .await;
    let (sink, mut reports) = mpsc::channel(10);
    let meta = Map::from_iter([("progressToken".to_owned(), json!("p"))]);
    let it = Call { meta, progress: Some(sink), ..call("forecast") };
    let called = run(&server.target(), it).await.unwrap();
    assert!(called.is_error);
    let mut done = Vec::new();
    while let Some(report) = reports.recv().await {
        done.push((report.progress, report.total));
    }
    assert_eq!(done, [(1.0, Some(3.0)), (3.0, Some(3.0))]);
    let replies: Vec<Value> = server.asked().iter().map(|it| it.body.clone()).collect();
    let reply = |id: &Value| replies.iter().find(|it| it["id"] == *id && it["method"].is_null());
    assert_eq!(reply(&json!("q")).unwrap()["error"]["code"], -32601);
    assert_eq!(reply(&json!(1)).unwrap()["result"], json!({}));
}

#[tokio::test]
async fn progress_says_nothing_of_what_the_server_was_shown() {
    let server = Server::modern("tools/call", |asked| {
        let report = |done: Value| {
            let params = json!({
                "progressToken": "s3cr3t", "progress": done, "message": "got s3cr3t",
                "_meta": { "s3cr3t": "Bearer s3cr3t" },
            });
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params })
        };
        let answer = result(asked, &json!({ "content": [] }));
        let events = [report(json!(1)), report(json!(424_242)), report(json!(3)), answer];
        stream(&events.map(|it| format!("data: {it}\n\n")).concat())
    })
    .await;
    let (sink, mut reports) = mpsc::channel(10);
    let meta = Map::from_iter([("progressToken".to_owned(), json!("s3cr3t"))]);
    let scrubber = Scrubber::new(&["s3cr3t", "424242"].map(SecretString::from));
    let it = Call { meta, progress: Some(sink), scrubber: Some(&scrubber), ..call("forecast") };
    run(&server.target(), it).await.unwrap();
    let mut heard = Vec::new();
    while let Some(report) = reports.recv().await {
        heard.push(serde_json::to_value(report).unwrap());
    }
    let report = |done: f64| {
        json!({
            "progressToken": "s3cr3t", "progress": done, "message": "got ********",
            "_meta": { "********": "Bearer ********" },
        })
    };
    assert_eq!(heard, [report(1.0), report(3.0)]);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_taken_up_and_the_call_not_repeated() {
    let server = Server::start(|asked| match asked.method() {
        "initialize" => json(&initialized(asked)),
        "notifications/initialized" => status(202),
        "tools/call" => stream("id: 1-1\nretry: 1\ndata: \n\n"),
        "" if asked.is("GET") => {
            let it = &asked.headers["last-event-id"];
            assert_eq!(it, "1-1");
            let body = json!({ "jsonrpc": "2.0", "id": 2, "result": { "content": [] } });
            stream(&format!("id: 1-2\ndata: {body}\n\n"))
        }
        _ => status(400),
    })
    .await;
    run(&server.target(), call("forecast")).await.unwrap();
    let calls = server.methods().iter().filter(|it| *it == "tools/call").count();
    assert_eq!(calls, 1);
}

#[tokio::test]
async fn only_a_server_that_could_not_read_the_call_gets_it_again() {
    let server = Server::start(|asked| match asked.method() {
        "server/discover" => json(&error(asked, -32601)),
        "initialize" => json(&initialized(asked)),
        "notifications/initialized" => status(202),
        "tools/call" if asked.headers["mcp-protocol-version"] == "2026-07-28" => {
            Says::Text(400, JSON, error(asked, -32022).to_string())
        }
        "tools/call" => said(asked),
        _ => status(404),
    })
    .await;
    let target = Target { known: known(ProtocolVersion::V_2026_07_28), ..server.target() };
    let called = run(&target, call("forecast")).await.unwrap();
    assert_eq!(called.dialect.protocol, ProtocolVersion::V_2025_11_25);
    for answer in [500, 400, 404] {
        let server = Server::modern("tools/call", move |_| status(answer)).await;
        let failed = run(&server.target(), call("forecast")).await.unwrap_err();
        assert_eq!((failed.failure.code(), failed.ran), ("status", Ran::Perhaps));
        assert_eq!(server.methods(), ["server/discover", "tools/call"]);
    }
}

#[tokio::test]
async fn a_failure_says_whether_the_tool_may_have_run() {
    for (what, answer, code, ran) in
        [("refused", 401, "unauthorized", Ran::No), ("broken", 502, "status", Ran::Perhaps)]
    {
        let server = Server::modern("tools/call", move |_| status(answer)).await;
        let failed = run(&server.target(), call("forecast")).await.unwrap_err();
        assert_eq!((failed.failure.code(), failed.ran), (code, ran), "{what}");
    }
    let server = Server::modern("tools/call", |asked| json(&error(asked, -32000))).await;
    let failed = run(&server.target(), call("forecast")).await.unwrap_err();
    assert_eq!(failed.to_string(), "the server refuses with error -32000: no");
    assert_eq!(failed.ran, Ran::Perhaps);
    let nobody = Target { url: "http://127.0.0.1:1/mcp".parse().unwrap(), ..server.target() };
    for known in [None, known(ProtocolVersion::V_2026_07_28)] {
        let target = Target { known, ..nobody.clone() };
        let failed = run(&target, call("forecast")).await.unwrap_err();
        assert_eq!((failed.failure.code(), failed.ran), ("unreachable", Ran::No));
    }
    for odd in [
        json!({ "resultType": "input_required", "inputRequests": {} }),
        json!({ "resultType": "task", "content": [] }),
        json!({ "content": [{ "type": "hologram" }] }),
        json!({ "tools": [] }),
        json!(null),
    ] {
        let server = Server::modern("tools/call", move |asked| json(&result(asked, &odd))).await;
        let failed = run(&server.target(), call("forecast")).await.unwrap_err();
        assert_eq!((failed.failure.code(), failed.ran), ("protocol", Ran::Perhaps), "{failed}");
    }
}

#[tokio::test]
async fn who_gives_up_tells_the_server() {
    let server = Server::start(|asked| match asked.method() {
        "initialize" => {
            let session = "content-type: application/json\r\nmcp-session-id: s-1\r\n";
            Says::Text(200, session, initialized(asked).to_string())
        }
        "tools/call" => Says::Stalls(STREAM, ": hi\n\n".into()),
        "server/discover" => status(400),
        _ => status(202),
    })
    .await;
    let cancelled = CancellationToken::new();
    let (client, warrant, target) = (client(), warrant(), server.target());
    let calling = client.call_tool(&warrant, &target, call("forecast"), LIMITS, &cancelled);
    let giving_up = async {
        while !server.methods().contains(&"tools/call".to_owned()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancelled.cancel();
    };
    let (outcome, ()) = tokio::join!(calling, giving_up);
    assert_eq!(outcome.unwrap_err().failure.code(), "cancelled");
    let asked = server.asked();
    let [.., told, closed] = &asked[..] else { panic!("{:?}", server.methods()) };
    assert_eq!(told.method(), "notifications/cancelled");
    assert_eq!(told.body["params"]["requestId"], 2);
    assert!(closed.is("DELETE") && closed.headers["mcp-session-id"] == "s-1");
}
