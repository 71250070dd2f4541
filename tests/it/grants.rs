//! Grants: in force at once, for whom they name, and written down with the decisions they made.

use gatewright::audit::Entry;
use gatewright::authz::case::Case;
use gatewright::authz::verdict::Outcome;
use gatewright::policy::Bundle;
use serde_json::{Value, json};

use crate::harness::traffic::{agent_at_work, events, lives};
use crate::harness::{Answer, Caller, Gate, Setup, policies, samples};

const WORKING: &str = "grant.agent-tool";

async fn risky(admin: &Caller) -> Value {
    let mut tool = samples::calculate("risky");
    tool["risk_level"] = "medium".into();
    admin.post("/api/v1/tools", &tool).await.expect(201)
}

async fn ask(agent: &Caller, tool: &Value) -> Answer {
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    agent.post(&path, &json!({ "scopes": tool["scopes"] })).await
}

async fn grant(admin: &Caller, template: &str, principal: &str, resource: &str) -> Answer {
    let mut body = samples::grant(principal, resource);
    body["template"] = template.into();
    admin.post("/api/v1/grants", &body).await
}

#[tokio::test]
async fn a_grant_lets_in_whom_it_names_until_it_is_taken_back() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = risky(&admin).await;
    let (_, granted) = gate.agent("granted", "agent").await;
    let (_, other) = gate.agent("other", "agent").await;
    ask(&granted, &tool).await.problem(403, "denied");

    let made = grant(&admin, WORKING, "Agent:granted", "Tool:risky").await.expect(201);
    let policy = made["policy"].as_str().unwrap();
    ask(&granted, &tool).await.expect(201);
    ask(&other, &tool).await.problem(403, "denied");

    let blocked = grant(&admin, "block.agent-tool", "Role:agent", "Tool:risky").await.expect(201);
    let problem = ask(&granted, &tool).await.problem(403, "denied");
    assert_eq!(problem["reasons"], json!([blocked["policy"]]));
    admin.delete(&format!("/api/v1/grants/{}", blocked["id"].as_str().unwrap())).await.expect(204);

    let allowed = ask(&granted, &tool).await.expect(201);
    let decision = allowed["decision_id"].as_str().unwrap();
    let path = format!("/api/v1/audit-events?decision_id={decision}");
    let entry = admin.get(&path).await.expect(200)["items"][0]["entry"].clone();
    assert_eq!(entry["reasons"], json!([policy]));
    assert_eq!(entry["asked"]["links"][0]["id"], policy);

    let path = format!("/api/v1/grants/{}", made["id"].as_str().unwrap());
    assert_eq!(admin.get(&path).await.expect(200)["principal"], made["principal"]);
    granted.get(&path).await.problem(404, "not_found");
    granted.delete(&path).await.problem(404, "not_found");
    admin.delete(&path).await.expect(204);
    admin.get(&path).await.problem(404, "not_found");
    ask(&granted, &tool).await.problem(403, "denied");
}

#[tokio::test]
async fn what_is_blocked_for_a_role_is_blocked_for_whoever_gets_it() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = risky(&admin).await;
    let (agent, granted) = gate.agent("granted", "agent").await;
    grant(&admin, WORKING, "Agent:granted", "Tool:risky").await.expect(201);
    let blocked = grant(&admin, "block.agent-tool", "Role:llm", "Tool:risky").await.expect(201);
    ask(&granted, &tool).await.expect(201);

    let role = format!("/api/v1/agents/{}/roles/llm", agent["client_id"].as_str().unwrap());
    admin.put(&role).await.expect(200);
    let problem = ask(&granted, &tool).await.problem(403, "denied");
    assert_eq!(problem["reasons"], json!([blocked["policy"]]));
    admin.delete(&role).await.expect(200);
    ask(&granted, &tool).await.expect(201);
}

