//! Recorded decisions under other bundles.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fixture::{Asked, changed, entry, json, starter_and};
use super::*;
use crate::policy::SourceFile;

const LIMIT: &str = include_str!("../../../tests/it/rehearsal/limit.cedar");
const RISKY: &str = include_str!("../../../tests/it/rehearsal/risky.cedar");

const CREDENTIALS: &str = r#"
    @id("own.creds") @title("Two credentials a week")
    forbid (principal, action == Gatewright::Action::"request_credential", resource is Gatewright::Tool)
    when { context.history.creds > 2 };"#;

fn ids(flips: &[Flip]) -> Vec<u128> {
    flips.iter().map(|it| it.decision_id.as_u128() & 0xffff).collect()
}

/// Allowed for four uses in a minute, and denied for a tool of medium risk.
fn recorded(bundle: &Bundle) -> Vec<Entry> {
    let bundle = bundle.digest().to_owned();
    let uses = (1..=4).map(|n| Asked {
        number: n,
        calls_last_minute: n as u64,
        bundle: bundle.clone(),
        ..Asked::default()
    });
    let refused = Asked {
        number: 9,
        risk: "medium",
        allowed: false,
        bundle: bundle.clone(),
        ..Asked::default()
    };
    uses.chain([refused]).map(|it| entry(&it)).collect()
}

fn at_hand(bundle: &Arc<Bundle>) -> AtHand {
    AtHand::default().with(bundle.clone())
}

#[test]
fn under_the_bundle_that_decided_nothing_turns() {
    let own = Arc::new(Bundle::starter().unwrap());
    let replay = replay(&own, &at_hand(&own), recorded(&own));
    assert_eq!((replay.total, replay.replayed), (5, 5));
    assert_eq!((replay.opened_count(), replay.closed_count(), replay.unknown_count()), (0, 0, 0));
}

#[test]
fn a_limit_is_held_against_the_counters_of_then() {
    let own = Arc::new(Bundle::starter().unwrap());
    let replay = replay(&starter_and(LIMIT), &at_hand(&own), recorded(&own));
    assert_eq!((ids(&replay.closed), ids(&replay.opened)), (vec![3, 4], vec![]));
    assert_eq!(replay.blast_radius(), 2);
    let flip = &replay.closed[0];
    assert_eq!((&flip.principal.name[..], &flip.resource.name[..]), ("robot", "calc"));
    assert_eq!(
        (flip.reasons_before.as_slice(), flip.reasons_after.as_slice()),
        (&["use.low-risk".to_owned()][..], &["own.limit".to_owned()][..])
    );
    let groups = replay.groups().most_first();
    assert_eq!((groups.len(), groups[0].closed, groups[0].examples.len()), (1, 2, 2));
}

#[test]
fn a_permit_opens_what_was_denied() {
    let own = Arc::new(Bundle::starter().unwrap());
    let replay = replay(&starter_and(RISKY), &at_hand(&own), recorded(&own));
    assert_eq!((ids(&replay.opened), ids(&replay.closed)), (vec![9], vec![]));
    assert_eq!(replay.blast_radius(), 1);
    let report = Report::new("d", jiff::Timestamp::UNIX_EPOCH, replay, None).to_string();
    for told in [
        "1 would open",
        "agent robot, request_credential on Tool calc: 1 opened",
        "no permit -> own.risky",
    ] {
        assert!(report.contains(told), "`{told}` is not in:\n{report}");
    }
}

#[test]
fn a_zone_that_nobody_read_then_is_read_at_the_instant_of_then() {
    let policy = r#"
        @id("own.tokyo") @title("Nothing at seven in the evening in Tokyo")
        forbid (principal is Gatewright::Agent, action in Gatewright::Action::"use", resource)
        when { context.clock.world.hasTag("Asia/Tokyo") &&
               context.clock.world.getTag("Asia/Tokyo").time == duration("19h") };"#;
    let replay = replay(&starter_and(policy), &AtHand::default(), recorded(&starter_and("")));
    assert_eq!(replay.closed_count(), 4);
}

#[test]
fn what_cannot_be_asked_again_is_counted_by_why() {
    let own = Arc::new(Bundle::starter().unwrap());
    let with = |change: &dyn Fn(&mut Value)| {
        let mut entry = json(&Asked { bundle: own.digest().to_owned(), ..Asked::default() });
        change(&mut entry);
        serde_json::from_value::<Entry>(entry).unwrap()
    };
    let entries = [
        with(&|it| drop(it.as_object_mut().unwrap().remove("asked"))),
        with(&|it| it["asked"]["action"] = "sell_tool".into()),
        with(&|it| it["asked"]["resource"] = json!({ "kind": "Planet", "id": "mars" })),
        with(&|it| it["facts"] = json!({ "of": "another release" })),
        // Allowed by an own bundle that denies it.
        with(&|it| it["asked"]["entities"][0]["parents"] = json!([])),
        with(&|it| it["details"] = json!({ "shown": 3 })),
        with(&|it| drop(it.as_object_mut().unwrap().remove("bundle"))),
        with(&|_| {}),
    ];
    let replay = replay(&own, &at_hand(&own), entries);
    let expected = [("no_recorded_facts", 1), ("not_reproduced", 2), ("unreadable", 2)];
    let expected: BTreeMap<_, _> = expected.map(|(why, n)| (why.to_owned(), n)).into();
    assert_eq!(replay.unreplayable, expected);
    assert_eq!((replay.total, replay.replayed, replay.listings, replay.undecided), (6, 1, 1, 1));
    assert_eq!(replay.blast_radius(), u64::MAX, "five of six unknown");
}

