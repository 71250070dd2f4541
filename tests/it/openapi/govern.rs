//! The walk through approvals, policies, the audit, and the ends of things.

use reqwest::{Method, header};
use serde_json::json;

use super::witness::Witness;
use crate::approvals::registered;
use crate::harness::server::PASSWORD;
use crate::harness::{Answer, Caller, Gate, samples, send};

pub(super) async fn questions(witness: &mut Witness, admin: &Caller) {
    let path = "/.well-known/authzen-configuration";
    witness.saw("get", path, &admin.get(path).await);
    for of in ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"] {
        let path = format!("/access/v1/{of}");
        let mut body = samples::question(&format!("POST {path}")).unwrap();
        witness.saw("post", &path, &admin.post(&path, &body).await);
        body["context"] = json!({ "ip": "10.0.0.1", "mood": "good" });
        witness.saw("post", &path, &admin.post(&path, &body).await);
        witness.saw("post", &path, &admin.post(&path, &json!({})).await);
    }
}

pub(super) async fn human_in_the_loop(gate: &Gate, witness: &mut Witness) {
    let erin = gate.user_with_factor("erin", "tool_publisher").await;
    let risky = samples::risky("pay", "https://pay.example/");
    let tool = erin.post("/api/v1/tools", &risky).await.expect(201)["id"].clone();
    let tool = tool.as_str().unwrap();
    let (asks, agent) = gate.agent("poly", "translator").await;
    let invoke = format!("/api/v1/tools/{tool}/invoke");
    let mut waiting = Vec::new();
    for n in 0..4 {
        let answer = agent.post(&invoke, &json!({ "arguments": { "n": n } })).await;
        waiting.push(witness.saw("post", "/api/v1/tools/{tool}/invoke", &answer));
    }
    let list = "/api/v1/approvals";
    let one = |n: usize| format!("{list}/{}", waiting[n]["approval"]["id"].as_str().unwrap());
    witness.saw("get", list, &agent.get(list).await);
    witness.saw("get", &format!("{list}/{{approval}}"), &agent.get(&one(0)).await);
    for (n, by, verb) in [(0, &erin, "approve"), (1, &erin, "deny"), (2, &agent, "cancel")] {
        let answer = by.post(&format!("{}/{verb}", one(n)), &json!({ "reason": "so" })).await;
        witness.saw("post", &format!("{list}/{{approval}}/{verb}"), &answer);
    }
    let events = erin.request(Method::GET, "/api/v1/approvals/events").send().await.unwrap();
    let (status, headers) = (events.status(), events.headers().clone());
    let begun = Answer { status, headers, text: String::new() };
    witness.saw("get", "/api/v1/approvals/events", &begun);

    let path = "/access/v1/requests";
    let refusal = waiting[3]["decision_id"].as_str().unwrap();
    let mut request = samples::access_request(asks["client_id"].as_str().unwrap(), tool, refusal);
    request["context"]["arguments"] = json!({ "n": 3 });
    let task = witness.saw("post", path, &agent.post(path, &request).await);
    witness.saw("post", path, &agent.post(path, &json!({})).await);
    let one = format!("{path}/{}", task["task"]["id"].as_str().unwrap());
    let template = "/access/v1/requests/{approval}";
    witness.saw("get", template, &agent.get(&one).await);
    for _ in 0..2 {
        let answer = agent.act(&format!("{one}/cancel")).await;
        witness.saw("post", &format!("{template}/cancel"), &answer);
    }
}