#[tokio::test]
async fn what_cannot_be_granted_is_refused_and_changes_nothing() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    risky(&admin).await;
    gate.agent("granted", "agent").await;
    for (template, principal, resource, status, pointer) in [
        ("grant.nothing", "Agent:granted", "Tool:risky", 422, "/template"),
        ("use.low-risk", "Agent:granted", "Tool:risky", 422, "/template"),
        (WORKING, "Agent:nobody", "Tool:risky", 422, "/principal"),
        (WORKING, "Scope:agent:calc", "Tool:risky", 422, "/principal"),
    ] {
        let refused = grant(&admin, template, principal, resource).await.expect(status);
        assert_eq!(refused["errors"][0]["pointer"], pointer);
    }
    grant(&admin, WORKING, "Agent:granted", "Tool:nothing").await.problem(404, "not_found");
    grant(&admin, WORKING, "Agent:granted", "Tool:risky").await.expect(201);
    grant(&admin, WORKING, "Agent:granted", "Tool:risky").await.problem(409, "conflict");
    let user = gate.user("una", "user").await;
    grant(&user, WORKING, "Agent:granted", "ToolSet:any").await.problem(403, "denied");
    let listed = admin.get("/api/v1/grants").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(user.get("/api/v1/grants").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn a_block_is_lifted_by_whoever_made_it_or_an_admin() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let publisher = gate.user("paula", "tool_publisher").await;
    let mut tool = samples::calculate("sums");
    tool["risk_level"] = "medium".into();
    publisher.post("/api/v1/tools", &tool).await.expect(201);
    let path = |it: &Value| format!("/api/v1/grants/{}", it["id"].as_str().unwrap());
    let of = "Tool:sums";

    let theirs = grant(&admin, "block.agent-tool", "Role:agent", of).await.expect(201);
    assert_eq!(publisher.get(&path(&theirs)).await.expect(200)["id"], theirs["id"]);
    let refused = publisher.delete(&path(&theirs)).await.problem(403, "denied");
    assert_eq!(refused["reasons"], json!(["registry.grants.block"]));
    let lent = grant(&admin, WORKING, "Role:agent", of).await.expect(201);
    publisher.delete(&path(&lent)).await.expect(204);
    let own = grant(&publisher, "block.agent-tool", "Role:llm", of).await.expect(201);
    publisher.delete(&path(&own)).await.expect(204);
    let other = gate.user("max", "tool_publisher").await;
    other.get(&path(&theirs)).await.problem(404, "not_found");
    other.delete(&path(&theirs)).await.problem(404, "not_found");

    let listed = publisher.get("/api/v1/grants").await.expect(200);
    let title = listed["items"][0]["title"].as_str().unwrap();
    assert!(title.starts_with("Block: "), "{listed}");
    admin.delete(&path(&theirs)).await.expect(204);
}

#[tokio::test]
async fn only_groups_and_roles_that_there_are_get_grants_and_not_without_end() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    risky(&admin).await;
    for (principal, kind, there_is) in
        [("Role:agnet", "role", "`agent`"), ("Group:nightshift", "group", "nobody is in it")]
    {
        let refused = grant(&admin, WORKING, principal, "Tool:risky").await.problem(422, "invalid");
        let fault = &refused["errors"][0];
        assert_eq!(fault["pointer"], "/principal");
        let detail = fault["detail"].as_str().unwrap();
        assert!(detail.contains(kind) && detail.contains(there_is), "{detail}");
        assert!(!detail.contains("breakglass") && !detail.contains("bootstrap"), "{detail}");
    }
    grant(&admin, WORKING, "Group:breakglass", "Tool:risky").await.expect(201);
    for number in 0..gatewright::grants::OF_PRINCIPAL_MAX {
        grant(&admin, WORKING, "Role:llm", &format!("ToolSet:t{number}")).await.expect(201);
    }
    let refused = grant(&admin, WORKING, "Role:llm", "Tool:risky").await.problem(422, "invalid");
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("200 grants"), "{refused}");
    grant(&admin, WORKING, "Role:agent", "Tool:risky").await.expect(201);
    // What may be used to the last is no way to keep anybody from being blocked.
    grant(&admin, "block.agent-tool", "Role:llm", "Tool:risky").await.expect(201);
}

/// Templates that fill one slot, and ones that go beyond uses of tools.
const ODD: &str = r#"
@id("block.everything") @title("Block: these do nothing at all")
forbid (principal in ?principal, action, resource);
@id("block.tool") @title("Block: nobody uses this")
forbid (principal, action in Gatewright::Action::"use", resource in ?resource);
@id("grant.care") @title("Grant: these look after this tool")
permit (principal in ?principal, action in Gatewright::Action::"manage", resource in ?resource);
@id("block.all") @title("Block: these do nothing with this tool")
forbid (principal in ?principal, action, resource in ?resource);
"#;

