//! What callers prove with keys of their own: machines that sign assertions, tokens that are bound,
//! and how what they prove themselves by is changed.

mod assertions;
mod bound;
mod peers;
mod rotation;

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, Holder, PASSWORD, send};

const ME: &str = "/api/v1/auth/me";

fn none() -> Value {
    json!({})
}

/// Registers a machine with a public key, named `one`.
async fn machine(gate: &Gate, name: &str, holder: &Holder) -> Value {
    let body = json!({ "name": name, "role": "agent", "jwks": holder.jwks("one") });
    gate.admin().await.post("/api/v1/register/machine", &body).await.expect(201)
}

fn id(registered: &Value) -> &str {
    registered["client_id"].as_str().unwrap()
}

/// The administrator, with the password proven just now.
async fn elevated(gate: &Gate) -> Caller {
    let body = json!({ "password": PASSWORD });
    let answer = gate.admin().await.post("/api/v1/auth/elevate", &body).await.expect(200);
    Caller::new(&gate.url, answer["access_token"].as_str())
}

async fn put(caller: &Caller, path: &str, body: &Value) -> Answer {
    send(caller.request(Method::PUT, path).json(body)).await
}

/// A refusal in OAuth's words (RFC 6749 section 5.2).
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.expect(status)["error"], error, "{}", answer.text);
}
