//! That whoever acts for another may do what all of them may, and never more.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use cedar_policy::{Authorizer, Entities, Request};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::authn::{Proof, Session};
use crate::authz::Surroundings;
use crate::authz::answer::{Answer, Question};
use crate::authz::decide::Decider;
use crate::authz::facts::{Ask, Particulars, Risk};
use crate::authz::quota::NOTHING_USED;
use crate::authz::verdict::{Outcome, verdict};
use crate::authz::{Resource, uid};
use crate::clock::Clock;
use crate::directory::Lifecycle;
use crate::directory::fixture::{self, Given};
use crate::policy::Bundle;
use crate::registry::{Definition, NewTool, State, Tool};

const NOW: i64 = 1_773_223_200_000_000;
const HOUR: i64 = 3_600_000_000;
const USER: Uuid = Uuid::from_u128(1);
const MANDATE: Uuid = Uuid::from_u128(2);

static DECIDER: LazyLock<Decider> = LazyLock::new(|| {
    let bundle = Arc::new(Bundle::starter().unwrap());
    let home = jiff::tz::TimeZone::UTC;
    let surroundings = Surroundings { home, zones: Default::default(), places: Default::default() };
    let clock = Clock::manual(crate::clock::instant(NOW));
    Decider::new(ArcSwap::from(bundle), surroundings, Default::default(), clock)
});

