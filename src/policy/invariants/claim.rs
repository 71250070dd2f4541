//! The invariants themselves, read from `invariants.cedar`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use cedar_policy::pst::Clause;
use cedar_policy::{Policy, PolicyId, PolicySet, RequestEnv};
use ipnet::IpNet;

use super::super::bundle::Bundle;
use super::super::slice::Scope;
use super::reads::Reads;
use super::rule::Rule;
use super::value::Value;
use crate::authz::uid::Kind;

const TEXT: &str = include_str!("invariants.cedar");

/// Nobody's address lies in a range wider than this by chance.
const WIDEST: (u8, u8) = (8, 16);

/// What an invariant says about a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::policy) enum Holds {
    /// Whatever it permits, the bundle allows.
    Always,
    /// Whatever the bundle allows, it permits.
    Only,
    /// The same, unless an organization wants it otherwise.
    Promise,
}

/// An invariant: a permit that is part of no bundle, and what it has to do with one.
#[derive(Clone, Debug)]
pub(in crate::policy) struct Claim {
    pub(in crate::policy) id: String,
    /// As people read it.
    pub(in crate::policy) sentence: String,
    pub(in crate::policy) holds: Holds,
    pub(in crate::policy) policy: Policy,
}

impl Claim {
    /// Every invariant, as it reads for `bundle`.
    pub(in crate::policy) fn all(bundle: &Bundle) -> Vec<Claim> {
        let Ok(set) = TEXT.parse::<PolicySet>() else { return Vec::new() };
        let elsewhere = nowhere_special(bundle);
        let mut claims: Vec<Claim> = set.policies().filter_map(Claim::of).collect();
        for claim in &mut claims {
            if claim.holds == Holds::Always {
                claim.narrow(&elsewhere);
            }
        }
        claims.sort_by(|a, b| a.id.cmp(&b.id));
        claims
    }

    fn of(policy: &Policy) -> Option<Claim> {
        let id = policy.annotation("id")?.to_owned();
        let holds = match policy.annotation("claim")? {
            "always" => Holds::Always,
            "only" => Holds::Only,
            _ => Holds::Promise,
        };
        let sentence = policy.annotation("title")?.to_owned();
        Some(Claim { policy: policy.new_id(PolicyId::new(&id)), sentence, holds, id })
    }

    /// Adds conditions, written in Cedar.
    pub(in crate::policy) fn narrow(&mut self, conditions: &[String]) {
        let mut text = self.policy.to_string();
        let end = text.trim_end().trim_end_matches(';').len();
        text.truncate(end);
        for it in conditions {
            text.push_str(&format!("\nwhen {{ {it} }}"));
        }
        text.push(';');
        if let Ok(policy) = Policy::parse(Some(PolicyId::new(&self.id)), text) {
            self.policy = policy;
        }
    }

    /// Its sentence, for as long as the process lives.
    #[cfg(feature = "prove")]
    pub(in crate::policy) fn known_sentence(&self) -> Option<&'static str> {
        sentence(&self.id)
    }

    pub(super) fn rule(&self) -> Option<Rule> {
        Rule::of(&self.policy)
    }

    /// The kinds of requests that it is about, in order.
    pub(in crate::policy) fn environments(&self, bundle: &Bundle) -> Vec<RequestEnv> {
        let scope = Scope::of_policy(&self.policy);
        let mut all: Vec<RequestEnv> =
            bundle.schema().request_envs().filter(|env| bundle.admits(&scope, env)).collect();
        all.sort_by_cached_key(shown);
        all
    }
}

/// The sentence of the invariant called `id`.
pub(super) fn sentence(id: &str) -> Option<&'static str> {
    static ALL: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        let set = TEXT.parse::<PolicySet>().unwrap_or_default();
        set.policies().filter_map(Claim::of).map(|it| (it.id, it.sentence)).collect()
    });
    ALL.get(id).map(String::as_str)
}

/// A kind of request, as people read it: `User grant_role Agent`.
pub(in crate::policy) fn shown(env: &RequestEnv) -> String {
    let action = env.action().id().unescaped();
    format!("{} {action} {}", env.principal().basename(), env.resource().basename())
}

/// The conditions of a request from no place that a policy of the bundle names.
fn nowhere_special(bundle: &Bundle) -> Vec<String> {
    let mut ranges = BTreeSet::new();
    let mut zones = BTreeSet::new();
    let mut countries = BTreeSet::new();
    for policy in bundle.policies().policies() {
        let Ok(tree) = policy.to_pst() else { continue };
        let clauses = tree.body().clauses().iter();
        let reads = Reads::of(clauses.map(|(Clause::When(it) | Clause::Unless(it))| &**it));
        for literal in reads.literals {
            match literal {
                Value::Ip(it) if is_narrow(&it) => {
                    ranges.insert(format!("!context.net.ip.isInRange(ip({it:?}))"));
                }
                Value::Entity(it) if it.type_name() == Kind::NetZone.type_name() => {
                    zones.insert(format!("!context.net.zones.contains({it})"));
                }
                Value::Text(it)
                    if it.len() == 2 && it.bytes().all(|it| it.is_ascii_uppercase()) =>
                {
                    countries.insert(format!("{it:?}"));
                }
                _ => {}
            }
        }
    }
    let mut all: Vec<String> = ranges.into_iter().chain(zones).collect();
    all.push("!context.net.ip.isLoopback() && !context.net.ip.isMulticast()".to_owned());
    if !countries.is_empty() {
        let listed: Vec<String> = countries.into_iter().collect();
        let listed = listed.join(", ");
        all.push(format!(
            "if context.net has country then ![{listed}].contains(context.net.country) else true"
        ));
    }
    all
}

fn is_narrow(range: &str) -> bool {
    match range.parse::<IpNet>() {
        Ok(IpNet::V4(it)) => it.prefix_len() >= WIDEST.0,
        Ok(IpNet::V6(it)) => it.prefix_len() >= WIDEST.1,
        Err(_) => true,
    }
}
