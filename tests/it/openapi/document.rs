//! The document is sound by another's judgement, and shown without the network.

use std::collections::BTreeSet;
use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatewright::http::routes;
use reqwest::{Method, StatusCode, header};
use serde_json::json;

use crate::harness::Gate;

fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from)
}

/// What openapi-spec-validator complains of.
fn complaints(document: &str) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tools().join("venv/bin/python");
    let child = Command::new(&python)
        .arg(root.join("tests/interop/openapi.py"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    assert!(child.is_ok(), "cannot run `{}`: run scripts/test, which lays it", python.display());
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("No module"), "run scripts/test, which lays the validator: {said}");
    (output.status.code(), said)
}

#[tokio::test]
async fn the_document_is_sound_by_an_independent_validator() {
    let gate = Gate::start();
    let document = gate.anyone().get("/openapi.json").await;
    assert_eq!(document.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(complaints(&document.text), (Some(0), String::new()));
    let mut broken = document.json();
    broken["paths"]["/livez"]["get"]["responses"] = json!("none");
    assert_eq!(complaints(&broken.to_string()).0, Some(1), "the validator validates");

    let document = document.json();
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{} {}", route.method, route.path);
    }
    let names = document["components"]["schemas"].as_object().unwrap();
    let numbered = names.keys().filter(|it| it.ends_with(|it: char| it.is_ascii_digit()));
    assert_eq!(numbered.count(), 0, "two types of one name: {names:?}");
}

#[tokio::test]
async fn the_page_comes_from_this_server_alone() {
    let gate = Gate::start();
    let anyone = gate.anyone();
    let index = anyone.get("/docs").await;
    assert_eq!(index.status, StatusCode::TEMPORARY_REDIRECT);
    let page = anyone.get(index.headers[header::LOCATION].to_str().unwrap()).await;
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/html");
    let mut files = BTreeSet::from(["swagger-initializer.js".to_owned()]);
    for mark in ["src=\"", "href=\""] {
        for rest in page.text.split(mark).skip(1) {
            let url = rest.split('"').next().unwrap();
            assert!(!url.contains("//"), "{url}");
            files.insert(url.trim_start_matches("./").to_owned());
        }
    }
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        let path = format!("/docs/{file}");
        let answer = anyone.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("connect-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        if file.ends_with(".css") || file.contains("initializer") {
            let text = answer.text().await.unwrap();
            for sign in ["url(http", "url(//", "@import", "https://"] {
                assert!(!text.contains(sign), "{path}: {sign}");
            }
        }
    }
    // The policy would stop a script in the page itself.
    assert!(page.text.split("<script").skip(1).all(|it| it.contains("src=")), "{}", page.text);
    assert!(page.headers.contains_key("content-security-policy"));
    anyone.get("/docs/nothing.js").await.problem(404, "not_found");
}
