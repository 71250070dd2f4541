//! Doing what a fix says, and asking Cedar, by other means than the search.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::{Authorizer, Entities, Entity, EvalResult, Request, RestrictedExpression};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::scene::{home, reach};
use crate::authz::case::Case;
use crate::authz::facts::{Age, Approval, ApprovalState, ClockFacts, Mandate, Particulars};
use crate::authz::uid::{Kind, uid};
use crate::authz::verdict::verdict;
use crate::error::Fix;
use crate::policy::Bundle;
use crate::policy::typed::tool_of;

/// One thing that is otherwise.
pub type Change = Box<dyn Fn(&Case) -> Case>;

/// Asks the whole bundle, without any of its slices, of everybody concerned.
pub fn allows(case: &Case, bundle: &Bundle) -> bool {
    let Ok(typed) = case.facts.typed(tool_of(&case.action), bundle) else { return false };
    let (action, input) = match typed {
        Some(it) => (it.action, Some(it.input)),
        None => (case.action.clone(), None),
    };
    let mut entities = case.entities.clone();
    entities.extend(case.facts.entities().unwrap());
    entities.extend(bundle.action_entities(&action).iter().cloned());
    let entities = Entities::from_entities(entities, None).unwrap();
    case.principals().all(|principal| {
        let request = Request::new(
            principal.clone(),
            action.clone(),
            case.resource.clone(),
            case.facts.context_with(input.clone()).unwrap(),
            Some(bundle.schema()),
        );
        let asked = Authorizer::new();
        verdict(&asked.is_authorized(&request.unwrap(), bundle.policies(), &entities)).allow
    })
}

/// The request of somebody who did what the fix says.
pub fn follow(case: &Case, fix: &Fix) -> Case {
    let value = fix.value.clone().unwrap_or_default();
    let texts = |key: &str| -> Option<BTreeSet<String>> {
        value.get(key).map(|it| serde_json::from_value(it.clone()).unwrap())
    };
    match fix.kind.as_str() {
        "mfa" => mfa(case),
        "reauth" => reauth(case),
        "confirm" => confirm(case),
        "approval" => approval(case),
        "ttl" => ttl(case, value.as_u64().unwrap()),
        "argument" => argument(case, fix.pointer.as_ref().unwrap(), value),
        "mandate" => mandate(case, &value),
        "review" => review(case, value["reviews"].as_u64().unwrap()),
        "probe" => probe(case),
        "network" => network(case, value.as_str().unwrap()),
        "time" | "wait" => {
            let at: Timestamp = value.as_str().unwrap().parse().unwrap();
            let seconds = at.as_second() - case.facts.clock.now().as_second();
            assert_eq!(fix.retry_after_seconds.unwrap() as i64, seconds);
            later(case, seconds)
        }
        "scopes" => {
            let case = token(case, texts("token").unwrap_or_default());
            texts("ask").map_or(case.clone(), |only| ask(&case, only))
        }
        other => panic!("nothing here needs `{other}`"),
    }
}

