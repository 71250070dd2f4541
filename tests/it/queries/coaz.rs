//! Tools that say which questions a call of them is to be authorized by.

use serde_json::{Value, json};

use super::bundle::archive;
use crate::harness::{Caller, Gate};

fn tool(mapping: &Value) -> Value {
    json!({
        "tool_type": "http", "name": "edit_record", "endpoint": "https://archive.example/",
        "scopes": ["call"],
        "input_schema": {
            "type": "object", "properties": { "id": { "type": "string" } },
            "x-authzen-mapping": mapping,
        },
    })
}

fn mapping() -> Value {
    json!({ "evaluation": {
        "subject": { "type": "identity", "id": "$token.sub" },
        "action": { "name": "write" },
        "resource": {
            "type": "record", "id": "$params.arguments.id",
            "properties": { "status": "active" },
        },
        "context": { "agent": "$token.?client_id" },
    } })
}

#[tokio::test]
async fn a_mapping_is_linted_kept_and_shown() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let at = "/input_schema/x-authzen-mapping/evaluation";
    let mut stranger = mapping();
    stranger["evaluation"]["subject"]["id"] = json!("$params.arguments.id");
    let mut missing = mapping();
    missing["evaluation"]["resource"]["id"] = json!("$params.arguments.nothing");
    let mut unread = mapping();
    unread["evaluation"]["context"]["agent"] = json!("$token.(");
    for (mapping, pointer) in [
        (stranger, format!("{at}/subject/id")),
        (missing, format!("{at}/resource/id")),
        (unread, format!("{at}/context/agent")),
        (json!([]), "/input_schema/x-authzen-mapping".to_owned()),
    ] {
        let told = admin.post("/api/v1/tools", &tool(&mapping)).await.problem(422, "invalid");
        assert_eq!(told["errors"][0]["pointer"], pointer.as_str(), "{told}");
    }
    let made = admin.post("/api/v1/tools", &tool(&mapping())).await.expect(201);
    let path = format!("/api/v1/tools/{}", made["id"].as_str().unwrap());
    let shown = admin.get(&path).await.expect(200);
    assert_eq!(shown["input_schema"]["x-authzen-mapping"], mapping());
    let patch = json!({ "input_schema": { "type": "object", "x-authzen-mapping": {} } });
    admin.patch(&path, &patch).await.problem(422, "invalid");
}

#[tokio::test]
async fn a_mapping_takes_away_and_never_gives() {
    let (gate, pep) = archive().await;
    let publisher = gate.user("paula", "tool_publisher").await;
    publisher.post("/api/v1/tools", &tool(&mapping())).await.expect(201);
    let asks = async |by: &Caller, who: &str, action: &str, arguments: Value| -> Value {
        let body = json!({
            "subject": { "type": "identity", "id": who },
            "action": { "name": action, "properties": { "arguments": arguments } },
            "resource": { "type": "tool", "id": "edit_record" },
        });
        by.post("/access/v1/evaluation", &body).await.expect(200)
    };
    let (active, archived) = (json!({ "id": "record-1" }), json!({ "id": "record-2" }));
    for (who, action, arguments, wanted) in [
        ("alice", "tools/call", &active, true),
        // The mapping says that it is active; the bundle knows better.
        ("alice", "tools/call", &archived, false),
        ("alice", "invoke", &archived, true),
        ("bob", "tools/call", &active, false),
        ("alice", "tools/call", &json!({}), false),
    ] {
        let told = asks(&pep, who, action, arguments.clone()).await;
        assert_eq!(told["decision"], wanted, "{who} {action} {arguments}: {told}");
    }
    // A search finds what an evaluation allows, and nothing else.
    for (arguments, is_for_alice) in [(&active, true), (&archived, false)] {
        let call = json!({ "name": "tools/call", "properties": { "arguments": arguments } });
        let mut body = json!({
            "subject": { "type": "user" }, "action": call,
            "resource": { "type": "tool", "id": "edit_record" },
        });
        let found = pep.post("/access/v1/search/subject", &body).await.expect(200);
        let found = found["results"].as_array().unwrap();
        for who in ["alice", "bob", "paula", "admin"] {
            let told = asks(&pep, who, "tools/call", arguments.clone()).await;
            let is_found = found.iter().any(|it| it["id"] == who);
            assert_eq!(told["decision"], is_found, "{who} {arguments}: {found:?}");
        }
        body["subject"] = json!({ "type": "user", "id": "alice" });
        body["resource"] = json!({ "type": "tool" });
        let found = pep.post("/access/v1/search/resource", &body).await.expect(200);
        let is_found = found["results"][0]["id"] == "edit_record";
        assert_eq!(is_found, is_for_alice, "{arguments}: {found}");
    }
    // What Cedar refuses stays refused, whatever the mapping would allow.
    let (_, stranger) = gate.agent("stranger", "llm").await;
    let told = asks(&stranger, "stranger", "tools/call", active.clone()).await;
    assert_eq!(told["decision"], false, "{told}");
}
