//! Policies that err, that are broken, and that change while the server runs.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{ask, denied, entry, tool};
use crate::harness::{Gate, Setup, policies};

const DEADLINE: Duration = Duration::from_secs(20);
const ERRORS: &str = "gatewright_policy_evaluation_errors_total";

/// Strictly valid, sound to every lint, and beyond 64 bits as soon as it is asked.
const OVERFLOWS: &str = r#"
@id("own.overflow") @title("A permit that cannot be evaluated")
permit (
  principal is Gatewright::Agent,
  action in [Gatewright::Action::"request_credential", Gatewright::Action::"discover_tool"],
  resource is Gatewright::Tool
)
when { context.session.aal + 9223372036854775807 > 0 };
"#;

const FREEZE: &str = r#"
@id("own.freeze") @title("Nobody uses anything during the freeze")
forbid (principal, action in Gatewright::Action::"use", resource is Gatewright::Tool);
"#;

async fn errors_counted(gate: &Gate) -> u64 {
    let text = gate.anyone().get("/metrics").await.text;
    let line = text.lines().find_map(|it| it.strip_prefix(ERRORS)).unwrap();
    line.trim().parse().unwrap()
}

/// Asks until the answer is as wanted; panics at the deadline.
async fn until(mut wanted: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !wanted().await {
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn an_error_in_any_policy_turns_an_allow_into_a_denial() {
    let setup = policies::own(Setup::new());
    policies::put(setup.folder.path(), "90-own.cedar", OVERFLOWS);
    let gate = setup.start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({})).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    assert_eq!(errors_counted(&gate).await, 0);

    let refused = ask(&robot, "calc").await;
    let problem = refused.problem(403, "denied");
    assert_eq!(problem["fix"], json!([]));
    assert!(!refused.text.contains("overflow"), "what broke is not the caller's to know");
    let written = entry(&admin, &refused).await;
    assert_eq!((&written["decision"], &written["outcome"]), (&json!("deny"), &json!("denied")));
    assert_eq!(written["errors"].as_array().unwrap().len(), 1);
    assert!(written["errors"][0].as_str().unwrap().contains("own.overflow"), "{written}");
    assert_eq!(errors_counted(&gate).await, 1);
    // Others are not asked by it, and go on.
    ask(&admin, "calc").await.expect(201);
    assert_eq!(errors_counted(&gate).await, 1);

    assert_eq!(robot.get("/api/v1/tools").await.expect(200)["items"], json!([]));
    let listed = admin.get("/api/v1/audit-events?action=tool.list&actor=robot").await.expect(200);
    let written = &listed["items"][0]["entry"];
    assert!(written["errors"][0].as_str().unwrap().contains("own.overflow"), "{written}");
    assert_eq!(errors_counted(&gate).await, 2);
}

#[test]
fn broken_policies_stop_the_start_and_say_where_and_how_to_mend_them() {
    let scope = "permit (principal, action == Gatewright::Action::\"view_self\", resource)";
    let forbid = "forbid (principal, action == Gatewright::Action::\"invoke\", resource)";
    let head = "@id(\"own.x\")\n@title(\"A rule of our own\")\n";
    for (text, says) in [
        (format!("{head}{scope}"), vec!["90-own.cedar:3:"]),
        (
            format!("{head}{scope}\nwhen {{ principal.stat == 1 }};"),
            vec!["own.x", "`stat`", "state"],
        ),
        (
            format!("{head}{scope}\nwhen {{ context.risk == Gatewright::RiskLevel::\"hihg\" }};"),
            vec!["90-own.cedar:4:", "own.x", "hihg"],
        ),
        (
            format!("{head}{forbid}\nwhen {{ context.usage.calls_today + 1 > 5 }};"),
            vec!["90-own.cedar:1:1", "own.x", "can overflow", "compare with literals"],
        ),
        (format!("{scope};"), vec!["90-own.cedar:1:1", "without @id", "name it"]),
        (
            format!("@id(\"guard.net.blocked\")\n@title(\"Again\")\n{scope};"),
            vec!["guard.net.blocked", "already"],
        ),
    ] {
        let setup = policies::own(Setup::new());
        policies::put(setup.folder.path(), "90-own.cedar", &text);
        let said = refused_to_start(setup.command(&["serve"]));
        for word in says {
            assert!(said.contains(word), "`{word}` is not in:\n{said}\nabout:\n{text}");
        }
        assert!(!setup.folder.path().join("gatewright.db").exists(), "no store was touched");
    }
}

#[test]
fn policies_that_are_not_there_stop_the_start() {
    let setup = policies::own(Setup::new());
    policies::replace(setup.folder.path(), "");
    policies::take(setup.folder.path(), "only.cedar");
    let templates = policies::folder(setup.folder.path()).join("templates");
    std::fs::remove_dir_all(templates).unwrap();
    let said = refused_to_start(setup.command(&["serve"]));
    assert!(said.contains("gatewright init"), "{said}");
    std::fs::remove_dir_all(policies::folder(setup.folder.path())).unwrap();
    let said = refused_to_start(setup.command(&["serve"]));
    assert!(said.contains("policies"), "{said}");
}

/// What a start that must fail says.
fn refused_to_start(mut command: Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("\"serving\""), "{said}");
    said
}

#[tokio::test]
async fn a_good_edit_decides_at_once_and_a_broken_one_never() {
    let setup = policies::own(Setup::new()).with("policy.watch", "true");
    let gate = setup.start();
    let place = gate.folder.path();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({})).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let before = ask(&robot, "calc").await;
    before.expect(201);

    policies::put(place, "90-own.cedar", FREEZE);
    until(async || ask(&robot, "calc").await.status == 403).await;
    let frozen = ask(&robot, "calc").await;
    denied(&frozen, &["own.freeze"], &[]);

    policies::put(place, "90-own.cedar", "permit (principal");
    until(async || gate.log().iter().any(|it| it.contains("are refused"))).await;
    assert!(
        gate.log().iter().any(|it| it.contains("90-own.cedar:1:")),
        "the alarm names the place"
    );
    let still = ask(&robot, "calc").await;
    denied(&still, &["own.freeze"], &[]);
    gate.anyone().get("/readyz").await.expect(200);

    policies::take(place, "90-own.cedar");
    until(async || ask(&robot, "calc").await.status == 201).await;
    let after = ask(&robot, "calc").await;
    let mut bundles = Vec::new();
    for answer in [&before, &frozen, &still, &after] {
        bundles.push(entry(&admin, answer).await["bundle"].clone());
    }
    assert_eq!(bundles[0], bundles[3], "the same policies have the same digest");
    assert_eq!(bundles[1], bundles[2], "and the broken ones decided nothing");
    assert_ne!(bundles[0], bundles[1]);
}
