//! Real use of a server, to fill its audit with, and that audit as a client reads it.

use futures_util::stream::{self, StreamExt as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{ADMIN, Caller, Gate, PASSWORD, samples, send};

const AT_ONCE: usize = 8;

/// One entry as the API shows it, its text byte for byte.
#[derive(Deserialize)]
pub struct Event {
    pub seq: u64,
    entry: Box<RawValue>,
}

impl Event {
    pub fn text(&self) -> &str {
        self.entry.get()
    }

    pub fn entry(&self) -> Value {
        serde_json::from_str(self.text()).unwrap()
    }
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Event>,
    next_page_token: String,
}

/// Everything that matches, newest first, page by page. `filters` is a query or nothing.
pub async fn events(reader: &Caller, filters: &str) -> Vec<Event> {
    let (mut events, mut token) = (Vec::new(), String::new());
    loop {
        let path = format!("/api/v1/audit-events?page_size=200&page_token={token}&{filters}");
        let answer = reader.get(&path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        let page: Page = serde_json::from_str(&answer.text).unwrap();
        events.extend(page.items);
        if page.next_page_token.is_empty() {
            return events;
        }
        token = page.next_page_token;
    }
}

/// A tool's whole life and a session's, each act once at least.
pub async fn lives(gate: &Gate) {
    let login = json!({ "username": ADMIN, "password": PASSWORD });
    let tokens = gate.anyone().post("/api/v1/auth/login", &login).await.expect(200);
    let refresh = json!({ "refresh_token": tokens["refresh_token"] });
    let tokens = gate.anyone().post("/api/v1/auth/refresh", &refresh).await.expect(200);
    let admin = Caller::new(&gate.url, tokens["access_token"].as_str());
    let elevated = admin.post("/api/v1/auth/elevate", &json!({ "password": PASSWORD })).await;
    let elevated = Caller::new(&gate.url, elevated.expect(200)["access_token"].as_str());
    let tool = admin.post("/api/v1/tools", &samples::calculate("short_lived")).await.expect(201);
    let path = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
    admin.patch(&path, &json!({ "description": "of 100 % use_" })).await.expect(200);
    admin.act(&format!("{path}/deactivate")).await.expect(200);
    admin.act(&format!("{path}/activate")).await.expect(200);
    admin.delete(&path).await.problem(403, "denied");
    elevated.delete(&path).await.expect(204);
    gate.anyone()
        .post("/api/v1/auth/login", &json!({ "username": ADMIN, "password": "wrong" }))
        .await
        .expect(401);
    admin.act("/api/v1/auth/logout").await.expect(204);
}

/// An agent that vends, looks around and is refused, `rounds` times four requests.
pub async fn agent_at_work(gate: &Gate, agent: &Caller, tool: &Value, rounds: usize) {
    let id = tool["id"].as_str().unwrap();
    let access = &format!("/api/v1/tools/{id}/access");
    let tool = &format!("/api/v1/tools/{id}");
    let anyone = &gate.anyone();
    let work = (0..rounds).map(|_| async move {
        let ask = json!({ "scopes": ["read"], "ttl_seconds": 60 });
        send(agent.request(reqwest::Method::POST, access).json(&ask)).await.expect(201);
        agent.get(tool).await.expect(200);
        agent.act(&format!("{tool}/deactivate")).await.expect(403);
        anyone.get(tool).await.expect(401);
        agent.get("/api/v1/tools").await.expect(200);
    });
    stream::iter(work).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
}
