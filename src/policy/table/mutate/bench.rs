//! Deciding rows with a mutant in the place of its policy.
//!
//! Cedar's answer follows from which permits and which forbids hold, each by itself. What holds of
//! a row is found out once; a mutant then costs no more than asking it alone.

use std::collections::HashMap;

use anyhow::Result;
use cedar_policy::{
    Effect, EntityUid, Policy, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint,
    SlotId, Template,
};

use super::super::run::{Possible, Prepared};
use crate::authz::uid::registry;
use crate::authz::verdict::Outcome;
use crate::policy::bundle::Bundle;
use crate::policy::slice::Scope;

/// A row, and how each policy stands to it.
pub(super) struct Stand<'a> {
    row: &'a Prepared,
    case: &'a Possible,
    policies: Vec<One>,
}

/// A policy or a link of a template, asked by itself.
struct One {
    /// The id, of the template for a link.
    id: String,
    /// The id under which it decides.
    own: String,
    slots: Option<HashMap<SlotId, EntityUid>>,
    effect: Effect,
    holds: bool,
}

impl One {
    /// Whether it is what goes by this id: a policy, a link, or one of the links of a template.
    fn is(&self, id: &str) -> bool {
        self.id == id || self.own == id
    }
}

/// What stands in the place of a policy.
pub(super) enum Instead {
    Nothing,
    Policy { set: Box<PolicySet>, effect: Effect },
    Template(Box<Template>),
}

impl Instead {
    /// Reads the text of a mutant; None when Cedar does not.
    pub(super) fn parse(id: &str, text: Option<&str>, is_template: bool) -> Option<Instead> {
        let Some(text) = text else { return Some(Instead::Nothing) };
        let id = Some(PolicyId::new(id));
        if is_template {
            return Some(Instead::Template(Box::new(Template::parse(id, text).ok()?)));
        }
        let policy = Policy::parse(id, text).ok()?;
        let effect = policy.effect();
        let set = Box::new(PolicySet::from_policies([policy]).ok()?);
        Some(Instead::Policy { set, effect })
    }

    /// For the validator.
    pub(super) fn set(&self) -> Option<PolicySet> {
        match self {
            Instead::Nothing => None,
            Instead::Policy { set, .. } => Some(PolicySet::clone(set)),
            Instead::Template(template) => {
                let mut set = PolicySet::new();
                set.add_template(Template::clone(template)).ok()?;
                Some(set)
            }
        }
    }
}

/// Whether `instead` has another scope than `policy` by words only: what it leaves out the schema
/// says already of every request of that kind.
pub(super) fn is_as_wide(policy: &Policy, instead: &Instead, bundle: &Bundle) -> bool {
    let Instead::Policy { set, .. } = instead else { return false };
    let Some(mutant) = set.policies().next() else { return false };
    let (was, is) = (policy.principal_constraint(), mutant.principal_constraint());
    let principal = was == is || matches!(was, PrincipalConstraint::Is(_));
    let (was, is) = (policy.resource_constraint(), mutant.resource_constraint());
    let resource = was == is
        || matches!(was, ResourceConstraint::Is(_))
        || was == ResourceConstraint::Eq(registry());
    let (was, is) = (Scope::of_policy(policy), Scope::of_policy(mutant));
    let mut kinds = bundle.schema().request_envs();
    principal && resource && kinds.all(|it| bundle.admits(&was, &it) == bundle.admits(&is, &it))
}

