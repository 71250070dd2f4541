//! The tightest rules that an agent could have lived with, from what it did.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Scene, ask, copy, ids, ran, root};
use crate::harness::{Caller, Setup, policies, samples};

const DEADLINE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_suggestion_keeps_what_was_used_and_closes_the_rest() {
    let it = Scene::new().await;
    let out = it.gate.folder.path().join("suggested");
    let words = ["suggest", "--agent", "Robot", "--since", "1h", "--local"];
    let mut command = it.policy(&words, &it.policies());
    command.arg("--out").arg(&out);
    let (_, told) = ran(command, 0);
    for part in ["4 uses", "0 would close", "allows nothing new", "can be relied on"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
    let text = std::fs::read_to_string(out.join("policies/suggest-robot.cedar")).unwrap();
    for part in ["suggest.robot.only", "// calc: request_credential 4 time(s)", "600s"] {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
    assert!(!text.contains("permit ("), "nothing is permitted by it:\n{text}");
    decides(&it, &text).await;
    let (again, _) = ran(it.policy(&["replay", "--output", "json"], &it.policies()), 0);
    let again: Value = serde_json::from_str(&again).unwrap();
    let (opened, closed) = (ids(&again, "opened"), ids(&again, "closed"));
    assert!(opened.is_empty() && closed.len() == 1, "but for the tool it used in between: {again}");
}

/// Once it is among the policies it does as it says.
async fn decides(it: &Scene, text: &str) {
    // On connections of their own: those of before were idle for as long as the commands took.
    let fresh = |of: &Caller| Caller::new(&it.gate.url, of.token.as_deref());
    let (admin, robot) = (fresh(&it.admin), fresh(&it.robot));
    admin.post("/api/v1/tools", &samples::calculate("sum")).await.expect(201);
    ask(&robot, "sum", 60).await.expect(201);
    policies::put(it.gate.folder.path(), "suggest-robot.cedar", text);
    let started = Instant::now();
    while admin.get("/api/v1/policies/suggest.robot.only").await.status != 200 {
        assert!(started.elapsed() < DEADLINE, "it was never taken up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ask(&robot, "calc", 600).await.expect(201);
    let wider = json!({ "tool": "calc", "scopes": ["explain"], "ttl_seconds": 60 });
    for (refused, by, fix) in [
        (ask(&robot, "sum", 60).await, "suggest.robot.only", None),
        (ask(&robot, "calc", 601).await, "suggest.robot.calc.ttl", Some("ttl")),
        (
            robot.post("/api/v1/credentials", &wider).await,
            "suggest.robot.calc.scopes",
            // Without this scope there would be none.
            None,
        ),
    ] {
        let problem = refused.problem(403, "denied");
        assert_eq!(problem["reasons"], json!([by]));
        assert_eq!(problem["fix"][0]["kind"].as_str(), fix, "{problem}");
    }
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "people have clocks of their own")]
async fn what_follows_an_older_suggestion_is_held_against_it() {
    let it = Scene::new().await;
    it.admin.post("/api/v1/tools", &samples::calculate("sum")).await.expect(201);
    ask(&it.robot, "sum", 60).await.expect(201);
    let late = Timestamp::now().to_string();
    let suggest = |since: &str, code| {
        let words = ["suggest", "--agent", "robot", "--since", since, "--local"];
        ran(it.policy(&words, &it.policies()), code)
    };
    let put = |text: &str| policies::put(it.gate.folder.path(), "suggest-robot.cedar", text);
    let (both, _) = suggest("1h", 0);
    put(&both);
    let robot = Caller::new(&it.gate.url, it.robot.token.as_deref());
    ask(&robot, "calc", 600).await.expect(201);
    // The same rights: nothing is different but how often they were used.
    let (again, told) = suggest("1h", 0);
    assert!(again.contains("// calc: request_credential 5 time(s)"), "{again}");
    assert!(told.contains("it allows nothing new: it differs from the active bundle by"), "{told}");

    let (one, told) = suggest(&late, 0);
    assert!(told.contains("`suggest.robot.only` differs, and the solver finds nothing"), "{told}");
    put(&one);
    let (_, told) = suggest("1h", 1);
    for part in [
        "is refuted: `suggest.robot.only` differs: Agent::",
        "by the other policies, Action::\"request_credential\" is denied by suggest.robot.only",
        "  it may allow what the active bundle does not",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}

#[tokio::test]
async fn who_used_nothing_needs_nothing_and_who_is_not_there_is_not_found() {
    let it = Scene::new().await;
    it.gate.agent("lazy", "agent").await;
    let words = ["suggest", "--agent", "lazy", "--local", "--output", "json"];
    let (out, _) = ran(it.policy(&words, &it.policies()), 0);
    let suggestion: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&suggestion["used"], &suggestion["sound"]), (&json!([]), &json!(true)));
    let words = ["suggest", "--agent", "nobody", "--local"];
    let (_, err) = ran(it.policy(&words, &it.policies()), 1);
    assert!(err.contains("no agent `nobody`"), "{err}");
    // Acting for somebody is use of one's own, too.
    let words = ["suggest", "--agent", "planner", "--local", "--output", "json"];
    let (out, _) = ran(it.policy(&words, &it.policies()), 0);
    let suggestion: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&suggestion["used"][0]["times"], &suggestion["sound"]), (&json!(1), &json!(true)));
    assert_eq!(suggestion["used"][0]["ttl_seconds"], 300);
}

