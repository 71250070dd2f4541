//! An expression, as it is written and once it is read.

use serde_json::Value;

/// What stands before an expression in a mapping; twice, it is the sign itself.
const SIGN: char = '$';

/// A text of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub enum Text<'a> {
    Literal(&'a str),
    /// Without its sign.
    Expression(&'a str),
}

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    Literal(Value),
    Path(Path),
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Size(Box<Expr>),
    Binary(Op, Box<(Expr, Expr)>),
    /// If, then, else.
    Choice(Box<(Expr, Expr, Expr)>),
}

/// A way into one of the input variables.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    pub root: String,
    pub steps: Vec<Step>,
}

/// One selection.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub key: Key,
    /// `.?`: without such a member there is no value, and that is no error.
    pub optional: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Key {
    Member(String),
    Index(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Or,
    And,
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
    In,
    Plus,
}

impl<'a> Text<'a> {
    pub fn of(text: &'a str) -> Text<'a> {
        match text.strip_prefix(SIGN) {
            None => Text::Literal(text),
            Some(rest) if rest.starts_with(SIGN) => Text::Literal(rest),
            Some(rest) => Text::Expression(rest),
        }
    }
}

impl Expr {
    /// Looks at every path, with whoever lies around it left out.
    pub fn paths<'e>(&'e self, look: &mut impl FnMut(&'e Path)) {
        match self {
            Expr::Literal(_) => {}
            Expr::Path(it) => look(it),
            Expr::Not(it) | Expr::Minus(it) | Expr::Size(it) => it.paths(look),
            Expr::Binary(_, both) => {
                both.0.paths(look);
                both.1.paths(look);
            }
            Expr::Choice(all) => {
                all.0.paths(look);
                all.1.paths(look);
                all.2.paths(look);
            }
        }
    }
}
