//! OpenAPI documents as sets of tools.

use serde_json::{Value, json};

use super::{TOOLS, pointers};
use crate::harness::{Gate, samples};

const IMPORT: &str = "/api/v1/tools/import";

fn library() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": { "title": "Library", "version": "1" },
        "servers": [{ "url": "https://library.example/api/" }],
        "paths": {
            "/books/{isbn}": {
                "parameters": [{ "$ref": "#/components/parameters/Isbn" }],
                "get": {
                    "operationId": "getBook", "summary": "Get a book", "description": "By its ISBN.",
                    "parameters": [
                        { "name": "lang", "in": "query", "schema": { "type": "string", "nullable": true } },
                        { "name": "X-Tenant", "in": "header", "required": true, "schema": { "type": "string" } },
                        { "name": "Authorization", "in": "header", "schema": { "type": "string" } },
                    ],
                },
                "put": { "operationId": "put-book", "requestBody": { "required": true, "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Book" } },
                } } },
            },
            "/books": { "post": { "requestBody": { "required": true, "content": {
                "application/json": { "schema": { "type": "array", "items": { "$ref": "#/components/schemas/Book" } } },
            } } } },
            "/cover": { "post": { "operationId": "cover", "requestBody": {
                "required": true, "content": { "image/png": {} },
            } } },
            "/tree": { "get": { "operationId": "tree", "parameters": [
                { "name": "node", "in": "query", "schema": { "$ref": "#/components/schemas/Node" } },
            ] } },
            "/far": { "get": { "operationId": "far", "parameters": [
                { "name": "it", "in": "query", "schema": { "$ref": "https://one.example/schema.json" } },
            ] } },
        },
        "components": {
            "parameters": { "Isbn": {
                "name": "isbn", "in": "path", "required": true, "schema": { "type": "string" },
            } },
            "schemas": {
                "Book": { "type": "object", "required": ["title"], "properties": {
                    "title": { "type": "string" },
                    "pages": { "type": "integer", "minimum": 0, "exclusiveMinimum": true },
                } },
                "Node": { "type": "object", "properties": { "next": { "$ref": "#/components/schemas/Node" } } },
            },
        },
    })
}

#[tokio::test]
async fn each_operation_becomes_a_tool_or_says_why_not() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let body = json!({ "document": library(), "template": {
        "name": "library", "scopes": ["call"], "tags": ["books"], "risk_level": "medium",
        "auth_method": "bearer", "secrets": { "token": "s3cret" },
    } });
    let made = admin.post(IMPORT, &body).await.expect(201);
    let tool = |name: &str| {
        let found = made["items"].as_array().unwrap().iter().find(|it| it["name"] == name);
        found.unwrap_or_else(|| panic!("no `{name}`: {made}")).clone()
    };
    assert_eq!(made["items"].as_array().unwrap().len(), 3, "{made}");
    let get = tool("library_getBook");
    assert_eq!(get["endpoint"], "https://library.example/api/books/{isbn}");
    assert_eq!((&get["method"], &get["display_name"]), (&json!("GET"), &json!("Get a book")));
    assert_eq!((&get["description"], &get["state"]), (&json!("By its ISBN."), &json!("active")));
    assert_eq!((&get["tags"], &get["risk_level"]), (&json!(["books"]), &json!("medium")));
    assert_eq!(get["argument_in"], json!({ "X-Tenant": "header" }));
    assert_eq!(get["secrets"], json!({ "token": "********" }));
    let schema = &get["input_schema"];
    assert_eq!(schema["required"], json!(["X-Tenant", "isbn"]));
    assert_eq!(schema["properties"]["lang"]["anyOf"][1], json!({ "type": "null" }));
    assert!(schema["properties"].get("Authorization").is_none());
    let put = tool("library_put_book");
    assert_eq!(put["input_schema"]["required"], json!(["isbn", "title"]));
    assert_eq!(
        put["input_schema"]["properties"]["pages"],
        json!({ "type": "integer", "exclusiveMinimum": 0 })
    );
    let post = tool("library_post_books");
    assert_eq!(post["argument_in"], json!({ "body": "body" }));
    let mut unusable: Vec<_> = made["unusable"].as_array().unwrap().iter().collect();
    unusable.sort_by_key(|it| it["name"].as_str());
    for (it, (name, why)) in unusable.iter().zip([
        ("cover", "takes a body that is not JSON"),
        ("far", "outside the document"),
        ("tree", "refers to itself"),
    ]) {
        assert_eq!(it["name"], name);
        assert!(it["detail"].as_str().unwrap().contains(why), "{it}");
    }
    admin.post(IMPORT, &body).await.problem(409, "conflict");
    let all = admin.get(&format!("{TOOLS}?page_size=200")).await.expect(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 3, "all or none");
    gate.user("uma", "user").await.post(IMPORT, &body).await.problem(403, "denied");
}

#[tokio::test]
async fn what_is_no_document_is_refused_where_it_departs() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let refused = async |pointer: &str, value: Value, expected: &str| {
        let mut body = samples::api("orders");
        match body.pointer_mut(pointer) {
            Some(it) => *it = value,
            None => panic!("{pointer}"),
        }
        let problem = admin.post(IMPORT, &body).await.problem(422, "invalid");
        assert_eq!(pointers(&problem), [expected].into(), "{problem}");
    };
    refused("/document/openapi", json!("2.0"), "/document").await;
    refused("/document/paths", json!({}), "/document/paths").await;
    refused("/base_url", json!("/v1"), "/base_url").await;
    refused("/base_url", Value::Null, "/document/servers").await;
    refused(
        "/template",
        json!({ "name": "a", "scopes": ["b"], "endpoint": "x" }),
        "/template/endpoint",
    )
    .await;
    refused("/template", json!({ "name": "a", "scopes": [] }), "/scopes").await;
    refused("/template/name", json!("1"), "/name").await;
    assert_eq!(admin.get(TOOLS).await.expect(200)["items"], json!([]));
}
