//! Agents that act in a user's name: mandates, the tokens that stand on them, and their ends.

mod cascades;
mod chain;
mod mandates;
mod narrowing;
mod told;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, Setup, samples};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const MANDATE: &str = "urn:gatewright:params:oauth:token-type:mandate";

/// A server, a user with a second factor, four agents, and a tool that all of them may use.
struct World {
    gate: Gate,
    admin: Caller,
    uma: Caller,
    /// Who uma is.
    user: String,
    agents: Vec<Value>,
}

impl World {
    async fn new() -> World {
        World::on(Setup::new().start()).await
    }

    async fn on(gate: Gate) -> World {
        let admin = gate.admin().await;
        let mut calc = samples::calculate("calc");
        calc["tags"] = json!(["calculators"]);
        calc["scopes"] = json!(["evaluate", "explain"]);
        admin.post("/api/v1/tools", &calc).await.expect(201);
        let uma = gate.user_with_factor("uma", "user").await;
        let user = uma.id().await;
        let mut agents = Vec::new();
        for name in ["planner", "researcher", "reckoner", "intruder"] {
            agents.push(gate.agent(name, "agent").await.0);
        }
        World { gate, admin, uma, user, agents }
    }

    /// A mandate of uma's for the planner, with what is changed in it.
    async fn mandate(&self, change: Value) -> Value {
        let scopes = ["agent:calc", "agent:llm", "evaluate"];
        let mut body = samples::mandate("planner", "calculators", &scopes);
        body["max_depth"] = json!(3);
        for (key, value) in change.as_object().unwrap() {
            body[key] = value.clone();
        }
        let path = format!("/api/v1/users/{}/mandates", self.user);
        self.uma.post(&path, &body).await.expect(201)
    }

    /// The agent of this number asks for a token.
    async fn exchange(
        &self,
        agent: usize,
        (kind, subject): (&str, &str),
        more: &[(&str, &str)],
    ) -> Answer {
        let agent = &self.agents[agent];
        let form = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("client_id", agent["client_id"].as_str().unwrap()),
            ("client_secret", agent["client_secret"].as_str().unwrap()),
            ("subject_token", subject),
            ("subject_token_type", kind),
        ];
        self.gate.anyone().form("/oauth/token", &[&form, more].concat()).await
    }

    /// What the planner gets for a mandate.
    async fn first(&self, mandate: &Value) -> Caller {
        let by = (MANDATE, mandate["id"].as_str().unwrap());
        self.caller(&self.exchange(0, by, &[]).await)
    }

    /// What the agent of this number gets for the token of the one before it.
    async fn next(&self, agent: usize, above: &Caller) -> Caller {
        let by = (ACCESS_TOKEN, above.token.as_deref().unwrap());
        self.caller(&self.exchange(agent, by, &[]).await)
    }

    #[track_caller]
    fn caller(&self, exchanged: &Answer) -> Caller {
        Caller::new(&self.gate.url, exchanged.expect(200)["access_token"].as_str())
    }

    /// The chain of all three agents that a mandate allows.
    async fn chain(&self, mandate: &Value) -> [Caller; 3] {
        let first = self.first(mandate).await;
        let second = self.next(1, &first).await;
        let third = self.next(2, &second).await;
        [first, second, third]
    }

    fn id(&self, agent: usize) -> &str {
        self.agents[agent]["client_id"].as_str().unwrap()
    }

    /// The ids of what was revoked.
    async fn feed(&self) -> Vec<String> {
        let feed = self.gate.anyone().get("/api/v1/revocations").await.expect(200);
        serde_json::from_value(feed["credential_ids"].clone()).unwrap()
    }
}

/// Asks for a credential for the tool `calc`.
async fn vend(caller: &Caller, change: Value) -> Answer {
    let mut body = json!({ "tool": "calc", "scopes": ["evaluate"] });
    for (key, value) in change.as_object().unwrap() {
        body[key] = value.clone();
    }
    caller.post("/api/v1/credentials", &body).await
}

/// The id of a credential that must be given.
async fn vended(caller: &Caller) -> String {
    let answer = vend(caller, json!({})).await.expect(201);
    answer["credential"]["credential_id"].as_str().unwrap().to_owned()
}

/// What a token says, whoever signed it.
fn claims(caller: &Caller) -> Value {
    let body = caller.token.as_deref().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(body).unwrap()).unwrap()
}

/// A refusal in OAuth's words.
#[track_caller]
fn refused(answer: &Answer, error: &str) -> String {
    let body = answer.expect(400);
    assert_eq!(body["error"], error, "{body}");
    body["error_description"].as_str().unwrap().to_owned()
}