/// What else could be tried, by name: coarse, and in the order in which it is done.
pub fn grid(case: &Case) -> Vec<(&'static str, Vec<Change>)> {
    let mut grid: Vec<(&'static str, Vec<Change>)> = vec![("later", laters())];
    if Kind::of(case.principal.type_name()) == Some(Kind::User) {
        grid.push(("mfa", vec![Box::new(mfa)]));
        grid.push(("reauth", vec![Box::new(reauth)]));
    }
    let zones = ["blocked", "vpn"];
    grid.push((
        "network",
        zones.map(|it| -> Change { Box::new(move |case| network(case, it)) }).into(),
    ));
    let holdable: BTreeSet<String> = match Kind::of(case.principal.type_name()) {
        Some(Kind::Agent) => ["agent:calc", "read:context"].map(str::to_owned).into(),
        _ => ["read:profile".to_owned()].into(),
    };
    let mut scopes: Vec<Change> = vec![];
    for only in [None, Some(&["read"][..]), Some(&["write"]), Some(&["read", "write"])] {
        let (more, only) =
            (holdable.clone(), only.map(|it| it.iter().map(|it| (*it).to_owned()).collect()));
        scopes.push(Box::new(move |case| with_scopes(case, &more, only.as_ref())));
    }
    grid.push(("scopes", scopes));
    match &case.facts.particulars {
        Particulars::Call { call, .. } => {
            if call.arguments.get("amount").is_some() {
                let values = [0, 10, 299, 300, 301, 499, 500, 501, 700];
                let all = values.map(|it| -> Change {
                    Box::new(move |case| argument(case, "/amount", it.into()))
                });
                grid.push(("argument", all.into()));
            }
            grid.push(("confirm", vec![Box::new(confirm)]));
            // The approval comes last: it is for the call as it then is.
            grid.push(("approval", vec![Box::new(approval)]));
        }
        _ => {
            let values = [1, 60, 120, 900, 1020, 3600];
            grid.push((
                "ttl",
                values.map(|it| -> Change { Box::new(move |case| ttl(case, it)) }).into(),
            ));
        }
    }
    grid
}

fn laters() -> Vec<Change> {
    let seconds = [60, 3_600].into_iter().chain((1..=10).map(|it| it * 14 * 3_600 - 17));
    seconds.map(|it| -> Change { Box::new(move |case| later(case, it)) }).collect()
}

fn with_scopes(case: &Case, more: &BTreeSet<String>, only: Option<&BTreeSet<String>>) -> Case {
    let case = token(case, more.clone());
    match (only, &case.facts.particulars) {
        (Some(only), Particulars::Credential { ask: asked, .. }) => {
            let only = only.intersection(&asked.scopes).cloned().collect();
            ask(&case, only)
        }
        _ => case,
    }
}

fn mfa(case: &Case) -> Case {
    let mut case = case.clone();
    case.facts.session.mfa_age = Some(Age::from_millis(0));
    case.facts.session.aal = 2;
    case
}

fn reauth(case: &Case) -> Case {
    let mut case = case.clone();
    case.facts.session.reauth_age = Some(Age::from_millis(0));
    case
}

fn confirm(case: &Case) -> Case {
    let mut case = case.clone();
    let Particulars::Call { call, .. } = &mut case.facts.particulars else { panic!("no call") };
    call.confirmed = true;
    case
}

fn approval(case: &Case) -> Case {
    let mut case = case.clone();
    let is_agent = Kind::of(case.principal.type_name()) == Some(Kind::Agent);
    let id = case.principal.id().unescaped().to_owned();
    let expires_at = case.facts.clock.now() + SignedDuration::from_mins(10);
    let Particulars::Call { call, approval, .. } = &mut case.facts.particulars else {
        panic!("no call")
    };
    *approval = Some(Approval {
        id: "given".into(),
        state: ApprovalState::Approved,
        agent: is_agent.then(|| id.clone()),
        user: (!is_agent).then(|| id.clone()),
        chain: is_agent.then(|| id.clone()).into_iter().collect(),
        parties: ["olaf".to_owned()].into(),
        tool: "tool".into(),
        digest: call.digest.clone(),
        approved_by: ["erin".to_owned()].into(),
        expires_at,
        tool_owner: "olaf".into(),
    });
    case
}

fn ttl(case: &Case, seconds: u64) -> Case {
    let mut case = case.clone();
    let Particulars::Credential { ask, .. } = &mut case.facts.particulars else { panic!("a call") };
    ask.ttl_seconds = seconds;
    case
}

pub fn argument(case: &Case, pointer: &str, value: Value) -> Case {
    let mut case = case.clone();
    let Particulars::Call { call, .. } = &mut case.facts.particulars else { panic!("no call") };
    *call.arguments.pointer_mut(pointer).unwrap() = value;
    call.digest = format!("of {}", call.arguments);
    // Whoever sends another call has to ask for its approval, too.
    if let Particulars::Call { approval: Some(_), .. } = &case.facts.particulars {
        return approval(&case);
    }
    case
}

/// The user gives what is asked for, for an hour.
fn mandate(case: &Case, value: &Value) -> Case {
    let mut case = case.clone();
    let now = case.facts.clock.now();
    let it = case.facts.delegation.as_mut().unwrap();
    it.remaining_seconds = 3_600;
    it.mandate = Some(Mandate {
        id: "given".into(),
        user: it.user.clone(),
        agent: it.agent.clone(),
        scopes: serde_json::from_value(value["scopes"].clone()).unwrap(),
        tools: value["tools"].as_str().unwrap().to_owned(),
        not_before: now,
        expires_at: now + SignedDuration::from_hours(1),
        max_depth: value["max_depth"].as_u64().unwrap().try_into().unwrap(),
        revoked: false,
    });
    case
}

/// So many others say yes, and who said no takes it back.
fn review(case: &Case, more: u64) -> Case {
    let reviewers = (0..more).map(|it| uid(Kind::User, &format!("reviewer-{it}")));
    let before = match case.entity(&case.resource).and_then(|it| it.attr("reviewers")) {
        Some(Ok(EvalResult::Set(it))) => it,
        other => panic!("{other:?}"),
    };
    let before = before.iter().map(|it| match it {
        EvalResult::EntityUid(it) => it.clone(),
        other => panic!("{other:?}"),
    });
    let reviewers: Vec<_> = before.chain(reviewers).collect();
    let count = RestrictedExpression::new_long(reviewers.len() as i64);
    let reviewers = reviewers.into_iter().map(RestrictedExpression::new_entity_uid);
    altered(
        case,
        [
            ("reviewers", RestrictedExpression::new_set(reviewers)),
            ("review_count", count),
            ("objections", RestrictedExpression::new_long(0)),
        ],
    )
}

fn probe(case: &Case) -> Case {
    let until = case.facts.clock.now() + SignedDuration::from_hours(1);
    let until = until.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    altered(case, [("probe_valid_until", RestrictedExpression::new_datetime(until))])
}

fn altered<const N: usize>(case: &Case, changes: [(&str, RestrictedExpression); N]) -> Case {
    let resource = case.entity(&case.resource).unwrap().clone();
    let (uid, mut attributes, parents) = resource.into_inner();
    attributes.extend(changes.map(|(name, it)| (name.to_owned(), it)));
    case.about(Entity::new(uid, attributes, parents).unwrap())
}

fn network(case: &Case, name: &str) -> Case {
    let mut case = case.clone();
    let reach = reach();
    case.facts.net = reach.networks.iter().find(|it| it.name == name).unwrap().facts.clone();
    case
}

fn token(case: &Case, more: BTreeSet<String>) -> Case {
    let mut case = case.clone();
    let mandate = case.facts.delegation.as_ref().map(|it| it.mandate.as_ref());
    let could_hold =
        |scope: &String| mandate.is_none_or(|it| it.is_some_and(|it| it.scopes.contains(scope)));
    let more: Vec<String> = more.into_iter().filter(could_hold).collect();
    case.facts.token_scopes.extend(more);
    case
}

fn ask(case: &Case, only: BTreeSet<String>) -> Case {
    let mut case = case.clone();
    let Particulars::Credential { ask, .. } = &mut case.facts.particulars else { panic!("a call") };
    assert!(only.is_subset(&ask.scopes), "a fix asks for less, not for more");
    ask.scopes = only;
    case
}

/// What is true after so many seconds in which nothing else happened.
pub fn later(case: &Case, seconds: i64) -> Case {
    let mut case = case.clone();
    let now = case.facts.clock.now();
    let then = now + SignedDuration::from_secs(seconds);
    let zones: Vec<String> = vec!["America/New_York".into()];
    case.facts.clock = Arc::new(ClockFacts::at(then, &home(), &zones).unwrap());
    let older = |it: Age| Age::from_millis(it.as_millis() + seconds as u64 * 1000);
    case.facts.session.mfa_age = case.facts.session.mfa_age.map(older);
    case.facts.session.reauth_age = case.facts.session.reauth_age.map(older);
    if let Some(it) = &mut case.facts.delegation {
        it.remaining_seconds = it.remaining_seconds.saturating_sub(seconds as u64);
    }
    let (Particulars::Call { usage, .. } | Particulars::Credential { usage, .. }) =
        &mut case.facts.particulars
    else {
        return case;
    };
    if seconds >= 60 {
        usage.calls_last_minute = 1;
    }
    if then.as_second() / 86_400 > now.as_second() / 86_400 {
        (usage.calls_today, usage.cost_today_micros) = (1, 20_000);
    }
    case
}
