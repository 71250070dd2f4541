//! Narrows a credential offline: appends one block that can only refuse, never allow.

use std::collections::BTreeSet;

use biscuit_auth::builder::{
    Binary, BlockBuilder, Check, Op, Rule, Term, Unary, pred, string, var,
};
use biscuit_auth::builder::{Expression, boolean, int};
use biscuit_auth::error;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Number, Value};

use super::mint::{before, check, head};
use super::verify::parts::parse;
use super::verify::request::{scaled, whole};
use super::verify::{BLOCKS_MAX, Refusal, TOKEN_BYTES_MAX};

/// What the holder gives up. Everything left out stays as it was.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Narrowing {
    /// Only these scopes.
    pub scopes: Option<BTreeSet<String>>,
    /// Not after this instant, cut to the second before it.
    pub expires_at: Option<Timestamp>,
    /// Only calls whose arguments pass all of these.
    pub arguments: Vec<ArgumentCheck>,
    /// Only for who proves the key with this RFC 7638 thumbprint, besides any key that is needed
    /// already.
    pub holder: Option<String>,
}

/// A condition on one argument. A call without that argument does not pass.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgumentCheck {
    /// Where the argument is, as a JSON pointer (RFC 6901) such as `/amount`.
    pub pointer: String,
    pub admits: Admits,
}

/// The values that pass.
#[derive(Clone, Debug, PartialEq)]
pub enum Admits {
    Equal(Value),
    OneOf(Vec<Value>),
    AtMost(Number),
    AtLeast(Number),
    /// Text that begins so.
    Prefix(String),
}

