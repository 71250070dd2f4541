//! The commands that call a server.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Ran, gatewright, run_with_input};
use crate::harness::{Caller, Gate, PASSWORD};

/// A command that calls this server.
fn calling(gate: &Gate, token: &str, words: &[&str]) -> Command {
    let mut command = gatewright(gate.folder.path(), words);
    command.env("GATEWRIGHT_URL", &gate.url).env("GATEWRIGHT_TOKEN", token);
    command
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

#[tokio::test]
async fn keys_are_made_listed_rotated_and_revoked() {
    let gate = Gate::start();
    let admin = gate.admin().await.token.unwrap();
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let agent = agent["client_id"].as_str().unwrap();
    let create = ["key", "create", "ci", "--principal", agent, "--scope", "agent:calc"];

    let refused = Ran::from(calling(&gate, &admin, &create).output().unwrap()).expect(3);
    assert!(refused.err.contains("add --password-stdin"), "{}", refused.err);

    let elevated = |words: &[&str]| {
        let mut command = calling(&gate, &admin, words);
        command.args(["--password-stdin", "--output", "json"]);
        run_with_input(command, &format!("{PASSWORD}\n"))
    };
    let made = json(&elevated(&create).expect(0));
    let (id, key) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let with = |key: &str| Caller::new(&gate.url, Some(key));
    assert_eq!(with(key).get("/api/v1/auth/me").await.expect(200)["id"], agent);

    let listed = Ran::from(calling(&gate, &admin, &["key", "list"]).output().unwrap()).expect(0);
    let mut lines = listed.out.lines();
    assert!(lines.next().unwrap().starts_with("ID "), "{}", listed.out);
    let line = lines.next().unwrap();
    assert!(
        line.starts_with(id) && line.contains("agent:calc") && line.contains("active"),
        "{line}"
    );
    assert!(!listed.out.contains(key));

    fs::write(gate.folder.path().join("token"), format!("{admin}\n")).unwrap();
    let mut from_file = gatewright(gate.folder.path(), &["key", "show", id]);
    from_file.args(["--url", &gate.url, "--token-file", "token"]);
    let shown = Ran::from(from_file.output().unwrap()).expect(0).out;
    let used = shown.lines().find(|it| it.starts_with("last_used_at")).unwrap();
    assert!(used.split_whitespace().nth(1).unwrap().starts_with("20"), "{used}");

    let new = json(&elevated(&["key", "rotate", id, "--overlap-seconds", "600"]).expect(0));
    with(new["key"].as_str().unwrap()).get("/api/v1/auth/me").await.expect(200);
    with(key).get("/api/v1/auth/me").await.expect(200);
    for (verb, status) in [("disable", 401), ("enable", 200), ("revoke", 401)] {
        elevated(&["key", verb, id]).expect(0);
        let answer = with(new["key"].as_str().unwrap()).get("/api/v1/auth/me").await;
        assert_eq!(answer.status.as_u16(), status, "{verb}");
    }
}

#[tokio::test]
async fn every_failure_has_its_exit_code_and_shows_no_token() {
    let gate = Gate::start();
    let canary = "gwk_0123456789canary";
    let list = ["key", "list"];
    let cases = [
        (calling(&gate, canary, &list), 4),
        (calling(&gate, "two\nlines", &list), 1),
        (calling(&gate, canary, &["key", "revoke", "not-an-id"]), 2),
        (gatewright(gate.folder.path(), &list), 4),
    ];
    for (mut command, code) in cases {
        let ran = Ran::from(command.output().unwrap()).expect(code);
        assert!(!ran.err.is_empty() && !ran.err.contains("canary"), "{}", ran.err);
    }
    let mut nobody = gatewright(gate.folder.path(), &list);
    nobody.args(["--url", "http://127.0.0.1:9"]).env("GATEWRIGHT_TOKEN", canary);
    Ran::from(nobody.output().unwrap()).expect(5);
    let mut plain = gatewright(gate.folder.path(), &list);
    plain.args(["--url", "http://gate.example"]).env("GATEWRIGHT_TOKEN", canary);
    let ran = Ran::from(plain.output().unwrap()).expect(2);
    assert!(ran.err.contains("use https"), "{}", ran.err);

    let admin = gate.admin().await.token.unwrap();
    let unknown = "0199a000-0000-7000-8000-000000000000";
    let ran = calling(&gate, &admin, &["key", "show", unknown]).output().unwrap();
    assert!(Ran::from(ran).expect(1).err.contains("404"));
    let wide = ["key", "create", "x", "--scope", "agent:calc", "--password-stdin"];
    let ran = run_with_input(calling(&gate, &admin, &wide), PASSWORD).expect(1);
    assert!(ran.err.contains("/scopes") && ran.err.contains("`agent:calc`"), "{}", ran.err);
}
