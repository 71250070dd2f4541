//! Changing, switching and deleting tools.

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{TOOLS, path};
use crate::harness::{Answer, Caller, Gate, Setup, samples, send};

async fn patch(caller: &Caller, tool: &Value, if_match: &str, body: &Value) -> Answer {
    let request = caller.request(Method::PATCH, &path(tool)).header(header::IF_MATCH, if_match);
    send(request.json(body)).await
}

#[tokio::test]
async fn a_change_is_refused_to_whom_has_not_seen_the_last_one() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    let change = json!({ "description": "changed" });
    patch(&admin, &tool, "\"1\"", &change).await.expect(200);
    for stale in ["\"1\"", "\"3\"", "W/\"2\"", "2", "\"x\"", "\"\"", ""] {
        let refused = patch(&admin, &tool, stale, &change).await;
        refused.problem(412, "precondition_failed");
    }
    patch(&admin, &tool, "\"2\"", &change).await.expect(200);
    patch(&admin, &tool, "*", &change).await.expect(200);
    for (method, rest) in
        [(Method::POST, "/activate"), (Method::POST, "/deactivate"), (Method::PATCH, "")]
    {
        let request = admin.request(method, &format!("{}{rest}", path(&tool)));
        let request = request.header(header::IF_MATCH, "\"1\"");
        let request = if rest.is_empty() { request.json(&change) } else { request };
        send(request).await.problem(412, "precondition_failed");
    }
    assert_eq!(admin.get(&path(&tool)).await.expect(200)["revision"], 4);
}

#[tokio::test]
async fn of_many_changes_at_once_none_is_lost() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let gate = setup.start();
        let admin = gate.admin().await;
        let tool = admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
        let change = |index: usize| json!({ "description": format!("change {index}") });

        let bodies: Vec<Value> = (0..32).map(change).collect();
        let path = path(&tool);
        let answers = join_all(bodies.iter().map(|it| admin.patch(&path, it))).await;
        let mut revisions: Vec<i64> = Vec::new();
        for answer in &answers {
            match answer.status.as_u16() {
                200 => revisions.push(answer.json()["revision"].as_i64().unwrap()),
                _ => drop(answer.problem(409, "conflict")),
            }
        }
        revisions.sort_unstable();
        let expected: Vec<i64> = (2..).take(revisions.len()).collect();
        assert_eq!(revisions, expected, "each success is a revision of its own");
        let last = admin.get(&path).await;
        let seen = last.headers[header::ETAG].to_str().unwrap().to_owned();
        let revision = last.expect(200)["revision"].as_i64().unwrap();
        assert_eq!(revision, 1 + revisions.len() as i64);

        let answers = join_all(bodies.iter().map(|it| patch(&admin, &tool, &seen, it))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|it| it.status == 200);
        assert_eq!(won.len(), 1, "one had seen what it changed");
        for answer in lost {
            answer.problem(412, "precondition_failed");
        }
        assert_eq!(admin.get(&path).await.expect(200), won[0].json());
    }
}

#[tokio::test]
async fn a_tool_is_used_while_it_is_active() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    let (_, robot) = gate.agent("robot", "agent").await;
    let ask = json!({ "scopes": ["evaluate"] });
    let access = format!("{}/access", path(&tool));
    let vended = robot.post(&access, &ask).await.expect(201);

    let off = admin.act(&format!("{}/deactivate", path(&tool))).await.expect(200);
    assert_eq!((&off["state"], &off["is_active"]), (&json!("deactivated"), &json!(false)));
    robot.post(&access, &ask).await.problem(404, "not_found");
    robot.get(&path(&tool)).await.problem(404, "not_found");
    let denied = admin.post(&access, &ask).await.problem(403, "denied");
    let reasons = denied["reasons"].as_array().unwrap();
    assert!(reasons.contains(&json!("guard.tool.active")), "{denied}");
    assert_eq!(denied["fix"], json!([]));
    let question =
        json!({ "token": vended["credential"]["token"], "tool": "calc", "scope": "evaluate" });
    let answer = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
    assert_eq!(answer["reason"], "inactive", "{answer}");

    let on = admin.act(&format!("{}/activate", path(&tool))).await.expect(200);
    assert_eq!((&on["is_active"], &on["digest"]), (&json!(true), &tool["digest"]));
    robot.post(&access, &ask).await.expect(201);
    let answer = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
    assert_eq!(answer["valid"], true, "{answer}");
}

#[tokio::test]
async fn a_critical_tool_is_activated_by_somebody_else() {
    let gate = Gate::start();
    let publisher = gate.user("pia", "tool_publisher").await;
    let mut body = samples::calculate("launch");
    body["risk_level"] = json!("critical");
    for (owner, name) in [(&publisher, "launch"), (&gate.admin().await, "land")] {
        body["name"] = json!(name);
        let tool = owner.post(TOOLS, &body).await.expect(201);
        assert_eq!((&tool["state"], &tool["is_active"]), (&json!("draft"), &json!(false)));
        let activate = format!("{}/activate", path(&tool));
        let denied = owner.act(&activate).await.problem(403, "denied");
        assert_eq!(denied["reasons"], json!(["registry.activate.critical"]));
    }
    let drafts = gate.admin().await.get(&format!("{TOOLS}?q=launch")).await.expect(200);
    let activate = format!("{}/activate", path(&drafts["items"][0]));
    let tool = gate.admin().await.act(&activate).await.expect(200);
    assert_eq!(tool["is_active"], true);
}

#[tokio::test]
async fn deleting_needs_the_password_again_and_revokes_what_was_vended() {
    let gate = Gate::start();
    let publisher = gate.user("pia", "tool_publisher").await;
    let tool = publisher.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    let (_, robot) = gate.agent("robot", "agent").await;
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let vended = robot.post("/api/v1/credentials", &ask).await.expect(201);

    let denied = publisher.delete(&path(&tool)).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["guard.destroy.elevated"]));
    assert_eq!(denied["fix"].as_array().unwrap().len(), 1);
    assert_eq!(denied["fix"][0]["kind"], "reauth");
    publisher.get(&path(&tool)).await.expect(200);

    let strong = gate.elevated(&publisher, "pia").await;
    let stale = strong.request(Method::DELETE, &path(&tool)).header(header::IF_MATCH, "\"9\"");
    send(stale).await.problem(412, "precondition_failed");
    strong.delete(&path(&tool)).await.expect(204);

    strong.delete(&path(&tool)).await.problem(404, "not_found");
    publisher.get(&path(&tool)).await.problem(404, "not_found");
    robot.post("/api/v1/credentials", &ask).await.problem(404, "not_found");
    let id = &vended["credential"]["credential_id"];
    let feed = gate.anyone().get("/api/v1/revocations").await.expect(200);
    assert_eq!(feed["credential_ids"], json!([id]));
    let path = format!("/api/v1/credentials/{}", id.as_str().unwrap());
    assert_eq!(robot.get(&path).await.expect(200)["state"], "revoked");
    let again = publisher.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    assert_ne!(again["id"], tool["id"]);
    let question =
        json!({ "token": vended["credential"]["token"], "tool": "calc", "scope": "evaluate" });
    let answer =
        gate.admin().await.post("/api/v1/credentials/validate", &question).await.expect(200);
    assert_eq!(answer["reason"], "revoked", "a namesake does not bring it back: {answer}");
}
