//! Soundness, with Cedar as the oracle: what the checks of a credential admit, Cedar allows.

use std::sync::Arc;

use cedar_policy::Entity;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::*;
use crate::authz::case::Case;
use crate::authz::facts::{
    Age, Ask, Call, ClockFacts, Facts, NetFacts, Particulars, Risk, SessionFacts, ToolVersion,
};
use crate::authz::quota::NOTHING_USED;
use crate::authz::residual::{Life, residual};
use crate::authz::uid::action;
use crate::authz::uses::{calling, refusal};
use crate::credentials::fixture::{DIGEST, RING, draft, later, verifier};
use crate::credentials::mint::{Draft, mint};
use crate::credentials::verify::{Request, Revocations};
use crate::policy::typed::{generate, schema_of};
use crate::policy::{Bundle, SourceFile, Sources};

const BUNDLES: u64 = 30;
const USES: usize = 120;
const LIFE_SECONDS: i64 = 3 * 3_600;

fn home() -> TimeZone {
    TimeZone::get("Europe/Berlin").unwrap()
}

fn entity(json: Value) -> Entity {
    Entity::from_json_value(json, None).unwrap()
}

fn agent() -> Entity {
    entity(json!({
        "uid": { "type": "Gatewright::Agent", "id": "bot" },
        "attrs": {
            "owner": { "__entity": { "type": "Gatewright::User", "id": "uma" } },
            "state": { "__entity": { "type": "Gatewright::Lifecycle", "id": "active" } },
            "attested": false
        },
        "parents": [{ "type": "Gatewright::Role", "id": "agent" }]
    }))
}

fn tool() -> Entity {
    entity(json!({
        "uid": { "type": "Gatewright::Tool", "id": "t1" },
        "attrs": {
            "owner": { "__entity": { "type": "Gatewright::User", "id": "uma" } },
            "state": { "__entity": { "type": "Gatewright::ToolState", "id": "active" } },
            "risk": { "__entity": { "type": "Gatewright::RiskLevel", "id": "low" } },
            "consequential": false,
            "allowed_scopes": [{ "__entity": { "type": "Gatewright::Scope", "id": "read" } },
                               { "__entity": { "type": "Gatewright::Scope", "id": "translate" } }],
            "required_scopes": [],
            "max_ttl": { "__extn": { "fn": "duration", "arg": "1d" } }
        },
        "parents": [{ "type": "Gatewright::ToolSet", "id": "sums" }]
    }))
}

fn facts(now: Timestamp, zones: &[String]) -> Facts {
    Facts {
        clock: Arc::new(ClockFacts::at(now, &home(), zones).unwrap()),
        net: NetFacts::new("192.0.2.1".parse().unwrap(), Default::default(), Some("DE".into())),
        session: SessionFacts {
            aal: 1,
            age: Age::from_millis(1000),
            mfa_age: None,
            reauth_age: None,
            by_client: false,
        },
        risk: Risk::Low,
        risk_reasons: Vec::new(),
        token_scopes: Default::default(),
        delegation: None,
        history: None,
        particulars: Particulars::Credential {
            usage: NOTHING_USED,
            ask: Ask { scopes: draft().scopes, ttl_seconds: 600 },
            approval: None,
        },
    }
}

fn issue(now: Timestamp, bundle: &Bundle) -> Case {
    Case {
        principal: agent().uid(),
        action: action("request_credential"),
        resource: tool().uid(),
        others: Some(Vec::new()),
        facts: facts(now, bundle.zones()),
        entities: vec![agent(), tool()],
        links: Vec::new(),
    }
}

fn call(arguments: Value) -> Call {
    let (id, tool) = (DIGEST.to_owned(), "t1".to_owned());
    let version = ToolVersion { schema_digest: id.clone(), id, tool, signed: true };
    Call { digest: String::new(), version, confirmed: false, arguments, tool_name: None }
}

