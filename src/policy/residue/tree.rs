//! Conditions of policies, taken apart into what is known when a credential is issued, what the clock
//! decides, and what its use will tell.

use cedar_policy::pst::{BinaryOp, Clause, Expr, Literal, PatternElem, UnaryOp};
use cedar_policy::{Expression, Policy};

use super::super::syntax::{children, context_path};
use super::clauses;
use super::timed::Timed;

/// A condition.
#[derive(Debug)]
pub enum Tree {
    /// Known at issue, and the same ever after.
    Frozen(Box<Expression>),
    /// The clock decides it, and nothing else.
    Timed(Box<Timed>),
    /// An argument decides it.
    Leaf(Leaf),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Not(Box<Tree>),
    If(Box<Tree>, Box<Tree>, Box<Tree>),
    /// Only Gatewright can tell; why, in Cedar's words.
    Beyond(String),
}

/// A condition on one argument.
#[derive(Debug)]
pub enum Leaf {
    /// There is such an argument.
    Has(Operand),
    /// The argument is `true`.
    Is(Operand),
    Compares(Operand, Comparison, Box<Expression>),
    /// The argument is one of these.
    OneOf(Operand, Box<Expression>),
    /// Parts of a pattern: what the text begins with, holds, and ends with.
    Like {
        operand: Operand,
        begin: String,
        hold: Option<String>,
        end: String,
    },
}

/// An argument by type and JSON pointer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    Text(String),
    Number(String),
    Flag(String),
}

/// How two numbers, or two texts, compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Comparison {
    fn of(op: BinaryOp) -> Option<Comparison> {
        Some(match op {
            BinaryOp::Eq => Comparison::Equal,
            BinaryOp::NotEq => Comparison::NotEqual,
            BinaryOp::Less => Comparison::Less,
            BinaryOp::LessEq => Comparison::LessEqual,
            BinaryOp::Greater => Comparison::Greater,
            BinaryOp::GreaterEq => Comparison::GreaterEqual,
            _ => return None,
        })
    }

    /// The same with its sides changed.
    fn turned(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::LessEqual => Comparison::GreaterEqual,
            Comparison::Greater => Comparison::Less,
            Comparison::GreaterEqual => Comparison::LessEqual,
            same => same,
        }
    }
}

impl Tree {
    /// All conditions of `policy`: true where it applies, its scope aside.
    pub(super) fn of(policy: &Policy) -> Tree {
        let Some(clauses) = clauses(policy) else {
            return Tree::Beyond("the policy cannot be taken apart".to_owned());
        };
        let conditions = clauses.iter().map(|it| match it {
            Clause::When(it) => Tree::new(it),
            Clause::Unless(it) => Tree::new(it).negated(),
        });
        conditions.reduce(Tree::and).unwrap_or_else(|| frozen(&Expr::Literal(Literal::Bool(true))))
    }

    fn new(it: &Expr) -> Tree {
        match reads(it) {
            Reads::Nothing => return frozen(it),
            Reads::Beyond(what) => return Tree::Beyond(what),
            Reads::Clock => {
                if let Some(timed) = Timed::of(it) {
                    return Tree::Timed(Box::new(timed));
                }
                // Parts of it may be known.
            }
            Reads::Arguments => {}
        }
        match it {
            Expr::UnaryOp { op: UnaryOp::Not, expr } => Tree::new(expr).negated(),
            Expr::BinaryOp { op: BinaryOp::And, left, right } => {
                Tree::new(left).and(Tree::new(right))
            }
            Expr::BinaryOp { op: BinaryOp::Or, left, right } => {
                Tree::Or(Box::new(Tree::new(left)), Box::new(Tree::new(right)))
            }
            Expr::IfThenElse { cond, then_expr, else_expr } => Tree::If(
                Box::new(Tree::new(cond)),
                Box::new(Tree::new(then_expr)),
                Box::new(Tree::new(else_expr)),
            ),
            other => match leaf(other) {
                Some(leaf) => Tree::Leaf(leaf),
                None => Tree::Beyond(format!("`{other}`")),
            },
        }
    }

    fn and(self, other: Tree) -> Tree {
        match (self, other) {
            (Tree::Frozen(a), Tree::Frozen(b)) => parse(&format!("({a}) && ({b})")),
            (a, b) => Tree::And(Box::new(a), Box::new(b)),
        }
    }

    fn negated(self) -> Tree {
        match self {
            Tree::Frozen(it) => parse(&format!("!({it})")),
            other => Tree::Not(Box::new(other)),
        }
    }
}

fn frozen(it: &Expr) -> Tree {
    parse(&it.to_string())
}

fn parse(text: &str) -> Tree {
    match text.parse() {
        Ok(it) => Tree::Frozen(Box::new(it)),
        Err(_) => Tree::Beyond(format!("`{text}`")),
    }
}

/// What of an expression is not known before a credential is used.
enum Reads {
    Nothing,
    Clock,
    Arguments,
    Beyond(String),
}

