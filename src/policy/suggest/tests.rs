//! Suggestions from recorded uses.

use std::sync::Arc;

use super::proof::difference;
use super::write::ids;
use super::*;
use crate::audit::Entry;
use crate::policy::Tests;
use crate::policy::replay::fixture::{Asked, CALC, ROBOT, changed, entry, starter_and};
use crate::policy::replay::{Gathering as _, replay};
use crate::policy::table::Table;

const OTHER: &str = "0192f3c8-7c1e-7000-8000-000000000003";

fn uses(active: &Arc<Bundle>, asked: &[Asked]) -> Uses {
    let mut uses = Uses::of(ROBOT.parse().unwrap(), active.clone());
    asked.iter().for_each(|it| uses.take(Ok(entry(it))));
    uses
}

fn text(uses: &Uses, name: &str) -> String {
    let agent = Known { kind: "agent".into(), id: ROBOT.into(), name: name.into() };
    let (preface, used, bounds) = (vec!["Why".to_owned()], &uses.all()[..], uses.seen.bounds());
    Proposal { agent: &agent, preface, used, bounds }.text()
}

/// By what the suggestion denies these.
fn closed(policies: &str, asked: &[Asked]) -> Vec<String> {
    let candidate = starter_and(policies);
    let entries: Vec<Entry> = asked.iter().map(entry).collect();
    let replay = replay(&candidate, &AtHand::default(), entries);
    assert_eq!((replay.opened_count(), replay.unknown_count()), (0, 0));
    replay.closed.into_iter().flat_map(|it| it.reasons_after).collect()
}

#[test]
fn what_was_used_stays_and_everything_else_goes() {
    let active = Arc::new(Bundle::starter().unwrap());
    let seen = [
        Asked { scopes: &["evaluate"], ttl_seconds: 60, ..Asked::default() },
        Asked { scopes: &["explain"], ttl_seconds: 600, ..Asked::default() },
        // Denied then: no use.
        Asked { tool: OTHER, risk: "medium", allowed: false, ..Asked::default() },
    ];
    let uses = uses(&active, &seen);
    let used = uses.all();
    assert_eq!((used.len(), used[0].times, used[0].ttl_seconds), (1, 2, Some(600)));
    let policies = text(&uses, "robot");
    let both = Asked { scopes: &["evaluate", "explain"], ..Asked::default() };
    assert_eq!(closed(&policies, &[both]), Vec::<String>::new(), "{policies}");
    for (asked, by) in [
        (Asked { tool: OTHER, ..Asked::default() }, "suggest.robot.only"),
        (Asked { ttl_seconds: 601, ..Asked::default() }, "suggest.robot.calc.ttl"),
    ] {
        assert_eq!(closed(&policies, &[asked]), [by]);
    }
    let narrow = text(&self::uses(&active, &seen[..1]), "robot");
    let wider = Asked { ttl_seconds: 60, scopes: &["explain"], ..Asked::default() };
    assert_eq!(closed(&narrow, &[wider]), ["suggest.robot.calc.scopes"]);
    assert!(narrow.contains(CALC));
}

#[test]
fn nothing_used_closes_everything() {
    let active = Arc::new(Bundle::starter().unwrap());
    let policies = text(&uses(&active, &[]), "robot");
    assert_eq!(closed(&policies, &[Asked::default()]), ["suggest.robot.only"]);
}

#[test]
fn two_tools_of_one_name_and_a_strange_agent_are_told_apart() {
    let active = Arc::new(Bundle::starter().unwrap());
    let seen = [Asked::default(), Asked { tool: OTHER, ..Asked::default() }];
    let policies = text(&uses(&active, &seen), "The.Robot_of@home");
    let candidate = starter_and(&policies);
    assert!(candidate.meta("suggest.the.robot_of@home.only").is_some());
    assert_eq!(candidate.metas().keys().filter(|it| it.starts_with("suggest.")).count(), 5);
}

#[test]
fn circumstances_are_offered_as_comments_that_hold_when_they_are_taken_up() {
    let active = Arc::new(Bundle::starter().unwrap());
    let seen: Vec<Asked> = (0..20).map(|_| Asked::default()).collect();
    let policies = text(&uses(&active, &seen), "robot");
    assert!(!starter_and(&policies).metas().contains_key("suggest.robot.option-1"));
    let (before, options) = policies.split_once("// Not taken up").unwrap();
    let taken: Vec<&str> = options
        .lines()
        .skip(1)
        .filter(|it| !it.starts_with("// all "))
        .map(|it| it.trim_start_matches("//"))
        .collect();
    let candidate = starter_and(&format!("{before}{}", taken.join("\n")));
    assert!(candidate.metas().contains_key("suggest.robot.option-2"), "{policies}");
    let entries: Vec<Entry> = seen.iter().map(entry).collect();
    assert_eq!(replay(&candidate, &AtHand::default(), entries).closed_count(), 0);
}

