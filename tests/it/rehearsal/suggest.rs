//! The tightest rules that an agent could have lived with, from what it did.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Scene, ask, ids, ran};
use crate::harness::{Caller, policies, samples};

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
