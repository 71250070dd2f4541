//! Replays on the host, of policies that were never uploaded.

use std::path::Path;

use rusqlite::Connection;
use serde_json::{Value, json};

use super::{LIMIT, RISKY, Scene, ids, ran};

const NO_APPROVED_CALLS: &str = r#"
@id("own.no-approved") @title("Nobody calls with an approval")
forbid (principal, action in Gatewright::Action::"call", resource is Gatewright::Tool)
when { context has approval };
"#;

const NOT_IN_OUR_NAME: &str = r#"
@id("own.not-ours") @title("Users let nobody use anything for them")
forbid (principal is Gatewright::User, action in Gatewright::Action::"use", resource is Gatewright::Tool)
when { context has delegation };
"#;

impl Scene {
    fn replayed(&self, policies: &Path) -> Value {
        let words = ["replay", "--since", "1h", "--output", "json"];
        let (out, _) = ran(self.policy(&words, policies), 0);
        serde_json::from_str(&out).unwrap()
    }
}

/// Opened and closed; all of it must have been asked again.
#[track_caller]
fn turned(report: &Value) -> (Vec<String>, Vec<String>) {
    assert_eq!(report["unreplayable"], json!({}), "{report:#}");
    assert_eq!((&report["total"], &report["unknown"]), (&report["replayed"], &json!(false)));
    (ids(report, "opened"), ids(report, "closed"))
}

#[tokio::test]
async fn each_candidate_turns_exactly_the_decisions_it_is_about() {
    let it = Scene::new().await;
    let none = Vec::<String>::new;

    let same = it.replayed(&it.policies());
    assert_eq!(turned(&same), (none(), none()), "under the very policies that decided");
    assert!(same["total"].as_u64().unwrap() > 20, "{same:#}");
    assert!(same["listings"].as_u64().unwrap() >= 1);
    assert_eq!(same["left_out"], Value::Null);

    let limit = it.candidate("limit", &[("90-own.cedar", LIMIT)]);
    let report = it.replayed(&limit);
    assert_eq!(turned(&report), (none(), it.allowed[2..].to_vec()), "the third and the fourth");
    let group = &report["groups"][0];
    assert_eq!(
        (&group["principal"]["name"], &group["resource"]["name"], &group["closed"]),
        (&json!("robot"), &json!("calc"), &json!(2))
    );
    assert_eq!(report["closed"][0]["reasons_before"], json!(["use.low-risk"]));
    assert_eq!(report["closed"][0]["reasons_after"], json!(["own.limit"]));

    let risky = it.candidate("risky", &[("90-own.cedar", RISKY)]);
    assert_eq!(turned(&it.replayed(&risky)), (vec![it.refused.clone()], none()));

    let unapproved = it.candidate("unapproved", &[("90-own.cedar", NO_APPROVED_CALLS)]);
    assert_eq!(turned(&it.replayed(&unapproved)), (none(), vec![it.approved.clone()]));
    let carefree = it.candidate("carefree", &[("50-human-in-the-loop.cedar", "")]);
    let (opened, _) = turned(&it.replayed(&carefree));
    assert!(opened.contains(&it.waiting), "{opened:?}");

    let alone = it.candidate("alone", &[("90-own.cedar", NOT_IN_OUR_NAME)]);
    assert_eq!(turned(&it.replayed(&alone)), (none(), vec![it.delegated.clone()]));

    codes(&it, &limit, &risky);
}

/// What the command tells people and programs.
fn codes(it: &Scene, limit: &Path, risky: &Path) {
    let (out, _) = ran(it.policy(&["replay", "--fail-on", "opened"], limit), 0);
    let third = format!("closed {}", it.allowed[2]);
    for told in ["0 would open (DENY to ALLOW), 2 would close", "agent robot", "Tool calc", &third]
    {
        assert!(out.contains(told), "`{told}` is not in:\n{out}");
    }
    ran(it.policy(&["replay", "--fail-on", "any"], limit), 1);
    ran(it.policy(&["replay", "--fail-on", "opened"], risky), 1);
    let (_, err) = ran(it.policy(&["replay", "--since", "yesterday"], limit), 2);
    assert!(err.contains("30d"), "{err}");
    let broken = it.candidate("broken", &[("90-own.cedar", "permit (principal")]);
    let (_, err) = ran(it.policy(&["replay"], &broken), 1);
    assert!(err.contains("90-own.cedar:1:"), "{err}");
    let (_, err) = ran(it.policy(&["replay", "--database", "sqlite:nowhere.db"], limit), 1);
    assert!(err.contains("no store") && !it.gate.folder.path().join("nowhere.db").exists());
}

#[tokio::test]
async fn what_was_not_recorded_in_full_is_counted_and_never_passed_over() {
    let it = Scene::new().await;
    let store = Connection::open(it.gate.folder.path().join("gatewright.db")).unwrap();
    let change = |sql: &str, ids: &[String]| {
        for id in ids {
            assert_eq!(store.execute(sql, [id]).unwrap(), 1);
        }
    };
    // As it was written before questions were recorded; and by somebody who does not reproduce.
    change("UPDATE audit SET body = json_remove(body, '$.asked') WHERE id = ?1", &it.allowed[..2]);
    change(
        "UPDATE audit SET body = json_set(body, '$.decision', 'allow') WHERE id = ?1",
        std::slice::from_ref(&it.refused),
    );
    let limit = it.candidate("limit", &[("90-own.cedar", LIMIT)]);
    let report = it.replayed(&limit);
    assert_eq!(report["unreplayable"], json!({ "no_recorded_facts": 2, "not_reproduced": 1 }));
    assert_eq!(
        (ids(&report, "opened"), ids(&report, "closed")),
        (vec![], it.allowed[2..].to_vec())
    );
    let (out, _) = ran(it.policy(&["replay"], &limit), 0);
    assert!(out.contains("3 could not be asked again"), "{out}");
    assert!(out.contains("2 were recorded without the facts"), "{out}");

    store.execute("UPDATE audit SET body = json_remove(body, '$.asked')", []).unwrap();
    let (out, _) = ran(it.policy(&["replay", "--fail-on", "opened"], &limit), 1);
    assert!(out.contains("NOBODY KNOWS"), "nothing is known, and that is no pass: {out}");
}