/// Who asks what in whose name.
#[derive(Clone, Debug)]
struct Scene {
    user: (Vec<&'static str>, Lifecycle),
    agents: Vec<(Vec<&'static str>, Lifecycle)>,
    mandate: Given,
    tool: Definition,
    token: Vec<&'static str>,
    ask: Vec<&'static str>,
    ttl_seconds: u64,
    risk: Risk,
    action: &'static str,
}

fn agent_id(at: usize) -> Uuid {
    Uuid::from_u128(100 + at as u128)
}

fn lifecycle() -> impl Strategy<Value = Lifecycle> {
    prop_oneof![12 => Just(Lifecycle::Active), 1 => Just(Lifecycle::Suspended)]
}

fn agent() -> impl Strategy<Value = (Vec<&'static str>, Lifecycle)> {
    let roles = prop_oneof![
        4 => Just(vec!["agent", "translator"]),
        1 => subsequence(vec!["agent", "translator", "llm"], 0..=3)
    ];
    (roles, lifecycle())
}

fn mandate() -> impl Strategy<Value = Given> {
    let whose = prop_oneof![12 => Just((USER, agent_id(0))), 1 => Just((Uuid::nil(), agent_id(0))),
        1 => Just((USER, agent_id(1)))];
    let all = vec!["agent:calc", "agent:translate", "read", "translate"];
    let scopes = prop_oneof![3 => Just(all.clone()), 1 => subsequence(all, 0..=4)];
    let tools = prop_oneof![5 => Just("translation"), 1 => Just("payments")];
    let begins = prop_oneof![8 => Just(NOW - HOUR), 1 => Just(NOW), 1 => Just(NOW + HOUR)];
    let lasts = prop_oneof![6 => Just(NOW + HOUR), 1 => Just(NOW + 600_000_000), 1 => Just(NOW)];
    let revoked = prop_oneof![8 => Just(None), 1 => Just(Some(NOW - 1))];
    (whose, scopes, tools, begins, lasts, 1_u32..=3, revoked).prop_map(
        |((user, agent), scopes, tools, not_before, expires_at, max_depth, revoked_at)| Given {
            user,
            agent,
            scopes,
            tools,
            not_before,
            expires_at,
            max_depth,
            revoked_at,
        },
    )
}

fn tool() -> impl Strategy<Value = Definition> {
    let risk = prop_oneof![4 => Just("low"), 2 => Just("medium"), 1 => Just("high")];
    let tags = prop_oneof![5 => Just(vec!["translation"]), 1 => Just(vec!["payments"]),
        1 => Just(vec!["translation", "corp-only"]), 1 => Just(vec![])];
    (risk, tags, prop_oneof![5 => Just(false), 1 => Just(true)]).prop_map(
        |(risk_level, tags, consequential)| {
            serde_json::from_value::<NewTool>(json!({
                "tool_type": "function", "name": "translate", "input_schema": { "type": "object" },
                "scopes": ["read", "translate"], "required_scopes": ["agent:translate"],
                "risk_level": risk_level, "tags": tags, "consequential": consequential,
            }))
            .unwrap()
            .definition()
            .unwrap()
            .0
        },
    )
}

fn scene() -> impl Strategy<Value = Scene> {
    let roles = prop_oneof![
        4 => Just(vec!["user", "translator"]), 2 => Just(vec!["user"]), 1 => Just(vec!["guest"]),
        1 => Just(vec!["user", "admin"])
    ];
    let words = vec!["agent:translate", "agent:calc"];
    let token = prop_oneof![5 => Just(words.clone()), 1 => subsequence(words, 0..=2)];
    let ask = prop_oneof![4 => Just(vec!["read"]), 1 => Just(vec!["read", "translate"]), 1 => Just(vec![])];
    let ttl = prop_oneof![4 => Just(300_u64), 1 => Just(600), 1 => 1_u64..8000];
    let risk = prop_oneof![5 => Just(Risk::Low), 1 => Just(Risk::Medium), 1 => Just(Risk::High)];
    let action =
        select(vec!["request_credential", "request_credential", "discover_tool", "view_tool"]);
    let who = ((roles, lifecycle()), prop::collection::vec(agent(), 1..=4));
    (who, mandate(), tool(), token, ask, (ttl, risk, action)).prop_map(
        |((user, agents), mandate, tool, token, ask, (ttl_seconds, risk, action))| Scene {
            user,
            agents,
            mandate,
            tool,
            token,
            ask,
            ttl_seconds,
            risk,
            action,
        },
    )
}

impl Scene {
    fn snapshot(&self) -> Snapshot {
        let (roles, state) = &self.user;
        let agents = self.agents.iter().enumerate();
        let agents: Vec<_> = agents
            .map(|(at, (roles, state))| fixture::agent(agent_id(at), roles, *state))
            .collect();
        let mandate = fixture::mandate(MANDATE, &self.mandate);
        fixture::snapshot(&[fixture::user(USER, roles, *state)], &agents, &[mandate], NOW)
    }

    fn caller(&self, known: &Snapshot) -> Caller {
        let chain: Vec<Uuid> = (0..self.agents.len()).map(agent_id).collect();
        let acting = known.agent(*chain.last().unwrap()).unwrap().clone();
        let delegation = Delegated { mandate: MANDATE, user: USER, chain, under: Vec::new() };
        let proof = Proof { risk: self.risk, delegation: Some(delegation), ..Proof::default() };
        let session = Session {
            id: None,
            scopes: Arc::new(self.token.iter().map(|it| (*it).to_owned()).collect()),
            authenticated_at: NOW,
            reauthenticated_at: None,
            proof: Arc::new(proof),
        };
        Caller::of(Principal::Agent(acting), session, [10, 1, 2, 3].into())
    }

    fn particulars(&self) -> Particulars {
        let scopes: BTreeSet<String> = self.ask.iter().map(|it| (*it).to_owned()).collect();
        let ask = Ask { scopes, ttl_seconds: self.ttl_seconds };
        match self.action {
            "request_credential" => {
                Particulars::Credential { usage: NOTHING_USED, ask, approval: None }
            }
            _ => Particulars::Find,
        }
    }

    fn tool(&self) -> Arc<Tool> {
        let tool = Tool::new(Uuid::nil(), Uuid::nil(), self.tool.clone(), State::Active, NOW);
        Arc::new(tool.unwrap())
    }

    fn ask(&self) -> (Answer, Snapshot) {
        let known = self.snapshot();
        let caller = self.caller(&known);
        let behalf = Behalf::of(&caller, None, &known, NOW).unwrap();
        let party = Party { caller: &caller, behalf: behalf.as_ref() };
        let tool = self.tool();
        let question = Question {
            action: self.action,
            event: "test",
            resource: &tool,
            particulars: self.particulars(),
            past: None,
            cost_micros: 0,
        };
        (DECIDER.ask(party, &question).unwrap(), known)
    }

    fn is_allowed(&self) -> bool {
        self.ask().0.outcome.allow
    }

    /// What Cedar says of one of them alone, on the same facts and all policies there are.
    fn alone(&self, answer: &Answer, principal: &Principal) -> Outcome {
        let (tool, action) = (self.tool(), uid::action(self.action));
        let request = Request::new(
            principal.uid(),
            action.clone(),
            tool.uid(),
            answer.told.facts.context().unwrap(),
            Some(answer.bundle.schema()),
        );
        let mut entities = answer.told.facts.entities().unwrap();
        entities.extend(answer.bundle.action_entities(&action).iter().cloned());
        entities.push(principal.entity().clone());
        entities.extend(Resource::entity(&tool).cloned());
        let entities = Entities::from_entities(entities, None).unwrap();
        let policies = answer.bundle.policies();
        verdict(&Authorizer::new().is_authorized(&request.unwrap(), policies, &entities))
    }

    fn everybody(&self, known: &Snapshot) -> Vec<Principal> {
        let agents = (0..self.agents.len()).map(|at| known.agent(agent_id(at)).unwrap().clone());
        let user = Principal::User(known.user(USER).unwrap().clone());
        agents.map(Principal::Agent).chain([user]).collect()
    }

    /// Less of a mandate, of a token or of a chain.
    fn narrowed(&self, how: usize) -> Scene {
        let mut less = self.clone();
        match how {
            0 => drop(less.mandate.scopes.pop()),
            1 => less.mandate.expires_at -= 1_800_000_000,
            2 => less.mandate.max_depth = (less.mandate.max_depth - 1).max(1),
            3 => less.mandate.tools = "nothing",
            4 => drop(less.token.pop()),
            5 => less.agents.push((vec!["agent", "translator"], Lifecycle::Active)),
            _ => less.mandate.not_before += 1_800_000_000,
        }
        less
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn all_of_them_must_be_allowed(scene in scene()) {
        let (answer, known) = scene.ask();
        let everybody = scene.everybody(&known);
        let each: Vec<Outcome> = everybody.iter().map(|it| scene.alone(&answer, it)).collect();
        // An expired mandate is not even known any more.
        let has_mandate = known.mandate(MANDATE).is_some();
        let all = has_mandate && each.iter().all(|it| it.allow);
        prop_assert_eq!(answer.outcome.allow, all, "{:?}", each);
        prop_assert!(answer.outcome.errors.is_empty());
        if answer.outcome.allow {
            let reasons: BTreeSet<&String> = each.iter().flat_map(|it| &it.reasons).collect();
            prop_assert_eq!(answer.outcome.reasons.iter().collect::<BTreeSet<_>>(), reasons);
        } else if let Some(denied) = &answer.denied {
            let who = everybody.iter().position(|it| it.id().to_string() == denied.id).unwrap();
            prop_assert!(!each[who].allow);
            prop_assert_eq!(&answer.outcome.reasons, &each[who].reasons);
        }
    }

    #[test]
    fn less_is_never_more(scene in scene(), how in 0_usize..7) {
        let less = scene.narrowed(how);
        prop_assert!(!less.is_allowed() || scene.is_allowed(), "{:?}", less);
    }

    #[test]
    fn a_mandate_that_does_not_hold_allows_nothing(scene in scene(), how in 0_usize..3) {
        let mut scene = Scene { action: "request_credential", ..scene };
        match how {
            0 => scene.mandate.revoked_at = Some(NOW),
            1 => scene.mandate.expires_at = NOW,
            _ => scene.mandate.not_before = NOW + 1_000_000,
        }
        prop_assert!(!scene.is_allowed());
        let found = Scene { action: "discover_tool", ..scene };
        prop_assert!(!found.is_allowed());
    }
}

#[test]
fn the_scenes_are_of_both_kinds() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let scenes = (0..300).map(|_| scene().new_tree(&mut runner).unwrap().current());
    let allowed = scenes.filter(Scene::is_allowed).count();
    assert!((20..280).contains(&allowed), "{allowed} of 300 are allowed");
}
