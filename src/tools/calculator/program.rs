//! An expression as steps on a stack, so that computing it needs no recursion.

use num_rational::BigRational;

use super::fault::Fault;
use super::functions::{self, Function};
use super::limits::Deadline;
use super::number::Number;
use super::power::power;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Push(BigRational),
    Constant(f64),
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Factorial,
    /// A function, and how many arguments it is given.
    Call(&'static Function, usize),
}

#[derive(Debug)]
pub(super) struct Program(pub(super) Vec<Step>);

impl Program {
    pub(super) fn run(&self, deadline: &Deadline) -> Result<Number, Fault> {
        let mut stack = Stack(Vec::new());
        for step in &self.0 {
            deadline.check()?;
            let result = match step {
                Step::Push(it) => Number::Exact(it.clone()),
                Step::Constant(it) => Number::Approximate(*it),
                Step::Negate => stack.pop()?.negated(),
                Step::Factorial => functions::factorial(&stack.pop()?, deadline)?,
                Step::Call(function, given) => function.call(&stack.last(*given)?, deadline)?,
                binary => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    apply(binary, &left, &right)?
                }
            };
            stack.0.push(result);
        }
        stack.pop()
    }
}

fn apply(step: &Step, left: &Number, right: &Number) -> Result<Number, Fault> {
    match step {
        Step::Add => left.plus(right),
        Step::Subtract => left.minus(right),
        Step::Multiply => left.times(right),
        Step::Divide => left.over(right),
        Step::FloorDivide => left.floor_over(right),
        Step::Modulo => left.modulo(right),
        Step::Power => power(left, right),
        _ => Err(unbalanced()),
    }
}

struct Stack(Vec<Number>);

impl Stack {
    fn pop(&mut self) -> Result<Number, Fault> {
        self.0.pop().ok_or_else(unbalanced)
    }

    /// The last so many, in the order they were pushed.
    fn last(&mut self, count: usize) -> Result<Vec<Number>, Fault> {
        let first = self.0.len().checked_sub(count).ok_or_else(unbalanced)?;
        Ok(self.0.split_off(first))
    }
}

/// The parser makes no such program.
fn unbalanced() -> Fault {
    Fault::undefined("the expression is out of balance")
}
