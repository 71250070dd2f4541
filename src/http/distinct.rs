//! Refuses JSON objects that name a member twice: readers differ on which of the two counts, so
//! what was checked here could differ from what is used elsewhere (RFC 8259 section 4).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};

/// The pointer (RFC 6901) of the first member that is there twice; none when there is none, or
/// when the text is not JSON, which is for its reader to say.
pub fn repeated(json: &[u8]) -> Option<String> {
    let mut pointer = String::new();
    let read = Walk(&mut pointer).deserialize(&mut serde_json::Deserializer::from_slice(json));
    read.is_err_and(|it| it.is_data()).then_some(pointer)
}

/// Walks a value; when it fails, the pointer stays where it failed.
struct Walk<'a>(&'a mut String);

impl Walk<'_> {
    fn below<E>(
        &mut self,
        token: &str,
        walk: impl FnOnce(Walk<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = self.0.len();
        self.0.push('/');
        self.0.push_str(&token.replace('~', "~0").replace('/', "~1"));
        walk(Walk(self.0))?;
        self.0.truncate(length);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
        for index in 0.. {
            let mut more = None;
            self.below(&index.to_string(), |it| {
                more = items.next_element_seed(it)?;
                Ok(())
            })?;
            if more.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(Name(name)) = members.next_key_seed(Name(Cow::Borrowed("")))? {
            self.below(&name, |it| match seen.contains(&name) {
                true => Err(A::Error::custom("is given more than once")),
                false => members.next_value_seed(it),
            })?;
            seen.insert(name);
        }
        Ok(())
    }
}

/// The name of a member, borrowed where it needs no unescaping.
struct Name<'de>(Cow<'de, str>);

impl<'de> DeserializeSeed<'de> for Name<'de> {
    type Value = Name<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Name<'de>, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name<'de> {
    type Value = Name<'de>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repeated_member_is_named() {
        for (json, pointer) in [
            (r#"{}"#, None),
            (r#"[1, -1, 1.5, "a", true, null, [], {}]"#, None),
            (r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}"#, None),
            (r#"{"a": 1, "a": 1}"#, Some("/a")),
            (r#"{"a": 1, "\u0061": 2}"#, Some("/a")),
            (r#"{"x": [0, {"b/c": 1, "b~c": 1, "b/c": 1}]}"#, Some("/x/1/b~1c")),
            (r#"{"": 1, "": 1}"#, Some("/")),
            (r#"{"a": 1, "a": "#, Some("/a")),
            (r#"{"a": 1, "b": "#, None),
            ("no JSON", None),
        ] {
            assert_eq!(repeated(json.as_bytes()).as_deref(), pointer, "{json}");
        }
        assert_eq!(repeated("[".repeat(100_000).as_bytes()), None, "too deep for any reader");
    }
}
