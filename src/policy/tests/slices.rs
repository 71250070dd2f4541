//! A slice answers as the full set does: the same decision, the same policies, the same errors.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use cedar_policy::{Authorizer, Entities, Entity, EntityUid, PolicySet, Request, RequestEnv};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

use crate::authz::facts::{
    Age, Approval, ApprovalState, Ask, Call, ClockFacts, Delegation, Facts, Granting, Mandate,
    NetFacts, Particulars, Risk, SessionFacts, Shape, ToolVersion, Usage,
};
use crate::authz::uid::{Kind, action, uid};
use crate::authz::verdict::{Outcome, verdict};
use crate::policy::Bundle;
use crate::policy::load::Sources;
use crate::policy::table::{self, Question, Table};

fn ask(request: &Request, policies: &PolicySet, entities: &Entities) -> Outcome {
    verdict(&Authorizer::new().is_authorized(request, policies, entities))
}

fn slice<'a>(bundle: &'a Bundle, request: &Request) -> &'a PolicySet {
    bundle.slice(
        request.principal().unwrap().type_name(),
        request.action().unwrap(),
        request.resource().unwrap().type_name(),
    )
}

/// What those are asked who act for nobody.
fn narrow(bundle: &Bundle, request: &Request, entities: &Entities) -> Outcome {
    let (principal, resource) = (request.principal().unwrap(), request.resource().unwrap());
    let above: Vec<_> = entities.ancestors(principal).into_iter().flatten().cloned().collect();
    let cuts = bundle.narrow(principal, &above, request.action().unwrap());
    let (_, cut) = cuts.iter().find(|(of, _)| of == resource.type_name()).unwrap();
    ask(request, cut.about(resource, entities), entities)
}

/// What is said of another that has and is in the same, where policies are not to tell them apart.
fn ask_about_a_twin(request: &Request, entities: &Entities) -> Option<Outcome> {
    let (principal, resource) = (request.principal()?, request.resource()?);
    let above: Vec<_> = entities.ancestors(principal).into_iter().flatten().cloned().collect();
    let cuts = WORLD.bundle.narrow(principal, &above, request.action()?);
    let (_, cut) = cuts.iter().find(|(of, _)| of == resource.type_name())?;
    if !cut.sight().takes_for_others(resource) {
        return None;
    }
    let (_, attributes, parents) = entities.get(resource)?.clone().into_inner();
    let id = cedar_policy::EntityId::new("a twin");
    let twin = EntityUid::from_type_name_and_id(resource.type_name().clone(), id);
    let entity = Entity::new(twin.clone(), attributes, parents).unwrap();
    let entities = entities.clone().add_entities([entity], None).unwrap();
    let (action, context) = (request.action()?.clone(), request.context()?.clone());
    let request = Request::new(principal.clone(), action, twin, context, None).unwrap();
    Some(narrow(&WORLD.bundle, &request, &entities))
}

#[test]
fn tools_that_are_listed_are_told_apart_by_what_they_are() {
    let bundle = Bundle::starter().unwrap();
    let agent = uid(Kind::Agent, "bot");
    let cuts = bundle.narrow(&agent, &[uid(Kind::Role, "agent")], &action("discover_tool"));
    let (_, cut) = cuts.iter().find(|(of, _)| of == Kind::Tool.type_name()).unwrap();
    assert!(cut.sight().takes_for_others(&uid(Kind::Tool, "calc")));
}

#[test]
fn who_asks_is_asked_about_itself_alone() {
    let bundle = Bundle::starter().unwrap();
    let agent = uid(Kind::Agent, "bot");
    let tool = Kind::Tool.type_name();
    let (vend, hold) = (action("request_credential"), action("hold_scope"));
    let cut = |roles: &[&str], action: &EntityUid, resource: &EntityUid, sets: &[&str]| {
        let roles: Vec<_> = roles.iter().map(|it| uid(Kind::Role, it)).collect();
        let sets = sets.iter().map(|it| uid(Kind::ToolSet, it)).collect();
        let entity = Entity::new_no_attrs(resource.clone(), sets);
        let entities = Entities::from_entities([entity], None).unwrap();
        let cuts = bundle.narrow(&agent, &roles, action);
        let (_, cut) = cuts.iter().find(|(of, _)| of == resource.type_name()).unwrap();
        let ids = cut.about(resource, &entities).policies().map(|it| it.id().to_string());
        ids.collect::<BTreeSet<_>>()
    };
    let (calc, scope) = (uid(Kind::Tool, "calc"), uid(Kind::Scope, "agent:calc"));
    let of_translator = cut(&["translator"], &hold, &scope, &[]);
    let of_both = cut(&["translator", "agent"], &hold, &scope, &[]);
    assert_eq!(of_both.difference(&of_translator).count(), 1);
    let plain = cut(&["agent"], &vend, &calc, &[]);
    let in_hours = cut(&["agent"], &vend, &calc, &["business-hours"]);
    assert_eq!(in_hours.difference(&plain).count(), 1);
    assert!(plain.is_subset(&in_hours));
    assert!(!plain.iter().any(|it| it.starts_with("delegation.")), "{plain:?}");
    assert_eq!(bundle.narrow(&agent, &[], &vend).iter().filter(|(of, _)| of == tool).count(), 1);
}

