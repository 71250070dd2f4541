use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Entities, Request};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;
use crate::authz::uid::{Kind, uid};
use crate::policy::Bundle;

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn clock(now: &str, zones: &[&str]) -> Result<ClockFacts> {
    let zones: Vec<String> = zones.iter().map(|it| (*it).to_owned()).collect();
    ClockFacts::at(instant(now), &TimeZone::get("Europe/Berlin").unwrap(), &zones)
}

fn facts(particulars: Particulars) -> Facts {
    Facts {
        clock: Arc::new(clock("2026-03-11T10:00:00.250Z", &["America/New_York"]).unwrap()),
        net: NetFacts::new(
            "::ffff:66.249.1.2".parse().unwrap(),
            ["vpn".to_owned()].into(),
            Some("DE".to_owned()),
        ),
        session: SessionFacts {
            aal: 2,
            age: Age::from_millis(60_000),
            mfa_age: Some(Age::from_millis(1500)),
            reauth_age: None,
            by_client: false,
        },
        risk: Risk::Low,
        risk_reasons: Vec::new(),
        token_scopes: ["agent:calc".to_owned()].into(),
        delegation: Some(delegation()),
        history: None,
        particulars,
    }
}

fn usage() -> Usage {
    Usage {
        calls_last_minute: 3,
        calls_today: 4,
        cost_today_micros: 10_000_001,
        failures_last_hour: 0,
        calls_ever: 9,
    }
}

fn approval() -> Approval {
    Approval {
        id: "ap1".to_owned(),
        state: ApprovalState::Approved,
        agent: Some("bot".to_owned()),
        user: None,
        chain: ["bot".to_owned()].into(),
        parties: ["uma".to_owned()].into(),
        tool: "calc".to_owned(),
        digest: "d1".to_owned(),
        approved_by: ["erin".to_owned()].into(),
        expires_at: instant("2026-03-11T10:05:00Z"),
        tool_owner: "alice".to_owned(),
    }
}

fn delegation() -> Delegation {
    let mandate = Mandate {
        id: "m1".to_owned(),
        user: "uma".to_owned(),
        agent: "bot".to_owned(),
        scopes: BTreeSet::new(),
        tools: "all".to_owned(),
        not_before: instant("2026-03-11T09:00:00Z"),
        expires_at: instant("2026-03-11T11:00:00Z"),
        max_depth: 2,
        revoked: false,
    };
    Delegation {
        user: "uma".to_owned(),
        agent: "bot".to_owned(),
        depth: 1,
        remaining_seconds: 3600,
        mandate: Some(mandate),
    }
}

fn call() -> Box<Call> {
    let version = ToolVersion {
        id: "v1".to_owned(),
        tool: "calc".to_owned(),
        signed: true,
        schema_digest: "0".to_owned(),
    };
    let arguments = json!({ "n": 7, "to": ["a", true] });
    let digest = "d1".to_owned();
    Box::new(Call { digest, version, confirmed: false, arguments, tool_name: None })
}

/// Everything that can be told, for one shape.
fn told(shape: Shape) -> Particulars {
    let approval = Some(approval());
    match shape {
        Shape::Base => Particulars::Base,
        Shape::Token => Particulars::Token,
        Shape::Admin => Particulars::Admin { approval },
        Shape::Role => Particulars::Role { role: "auditor".to_owned(), approval },
        Shape::Grant => {
            let granting = Granting { role: Some("auditor".to_owned()), ..Granting::of_use() };
            Particulars::Grant { granting, approval }
        }
        Shape::Find => Particulars::Find,
        Shape::Credential => {
            let ask = Ask { scopes: ["read".to_owned()].into(), ttl_seconds: 900 };
            Particulars::Credential { usage: usage(), ask, approval }
        }
        Shape::Call => Particulars::Call { usage: usage(), call: call(), approval },
        Shape::Query => Particulars::Query { tool_owner: Some("uma".to_owned()) },
        Shape::Declared => panic!("no action of the starter bundle takes it"),
    }
}

fn context_json(facts: &Facts) -> Value {
    facts.context().unwrap().to_json_value().unwrap()
}

#[test]
fn the_facts_of_every_action_fit_the_schema() {
    let bundle = Bundle::starter().unwrap();
    let mut shapes = Vec::new();
    for env in bundle.schema().request_envs() {
        let shape = bundle.shape(env.action()).unwrap();
        let facts = facts(told(shape));
        assert_eq!(facts.particulars.shape(), shape);
        let kind = |name| Kind::of(name).unwrap();
        let id = |kind: Kind| match kind {
            Kind::Registry => "registry",
            Kind::Role => "user",
            _ => "x",
        };
        let (principal, resource) = (kind(env.principal()), kind(env.resource()));
        Request::new(
            uid(principal, id(principal)),
            env.action().clone(),
            uid(resource, id(resource)),
            facts.context().unwrap(),
            Some(bundle.schema()),
        )
        .unwrap_or_else(|it| panic!("{}: {it}", env.action()));
        Entities::from_entities(facts.entities().unwrap(), Some(bundle.schema()))
            .unwrap_or_else(|it| panic!("{}: {it:?}", env.action()));
        if !shapes.contains(&shape) {
            shapes.push(shape);
        }
    }
    assert_eq!(shapes.len(), 9, "some shape has no action: {shapes:?}");
}

