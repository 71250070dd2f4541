//! The first administrator: from the settings, or from whoever sits at the host.

use std::io::Write as _;
use std::process::{Output, Stdio};

use serde_json::json;

use crate::harness::address::by_address;
use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::{Gate, Setup};

const WORDS: &str = "A-fine-pass-phrase-1";

fn seed(gate: &Gate, username: &str, password: &str) -> Output {
    let words = ["seed-admin", "--username", username, "--password-stdin"];
    let mut command = gate.command(&words);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{password}\n").as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[tokio::test]
async fn a_start_with_the_administrator_there_changes_nothing() {
    let mut gate = Gate::start();
    let before = gate.admin().await.get("/api/v1/users").await.expect(200);
    assert_eq!(before["items"][0]["roles"], json!(["admin", "policy_admin", "user"]));
    gate.restart();
    let after = gate.admin().await.get("/api/v1/users").await.expect(200);
    assert_eq!(before, after);
}

#[test]
fn the_host_makes_nobody_of_a_bad_or_taken_name_or_with_a_bad_password() {
    let gate = Gate::start();
    for (username, password, complaint) in [
        (ADMIN, WORDS, "taken"),
        ("Admin", WORDS, "taken"),
        ("second", "short", "password"),
        ("second", "", "password"),
        ("no spaces", WORDS, "username"),
    ] {
        let refused = seed(&gate, username, password);
        assert_eq!(refused.status.code(), Some(1), "{username}");
        let said = String::from_utf8(refused.stderr).unwrap();
        assert!(said.contains(complaint), "{username}: {said}");
        assert!(password.is_empty() || !said.contains(password), "{said}");
    }
}

#[tokio::test]
async fn the_host_makes_an_administrator_in_a_store_that_is_in_use() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        // Name and key of the audit's log must be the same for the server and the command.
        let mut gate = setup.with("public_url", "http://gate.example").start();
        by_address(&mut gate);
        let made = seed(&gate, "second", WORDS);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        gate.restart();
        by_address(&mut gate);
        let second = gate.sign_in("second", WORDS).await;
        let users = second.get("/api/v1/users").await.expect(200);
        assert_eq!(users["items"].as_array().unwrap().len(), 2);
        gate.sign_in(ADMIN, PASSWORD).await;
        let found = second.get("/api/v1/audit-events?action=system.seed_admin").await.expect(200);
        let entry = &found["items"][0]["entry"];
        assert_eq!(entry["details"]["username"], "second");
        let verified = gate.command(&["audit", "verify"]).output().unwrap();
        assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
    }
}
