//! What an agent in somebody's name may not: more than the user, more than the mandate, more than
//! the one above it.

use serde_json::{Value, json};

use super::{ACCESS_TOKEN, MANDATE, World, claims, refused, vend, vended};
use crate::harness::{Caller, Setup, policies, samples};

/// Lets agents pay, which people like uma may not.
const PAY: &str = r#"
@id("test.pay") @title("Agents pay")
permit (principal is Gatewright::Agent, action == Gatewright::Action::"request_credential",
        resource in Gatewright::ToolSet::"payments");
"#;

#[tokio::test]
async fn the_agent_may_not_pay_because_the_user_may_not() {
    let setup = policies::own(Setup::new());
    policies::put(setup.folder.path(), "95-test.cedar", PAY);
    let it = World::on(setup.start()).await;
    let mut pay = samples::calculate("pay");
    pay["tags"] = json!(["payments"]);
    pay["risk_level"] = json!("high");
    it.admin.post("/api/v1/tools", &pay).await.expect(201);

    let alone = it.gate.machine(&it.agents[0]).await;
    let ask = json!({ "tool": "pay" });
    vend(&alone, ask.clone()).await.expect(201);

    let token = it.first(&it.mandate(json!({ "tools": "payments" })).await).await;
    let denied = vend(&token, ask.clone()).await.problem(403, "denied");
    assert_eq!(denied["detail"], "for the user `uma`: no policy permits it");
    assert_eq!((&denied["reasons"], &denied["fix"]), (&json!([]), &json!([])));
    let asked = json!({ "tool": "pay", "on_behalf_of": it.user });
    assert_eq!(vend(&alone, asked).await.problem(403, "denied")["detail"], denied["detail"]);

    let decision = denied["decision_id"].as_str().unwrap();
    let found = it.admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let entry = &found.expect(200)["items"][0]["entry"];
    assert_eq!(entry["details"]["denied"]["name"], "uma", "{entry}");
    assert_eq!(entry["actor"]["id"], json!(it.id(0)));
}

#[tokio::test]
async fn a_request_says_in_whose_name_it_is_made() {
    let it = World::new().await;
    let planner = it.gate.machine(&it.agents[0]).await;
    let for_uma = json!({ "on_behalf_of": it.user });
    let none = vend(&planner, for_uma.clone()).await.problem(403, "denied");
    let why = ["delegation.mandate", "delegation.scopes.credential", "delegation.ttl"];
    assert_eq!(none["reasons"], json!(why));
    let nobody = json!({ "on_behalf_of": "01999999-9999-7999-8999-999999999999" });
    let unknown = vend(&planner, nobody).await.problem(403, "denied");
    assert_eq!(unknown["reasons"], none["reasons"], "who exists is not told");
    assert_eq!(unknown["detail"], none["detail"]);

    let mandate = it.mandate(json!({})).await;
    let given = vend(&planner, for_uma.clone()).await.expect(201);
    let question = json!({
        "token": given["credential"]["token"], "tool": "calc", "scope": "evaluate",
    });
    let valid = it.admin.post("/api/v1/credentials/validate", &question).await.expect(200);
    assert_eq!((&valid["valid"], &valid["on_behalf_of"]), (&json!(true), &json!(it.user)));

    let fault = vend(&it.uma, for_uma).await.problem(422, "invalid");
    assert_eq!(fault["errors"][0]["pointer"], "/on_behalf_of");
    let token = it.first(&mandate).await;
    let other = json!({ "on_behalf_of": it.admin.id().await });
    let fault = vend(&token, other).await.problem(422, "invalid");
    assert_eq!(fault["errors"][0]["pointer"], "/on_behalf_of");
    let intruder = it.gate.machine(&it.agents[3]).await;
    vend(&intruder, json!({ "on_behalf_of": it.user })).await.problem(403, "denied");
}

#[tokio::test]
async fn scopes_only_fall_along_the_chain() {
    let it = World::new().await;
    let mandate = it.mandate(json!({})).await;
    let by = (MANDATE, mandate["id"].as_str().unwrap());
    // Held by the agent, and not in the mandate; and the other way round.
    let why = it.exchange(0, by, &[("scope", "agent:db_read")]).await;
    assert!(refused(&why, "invalid_scope").contains("neither mandate nor policy"));
    refused(&it.exchange(0, by, &[("scope", "evaluate")]).await, "invalid_scope");

    let narrow = it.exchange(0, by, &[("scope", "agent:calc agent:db_read")]).await;
    let answer = narrow.expect(200);
    assert_eq!(answer["scope"], "agent:calc");
    assert_eq!(answer["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(answer["token_type"], "Bearer");
    assert!(answer.get("refresh_token").is_none(), "{answer}");
    let narrow = it.caller(&narrow);

    // The mandate has `agent:llm`; the token above has not.
    let by = (ACCESS_TOKEN, narrow.token.as_deref().unwrap());
    refused(&it.exchange(1, by, &[("scope", "agent:llm")]).await, "invalid_scope");
    let below = it.exchange(1, by, &[("scope", "agent:llm agent:calc")]).await.expect(200);
    assert_eq!(below["scope"], "agent:calc");

    let beyond = vend(&narrow, json!({ "scopes": ["evaluate", "explain"] })).await;
    let denied = beyond.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["delegation.scopes.credential"]));
    assert_eq!(denied["fix"][0]["detail"], "ask only for evaluate");
}

