//! What a policy asked, part by part: whether each part held, and the values of what it read.

use std::collections::BTreeMap;

use cedar_policy::pst::{BinaryOp, Clause, Expr, Policy as Pst, UnaryOp, Var};
use cedar_policy::{Entities, EvalResult, Expression, Policy, Request, eval_expression};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::place::Places;
use super::shown::shown;
use crate::policy::Meta;

/// One part of a policy's conditions, as it was on one request.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Condition {
    /// `when` or `unless`.
    pub clause: &'static str,
    /// As it is written.
    pub text: String,
    pub line: usize,
    /// Whether the policy says `!` of it: it asks that this does not hold.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schemars(default)]
    pub negated: bool,
    /// Whether `text` holds, whatever is asked of it. Null where it could not be asked, because something that it reads was absent.
    pub holds: Option<bool>,
    pub values: Vec<Seen>,
}

/// What was read, and what it was.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Seen {
    /// From its root: `context.session.mfa_age`, `resource.risk`.
    pub path: String,
    /// Null where there was nothing.
    pub value: Value,
}

/// The question that conditions are asked about.
pub struct Asked {
    pub request: Request,
    pub entities: Entities,
}

/// The conditions of `policy`, asked one by one; none where Cedar cannot tell of them.
pub fn conditions(policy: &Policy, meta: &Meta, asked: &Asked) -> Vec<Condition> {
    let Ok(written) = policy.to_pst() else { return Vec::new() };
    let mut places = Places::of(meta);
    let mut found = Vec::new();
    for clause in body(&written) {
        let (word, expression) = match clause {
            Clause::When(it) => ("when", it),
            Clause::Unless(it) => ("unless", it),
        };
        for (part, sign) in parts(expression, Sign::Plain) {
            let (text, line) = places.next(&part.to_string());
            let holds = match asked.eval(part) {
                Some(EvalResult::Bool(it)) => Some(it),
                _ => None,
            };
            let (negated, values) = (sign == Sign::Negated, asked.values(part));
            found.push(Condition { clause: word, text, line, negated, holds, values });
        }
    }
    found
}

fn body(policy: &Pst) -> &[Clause] {
    policy.body().clauses()
}

/// Whether a part is asked to hold, or not to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Plain,
    Negated,
}

impl Sign {
    fn turned(self) -> Sign {
        match self {
            Sign::Plain => Sign::Negated,
            Sign::Negated => Sign::Plain,
        }
    }
}

/// What is left when `and`, `or`, `not` and `if` are taken apart.
fn parts(expression: &Expr, sign: Sign) -> Vec<(&Expr, Sign)> {
    match expression {
        Expr::BinaryOp { op: BinaryOp::And | BinaryOp::Or, left, right } => {
            [parts(left, sign), parts(right, sign)].concat()
        }
        Expr::UnaryOp { op: UnaryOp::Not, expr } => parts(expr, sign.turned()),
        // Which way a condition leads is no question of its sign.
        Expr::IfThenElse { cond, then_expr, else_expr } => {
            [parts(cond, Sign::Plain), parts(then_expr, sign), parts(else_expr, sign)].concat()
        }
        Expr::Literal(_) => Vec::new(),
        part => vec![(part, sign)],
    }
}

impl Asked {
    pub fn eval(&self, expression: &Expr) -> Option<EvalResult> {
        let expression: Expression = expression.to_string().parse().ok()?;
        eval_expression(&self.request, &self.entities, &expression).ok()
    }

    /// What the part reads, each once.
    fn values(&self, part: &Expr) -> Vec<Seen> {
        let mut read = BTreeMap::new();
        self.read(part, &mut read);
        read.into_iter().map(|(path, value)| Seen { path, value }).collect()
    }

    fn read(&self, expression: &Expr, read: &mut BTreeMap<String, Value>) {
        if let Some(path) = named(expression) {
            read.insert(path, self.eval(expression).map_or(Value::Null, |it| shown(&it)));
            return;
        }
        match expression {
            Expr::HasAttr { expr, attrs } => {
                let attribute = attrs.iter().try_fold(Expr::clone(expr), |base, attr| {
                    Some(Expr::GetAttr { expr: base.into(), attr: attr.clone() })
                });
                if let Some(it) = attribute {
                    self.read(&it, read);
                }
            }
            Expr::BinaryOp { op: BinaryOp::HasTag, left, right } => {
                let (left, right) = (left.clone(), right.clone());
                self.read(&Expr::BinaryOp { op: BinaryOp::GetTag, left, right }, read);
            }
            other => {
                for child in crate::policy::children(other) {
                    self.read(child, read);
                }
            }
        }
    }
}

/// How people call what an expression reads, if it does nothing else.
fn named(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Var(Var::Principal) => Some("principal".into()),
        Expr::Var(Var::Resource) => Some("resource".into()),
        Expr::Var(Var::Action) => Some("action".into()),
        Expr::Var(Var::Context) => Some("context".into()),
        Expr::GetAttr { expr, attr } => Some(format!("{}.{attr}", named(expr)?)),
        Expr::BinaryOp { op: BinaryOp::GetTag, left, right } => match &**right {
            Expr::Literal(cedar_policy::pst::Literal::String(key)) => {
                Some(format!("{}[{key}]", named(left)?))
            }
            _ => None,
        },
        _ => None,
    }
}
