//! Permits that another permit makes idle: whatever they allow is allowed without them.
//!
//! The other one is at least as wide in scope and asks for no more. Only what is written alike is
//! recognized; `gatewright policy prove` knows better, and takes longer.

use cedar_policy::pst::{BinaryOp, Clause, Expr};
use cedar_policy::{Effect, EntityTypeName, EntityUid, PrincipalConstraint, ResourceConstraint};

use super::super::meta::Tier;
use super::super::slice::{Ends, Scope};
use super::super::syntax::Written;
use super::{Finding, Subject};

/// Each is compared with all others.
const PERMITS_MAX: usize = 1_000;

/// A permit in a form in which it can be compared.
struct Permit<'a> {
    written: &'a Written,
    ends: &'a Ends,
    /// What it asks for, each by its text.
    conditions: Vec<String>,
    /// Who wrote it can change it.
    is_ours: bool,
}

pub(super) fn check(subject: &Subject<'_>, findings: &mut Vec<Finding>) {
    let permits: Vec<Permit<'_>> =
        subject.all.iter().filter_map(|it| permit(it, subject)).collect();
    if permits.len() > PERMITS_MAX {
        return;
    }
    for (place, narrow) in permits.iter().enumerate().filter(|(_, it)| it.is_ours) {
        let wider = permits.iter().enumerate().find(|(other, wide)| {
            // Of two that are alike, the first may stay.
            *other != place
                && wide.covers(narrow, subject)
                && (*other < place || !narrow.covers(wide, subject))
        });
        if let Some((_, wide)) = wider {
            let problem = format!("allows nothing that `{}` does not allow", wide.written.id);
            let fix = "drop it, or narrow the other one";
            findings.push(Finding::warning("shadowed-permit", narrow.written, problem, fix));
        }
    }
}

fn permit<'a>(written: &'a Written, subject: &Subject<'_>) -> Option<Permit<'a>> {
    if written.effect != Effect::Permit {
        return None;
    }
    let ends = written.scope.ends.as_ref()?;
    let mut conditions = Vec::new();
    for clause in &written.clauses {
        match clause {
            Clause::When(it) => split(it, &mut conditions),
            Clause::Unless(it) => conditions.push(format!("!({it})")),
        }
    }
    let meta = subject.meta.get(&written.id)?;
    Some(Permit { written, ends, conditions, is_ours: meta.tier == Tier::Org })
}

/// The conditions that `&&` joins.
fn split(expression: &Expr, conditions: &mut Vec<String>) {
    match expression {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => {
            split(left, conditions);
            split(right, conditions);
        }
        other => conditions.push(other.to_string()),
    }
}

impl Permit<'_> {
    /// Whether this one allows whatever the other allows.
    fn covers(&self, other: &Permit<'_>, subject: &Subject<'_>) -> bool {
        self.conditions.iter().all(|it| other.conditions.contains(it))
            && End::from(&self.ends.principal).covers(&End::from(&other.ends.principal))
            && End::from(&self.ends.resource).covers(&End::from(&other.ends.resource))
            && covers_actions(&self.written.scope, &other.written.scope, subject)
    }
}

fn covers_actions(wide: &Scope, narrow: &Scope, subject: &Subject<'_>) -> bool {
    let mut narrow = subject.actions.keys().filter(|it| narrow.admits_action(it, subject.actions));
    narrow.all(|it| wide.admits_action(it, subject.actions))
}

/// What a scope says of the principal or of the resource.
enum End {
    Any,
    Is(EntityTypeName),
    In(EntityUid),
    IsIn(EntityTypeName, EntityUid),
    Eq(EntityUid),
}

impl From<&PrincipalConstraint> for End {
    fn from(constraint: &PrincipalConstraint) -> End {
        match constraint.clone() {
            PrincipalConstraint::Any => End::Any,
            PrincipalConstraint::Is(name) => End::Is(name),
            PrincipalConstraint::In(it) => End::In(it),
            PrincipalConstraint::IsIn(name, it) => End::IsIn(name, it),
            PrincipalConstraint::Eq(it) => End::Eq(it),
        }
    }
}

impl From<&ResourceConstraint> for End {
    fn from(constraint: &ResourceConstraint) -> End {
        match constraint.clone() {
            ResourceConstraint::Any => End::Any,
            ResourceConstraint::Is(name) => End::Is(name),
            ResourceConstraint::In(it) => End::In(it),
            ResourceConstraint::IsIn(name, it) => End::IsIn(name, it),
            ResourceConstraint::Eq(it) => End::Eq(it),
        }
    }
}

impl End {
    /// Whether everything that is in `narrow` is in this.
    fn covers(&self, narrow: &End) -> bool {
        use End::{Any, Eq, In, Is, IsIn};
        match (self, narrow) {
            (Any, _) => true,
            (Is(wide), Is(it) | IsIn(it, _)) => wide == it,
            (Is(wide), Eq(it)) => wide == it.type_name(),
            (In(wide), In(it) | IsIn(_, it) | Eq(it)) => wide == it,
            (IsIn(of, wide), IsIn(other, it)) => of == other && wide == it,
            (Eq(wide), Eq(it)) => wide == it,
            _ => false,
        }
    }
}