const COUNTED: &str = r#"
[history.done]
action = "request_credential"
outcome = "success"
within = "1h"
"#;

/// Whoever is not told of the past is refused.
const FIRST: &str = r#"
@id("own.second") @title("Something else comes first")
forbid (principal is Gatewright::Agent, action == Gatewright::Action::"request_credential", resource in Gatewright::ToolSet::"counted")
unless { context.history.done >= 1 };
"#;

const SHORT: &str = r#"
@id("own.short") @title("Five minutes at most")
forbid (principal is Gatewright::Agent, action == Gatewright::Action::"request_credential", resource in Gatewright::ToolSet::"counted")
when { context.ask.ttl > duration("5m") };
"#;

#[tokio::test]
async fn its_rows_know_the_past_and_what_is_refused_by_now_is_not_its_doing() {
    let setup = policies::own(Setup::new()).with("policy.watch", "true");
    policies::put(setup.folder.path(), "history.toml", COUNTED);
    policies::put(setup.folder.path(), "90-own.cedar", FIRST);
    let gate = setup.start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let mut second = samples::calculate("second");
    second["tags"] = json!(["counted"]);
    admin.post("/api/v1/tools", &second).await.expect(201);
    let (_, robot) = gate.agent("robot", "agent").await;
    ask(&robot, "second", 600).await.problem(403, "denied");
    for tool in ["calc", "second", "second"] {
        ask(&robot, tool, 600).await.expect(201);
    }

    let (folder, out) = (policies::folder(gate.folder.path()), gate.folder.path().join("out"));
    let policy_in = |folder: &Path, words: &[&str]| {
        let mut command = gate.command(&["policy"]);
        command.args(words).arg("--dir").arg(folder);
        if words[0] != "fmt" {
            command.arg("--schema-dir").arg(root("schemas"));
        }
        command
    };
    let policy = |words: &[&str]| policy_in(&folder, words);
    let suggest = ["suggest", "--agent", "robot", "--since", "1h", "--local"];
    let mut command = policy(&suggest);
    command.arg("--out").arg(&out);
    let (_, told) = ran(command, 0);
    assert!(told.contains("can be relied on"), "{told}");
    let rows = std::fs::read_to_string(out.join("policies/tests/suggest-robot.toml")).unwrap();
    assert!(rows.contains("done = 2"), "{rows}");
    let with_it = gate.folder.path().join("with-it");
    copy(&folder, &with_it);
    for below in ["", "tests", "tests/fixtures"] {
        copy(&out.join("policies").join(below), &with_it.join(below));
    }
    std::fs::remove_file(with_it.join("90-own.cedar")).unwrap();
    ran(policy_in(&with_it, &["fmt", "--check"]), 0);
    std::fs::write(with_it.join("90-own.cedar"), FIRST).unwrap();
    ran(policy_in(&with_it, &["check"]), 0);

    policies::put(gate.folder.path(), "90-own.cedar", &format!("{FIRST}{SHORT}"));
    let started = Instant::now();
    let admin = Caller::new(&gate.url, admin.token.as_deref());
    while admin.get("/api/v1/policies/own.short").await.status != 200 {
        assert!(started.elapsed() < DEADLINE, "it was never taken up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (_, told) = ran(policy(&suggest), 0);
    for part in ["0 would close", "2 more the active bundle itself refuses by now", "relied on"] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}