#[test]
fn the_facts_of_one_action_do_not_fit_another() {
    let bundle = Bundle::starter().unwrap();
    let wrong = facts(told(Shape::Token));
    let asked = Request::new(
        uid(Kind::Agent, "bot"),
        crate::authz::uid::action("invoke"),
        uid(Kind::Tool, "calc"),
        wrong.context().unwrap(),
        Some(bundle.schema()),
    );
    assert!(asked.is_err(), "a call without its facts was accepted");
}

#[test]
fn what_the_audit_keeps_says_the_same_again() {
    for shape in [Shape::Base, Shape::Role, Shape::Credential, Shape::Call] {
        let before = facts(told(shape));
        let kept = serde_json::to_string(&before).unwrap();
        let after: Facts = serde_json::from_str(&kept).unwrap();
        assert_eq!(context_json(&before), context_json(&after));
        let entities = |it: &Facts| {
            let mut all: Vec<String> =
                it.entities().unwrap().iter().map(|it| it.to_json_string().unwrap()).collect();
            all.sort();
            all
        };
        assert_eq!(entities(&before).len(), entities(&after).len());
        assert_eq!(kept, serde_json::to_string(&after).unwrap());
    }
}

#[test]
fn the_clock_knows_the_hour_everywhere_it_is_asked_for() {
    let winter = clock("2026-03-11T16:00:00.007Z", &["America/New_York"]).unwrap();
    assert_eq!(winter.home(), LocalTime { weekday: Weekday::Wed, time_ms: 17 * 3_600_000 + 7 });
    let summer = clock("2026-07-12T22:30:00Z", &[]).unwrap();
    assert_eq!(summer.home(), LocalTime { weekday: Weekday::Mon, time_ms: 1_800_000 });
    // New York is four hours behind in summer time, which began on the 8th of March.
    let told = winter.world_clock().to_json_value().unwrap();
    let new_york = &told["tags"]["America/New_York"];
    assert_eq!(new_york["time"]["__extn"]["arg"], json!("43200007ms"));
    assert_eq!(new_york["weekday"]["__entity"]["id"], json!("wed"));
    assert!(clock("2026-03-11T16:00:00Z", &["Europe/Berln"]).is_err());
}

#[test]
fn an_address_cannot_hide_in_another_form() {
    let net = NetFacts::new("::ffff:66.249.1.2".parse().unwrap(), BTreeSet::new(), None);
    assert_eq!(net.ip().to_string(), "66.249.1.2");
    assert!(
        context_json(&facts(Particulars::Base))["net"]["ip"].to_string().contains("\"66.249.1.2")
    );
}

#[test]
fn an_age_is_never_of_the_future() {
    let (earlier, later) = (instant("2026-03-11T10:00:00Z"), instant("2026-03-11T10:00:01Z"));
    assert_eq!(Age::between(earlier, later), Some(Age::from_millis(1000)));
    assert_eq!(Age::between(later, later), Some(Age::ZERO));
    assert_eq!(Age::between(later, earlier), None, "a proof from the future is no proof");
}

#[test]
fn money_is_rounded_against_the_spender() {
    let cost = |micros| {
        let usage = Usage { cost_today_micros: micros, ..usage() };
        let ask = Ask { scopes: BTreeSet::new(), ttl_seconds: 1 };
        let told = Particulars::Credential { usage, ask, approval: None };
        context_json(&facts(told))["usage"]["cost_today"]["__extn"]["arg"].clone()
    };
    assert_eq!(cost(10_000_000), json!("10.0000"));
    assert_eq!(cost(10_000_001), json!("10.0001"));
    assert_eq!(cost(1), json!("0.0001"));
    assert_eq!(cost(0), json!("0.0000"));
    assert_eq!(cost(u64::MAX), json!("18446744073709.5517"));
}

#[test]
fn what_cedar_cannot_hold_is_an_error() {
    let mut beyond = facts(Particulars::Base);
    beyond.session.age = Age::from_millis(u64::MAX);
    assert!(beyond.context().is_err());
    let ask = Ask { scopes: BTreeSet::new(), ttl_seconds: u64::MAX };
    let told = Particulars::Credential { usage: usage(), ask, approval: None };
    assert!(facts(told).context().is_err());
}

#[test]
fn arguments_are_found_by_their_pointers() {
    let flat = flatten(&json!({
        "url": "https://example.org/", "n": -7, "big": 18_446_744_073_709_551_615_u64, "x": 1.5,
        "deep": { "a/b": [true, { "c~d": "e" }] }, "nothing": null, "empty": {}
    }));
    let text = [
        ("/url", "https://example.org/"),
        ("/big", "18446744073709551615"),
        ("/x", "1.5"),
        ("/deep/a~1b/1/c~0d", "e"),
    ];
    assert_eq!(flat.text, text.map(|(at, it)| (at.to_owned(), it.to_owned())).into());
    assert_eq!(flat.number, [("/n".to_owned(), -7)].into());
    assert_eq!(flat.flag, [("/deep/a~1b/0".to_owned(), true)].into());
    assert_eq!(flatten(&json!("bare")).text, [(String::new(), "bare".to_owned())].into());
}

#[test]
fn a_long_name_above_many_values_is_too_much_to_tell() {
    let under = |name: usize, values: usize| json!({ "a".repeat(name): vec![json!([]); values] });
    assert!(can_be_told(&under(8, 30_000)), "as large as a body may be, with plain names");
    assert!(can_be_told(&under(100_000, 10)));
    assert!(!can_be_told(&under(100_000, 50_000)));
}
