//! `gatewright policy prove` and `diff`: with the solver, and without it.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::offline::policies;
use super::policies::is_sarif;
use super::{Ran, gatewright};

const FREEZE: &str = r#"
@id("ours.freeze")
@title("Nothing is changed on Saturdays")
forbid (principal, action in Gatewright::Action::"govern", resource)
when { context.clock.local.weekday == Gatewright::Weekday::"sat" };
"#;

/// The shipped policies without their tables, and another file.
fn with(policy: &str) -> TempDir {
    let folder = policies();
    fs::remove_dir_all(folder.path().join("policies/tests")).unwrap();
    fs::write(folder.path().join("policies/90-ours.cedar"), policy).unwrap();
    folder
}

fn without_solver(folder: &TempDir, words: &[&str]) -> Ran {
    let mut command = gatewright(folder.path(), &["policy", "prove"]);
    Ran::from(command.args(words).env("CVC5", "/nonexistent").output().unwrap())
}

#[test]
fn without_a_solver_it_says_so_and_the_search_still_finds_a_lock_out() {
    let plain = with("// nothing of ours\n");
    let said = without_solver(&plain, &[]).expect(0).out;
    let unproven = "NOT PROVED  invariant: An active policy admin can always sign in\n  a search found \
                    nothing against it; not proved: CVC5 names `/nonexistent`, which is not there: install cvc5 \
                    1.0.3 or later (`apt-get install -y cvc5`)";
    assert!(said.contains(unproven), "{said}");
    assert!(said.contains("NOT PROVED  which policies never apply"), "{said}");
    assert!(said.contains("SEARCHED    searched 2") && said.contains(" to the end"), "{said}");

    let frozen = with(FREEZE);
    let against = plain.path().join("policies");
    let words = ["--against", against.to_str().unwrap()];
    let said = without_solver(&frozen, &words).expect(1).out;
    assert!(said.contains("REFUTED     invariant: An active policy admin"), "{said}");
    assert!(said.contains("context.clock.local.weekday = Weekday::\"sat\""), "{said}");
    assert!(said.contains("is denied by ours.freeze"), "{said}");
    assert!(said.contains("NOT PROVED  how the two differ\n  not proved: CVC5 names"), "{said}");

    let said = without_solver(&frozen, &["--output", "json"]).expect(1).out;
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(report["violations"][0]["policy"], "ours.freeze");
    assert_eq!(report["violations"][0]["counterexample"]["allowed"], false);
    assert_eq!(report["invariants"][0]["result"], "not_proved");
    assert!(report["policies"]["not_proved"].as_str().unwrap().contains("cvc5"));
}

#[test]
fn with_the_solver_it_names_what_is_left_when_the_time_is_over() {
    let (plain, frozen) = (with("// nothing of ours\n"), with(FREEZE));
    let against = plain.path().join("policies");
    let mut command = gatewright(frozen.path(), &["policy", "prove", "--seconds", "0"]);
    let words = ["--against", against.to_str().unwrap()];
    let said = Ran::from(command.args(words).output().unwrap()).expect(1).out;
    assert!(
        said.contains("the time of 0 s is over; left are User activate_policy Bundle"),
        "{said}"
    );
    let all = "policies are left, from `";
    assert!(said.contains(all), "{said}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let plain = with("// nothing of ours\n");
    without_solver(&plain, &["--against-schema-dir", "x"]).expect(2);
    let said = without_solver(&plain, &["--against", "nowhere"]).expect(1).err;
    assert!(said.contains("nowhere"), "{said}");
}

/// The types of one tool, kept beside the schema.
const PAY: &str = r#"
namespace Gatewright {
  action "call:pay" in ["call"] appliesTo {
    principal: [User, Agent], resource: [Tool], context: { input: Gatewright::Input::pay::Input }
  };
}
namespace Gatewright::Input::pay { type Input = { amount: decimal }; }
"#;

const LIMIT: &str = r#"
@id("ours.limit")
@title("At most 500 at once")
forbid (principal, action == Gatewright::Action::"call:pay", resource)
unless { context.input.amount.lessThanOrEqual(decimal("500.0")) };
"#;

#[test]
fn the_first_rule_about_arguments_is_told_as_what_it_closes() {
    let (plain, limited) = (with("// nothing of ours\n"), with(LIMIT));
    fs::write(limited.path().join("schemas/tools.cedarschema"), PAY).unwrap();
    let of = |it: &TempDir| it.path().to_str().unwrap().to_owned();
    let diff = |before: &TempDir, after: &TempDir, words: &[&str]| {
        let (before, after) = (of(before), of(after));
        let mut command = gatewright(plain.path(), &["policy", "diff", &before, &after]);
        Ran::from(command.args(words).output().unwrap()).expect(0).out
    };
    let said = diff(&plain, &limited, &[]);
    for part in [
        "added    ours.limit\n",
        "opens nothing (proved)\n",
        "closes:\n  ",
        "asks to Action::\"call:pay\"\n",
        "context.clock.local.weekday = ",
        "context.input.amount = ",
        "is denied by ours.limit\n",
        "by the other policies, Action::\"invoke\" is allowed by ",
        "note: calls of `pay` were asked as all calls are",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains('{'), "{said}");
    let told: Value = serde_json::from_str(&diff(&limited, &plain, &["--output", "json"])).unwrap();
    assert_eq!(told["comparison"]["status"], "proved");
    let opened = &told["comparison"]["widens"][0];
    assert_eq!(opened["action"], "Gatewright::Action::\"invoke\"");
    assert_eq!(
        (&opened["allowed"], &opened["elsewhere"]["allowed"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn findings_are_told_to_code_scanning_too() {
    let frozen = with(FREEZE);
    let said = without_solver(&frozen, &["--output", "sarif"]).expect(1).out;
    let log: Value = serde_json::from_str(&said).unwrap();
    is_sarif(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let frozen = results.iter().find(|it| it["properties"]["policy"] == "ours.freeze").unwrap();
    assert_eq!((&frozen["ruleId"], &frozen["level"]), (&"invariants".into(), &"error".into()));
    let region = &frozen["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"], 2);
}

const LESS: &str = r#"
@id("ours.less")
@title("Not so many")
forbid (principal, action in Gatewright::Action::"call", resource)
when { context.usage.calls_today > 50 };
"#;

const LINK: &str = r#"
[[link]]
id = "lingua.translates"
template = "grant.agent-tool"
principal = "Agent:lingua"
resource = "ToolSet:translation"
"#;

#[test]
fn links_are_compared_like_any_policy() {
    let (plain, linked) = (with("// nothing of ours\n"), with("// nothing of ours\n"));
    let both = with(LESS);
    for folder in [&linked, &both] {
        fs::write(folder.path().join("policies/links.toml"), LINK).unwrap();
    }
    let diff = |before: &TempDir, after: &TempDir| {
        let [before, after] = [before, after].map(|it| it.path().to_str().unwrap().to_owned());
        let mut command = gatewright(plain.path(), &["policy", "diff", &before, &after]);
        let ran = Ran::from(command.output().unwrap()).expect(0);
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
        ran.out
    };
    let said = diff(&plain, &linked);
    for part in [
        "added    lingua.translates\n",
        "file     policies/links.toml (added)\n",
        "closes nothing (proved)\n",
        "opens:\n  Agent::\"lingua\" asks to ",
        "is allowed by lingua.translates\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = diff(&linked, &both);
    assert!(said.contains("opens nothing (proved)\n"), "{said}");
    assert!(said.contains("is denied by ours.less"), "{said}");
    assert!(!said.contains("links.toml"), "{said}");
}