pub(super) async fn policies(gate: &Gate, witness: &mut Witness, admin: &Caller) {
    let (policies, bundles) = ("/api/v1/policies", "/api/v1/bundles");
    for path in [policies, bundles, "/api/v1/schema"] {
        witness.saw("get", path, &admin.get(path).await);
    }
    let (template, one) = ("/api/v1/policies/{policy}", format!("{policies}/use.translators"));
    witness.saw("get", template, &admin.get(&one).await);
    let body = json!({ "text": samples::POLICY });
    let put = admin.request(Method::PUT, &one).json(&body);
    witness.saw("put", template, &send(put).await);
    witness.saw("delete", template, &admin.delete(&one).await);
    let body = json!({ "text": samples::POLICY.replace("use.translators", "ours.abacus") });
    let added = witness.saw("post", policies, &admin.post(policies, &body).await);
    assert_eq!(added["state"], "checked", "{added}");
    let body = json!({ "files": { "policies/90-ours.cedar": samples::POLICY } });
    let made = witness.saw("post", bundles, &admin.post(bundles, &body).await);
    witness.saw("post", bundles, &admin.post(bundles, &body).await);
    let (template, one) =
        ("/api/v1/bundles/{bundle}", format!("{bundles}/{}", made["id"].as_str().unwrap()));
    witness.saw("get", template, &admin.get(&one).await);
    for verb in ["check", "activate", "rollback"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    rehearsal(witness, admin, template, &one).await;
    let body = json!({ "verdict": "yes", "reason": "so" });
    // Nobody reviews what they wrote.
    let one = format!("{bundles}/{}", added["id"].as_str().unwrap());
    rehearsal(witness, admin, template, &one).await;
    let rita = registered(gate, "rita", "policy_admin").await;
    let rolf = registered(gate, "rolf", "policy_admin").await;
    for reviewer in [admin, &rita, &rolf] {
        let answer = reviewer.post(&format!("{one}/review"), &body).await;
        witness.saw("post", &format!("{template}/review"), &answer);
    }
    let before = active(admin, bundles).await;
    let sara = registered(gate, "sara", "policy_admin").await;
    let activated = sara.act(&format!("{one}/activate")).await;
    activated.expect(200);
    witness.saw("post", &format!("{template}/activate"), &activated);
    let back = sara.act(&format!("{bundles}/{before}/rollback")).await;
    witness.saw("post", &format!("{template}/rollback"), &back);
}

/// Some decision, and why it is what it is.
pub(super) async fn decided(witness: &mut Witness, admin: &Caller) {
    let events = admin.get("/api/v1/audit-events?page_size=50").await.expect(200);
    let mut events = events["items"].as_array().unwrap().iter();
    let event = events.find(|it| it["entry"]["asked"].is_object()).unwrap();
    let one = format!("/api/v1/decisions/{}", event["entry"]["id"].as_str().unwrap());
    let template = "/api/v1/decisions/{decision}";
    witness.saw("get", template, &admin.get(&one).await);
    let explained = admin.get(&format!("{one}/explain")).await;
    witness.saw("get", &format!("{template}/explain"), &explained);
}

/// The id of the bundle that decides.
async fn active(by: &Caller, bundles: &str) -> String {
    let all = by.get(bundles).await.expect(200);
    let mut all = all["items"].as_array().unwrap().iter();
    all.find(|it| it["state"] == "active").unwrap()["id"].as_str().unwrap().to_owned()
}

async fn rehearsal(witness: &mut Witness, admin: &Caller, template: &str, one: &str) {
    for verb in ["replay", "shadow"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    let shadow = "/api/v1/shadow";
    witness.saw("get", shadow, &admin.get(shadow).await);
    witness.saw("delete", shadow, &admin.delete(shadow).await);
    witness.saw("get", shadow, &admin.get(shadow).await);
    let agents = admin.get("/api/v1/agents").await.expect(200);
    let agent = agents["items"][0]["id"].as_str().unwrap();
    let template = "/api/v1/agents/{agent}/suggestion";
    let answer = admin.get(&format!("/api/v1/agents/{agent}/suggestion?since=1h")).await;
    witness.saw("get", template, &answer);
}

pub(super) async fn audit(gate: &Gate, witness: &mut Witness, admin: &Caller) {
    let anyone = gate.anyone();
    let path = "/api/v1/revocations";
    let feed = witness.saw("get", path, &anyone.get(path).await);
    assert!(!feed["credential_ids"].as_array().unwrap().is_empty(), "{feed}");
    let path = "/api/v1/audit/checkpoint";
    witness.saw("get", path, &anyone.get(path).await);
    let path = "/api/v1/audit-events";
    witness.saw("get", path, &admin.get(&format!("{path}?page_size=3")).await);
    let path = "/api/v1/audit/proof";
    witness.saw("get", path, &admin.get(&format!("{path}?seq=0")).await);
    witness.saw("get", path, &admin.get(path).await);
    let path = "/api/v1/audit/consistency";
    witness.saw("get", path, &admin.get(&format!("{path}?from=1")).await);
}

async fn keys(witness: &mut Witness, admin: &Caller) {
    let path = "/api/v1/api-keys";
    let expires_at = "2100-01-01T00:00:00Z";
    let body = json!({ "name": "ci", "scopes": ["read:public"], "expires_at": expires_at });
    let made = witness.saw("post", path, &admin.post(path, &body).await);
    let wrong = json!({ "name": "ci", "scopes": ["agent:calc"] });
    witness.saw("post", path, &admin.post(path, &wrong).await);
    witness.saw("get", path, &admin.get(path).await);
    let (template, one) =
        ("/api/v1/api-keys/{key}", format!("{path}/{}", made["id"].as_str().unwrap()));
    witness.saw("get", template, &admin.get(&one).await);
    let overlap = json!({ "overlap_seconds": 60 });
    let rotated = admin.post(&format!("{one}/rotate"), &overlap).await;
    witness.saw("post", "/api/v1/api-keys/{key}/rotate", &rotated);
    for verb in ["disable", "enable"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    witness.saw("delete", template, &admin.delete(&one).await);
}

pub(super) async fn endings(gate: &Gate, witness: &mut Witness, admin: &Caller, tool: &str) {
    let path = "/api/v1/auth/elevate";
    let proof = json!({ "password": PASSWORD });
    let elevated = witness.saw("post", path, &admin.post(path, &proof).await);
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    keys(witness, &elevated).await;
    let (template, one) = ("/api/v1/tools/{tool}", format!("/api/v1/tools/{tool}"));
    let stale = elevated.request(Method::DELETE, &one).header(header::IF_MATCH, "\"0\"");
    witness.saw("delete", template, &send(stale).await);
    witness.saw("delete", template, &elevated.delete(&one).await);
    witness.saw("delete", template, &elevated.delete(&one).await);
    witness.saw("post", "/api/v1/auth/logout", &admin.act("/api/v1/auth/logout").await);
}
