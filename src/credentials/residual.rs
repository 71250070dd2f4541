//! What is left of a decision, in the words of Biscuit Datalog: checks over the map that verifiers
//! supply. An argument of another type than a condition is about fails the whole verification.

use biscuit_auth::builder::{Binary, Check, Op, Term, Unary, int, string};

use super::attenuate::{binary, context_check, get, lazy, value};
use crate::authz::residual::{Condition, Residual};
use crate::policy::residue::{Comparison, Operand};

const NOW: &str = "clock.now";

/// One check for each condition, and one for each number that a condition would take for another.
pub(super) fn checks(residual: &Residual) -> Vec<Check> {
    let mut by_type = Vec::new();
    residual.conditions.iter().for_each(|it| read_by_type(it, &mut by_type));
    by_type.sort_unstable();
    by_type.dedup();
    let conditions = residual.conditions.iter().map(|it| context_check(ops(it)));
    conditions.chain(by_type.into_iter().map(|it| context_check(no_odd_number(it)))).collect()
}

/// The arguments, by pointer, of which a condition reads a text, or whether there is a number.
fn read_by_type<'a>(condition: &'a Condition, found: &mut Vec<&'a str>) {
    match condition {
        Condition::Has(Operand::Text(at) | Operand::Number(at))
        | Condition::Text(at, ..)
        | Condition::OneOf(at, _)
        | Condition::Begins(at, _)
        | Condition::Holds(at, _)
        | Condition::Ends(at, _) => found.push(at),
        Condition::All(several) | Condition::Any(several) => {
            several.iter().for_each(|it| read_by_type(it, found));
        }
        Condition::Not(it) => read_by_type(it, found),
        Condition::Within(_) | Condition::Has(_) | Condition::Is(_) | Condition::Number(..) => {}
    }
}

/// Cedar takes a number that is no integer for text, and verifiers do not: such a call is refused
/// where a rule reads that text, or asks for a number there.
fn no_odd_number(pointer: &str) -> Vec<Op> {
    let kind = [get(&format!("call.number{pointer}")), vec![Op::Unary(Unary::TypeOf)]].concat();
    binary(kind, value(string("string")), Binary::NotEqual)
}

fn ops(condition: &Condition) -> Vec<Op> {
    match condition {
        Condition::Within(stretches) => any(stretches.iter().map(within)),
        Condition::Has(operand) => {
            binary(get(&name(operand)), value(Term::Null), Binary::HeterogeneousNotEqual)
        }
        Condition::Is(operand) => get(&name(operand)),
        Condition::Number(at, how, with) => {
            let operand = get(&format!("call.number{at}"));
            binary(operand, value(int(*with)), comparison(*how))
        }
        Condition::Text(at, how, with) => binary(text(at), value(string(with)), comparison(*how)),
        Condition::OneOf(at, texts) => {
            let set = Term::Set(texts.iter().map(|it| string(it)).collect());
            // What is missing, or of another type, is no member: only a text may be asked about.
            let is_text = [text(at), vec![Op::Unary(Unary::TypeOf)]].concat();
            let is_text = binary(is_text, value(string("string")), Binary::Equal);
            lazy(is_text, binary(value(set), text(at), Binary::Contains), Binary::LazyAnd)
        }
        Condition::Begins(at, it) => binary(text(at), value(string(it)), Binary::Prefix),
        Condition::Holds(at, it) => binary(text(at), value(string(it)), Binary::Contains),
        Condition::Ends(at, it) => binary(text(at), value(string(it)), Binary::Suffix),
        Condition::All(several) => all(several.iter().map(ops)),
        Condition::Any(several) => any(several.iter().map(ops)),
        Condition::Not(it) => {
            [ops(it), vec![Op::Unary(Unary::Parens), Op::Unary(Unary::Negate)]].concat()
        }
    }
}

fn within(&(from, until): &(i64, i64)) -> Vec<Op> {
    let bound = |at: i64, how| binary(get(NOW), value(int(at)), how);
    match (from, until) {
        (i64::MIN, until) => bound(until, Binary::LessThan),
        (from, i64::MAX) => bound(from, Binary::GreaterOrEqual),
        (from, until) => {
            all([bound(from, Binary::GreaterOrEqual), bound(until, Binary::LessThan)].into_iter())
        }
    }
}

fn all(several: impl Iterator<Item = Vec<Op>>) -> Vec<Op> {
    let joined = several.reduce(|a, b| lazy(a, b, Binary::LazyAnd));
    parens(joined.unwrap_or_else(|| value(Term::Bool(true))))
}

fn any(several: impl Iterator<Item = Vec<Op>>) -> Vec<Op> {
    let joined = several.reduce(|a, b| lazy(a, b, Binary::LazyOr));
    parens(joined.unwrap_or_else(|| value(Term::Bool(false))))
}

fn parens(mut ops: Vec<Op>) -> Vec<Op> {
    ops.push(Op::Unary(Unary::Parens));
    ops
}

fn text(pointer: &str) -> Vec<Op> {
    get(&format!("call.text{pointer}"))
}

fn name(operand: &Operand) -> String {
    match operand {
        Operand::Text(at) => format!("call.text{at}"),
        Operand::Number(at) => format!("call.number{at}"),
        Operand::Flag(at) => format!("call.flag{at}"),
    }
}

/// The strict forms: they fail on a value of another type.
fn comparison(how: Comparison) -> Binary {
    match how {
        Comparison::Equal => Binary::Equal,
        Comparison::NotEqual => Binary::NotEqual,
        Comparison::Less => Binary::LessThan,
        Comparison::LessEqual => Binary::LessOrEqual,
        Comparison::Greater => Binary::GreaterThan,
        Comparison::GreaterEqual => Binary::GreaterOrEqual,
    }
}

#[cfg(test)]
mod tests;
