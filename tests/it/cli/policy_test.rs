//! `gatewright policy test`, as authors and their pipelines use it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use quick_junit::{Report, TestCaseStatus};
use serde_json::Value;
use tempfile::TempDir;

use super::offline::{edit, policies};
use super::{gatewright, run};

const OURS: &str = r#"
[[test]]
name = "ours: a call far below the limit"
principal = "Agent:bot"
action = "invoke"
resource = "Tool:lax"
token = ["agent:calc"]
usage.calls_today = 1
expect = "allow"

[[test]]
name = "ours: a call far above it"
principal = "Agent:bot"
action = "invoke"
resource = "Tool:lax"
token = ["agent:calc"]
usage.calls_today = 4000
expect = "deny"
by = ["ours.limit"]
"#;

const LIMIT: &str = r#"@id("ours.limit")
@title("At most 1,000 uses a day")
forbid (principal is Gatewright::Agent, action in Gatewright::Action::"call", resource == Gatewright::Tool::"lax")
when { context.usage.calls_today > 1000 };
"#;

/// A policy of our own beside the starter's, and two rows about it.
fn ours(folder: &Path) {
    fs::write(folder.join("policies/90-ours.cedar"), LIMIT).unwrap();
    fs::write(folder.join("policies/tests/ours.toml"), OURS).unwrap();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A sum that a rule of our own reads, and a row about it.
fn paid(rest: &str) -> TempDir {
    let folder = policies();
    let at = folder.path().join("policies");
    fs::write(
        at.join("history.toml"),
        "[history.paid_today]\naction = \"invoke\"\nset = \"payments\"\ncount = \"sum\"\n\
         of = \"/amount\"\nwithin = \"24h\"\n",
    )
    .unwrap();
    fs::write(
        at.join("90-ours.cedar"),
        LIMIT
            .replace("== Gatewright::Tool::\"lax\"", "in Gatewright::ToolSet::\"payments\"")
            .replace(
                "context.usage.calls_today > 1000",
                "context.history.paid_today.greaterThan(decimal(\"1000.00\"))",
            ),
    )
    .unwrap();
    edit(&at.join("tests/fixtures.toml"), |it| {
        it.replacen("[tool.lax]\n", "[tool.lax]\nsets = [\"payments\"]\n", 1)
    });
    let row = OURS.split("[[test]]").nth(1).unwrap();
    let row = row.replace("usage.calls_today = 1\nexpect = \"allow\"", rest);
    fs::write(at.join("tests/ours.toml"), format!("[[test]]{row}")).unwrap();
    folder
}

#[test]
fn a_sum_is_told_as_any_number_is() {
    let beyond = "expect = \"deny\"\nby = [\"ours.limit\"]";
    for (told, expect) in [
        ("1000.5", beyond),
        ("1001", beyond),
        ("\"1001.0\"", beyond),
        ("1000.0", "expect = \"allow\""),
        ("3", "expect = \"allow\""),
    ] {
        let folder = paid(&format!("history.paid_today = {told}\n{expect}"));
        run(folder.path(), &["policy", "test", "--filter", "ours: "]).expect(0);
    }
    for (told, says) in [
        ("paid_today = 0.12345", "`history.paid_today` is 0.12345, and it is a sum"),
        ("paid_today = true", "`history.paid_today` is true, and it is a sum"),
        ("paid = 1", "`history.toml` declares no `paid`"),
    ] {
        let folder = paid(&format!("history.{told}\nexpect = \"allow\""));
        let ran = run(folder.path(), &["policy", "test", "--filter", "ours: "]).expect(1);
        assert!(ran.err.contains(says) && !ran.err.contains("untagged"), "{}", ran.err);
    }
}

#[test]
fn a_row_about_what_the_fixtures_do_not_tell_of_says_so() {
    let folder = policies();
    ours(folder.path());
    edit(&folder.path().join("policies/tests/ours.toml"), |it| {
        it.replacen("Tool:lax", "Tool:deploytool", 1)
    });
    let ran =
        run(folder.path(), &["policy", "test", "--filter", "ours: a call far below"]).expect(1);
    assert!(ran.err.contains("no `Tool:deploytool` in the fixtures"), "{}", ran.err);
    assert!(!ran.err.contains("error while evaluating"), "{}", ran.err);
}

#[test]
fn rows_are_chosen_by_text_and_by_pattern() {
    let folder = policies();
    let rows = |filter: &str| {
        let ran = run(folder.path(), &["policy", "test", "--filter", filter, "--output", "json"]);
        json(&ran.expect(0).out)["rows"].as_u64().unwrap()
    };
    let limits = rows("tests/limits.toml");
    let office = rows("office at ");
    assert!(limits > office && office > 0, "{limits} of a file, {office} by name");
    assert_eq!(rows("limits.toml: office at .*07-15"), 4);
    assert_eq!(rows("office at 2026-03-15T11:00[Europe/Berlin]"), 1, "brackets are text, too");
    let ran = run(folder.path(), &["policy", "test", "--filter", "no such row"]).expect(1);
    assert!(ran.err.contains("no row is chosen"), "{}", ran.err);
}

#[test]
fn junit_names_every_row_and_the_place_of_those_that_fail() {
    let folder = policies();
    let table = folder.path().join("policies/tests/scopes.toml");
    edit(&table, |it| it.replacen("expect = \"allow\"", "expect = \"deny\"", 1));
    let words = ["policy", "test", "--junit", "report.xml", "--output", "json"];
    let ran = json(&run(folder.path(), &words).expect(1).out);
    assert_eq!(ran["passed"], false);
    assert_eq!(ran["failures"][0]["file"], "policies/tests/scopes.toml");

    let written = fs::read_to_string(folder.path().join("report.xml")).unwrap();
    let report = Report::deserialize_from_str(&written).unwrap();
    assert_eq!(report.tests as u64, ran["rows"].as_u64().unwrap());
    assert_eq!(report.failures, 1);
    let suite = report.test_suites.iter().find(|it| it.failures == 1).unwrap();
    assert_eq!(suite.name.as_str(), "policies/tests/scopes.toml");
    let failed = &suite.test_cases[0];
    assert_eq!(failed.name.as_str(), "User:anonymous holds read:public");
    let TestCaseStatus::NonSuccess { message, description, .. } = &failed.status else {
        panic!("{failed:?}");
    };
    assert!(message.as_ref().unwrap().as_str().contains("expected deny by"), "{message:?}");
    let place = description.as_ref().unwrap().as_str();
    assert!(place.contains("policies/tests/scopes.toml:3:1: row `"), "{place}");
    assert!(!written.contains("time="), "the same rows give the same file");
}

#[test]
fn where_nothing_was_tested_nothing_passes() {
    let folder = policies();
    let at = folder.path();
    let test = |words: &[&str]| run(at, &[&["policy", "test"], words].concat()).expect(1);
    let ran = test(&["--mutate=nosuch."]);
    assert!(ran.err.contains("no policy begins with `nosuch.`"), "{}", ran.err);

    let all = ["--min-coverage", "95", "--mutate", "--junit", "out.xml", "--output", "json"];
    let told = |file: &str, problem: &str| {
        let ran = json(&test(&all).out);
        assert_eq!((&ran["passed"], &ran["rows"]), (&false.into(), &0.into()), "{ran}");
        let failure = &ran["failures"][0];
        assert_eq!(failure["file"], file);
        assert!(failure["problem"].as_str().unwrap().contains(problem), "{ran}");
        let written = fs::read_to_string(at.join("out.xml")).unwrap();
        let report = Report::deserialize_from_str(&written).unwrap();
        assert_eq!(report.test_suites[0].name.as_str(), file);
        assert_eq!((report.tests, report.failures), (1, 1), "{written}");
        fs::remove_file(at.join("out.xml")).unwrap();
    };
    for entry in fs::read_dir(at.join("policies/tests")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "toml") && !path.ends_with("fixtures.toml") {
            fs::write(path, "").unwrap();
        }
    }
    told("policies", "the tables in `tests/` have no rows: nothing was tested");
    fs::remove_dir_all(at.join("policies/tests")).unwrap();
    told("policies", "there are no tables in `tests/`: nothing was tested");
    let ran = test(&["--mutate"]);
    assert!(ran.err.contains("policies: there are no tables"), "{}", ran.err);
    fs::write(at.join("policies/90-ours.cedar"), "this is not cedar at all").unwrap();
    told("policies/90-ours.cedar", "unexpected token");
}

