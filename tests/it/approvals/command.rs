//! `gatewright approval …`

use std::process::Command;

use serde_json::{Value, json};

use super::{Scene, path};
use crate::harness::Caller;

fn run(it: &Scene, by: &Caller, words: &[&str]) -> (i32, String, String) {
    let mut command: Command = it.gate.command(&[&["approval"], words].concat());
    command.env("GATEWRIGHT_URL", &it.gate.url);
    command.env("GATEWRIGHT_TOKEN", by.token.as_deref().unwrap());
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test]
async fn approvals_are_listed_shown_and_decided() {
    let it = Scene::new().await;
    let first = it.ask(&json!({ "to": "bob", "note": "\u{1b}[2J" })).await;
    let second = it.ask(&json!({ "to": "eve" })).await;
    let id = |it: &Value| it["id"].as_str().unwrap().to_owned();

    let (code, out, _) = run(&it, &it.erin, &["list", "--state", "pending"]);
    assert_eq!(code, 0);
    let line = out.lines().find(|line| line.starts_with(&id(&first))).unwrap();
    assert!(line.contains("pay") && line.contains("lingua") && line.contains("high"), "{line}");
    let (code, out, _) = run(&it, &it.erin, &["show", &id(&first)]);
    assert!(code == 0 && out.contains("bob") && !out.contains('\u{1b}'), "{out}");
    let field = |out: &str, name: &str| {
        let line = out.lines().find(|it| it.split_whitespace().next() == Some(name)).unwrap();
        line[name.len()..].trim().to_owned()
    };
    assert_eq!((&*field(&out, "tool"), &*field(&out, "requested_by")), ("pay", "lingua"), "{out}");
    assert!(!field(&out, "policies").contains('{'), "{out}");

    let yes = ["approve", &id(&first), "--reason", "fine", "--output", "json"];
    let (code, out, _) = run(&it, &it.erin, &yes);
    assert_eq!(code, 0);
    let approved: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&approved["state"], &approved["reason"]), (&json!("approved"), &json!("fine")));
    let (code, out, _) = run(&it, &it.erin, &["deny", &id(&second)]);
    assert_eq!(code, 0);
    assert!(field(&out, "decided_by").starts_with("erin ("), "{out}");
    assert_eq!(it.agent.get(&path(&second)).await.expect(200)["state"], "rejected");
    let (code, _, err) = run(&it, &it.erin, &["approve", &id(&second)]);
    assert!(code == 1 && err.contains("409"), "{err}");
    let third = it.ask(&json!({ "to": "mallory" })).await;
    let (code, _, err) = run(&it, &it.admin, &["approve", &id(&third)]);
    assert!(code == 3 && !err.is_empty(), "{err}");
}
