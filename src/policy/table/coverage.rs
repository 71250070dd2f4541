//! What the rows have seen of the policies: which decided, which stood back, and which conditions
//! were true and which false where Cedar came to ask them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use cedar_policy::{
    ActionConstraint, Entities, EntityTypeName, EntityUid, EvalResult, Expression, Policy,
    PrincipalConstraint, Request, ResourceConstraint, eval_expression,
};
use serde::Serialize;

use super::Table;
use super::grants::without_link;
use super::run::{Possible, Prepared};
use crate::policy::anatomy::{Anatomy, Node, Shape};
use crate::policy::bundle::Bundle;
use crate::policy::cores;
use crate::policy::fault::{Fault, position};

const TRUE: u8 = 1;
const FALSE: u8 = 2;

/// What the rows have seen of every policy.
#[derive(Debug, Serialize)]
pub struct Coverage {
    /// How much of what there is to see was seen, of a hundred.
    pub percent: f64,
    pub policies: Vec<Covered>,
}

/// What the rows have seen of one policy or template.
#[derive(Debug, Serialize)]
pub struct Covered {
    /// Its `@id`.
    pub policy: String,
    pub file: String,
    /// From 1.
    pub line: usize,
    /// It was among those that determined a decision.
    pub decided: bool,
    /// It was in scope, and its conditions did not hold; None when it has no conditions.
    pub stood_back: Option<bool>,
    pub conditions: Vec<Condition>,
}

/// What the rows have seen of one condition that is not made of others.
#[derive(Debug, Serialize)]
pub struct Condition {
    /// On one line.
    pub text: String,
    /// From 1, as is the column.
    pub line: usize,
    pub column: usize,
    pub was_true: bool,
    pub was_false: bool,
}

impl Coverage {
    /// What was not seen, each at its place.
    pub fn gaps(&self) -> Vec<Fault> {
        self.policies.iter().flat_map(Covered::gaps).collect()
    }
}

impl Covered {
    fn gaps(&self) -> Vec<Fault> {
        let fault = |line, column, problem: String| Fault {
            line,
            column,
            ..Fault::whole(&self.file, problem).of_policy(&self.policy)
        };
        let mut gaps = Vec::new();
        if !self.decided {
            gaps.push(fault(self.line, 1, "decides no row".into()));
        }
        if self.stood_back == Some(false) {
            gaps.push(fault(self.line, 1, "never stands back where it is in scope".into()));
        }
        for it in &self.conditions {
            for (seen, word) in [(it.was_true, "true"), (it.was_false, "false")] {
                if !seen {
                    let problem = format!("`{}` is never {word}", it.text);
                    gaps.push(fault(it.line, it.column, problem));
                }
            }
        }
        gaps
    }

    /// How much was seen, and how much there is to see.
    fn seen(&self) -> (usize, usize) {
        let of_policy = [Some(self.decided), self.stood_back];
        let of_conditions = self.conditions.iter().flat_map(|it| [it.was_true, it.was_false]);
        let all: Vec<bool> = of_policy.into_iter().flatten().chain(of_conditions).collect();
        (all.iter().filter(|it| **it).count(), all.len())
    }
}

impl Table {
    /// What these rows see of the policies of `bundle`. Links of templates count for the template.
    pub fn coverage(&self, bundle: &Bundle) -> Coverage {
        let ids = bundle.metas().keys();
        let probes: HashMap<&str, Probe> =
            ids.filter_map(|id| Some((id.as_str(), Probe::of(id, bundle)?))).collect();
        let rows: Vec<&Prepared> = self.rows().collect();
        cores::each(&rows, |row| {
            if let Some(it) = row.possible() {
                watch(it, bundle, &probes);
            }
        });
        let mut policies: Vec<Covered> = probes.into_values().map(Probe::into_covered).collect();
        policies.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        let (seen, all) = policies
            .iter()
            .map(Covered::seen)
            .fold((0, 0), |(seen, all), it| (seen + it.0, all + it.1));
        Coverage { percent: share(seen, all), policies }
    }
}

/// `part` of a hundred; all of nothing is a hundred.
#[expect(clippy::cast_precision_loss, reason = "a percentage, of numbers far below 2^52")]
pub(super) fn share(part: usize, of: usize) -> f64 {
    if of == 0 { 100.0 } else { part as f64 * 100.0 / of as f64 }
}

fn watch(row: &Possible, bundle: &Bundle, probes: &HashMap<&str, Probe>) {
    let policies = row.policies(bundle);
    for id in row.decide(policies).reasons {
        if let Some(probe) = probes.get(without_link(&id)) {
            probe.decided.store(true, Ordering::Relaxed);
        }
    }
    for policy in policies.policies() {
        let id = policy.template_id().unwrap_or_else(|| policy.id());
        let id: &str = id.as_ref();
        if let Some(probe) = probes.get(id).filter(|_| in_scope(policy, row)) {
            probe.watch(&row.request, &row.entities);
        }
    }
}

/// A policy, and what was seen of it so far.
struct Probe {
    covered: Covered,
    anatomy: Anatomy,
    /// By where they begin in the policy's text.
    leaves: HashMap<usize, Leaf>,
    decided: AtomicBool,
    stood_back: AtomicBool,
}