impl<'a> Stand<'a> {
    /// Asks every policy of the row by itself; None for a row that asks nothing.
    pub(super) fn of(row: &'a Prepared, bundle: &Bundle) -> Result<Option<Stand<'a>>> {
        let Some(case) = row.possible() else { return Ok(None) };
        let set = case.policies(bundle);
        let mut policies = Vec::new();
        for policy in set.policies() {
            let own = policy.id().to_string();
            policies.push(match (policy.template_id(), policy.template_links()) {
                (Some(id), Some(slots)) => {
                    let template = set.template(id).or_else(|| bundle.policies().template(id));
                    let linked = template.map(|it| link(it, slots.clone())).transpose()?;
                    let holds = linked.is_some_and(|it| holds(case, &it));
                    One {
                        id: id.to_string(),
                        own,
                        slots: Some(slots),
                        effect: policy.effect(),
                        holds,
                    }
                }
                _ => {
                    let alone = PolicySet::from_policies([policy.clone()])?;
                    let holds = holds(case, &alone);
                    One { id: own.clone(), own, slots: None, effect: policy.effect(), holds }
                }
            });
        }
        Ok(Some(Stand { row, case, policies }))
    }

    /// Whether the policy called `id` is asked about this row.
    pub(super) fn knows(&self, id: &str) -> bool {
        self.policies.iter().any(|it| it.is(id))
    }

    /// Whether the decision is another one without the policy or template called `id`.
    pub(super) fn flips_without(&self, id: &str) -> bool {
        let allows = |gone: Option<&str>| {
            let is_gone = |it: &One| gone.is_some_and(|gone| it.is(gone));
            let left = self.policies.iter().filter(|it| it.holds && !is_gone(it));
            let left: Vec<(&str, Effect)> = left.map(|it| (it.id.as_str(), it.effect)).collect();
            outcome(&left, Vec::new()).allow
        };
        allows(None) != allows(Some(id))
    }

    /// Whether the row fails with this instead of the policy called `id`.
    pub(super) fn kills(&self, id: &str, instead: &Instead) -> bool {
        let mut stands: Vec<(&str, Effect)> = Vec::new();
        let mut errors = Vec::new();
        for it in self.policies.iter().filter(|it| it.holds && !it.is(id)) {
            stands.push((&it.own, it.effect));
        }
        let mut ask = |set: &PolicySet, effect: Effect, own| {
            let mut outcome = self.case.decide(set);
            if !outcome.reasons.is_empty() {
                stands.push((own, effect));
            }
            errors.append(&mut outcome.errors);
        };
        match instead {
            Instead::Nothing => {}
            Instead::Policy { set, effect } => ask(set, *effect, id),
            Instead::Template(template) => {
                let links = self.policies.iter().filter(|it| it.id == id);
                for (slots, own) in links.filter_map(|it| Some((it.slots.clone()?, &it.own))) {
                    match link(template, slots) {
                        Ok(set) => ask(&set, template.effect(), own),
                        Err(_) => return true,
                    }
                }
            }
        }
        self.row.complaint_of(&outcome(&stands, errors)).is_some()
    }
}

/// What Cedar says when these hold and no others.
fn outcome(stands: &[(&str, Effect)], errors: Vec<String>) -> Outcome {
    let of = |effect: Effect| {
        let ids = stands.iter().filter(move |(_, it)| *it == effect);
        let mut ids: Vec<String> = ids.map(|(id, _)| (*id).to_owned()).collect();
        ids.sort_unstable();
        ids
    };
    let (permits, forbids) = (of(Effect::Permit), of(Effect::Forbid));
    let allow = forbids.is_empty() && !permits.is_empty() && errors.is_empty();
    Outcome { allow, reasons: if forbids.is_empty() { permits } else { forbids }, errors }
}

fn holds(case: &Possible, alone: &PolicySet) -> bool {
    !case.decide(alone).reasons.is_empty()
}

/// One link of `template`, alone: of `slots` those that it has.
fn link(template: &Template, mut slots: HashMap<SlotId, EntityUid>) -> Result<PolicySet> {
    slots.retain(|slot, _| template.slots().any(|it| it == slot));
    let mut set = PolicySet::new();
    set.add_template(template.clone())?;
    set.link(template.id().clone(), PolicyId::new("link"), slots)?;
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::super::super::Table;
    use super::super::super::grants::without;
    use super::*;
    use crate::policy::load::{SourceFile, Sources};

    /// Mutants that say less, more, the contrary, and something about others.
    const MUTANTS: [(&str, &str, &str); 5] = [
        ("use.low-risk", "&&", "||"),
        ("use.user", "permit", "forbid"),
        ("guard.risk.high", "forbid", "permit"),
        ("limit.failures", "principal is Gatewright::Agent", "principal"),
        ("hitl.user.confirm", "context.call.confirmed", "!(context.call.confirmed)"),
    ];

    #[test]
    fn a_row_fails_as_it_would_under_a_bundle_that_holds_the_mutant() {
        let bundle = Bundle::starter().unwrap();
        let table = Table::read(&Sources::starter().tests.unwrap(), &bundle).unwrap();
        let mutants = MUTANTS.map(|(id, from, to)| {
            let text = bundle.meta(id).unwrap().text.replacen(from, to, 1);
            (id, Instead::parse(id, Some(&text), false).unwrap())
        });
        let mut killed = [0; MUTANTS.len()];
        for row in table.rows() {
            let Some(stand) = Stand::of(row, &bundle).unwrap() else { continue };
            for ((id, instead), killed) in mutants.iter().zip(&mut killed) {
                let Instead::Policy { set, .. } = instead else { panic!("`{id}` is no template") };
                let mut whole = without(stand.case.policies(&bundle), id).unwrap();
                whole.add(set.policies().next().unwrap().clone()).unwrap();
                let fails = row.complaint_of(&stand.case.decide(&whole)).is_some();
                assert_eq!(stand.kills(id, instead), fails, "`{id}` in row `{}`", row.name());
                *killed += usize::from(fails);
            }
        }
        assert!(killed.iter().all(|it| *it > 0), "{killed:?}");
    }

    const LINK: &str = r#"
[[link]]
id = "linked.calc"
template = "grant.agent-tool"
principal = "Agent:bot"
resource = "Tool:calc"
"#;

    const ROW: &str = r#"
[[test]]
name = "by a link"
principal = "Agent:bot"
action = "invoke"
resource = "Tool:calc"
token = ["agent:calc"]
expect = "allow"
by = ["linked.calc", "use.low-risk"]
"#;

    #[test]
    fn a_link_is_missed_by_the_row_that_names_it_and_kills_no_other_mutant() {
        let mut sources = Sources::starter();
        sources.links = Some(SourceFile::new("policies", "links.toml", LINK));
        let mut tests = sources.tests.take().unwrap();
        let bundle = Bundle::from_sources(sources).unwrap();
        tests.tables = vec![SourceFile::new("policies", "tests/ours.toml", ROW)];
        let table = Table::read(&tests, &bundle).unwrap();
        assert_eq!(table.faults(&bundle), []);
        let mutated = |prefix: &str| table.mutate(&bundle, prefix, &|_, _| ()).unwrap();
        let of_link = mutated("linked.");
        assert_eq!((of_link.mutants, of_link.killed), (1, 1));
        // Nothing here is about counters: no such mutant is noticed.
        let of_limits = mutated("limit.calls-per-minute");
        assert!(of_limits.mutants > 2 && of_limits.killed <= 2, "{of_limits:?}");

        tests.tables[0].text = ROW.replace("by = [\"linked.calc\", \"use.low-risk\"]", "");
        let table = Table::read(&tests, &bundle).unwrap();
        let unnoticed = table.mutate(&bundle, "linked.", &|_, _| ()).unwrap();
        let [survivor] = &unnoticed.survivors[..] else { panic!("{unnoticed:?}") };
        assert_eq!((survivor.file.as_str(), survivor.line), ("policies/links.toml", 2));
    }
}
