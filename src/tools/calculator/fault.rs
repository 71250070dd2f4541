//! Why an expression has no answer: one sentence for whoever wrote it.

use super::limits::{DIGITS_MAX, EXPRESSION_MAX, NESTING_MAX, TIME_MAX};

/// What is wrong with an expression. Positions count characters from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the expression is longer than {EXPRESSION_MAX} characters")]
    TooLong,
    #[error("the expression is nested deeper than {NESTING_MAX} levels")]
    TooDeep,
    #[error("a number in it has more than {DIGITS_MAX} digits")]
    TooLarge,
    #[error("it takes longer than {TIME_MAX:?} to compute")]
    TooSlow,
    #[error("at character {at}: {detail}")]
    Syntax { at: usize, detail: String },
    #[error("at character {at}: `{name}` is no function or constant; there are {known}")]
    Unknown { at: usize, name: String, known: String },
    #[error("{0}")]
    Undefined(String),
}

impl Fault {
    pub(super) fn undefined(detail: impl Into<String>) -> Fault {
        Fault::Undefined(detail.into())
    }

    /// The word that programs tell faults apart by.
    pub fn code(&self) -> &'static str {
        match self {
            Fault::TooLong => "too_long",
            Fault::TooDeep => "too_deep",
            Fault::TooLarge => "too_large",
            Fault::TooSlow => "too_slow",
            Fault::Syntax { .. } => "syntax",
            Fault::Unknown { .. } => "unknown_name",
            Fault::Undefined(_) => "undefined",
        }
    }
}
