//! What was allowed and then failed is in the audit all the same: a decision that leaves no entry
//! was never made, as far as anybody can tell.

use serde_json::{Map, Value, json};

use crate::harness::traffic::events;
use crate::harness::{Answer, Caller, Gate, PASSWORD, Setup, policies, samples};

/// Asks, and checks that the one entry that this leaves says of an allowed act that it failed.
async fn failed(admin: &Caller, event: &str, asked: impl Future<Output = Answer>) -> Answer {
    let filter = format!("action={event}");
    let before = events(admin, &filter).await.len();
    let answer = asked.await;
    assert!(!answer.status.is_success(), "{}", answer.text);
    let left = events(admin, &filter).await;
    assert_eq!(left.len(), before + 1, "{event}: {}", answer.text);
    let entry = left[0].entry();
    assert_eq!((&entry["decision"], &entry["outcome"]), (&json!("allow"), &json!("failed")));
    answer
}

/// More arguments than an offline verifier would take.
fn many_arguments() -> Value {
    let arguments = (0..600).map(|it| (format!("a{it}"), json!(1)));
    arguments.collect::<Map<_, _>>().into()
}

#[tokio::test]
async fn a_bound_that_is_met_after_the_decision_leaves_its_entry() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (_, agent) = gate.agent("reckoner", "agent").await;
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["evaluate"], "ttl_seconds": 60 });
    let token = agent.post(&access, &ask).await.expect(201)["credential"]["token"].clone();
    let question = json!({
        "token": token, "tool": "calc", "scope": "evaluate", "arguments": many_arguments(),
    });
    let asked = admin.post("/api/v1/credentials/validate", &question);
    failed(&admin, "credential.validate", asked).await.problem(422, "invalid");

    let asked = admin.act("/api/v1/auth/elevate/passkey");
    failed(&admin, "auth.elevate", asked).await.problem(409, "conflict");

    let past = json!({ "name": "late", "scopes": [], "expires_at": "2020-01-01T00:00:00Z" });
    let elevated = admin.elevated(PASSWORD).await;
    let asked = elevated.post("/api/v1/api-keys", &past);
    failed(&admin, "api_key.create", asked).await.problem(422, "invalid");
}

const HISTORY: &str = "[history.reckoned]\naction = \"invoke\"\nwithin = \"1h\"\n";
const RULE: &str = "@id(\"own.reckoned\") @title(\"No more of these\") forbid (principal, action in \
                    Gatewright::Action::\"call\", resource) when { context.history.reckoned > 9 };";

#[tokio::test]
async fn a_store_that_fails_after_the_decision_leaves_its_entry() {
    let setup = policies::own(Setup::new().with("actions.calculator", "reckon"));
    policies::put(setup.folder.path(), "history.toml", HISTORY);
    policies::put(setup.folder.path(), "75-history.cedar", RULE);
    let gate = setup.start();
    let admin = gate.admin().await;
    let mut tool = samples::calculate("reckon");
    tool["tool_type"] = json!("http");
    tool["endpoint"] = json!("https://reckon.example/");
    admin.post("/api/v1/tools", &tool).await.expect(201);
    let (_, agent) = gate.agent("robot", "agent").await;
    let item = json!({
        "subject": { "type": "agent", "id": "robot" }, "action": { "name": "invoke" },
        "resource": { "type": "tool", "id": "reckon" }, "context": { "arguments": {} },
    });
    let several = json!({ "evaluations": [item] });
    agent.post("/access/v1/evaluation", &item).await.expect(200);

    // What is counted cannot be read any more; the audit can be written.
    let store = rusqlite::Connection::open(gate.folder.path().join("gatewright.db")).unwrap();
    store.execute_batch("ALTER TABLE history RENAME TO history_away").unwrap();
    let actions = agent.get("/api/v1/agent/actions");
    failed(&admin, "agent.actions", actions).await;
    failed(&admin, "access.query", agent.post("/access/v1/evaluation", &item)).await;
    failed(&admin, "access.query", agent.post("/access/v1/evaluations", &several)).await;
    let mut search = item.clone();
    search["resource"] = json!({ "type": "tool" });
    failed(&admin, "access.query", agent.post("/access/v1/search/resource", &search)).await;
}