/// The part of `context.call` that is known when a credential is issued: it is for this definition
/// of the tool, and no person confirms anything.
const KNOWN_OF_CALL: [&str; 2] = ["call.version", "call.confirmed"];
const ARGUMENTS: [&str; 3] = ["call.text", "call.number", "call.flag"];
/// What counts as it goes on, and arguments in a form that verifiers do not know.
const NEVER_KNOWN: [&str; 2] = ["history", "input"];

fn reads(it: &Expr) -> Reads {
    let mut found = Found::default();
    found.look(it);
    match found {
        Found { beyond: Some(what), .. } => Reads::Beyond(what),
        Found { arguments: true, .. } => Reads::Arguments,
        Found { clock: true, .. } => Reads::Clock,
        _ => Reads::Nothing,
    }
}

#[derive(Default)]
struct Found {
    clock: bool,
    arguments: bool,
    beyond: Option<String>,
}

impl Found {
    fn look(&mut self, it: &Expr) {
        if let Some(path) = context_path(it) {
            return self.read(&path);
        }
        if let Expr::HasAttr { expr, attrs } = it
            && let Some(path) = context_path(expr)
        {
            let head = attrs.head.as_str();
            return self.read(&if path.is_empty() {
                head.to_owned()
            } else {
                format!("{path}.{head}")
            });
        }
        children(it).into_iter().for_each(|child| self.look(child));
    }

    fn read(&mut self, path: &str) {
        let below = |root: &&str| {
            path.strip_prefix(*root).is_some_and(|it| it.is_empty() || it.starts_with('.'))
        };
        let known_of_call = ARGUMENTS.iter().chain(&KNOWN_OF_CALL).any(below);
        self.clock |= below(&"clock");
        self.arguments |= ARGUMENTS.iter().any(below);
        if path.is_empty() || (below(&"call") && !known_of_call) || NEVER_KNOWN.iter().any(below) {
            self.beyond = Some(format!("`context.{path}`"));
        }
    }
}

fn leaf(it: &Expr) -> Option<Leaf> {
    if let Some((operand, BinaryOp::HasTag)) = tag(it) {
        return Some(Leaf::Has(operand));
    }
    if let Some((operand @ Operand::Flag(_), BinaryOp::GetTag)) = tag(it) {
        return Some(Leaf::Is(operand));
    }
    match it {
        Expr::BinaryOp { op: BinaryOp::Contains, left, right } => {
            Some(Leaf::OneOf(value(right)?, known(left)?))
        }
        Expr::BinaryOp { op, left, right } => {
            let comparison = Comparison::of(*op)?;
            match (value(left), value(right)) {
                (Some(operand), None) => Some(Leaf::Compares(operand, comparison, known(right)?)),
                (None, Some(operand)) => {
                    Some(Leaf::Compares(operand, comparison.turned(), known(left)?))
                }
                _ => None,
            }
        }
        Expr::Like { expr, pattern } => {
            let Some(operand @ Operand::Text(_)) = value(expr) else { return None };
            like(operand, &pattern.to_vec())
        }
        _ => None,
    }
}

/// Patterns of at most two wildcards around one part, or one wildcard between two.
fn like(operand: Operand, pattern: &[PatternElem]) -> Option<Leaf> {
    let mut parts = vec![String::new()];
    for it in pattern {
        match (it, parts.last_mut()) {
            (PatternElem::Char(it), Some(last)) => last.push(*it),
            _ => parts.push(String::new()),
        }
    }
    // `**` is `*`, but for the first and the last part.
    let last = parts.len() - 1;
    let mut at = 0;
    parts.retain(|it| {
        at += 1;
        !it.is_empty() || at == 1 || at == last + 1
    });
    match <[String; 3]>::try_from(parts) {
        Ok([begin, hold, end]) if begin.is_empty() && end.is_empty() => {
            Some(Leaf::Like { operand, begin, hold: Some(hold), end })
        }
        Ok(_) => None,
        Err(parts) => match <[String; 2]>::try_from(parts) {
            Ok([begin, end]) if begin.is_empty() || end.is_empty() => {
                Some(Leaf::Like { operand, begin, hold: None, end })
            }
            _ => None,
        },
    }
}

/// The value of an argument.
fn value(it: &Expr) -> Option<Operand> {
    tag(it).filter(|(_, op)| *op == BinaryOp::GetTag).map(|(operand, _)| operand)
}

/// `context.call.number.getTag("/amount")`, or `hasTag`.
fn tag(it: &Expr) -> Option<(Operand, BinaryOp)> {
    let Expr::BinaryOp { op: op @ (BinaryOp::GetTag | BinaryOp::HasTag), left, right } = it else {
        return None;
    };
    let Expr::Literal(Literal::String(pointer)) = &**right else { return None };
    let pointer = pointer.to_string();
    let operand = match context_path(left)?.as_str() {
        "call.text" => Operand::Text(pointer),
        "call.number" => Operand::Number(pointer),
        "call.flag" => Operand::Flag(pointer),
        _ => return None,
    };
    Some((operand, *op))
}

/// An expression that is known at issue.
fn known(it: &Expr) -> Option<Box<Expression>> {
    match reads(it) {
        Reads::Nothing => it.to_string().parse().ok().map(Box::new),
        _ => None,
    }
}
