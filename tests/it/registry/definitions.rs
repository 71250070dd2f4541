//! What may be registered, and what is said about what may not.

use std::collections::BTreeSet;
use std::net::TcpListener;

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{TOOLS, names, path, pointers};
use crate::harness::{Gate, samples, send};

#[tokio::test]
async fn a_tool_is_shown_as_it_was_registered() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let definition = json!({
        "tool_type": "function",
        "name": "Convert_2",
        "display_name": "Convert",
        "description": "Währungen\nund Einheiten",
        "version": "2.1.0",
        "input_schema": { "type": "object", "properties": { "amount": { "type": "number" } } },
        "tags": ["finance", "units"],
        "risk_level": "medium",
        "consequential": true,
        "scopes": ["convert"],
        "required_scopes": ["agent:calc"],
        "max_ttl_seconds": 120,
        "cost_per_call": 0.000001,
    });
    let created = admin.post(TOOLS, &definition).await;
    let tool = created.expect(201);
    for (key, value) in definition.as_object().unwrap() {
        assert_eq!(&tool[key], value, "{key}");
    }
    assert_eq!(created.headers[header::LOCATION], path(&tool));
    assert_eq!(created.headers[header::ETAG], "\"1\"");
    let me = admin.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(tool["owner"], me["id"]);
    assert_eq!((&tool["state"], &tool["is_active"]), (&json!("active"), &json!(true)));
    let shown = admin.get(&path(&tool)).await;
    assert_eq!(shown.expect(200), tool);
    assert_eq!(shown.headers[header::ETAG], "\"1\"");

    let patched = admin.patch(&path(&tool), &json!({ "max_ttl_seconds": 60, "name": null })).await;
    let next = patched.expect(200);
    assert_eq!((&next["max_ttl_seconds"], &next["name"]), (&json!(60), &json!("Convert_2")));
    assert_ne!(next["digest"], tool["digest"], "the digest pins what was defined");
    assert_eq!(patched.headers[header::ETAG], "\"2\"");
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let faulty = json!({
        "tool_type": "function",
        "name": "1st tool",
        "display_name": "bell \u{7}",
        "description": "x".repeat(5_000),
        "version": "",
        "tags": ["two words"],
        "scopes": [],
        "required_scopes": ["a\"quote"],
        "max_ttl_seconds": 0,
        "cost_per_call": -1,
        "input_schema": { "type": "objekt", "properties": { "a/b": { "minLength": -1 } } },
    });
    let all = BTreeSet::from([
        "/name",
        "/display_name",
        "/description",
        "/version",
        "/tags",
        "/scopes",
        "/required_scopes",
        "/max_ttl_seconds",
        "/cost_per_call",
        "/input_schema/type",
        "/input_schema/properties/a~1b/minLength",
    ]);
    let problem = admin.post(TOOLS, &faulty).await.problem(422, "invalid");
    assert_eq!(pointers(&problem), all);

    let tool = admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    let mut change = faulty;
    change.as_object_mut().unwrap().shift_remove("tool_type");
    let problem = admin.patch(&path(&tool), &change).await.problem(422, "invalid");
    assert_eq!(pointers(&problem), all, "a change is held to the same rules");
    let still = admin.get(&path(&tool)).await.expect(200);
    assert_eq!(still, tool);
}

#[tokio::test]
async fn a_body_of_another_shape_is_refused_where_it_departs() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let with = |key: &str, value: Value| {
        let mut body = samples::calculate("calc");
        body[key] = value;
        body
    };
    for (body, pointer) in [
        (with("risk_level", json!("extreme")), "/risk_level"),
        (with("tool_type", json!("python")), "/tool_type"),
        (with("scopes", json!("read")), "/scopes"),
        (with("scopes", json!(["read", 7])), "/scopes/1"),
        (with("max_ttl_seconds", json!(-5)), "/max_ttl_seconds"),
        (with("max_ttl_seconds", json!(86_401)), "/max_ttl_seconds"),
        (with("cost_per_call", json!(0.0000001)), "/cost_per_call"),
        (with("cost_per_call", json!(1000.01)), "/cost_per_call"),
        (with("input_schema", json!(true)), "/input_schema"),
        (with("is_admin", json!(true)), "/is_admin"),
        (with("name", json!("é")), "/name"),
        (with("name", json!("a".repeat(65))), "/name"),
        (json!({ "tool_type": "function" }), ""),
        (json!([]), ""),
    ] {
        let problem = admin.post(TOOLS, &body).await.problem(422, "invalid");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    let raw = |kind: &str, body: &str| {
        let request = admin.request(Method::POST, TOOLS).body(body.to_owned());
        send(request.header(header::CONTENT_TYPE, kind))
    };
    raw("application/json", "{\"name\":").await.problem(400, "malformed");
    let two = format!("{} {{}}", samples::calculate("calc"));
    raw("application/json", &two).await.problem(400, "malformed");
    raw("application/json", "").await.problem(400, "malformed");
    raw("text/plain", "{}").await.problem(415, "unsupported_media_type");
    raw("application/json", &" ".repeat(300_000)).await.problem(413, "too_large");
    assert_eq!(names(&admin.get(TOOLS).await.expect(200)), [""; 0]);
}

#[tokio::test]
async fn a_schema_stands_on_its_own_and_nothing_is_fetched_for_it() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = format!("http://{}/schema.json", listener.local_addr().unwrap());
    let file = gate.folder.path().join("schema.json");
    std::fs::write(&file, "{}").unwrap();
    for target in [here, format!("file://{}", file.display()), "schema.json#/a".into()] {
        for key in ["$ref", "$dynamicRef"] {
            let mut body = samples::calculate("calc");
            body["input_schema"] = json!({ "properties": { "a": { key: target } } });
            let problem = admin.post(TOOLS, &body).await.problem(422, "invalid");
            let pointer = format!("/input_schema/properties/a/{key}");
            assert_eq!(pointers(&problem), BTreeSet::from([pointer.as_str()]));
        }
    }
    let accepted = listener.accept().map(|_| ()).map_err(|it| it.kind());
    assert_eq!(accepted, Err(std::io::ErrorKind::WouldBlock), "somebody called");
    let mut body = samples::calculate("calc");
    body["input_schema"] = json!({
        "properties": { "a": { "$ref": "#/$defs/word" } }, "$defs": { "word": { "type": "string" } },
    });
    admin.post(TOOLS, &body).await.expect(201);
}

#[tokio::test]
async fn a_name_is_taken_whatever_its_case_and_free_once_given_up() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let first = admin.post(TOOLS, &samples::calculate("Calc")).await.expect(201);
    let other = admin.post(TOOLS, &samples::calculate("other")).await.expect(201);
    admin.post(TOOLS, &samples::calculate("cALC")).await.problem(409, "conflict");
    admin.patch(&path(&other), &json!({ "name": "CALC" })).await.problem(409, "conflict");
    admin.patch(&path(&first), &json!({ "name": "CALC" })).await.expect(200);

    admin.patch(&path(&first), &json!({ "name": "sum" })).await.expect(200);
    let (_, robot) = gate.agent("robot", "agent").await;
    let ask = |tool: &str| json!({ "tool": tool, "scopes": ["evaluate"] });
    robot.post("/api/v1/credentials", &ask("calc")).await.problem(404, "not_found");
    robot.post("/api/v1/credentials", &ask("SUM")).await.expect(201);
    let again = admin.post(TOOLS, &samples::calculate("calc")).await.expect(201);
    assert_ne!(again["id"], first["id"]);
    assert_eq!(names(&admin.get(TOOLS).await.expect(200)), ["calc", "other", "sum"]);
}
