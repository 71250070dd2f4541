//! The directory: good changes are taken up, bad ones ring, and a restart turns nobody back.

use serde_json::{Value, json};

use super::{FREEZE, LOCKS_OUT, People, TYPO, active, ask, calculator, deciding, denied};
use super::{figure, setup, until};
use crate::harness::{Gate, Setup, policies};

const DEGRADED: &str = "gatewright_policy_bundle_degraded";
const REFUSED: &str = "gatewright_policy_bundles_refused_total";
const FILE: &str = "90-own.cedar";
const BEHIND_FOUR: &str = "context.clock.local.weekday != Gatewright::Weekday::\"mon\" && \
    context.clock.local.time != duration(\"12h\") && context.session.age != duration(\"0s\") && \
    context.session has mfa_age && context.session.mfa_age != duration(\"0s\")";

/// A rule that locks policy admins out when `condition` holds.
fn hidden(condition: &str) -> String {
    format!(
        "@id(\"own.hidden\") @title(\"A well-meant rule\")\nforbid (principal is Gatewright::User, \
         action in Gatewright::Action::\"govern\", resource)\nwhen {{ {condition} }};\n"
    )
}

async fn readiness(gate: &Gate) -> Value {
    gate.anyone().get("/readyz").await.expect(200)
}

async fn is_degraded(gate: &Gate) -> bool {
    readiness(gate).await["status"] == "degraded"
}

fn logged(gate: &Gate, text: &str) -> bool {
    gate.log().iter().any(|it| it.contains(text))
}

#[tokio::test]
async fn a_good_change_is_the_head_and_a_bad_one_rings_until_it_is_mended() {
    let gate = setup(Setup::new()).with("policy.watch", "true").start();
    let (place, admin) = (gate.folder.path(), gate.admin().await);
    calculator(&admin).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    let before = active(&admin).await;
    policies::put(place, FILE, FREEZE);
    until(async || active(&admin).await["id"] != before["id"]).await;
    let frozen = active(&admin).await;
    assert_eq!((&frozen["origin"], &frozen["author"]["id"]), (&json!("directory"), &json!("host")));
    assert!(frozen["digest"] != before["digest"] && deciding(&gate, &frozen["digest"]).await);
    assert_eq!(
        (readiness(&gate).await["status"].clone(), figure(&gate, DEGRADED).await),
        (json!("ok"), 0.0)
    );

    let mut refused = 0.0;
    for (bad, says) in [
        ("permit (principal".to_owned(), "90-own.cedar:1:"),
        (format!("{}{TYPO}", FREEZE.trim_end().trim_end_matches(';')), "90-own.cedar:4:"),
        (LOCKS_OUT.to_owned(), "90-own.cedar:2:1"),
        // Behind more facts than a person would try, and where only the solver sees it.
        (hidden(BEHIND_FOUR), "is denied by own.hidden"),
        (hidden("context.clock.now.toTime() >= duration(\"13h\")"), "own.hidden"),
    ] {
        policies::put(place, FILE, &bad);
        until(async || figure(&gate, REFUSED).await > refused).await;
        refused += 1.0;
        until(async || is_degraded(&gate).await).await;
        let ready = readiness(&gate).await;
        let check = ready["checks"]["policy_bundle"].as_str().unwrap();
        assert!(check.starts_with("degraded: "), "{ready}");
        assert_eq!(figure(&gate, DEGRADED).await, 1.0);
        assert!(logged(&gate, says), "the log names the place and the mend: {says}");
        denied(&ask(&robot).await, &["own.freeze"]);
        assert_eq!(active(&admin).await["id"], frozen["id"]);
    }
    assert!(logged(&gate, "activate"), "the counter-example is shown");
    assert_eq!(figure(&gate, REFUSED).await, 5.0, "once for each change");
    let path = "/api/v1/audit-events?action=policy.refused";
    until(async || admin.get(path).await.expect(200)["items"].as_array().unwrap().len() == 5).await;
    let told = admin.get(path).await.expect(200);
    let entry = &told["items"][0]["entry"];
    assert_eq!(
        (&entry["actor"]["kind"], &entry["details"]["from"]),
        (&json!("system"), &json!("directory"))
    );
    assert!(entry["details"]["faults"][0]["problem"].is_string(), "{entry}");

    policies::put(place, FILE, FREEZE);
    until(async || !is_degraded(&gate).await).await;
    assert_eq!(figure(&gate, DEGRADED).await, 0.0);
    assert_eq!(active(&admin).await["id"], frozen["id"], "what is as it was is no change");
    policies::take(place, FILE);
    // The same files are the same bundle.
    until(async || active(&admin).await["id"] == before["id"]).await;
    ask(&robot).await.expect(201);
}

#[tokio::test]
async fn a_restart_with_an_old_checkout_turns_nobody_back() {
    let mut gate = setup(Setup::new()).with("policy.watch", "true").start();
    let people = People::on(&gate).await;
    let made = people.draft(FREEZE).await;
    people.carry(&made).await;
    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(active(&admin).await["id"], made["id"]);
    assert!(deciding(&gate, &made["digest"]).await);
    assert!(logged(&gate, "are ignored") && logged(&gate, "roll back to its digest"));
    assert_eq!(readiness(&gate).await["status"], "ok");

    // What was never active is taken up.
    policies::put(gate.folder.path(), FILE, &FREEZE.replace("own.freeze", "own.frost"));
    gate.restart();
    let admin = gate.admin().await;
    assert!(admin.get("/api/v1/policies/own.frost").await.status == 200);
    assert_eq!(active(&admin).await["origin"], "directory");

    // With broken files it decides by what the store has.
    let frost = active(&admin).await;
    policies::put(gate.folder.path(), FILE, "permit (principal");
    gate.restart();
    let admin = gate.admin().await;
    assert_eq!(active(&admin).await["id"], frost["id"]);
    assert!(is_degraded(&gate).await && logged(&gate, "90-own.cedar:1:"));
    policies::take(gate.folder.path(), FILE);
    until(async || !is_degraded(&gate).await).await;
    admin.get("/api/v1/policies/own.frost").await.problem(404, "not_found");
}

#[test]
fn the_first_policies_may_not_lock_everybody_out_either() {
    let setup = setup(Setup::new());
    policies::put(setup.folder.path(), FILE, LOCKS_OUT);
    let output = setup.command(&["serve"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("90-own.cedar:2:1") && said.contains("own.still"), "{said}");
}
