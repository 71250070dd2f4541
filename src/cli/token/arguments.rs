//! How arguments of a call are written on the command line.

use serde_json::{Number, Value};

use crate::credentials::attenuate::{Admits, ArgumentCheck};
use crate::credentials::verify::request::escape;

/// `name=value`: a JSON pointer and what stands there. The value is JSON where it can be read
/// as such, else text: `amount=400`, `lang=de`, `zip="00100"`.
pub(super) fn argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((pointer(name)?, json(value)))
}

/// `name=value`, `name=[value,…]`, `name<=number`, `name>=number` or `name^=prefix`.
pub(super) fn condition(text: &str) -> Result<ArgumentCheck, String> {
    let unclear = "write it as name=value, name<=number, name>=number or name^=prefix";
    let (left, right) = text.split_once('=').ok_or(unclear)?;
    let (name, admits) = if let Some(name) = left.strip_suffix('<') {
        (name, Admits::AtMost(number(right)?))
    } else if let Some(name) = left.strip_suffix('>') {
        (name, Admits::AtLeast(number(right)?))
    } else if let Some(name) = left.strip_suffix('^') {
        (name, Admits::Prefix(right.to_owned()))
    } else {
        match json(right.strip_prefix('=').unwrap_or(right)) {
            Value::Array(values) if values.is_empty() => return Err("no value to admit".to_owned()),
            Value::Array(values) => (left, Admits::OneOf(values)),
            value => (left, Admits::Equal(value)),
        }
    };
    Ok(ArgumentCheck { pointer: pointer(name)?, admits })
}

/// A plain name is a member of the arguments; `/a/b` reaches deeper (RFC 6901).
fn pointer(name: &str) -> Result<String, String> {
    match name.trim() {
        "" => Err("the argument has no name".to_owned()),
        it if it.starts_with('/') => Ok(it.to_owned()),
        it => Ok(format!("/{}", escape(it))),
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn number(text: &str) -> Result<Number, String> {
    text.trim().parse().map_err(|_| format!("`{text}` is not a number"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_json_or_else_text() {
        for (text, pointer, value) in [
            ("amount=400", "/amount", json!(400)),
            ("lang=de", "/lang", json!("de")),
            ("zip=\"00100\"", "/zip", json!("00100")),
            ("/to/0=a=b", "/to/0", json!("a=b")),
            ("a/b=true", "/a~1b", json!(true)),
        ] {
            assert_eq!(argument(text), Ok((pointer.to_owned(), value)), "{text}");
        }
        assert!(argument("amount").is_err());
        assert!(argument("=1").is_err());
    }

    #[test]
    fn conditions_name_what_they_admit() {
        for (text, pointer, admits) in [
            ("amount<=500", "/amount", Admits::AtMost(500.into())),
            ("amount >= -1", "/amount", Admits::AtLeast((-1).into())),
            ("url^=https://a=b", "/url", Admits::Prefix("https://a=b".to_owned())),
            ("lang=de", "/lang", Admits::Equal(json!("de"))),
            ("lang==de", "/lang", Admits::Equal(json!("de"))),
            ("lang=[\"de\",1]", "/lang", Admits::OneOf(vec![json!("de"), json!(1)])),
        ] {
            let expected = ArgumentCheck { pointer: pointer.to_owned(), admits };
            assert_eq!(condition(text), Ok(expected), "{text}");
        }
        for text in ["amount<=many", "amount<500", "lang=[]", "<=5"] {
            assert!(condition(text).is_err(), "{text}");
        }
    }
}
