//! Decisions of bundles that decide no more.

use std::process::Command;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::Scene;
use crate::harness::{Caller, Setup, policies};

/// Counted from the start, and read by the later rules only.
const HISTORY: &str = "[history.paid_today]\naction = \"invoke\"\nset = \"money\"\ncount = \"sum\"\n\
                       of = \"/amount\"\nwithin = \"24h\"\n";
const FREEZE: &str = r#"
@id("own.freeze") @title("No money goes out for now")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"money")
when { !resource.consequential };
"#;
const LIMIT: &str = r#"
@id("own.limit") @title("At most 1,000.00 a day")
forbid (principal, action in Gatewright::Action::"call", resource in Gatewright::ToolSet::"money")
when { context.history.paid_today.greaterThan(decimal("1000.00")) };
"#;

async fn explained(by: &Caller, decision: &str) -> Value {
    by.get(&format!("/api/v1/decisions/{decision}/explain")).await.expect(200)
}

#[tokio::test]
async fn a_decision_is_explained_by_the_bundle_that_made_it() {
    let setup = Setup::new().with("policy.watch", "true");
    let mut it = Scene::on(setup, &[("history.toml", HISTORY), ("95-own.cedar", FREEZE)]).await;
    let pay = it.tool("pay", json!({ "tags": ["money"] })).await;
    let (_, agent) = it.gate.agent("payer", "agent").await;
    let ask = json!({ "arguments": { "amount": 1 } });
    let refused = agent.post(&format!("{pay}/invoke"), &ask).await.problem(403, "denied");
    assert_eq!(refused["reasons"], json!(["own.freeze"]), "{refused}");
    let decision = refused["decision_id"].as_str().unwrap().to_owned();
    let before = explained(&it.admin, &decision).await;
    assert_eq!(before["notes"], Value::Null, "{before}");
    let digest = before["bundle"].as_str().unwrap().to_owned();

    // The later rules read what was not recorded with it: they cannot be asked this.
    policies::decide_by(&it.gate, "95-own.cedar", LIMIT).await;
    let after = explained(&it.admin, &decision).await;
    assert_eq!(after["explanation"], before["explanation"], "{after}");
    assert_eq!((&after["bundle"], &after["explained_by"]), (&json!(digest), &json!(digest)));
    assert_eq!(after["policies"][0]["title"], "No money goes out for now", "{after}");
    let own = explained(&agent, &decision).await;
    assert_eq!(own["explanation"]["decision"], "deny", "{own}");
    let condition = &after["explanation"]["policies"][0]["conditions"][0];
    assert_eq!((&condition["negated"], &condition["holds"]), (&json!(true), &json!(false)));
    let text = on_the_command_line(&it, &decision);
    for says in [
        "when !(resource.consequential): holds\n",
        &format!(
            "note: another bundle decides by now: this is how the one that decided, `{digest}`"
        ),
    ] {
        assert!(text.contains(says), "`{says}` is not in:\n{text}");
    }

    assert!(it.gate.stop().success());
    let db = Connection::open(it.gate.folder.path().join("gatewright.db")).unwrap();
    let lost = db.execute("UPDATE bundles SET digest = 'lost' WHERE digest = ?1", [&digest]);
    assert_eq!(lost.unwrap(), 1);
    drop(db);
    it.gate.restart();
    it.admin = it.gate.admin().await;
    let left = explained(&it.admin, &decision).await;
    assert_eq!((&left["explanation"], &left["explained_by"]), (&Value::Null, &Value::Null));
    assert_eq!(left["policies"][0]["id"], "own.freeze", "{left}");
    assert_eq!(left["facts"]["particulars"]["call"]["arguments"]["amount"], 1, "{left}");
    let note = left["notes"][0].as_str().unwrap();
    assert!(note.contains("not at hand") && note.contains("paid_today"), "{note}");
    let text = on_the_command_line(&it, &decision);
    assert!(
        text.contains("recorded: deny\n  own.freeze: ") && text.contains("\nfacts: {"),
        "{text}"
    );
}

fn on_the_command_line(it: &Scene, decision: &str) -> String {
    let mut command: Command = it.gate.command(&["policy", "explain", decision]);
    command.env("GATEWRIGHT_URL", &it.gate.url);
    command.env("GATEWRIGHT_TOKEN", it.admin.token.as_deref().unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
