//! Searching: the whole list and nothing twice, whatever changes meanwhile, and never too much work.

use std::collections::BTreeSet;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use gatewright::store::{self, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::stores::{batch, group};
use crate::harness::{Caller, Gate, Setup, samples};

const TOOLS: &str = "/access/v1/search/resource";
/// Several times what one page may decide on: what holds for a page of these holds for any number.
const MANY: usize = 2_500;
/// Decisions that one page may take, and those that set it up.
const DECISIONS_MAX: u64 = 1_000 + 30;

#[expect(clippy::needless_pass_by_value, reason = "tests write values in place")]
fn tools_of(agent: &str, page: Value) -> Value {
    json!({
        "subject": { "type": "agent", "id": agent },
        "action": { "name": "request_credential" },
        "resource": { "type": "tool" },
        "page": page,
    })
}

fn names(page: &Value) -> Vec<String> {
    let results = page["results"].as_array().unwrap();
    results.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

async fn add(admin: &Caller, name: &str) -> String {
    let tool = admin.post("/api/v1/tools", &samples::calculate(name)).await.expect(201);
    tool["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pages_stay_whole_while_tools_come_and_go() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let mut ids = Vec::new();
    for name in ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot"] {
        ids.push(add(&admin, name).await);
    }
    let (_, bot) = gate.agent("reckoner", "agent").await;
    let first = bot.post(TOOLS, &tools_of("reckoner", json!({ "limit": 2 }))).await.expect(200);
    assert_eq!(names(&first), ["alpha", "bravo"]);
    assert_eq!(first["page"]["count"], 2);
    let deactivate = async |id: &str| {
        admin.act(&format!("/api/v1/tools/{id}/deactivate")).await.expect(200);
    };
    // One that was shown goes, one goes that was not, and two come.
    deactivate(&ids[1]).await;
    deactivate(&ids[3]).await;
    add(&admin, "aardvark").await;
    add(&admin, "golf").await;
    let (mut seen, mut token) = (names(&first), first["page"]["next_token"].clone());
    while token != "" {
        let body = tools_of("reckoner", json!({ "token": token }));
        let page = bot.post(TOOLS, &body).await.expect(200);
        seen.extend(names(&page));
        token = page["page"]["next_token"].clone();
    }
    assert_eq!(seen, ["alpha", "bravo", "charlie", "echo", "foxtrot", "golf"]);

    let token = &first["page"]["next_token"];
    let foreign = [
        tools_of("reckoner", json!({ "token": token, "limit": 3 })),
        tools_of("reckoner", json!({ "token": "AAAA" })),
        tools_of("admin", json!({ "token": token })),
    ];
    for body in foreign {
        bot.post(TOOLS, &body).await.problem(400, "malformed");
    }
    let told = bot.post(TOOLS, &tools_of("reckoner", json!({ "limit": 0 }))).await;
    let told = told.problem(400, "malformed");
    assert!(told["detail"].as_str().unwrap().contains("`/page/limit` must be 1"), "{told}");
    let mut another = tools_of("reckoner", json!({ "token": token }));
    another["action"]["name"] = json!("invoke");
    bot.post(TOOLS, &another).await.problem(400, "malformed");
    let stolen = tools_of("reckoner", json!({ "token": token }));
    admin.post(TOOLS, &stolen).await.problem(400, "malformed");
}

#[tokio::test]
async fn everybody_finds_those_alone_whom_they_may_ask_about() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    add(&admin, "calc").await;
    let alice = gate.user("alice", "user").await;
    gate.agent_of(&admin, "foreign", "agent").await;
    let (_, edge) = gate.agent("edge", "mcp_server").await;
    let found = async |by: &Caller, kind: &str| -> BTreeSet<String> {
        let body = json!({
            "subject": { "type": kind }, "action": { "name": "view_tool" },
            "resource": { "type": "tool", "id": "calc" },
        });
        let page = by.post("/access/v1/search/subject", &body).await.expect(200);
        names(&page).into_iter().collect()
    };
    let set = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(found(&admin, "user").await, set(&["admin", "alice"]));
    assert_eq!(found(&admin, "agent").await, set(&["foreign", "edge"]));
    assert_eq!(found(&admin, "mcp_server").await, set(&["edge"]));
    assert_eq!(found(&alice, "user").await, set(&["alice"]));
    assert_eq!(found(&alice, "agent").await, set(&[]));
    // The machine's owner owns the tool, so it may ask about whoever comes; it sees itself alone.
    assert_eq!(found(&edge, "user").await, set(&[]));
    assert_eq!(found(&edge, "agent").await, set(&["edge"]));
    let body = tools_of("foreign", json!({}));
    alice.post(TOOLS, &body).await.problem(403, "denied");
    let body = json!({
        "subject": { "type": "user", "id": "alice" },
        "resource": { "type": "tool", "id": "calc" },
    });
    let page = alice.post("/access/v1/search/action", &body).await.expect(200);
    let verbs: Vec<&Value> =
        page["results"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert!(verbs.contains(&&json!("view_tool")) && !verbs.contains(&&json!("delete_tool")));
}

#[tokio::test]
async fn whoever_is_found_is_the_one_who_is_asked_about_by_that_name() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    add(&admin, "calc").await;
    gate.user("rob", "guest").await;
    let (rob, _) = gate.agent("rob", "agent").await;
    gate.agent("reckoner", "agent").await;
    for (kind, name) in
        [("identity", rob["client_id"].as_str().unwrap()), ("agent", "rob"), ("agent", "reckoner")]
    {
        let mut body = json!({
            "subject": { "type": kind }, "action": { "name": "request_credential" },
            "resource": { "type": "tool", "id": "calc" },
        });
        let page = admin.post("/access/v1/search/subject", &body).await.expect(200);
        assert!(names(&page).contains(&name.to_owned()), "{page}");
        for found in page["results"].as_array().unwrap() {
            body["subject"] = json!({ "type": found["type"], "id": found["id"] });
            let told = admin.post("/access/v1/evaluation", &body).await.expect(200);
            assert_eq!(told["decision"], true, "{found}: {told}");
        }
    }
}

#[tokio::test]
async fn actions_about_roles_are_found_with_each_role_and_page_by_page() {
    let gate = Gate::start();
    let publisher = gate.user("paula", "tool_publisher").await;
    gate.user("uma", "user").await;
    let auditor = gate.user("ada", "auditor").await;
    let all = async |by: &Caller, who: &str, resource: Value, limit: u64| -> Vec<Value> {
        let (mut found, mut token) = (Vec::new(), json!(""));
        loop {
            let body = json!({
                "subject": { "type": "user", "id": who }, "resource": resource,
                "page": { "token": token, "limit": limit },
            });
            let page = by.post("/access/v1/search/action", &body).await.expect(200);
            found.extend(page["results"].as_array().unwrap().iter().cloned());
            token = page["page"]["next_token"].clone();
            if token == "" {
                return found;
            }
        }
    };
    let registry = json!({ "type": "registry", "id": "registry" });
    let whole = all(&publisher, "paula", registry.clone(), 1000).await;
    assert_eq!(all(&publisher, "paula", registry.clone(), 1).await, whole);
    let roles: BTreeSet<&str> = whole
        .iter()
        .filter(|it| it["name"] == "register_agent")
        .map(|it| it["properties"]["role"].as_str().unwrap())
        .collect();
    assert!(roles.contains("agent") && !roles.contains("admin"), "{roles:?}");
    // What is found is what an evaluation says, and what is not found is not.
    for role in ["admin", "agent", "mcp_server", "guest", "llm"] {
        let body = json!({
            "subject": { "type": "user", "id": "paula" }, "resource": registry,
            "action": { "name": "register_agent", "properties": { "role": role } },
        });
        let told = auditor.post("/access/v1/evaluation", &body).await.expect(200);
        assert_eq!(told["decision"], roles.contains(role), "{role}: {told}");
    }
    let uma = json!({ "type": "user", "id": "uma" });
    let names =
        |found: &[Value]| -> Vec<Value> { found.iter().map(|it| it["name"].clone()).collect() };
    let found = all(&auditor, "ada", uma, 1000).await;
    let names = names(&found);
    assert!(names.contains(&json!("view_user")) && !names.contains(&json!("grant_role")));
}

/// More tools than one page may decide on, put into the store beside the server.
async fn many(gate: &mut Gate) {
    let url = format!("sqlite:{}", gate.folder.path().join("gatewright.db").display());
    let db = store::open(&url.parse().unwrap()).unwrap();
    let rows = db.query("SELECT body FROM tools", vec![]).await.unwrap();
    let model: Value = serde_json::from_str(rows[0].text(0).unwrap()).unwrap();
    let insert = |number: usize| {
        let (id, name) = (Uuid::from_u128(number as u128 + 1), format!("calc_{number:05}"));
        let mut body = model.clone();
        body["id"] = json!(id);
        body["definition"]["name"] = json!(name);
        Statement::new("INSERT INTO tools (id, name_key, body, revision) VALUES ($1, $2, $3, 1)")
            .bind(id)
            .bind(name)
            .bind(body.to_string())
            .expect_rows(1)
    };
    let held = db.commit(group(vec![batch((0..MANY).map(insert).collect())])).await.unwrap();
    assert!(held.iter().all(Result::is_ok), "{held:?}");
    gate.restart();
}

#[tokio::test]
async fn one_page_of_thousands_of_tools_takes_so_many_decisions_and_no_more() {
    let mut gate = Setup::new().start();
    add(&gate.admin().await, "model").await;
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let (stranger, _) = gate.agent("stranger", "llm").await;
    many(&mut gate).await;
    let (bot, stranger) = (gate.machine(&agent).await, gate.machine(&stranger).await);

    let page = bot.post(TOOLS, &tools_of("reckoner", json!({ "limit": 20 }))).await.expect(200);
    assert_eq!(names(&page).len(), 20);
    // How many were looked at tells of those that are not shown.
    assert_eq!(page["context"].get("decisions"), None);

    // Nothing is found, and the page ends all the same.
    let mut token = json!("");
    for _ in 0..2 {
        let body = tools_of("stranger", json!({ "token": token }));
        let page = stranger.post(TOOLS, &body).await.expect(200);
        assert_eq!((&page["results"], page["context"].get("decisions")), (&json!([]), None));
        token = page["page"]["next_token"].clone();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token.as_str().unwrap()).unwrap();
        assert!(!bytes.is_empty() && !bytes.windows(5).any(|it| it == b"calc_"), "{token}");
    }
    let admin = gate.admin().await;
    for (who, most) in [("reckoner", 60), ("stranger", DECISIONS_MAX)] {
        let page = admin.post(TOOLS, &tools_of(who, json!({ "limit": 20 }))).await.expect(200);
        let decisions = page["context"]["decisions"].as_u64().unwrap();
        assert!((1..=most).contains(&decisions), "{who}: {decisions}");
    }
}
