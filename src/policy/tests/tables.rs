//! Tables and fixtures: what they say, and where they are wrong.

use std::sync::LazyLock;

use super::shown;
use crate::policy::load::{SourceFile, Sources};
use crate::policy::table::Table;
use crate::policy::{Bundle, Fault};

static STARTER: LazyLock<Bundle> = LazyLock::new(|| Bundle::starter().unwrap());

/// The starter bundle's fixtures, and a table of its own.
fn read(table: &str) -> Result<Table, Vec<Fault>> {
    read_with(table, &[])
}

fn read_with(table: &str, fixtures: &[(&str, &str)]) -> Result<Table, Vec<Fault>> {
    let mut tests = Sources::starter().tests.unwrap();
    tests.tables = vec![SourceFile::new("policies", "tests/ours.toml", table)];
    let more = fixtures.iter().map(|(name, text)| SourceFile::new("policies", name, *text));
    tests.fixtures.extend(more);
    Table::read(&tests, &STARTER)
}

/// What is wrong with a table before it runs, or with the rows once it has.
fn faults(table: &str) -> String {
    let faults = read(table).map_or_else(|faults| faults, |it| it.faults(&STARTER));
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

const CALL: &str = r#"
principal = "Agent:bot"
action = "invoke"
resource = "Tool:calc"
token = ["agent:calc"]
"#;

fn row(name: &str, rest: &str) -> String {
    format!("[[test]]\nname = \"{name}\"{CALL}{rest}\n")
}

#[test]
fn a_row_that_expects_something_else_is_a_fault_at_its_line() {
    let mut starter = Sources::starter();
    let calls = starter.tests.as_mut().unwrap().tables.iter_mut();
    let calls = calls.into_iter().find(|it| it.name == "tests/calls.toml").unwrap();
    let right = "expect = \"allow\"\nby = [\"use.low-risk\"]";
    calls.text = calls.text.replacen(right, "expect = \"deny\"", 1);
    let wrong = calls.text.find("expect = \"deny\"").unwrap();
    let before = &calls.text[..wrong];
    let line = before[..before.rfind("[[test]]").unwrap()].matches('\n').count() + 1;
    let found = shown(Bundle::from_sources(starter));
    assert!(found.starts_with(&format!("policies/tests/calls.toml:{line}:1: row `")), "{found}");
    assert!(found.contains(r#"expected deny, got allow by ["use.low-risk"]"#), "{found}");
}

#[test]
fn what_a_table_says_wrong_is_shown_where_it_stands() {
    let second = row("one", "expect = \"allow\"");
    for (rest, place, problem) in [
        ("ttl_seconds = 1\nexpect = \"deny\"", "8:1", "the action is not told `ttl_seconds`"),
        ("weather = \"fine\"\nexpect = \"deny\"", "8:1", "no fact `weather`"),
        ("at = \"noon\"\nexpect = \"deny\"", "8:1", "`at` is `noon`, not like `2026-03-14T09:00["),
        ("expect = \"perhaps\"", "14:10", "unknown variant `perhaps`"),
        ("change.\"Tool:gone\".risk = \"low\"\nexpect = \"deny\"", "8:1", "the world has no"),
        ("grants = [{ template = \"x\" }]\nexpect = \"deny\"", "8:1", "no template `x`"),
    ] {
        let found = faults(&format!("{second}{}", row("two", rest)));
        let place = format!("policies/tests/ours.toml:{place}: ");
        assert!(found.starts_with(&place), "{found}\nwas expected at {place}");
        assert!(found.contains(problem), "{found}");
    }
    let found = faults(&format!("{second}{second}"));
    assert!(found.starts_with("policies/tests/ours.toml:8:1: a row `one` stands"), "{found}");
    let found = faults("[[test]]\nname = \"x\n");
    assert!(found.starts_with("policies/tests/ours.toml:2:"), "{found}");
    let found = faults("[[tests]]\n");
    assert!(found.starts_with("policies/tests/ours.toml:1:"), "{found}");
}

#[test]
fn a_table_in_json_is_refused() {
    let mut tests = Sources::starter().tests.unwrap();
    tests.tables.push(SourceFile::new("policies", "tests/old.json", "[]"));
    let found = Table::read(&tests, &STARTER).map(|_| ()).unwrap_err();
    assert_eq!(found[0].to_string(), "policies/tests/old.json: a table is TOML");
}

#[test]
fn a_clock_with_its_zone_says_where_home_is() {
    let office = |name: &str, at: &str, expect: &str| {
        row(name, &format!("at = {at}\nexpect = \"{expect}\"")).replace("Tool:calc", "Tool:office")
    };
    let rows = [
        office("berlin", "\"2026-03-11T09:00[Europe/Berlin]\"", "allow"),
        office("tokyo", "\"2026-03-11T09:00[Asia/Tokyo]\"", "allow"),
        // Without a zone, home is where the fixtures have it: 8:59 in Berlin.
        office("before nine", "\"2026-03-11T07:59:00Z\"", "deny"),
        office("without quotes", "2026-03-11T08:00:00Z", "allow"),
    ];
    assert_eq!(faults(&rows.concat()), "");
}

#[test]
fn defaults_are_told_to_whom_the_schema_tells_them() {
    let rows = "[defaults]\ntoken = [\"agent:calc\"]\nttl_seconds = 60\n".to_owned()
        + &row("a call is told no time to live", "expect = \"allow\"")
            .replace("token = [\"agent:calc\"]\n", "")
        + &row("a row has the last word", "token = []\nexpect = \"deny\"")
            .replace("token = [\"agent:calc\"]\n", "");
    assert_eq!(faults(&rows), "");
    let found = faults("[defaults]\nwhether = 1\n");
    assert!(
        found.starts_with("policies/tests/ours.toml:") && found.contains("no fact `whether`"),
        "{found}"
    );
}

#[test]
fn fixtures_are_read_in_both_forms() {
    let toml = "[group.readers]\nroles = [\"agent\"]\n\n[agent.reader]\nparents = [\"Group:readers\"]\n\
                owner = \"uma\"\nstate = \"active\"\nattested = true\ntags = { team = \"blue\" }\n";
    let json = r#"[{ "uid": { "type": "Gatewright::Agent", "id": "cedar" },
        "attrs": { "owner": { "type": "Gatewright::User", "id": "uma" }, "attested": false,
                   "state": { "type": "Gatewright::Lifecycle", "id": "active" } },
        "parents": [{ "type": "Gatewright::Role", "id": "agent" }] }]"#;
    let more = [("tests/fixtures/more.toml", toml), ("tests/fixtures/cedar.json", json)];
    let rows = row("by group", "expect = \"allow\"").replace("Agent:bot", "Agent:reader")
        + &row("by role", "expect = \"allow\"").replace("Agent:bot", "Agent:cedar");
    let table = read_with(&rows, &more).unwrap_or_else(|it| panic!("{it:?}"));
    assert_eq!(table.faults(&STARTER), Vec::new());
}

#[test]
fn a_fixture_that_the_schema_refuses_is_shown_where_it_stands() {
    for (text, line, problem) in [
        ("[user.zoe]\nstate = \"active\"\n\n[user.yan]\nstate = \"asleep\"\n", 4, "asleep"),
        ("[user.zoe]\nstate = \"active\"\nage = 7\n", 1, "age"),
        ("[user.zoe]\nstate = \"active\"\nroles = \"user\"\n", 1, "`roles` is no list"),
        ("[unicorn.zoe]\n", 1, "no kind of entity `unicorn`"),
        ("[user.uma]\nstate = \"active\"\n", 1, "`User:uma` is there twice"),
        ("[facts]\nweather = 1\n", 2, "no fact `weather`"),
    ] {
        let found = read_with("", &[("tests/fixtures/more.toml", text)]).map(|_| ()).unwrap_err();
        let found = found[0].to_string();
        let place = format!("policies/tests/fixtures/more.toml:{line}:");
        assert!(found.starts_with(&place) && found.contains(problem), "{found}\nfor {text}");
    }
}

#[test]
fn a_denial_offers_the_help_that_its_row_expects() {
    let elevated = |fix: &str| {
        format!(
            "[[test]]\nname = \"deleting\"\nprincipal = \"User:bob\"\naction = \"delete_tool\"\n\
             resource = \"Tool:calc\"\nexpect = \"deny\"\nfix = {fix}\n"
        )
    };
    assert_eq!(faults(&elevated("[\"reauth\"]")), "");
    let found = faults(&elevated("[\"mfa\"]"));
    assert!(found.contains("expected the fix [`mfa`], got [`reauth`]"), "{found}");
    assert!(faults(&elevated("[\"luck\"]")).contains("unknown variant `luck`"));
}

#[test]
fn no_row_is_blind_to_a_change_of_a_starter_policy() {
    let table = Table::read(&Sources::starter().tests.unwrap(), &STARTER).unwrap();
    let mutation = table.mutate(&STARTER, "", &|_, _| ()).unwrap();
    let survivors: Vec<String> =
        mutation.survivors.iter().map(|it| it.fault().to_string()).collect();
    assert_eq!(survivors, Vec::<String>::new(), "write a row that fails, or accept the mutant");
    assert_eq!(mutation.stale, Vec::<String>::new());
    assert!(mutation.mutants > 800, "only {} mutants were made", mutation.mutants);
}
