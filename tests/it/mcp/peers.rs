//! Other people's clients, which are told an address and nothing else.

use serde_json::json;

use super::{NEW, OLD, Scene};
use crate::harness::peer::Peer;

const CALLBACK: &str = "http://localhost:3030/callback";

/// Tools for the administrator: one that is called, one that waits for a person's word, and one that
/// needs a scope which clients do not ask for at first.
async fn scene() -> (Scene, Peer) {
    let scene = Scene::open().await;
    scene.add("orders", "/orders", &json!({ "required_scopes": [] })).await;
    scene.add("pay", "/", &json!({ "required_scopes": [], "consequential": true })).await;
    scene.add("letters", "/", &json!({ "required_scopes": ["write:profile"] })).await;
    let behind = scene.suite_tools().await;
    (scene, behind)
}

/// Signs in, lists, calls, is refused, steps up: in each way of speaking.
async fn speaks(start: impl Fn(&[&str]) -> Peer) {
    let (scene, _behind) = scene().await;
    let url = format!("{}/mcp", scene.gate.url);
    for (mode, version) in [("legacy", OLD), (NEW, NEW), ("auto", NEW)] {
        let said = start(&[&url, CALLBACK, mode]).with(&scene.gate).await;
        assert_eq!(said["version"], version, "{mode}: {said}");
        let tools = said["tools"].as_array().unwrap();
        for tool in ["letters", "orders", "pay", "suite__steady"] {
            assert!(tools.contains(&json!(tool)), "{mode}: {tool}");
        }
        assert_eq!(said["steady"], "steady", "{mode}");
        let reports: Vec<f64> =
            said["progress"].as_array().unwrap().iter().map(|it| it[0].as_f64().unwrap()).collect();
        assert!(!reports.is_empty() && reports.is_sorted(), "{mode}: {reports:?}");
        assert_eq!(said["orders"], r#"{"amount":3}"#, "{mode}");
        assert_eq!(said["refused"], json!([true, "confirm"]), "{mode}");
        assert_eq!(said["letters"], false, "{mode}: it asked for more, and was given it");
        assert_eq!(said["unknown"], -32602, "{mode}");
    }
}

// The programs are waited for, and what they call must answer meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_signs_in_by_itself_and_uses_the_tools() {
    speaks(|arguments| Peer::python("mcp_gate.py", arguments)).await;
}

// The programs are waited for, and what they call must answer meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typescript_sdk_signs_in_by_itself_and_uses_the_tools() {
    speaks(|arguments| Peer::node("mcp", "mcp_gate.mjs", arguments)).await;
}