#[test]
fn coverage_below_the_threshold_fails() {
    let folder = policies();
    ours(folder.path());
    let test = |words: &[&str]| run(folder.path(), &[&["policy", "test"], words].concat());
    let ours = ["--filter", "tests/ours.toml"];
    let ran = test(&[&ours[..], &["--coverage", "--output", "json"]].concat()).expect(0);
    let coverage = &json(&ran.out)["coverage"];
    let of = |id: &str| {
        let all = coverage["policies"].as_array().unwrap();
        all.iter().find(|it| it["policy"] == id).unwrap().clone()
    };
    let limit = of("ours.limit");
    assert_eq!((&limit["decided"], &limit["stood_back"]), (&true.into(), &true.into()));
    let condition = &limit["conditions"][0];
    assert_eq!(condition["text"], "context.usage.calls_today > 1000");
    assert_eq!((&condition["line"], &condition["column"]), (&4.into(), &8.into()));
    assert_eq!((&condition["was_true"], &condition["was_false"]), (&true.into(), &true.into()));
    // Nobody in these rows is delegated: Cedar never comes to ask about the mandate.
    let mandate = of("delegation.ttl");
    assert_eq!(mandate["conditions"][0]["was_true"], false);

    let ran = test(&[&ours[..], &["--min-coverage", "99"]].concat()).expect(1);
    assert!(ran.err.contains("the coverage is below 99 %"), "{}", ran.err);
    let place = "policies/10-guardrails.cedar:33:8: guard.risk.high: `[Gatewright::RiskLevel";
    assert!(ran.out.contains(place), "{}", ran.out);
    test(&["--min-coverage", "95"]).expect(0);
    test(&["--min-coverage", "101"]).expect(2);
}

