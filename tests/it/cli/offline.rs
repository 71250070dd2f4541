//! What needs no server, or none that is trusted: policies, credentials, the audit.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Ran, gatewright, run, run_with_input};
use crate::harness::{Caller, Gate, samples};

/// The policies and schema of the repository, to break.
pub fn policies() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["policies", "schemas"] {
        let copied = Command::new("cp").arg("-r").arg(root.join(name)).arg(folder.path()).status();
        assert!(copied.unwrap().success());
    }
    folder
}

pub fn edit(path: &Path, change: impl Fn(String) -> String) {
    let text = fs::read_to_string(path).unwrap();
    let changed = change(text.clone());
    assert!(changed != text, "the edit changes nothing");
    fs::write(path, changed).unwrap();
}

#[test]
fn policies_are_checked_and_tested_before_they_decide() {
    let whole = policies();
    let sound = run(whole.path(), &["policy", "check"]).expect(0).out;
    assert!(sound.contains("are sound; digest "), "{sound}");
    let passed = run(whole.path(), &["policy", "test"]).expect(0).out;
    assert!(passed.contains("rows pass"), "{passed}");

    let broken = policies();
    let file = broken.path().join("policies/40-use.cedar");
    edit(&file, |it| it.replacen("permit", "permitt", 1));
    for command in ["check", "test"] {
        let ran = run(broken.path(), &["policy", command]).expect(1);
        assert!(ran.err.contains("40-use.cedar:"), "{}", ran.err);
        assert!(ran.err.contains("fault(s)"), "{}", ran.err);
    }
    let serve = gatewright(broken.path(), &["serve", "--listen", "127.0.0.1:0"]).output().unwrap();
    let ran = Ran::from(serve).expect(1);
    assert!(ran.err.contains("nothing is decided by broken policies"), "{}", ran.err);

    let lax = policies();
    edit(&lax.path().join("policies/10-guardrails.cedar"), |it| {
        it.replace("66.249.0.0/16", "66.250.0.0/16")
    });
    for command in ["check", "test"] {
        let ran = run(lax.path(), &["policy", command]).expect(1);
        assert!(ran.err.contains("guardrails.toml:"), "{}", ran.err);
        assert!(ran.err.contains("expected deny by [\"guard.net.blocked\"]"), "{}", ran.err);
    }

    let empty = tempfile::tempdir().unwrap();
    run(empty.path(), &["policy", "check"]).expect(1);
    run(empty.path(), &["serve", "--listen", "127.0.0.1:0"]).expect(1);
}

/// A running server, and a credential it vended for `translate` with `read` and `translate`.
async fn vended() -> (Gate, Caller, Value) {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["read", "translate"] });
    let access = agent.post(&path, &ask).await.expect(201);
    (gate, agent, access["credential"].clone())
}

#[tokio::test]
async fn tokens_are_inspected_narrowed_and_verified() {
    let (gate, agent, credential) = vended().await;
    let folder = tempfile::tempdir().unwrap();
    let token = |words: &[&str]| run(folder.path(), &[&["token"], words].concat());
    let text = credential["token"].as_str().unwrap();
    let id = credential["credential_id"].as_str().unwrap();
    let keys = format!("{}/.well-known/biscuit-keys.json", gate.url);
    let feed = format!("{}/api/v1/revocations", gate.url);

    let seen = token(&["inspect", text, "--output", "json"]).expect(0).out;
    let seen: Value = serde_json::from_str(&seen).unwrap();
    assert!(seen.to_string().contains(id), "{seen}");
    token(&["inspect", "no-token"]).expect(1);
    token(&["inspect"]).expect(2);

    let narrowed = token(&["attenuate", text, "--scope", "read", "--ttl-seconds", "60"]).expect(0);
    let narrowed = narrowed.out.trim();
    token(&["attenuate", text]).expect(2);
    let other_key = "00".repeat(32);
    token(&["attenuate", text, "--scope", "read", "--root-key", &other_key]).expect(3);
    token(&["attenuate", text, "--scope", "read", "--keys-url", &keys]).expect(0);

    let verify = |credential: &str, more: &[&str]| {
        token(&[&["verify", credential, "--tool", "translate"], more].concat())
    };
    let believed = ["--keys-url", &*keys, "--feed-url", &*feed];
    let check = |credential: &str, more: &[&str]| verify(credential, &[&believed, more].concat());
    check(text, &["--scope", "translate"]).expect(0);
    let said = check(narrowed, &["--scope", "read", "--output", "json"]).expect(0).out;
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&said["valid"], &said["credential_id"]), (&json!(true), &json!(id)));
    let refused = check(narrowed, &["--scope", "translate"]).expect(3).out;
    assert!(refused.contains("refused: scope"), "{refused}");
    check(text, &["--scope", "admin"]).expect(3);
    verify(text, &["--scope", "read", "--root-key", &other_key]).expect(3);
    verify(text, &["--scope", "read"]).expect(2);
    verify(text, &["--scope", "read", "--keys-url", "http://evil.example/keys"]).expect(2);
    let nobody = "http://127.0.0.1:1/keys";
    verify(text, &["--scope", "read", "--keys-url", nobody]).expect(5);

    agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    for revoked in [text, narrowed] {
        let refused = check(revoked, &["--scope", "read"]).expect(3).out;
        assert!(refused.contains("refused: revoked"), "{refused}");
    }
    let piped = gatewright(folder.path(), &["token", "inspect", "-"]);
    run_with_input(piped, &format!("{text}\n")).expect(0);
}