/// Why a credential was not narrowed.
#[derive(Debug, thiserror::Error)]
pub enum AttenuateError {
    #[error("the token cannot be read")]
    Token(#[source] Refusal),
    #[error("nothing to narrow to was named")]
    Nothing,
    #[error("the credential does not grant `{scope}`, only {granted}")]
    NotGranted { scope: String, granted: String },
    #[error("a credential without scopes would allow nothing")]
    NoScopes,
    #[error("the expiry is before 1970")]
    Expiry,
    #[error("`{0}` has more than four decimals or too many digits")]
    Number(Number),
    #[error("`{0}` cannot be compared with: give text, a number, true or false")]
    Value(Value),
    #[error("the credential is sealed: its holder gave up narrowing it")]
    Sealed,
    #[error("the credential has {BLOCKS_MAX} blocks, verifiers take no more")]
    TooManyBlocks,
    #[error("the credential would have {0} bytes, verifiers take {TOKEN_BYTES_MAX}")]
    TooLarge(usize),
    #[error("the block cannot be added")]
    Biscuit(#[source] error::Token),
}

/// Appends one block to `token`. Needs no key, checks no signature: a forged token stays forged.
pub fn attenuate(token: &str, narrowing: &Narrowing) -> Result<SecretString, AttenuateError> {
    let unverified = parse(token).map_err(AttenuateError::Token)?;
    if unverified.blocks.len() >= BLOCKS_MAX {
        return Err(AttenuateError::TooManyBlocks);
    }
    if let Some(scopes) = &narrowing.scopes {
        granted(&unverified.blocks.rights(), scopes)?;
    }
    let narrowed = unverified.biscuit.append(block(narrowing)?).map_err(|it| match it {
        error::Token::AppendOnSealed | error::Token::AlreadySealed => AttenuateError::Sealed,
        it => AttenuateError::Biscuit(it),
    })?;
    let size = narrowed.to_vec().map_err(AttenuateError::Biscuit)?.len();
    if size > TOKEN_BYTES_MAX {
        return Err(AttenuateError::TooLarge(size));
    }
    Ok(narrowed.to_base64().map_err(AttenuateError::Biscuit)?.into())
}

/// The block that says so.
pub(super) fn block(narrowing: &Narrowing) -> Result<BlockBuilder, AttenuateError> {
    let mut block = BlockBuilder::new();
    block.checks = checks(narrowing)?;
    if block.checks.is_empty() { Err(AttenuateError::Nothing) } else { Ok(block) }
}

/// A scope that the token lacks could be asked for without harm, and without use: say so.
fn granted(rights: &BTreeSet<&str>, scopes: &BTreeSet<String>) -> Result<(), AttenuateError> {
    if scopes.is_empty() {
        return Err(AttenuateError::NoScopes);
    }
    match scopes.iter().find(|it| !rights.contains(it.as_str())) {
        None => Ok(()),
        Some(scope) => {
            let named: Vec<String> = rights.iter().map(|it| format!("`{it}`")).collect();
            let (scope, granted) = (scope.clone(), named.join(", "));
            Err(AttenuateError::NotGranted { scope, granted })
        }
    }
}

fn checks(narrowing: &Narrowing) -> Result<Vec<Check>, AttenuateError> {
    let mut checks = Vec::new();
    if let Some(at) = narrowing.expires_at {
        checks.push(before(u64::try_from(at.as_second()).map_err(|_| AttenuateError::Expiry)?));
    }
    if let Some(scopes) = &narrowing.scopes {
        let asked = |scope: &String| vec![pred("request", &[var("tool"), string(scope)])];
        checks.push(check(scopes.iter().map(|it| only_if(asked(it), vec![])).collect()));
    }
    checks.extend(argument_checks(&narrowing.arguments)?);
    if let Some(key) = &narrowing.holder {
        checks.push(check(vec![only_if(vec![pred("holder_proved", &[string(key)])], vec![])]));
    }
    Ok(checks)
}

/// One check for each condition, in a holder's block or in the issuer's own.
pub(super) fn argument_checks(arguments: &[ArgumentCheck]) -> Result<Vec<Check>, AttenuateError> {
    let one = |it: &ArgumentCheck| {
        if it.admits == Admits::OneOf(Vec::new()) {
            return Err(AttenuateError::Nothing);
        }
        Ok(check(alternatives(it)?.into_iter().map(of_context).collect()))
    };
    arguments.iter().map(one).collect()
}

/// `check if ctx($c), expression`.
pub(super) fn context_check(expression: Vec<Op>) -> Check {
    check(vec![of_context(expression)])
}

fn of_context(expression: Vec<Op>) -> Rule {
    only_if(vec![pred("ctx", &[var("c")])], vec![expression])
}

fn only_if(body: Vec<biscuit_auth::builder::Predicate>, ops: Vec<Vec<Op>>) -> Rule {
    let expressions = ops.into_iter().map(|ops| Expression { ops }).collect();
    Rule::new(head(), body, expressions, vec![])
}

/// Expressions over `$c`, one of which must hold.
fn alternatives(argument: &ArgumentCheck) -> Result<Vec<Vec<Op>>, AttenuateError> {
    let at = argument.pointer.as_str();
    match &argument.admits {
        Admits::Equal(it) => Ok(vec![equal(at, it)?]),
        Admits::OneOf(values) => values.iter().map(|it| equal(at, it)).collect(),
        Admits::AtMost(it) => bound(at, it, &Binary::LessOrEqual, i64::div_euclid),
        Admits::AtLeast(it) => bound(at, it, &Binary::GreaterOrEqual, ceiling),
        Admits::Prefix(it) => {
            let name = format!("call.text{at}");
            Ok(vec![present_and(&name, binary(get(&name), value(string(it)), Binary::Prefix))])
        }
    }
}

/// `$c.get(name) == value`: false, not an error, when there is no such argument or it has
/// another type.
fn equal(pointer: &str, expected: &Value) -> Result<Vec<Op>, AttenuateError> {
    let (kind, term) = match expected {
        Value::String(it) => ("call.text", string(it)),
        Value::Bool(it) => ("call.flag", boolean(*it)),
        Value::Number(it) => match whole(it) {
            Some(whole) => ("call.number", int(whole)),
            None => ("call.decimal", int(exact(it)?)),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => {
            return Err(AttenuateError::Value(expected.clone()));
        }
    };
    Ok(binary(get(&format!("{kind}{pointer}")), value(term), Binary::HeterogeneousEqual))
}

/// A bound on `call.decimal`, which every number has; or on `call.number` where a verifier
/// supplies no more than that, with the bound rounded to the stricter side.
fn bound(
    pointer: &str,
    limit: &Number,
    comparison: &Binary,
    round: fn(i64, i64) -> i64,
) -> Result<Vec<Vec<Op>>, AttenuateError> {
    let limit = exact(limit)?;
    let compare = |name: &str, limit| {
        let compared = binary(get(name), value(int(limit)), comparison.clone());
        present_and(name, compared)
    };
    let decimal = format!("call.decimal{pointer}");
    let whole = round(limit, super::verify::request::DECIMAL_SCALE);
    let absent = binary(get(&decimal), value(Term::Null), Binary::HeterogeneousEqual);
    let whole = lazy(absent, compare(&format!("call.number{pointer}"), whole), Binary::LazyAnd);
    Ok(vec![compare(&decimal, limit), whole])
}

fn exact(number: &Number) -> Result<i64, AttenuateError> {
    scaled(number).ok_or_else(|| AttenuateError::Number(number.clone()))
}

fn ceiling(dividend: i64, divisor: i64) -> i64 {
    dividend.div_euclid(divisor) + i64::from(dividend.rem_euclid(divisor) != 0)
}

/// `$c.get(name) != null && (condition)`.
fn present_and(name: &str, condition: Vec<Op>) -> Vec<Op> {
    let present = binary(get(name), value(Term::Null), Binary::HeterogeneousNotEqual);
    lazy(present, condition, Binary::LazyAnd)
}

pub(super) fn get(name: &str) -> Vec<Op> {
    binary(value(var("c")), value(string(name)), Binary::Get)
}

pub(super) fn value(term: Term) -> Vec<Op> {
    vec![Op::Value(term)]
}

/// Expressions are stack programs: both operands, then the operation.
pub(super) fn binary(left: Vec<Op>, right: Vec<Op>, operation: Binary) -> Vec<Op> {
    [left, right, vec![Op::Binary(operation)]].concat()
}

/// Like [`binary`], with the right side run only when it matters.
pub(super) fn lazy(left: Vec<Op>, right: Vec<Op>, operation: Binary) -> Vec<Op> {
    let right = [right, vec![Op::Unary(Unary::Parens)]].concat();
    [left, vec![Op::Closure(vec![], right), Op::Binary(operation)]].concat()
}

#[cfg(test)]
mod tests;