#[test]
fn on_every_row_of_the_table() {
    let bundle = Bundle::starter().unwrap();
    let table = Table::read(&Sources::starter().tests.unwrap(), &bundle).unwrap();
    let mut compared = 0;
    for row in table.rows() {
        let Question::Possible(it) = row.question() else { continue };
        let (request, entities) = (&it.request, &it.entities);
        let sliced = slice(&bundle, request);
        assert!(sliced.num_of_policies() < bundle.policies().num_of_policies());
        assert_eq!(
            ask(request, sliced, entities),
            ask(request, bundle.policies(), entities),
            "{request}"
        );
        let has_delegation = request.context().is_some_and(|it| it.get("delegation").is_some());
        if !has_delegation {
            let narrow = narrow(&bundle, request, entities);
            assert_eq!(narrow, ask(request, sliced, entities));
        }
        compared += 1;
    }
    assert!(compared > 300);
}

struct World {
    bundle: Bundle,
    envs: Vec<RequestEnv>,
    by_type: BTreeMap<String, Vec<Entity>>,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let bundle = Bundle::starter().unwrap();
    let tests = Sources::starter().tests.unwrap();
    let entities = table::entities(&tests, &bundle);
    let mut by_type: BTreeMap<String, Vec<Entity>> = BTreeMap::new();
    for entity in entities {
        by_type.entry(entity.uid().type_name().to_string()).or_default().push(entity);
    }
    for of_type in by_type.values_mut() {
        of_type.sort_by_key(|it| it.uid().to_string());
    }
    let mut envs: Vec<RequestEnv> = bundle.schema().request_envs().collect();
    envs.sort_by_key(|it| format!("{} {} {}", it.principal(), it.action(), it.resource()));
    World { bundle, envs, by_type }
});

/// Something of this type, with its entity where the type has any.
fn pick(type_name: &cedar_policy::EntityTypeName, at: Index) -> (EntityUid, Option<Entity>) {
    match WORLD.by_type.get(&type_name.to_string()) {
        Some(known) => {
            let entity = at.get(known);
            (entity.uid(), Some(entity.clone()))
        }
        None => {
            let ids = match type_name.basename() {
                "Registry" => ["registry", "registry"],
                "Role" => ["admin", "user"],
                _ => ["agent:calc", "read:public"],
            };
            let id = cedar_policy::EntityId::new(at.get(&ids));
            (EntityUid::from_type_name_and_id(type_name.clone(), id), None)
        }
    }
}

fn words(of: &'static [&'static str]) -> impl Strategy<Value = BTreeSet<String>> {
    subsequence(of, 0..=of.len()).prop_map(|it| it.into_iter().map(str::to_owned).collect())
}

fn age() -> impl Strategy<Value = Option<Age>> {
    proptest::option::of(prop_oneof![0_u64..1_000_000, Just(300_000), Just(900_000)])
        .prop_map(|it| it.map(Age::from_millis))
}

fn net() -> impl Strategy<Value = NetFacts> {
    let ips = ["10.1.2.3", "66.249.1.1", "203.0.113.9", "::ffff:66.249.0.1", "fd00::1"];
    let ip = proptest::sample::select(ips.to_vec()).prop_map(|it| it.parse::<IpAddr>().unwrap());
    let country = proptest::option::of(proptest::sample::select(vec!["DE", "US"]));
    (ip, words(&["vpn", "tor", "blocked", "corp"]), country)
        .prop_map(|(ip, zones, country)| NetFacts::new(ip, zones, country.map(str::to_owned)))
}

fn usage() -> impl Strategy<Value = Usage> {
    (0_u64..120, 0_u64..6000, 0_u64..12_000_000, 0_u64..30, 0_u64..4).prop_map(
        |(calls_last_minute, calls_today, cost_today_micros, failures_last_hour, calls_ever)| {
            Usage {
                calls_last_minute,
                calls_today,
                cost_today_micros,
                failures_last_hour,
                calls_ever,
            }
        },
    )
}

fn facts() -> impl Strategy<Value = (Facts, Usage, bool, bool)> {
    let common = (
        1_767_225_600_i64..1_798_761_600,
        net(),
        (1_u8..4, age(), age()),
        proptest::sample::select(vec![Risk::Low, Risk::Low, Risk::Medium, Risk::High]),
        words(&[
            "agent:calc",
            "agent:translate",
            "agent:execute",
            "agent:code_exec",
            "mcp:connect",
        ]),
    );
    (common, usage(), any::<bool>(), any::<bool>()).prop_map(
        |(common, usage, delegated, approved)| {
            let (now, net, (aal, mfa_age, reauth_age), risk, token_scopes) = common;
            let now = Timestamp::from_second(now).unwrap();
            let zones = WORLD.bundle.zones();
            let clock = Arc::new(ClockFacts::at(now, &TimeZone::UTC, zones).unwrap());
            let session =
                SessionFacts { aal, age: Age::ZERO, mfa_age, reauth_age, by_client: false };
            let particulars = Particulars::Base;
            let (delegation, risk_reasons) = (None, Vec::new());
            let facts = Facts {
                clock,
                net,
                session,
                risk,
                risk_reasons,
                token_scopes,
                delegation,
                history: None,
                particulars,
            };
            (facts, usage, delegated, approved)
        },
    )
}