#[test]
fn only_forbids_are_known_to_widen_nothing() {
    let active = Bundle::starter().unwrap();
    let narrower = "@id(\"own.no\") @title(\"Nothing at all\")
                    forbid (principal, action in Gatewright::Action::\"call\", resource);";
    let wider = narrower.replace("forbid", "permit");
    let narrowed = starter_and(narrower);
    assert_eq!(difference(&active, &narrowed), None);
    let found = difference(&active, &starter_and(&wider));
    assert_eq!(found.as_deref(), Some("`own.no` is no forbid"));
    assert_eq!(difference(&narrowed, &active).as_deref(), Some("`own.no` is gone"));
    let for_people =
        narrower.replace("Nothing at all", "Nothing whatever").replace("forbid", "// no\nforbid");
    assert_eq!(difference(&narrowed, &starter_and(&for_people)), None);
    let other = narrower.replace(
        "in Gatewright::Action::\"call\"",
        "== Gatewright::Action::\"request_credential\"",
    );
    let changed = difference(&narrowed, &starter_and(&other));
    assert_eq!(changed.as_deref(), Some("`own.no` differs"));
}

#[tokio::test]
#[cfg(feature = "prove")]
async fn what_takes_the_place_of_an_older_suggestion_is_proved_or_refuted() {
    let starter = Arc::new(Bundle::starter().unwrap());
    let suggested = |seen: &[Asked]| Arc::new(starter_and(&text(&uses(&starter, seen), "robot")));
    let seen = [Asked::default(), Asked { tool: OTHER, ..Asked::default() }];
    let (both, one) = (suggested(&seen), suggested(&seen[..1]));
    let narrower = Widening::of(&both, &one).await;
    assert!(narrower.nothing && narrower.why.contains("the solver finds nothing"), "{narrower:?}");
    let wider = Widening::of(&one, &both).await;
    assert!(!wider.nothing && wider.why.starts_with("refuted: `suggest.robot."), "{wider:?}");
    assert!(wider.why.contains(OTHER), "{}", wider.why);
}

/// Holds the rows for these uses, under the starter policies and `own`, against the suggestion: the
/// text of the table, what is said to have no row, and whether every policy is noticed.
fn held(own: &str, asked: &[Asked]) -> (String, Vec<WithoutRow>) {
    let active = Arc::new(starter_and(own));
    let uses = uses(&active, asked);
    let (policies, used) = (text(&uses, "robot"), uses.all());
    let agent = Known { kind: "agent".into(), id: ROBOT.into(), name: "robot".into() };
    let candidate = starter_and(&format!("{own}{policies}"));
    let evidence = Evidence {
        agent: &agent,
        used: &used,
        uses: uses.recorded(&used).collect(),
        active: &active,
        candidate: &candidate,
    };
    let (files, without) = tests(&evidence, "robot");
    let Some(table_text) = files.first().map(|it| it.text.clone()) else {
        return (String::new(), without);
    };
    let bundle = changed(|sources| {
        let all = format!("{own}{policies}");
        sources.policies.push(SourceFile::new("policies", "suggest.cedar", all.as_str()));
        let tests = sources.tests.take().unwrap();
        let ours = files.iter().map(|it| {
            SourceFile::new("policies", it.path.strip_prefix("policies/").unwrap(), &*it.text)
        });
        let all = tests.tables.into_iter().chain(tests.fixtures).chain(ours);
        sources.tests = Tests::of(all.collect());
    });
    let table = Table::read(bundle.sources().tests.as_ref().unwrap(), &bundle).unwrap();
    let faults: Vec<String> = table.faults(&bundle).iter().map(ToString::to_string).collect();
    assert_eq!(faults, Vec::<String>::new(), "{table_text}");
    let unnoticed = table.unnoticed(&bundle).unwrap();
    let ours = ids(&agent, &used);
    assert!(
        ours.iter().all(|it| {
            unnoticed.contains(it) == without.iter().any(|told| told.what == format!("`{it}`"))
        }),
        "{unnoticed:?}"
    );
    (table_text, without)
}

#[test]
fn the_rows_hold_and_notice_every_policy() {
    let (table, without) = held("", &[Asked::default()]);
    assert_eq!((table.matches("[[test]]").count(), without), (4, Vec::new()), "{table}");
    // Nothing but this tool is allowed to it: another is refused without `only`, too.
    let own = format!(
        "@id(\"own.this\") @title(\"This tool, and no other\")
         permit (principal is Gatewright::Agent, action == Gatewright::Action::\"request_credential\",
                 resource == Gatewright::Tool::\"{CALC}\");\n"
    );
    let (table, without) = held(&own, &[Asked { risk: "high", ..Asked::default() }]);
    assert_eq!((table.matches("[[test]]").count(), without.len()), (3, 1), "{table}");
    assert_eq!(without[0].what, "`suggest.robot.only`");
    let two = [Asked::default(), Asked { tool: OTHER, ..Asked::default() }];
    let (table, without) = held("", &two);
    assert_eq!((table.matches("[[test]]").count(), without), (7, Vec::new()), "{table}");
}

#[test]
fn what_has_no_row_is_told() {
    let (table, without) = held("", &[]);
    assert_eq!((table.as_str(), without.len()), ("", 1));
    assert_eq!(without[0].what, "`suggest.robot.only`");
    assert!(without[0].why.starts_with("nothing was used"), "{without:?}");
}

#[test]
fn what_cannot_be_relied_on_says_why() {
    let mut replay = crate::policy::replay::Replay::default();
    replay.unreplayable.insert("not_in_schema".to_owned(), 3);
    let since = Timestamp::UNIX_EPOCH;
    let suggestion = Suggestion {
        agent: Known { kind: "agent".into(), id: ROBOT.into(), name: "robot".into() },
        since,
        used: Vec::new(),
        files: Vec::new(),
        closed_already: 0,
        replay: Report::new("digest", since, replay, None),
        widens: Widening { nothing: true, why: "it adds nothing".to_owned() },
        left_out: None,
        unreadable: 2,
        without_rows: vec![WithoutRow { what: "`x`".to_owned(), why: "because".to_owned() }],
        sound: false,
    };
    let told = suggestion.to_string();
    for part in [
        "no row holds `x`: because",
        "it can NOT be relied on as it stands:",
        "  2 uses cannot be read",
        "  3 decisions do not fit the candidate's schema",
    ] {
        assert!(told.contains(part), "`{part}` is not in:\n{told}");
    }
}
