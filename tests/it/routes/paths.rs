//! Paths, their parameters, and what comes with one resource.

use gatewright::http::Route;
use reqwest::{Method, header};
use serde_json::json;

use super::things::Things;
use super::{closed, line};
use crate::harness::{Gate, send};

#[tokio::test]
async fn one_resource_comes_with_a_tag_that_a_change_can_insist_on() {
    let gate = Gate::start();
    let (things, _) = Things::make(&gate).await;
    let admin = gate.admin().await;
    let single = |it: &Route| it.method == Method::GET && it.path.ends_with('}');
    for route in closed().filter(single) {
        let shown = send(things.request(&admin, &route)).await;
        shown.expect(200);
        assert!(shown.headers.contains_key(header::ETAG), "{}", line(&route));
    }
    let path = format!("/api/v1/credentials/{}", things.credential);
    let revoke =
        |tag: &str| send(admin.request(Method::DELETE, &path).header(header::IF_MATCH, tag));
    revoke("\"2\"").await.problem(412, "precondition_failed");
    revoke("\"1\"").await.expect(204);
    assert_eq!(admin.get(&path).await.headers[header::ETAG], "\"2\"");
}

#[tokio::test]
async fn a_path_is_known_by_its_one_spelling_and_its_methods() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    for (method, path, allow) in [
        (Method::DELETE, "/api/v1/tools", "POST, GET, HEAD"),
        (Method::PUT, "/api/v1/tools/x", "GET, HEAD, PATCH, DELETE"),
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::GET, "/api/v1/auth/login", "POST"),
        (Method::OPTIONS, "/api/v1/auth/login", "POST"),
    ] {
        let answer = send(admin.request(method, path)).await;
        answer.problem(405, "method_not_allowed");
        assert_eq!(answer.headers[header::ALLOW], allow, "{path}");
    }
    for path in [
        "/",
        "/api/v1/tools/",
        "//api/v1/tools",
        "/api/v1//tools",
        "/API/v1/tools",
        "/api/v1/t%6Fols",
        "/api%2Fv1/tools",
        "/api/v1/tools/x/y/z",
        "/nothing",
    ] {
        admin.get(path).await.problem(404, "not_found");
    }
    let head = send(admin.request(Method::HEAD, "/livez")).await;
    assert_eq!((head.status.as_u16(), head.text.as_str()), (200, ""));
}

#[tokio::test]
async fn a_parameter_of_a_path_is_percent_decoded_once() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let body = json!({ "username": "somebody", "password": "A-fine-pass-phrase-1" });
    let user = admin.post("/api/v1/users", &body).await.expect(201);
    let id = user["id"].as_str().unwrap();
    let encoded: String = id.bytes().map(|it| format!("%{it:02X}")).collect();
    assert_eq!(admin.get(&format!("/api/v1/users/{encoded}")).await.expect(200), user);

    let granted = admin.put(&format!("/api/v1/users/{id}/roles/%61uditor")).await.expect(200);
    assert_eq!(granted["roles"], json!(["auditor", "user"]));
    for role in ["%2561uditor", "auditor%2F", "%61dmin", "%FF", "%00", "", "nonsense"] {
        let answer = admin.put(&format!("/api/v1/users/{id}/roles/{role}")).await;
        assert!([403, 404].contains(&answer.status.as_u16()), "{role}: {}", answer.text);
    }
    let user = admin.get(&format!("/api/v1/users/{id}")).await.expect(200);
    assert_eq!(user["roles"], json!(["auditor", "user"]));
}
