//! Tokens in a file: who they stand for, and what happens when the file changes or breaks.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::harness::{Caller, Gate, Setup};

const DEADLINE: Duration = Duration::from_secs(30);
const ME: &str = "/api/v1/auth/me";
const FIRST: &str = "q7VdK2mXw9Rt4LzB8nYc3HsJ6PfG1aEu";
const SECOND: &str = "f3a91c07d52be846907bc1e8fd243a65";

async fn until(caller: &Caller, status: u16) {
    let begun = Instant::now();
    while caller.get(ME).await.status.as_u16() != status {
        assert!(begun.elapsed() < DEADLINE, "waited for {status} in vain");
    }
}

fn setup(lines: &str) -> Setup {
    let setup = Setup::new();
    let path = setup.folder.path().join("tokens");
    fs::write(&path, lines).unwrap();
    setup.with("auth.tokens_file", path.to_str().unwrap())
}

fn with(gate: &Gate, token: &str) -> Caller {
    Caller::new(&gate.url, Some(token))
}

#[tokio::test]
async fn a_token_stands_for_its_principal_for_as_long_as_its_line_is_there() {
    let lines = format!("# two\n{FIRST}\nagent:reckoner {SECOND} agent:calc admin:all\n");
    let gate = setup(&lines).with("auth.tokens_principal", "user:admin").start();
    let path = gate.folder.path().join("tokens");
    let (first, second) = (with(&gate, FIRST), with(&gate, SECOND));
    let me = first.get(ME).await.expect(200);
    assert_eq!((&me["name"], &me["kind"]), (&json!("admin"), &json!("user")));
    assert!(me["scopes"].as_array().unwrap().contains(&json!("admin:all")), "{me}");
    second.get(ME).await.problem(401, "unauthenticated");
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let me = second.get(ME).await.expect(200);
    assert_eq!(me["id"], agent["client_id"]);
    assert_eq!(me["scopes"], json!(["agent:calc"]), "what its principal may hold, and no more");
    first.act("/api/v1/auth/logout").await.problem(409, "conflict");

    let agent = format!("/api/v1/agents/{}", agent["client_id"].as_str().unwrap());
    let admin = gate.admin().await;
    admin.act(&format!("{agent}/suspend")).await.expect(200);
    second.get(ME).await.problem(401, "unauthenticated");
    admin.act(&format!("{agent}/resume")).await.expect(200);
    second.get(ME).await.expect(200);

    fs::write(&path, format!("agent:reckoner {SECOND}\n")).unwrap();
    until(&first, 401).await;
    assert!(second.get(ME).await.expect(200)["scopes"].as_array().unwrap().len() > 1);
    // A line that cannot be read is not a reason to guess about the others.
    fs::write(&path, format!("agent:reckoner {SECOND}\npassword\n")).unwrap();
    until(&second, 401).await;
    fs::write(&path, format!("agent:reckoner {SECOND}\n")).unwrap();
    until(&second, 200).await;
    fs::remove_file(&path).unwrap();
    until(&second, 401).await;
    gate.anyone().get(ME).await.problem(401, "unauthenticated");

    let log = gate.log().join("\n");
    assert!(log.contains("line 2: the token"), "{log}");
    assert!(!log.contains(FIRST) && !log.contains(SECOND), "{log}");
}

#[tokio::test]
async fn a_file_without_tokens_opens_nothing() {
    let gate = setup("# none yet\n").start();
    gate.anyone().get(ME).await.problem(401, "unauthenticated");
    for token in ["# none yet", "none", ""] {
        with(&gate, token).get(ME).await.problem(401, "unauthenticated");
    }
}

#[test]
fn a_server_with_a_broken_tokens_file_does_not_start() {
    for (lines, fault) in [
        (format!("{FIRST}\n"), "line 1: does not say whose token it is"),
        (format!("agent:ci {FIRST}\n\nagent:ci my-secret-token\n"), "line 3: the token is shorter"),
    ] {
        let output = setup(&lines).command(&["serve"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(fault), "{said}");
        assert!(!said.contains(FIRST) && !said.contains("my-secret-token"), "{said}");
    }
    let missing = Setup::new().with("auth.tokens_file", "/nowhere/tokens");
    let output = missing.command(&["serve"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("/nowhere/tokens"), "{said}");
}
