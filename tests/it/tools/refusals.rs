//! What a tool server does not serve, and how it says so.

use std::time::{Duration, Instant};

use gatewright::credentials::attenuate::{Admits, ArgumentCheck, Narrowing, attenuate};
use reqwest::{Method, header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::{ToolServer, credential, gate};
use crate::harness::holder::with_proof;
use crate::harness::server::signal;
use crate::harness::{Answer, Caller, Holder, send};

const DEADLINE: Duration = Duration::from_secs(10);

/// A refusal with its problem and, where there is one, its challenge.
#[track_caller]
fn refused(answer: &Answer, status: u16, code: &str) -> Value {
    let problem = answer.problem(status, code);
    let challenge = answer.headers.get(header::WWW_AUTHENTICATE).map(|it| it.to_str().unwrap());
    match status {
        401 | 403 if !code.starts_with("wrong_o") => {
            let challenge = challenge.unwrap();
            assert!(challenge.starts_with("Bearer realm=\"calculator\""), "{challenge}");
            let error = ["invalid_token", "insufficient_scope"][usize::from(status == 403)];
            assert_eq!(challenge.contains(error), code != "unauthenticated", "{challenge}");
        }
        _ => assert_eq!(challenge, None),
    }
    assert_eq!(answer.headers.contains_key(header::RETRY_AFTER), status == 503);
    problem
}

fn narrowed(token: &str, narrowing: &Narrowing) -> String {
    attenuate(token, narrowing).unwrap().expose_secret().to_owned()
}

#[tokio::test]
async fn a_call_needs_a_credential_for_this_tool_these_scopes_and_these_arguments() {
    let (gate, agent) = gate().await;
    let server = ToolServer::start(&gate, &["calculator", "--scope", "call", "--scope", "peek"]);
    let (token, id) = credential(&agent, "calculator__calculate", &["call", "peek"]).await;
    let served = server.calculate(Some(&token), "6*7").await.expect(200);
    assert_eq!(served["result"]["structuredContent"]["result"], "42");

    refused(&server.calculate(None, "6*7").await, 401, "unauthenticated");
    refused(&server.calculate(Some("nonsense"), "6*7").await, 401, "malformed");
    let session = agent.token.clone().unwrap();
    refused(&server.calculate(Some(&session), "6*7").await, 401, "malformed");
    let mut forged = token.clone().into_bytes();
    let middle = forged.len() / 2;
    forged[middle] = if forged[middle] == b'A' { b'B' } else { b'A' };
    let forged = server.calculate(Some(&String::from_utf8(forged).unwrap()), "6*7").await;
    assert_eq!(forged.status, 401, "{}", forged.text);

    let (other, _) = credential(&agent, "records__search", &["call", "peek"]).await;
    let wrong = refused(&server.calculate(Some(&other), "6*7").await, 403, "wrong_tool");
    assert!(wrong["detail"].as_str().unwrap().contains("`records__search`"), "{wrong}");
    for lacking in ["call", "peek"] {
        let only = [if lacking == "call" { "peek" } else { "call" }];
        let (less, _) = credential(&agent, "calculator__calculate", &only).await;
        refused(&server.calculate(Some(&less), "6*7").await, 403, "scope");
        let narrowing =
            Narrowing { scopes: Some(only.map(str::to_owned).into()), ..Narrowing::default() };
        let less = narrowed(&token, &narrowing);
        refused(&server.calculate(Some(&less), "6*7").await, 403, "scope");
    }

    let past = gatewright::clock::Clock::system().now() - jiff::SignedDuration::from_secs(5);
    let over = narrowed(&token, &Narrowing { expires_at: Some(past), ..Narrowing::default() });
    let expired = refused(&server.calculate(Some(&over), "6*7").await, 401, "expired");
    assert_eq!(expired["credential_id"], id);

    let only_sums =
        ArgumentCheck { pointer: "/expression".into(), admits: Admits::Equal("1+1".into()) };
    let sums = narrowed(&token, &Narrowing { arguments: vec![only_sums], ..Narrowing::default() });
    refused(&server.calculate(Some(&sums), "6*7").await, 403, "argument");
    server.calculate(Some(&sums), "1+1").await.expect(200);
    let wide: Vec<u32> = (0..600).collect();
    let wide = server.call(Some(&token), "calculate", json!({ "expression": wide })).await;
    refused(&wide, 422, "invalid");
}

#[tokio::test]
async fn a_bound_credential_takes_a_proof_of_its_key_and_each_proof_once() {
    let (gate, agent) = gate().await;
    let server = ToolServer::calculator(&gate);
    let (holder, other) = (Holder::ed25519(7), Holder::ed25519(8));
    let ask = json!({
        "tool": "calculator__calculate", "scopes": ["call"], "holder_key": holder.thumbprint(),
    });
    let issued = agent.post("/api/v1/credentials", &ask).await.expect(201);
    let token = issued["credential"]["token"].as_str().unwrap();
    let unproved = server.calculate(Some(token), "6*7").await;
    unproved.problem(401, "holder");
    let challenge = unproved.headers[header::WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains("algs="), "{challenge}");

    let url = format!("{}/mcp", server.url);
    let proof = |by: &Holder, url: &str, change: Value| by.proof("POST", url, Some(token), &change);
    let shown = |proof: &str| {
        let params = json!({ "name": "calculate", "arguments": { "expression": "6*7" } });
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let anyone = Caller::new(&server.url, None);
        let request = with_proof(&anyone, Method::POST, "/mcp", token, proof);
        send(request.header("accept", "application/json, text/event-stream").json(&call))
    };
    let good = proof(&holder, &url, json!({}));
    shown(&good).await.expect(200);
    shown(&good).await.problem(401, "invalid_dpop_proof");
    shown(&proof(&other, &url, json!({}))).await.problem(401, "holder");
    let elsewhere = proof(&holder, &format!("{}/mcp", gate.url), json!({}));
    shown(&elsewhere).await.problem(401, "invalid_dpop_proof");
    shown(&proof(&holder, &url, json!({ "ath": "x" }))).await.problem(401, "invalid_dpop_proof");
    let stale = shown(&proof(&holder, &url, json!({ "nonce": "made up" }))).await;
    stale.problem(401, "use_dpop_nonce");
    let nonce = stale.headers["dpop-nonce"].to_str().unwrap();
    shown(&proof(&holder, &url, json!({ "nonce": nonce }))).await.expect(200);
}

#[tokio::test]
async fn what_was_revoked_is_refused_once_the_feed_tells() {
    let (gate, agent) = gate().await;
    let server = ToolServer::start(&gate, &["calculator", "--max-feed-age", "3"]);
    let (token, id) = credential(&agent, "calculator__calculate", &["call"]).await;
    let part = narrowed(
        &token,
        &Narrowing { scopes: Some(["call".to_owned()].into()), ..Narrowing::default() },
    );
    server.calculate(Some(&part), "6*7").await.expect(200);
    agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    let answer = until_refused(&server, &part).await;
    refused(&answer, 401, "revoked");
    refused(&server.calculate(Some(&token), "6*7").await, 401, "revoked");

    // A gateway that falls silent: what was vended before is good until the feed is too old.
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    server.calculate(Some(&token), "6*7").await.expect(200);
    signal(gate.pid(), "STOP");
    let answer = until_refused(&server, &token).await;
    refused(&answer, 503, "feed_stale");
    let ready = Caller::new(&server.url, None).get("/readyz").await;
    refused(&ready, 503, "unavailable");
    signal(gate.pid(), "CONT");
    let started = Instant::now();
    while server.calculate(Some(&token), "6*7").await.status != 200 {
        assert!(started.elapsed() < DEADLINE, "it does not follow again");
        tokio::task::yield_now().await;
    }
    Caller::new(&server.url, None).get("/readyz").await.expect(200);
}

async fn until_refused(server: &ToolServer, token: &str) -> Answer {
    let started = Instant::now();
    loop {
        let answer = server.calculate(Some(token), "6*7").await;
        if answer.status != 200 {
            return answer;
        }
        assert!(started.elapsed() < DEADLINE, "it is served for too long");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn no_message_gets_past_the_front() {
    let (gate, agent) = gate().await;
    let server = ToolServer::calculator(&gate);
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let listed = server.send(None, &list).await.expect(200);
    let tool = &listed["result"]["tools"][0];
    assert_eq!(
        (&tool["name"], &tool["annotations"]["readOnlyHint"]),
        (&json!("calculate"), &json!(true))
    );
    assert_eq!(tool["inputSchema"]["additionalProperties"], false, "{tool}");
    let unknown = server.call(None, "reckon", json!({})).await.json();
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");

    let raw = |body: String| {
        let request = Caller::new(&server.url, Some(&token)).request(Method::POST, "/mcp");
        let request = request.header("accept", "application/json, text/event-stream");
        send(request.header("content-type", "application/json").body(body))
    };
    let call = |params: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)
    };
    let batch =
        raw(format!("[{}]", call(r#"{"name":"calculate","arguments":{"expression":"1"}}"#))).await;
    assert!(batch.status.is_client_error(), "{}", batch.text);
    for nonsense in ["", "{", "null", "{\"method\":\"tools/call\"}"] {
        let answer = raw(nonsense.to_owned()).await;
        assert!(answer.status.is_client_error(), "{nonsense}: {}", answer.text);
    }
    let twice =
        raw(call(r#"{"name":"calculate","arguments":{"expression":"1","expression":"2"}}"#));
    assert_eq!(twice.await.expect(200)["result"]["structuredContent"]["result"], "2");
    let large = raw(call(&format!(
        r#"{{"name":"calculate","arguments":{{"x":"{}"}}}}"#,
        "1".repeat(300_000)
    )));
    refused(&large.await, 413, "too_large");

    let anyone = Caller::new(&server.url, None);
    let foreign = |name: &str, value: &str| {
        let request = anyone.request(Method::POST, "/mcp").json(&list);
        send(request.header("accept", "application/json, text/event-stream").header(name, value))
    };
    refused(&foreign("host", "evil.example").await, 421, "wrong_host");
    refused(&foreign("origin", "https://evil.example").await, 403, "wrong_origin");
    refused(&anyone.get("/").await, 404, "not_found");
    assert_eq!(anyone.get("/mcp").await.status, 405);
    anyone.get("/livez").await.expect(200);
}
