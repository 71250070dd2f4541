//! Named values, and what is to become of them. Neither prints nor serializes a value.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Error, FieldFault, Result};

/// What stands for every value that is shown.
pub const MASK: &str = "********";
const NAME_CHARS_MAX: usize = 128;
const VALUE_BYTES_MAX: usize = 64 * 1024;
const VALUES_MAX: usize = 64;

/// The name of a value: 1 to 128 visible ASCII characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to {NAME_CHARS_MAX} visible ASCII characters without spaces")]
pub struct BadName;

impl SecretName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<SecretName, BadName> {
        let fits = (1..=NAME_CHARS_MAX).contains(&text.len());
        let visible = text.bytes().all(|it| it.is_ascii_graphic());
        if fits && visible { Ok(SecretName(text.to_owned())) } else { Err(BadName) }
    }
}

impl TryFrom<String> for SecretName {
    type Error = BadName;

    fn try_from(text: String) -> Result<SecretName, BadName> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(it: SecretName) -> String {
        it.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Values by name.
#[derive(Clone, Default)]
pub struct Values(BTreeMap<SecretName, SecretString>);

impl Values {
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.iter().find(|(it, _)| it.as_str() == name).map(|(_, value)| value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &SecretString)> {
        self.0.iter()
    }

    pub fn names(&self) -> BTreeSet<SecretName> {
        self.0.keys().cloned().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn insert(&mut self, name: SecretName, value: SecretString) {
        self.0.insert(name, value);
    }
}

impl fmt::Debug for Values {
    /// Names alone.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl FromIterator<(SecretName, SecretString)> for Values {
    fn from_iter<I: IntoIterator<Item = (SecretName, SecretString)>>(all: I) -> Values {
        Values(all.into_iter().collect())
    }
}

/// Names with the mask in the place of each value: the only way in which secrets are shown.
pub fn masked<'a>(names: impl IntoIterator<Item = &'a SecretName>) -> Map<String, Value> {
    names.into_iter().map(|name| (name.0.clone(), Value::from(MASK))).collect()
}

/// What is to become of the values at one path: some set, some removed, the others kept.
#[derive(Clone, Debug, Default)]
pub struct Change {
    set: Values,
    remove: BTreeSet<SecretName>,
}

impl Change {
    /// Reads `{name: value}` out of a request as a merge patch (RFC 7396): null removes. The mask
    /// keeps what is there, so that what was shown may be sent back. `pointer` is where it stood in
    /// the request, `known` the names that there are.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every name and value that cannot be kept.
    pub fn merge(
        pointer: &str,
        given: BTreeMap<String, Option<SecretString>>,
        known: &BTreeSet<SecretName>,
    ) -> Result<Change> {
        let mut change = Change::default();
        let mut faults = Vec::new();
        for (text, value) in given {
            let at = format!("{pointer}/{}", text.replace('~', "~0").replace('/', "~1"));
            let taken = text
                .parse()
                .map_err(|it: BadName| it.to_string())
                .and_then(|name| change.take(name, value, known));
            faults.extend(taken.err().map(|detail| FieldFault { pointer: at, detail }));
        }
        let kept = known.iter().filter(|it| !change.touches(it)).count();
        if kept + change.set.len() > VALUES_MAX {
            let detail = format!("holds more than {VALUES_MAX} values; remove some");
            faults.push(FieldFault { pointer: pointer.to_owned(), detail });
        }
        if faults.is_empty() { Ok(change) } else { Err(Error::Invalid(faults)) }
    }

    fn take(
        &mut self,
        name: SecretName,
        value: Option<SecretString>,
        known: &BTreeSet<SecretName>,
    ) -> Result<(), String> {
        match value {
            None => {
                self.remove.insert(name);
            }
            Some(it) if it.expose_secret() == MASK && known.contains(&name) => {}
            Some(it) => {
                fits(it.expose_secret())?;
                self.set.insert(name, it);
            }
        }
        Ok(())
    }

    /// The same, with every known value removed that is not set anew.
    pub fn alone(mut self, known: &BTreeSet<SecretName>) -> Change {
        for name in known.iter().filter(|it| self.set.get(it.as_str()).is_none()) {
            self.remove.insert(name.clone());
        }
        self
    }

    /// Both changes at once; where they touch the same name, `other` wins.
    pub fn and(mut self, other: Change) -> Change {
        for (name, value) in other.set.0 {
            self.remove.remove(&name);
            self.set.insert(name, value);
        }
        for name in other.remove {
            self.set.0.remove(&name);
            self.remove.insert(name);
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// Whether what stands under this name before does not matter after.
    pub(super) fn touches(&self, name: &SecretName) -> bool {
        self.set.0.contains_key(name) || self.remove.contains(name)
    }

    /// The values after the change.
    pub fn applied(self, mut before: Values) -> Values {
        before.0.retain(|name, _| !self.remove.contains(name));
        before.0.extend(self.set.0);
        before
    }
}

fn fits(value: &str) -> Result<(), String> {
    match value {
        "" => Err("is empty; send null to remove it".to_owned()),
        MASK => Err("is the mask that stands for a value; send the value itself".to_owned()),
        it if it.len() > VALUE_BYTES_MAX => Err(format!("is longer than {VALUE_BYTES_MAX} bytes")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SecretName {
        text.parse().unwrap()
    }

    fn given(pairs: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<SecretString>> {
        let pair = |(name, value): &(&str, Option<&str>)| {
            ((*name).to_owned(), value.map(SecretString::from))
        };
        pairs.iter().map(pair).collect()
    }

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| (self::name(name), (*value).into())).collect()
    }

    fn shown(values: &Values) -> Vec<(&str, &str)> {
        values.iter().map(|(name, it)| (name.as_str(), it.expose_secret())).collect()
    }

    #[test]
    fn a_patch_sets_removes_and_keeps() {
        let before = values(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let patch = given(&[("a", None), ("b", Some(MASK)), ("c", Some("4")), ("d", Some("5"))]);
        let change = Change::merge("/secrets", patch, &before.names()).unwrap();
        assert_eq!(shown(&change.applied(before)), [("b", "2"), ("c", "4"), ("d", "5")]);
    }

    #[test]
    fn what_cannot_be_kept_is_said_all_at_once() {
        let long = "x".repeat(VALUE_BYTES_MAX + 1);
        let patch = given(&[
            ("", Some("1")),
            ("a b", Some("1")),
            ("empty", Some("")),
            ("long", Some(&long)),
            ("new", Some(MASK)),
            ("x/y~", Some("")),
        ]);
        let Err(Error::Invalid(faults)) = Change::merge("/secrets", patch, &BTreeSet::new()) else {
            panic!("taken")
        };
        let pointers: Vec<_> = faults.iter().map(|it| &*it.pointer).collect();
        let places = ["/secrets/", "/secrets/a b", "/secrets/empty", "/secrets/long"];
        assert_eq!(pointers[..4], places);
        assert_eq!(pointers[4..], ["/secrets/new", "/secrets/x~1y~0"]);
    }

    #[test]
    fn there_is_an_end_to_values() {
        let full: Values = (0..VALUES_MAX).map(|it| (name(&it.to_string()), "v".into())).collect();
        let one_more = || given(&[("more", Some("v"))]);
        assert!(Change::merge("/secrets", one_more(), &full.names()).is_err());
        let mut exchanged = one_more();
        exchanged.insert("0".into(), None);
        assert!(Change::merge("/secrets", exchanged, &full.names()).is_ok());
    }

    #[test]
    fn values_are_shown_by_name_alone() {
        let values = values(&[("key", "canary-7f3a91")]);
        let patch = given(&[("new", Some("canary-7f3a91")), ("old", None)]);
        let change = Change::merge("/secrets", patch, &values.names()).unwrap();
        let shown = format!("{values:?} {change:?} {:?}", masked(&values.names()));
        assert!(["key", "new", "old"].iter().all(|it| shown.contains(it)), "{shown}");
        assert!(shown.contains(MASK) && !shown.contains("canary"), "{shown}");
    }
}
