//! How sign-ins are rated by where and with what their principal signed in before, and what becomes
//! of them.

mod machines;
mod people;
mod places;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, Setup, send};

const HOME: Place = Place { address: "192.0.2.1", agent: "Firefox/121.0" };
const ELSEWHERE: Place = Place { address: "198.51.100.7", ..HOME };
const BLOCKED: Place = Place { address: "203.0.113.66", ..HOME };

/// Where a request comes from, and with what.
#[derive(Clone, Copy)]
struct Place {
    address: &'static str,
    agent: &'static str,
}

impl Place {
    fn with(self, agent: &'static str) -> Place {
        Place { agent, ..self }
    }

    fn from(self, request: RequestBuilder) -> RequestBuilder {
        request.header("x-forwarded-for", self.address).header("user-agent", self.agent)
    }
}

/// A server behind a proxy that tells where requests come from.
fn setup() -> Setup {
    Setup::new()
        .with("risk.trust_proxy_headers", "true")
        .with("risk.trusted_proxies", "127.0.0.1")
        .with("risk.blocked_networks", "203.0.113.0/24")
}

async fn post(caller: &Caller, from: Place, path: &str, body: &Value) -> Answer {
    send(from.from(caller.request(Method::POST, path)).json(body)).await
}

async fn login(gate: &Gate, from: Place, name: &str, password: &str) -> Answer {
    let body = json!({ "username": name, "password": password });
    post(&gate.anyone(), from, "/api/v1/auth/login", &body).await
}

/// What an answer says of the rating.
#[track_caller]
fn assert_rated(answer: &Value, risk: &str, reasons: &[&str]) {
    assert_eq!((&answer["risk"], &answer["risk_reasons"]), (&json!(risk), &json!(reasons)));
}

/// The newest entry of the audit that this filter finds.
async fn entry(gate: &Gate, filter: &str) -> Value {
    let path = format!("/api/v1/audit-events?{filter}");
    gate.admin().await.get(&path).await.expect(200)["items"][0]["entry"].clone()
}
