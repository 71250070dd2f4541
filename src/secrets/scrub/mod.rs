//! Taking injected values out of what comes back, however they are spelled there.
//!
//! Spellings are not listed but read: the text is decoded as JSON strings, percent-encoding, forms,
//! base64 and hexadecimal would be, one inside the other where that happens, and the values are
//! looked for in what that gives. So a spelling that nobody thought of, half of it escaped, is found
//! too, and so is a value in the midst of something longer that was encoded whole.

mod search;
#[cfg(test)]
mod tests;
mod views;

use std::borrow::Cow;
use std::ops::Range;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use self::search::{Matcher, Needle};
use self::views::{Digits, Json, Percent, Read, Unit, raw, spaced};
use super::values::MASK;

/// Shorter values are found by chance in whatever looks like base64.
const DENSE_BYTES_MIN: usize = 4;

/// Values that are whole headers begin with one of these, and what follows is the secret itself.
const SCHEMES: [&str; 5] = ["Bearer", "Basic", "DPoP", "Token", "ApiKey"];

/// Knows the values that went into one call.
pub struct Scrubber {
    needles: Vec<Needle>,
}

impl Scrubber {
    pub fn new<'a>(values: impl IntoIterator<Item = &'a SecretString>) -> Scrubber {
        let values = values.into_iter().map(|it| it.expose_secret());
        let whole = |it: &str| Needle::new(it.as_bytes());
        let needles = values.filter(|it| !it.is_empty()).flat_map(|it| {
            [Some(whole(it)), token(it).map(whole), password(it)].into_iter().flatten()
        });
        Scrubber { needles: needles.collect() }
    }

    /// The same bytes with the mask in the place of every value. Takes time in proportion to their
    /// number, whatever they are: 40 to 150 ms for each MiB.
    pub fn bytes<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let mut found = self.found(bytes);
        if found.is_empty() {
            return Cow::Borrowed(bytes);
        }
        found.sort_by_key(|it| it.start);
        let (mut clean, mut done) = (Vec::with_capacity(bytes.len()), 0);
        for Range { start, end } in found {
            if start >= done {
                clean.extend_from_slice(bytes.get(done..start).unwrap_or_default());
                clean.extend_from_slice(MASK.as_bytes());
            }
            done = done.max(end);
        }
        clean.extend_from_slice(bytes.get(done..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// The same text with the mask in the place of every value.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        match self.bytes(text.as_bytes()) {
            Cow::Borrowed(_) => Cow::Borrowed(text),
            Cow::Owned(it) => Cow::Owned(String::from_utf8_lossy(&it).into_owned()),
        }
    }

    /// Scrubs strings and names; a number that shows a value becomes the mask.
    pub fn json(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(it) => {
                if let Cow::Owned(clean) = self.text(&it.to_string()) {
                    *value = clean.into();
                }
            }
            Value::String(it) => {
                if let Cow::Owned(clean) = self.text(it) {
                    *it = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|it| self.json(it)),
            Value::Object(fields) => {
                let scrubbed = std::mem::take(fields).into_iter().map(|(name, mut it)| {
                    self.json(&mut it);
                    (self.text(&name).into_owned(), it)
                });
                *fields = scrubbed.collect();
            }
        }
    }

    /// Scrubs the values of headers.
    pub fn headers(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            if let Cow::Owned(clean) = self.bytes(value.as_bytes()) {
                let clean = HeaderValue::from_bytes(&clean);
                *value = clean.unwrap_or(HeaderValue::from_static(MASK));
            }
        }
    }

    /// Where values are, in any order and maybe one over the other.
    fn found(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let raw = || raw(bytes);
        // What is JSON inside of JSON looks as if it was escaped twice.
        let unescaped = || Json::new(Json::new(raw()));
        let has = |it| bytes.contains(&it);
        self.search(raw(), &mut found);
        if has(b'\\') {
            self.search(Json::new(raw()), &mut found);
            self.search(unescaped(), &mut found);
        }
        if has(b'%') || has(b'+') {
            self.search(Percent::new(raw()), &mut found);
            self.search(Percent::new(unescaped()), &mut found);
            self.search(Percent::new(spaced(raw())), &mut found);
            self.search(Percent::new(spaced(unescaped())), &mut found);
        }
        self.search_digits(Percent::new(unescaped()), &mut found);
        found
    }

    fn search(&self, view: impl Iterator<Item = Unit>, found: &mut Vec<Range<usize>>) {
        let mut matchers: Vec<Matcher<'_>> = self.needles.iter().map(Matcher::new).collect();
        for unit in view {
            found.extend(matchers.iter_mut().filter_map(|it| it.step(unit)));
        }
    }

    fn search_digits(&self, view: impl Iterator<Item = Unit>, found: &mut Vec<Range<usize>>) {
        let long = || self.needles.iter().filter(|it| it.len() >= DENSE_BYTES_MIN);
        let readers = Digits::base64().chain(Digits::hex());
        let mut readers: Vec<(Digits, Vec<Matcher<'_>>)> =
            readers.map(|it| (it, long().map(Matcher::new).collect())).collect();
        for unit in view {
            for (digits, matchers) in &mut readers {
                match digits.read(unit) {
                    Read::More => {}
                    Read::Byte(it) => {
                        found.extend(matchers.iter_mut().filter_map(|matcher| matcher.step(it)));
                    }
                    Read::Gap => matchers.iter_mut().for_each(Matcher::interrupt),
                }
            }
        }
    }
}

/// What stands behind the scheme of a whole `Authorization` header.
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let known = SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(scheme));
    (known && !token.is_empty()).then_some(token)
}

/// The password in `Basic` credentials (RFC 7617).
fn password(value: &str) -> Option<Needle> {
    let pair = Zeroizing::new(BASE64_STANDARD.decode(token(value)?).ok()?);
    let colon = pair.iter().position(|it| *it == b':')?;
    pair.get(colon + 1..).filter(|it| !it.is_empty()).map(Needle::new)
}
