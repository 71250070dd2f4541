//! The value of an expression.

use std::cmp::Ordering;

use serde_json::{Number, Value};

use super::expression::{Expr, Key, Op, Path};

/// What expressions can speak of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// `name` and `arguments` of the call.
    pub params: &'a Value,
    /// Claims of the access token.
    pub token: &'a Value,
}

/// The value; none where an optional selection found nothing.
///
/// # Errors
/// What went wrong, in words without values: those may be secrets.
pub fn evaluate(expr: &Expr, inputs: Inputs<'_>) -> Result<Option<Value>, String> {
    match expr {
        Expr::Path(it) => path(it, inputs),
        other => value(other, inputs).map(Some),
    }
}

fn value(expr: &Expr, inputs: Inputs<'_>) -> Result<Value, String> {
    Ok(match expr {
        Expr::Literal(it) => it.clone(),
        Expr::Path(it) => {
            path(it, inputs)?.ok_or("something optional is used as if it were there")?
        }
        Expr::Not(it) => Value::Bool(!truth(it, inputs)?),
        Expr::Minus(it) => negated(&value(it, inputs)?)?,
        Expr::Size(it) => size(&value(it, inputs)?)?,
        Expr::Choice(all) => match truth(&all.0, inputs)? {
            true => value(&all.1, inputs)?,
            false => value(&all.2, inputs)?,
        },
        Expr::Binary(Op::And, both) => {
            Value::Bool(truth(&both.0, inputs)? && truth(&both.1, inputs)?)
        }
        Expr::Binary(Op::Or, both) => {
            Value::Bool(truth(&both.0, inputs)? || truth(&both.1, inputs)?)
        }
        Expr::Binary(op, both) => binary(*op, &value(&both.0, inputs)?, &value(&both.1, inputs)?)?,
    })
}

fn truth(expr: &Expr, inputs: Inputs<'_>) -> Result<bool, String> {
    value(expr, inputs)?.as_bool().ok_or_else(|| "a condition is neither true nor false".into())
}

fn path(path: &Path, inputs: Inputs<'_>) -> Result<Option<Value>, String> {
    let mut at = match path.root.as_str() {
        "params" => inputs.params,
        "token" => inputs.token,
        other => return Err(format!("there is no `{other}`")),
    };
    for step in &path.steps {
        let found = match &step.key {
            Key::Member(name) => at.get(name),
            Key::Index(index) => at.get(index),
        };
        at = match (found, &step.key) {
            (Some(it), _) => it,
            (None, _) if step.optional => return Ok(None),
            (None, Key::Member(name)) => return Err(format!("there is no `{name}`")),
            (None, Key::Index(index)) => return Err(format!("there is no member {index}")),
        };
    }
    Ok(Some(at.clone()))
}

fn binary(op: Op, left: &Value, right: &Value) -> Result<Value, String> {
    Ok(match op {
        Op::Equal => Value::Bool(equal(left, right)),
        Op::Unequal => Value::Bool(!equal(left, right)),
        Op::Less => Value::Bool(order(left, right)?.is_lt()),
        Op::AtMost => Value::Bool(order(left, right)?.is_le()),
        Op::More => Value::Bool(order(left, right)?.is_gt()),
        Op::AtLeast => Value::Bool(order(left, right)?.is_ge()),
        Op::In => Value::Bool(match right {
            Value::Array(all) => all.iter().any(|it| equal(it, left)),
            Value::Object(all) => left.as_str().is_some_and(|it| all.contains_key(it)),
            _ => return Err("`in` needs a list or a map".into()),
        }),
        Op::Plus => sum(left, right)?,
        Op::And | Op::Or => return Err("a condition is neither true nor false".into()),
    })
}

fn equal(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(_), Some(_)) => order(left, right).is_ok_and(Ordering::is_eq),
        _ => left == right,
    }
}

fn order(left: &Value, right: &Value) -> Result<Ordering, String> {
    let wrong = || "only numbers, and texts, can be compared with each other".to_owned();
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(left.cmp(right)),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => Ok(a.cmp(&b)),
            _ => left
                .as_f64()
                .zip(right.as_f64())
                .and_then(|(a, b)| a.partial_cmp(&b))
                .ok_or_else(wrong),
        },
        _ => Err(wrong()),
    }
}

fn sum(left: &Value, right: &Value) -> Result<Value, String> {
    match (left, right) {
        (Value::String(left), Value::String(right)) => Ok(format!("{left}{right}").into()),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.checked_add(b).map(Value::from).ok_or("overflows".to_owned()),
            _ => real(left.as_f64().zip(right.as_f64()).map(|(a, b)| a + b)),
        },
        _ => Err("only numbers, and texts, can be added to each other".into()),
    }
}

fn negated(it: &Value) -> Result<Value, String> {
    match it.as_i64() {
        Some(whole) => whole.checked_neg().map(Value::from).ok_or("overflows".to_owned()),
        None => real(it.as_f64().map(|it| -it)),
    }
}

fn real(number: Option<f64>) -> Result<Value, String> {
    let number = number.and_then(Number::from_f64);
    number.map(Value::Number).ok_or_else(|| "is no number".into())
}

fn size(it: &Value) -> Result<Value, String> {
    let size = match it {
        Value::String(it) => it.chars().count(),
        Value::Array(it) => it.len(),
        Value::Object(it) => it.len(),
        _ => return Err("only texts, lists and maps have a size".into()),
    };
    Ok(size.into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::parse::parse;
    use super::*;

    fn of(text: &str) -> Result<Option<Value>, String> {
        let params = json!({ "name": "pay", "arguments": { "amount": 12_000, "to": ["a", "b"] } });
        let token = json!({ "sub": "u1", "roles": ["treasury"] });
        evaluate(&parse(text).unwrap(), Inputs { params: &params, token: &token })
    }

    #[test]
    fn values_are_what_they_say() {
        for (text, wanted) in [
            ("token.sub", json!("u1")),
            ("params.arguments.amount > 10000 ? 'high' : 'standard'", json!("high")),
            ("'treasury' in token.roles && !('x' in token.roles)", json!(true)),
            ("params.name + '/' + params.arguments.to[1]", json!("pay/b")),
            ("size(params.arguments.to) + 1", json!(3)),
            ("-1 < 0.5 || token.none", json!(true)),
            ("1 == 1.0", json!(true)),
        ] {
            assert_eq!(of(text).unwrap(), Some(wanted), "{text}");
        }
        assert_eq!(of("token.?client_id").unwrap(), None);
    }

    #[test]
    fn what_is_missing_is_an_error_unless_it_is_optional() {
        for text in [
            "token.client_id",
            "params.arguments.to[7]",
            "env.home",
            "!token.sub",
            "token.?none + 'a'",
            "1 < 'a'",
            "9223372036854775807 + 1",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }
}
