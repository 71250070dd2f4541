//! Arithmetic, exact as far as it goes: nothing but numbers, operators and functions of them.

mod fault;
mod functions;
mod limits;
mod number;
mod parse;
mod power;
mod program;
mod provider;
mod shown;
#[cfg(test)]
mod tests;
mod token;

pub use fault::Fault;
pub use limits::{Deadline, EXPRESSION_MAX, TIME_MAX};
pub use provider::Calculator;
pub use shown::Answer;

/// What an expression is worth, if it can be told before the deadline.
///
/// # Errors
/// See [`Fault`]; nothing is computed before all of it was read.
pub fn evaluate(expression: &str, deadline: &Deadline) -> Result<Answer, Fault> {
    if expression.chars().nth(EXPRESSION_MAX).is_some() {
        return Err(Fault::TooLong);
    }
    let program = parse::parse(&token::tokens(expression)?)?;
    let number = program.run(deadline)?;
    Ok(Answer::from(&number))
}