fn particulars(
    shape: Shape,
    tool: &str,
    now: Timestamp,
    usage: Usage,
    approval: Option<Approval>,
) -> Particulars {
    match shape {
        Shape::Base => Particulars::Base,
        Shape::Token => Particulars::Token,
        Shape::Admin => Particulars::Admin { approval },
        Shape::Role => Particulars::Role { role: "auditor".to_owned(), approval },
        Shape::Grant => Particulars::Grant { granting: Granting::of_use(), approval },
        Shape::Find => Particulars::Find,
        Shape::Query => Particulars::Query { tool_owner: None },
        Shape::Declared => panic!("no action of the starter bundle takes it"),
        Shape::Credential => {
            let scopes = ["calculate".to_owned()].into();
            let ask = Ask { scopes, ttl_seconds: now.as_second().unsigned_abs() % 4000 };
            Particulars::Credential { usage, ask, approval }
        }
        Shape::Call => {
            let version = ToolVersion {
                id: "v1".to_owned(),
                tool: tool.to_owned(),
                signed: usage.calls_today.is_multiple_of(2),
                schema_digest: "0".to_owned(),
            };
            let call = Call {
                digest: "d1".to_owned(),
                version,
                confirmed: usage.calls_ever.is_multiple_of(2),
                arguments: serde_json::json!({ "url": "http://localhost/", "n": 7, "b": true }),
                tool_name: None,
            };
            Particulars::Call { usage, call: Box::new(call), approval }
        }
    }
}

fn delegation(now: Timestamp) -> Delegation {
    let names = ("uma".to_owned(), "bot".to_owned());
    let mandate = Mandate {
        id: "m1".to_owned(),
        user: names.0.clone(),
        agent: names.1.clone(),
        scopes: ["agent:calc".to_owned(), "calculate".to_owned()].into(),
        tools: "all".to_owned(),
        not_before: now,
        expires_at: Timestamp::MAX.min("2030-01-01T00:00:00Z".parse().unwrap()),
        max_depth: 1,
        revoked: false,
    };
    let (user, agent) = names;
    Delegation { user, agent, depth: 1, remaining_seconds: 3600, mandate: Some(mandate) }
}

fn approval(tool: &str) -> Approval {
    Approval {
        id: "ap1".to_owned(),
        state: ApprovalState::Approved,
        agent: Some("bot".to_owned()),
        user: None,
        chain: ["bot".to_owned()].into(),
        parties: ["uma".to_owned()].into(),
        tool: tool.to_owned(),
        digest: "d1".to_owned(),
        approved_by: ["erin".to_owned()].into(),
        expires_at: "2030-01-01T00:00:00Z".parse().unwrap(),
        tool_owner: "alice".to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn on_random_requests(
        env in any::<Index>(),
        principal in any::<Index>(),
        resource in any::<Index>(),
        (mut facts, usage, delegated, approved) in facts(),
    ) {
        let env = env.get(&WORLD.envs);
        let (principal, principal_entity) = pick(env.principal(), principal);
        let (resource, resource_entity) = pick(env.resource(), resource);
        let now = facts.clock.now();
        let tool = resource.id().unescaped();
        facts.delegation = delegated.then(|| delegation(now));
        facts.particulars = particulars(
            WORLD.bundle.shape(env.action()).unwrap(),
            tool,
            now,
            usage,
            approved.then(|| approval(tool)),
        );

        let request = Request::new(
            principal.clone(),
            env.action().clone(),
            resource.clone(),
            facts.context().unwrap(),
            Some(WORLD.bundle.schema()),
        ).unwrap();
        let mut entities: Vec<Entity> = facts.entities().unwrap();
        entities.extend(WORLD.bundle.action_entities(env.action()).iter().cloned());
        entities.extend(principal_entity);
        if resource != principal {
            entities.extend(resource_entity);
        }
        let entities = Entities::from_entities(entities, None).unwrap();
        let sliced = ask(&request, slice(&WORLD.bundle, &request), &entities);
        prop_assert_eq!(&sliced, &ask(&request, WORLD.bundle.policies(), &entities));
        if facts.delegation.is_none() {
            prop_assert_eq!(&sliced, &narrow(&WORLD.bundle, &request, &entities));
            let plain = matches!(facts.particulars, Particulars::Token | Particulars::Find);
            if plain && principal.type_name() != resource.type_name() {
                let twin = ask_about_a_twin(&request, &entities);
                prop_assert!(twin.is_none_or(|it| it == sliced), "{}", request);
            }
        }
        prop_assert_eq!(&sliced.errors, &Vec::<String>::new());
    }
}
