//! Policies that go on holding in credentials: what a tool checks offline, and what it must ask about.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Caller, Gate, Setup, policies, samples};

const LIMITS: &str = r#"
@id("own.amount") @title("Sums stay below 1,000")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"sums")
when { context.call.number.hasTag("/n") && context.call.number.getTag("/n") >= 1000 };
"#;

const EXACTLY: &str = r#"
@id("own.exactly") @title("Only expressions that begin and end with a bracket")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"sums")
unless { context.call.text.hasTag("/expression") && context.call.text.getTag("/expression") like "(*)" };
"#;

fn ruled(text: &str) -> Gate {
    let setup = policies::own(Setup::new());
    policies::put(setup.folder.path(), "90-own.cedar", text);
    setup.start()
}

/// A tool of the set that the rules are about, and an agent's credential for it.
async fn vended(gate: &Gate) -> (Caller, Value) {
    let admin = gate.admin().await;
    let mut tool = samples::calculate("calc");
    tool["tags"] = json!(["sums"]);
    let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
    let (_, agent) = gate.agent("robot", "agent").await;
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let vended = agent.post(&path, &json!({ "scopes": ["evaluate"] })).await.expect(201);
    (admin, vended["credential"].clone())
}

/// What the command line says offline, with the exit code.
fn offline(gate: &Gate, token: &str, argument: &str) -> (Option<i32>, String) {
    let file = gate.folder.path().join("token");
    std::fs::write(&file, token).unwrap();
    let keys = format!("{}/.well-known/biscuit-keys.json", gate.url);
    let words = ["token", "verify", "--keys-url", &keys, "--tool", "calc", "--scope", "evaluate"];
    let mut command = gate.command(&words);
    command.args(["--argument", argument, "-"]).stdin(std::fs::File::open(&file).unwrap());
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_limit_on_arguments_travels_with_the_credential() {
    let gate = ruled(LIMITS);
    let (admin, credential) = vended(&gate).await;
    let token = credential["token"].as_str().unwrap();
    let (code, said) = offline(&gate, token, "n=999");
    assert_eq!(code, Some(0), "{said}");
    for over in ["n=1000", "n=1000.5"] {
        let (code, said) = offline(&gate, token, over);
        assert_ne!(code, Some(0), "{over}: {said}");
        assert!(said.contains("argument"), "{over}: {said}");
    }
    let ask = async |arguments: Value| {
        let body =
            json!({ "token": token, "tool": "calc", "scope": "evaluate", "arguments": arguments });
        admin.post("/api/v1/credentials/validate", &body).await.expect(200)
    };
    assert_eq!(ask(json!({ "n": 999 })).await["valid"], true);
    assert_eq!(ask(json!({ "n": 1000 })).await["reason"], "argument");
}

#[tokio::test]
async fn what_datalog_cannot_say_is_asked_of_gatewright_at_each_use() {
    let gate = ruled(EXACTLY);
    let (admin, credential) = vended(&gate).await;
    let token = credential["token"].as_str().unwrap();
    let (code, said) = offline(&gate, token, "expression=(1)");
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("online_only"), "{said}");
    let ask = async |expression: &str| {
        let arguments = json!({ "expression": expression });
        let body =
            json!({ "token": token, "tool": "calc", "scope": "evaluate", "arguments": arguments });
        admin.post("/api/v1/credentials/validate", &body).await.expect(200)
    };
    assert_eq!(ask("(1)").await["valid"], true);
    let refused = ask("1").await;
    assert_eq!((&refused["valid"], &refused["reason"]), (&json!(false), &json!("denied")));
}
