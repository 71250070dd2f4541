//! The sandbox as a tool that agents call.

use serde_json::{Value, json};

use super::PYTHON;
use crate::harness::{Caller, Gate, Setup};

/// A server with a sandbox, and the path that calls it.
pub async fn scene(setup: Setup) -> (Gate, Caller, String) {
    let gate = setup.start();
    let mut tool = json!({
        "tool_type": "builtin", "builtin": "sandbox_python", "name": "sandbox_python",
        "scopes": ["run"],
    });
    let admin = gate.admin().await;
    let problem = admin.post("/api/v1/tools", &tool).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/consequential", "{problem}");
    tool["consequential"] = json!(true);
    let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
    let path = format!("/api/v1/tools/{}/invoke", tool["id"].as_str().unwrap());
    (gate, admin, path)
}

pub fn setup() -> Setup {
    Setup::new().with("gateway.sandbox", PYTHON)
}

fn ask(code: &str) -> Value {
    json!({ "arguments": { "code": code }, "confirm_consequential": true })
}

#[tokio::test]
async fn whoever_confirms_it_runs_code() {
    let (gate, agent, path) = scene(setup()).await;
    let answer = agent.post(&path, &ask("print(6 * 7)")).await.expect(200);
    let result = &answer["result"];
    assert_eq!((&result["stdout"], &result["stderr"]), (&json!("42\n"), &json!("")));
    assert_eq!((&result["exit_code"], &result["truncated"]), (&json!(0), &json!(false)));
    assert!(result["duration_ms"].is_u64() && answer["is_error"] == false, "{answer}");

    let answer = agent.post(&path, &ask("exit(3)")).await.expect(200);
    assert_eq!((&answer["is_error"], &answer["result"]["exit_code"]), (&json!(true), &json!(3)));

    // The server's settings, secrets among them, came by its environment.
    let seen = "import os; print(dict(os.environ), os.listdir('/tmp'))";
    let answer = agent.post(&path, &ask(seen)).await.expect(200);
    assert_eq!(answer["result"]["stdout"], "{'MALLOC_ARENA_MAX': '1'} []\n");
    agent.post(&path, &json!({ "arguments": { "code": 1 } })).await.problem(422, "invalid");
    assert_eq!(gate.anyone().get("/livez").await.status, 200);
}

#[tokio::test]
async fn what_cannot_be_run_is_told_as_a_failure_of_its_kind() {
    let quick = setup().with("gateway.sandbox_timeout_seconds", "1");
    let (gate, agent, path) = scene(quick).await;
    let problem = agent.post(&path, &ask("while True: pass")).await;
    let problem = problem.problem(504, "upstream_timeout");
    assert!(problem["detail"].as_str().unwrap().contains("longer than 1 seconds"), "{problem}");
    let long = "#".repeat(128 * 1024 + 1);
    agent.post(&path, &ask(&long)).await.problem(502, "upstream_refused");
    assert_eq!(gate.anyone().get("/livez").await.status, 200);

    let (_gate, agent, path) = scene(Setup::new()).await;
    let problem = agent.post(&path, &ask("print(1)")).await.problem(503, "upstream_not_ready");
    assert!(problem["detail"].as_str().unwrap().contains("gateway.sandbox"), "{problem}");

    let (gate, agent, path) = scene(Setup::new().with("gateway.sandbox", "/bin/false")).await;
    let problem = agent.post(&path, &ask("print(1)")).await.problem(503, "upstream_not_ready");
    assert_eq!(problem["detail"], "the sandbox does not work on this host", "{problem}");
    let log = gate.log().join("\n");
    assert!(log.contains("`/bin/false`") && log.contains("interpreter"), "{log}");
}
