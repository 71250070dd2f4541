//! Machines and their access tokens: client credentials (RFC 6749 section 4.4).

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::{Answer, Caller, Gate, samples, send};

const ALL: &str = "agent:calc agent:db_read agent:execute agent:llm agent:web_search read:context \
                   write:context";

/// Asks for a token as the form says.
async fn token(gate: &Gate, form: &[(&str, &str)]) -> Answer {
    let form = [&[("grant_type", "client_credentials")], form].concat();
    gate.anyone().form("/oauth/token", &form).await
}

/// A refusal in OAuth's words (RFC 6749 section 5.2).
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str) {
    let body = answer.expect(status);
    assert_eq!(body["error"], error, "{body}");
    assert!(body["error_description"].is_string(), "{body}");
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
    assert_eq!(answer.headers.contains_key(header::WWW_AUTHENTICATE), status == 401);
}

struct Machine {
    id: String,
    secret: String,
}

impl Machine {
    fn of(registered: &Value) -> Machine {
        let text = |key: &str| registered[key].as_str().unwrap().to_owned();
        Machine { id: text("client_id"), secret: text("client_secret") }
    }

    fn form(&self) -> [(&str, &str); 2] {
        [("client_id", &self.id), ("client_secret", &self.secret)]
    }
}

#[tokio::test]
async fn a_secret_is_sent_by_basic_or_in_the_body_and_not_by_both() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let it = Machine::of(&registered);
    let by_body = token(&gate, &it.form()).await;
    let answer = by_body.expect(200);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(answer["scope"], ALL);
    assert_eq!(by_body.headers[header::CACHE_CONTROL], "no-store");

    let basic = |id: &str, secret: &str, more: &[(&str, &str)]| {
        let form = [&[("grant_type", "client_credentials")], more].concat();
        let request = gate.anyone().request(Method::POST, "/oauth/token").form(&form);
        send(request.basic_auth(id, Some(secret)))
    };
    let answer = basic(&it.id, &it.secret, &[]).await.expect(200);
    let caller = Caller::new(&gate.url, answer["access_token"].as_str());
    assert_eq!(caller.get("/api/v1/auth/me").await.expect(200)["name"], "robot");
    basic(&it.id, &it.secret, &[("client_id", &it.id)]).await.expect(200);
    let encoded = it.id.replace('-', "%2D");
    basic(&encoded, &it.secret, &[]).await.expect(200);

    assert_refused(&basic(&it.id, &it.secret, &it.form()).await, 400, "invalid_request");
    let other = [("client_id", "another")];
    assert_refused(&basic(&it.id, &it.secret, &other).await, 401, "invalid_client");
    assert_refused(&basic(&it.id, "wrong", &[]).await, 401, "invalid_client");
}

#[tokio::test]
async fn what_is_no_valid_request_is_refused_in_oauths_words() {
    let gate = Gate::start();
    let (registered, _) = gate.agent("robot", "agent").await;
    let it = Machine::of(&registered);
    let wrong = token(&gate, &[("client_id", &it.id), ("client_secret", "gws_wrong")]).await;
    let stranger = "01999999-9999-7999-8999-999999999999";
    let unknown = token(&gate, &[("client_id", stranger), ("client_secret", "gws_wrong")]).await;
    assert_refused(&wrong, 401, "invalid_client");
    assert_refused(&unknown, 401, "invalid_client");
    assert_eq!(wrong.text, unknown.text, "a known client is not told from an unknown one");

    assert_refused(&token(&gate, &[("client_id", &it.id)]).await, 401, "invalid_client");
    assert_refused(&token(&gate, &[]).await, 401, "invalid_client");
    let twice = [it.form(), it.form()].concat();
    assert_refused(&token(&gate, &twice).await, 400, "invalid_request");
    let anyone = gate.anyone();
    let none = anyone.form("/oauth/token", &it.form()).await;
    assert_refused(&none, 400, "invalid_request");
    let password = [&[("grant_type", "password")], &it.form()[..]].concat();
    let answer = anyone.form("/oauth/token", &password).await;
    assert_refused(&answer, 400, "unsupported_grant_type");
    let json = anyone.post("/oauth/token", &json!({ "grant_type": "client_credentials" })).await;
    assert_refused(&json, 400, "invalid_request");

    let admin = gate.admin().await;
    let found = admin.get("/api/v1/audit-events?action=auth.token&outcome=denied").await;
    let items = found.expect(200)["items"].as_array().unwrap().clone();
    let names: Vec<&Value> = items.iter().map(|it| &it["entry"]["actor"]["name"]).collect();
    assert_eq!(names, ["unknown", "robot"]);
}