#[tokio::test]
async fn a_template_is_granted_by_its_form_and_by_what_it_is_about() {
    let setup = policies::own(Setup::new());
    policies::put(setup.folder.path(), "templates/odd.cedar", ODD);
    let gate = setup.start();
    let admin = gate.admin().await;
    let publisher = gate.user("paula", "tool_publisher").await;
    publisher.post("/api/v1/tools", &samples::calculate("sums")).await.expect(201);
    let of = "Tool:sums";

    for (template, slot) in [("block.everything", "?resource"), ("block.tool", "?principal")] {
        for (caller, to) in [(&admin, "Role:policy_admin"), (&publisher, "Role:agent")] {
            let refused = grant(caller, template, to, of).await.problem(422, "invalid");
            let fault = &refused["errors"][0];
            assert_eq!(fault["pointer"], "/template");
            assert!(fault["detail"].as_str().unwrap().contains(slot), "{fault}");
        }
        grant(&publisher, template, "Role:policy_admin", of).await.problem(403, "denied");
    }
    for (template, principal) in [
        ("grant.care", "Role:agent"),
        ("block.all", "Role:agent"),
        ("block.agent-tool", "Role:policy_admin"),
        (WORKING, "Role:admin"),
    ] {
        let refused = grant(&publisher, template, principal, of).await.problem(403, "denied");
        assert_eq!(refused["reasons"], json!(["registry.grant.bounds"]), "{template}");
    }
    assert_eq!(admin.get("/api/v1/grants").await.expect(200)["items"], json!([]));
    grant(&admin, "block.all", "Role:agent", of).await.expect(201);
    grant(&publisher, WORKING, "Role:agent", of).await.expect(201);
}

#[tokio::test]
async fn a_publisher_does_not_use_up_what_one_principal_may_have() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let publisher = gate.user("paula", "tool_publisher").await;
    gate.agent("rogue", "agent").await;
    let mut made = 0;
    for number in 0..51 {
        let name = format!("sums-{number}");
        publisher.post("/api/v1/tools", &samples::calculate(&name)).await.expect(201);
        let (to, about) = ("Agent:rogue", format!("Tool:{name}"));
        let answer = grant(&publisher, WORKING, to, &about).await;
        if number < 50 {
            made += 1;
            answer.expect(201);
        } else {
            let refused = answer.problem(403, "denied");
            assert_eq!(refused["reasons"], json!(["registry.grant.share"]));
            grant(&publisher, "block.agent-tool", to, &about).await.expect(201);
            grant(&publisher, WORKING, "Role:agent", &about).await.expect(201);
            grant(&admin, WORKING, to, &about).await.expect(201);
        }
    }
    assert_eq!(made, 50);
}

#[tokio::test]
async fn grants_outlive_a_restart() {
    let mut gate = Gate::start();
    let admin = gate.admin().await;
    let mut tool = samples::calculate("risky");
    tool["risk_level"] = "medium".into();
    tool["tags"] = json!(["sums"]);
    let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
    let (agent, _) = gate.agent("granted", "agent").await;
    let made = grant(&admin, WORKING, "Agent:granted", "ToolSet:sums").await.expect(201);
    gate.restart();
    let granted = gate.machine(&agent).await;
    ask(&granted, &tool).await.expect(201);
    let listed = gate.admin().await.get("/api/v1/grants").await.expect(200);
    assert_eq!(listed["items"][0]["id"], made["id"]);
}

#[tokio::test]
async fn every_decision_can_be_made_again_from_what_is_written_down() {
    let gate = Gate::start();
    lives(&gate).await;
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    agent_at_work(&gate, &agent, &tool, 5).await;
    let risky = risky(&admin).await;
    grant(&admin, WORKING, "Agent:lingua", "Tool:risky").await.expect(201);
    ask(&agent, &risky).await;

    let bundle = Bundle::starter().unwrap();
    let mut made_again = 0;
    for event in events(&admin, "").await {
        let entry: Entry = serde_json::from_str(event.text()).unwrap();
        if entry.asked.is_none() {
            continue;
        }
        // What the schema does not know is denied by nobody's word.
        let outcome = Case::of_entry(&entry).unwrap().decide(&bundle);
        let outcome = outcome.unwrap_or_else(|_| Outcome::denied());
        let said = serde_json::to_value(entry.decision).unwrap();
        assert_eq!(said, if outcome.allow { "allow" } else { "deny" }, "{}", event.text());
        assert_eq!(outcome.reasons, entry.reasons, "{}", event.text());
        made_again += 1;
    }
    assert!(made_again > 30, "only {made_again} decisions can be made again");
}
