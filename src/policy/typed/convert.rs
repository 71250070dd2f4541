//! From the arguments of a call to `context.input`, exactly or not at all.

use cedar_policy::{EntityId, EntityUid, RestrictedExpression};
use serde_json::{Map, Value};

use super::{Field, Fields, Type, TypedCall, Words, numbers};

/// Why a call cannot be asked about under the types of its tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", argument(.pointer))]
pub struct Unfit {
    /// Below the arguments (RFC 6901).
    pub pointer: String,
    pub problem: String,
    pub cause: Cause,
}

/// What keeps policies from looking at an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It is of its type, and Cedar has no number that is exactly it.
    Inexact,
    /// It is not what its tool said when the policies were checked.
    Other,
}

impl Unfit {
    /// The same for whoever sent it, with how that came to be where it does not show.
    pub fn told(&self) -> String {
        match self.cause {
            Cause::Inexact => self.to_string(),
            Cause::Other => {
                format!(
                    "{self}; the policies that look at this call were checked with other arguments"
                )
            }
        }
    }
}

/// As fixes name it: below the arguments.
fn argument(pointer: &str) -> String {
    match pointer {
        "" => "the arguments ".to_owned(),
        it => format!("the argument `{it}` "),
    }
}

type Converted = Result<RestrictedExpression, Unfit>;

impl TypedCall {
    /// What policies may look at of `arguments`. Those that have no type are passed over.
    ///
    /// # Errors
    /// The first argument that is missing, of another type, or not to be had exactly.
    pub fn input_of(&self, arguments: &Value) -> Converted {
        record(&self.input, arguments, "")
    }
}

fn record(fields: &Fields, value: &Value, at: &str) -> Converted {
    let Value::Object(members) = value else { return unfit(at, "must be an object") };
    let mut told = Vec::with_capacity(fields.len());
    for (name, field) in fields {
        let pointer = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        if let Some(value) = present(members, name, field, &pointer)? {
            told.push((name.clone(), one(&field.of, value, &pointer)?));
        }
    }
    RestrictedExpression::new_record(told).or_else(|it| unfit(at, &format!("cannot be told: {it}")))
}

/// Null is nothing, where nothing may be.
fn present<'a>(
    members: &'a Map<String, Value>,
    name: &str,
    field: &Field,
    at: &str,
) -> Result<Option<&'a Value>, Unfit> {
    match members.get(name) {
        Some(Value::Null) | None if !field.required => Ok(None),
        None => {
            let problem = "is missing, and policies count on it".to_owned();
            Err(Unfit { pointer: at.to_owned(), problem, cause: Cause::Other })
        }
        some => Ok(some),
    }
}

fn one(of: &Type, value: &Value, at: &str) -> Converted {
    match (of, value) {
        (Type::Bool, Value::Bool(it)) => Ok(RestrictedExpression::new_bool(*it)),
        (Type::Text, Value::String(it)) => Ok(RestrictedExpression::new_string(it.clone())),
        (Type::Long, Value::Number(it)) => match numbers::long(it) {
            Some(it) => Ok(RestrictedExpression::new_long(it)),
            None => inexact(at, &format!("is {it}, which is no whole number of 64 bits")),
        },
        (Type::Decimal, Value::Number(it)) => match numbers::decimal(it) {
            Some(it) => Ok(RestrictedExpression::new_decimal(it)),
            None => inexact(
                at,
                &format!(
                    "is {it}, which has more digits than policies compare exactly: at most 4 digits after the point, below 922337203685477"
                ),
            ),
        },
        (Type::OneOf(words), Value::String(it)) => words.entity(it, at),
        (Type::Set(of), Value::Array(items)) => {
            let converted = items.iter().enumerate();
            let converted = converted.map(|(index, it)| one(of, it, &format!("{at}/{index}")));
            Ok(RestrictedExpression::new_set(converted.collect::<Result<Vec<_>, _>>()?))
        }
        (Type::Record(fields), value) => record(fields, value, at),
        (of, _) => unfit(at, &format!("must be {}", of.wanted())),
    }
}

impl Words {
    fn entity(&self, word: &str, at: &str) -> Converted {
        if !self.words.iter().any(|it| it == word) {
            return unfit(at, "is none of the words that policies know");
        }
        let id = EntityId::new(word);
        let uid = EntityUid::from_type_name_and_id(self.name.clone(), id);
        Ok(RestrictedExpression::new_entity_uid(uid))
    }
}

impl Type {
    fn wanted(&self) -> &'static str {
        match self {
            Type::Bool => "true or false",
            Type::Long => "a whole number",
            Type::Decimal => "a number",
            Type::Text | Type::OneOf(_) => "a string",
            Type::Set(_) => "an array",
            Type::Record(_) => "an object",
        }
    }
}

fn unfit(at: &str, problem: &str) -> Converted {
    Err(Unfit { pointer: at.to_owned(), problem: problem.to_owned(), cause: Cause::Other })
}

fn inexact(at: &str, problem: &str) -> Converted {
    Err(Unfit { pointer: at.to_owned(), problem: problem.to_owned(), cause: Cause::Inexact })
}
