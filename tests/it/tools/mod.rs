//! Tool servers of this binary: real processes, real credentials, other people's clients.

mod behind;
mod clients;
mod refusals;
mod starting;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::until;
use crate::harness::{Answer, Caller, Gate, send};

const START_TIME_MAX: Duration = Duration::from_secs(30);
const BOOKS: &str = "id,title,author\n\
                     b1,The Trial,Franz Kafka\n\
                     b2,The Castle,Franz Kafka\n\
                     b3,Ulysses,James Joyce\n";

/// A running tool server, killed when dropped.
struct ToolServer {
    url: String,
    child: Child,
}

impl ToolServer {
    /// Starts `gatewright tools serve` with these words, and waits until it says that it serves.
    fn start(gate: &Gate, words: &[&str]) -> ToolServer {
        let begin = ["tools", "serve"];
        let end = ["--listen", "127.0.0.1:0", "--gateway", &gate.url, "--json-log"];
        let mut command = gate.command(&[&begin[..], words, &end[..]].concat());
        ToolServer::run(&mut command)
    }

    fn run(command: &mut Command) -> ToolServer {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (lines, kept) = (BufReader::new(child.stderr.take().unwrap()).lines(), log.clone());
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line);
            }
        });
        let address = until(START_TIME_MAX, || {
            let ended = child.try_wait().unwrap();
            let lines = log.lock().unwrap();
            let address = lines.iter().find_map(|it| {
                let event: Value = serde_json::from_str(it).ok()?;
                (event["message"] == "serving")
                    .then(|| event["address"].as_str().map(str::to_owned))?
            });
            assert!(ended.is_none() || address.is_some(), "it ended:\n{}", lines.join("\n"));
            address
        });
        ToolServer { url: format!("http://{address}"), child }
    }

    fn calculator(gate: &Gate) -> ToolServer {
        ToolServer::start(gate, &["calculator"])
    }

    fn records(gate: &Gate) -> ToolServer {
        let data = gate.folder.path().join("books.csv");
        fs::write(&data, BOOKS).unwrap();
        ToolServer::start(gate, &["records", "--data", data.to_str().unwrap()])
    }

    /// Sends a message as clients of the earlier era do, which need no session here.
    async fn send(&self, token: Option<&str>, message: &Value) -> Answer {
        let request = Caller::new(&self.url, token).request(Method::POST, "/mcp");
        let accept = "application/json, text/event-stream";
        send(request.header("accept", accept).json(message)).await
    }

    async fn call(&self, token: Option<&str>, tool: &str, arguments: Value) -> Answer {
        let params = json!({ "name": tool, "arguments": arguments });
        let message =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        self.send(token, &message).await
    }

    /// What an expression is worth.
    async fn calculate(&self, token: Option<&str>, expression: &str) -> Answer {
        self.call(token, "calculate", json!({ "expression": expression })).await
    }
}

impl Drop for ToolServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A tool as Gatewright knows it, registered by hand: the agent calls it itself.
async fn register(gate: &Gate, name: &str, needs: &str) {
    let tool = json!({
        "tool_type": "function",
        "name": name,
        "scopes": ["call", "peek"],
        "required_scopes": [needs],
        "input_schema": { "type": "object" },
    });
    gate.admin().await.post("/api/v1/tools", &tool).await.expect(201);
}

/// A credential of this agent for a tool.
async fn credential(agent: &Caller, tool: &str, scopes: &[&str]) -> (String, String) {
    let ask = json!({ "tool": tool, "scopes": scopes });
    let issued = agent.post("/api/v1/credentials", &ask).await.expect(201);
    let text = |name: &str| issued["credential"][name].as_str().unwrap().to_owned();
    (text("token"), text("credential_id"))
}

/// A server with the tools of both, and an agent that may use them.
async fn gate() -> (Gate, Caller) {
    let gate = Gate::start();
    register(&gate, "calculator__calculate", "agent:calc").await;
    register(&gate, "records__search", "agent:db_read").await;
    register(&gate, "records__get", "agent:db_read").await;
    let (_, agent) = gate.agent("robot", "agent").await;
    (gate, agent)
}