#[test]
fn a_mutant_that_no_row_kills_is_listed_until_it_is_accepted() {
    let folder = policies();
    ours(folder.path());
    let mutate =
        |more: &[&str]| run(folder.path(), &[&["policy", "test", "--mutate=ours."], more].concat());
    let ran = mutate(&[]).expect(1);
    let survivor = "policies/90-ours.cedar:4:36: ours.limit: no row notices: \
                    context.usage.calls_today > 1000 → context.usage.calls_today > 1001";
    assert!(ran.err.contains("> 1000 → context.usage.calls_today >= 1000"), "{}", ran.err);
    assert!(ran.err.contains(survivor), "{}", ran.err);
    assert!(!ran.err.contains("!(context.usage"), "the rows notice that: {}", ran.err);
    assert!(ran.out.contains(" survive"), "{}", ran.out);

    let listed = json(&mutate(&["--output", "json"]).expect(1).out);
    let mut accepted = OURS.to_owned();
    for survivor in listed["mutation"]["survivors"].as_array().unwrap() {
        let mutant = survivor["mutant"].as_str().unwrap();
        accepted.push_str(&format!(
            "\n[[accept]]\npolicy = \"ours.limit\"\nmutant = '{mutant}'\nwhy = \"planted\"\n"
        ));
    }
    fs::write(folder.path().join("policies/tests/ours.toml"), accepted).unwrap();
    let ran = mutate(&[]).expect(0);
    assert!(ran.out.contains("0 survive: 100.0 %"), "{}", ran.out);
}

/// A process that is ended when nobody looks any more.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_watch_runs_again_after_every_edit() {
    let folder = policies();
    let mut command =
        gatewright(folder.path(), &["policy", "test", "--watch", "--filter", "roots"]);
    fs::write(folder.path().join("policies/tests/roots.toml"), "").unwrap();
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let _watching = Watching(child);
    let (told, lines) = mpsc::channel();
    for reader in [Box::new(out) as Box<dyn std::io::Read + Send>, Box::new(err)] {
        let told = told.clone();
        thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
    }
    await_line(&lines, "no row is chosen");
    let table = folder.path().join("policies/tests/roots.toml");
    let row = "[[test]]\nname = \"x\"\nprincipal = \"User:carol\"\naction = \"view_policy\"\n\
               resource = \"Bundle:b1\"\nexpect = \"allow\"\n";
    fs::write(&table, row).unwrap();
    await_line(&lines, "1 rows pass");
    fs::write(&table, row.replace("allow", "deny")).unwrap();
    await_line(&lines, "policies/tests/roots.toml:1:1: row `x`: expected deny, got allow");
    fs::write(&table, "[[test]\n").unwrap();
    await_line(&lines, "policies/tests/roots.toml:1:");
    fs::write(&table, row).unwrap();
    await_line(&lines, "1 rows pass");
}

/// The next line that contains `text`.
#[track_caller]
fn await_line(lines: &Receiver<String>, text: &str) {
    let mut seen = Vec::new();
    while let Ok(line) = lines.recv_timeout(Duration::from_secs(60)) {
        if line.contains(text) {
            return;
        }
        seen.push(line);
    }
    panic!("`{text}` was never told, but {seen:#?}");
}
