//! Calls that wait for a person, through every door.

mod access_requests;
mod actions;
mod command;
mod events;
mod flow;
mod limits;
mod people;
mod replicas;
mod webhook;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::server::{WORDS, until};
use crate::harness::{Answer, Caller, Gate, Setup, Upstream, samples};

pub const BOOTSTRAP: &str = "a-bootstrap-token-of-the-tests-0123456789";
const TIME_MAX: Duration = Duration::from_secs(10);

fn setup(setup: Setup) -> Setup {
    setup.with("probe.allow_private_networks", "true").with("auth.bootstrap_token", BOOTSTRAP)
}

/// Somebody who asks, somebody who decides, and a tool that waits for it.
struct Scene {
    gate: Gate,
    upstream: Upstream,
    admin: Caller,
    /// The agent's registration.
    asks: Value,
    agent: Caller,
    erin: Caller,
    tool: Value,
}

impl Scene {
    async fn new() -> Scene {
        Scene::on(Setup::new()).await
    }

    async fn on(settings: Setup) -> Scene {
        let (gate, upstream) = (setup(settings).start(), Upstream::open().await);
        let admin = gate.admin().await;
        let (asks, agent) = gate.agent("lingua", "translator").await;
        let erin = registered(&gate, "erin", "approver").await;
        let tool = samples::risky("pay", &upstream.url("/pay"));
        let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
        Scene { gate, upstream, admin, asks, agent, erin, tool }
    }

    fn tool_path(&self) -> String {
        format!("/api/v1/tools/{}", self.tool["id"].as_str().unwrap())
    }

    /// The agent calls the tool.
    async fn call(&self, body: &Value) -> Answer {
        self.agent.post(&format!("{}/invoke", self.tool_path()), body).await
    }

    /// The agent calls the tool, and is told to wait.
    async fn ask(&self, arguments: &Value) -> Value {
        self.call(&json!({ "arguments": arguments })).await.expect(202)["approval"].clone()
    }

    /// The agent asks, and erin says yes.
    async fn approved(&self, arguments: &Value) -> Value {
        let asked = self.ask(arguments).await;
        decide(&self.erin, &asked, "approve").await.expect(200)
    }

    async fn state_of(&self, approval: &Value) -> Value {
        self.agent.get(&path(approval)).await.expect(200)["state"].clone()
    }

    /// Waits until the approval is in this state.
    async fn becomes(&self, approval: &Value, state: &str) {
        let deadline = std::time::Instant::now() + TIME_MAX;
        while self.state_of(approval).await != state {
            assert!(std::time::Instant::now() < deadline, "it never became {state}");
        }
    }
}

/// A user with this role, with a second factor proven just now.
pub async fn registered(gate: &Gate, name: &str, role: &str) -> Caller {
    let anyone = Caller::new(&gate.url, Some(BOOTSTRAP));
    let body = json!({ "username": name, "password": WORDS, "role": role });
    let made = anyone.post("/api/v1/register/user", &body).await.expect(201);
    gate.pockets.keep(name, &made["mfa_setup"]["recovery_codes"]);
    gate.sign_in(name, WORDS).await
}

fn path(approval: &Value) -> String {
    format!("/api/v1/approvals/{}", approval["id"].as_str().unwrap())
}

pub async fn decide(by: &Caller, approval: &Value, verb: &str) -> Answer {
    by.act(&format!("{}/{verb}", path(approval))).await
}

/// A call with an approval.
fn with(approval: &Value, arguments: &Value) -> Value {
    json!({ "arguments": arguments, "approval_id": approval["id"] })
}

/// Polls off the runtime's threads.
async fn eventually<T: Send + 'static>(look: impl FnMut() -> Option<T> + Send + 'static) -> T {
    tokio::task::spawn_blocking(move || until(TIME_MAX, look)).await.unwrap()
}