/// A condition that the validator takes.
fn condition(rng: &mut StdRng, depth: usize) -> String {
    if depth == 0 || rng.random_bool(0.3) {
        return atom(rng);
    }
    let mut next = || condition(rng, depth - 1);
    let (a, b) = (next(), next());
    match rng.random_range(0..4) {
        0 => format!("(({a}) && ({b}))"),
        1 => format!("(({a}) || ({b}))"),
        2 => format!("!({a})"),
        _ => {
            let c = condition(rng, depth - 1);
            format!("(if {a} then {b} else {c})")
        }
    }
}

fn atom(rng: &mut StdRng) -> String {
    let compare = *["<", "<=", ">", ">=", "==", "!="].choose(rng).unwrap();
    let at = *["/n", "/m"].choose(rng).unwrap();
    let pattern = *["a*", "*b", "*ab*", "*", "ab", "a*b"].choose(rng).unwrap();
    let (number, hour) = (rng.random_range(-3..4), rng.random_range(0..24));
    let minute = rng.random_range(0..60);
    let day = *["mon", "sat", "sun"].choose(rng).unwrap();
    let instant = (later(rng.random_range(-600..LIFE_SECONDS + 600))).to_string();
    match rng.random_range(0..14) {
        0 | 1 => format!(
            "(context.call.number.hasTag(\"{at}\") && context.call.number.getTag(\"{at}\") {compare} {number})"
        ),
        2 | 3 => format!(
            "(context.call.text.hasTag(\"/t\") && context.call.text.getTag(\"/t\") like \"{pattern}\")"
        ),
        4 => "(context.call.text.hasTag(\"/t\") && context.call.text.getTag(\"/t\") != \"ab\")".into(),
        5 => format!(
            "(context.call.text.hasTag(\"{at}\") && [\"ab\", \"2.5\"].contains(context.call.text.getTag(\"{at}\")))"
        ),
        6 => "(context.call.flag.hasTag(\"/f\") && context.call.flag.getTag(\"/f\"))".into(),
        7 => format!("context.call.text.hasTag(\"{at}\")"),
        13 => format!("context.call.number.hasTag(\"{at}\")"),
        8 => format!("context.clock.local.time {} duration(\"{hour}h{minute}m\")", order(compare)),
        9 => format!("[Gatewright::Weekday::\"{day}\"].contains(context.clock.local.weekday)"),
        10 => format!("context.clock.now {} datetime(\"{}\")", order(compare), dated(&instant)),
        11 => format!(
            "(context.clock.world.hasTag(\"America/New_York\") &&
              context.clock.world.getTag(\"America/New_York\").time {} duration(\"{hour}h{minute}m\"))",
            order(compare)
        ),
        _ => (*[
            "context.net has country && context.net.country == \"DE\"",
            "resource in Gatewright::ToolSet::\"other\"",
            "context.call.confirmed",
            "context has approval",
        ]
        .choose(rng)
        .unwrap())
        .into(),
    }
}

/// Cedar's own spelling of an instant.
fn dated(instant: &str) -> String {
    instant.replace('Z', ".000Z")
}

fn order(compare: &str) -> &str {
    match compare {
        "==" | "!=" => "<",
        other => other,
    }
}

fn bundle(rng: &mut StdRng) -> Bundle {
    let mut text = String::new();
    for n in 0..rng.random_range(1..4) {
        let action = *[
            "in Gatewright::Action::\"call\"",
            "in Gatewright::Action::\"use\"",
            "== Gatewright::Action::\"request_credential\"",
        ]
        .choose(rng)
        .unwrap();
        // Only calls have arguments.
        let condition = loop {
            let it = condition(rng, 3);
            if action.contains("call") || !it.contains("context.call") {
                break it;
            }
        };
        text.push_str(&format!(
            "@id(\"own.{n}\") @title(\"A rule of our own\") forbid (principal, action {action}, resource is Gatewright::Tool)
             when {{ {condition} }};\n"
        ));
    }
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.policies.push(SourceFile::new("policies", "90-own.cedar", text.clone()));
    Bundle::from_sources(sources).unwrap_or_else(|faults| {
        let impossible = faults.iter().all(|it| it.problem.contains("policy is impossible"));
        assert!(impossible, "{text}\n{faults:?}");
        Bundle::starter().unwrap()
    })
}

fn arguments(rng: &mut StdRng) -> Value {
    let number = |rng: &mut StdRng| {
        let all = [
            json!(-2),
            json!(0),
            json!(1),
            json!(3),
            json!(2.5),
            json!(2.0),
            json!("ab"),
            json!(true),
            json!(null),
            json!(1e300),
        ];
        all.choose(rng).unwrap().clone()
    };
    let mut given = json!({});
    for key in ["n", "m"] {
        if rng.random_bool(0.7) {
            given[key] = number(rng);
        }
    }
    if rng.random_bool(0.7) {
        given["t"] = [json!("ab"), json!("a"), json!("xaby"), json!(""), json!("b"), json!(2.5)]
            .choose(rng)
            .unwrap()
            .clone();
    }
    if rng.random_bool(0.5) {
        given["f"] =
            [json!(true), json!(false), json!("true"), json!(1)].choose(rng).unwrap().clone();
    }
    given
}

#[derive(Default, Debug)]
struct Tally {
    admitted: usize,
    refused_too: usize,
    refused_alone: usize,
    online: usize,
}

#[test]
fn what_a_credential_admits_cedar_allows() {
    let mut tally = Tally::default();
    for seed in 0..BUNDLES {
        let mut rng = StdRng::seed_from_u64(seed);
        let bundle = bundle(&mut rng);
        let from = later(rng.random_range(-86_400..86_400));
        let until = from + SignedDuration::from_secs(LIFE_SECONDS);
        let issue = issue(from, &bundle);
        if !issue.decide(&bundle).unwrap().allow {
            continue;
        }
        let call_then = calling(&issue, call(json!({})));
        let left = residual(&issue, &call_then, &bundle, &home(), Life { from, until });
        if left.beyond.is_some() {
            tally.online += 1;
            continue;
        }
        let draft = Draft { expires_at: until, checks: checks(&left), ..draft() };
        let token = mint(&draft, RING.active()).unwrap().token;
        for _ in 0..USES {
            let now = from + SignedDuration::from_millis(rng.random_range(0..LIFE_SECONDS * 1000));
            use_once(&mut tally, &token, (&bundle, &issue), now, &arguments(&mut rng));
        }
    }
    // It must say something: admit what it can, and refuse alone only odd numbers.
    assert!(tally.admitted > 300 && tally.refused_too > 100, "{tally:?}");
    assert!(tally.refused_alone * 3 < tally.admitted, "{tally:?}");
    assert!(tally.online * 2 < BUNDLES as usize, "{tally:?}");
}

fn use_once(
    tally: &mut Tally,
    token: &secrecy::SecretString,
    (bundle, issued): (&Bundle, &Case),
    now: Timestamp,
    arguments: &Value,
) {
    use secrecy::ExposeSecret as _;

    let request = Request::new("read").arguments(arguments).unwrap();
    let answer = verifier().verify(token.expose_secret(), &request, Revocations::Unchecked, now);
    let at_use = issued.with(Facts {
        clock: Arc::new(ClockFacts::at(now, &home(), bundle.zones()).unwrap()),
        ..issued.facts.clone()
    });
    let calls = calling(&at_use, call(arguments.clone()));
    let refused = refusal(&at_use, &calls, bundle);
    match (answer, refused) {
        (Ok(_), None) => tally.admitted += 1,
        (Err(_), Some(_)) => tally.refused_too += 1,
        (Err(_), None) => tally.refused_alone += 1,
        (Ok(_), Some(why)) => {
            let own = bundle.sources().policies.last().unwrap();
            panic!(
                "admitted at {now} with {arguments}, and Cedar forbids it by {why}:\n{}",
                own.text
            )
        }
    }
}

fn one(text: &str) -> Bundle {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    sources.policies.push(SourceFile::new("policies", "90-own.cedar", text));
    Bundle::from_sources(sources).unwrap()
}

fn left_of(bundle: &Bundle, from: Timestamp, seconds: i64) -> Residual {
    let issue = issue(from, bundle);
    assert!(issue.decide(bundle).unwrap().allow);
    let until = from + SignedDuration::from_secs(seconds);
    residual(&issue, &calling(&issue, call(json!({}))), bundle, &home(), Life { from, until })
}

#[test]
fn office_hours_become_the_instant_at_which_they_end() {
    let bundle = one("@id(\"own.hours\") @title(\"Office hours only\") @fix(\"time\")
         forbid (principal, action in Gatewright::Action::\"use\", resource is Gatewright::Tool)
         unless { context.clock.local.time < duration(\"17h\") };");
    // 16:50 in Berlin, in winter.
    let from: Timestamp = "2026-11-20T15:50:00Z".parse().unwrap();
    let ends = "2026-11-20T16:00:00Z".parse::<Timestamp>().unwrap().as_millisecond();
    let left = left_of(&bundle, from, 900);
    assert!(left.conditions.contains(&Condition::Within(vec![(i64::MIN, ends)])), "{left:?}");
    let short = left_of(&bundle, from, 300);
    assert!(!short.conditions.iter().any(|it| matches!(it, Condition::Within(_))), "{short:?}");
}

#[test]
fn what_only_the_moment_can_tell_is_left_to_gatewright() {
    for condition in [
        "context.call.digest == \"sha256:0\"",
        "context.clock.now.toTime() < duration(\"1h\")",
        "context.call.text.hasTag(\"/t\") && context.call.text.getTag(\"/t\") like \"a*b*c\"",
    ] {
        let bundle = one(&format!(
            "@id(\"own.odd\") @title(\"An odd rule\")
             forbid (principal, action in Gatewright::Action::\"call\", resource is Gatewright::Tool) when {{ {condition} }};"
        ));
        let left = left_of(&bundle, later(0), 900);
        assert!(left.beyond.as_deref().is_some_and(|it| it.contains("own.odd")), "{left:?}");
    }
}

#[test]
fn a_rule_about_other_tools_leaves_nothing() {
    let bundle = one(
        "@id(\"own.other\") @title(\"Other tools take small numbers\")
         forbid (principal, action in Gatewright::Action::\"call\", resource in Gatewright::ToolSet::\"other\")
         when { context.call.number.hasTag(\"/n\") && context.call.number.getTag(\"/n\") > 5 };",
    );
    let starter = Bundle::starter().unwrap();
    assert_eq!(left_of(&bundle, later(0), 900), left_of(&starter, later(0), 900));
}

#[test]
fn whether_arguments_fit_their_types_is_left_to_gatewright() {
    let mut sources = Sources { tests: None, ..Sources::starter() };
    let schema = json!({ "type": "object", "properties": { "amount": { "type": "number" } } });
    let types = schema_of(&[("pay".to_owned(), generate("pay", &schema))], &sources.schema);
    sources.schema.push(SourceFile::new("generated", "tools.cedarschema", types.unwrap()));
    let rule = "@id(\"own.kp\") @title(\"Nothing from there\")
        forbid (principal, action == Gatewright::Action::\"call:pay\", resource)
        when { context.net has country && context.net.country == \"KP\" };";
    sources.policies.push(SourceFile::new("policies", "90-own.cedar", rule));
    let bundle = Bundle::from_sources(sources).unwrap();
    let issue = issue(later(0), &bundle);
    let pay = |arguments| Call { tool_name: Some("pay".to_owned()), ..call(arguments) };
    // More digits than policies compare: it is refused, though no policy reads it.
    let odd = calling(&issue, pay(json!({ "amount": 1.00005 })));
    assert!(refusal(&issue, &odd, &bundle).is_some());
    let life = Life { from: later(0), until: later(900) };
    let left = |call| residual(&issue, &calling(&issue, call), &bundle, &home(), life).beyond;
    assert!(left(pay(json!({}))).is_some_and(|it| it.contains("types of its tool")));
    assert_eq!(left(call(json!({}))), None);
}