#[tokio::test]
async fn the_audit_is_verified_by_who_trusts_a_key_alone() {
    let (mut gate, agent, credential) = vended().await;
    let anyone = gate.anyone();
    let key = anyone.get("/.well-known/audit-key.json").await.expect(200);
    let key = key["verifier_key"].as_str().unwrap().to_owned();
    let checkpoint = gate.folder.path().join("kept");
    fs::write(&checkpoint, anyone.get("/api/v1/audit/checkpoint").await.text).unwrap();
    let id = credential["credential_id"].as_str().unwrap();
    agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    let checkpoint = checkpoint.display().to_string();
    let words = ["audit", "verify", "--public-key", &*key, "--checkpoint", &*checkpoint];
    let verify = |gate: &Gate, words: &[&str]| {
        Ran::from(gate.command(words).env("GATEWRIGHT_PUBLIC_URL", &gate.url).output().unwrap())
    };
    let said = verify(&gate, &words).expect(0).out;
    assert!(said.contains("as they were written") && !said.contains("NOT"), "{said}");
    verify(&gate, &["audit", "verify"]).expect(0);
    let report = verify(&gate, &["audit", "verify", "--json"]).expect(0).out;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["faults"], json!([]), "{report}");
    verify(&gate, &["audit", "verify", "--public-key", "nonsense"]).expect(1);
    let stranger = Gate::start().anyone().get("/.well-known/audit-key.json").await.expect(200);
    let stranger = stranger["verifier_key"].as_str().unwrap();
    verify(&gate, &["audit", "verify", "--public-key", stranger]).expect(1);

    // The host's own key goes by the name that the log has, whatever the settings say by now.
    let own = gate
        .command(&["audit", "verify"])
        .env("GATEWRIGHT_PUBLIC_URL", "http://x.example")
        .output();
    Ran::from(own.unwrap()).expect(0);
    // Without it nothing is called forged, and nothing is made.
    let (key_file, aside) =
        (gate.folder.path().join("audit.key"), gate.folder.path().join("aside"));
    fs::rename(&key_file, &aside).unwrap();
    assert!(verify(&gate, &["audit", "verify"]).expect(1).err.contains("--public-key"));
    assert!(!key_file.exists());
    fs::rename(&aside, &key_file).unwrap();
    let nowhere = gate.folder.path().join("nowhere.db");
    let url = format!("sqlite:{}", nowhere.display());
    let absent = gate.command(&words).env("GATEWRIGHT_DATABASE__URL", url).output().unwrap();
    assert!(Ran::from(absent).expect(1).err.contains("there is no store"));
    assert!(!nowhere.exists());

    gate.stop();
    let path = gate.folder.path().join("gatewright.db");
    let db = rusqlite::Connection::open(path).unwrap();
    let changed = "UPDATE audit SET body = replace(body, 'lingua', 'nobody') WHERE event = 'credential.issue'";
    assert_eq!(db.execute(changed, []).unwrap(), 1);
    drop(db);
    let ran = verify(&gate, &words).expect(1);
    assert!(ran.out.contains("NOT as they were written"), "{}", ran.out);
    assert!(!ran.err.is_empty(), "each fault is named");
}
