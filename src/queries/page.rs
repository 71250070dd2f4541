//! Pages of a search: a token is a place in an order, and good for the one query that it came of.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::exact::exact_bytes;
use crate::{Error, Result};

pub const LIMIT_MAX: u16 = 1_000;
const LIMIT_DEFAULT: u16 = 100;
const MARK_BYTES: usize = 16;
const LIMIT_BYTES: usize = 2;

/// Which page is asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "SearchPageBody")]
pub struct PageAsked {
    /// `next_token` of the page before, sent with the same query.
    token: Option<String>,
    /// How many results at most; 100 when left out, and never more than 1000.
    limit: Option<u64>,
}

/// What is told of a page.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "SearchPage")]
pub struct PageTold {
    /// Empty when there are no more results.
    pub next_token: String,
    /// How many there are on this page: fewer than asked for, and even none, where a page took
    /// many decisions.
    pub count: usize,
}

/// What a token is good for: who asks what, page aside.
pub struct Query([u8; MARK_BYTES]);

/// Where a page begins, and how long it may be.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// Behind this one; from the start when there is none.
    pub after: Option<String>,
    pub limit: u16,
}

impl Query {
    /// `said` is the body of the request without its page, and who sends it where.
    pub fn new(said: &Value) -> Query {
        Query(mark(&[&exact_bytes(said)]))
    }
}

impl Place {
    /// # Errors
    /// A token of another query, or of another limit.
    pub fn read(page: &PageAsked, query: &Query) -> Result<Place> {
        let limit = page.limit.map(|it| u16::try_from(it).unwrap_or(u16::MAX).min(LIMIT_MAX));
        let Some(token) = page.token.as_ref().filter(|it| !it.is_empty()) else {
            return Ok(Place { after: None, limit: limit.unwrap_or(LIMIT_DEFAULT) });
        };
        let foreign = || Error::field("/page/token", "is not a token of this query");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
        let (mark_told, rest) = bytes.split_first_chunk::<MARK_BYTES>().ok_or_else(foreign)?;
        let (of_before, after) = rest.split_first_chunk::<LIMIT_BYTES>().ok_or_else(foreign)?;
        let before = u16::from_be_bytes(*of_before);
        if *mark_told != mark(&[&query.0, of_before, after]) {
            return Err(foreign());
        }
        if limit.is_some_and(|it| it != before) {
            return Err(Error::field("/page/limit", "must be that of the first page"));
        }
        let after = String::from_utf8(after.to_vec()).map_err(|_| foreign())?;
        Ok(Place { after: Some(after), limit: before })
    }

    /// The token of the page that begins behind `last`.
    pub fn token_after(&self, last: &str, query: &Query) -> String {
        let limit = self.limit.to_be_bytes();
        let mut bytes = mark(&[&query.0, &limit, last.as_bytes()]).to_vec();
        bytes.extend(limit);
        bytes.extend(last.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Tells tokens apart; it keeps no secret, for every result is decided on anew.
fn mark(parts: &[&[u8]]) -> [u8; MARK_BYTES] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part);
    }
    let mut mark = [0; MARK_BYTES];
    mark.iter_mut().zip(hash.finalize()).for_each(|(to, from)| *to = from);
    mark
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(token: &str, limit: Option<u64>) -> PageAsked {
        PageAsked { token: Some(token.to_owned()), limit }
    }

    #[test]
    fn a_token_is_a_place_of_its_own_query() {
        let query = Query::new(&json!({ "subject": { "type": "user" } }));
        let first = Place::read(&PageAsked { token: None, limit: Some(7) }, &query).unwrap();
        assert_eq!(first, Place { after: None, limit: 7 });
        let token = first.token_after("ä tool", &query);
        let next = Place { after: Some("ä tool".into()), limit: 7 };
        assert_eq!(Place::read(&asked(&token, None), &query).unwrap(), next);
        assert_eq!(Place::read(&asked(&token, Some(7)), &query).unwrap(), next);
        assert!(Place::read(&asked(&token, Some(8)), &query).is_err());
        let other = Query::new(&json!({ "subject": { "type": "agent" } }));
        assert!(Place::read(&asked(&token, None), &other).is_err());
    }

    #[test]
    fn whatever_else_is_no_token() {
        let query = Query::new(&json!({}));
        for token in ["x", "AAAA", "!", &"A".repeat(200)] {
            assert!(Place::read(&asked(token, None), &query).is_err(), "{token}");
        }
    }

    #[test]
    fn a_page_is_never_longer_than_the_longest() {
        let query = Query::new(&json!({}));
        let place = Place::read(&PageAsked { token: None, limit: Some(u64::MAX) }, &query).unwrap();
        assert_eq!(place.limit, LIMIT_MAX);
    }
}