struct Leaf {
    expression: Expression,
    seen: AtomicU8,
}

impl Probe {
    fn of(id: &str, bundle: &Bundle) -> Option<Probe> {
        let meta = bundle.meta(id)?;
        let (file, start) = bundle.place(id)?;
        let anatomy = Anatomy::of(&meta.text)?;
        let (mut conditions, mut leaves) = (Vec::new(), HashMap::new());
        for node in anatomy.conditions() {
            let text = meta.text.get(node.at.clone())?;
            let (line, column) = position(&file.text, start + node.at.start);
            let text_on_a_line = on_a_line(text);
            conditions.push(Condition {
                text: text_on_a_line,
                line,
                column,
                was_true: false,
                was_false: false,
            });
            let leaf = Leaf { expression: text.parse().ok()?, seen: AtomicU8::new(0) };
            leaves.insert(node.at.start, leaf);
        }
        let covered = Covered {
            policy: id.to_owned(),
            file: file.path.clone(),
            line: meta.line,
            decided: false,
            stood_back: (!anatomy.clauses.is_empty()).then_some(false),
            conditions,
        };
        let [decided, stood_back] = [AtomicBool::new(false), AtomicBool::new(false)];
        Some(Probe { covered, anatomy, leaves, decided, stood_back })
    }

    /// Asks the conditions as Cedar does: no further than it takes to know.
    fn watch(&self, request: &Request, entities: &Entities) {
        let holds =
            self.anatomy.clauses.iter().all(|clause| {
                self.value(&clause.condition, request, entities) == Some(clause.holds)
            });
        if !holds {
            self.stood_back.store(true, Ordering::Relaxed);
        }
    }

    /// None for what fails to evaluate.
    fn value(&self, node: &Node, request: &Request, entities: &Entities) -> Option<bool> {
        let value = |it: &Node| self.value(it, request, entities);
        match &node.shape {
            Shape::All(parts, _) => first_that_is(false, parts.iter().map(value)),
            Shape::Any(parts, _) => first_that_is(true, parts.iter().map(value)),
            Shape::Not(it) => value(it).map(|it| !it),
            Shape::If(parts) => {
                let [condition, yes, no] = &**parts;
                if value(condition)? { value(yes) } else { value(no) }
            }
            Shape::Leaf => {
                let leaf = self.leaves.get(&node.at.start)?;
                let Ok(EvalResult::Bool(it)) = eval_expression(request, entities, &leaf.expression)
                else {
                    return None;
                };
                leaf.seen.fetch_or(if it { TRUE } else { FALSE }, Ordering::Relaxed);
                Some(it)
            }
        }
    }

    fn into_covered(self) -> Covered {
        let mut covered = self.covered;
        covered.decided = self.decided.into_inner();
        covered.stood_back = covered.stood_back.map(|_| self.stood_back.into_inner());
        let seen = |node: &Node| {
            self.leaves.get(&node.at.start).map_or(0, |it| it.seen.load(Ordering::Relaxed))
        };
        for (condition, node) in covered.conditions.iter_mut().zip(self.anatomy.conditions()) {
            let seen = seen(node);
            (condition.was_true, condition.was_false) = (seen & TRUE != 0, seen & FALSE != 0);
        }
        covered
    }
}

/// `wanted` once a value is that, or its contrary when none is; None when one fails before.
fn first_that_is(wanted: bool, values: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    for value in values {
        if value? == wanted {
            return Some(wanted);
        }
    }
    Some(!wanted)
}

/// A part of a policy as a report shows it.
pub(super) fn on_a_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the row's request is in the scope of `policy`.
fn in_scope(policy: &Policy, row: &Possible) -> bool {
    let (request, entities) = (&row.request, &row.entities);
    let (Some(principal), Some(action), Some(resource)) =
        (request.principal(), request.action(), request.resource())
    else {
        return false;
    };
    let within =
        |one: &EntityUid, group: &EntityUid| one == group || entities.is_ancestor_of(group, one);
    let is = |one: &EntityUid, kind: &EntityTypeName| one.type_name() == kind;
    (match policy.principal_constraint() {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(uid) => *principal == uid,
        PrincipalConstraint::In(uid) => within(principal, &uid),
        PrincipalConstraint::Is(kind) => is(principal, &kind),
        PrincipalConstraint::IsIn(kind, uid) => is(principal, &kind) && within(principal, &uid),
    }) && (match policy.action_constraint() {
        ActionConstraint::Any => true,
        ActionConstraint::Eq(uid) => *action == uid,
        ActionConstraint::In(groups) => groups.iter().any(|it| within(action, it)),
    }) && (match policy.resource_constraint() {
        ResourceConstraint::Any => true,
        ResourceConstraint::Eq(uid) => *resource == uid,
        ResourceConstraint::In(uid) => within(resource, &uid),
        ResourceConstraint::Is(kind) => is(resource, &kind),
        ResourceConstraint::IsIn(kind, uid) => is(resource, &kind) && within(resource, &uid),
    })
}