#[test]
fn a_schema_that_asks_for_more_than_was_recorded_takes_nothing() {
    let candidate = changed(|sources| {
        let text = &mut sources.schema[0].text;
        *text = text.replace("attested: Bool,", "attested: Bool, badge: String,");
        assert!(text.contains("badge"));
    });
    let own = Arc::new(Bundle::starter().unwrap());
    let replay = replay(&candidate, &at_hand(&own), recorded(&own));
    assert_eq!(replay.unreplayable, BTreeMap::from([("not_in_schema".to_owned(), 5)]));
    assert_eq!((replay.replayed, replay.is_unknown()), (0, true));
}

#[test]
fn a_schema_that_only_adds_takes_everything() {
    let candidate = changed(|sources| {
        let text = &mut sources.schema[0].text;
        for (old, new) in [
            ("attested: Bool,", "attested: Bool, badge?: String,"),
            ("calls_ever: Long,", "calls_ever: Long, calls_this_year?: Long,"),
            ("max_ttl: duration,", "max_ttl: duration, price?: decimal,"),
            (
                "  action \"call\" in [\"use\"];",
                "  action \"call\" in [\"use\"];\n  action \"lend_tool\" in [\"use\"] appliesTo { principal: [Agent], resource: [Tool], context: CredCtx };",
            ),
        ] {
            assert!(text.contains(old), "{old}");
            *text = text.replacen(old, new, 1);
        }
        let own = r#"@id("own.badge") @title("Who wears a badge lends nothing")
            forbid (principal is Gatewright::Agent, action in Gatewright::Action::"use", resource is Gatewright::Tool)
            when { principal has badge || context.usage has calls_this_year };"#;
        sources.policies.push(SourceFile::new("policies", "90-own.cedar", own));
    });
    let own = Arc::new(Bundle::starter().unwrap());
    let replay = replay(&candidate, &at_hand(&own), recorded(&own));
    assert_eq!((replay.replayed, replay.unknown_count()), (5, 0), "{:?}", replay.unreplayable);
    assert_eq!((replay.opened_count(), replay.closed_count()), (0, 0));
}

#[test]
fn an_attribute_that_the_candidate_does_not_know_is_in_nobodys_way() {
    let own = Arc::new(changed(|sources| {
        let text = &mut sources.schema[0].text;
        *text = text.replace("attested: Bool,", "attested: Bool, badge?: String,");
    }));
    let asked = |number: usize, calls_last_minute: u64| Asked {
        number,
        calls_last_minute,
        bundle: own.digest().to_owned(),
        ..Asked::default()
    };
    let badged = [asked(1, 1), asked(2, 3)].map(|it| {
        let mut entry = json(&it);
        entry["asked"]["entities"][0]["attrs"]["badge"] = "gold".into();
        serde_json::from_value::<Entry>(entry).unwrap()
    });
    let replay = replay(&starter_and(LIMIT), &at_hand(&own), badged);
    assert_eq!((replay.replayed, replay.unknown_count()), (2, 0), "{:?}", replay.unreplayable);
    assert_eq!((ids(&replay.closed), replay.opened_count()), (vec![2], 0));
}

#[test]
fn a_number_that_counts_something_else_is_no_answer() {
    let with = |within: &str, policy: &str| {
        Arc::new(changed(|sources| {
            let text = format!("[history.creds]\naction = \"request_credential\"\n{within}");
            sources.history = Some(SourceFile::new("policies", "history.toml", text));
            sources.policies.push(SourceFile::new("policies", "90-own.cedar", policy));
        }))
    };
    let own = with("within = \"7d\"", CREDENTIALS);
    let told = |number: usize, count: u64, allowed: bool| {
        let bundle = own.digest().to_owned();
        let mut entry = json(&Asked { number, allowed, bundle, ..Asked::default() });
        entry["facts"]["history"] = serde_json::json!({ "creds": count });
        serde_json::from_value::<Entry>(entry).unwrap()
    };
    let recorded = || [told(1, 1, true), told(2, 3, false)];
    let under = |candidate: &Bundle, at_hand: &AtHand| {
        let replay = replay(candidate, at_hand, recorded());
        (replay.replayed, replay.unreplayable)
    };
    let unknown = |of: usize| BTreeMap::from([("not_in_schema".to_owned(), of)]);
    assert_eq!(under(&own, &at_hand(&own)), (2, BTreeMap::new()));
    // Nobody counted what happened within a second; and nobody asks for it here.
    assert_eq!(under(&with("within = \"1s\"", CREDENTIALS), &at_hand(&own)), (0, unknown(2)));
    assert_eq!(under(&with("within = \"1s\"", ""), &at_hand(&own)), (2, BTreeMap::new()));
    // Who does not know how it was declared then does not know what it counted.
    assert_eq!(under(&own, &AtHand::default()), (0, unknown(2)));
}
