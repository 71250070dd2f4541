//! What is listed, for whom, and in which order.

use serde_json::{Value, json};

use super::{Mcp, Old, Scene, token_for_mcp};
use crate::harness::{PASSWORD, samples, send};

fn names(list: &Value) -> Vec<&str> {
    list["tools"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn everybody_is_shown_their_own_tools_that_can_be_called() {
    let scene = Scene::open().await;
    scene.add("zebra", "/", &json!({ "display_name": "Zebras", "description": "Counts" })).await;
    scene.add("Apple", "/", &json!({ "method": "GET" })).await;
    scene.add("secret", "/", &json!({ "required_scopes": ["agent:code_exec"] })).await;
    let heavy = json!({ "risk_level": "high", "consequential": true });
    scene.add("heavy", "/", &heavy).await;
    let off = scene.add("off", "/", &json!({})).await;
    let path = format!("/api/v1/tools/{}/deactivate", off["id"].as_str().unwrap());
    scene.admin.act(&path).await.expect(200);
    scene.admin.post("/api/v1/tools", &samples::calculate("own")).await.expect(201);

    let list = scene.mcp.list().await;
    assert_eq!(names(&list), ["Apple", "heavy", "zebra"], "by name, and without what is hidden");
    assert_eq!((&list["cacheScope"], &list["ttlMs"]), (&json!("private"), &json!(0)));
    assert_eq!(list.get("nextCursor"), None);
    let [apple, heavy, zebra] = &list["tools"].as_array().unwrap()[..] else { unreachable!() };
    assert_eq!((&zebra["title"], &zebra["description"]), (&json!("Zebras"), &json!("Counts")));
    assert_eq!(zebra["inputSchema"]["properties"]["id"]["type"], "string");
    assert_eq!(zebra["annotations"], json!({ "destructiveHint": false }));
    assert_eq!(apple["annotations"], json!({ "readOnlyHint": true, "destructiveHint": false }));
    assert_eq!(heavy["annotations"], json!({ "destructiveHint": true }));
    assert_eq!(heavy["_meta"]["gatewright/risk_level"], "high");

    // One entry for the whole page.
    let [entry] = &scene.entries("tool.list").await[..] else { panic!("not one entry") };
    assert_eq!(
        (&entry["actor"]["name"], &entry["details"]["shown"]),
        (&json!("lingua"), &json!(3))
    );
    assert_eq!(entry["request"]["route"], "/mcp");

    let narrow = token_for_mcp(&scene.gate, &scene.agent, Some("agent:db_read")).await;
    assert_eq!(names(&Mcp::of(&narrow).list().await), [""; 0], "a token sees what it may use");
    let old = Old::begin(&scene.mcp.caller).await;
    let answer = old.ask(1, "tools/list", &json!({})).await.expect(200);
    assert_eq!(answer["result"]["tools"], list["tools"]);
    assert_eq!(answer["result"].get("resultType"), None, "{answer}");

    let elevated = scene.admin.elevated(PASSWORD).await;
    let key = json!({ "name": "mine", "scopes": [] });
    let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
    let by_key = crate::harness::Caller::new(&scene.gate.url, key["key"].as_str());
    let all = Mcp::of(&by_key).list().await;
    assert_eq!(names(&all), ["Apple", "heavy", "secret", "zebra"], "what is off is nobody's");
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_a_cursor_is_worth_nothing_else() {
    let scene = Scene::open().await;
    for number in 0..203 {
        let hidden = json!({ "required_scopes": ["agent:code_exec"] });
        let more = if number == 100 { hidden } else { json!({}) };
        scene.add(&format!("tool_{number:03}"), "/", &more).await;
    }
    let first = scene.mcp.list().await;
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = scene.mcp.ask("tools/list", &json!({ "cursor": cursor })).await["result"].clone();
    assert_eq!((names(&first).len(), names(&second)), (200, vec!["tool_201", "tool_202"]));
    assert_eq!(second.get("nextCursor"), None);
    assert!(!names(&first).contains(&"tool_100"));

    // Made up by hand, it is a place in the list, and shows nothing that was not shown before.
    let made = "YWZ0ZXI6dG9vbF8wOTk"; // after:tool_099
    let page = scene.mcp.ask("tools/list", &json!({ "cursor": made })).await["result"].clone();
    assert_eq!(names(&page)[0], "tool_101");
    for bad in ["", "x", "dG9vbF8wOTk", "../..", "' OR 1=1 --"] {
        let answer = send(scene.mcp.request("tools/list", &json!({ "cursor": bad }))).await;
        assert_eq!(answer.json()["error"]["code"], -32602, "{bad}: {}", answer.text);
    }
}
