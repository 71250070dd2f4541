//! The parameters of a request to an OAuth endpoint: each at most once, and empty is absent
//! (RFC 6749 section 3.1).

/// Pairs as they came.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a>(&'a [(String, String)]);

/// A parameter came twice: which of the two counts is what an attacker would choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is given more than once")]
pub struct Repeated(pub &'static str);

impl<'a> Parameters<'a> {
    pub fn new(pairs: &'a [(String, String)]) -> Parameters<'a> {
        Parameters(pairs)
    }

    /// # Errors
    /// There is more than one.
    pub fn one(self, name: &'static str) -> Result<Option<&'a str>, Repeated> {
        let mut values = self.0.iter().filter(|(it, _)| it == name);
        let first = values.next().map(|(_, value)| value.as_str());
        match values.next() {
            Some(_) => Err(Repeated(name)),
            None => Ok(first.filter(|it| !it.is_empty())),
        }
    }

    pub fn has(self, name: &str) -> bool {
        self.0.iter().any(|(it, _)| it == name)
    }
}
