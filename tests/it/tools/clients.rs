//! The official MCP client for Python, in both eras of the protocol.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{ToolServer, credential, gate};
use crate::harness::tools;

/// Connects, lists the tools and makes the calls; what each came to.
async fn client(server: &ToolServer, token: &str, mode: &str, calls: &Value) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/mcp_tools.py");
    let mut python = Command::new(tools().join("venv/bin/python"));
    let url = format!("{}/mcp", server.url);
    python.arg(script).args([&url, token, mode, &calls.to_string()]);
    let ran = tokio::task::spawn_blocking(move || python.output()).await.unwrap();
    let ran = ran.expect("run scripts/test, which installs what this needs");
    let complaint = String::from_utf8_lossy(&ran.stderr);
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|_| panic!("{complaint}"))
}

#[tokio::test]
async fn the_official_client_calls_the_calculator_in_both_eras() {
    let (gate, agent) = gate().await;
    let server = ToolServer::calculator(&gate);
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    let calls = json!([
        ["calculate", { "expression": "0.1 + 0.2" }],
        ["calculate", { "expression": "1/3" }],
        ["calculate", { "expression": "9**9**9" }],
        ["calculate", { "expresion": "1" }],
    ]);
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let said = client(&server, &token, mode, &calls).await;
        assert_eq!(said["protocol"], protocol, "{said}");
        assert_eq!(said["server"], "calculator");
        assert_eq!(said["tools"], json!(["calculate"]));
        let called = said["called"].as_array().unwrap();
        assert_eq!(called[0]["structured"], json!({ "result": "0.3", "exact": true }));
        assert_eq!(called[1]["structured"]["result"], "1/3");
        let error = |index: usize| called[index]["text"].as_str().unwrap();
        assert_eq!((&called[2]["error"], &called[3]["error"]), (&json!(true), &json!(true)));
        assert_eq!(error(2), "a number in it has more than 10000 digits");
        assert!(error(3).contains("unknown field `expresion`"), "{said}");
    }
}

#[tokio::test]
async fn the_official_client_searches_records() {
    let (gate, agent) = gate().await;
    let server = ToolServer::records(&gate);
    let (token, _) = credential(&agent, "records__search", &["call"]).await;
    let calls = json!([["search", { "query": "kafka castle" }], ["get", { "id": "b1" }]]);
    let said = client(&server, &token, "auto", &calls).await;
    assert_eq!(said["tools"], json!(["search", "get"]));
    let found = &said["called"][0]["structured"]["items"];
    assert_eq!(
        found[0]["record"],
        json!({ "id": "b2", "title": "The Castle", "author": "Franz Kafka" })
    );
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(said["called"][1]["refused"], 403, "one tool's credential is not another's: {said}");
}
