//! What a tool was, and making it that again.

use serde_json::{Value, json};

use super::{gate, path, server};
use crate::harness::mcp_server::McpServer;
use crate::harness::samples;

fn numbers(versions: &Value) -> Vec<Value> {
    let items = versions["items"].as_array().unwrap();
    items.iter().map(|it| json!([it["version"], it["number"], it["is_current"]])).collect()
}

#[tokio::test]
async fn every_definition_is_kept_and_can_be_had_again() {
    let gate = gate();
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let versions = async || admin.get(&path(&made, "/versions")).await.expect(200);
    assert_eq!(numbers(&versions().await), [json!(["1.0.0", 1, true])]);

    let changed = json!({ "description": "Better.", "risk_level": "high" });
    let changed = admin.patch(&path(&made, ""), &changed).await.expect(200);
    admin.act(&path(&made, "/deactivate")).await.expect(200);
    admin.act(&path(&made, "/activate")).await.expect(200);
    let publish = json!({ "version": "2.0.0", "scopes": ["translate"] });
    let second = admin.post(&path(&made, "/versions"), &publish).await.expect(201);
    assert_eq!((&second["version"], &second["scopes"]), (&json!("2.0.0"), &json!(["translate"])));
    assert_eq!(
        numbers(&versions().await),
        [json!(["2.0.0", 5, true]), json!(["1.0.0", 2, false]), json!(["1.0.0", 1, false])]
    );
    admin.post(&path(&made, "/versions"), &publish).await.problem(409, "conflict");
    admin
        .post(&path(&made, "/versions"), &json!({ "scopes": ["a"] }))
        .await
        .problem(422, "invalid");

    let back = admin.act(&path(&made, "/versions/1.0.0/rollback")).await.expect(200);
    assert_eq!((&back["digest"], &back["description"]), (&changed["digest"], &json!("Better.")));
    let first = admin.act(&path(&made, "/versions/1/rollback")).await.expect(200);
    assert_eq!((&first["digest"], &first["risk_level"]), (&made["digest"], &json!("low")));
    assert_eq!(numbers(&versions().await)[0], json!(["1.0.0", 7, true]));
    for nothing in ["9.9.9", "99", "x", "4"] {
        let path = path(&made, &format!("/versions/{nothing}/rollback"));
        admin.act(&path).await.problem(404, "not_found");
    }
    let page = admin.get(&path(&made, "/versions?page_size=2")).await.expect(200);
    let rest =
        format!("/versions?page_size=200&page_token={}", page["next_page_token"].as_str().unwrap());
    let rest = admin.get(&path(&made, &rest)).await.expect(200);
    assert_eq!(numbers(&page).len() + numbers(&rest).len(), 5);

    let user = gate.user("uma", "user").await;
    user.act(&path(&made, "/versions/1/rollback")).await.problem(403, "denied");
    user.get(&path(&made, "/versions")).await.expect(200);
}

#[tokio::test]
async fn a_server_is_looked_at_before_it_becomes_what_it_was() {
    let (gate, first) = (gate(), McpServer::start("streamable"));
    let second = McpServer::start("streamable");
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &server("weather", &first.url)).await.expect(201);
    let moved = json!({ "server_url": second.url });
    let moved = admin.patch(&path(&made, ""), &moved).await.expect(200);
    drop(first);
    let back = admin.act(&path(&made, "/versions/1/rollback")).await;
    back.problem(422, "probe_failed");
    let now = admin.get(&path(&made, "")).await.expect(200);
    assert_eq!((&now["server_url"], &now["digest"]), (&json!(second.url), &moved["digest"]));
}