#[tokio::test]
async fn nothing_outlives_the_mandate() {
    let it = World::new().await;
    let mandate = it.mandate(json!({ "expires_at": in_seconds(90) })).await;
    let by = (MANDATE, mandate["id"].as_str().unwrap());
    let answer = it.exchange(0, by, &[]).await;
    let seconds = answer.expect(200)["expires_in"].as_u64().unwrap();
    assert!((1..=90).contains(&seconds), "{seconds}");
    let token = it.caller(&answer);

    let long = vend(&token, json!({ "ttl_seconds": 600 })).await.problem(403, "denied");
    assert_eq!(long["reasons"], json!(["delegation.ttl"]));
    assert_eq!(long["fix"][0]["kind"], "ttl");
    let given = vend(&token, json!({})).await.expect(201);
    let ends = |it: &Value| it["expires_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(ends(&given["credential"]) <= ends(&mandate), "{given}");

    let later = json!({ "not_before": in_seconds(1800), "agent": "researcher" });
    let later = it.mandate(later).await;
    let by = (MANDATE, later["id"].as_str().unwrap());
    refused(&it.exchange(1, by, &[]).await, "invalid_request");
}

#[expect(clippy::disallowed_methods, reason = "people have clocks of their own")]
fn in_seconds(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::now() + jiff::SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn only_those_in_the_chain_go_on_with_it() {
    let it = World::new().await;
    let mandate = it.mandate(json!({ "max_depth": 1 })).await;
    let by = (MANDATE, mandate["id"].as_str().unwrap());
    let why = refused(&it.exchange(3, by, &[]).await, "invalid_request");
    assert!(why.contains("no such mandate for this client"), "{why}");
    let nonsense = (MANDATE, "01999999-9999-7999-8999-999999999999");
    assert_eq!(refused(&it.exchange(3, nonsense, &[]).await, "invalid_request"), why);

    let token = it.first(&mandate).await;
    let by = (ACCESS_TOKEN, token.token.as_deref().unwrap());
    let why = refused(&it.exchange(1, by, &[]).await, "invalid_request");
    assert!(why.contains("a chain as long as this one"), "{why}");
    let why = refused(&it.exchange(0, by, &[]).await, "invalid_request");
    assert!(why.contains("in that chain already"), "{why}");
    let machine = it.gate.machine(&it.agents[0]).await;
    let why = it.exchange(1, (ACCESS_TOKEN, machine.token.as_deref().unwrap()), &[]).await;
    assert!(refused(&why, "invalid_request").contains("a machine"));
    for (subject, more) in [
        ((ACCESS_TOKEN, "nonsense"), &[][..]),
        (("urn:ietf:params:oauth:token-type:saml2", "nonsense"), &[]),
        (by, &[("actor_token", "x")]),
        (by, &[("requested_token_type", "urn:ietf:params:oauth:token-type:id_token")]),
    ] {
        refused(&it.exchange(0, subject, more).await, "invalid_request");
    }
    refused(&it.exchange(0, by, &[("resource", "https://evil.example")]).await, "invalid_target");
}

#[tokio::test]
async fn a_users_token_is_their_word_as_far_as_their_mandate_goes() {
    let it = World::new().await;
    let by = (ACCESS_TOKEN, it.uma.token.as_deref().unwrap());
    let why = refused(&it.exchange(0, by, &[]).await, "invalid_request");
    assert!(why.contains("needs that user's unexpired mandate"), "{why}");
    it.mandate(json!({})).await;
    let token = it.caller(&it.exchange(0, by, &[]).await);
    assert_eq!(claims(&token)["act"], json!({ "sub": it.id(0) }));
    vended(&token).await;
}

#[tokio::test]
async fn a_delegated_token_is_good_for_tools_and_for_nothing_else() {
    let it = World::new().await;
    let mut other = samples::calculate("other");
    other["tags"] = json!(["others"]);
    let other = it.admin.post("/api/v1/tools", &other).await.expect(201);
    let token = it.first(&it.mandate(json!({})).await).await;
    let credential = vended(&token).await;

    let found = token.get("/api/v1/tools").await.expect(200);
    let names: Vec<&Value> =
        found["items"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(names, ["calc"], "only the tools of the mandate are found");
    let path = format!("/api/v1/tools/{}/access", other["id"].as_str().unwrap());
    let denied = token.post(&path, &json!({ "scopes": ["evaluate"] })).await;
    assert_eq!(denied.problem(403, "denied")["reasons"], json!(["delegation.mandate"]));

    refuses_the_rest(&it, &token, &credential).await;
    let own = it.gate.machine(&it.agents[0]).await;
    own.get(&format!("/api/v1/credentials/{credential}")).await.expect(200);
}

async fn refuses_the_rest(it: &World, token: &Caller, credential: &str) {
    let agent = format!("/api/v1/agents/{}", it.id(0));
    token.get(&agent).await.problem(404, "not_found");
    token.get(&format!("/api/v1/users/{}", it.user)).await.problem(404, "not_found");
    let credential = format!("/api/v1/credentials/{credential}");
    token.get(&credential).await.problem(404, "not_found");
    token.delete(&credential).await.problem(404, "not_found");
    for list in ["credentials", "agents", "users", "api-keys"] {
        let shown = token.get(&format!("/api/v1/{list}")).await.expect(200);
        assert_eq!(shown["items"], json!([]), "{list}");
    }
    let mandates = format!("/api/v1/users/{}/mandates", it.user);
    assert_eq!(token.get(&mandates).await.expect(200)["items"], json!([]));
    let mandate = samples::mandate("researcher", "calculators", &["evaluate"]);
    token.post(&mandates, &mandate).await.problem(403, "denied");
    let machine = json!({ "name": "newcomer", "role": "agent" });
    token.post("/api/v1/register/machine", &machine).await.problem(403, "denied");
    let key = json!({ "name": "key", "scopes": [] });
    let refused = token.post("/api/v1/api-keys", &key).await;
    assert!([403, 404].contains(&refused.status.as_u16()), "{}", refused.text);
}