#[tokio::test]
async fn scopes_are_narrowed_to_what_is_asked_for_and_may_be_held() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (registered, _) = gate.agent("robot", "agent").await;
    let it = Machine::of(&registered);
    let asked = async |scope| token(&gate, &[&it.form()[..], &[("scope", scope)]].concat()).await;
    for (scope, held) in [
        ("agent:calc", "agent:calc"),
        ("read:context agent:calc read:context", "agent:calc read:context"),
        ("agent:calc admin:all nonsense", "agent:calc"),
        ("agent:calc agent:code_exec", "agent:calc"),
    ] {
        assert_eq!(asked(scope).await.expect(200)["scope"], held, "{scope}");
    }
    for scope in ["admin:all", "nonsense", "agent:code_exec", "", "agent:*"] {
        assert_refused(&asked(scope).await, 400, "invalid_scope");
    }
    let narrow = asked("read:context").await.expect(200);
    let caller = Caller::new(&gate.url, narrow["access_token"].as_str());
    assert_eq!(caller.get("/api/v1/auth/me").await.expect(200)["scopes"], json!(["read:context"]));
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    caller.post("/api/v1/credentials", &ask).await.problem(403, "denied");

    let found = admin.get("/api/v1/audit-events?action=auth.token&outcome=denied").await;
    let items = found.expect(200)["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), 5, "who asked for scopes beyond reach is written down");
    for item in items {
        assert_eq!(item["entry"]["actor"]["name"], "robot");
        assert_eq!(item["entry"]["details"]["reason"], "invalid_scope");
    }
}

#[tokio::test]
async fn a_suspended_agent_is_refused_at_the_door_and_inside() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (registered, robot) = gate.agent("robot", "agent").await;
    let it = Machine::of(&registered);
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let mut vended = Vec::new();
    for _ in 0..3 {
        let answer = robot.post("/api/v1/credentials", &ask).await.expect(201);
        vended.push(answer["credential"]["credential_id"].as_str().unwrap().to_owned());
    }
    robot.delete(&format!("/api/v1/credentials/{}", vended[0])).await.expect(204);

    let path = format!("/api/v1/agents/{}", it.id);
    let suspended = admin.act(&format!("{path}/suspend")).await.expect(200);
    assert_eq!(suspended["state"], "suspended");
    let denied = robot.get("/api/v1/auth/me").await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["guard.principal.active.agent"]));
    robot.post("/api/v1/credentials", &ask).await.problem(404, "not_found");
    let path_of_tool = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
    robot.get(&path_of_tool).await.problem(404, "not_found");
    assert_eq!(robot.get("/api/v1/tools").await.expect(200)["items"], json!([]));
    assert_refused(&token(&gate, &it.form()).await, 400, "unauthorized_client");

    let feed = gate.anyone().get("/api/v1/revocations").await.expect(200);
    let mut revoked: Vec<&str> =
        feed["credential_ids"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(revoked.remove(0), vended[0], "what was revoked first comes first, and once");
    revoked.sort_unstable();
    let mut rest: Vec<&str> = vended[1..].iter().map(String::as_str).collect();
    rest.sort_unstable();
    assert_eq!(revoked, rest);

    admin.act(&format!("{path}/resume")).await.expect(200);
    let again = gate.machine(&registered).await;
    again.post("/api/v1/credentials", &ask).await.expect(201);
}

#[tokio::test]
async fn a_role_of_an_agent_counts_from_the_next_request_on() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let mut tool = samples::translate("translate");
    tool["required_scopes"] = json!([]);
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let (registered, robot) = gate.agent("robot", "guest").await;
    let ask = json!({ "tool": "translate", "scopes": ["read"] });
    let id = registered["client_id"].as_str().unwrap();
    let role = format!("/api/v1/agents/{id}/roles/translator");
    for _ in 0..2 {
        robot.post("/api/v1/credentials", &ask).await.problem(403, "denied");
        admin.put(&role).await.expect(200);
        robot.post("/api/v1/credentials", &ask).await.expect(201);
        admin.delete(&role).await.expect(200);
    }
    for role in ["admin", "auditor", "policy_admin", "approver", "tool_publisher"] {
        let path = format!("/api/v1/agents/{id}/roles/{role}");
        admin.put(&path).await.problem(403, "denied");
    }
}

#[tokio::test]
async fn an_agent_has_an_owner_who_exists_and_a_name_of_its_own() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let path = "/api/v1/register/machine";
    let stranger = "01999999-9999-7999-8999-999999999999";
    let body = json!({ "name": "robot", "role": "agent", "owner": stranger });
    let problem = admin.post(path, &body).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/owner");
    let made = admin.post(path, &json!({ "name": "robot", "role": "agent" })).await;
    let id = made.expect(201)["client_id"].as_str().unwrap().to_owned();
    assert_eq!(made.headers[header::LOCATION], format!("/api/v1/agents/{id}"));
    let body = json!({ "name": "ROBOT", "role": "agent" });
    admin.post(path, &body).await.problem(409, "conflict");
    let problem = admin.post(path, &json!({ "name": "!", "role": "agent" })).await;
    assert_eq!(problem.problem(422, "invalid")["errors"][0]["pointer"], "/name");
    let shown = admin.get(&format!("/api/v1/agents/{id}")).await.expect(200);
    assert!(!shown.to_string().contains("secret"), "a secret is shown once: {shown}");
}
