//! Pages of a search: a token is a place in an order, and good for the one query that it came of.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::exact::exact_bytes;
use crate::keys::Seed;
use crate::seal::Seal;
use crate::{Error, Result};

pub const LIMIT_MAX: u16 = 1_000;
const LIMIT_DEFAULT: u16 = 100;
const MARK_BYTES: usize = 16;
const LIMIT_BYTES: usize = 2;
const LENGTH_BYTES: usize = 4;
/// Tokens are told apart by length only so far.
const BLOCK_BYTES: usize = 256;

/// Which page is asked for.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[schemars(rename = "SearchPageBody")]
pub struct PageAsked {
    /// `next_token` of the page before, sent with the same query.
    token: Option<String>,
    /// How many results at most; 100 when left out, and never more than 1000. AuthZEN would have 0
    /// as well, and has no end for such pages: there is more behind each.
    #[schemars(range(min = 1))]
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

/// What makes tokens, and reads them. A page may end behind something that its reader may not know
/// of: nobody else tells from a token where that was.
pub struct Pages(Seal);

impl Pages {
    /// Every replica must have the same `key`, which signs nothing here.
    pub fn new(key: &SigningKey) -> Pages {
        let hash = Sha256::new().chain_update(b"gatewright places of searches");
        Pages(Seal::new(&Seed::new(hash.chain_update(key.as_bytes()).finalize().into())))
    }

    /// # Errors
    /// A token of another query, or of another limit; a limit of 0.
    pub fn read(&self, page: &PageAsked, query: &Query) -> Result<Place> {
        if page.limit == Some(0) {
            let detail = format!("must be 1 at least; without it, it is {LIMIT_DEFAULT}");
            return Err(Error::field("/page/limit", &detail));
        }
        let limit = page.limit.map(|it| u16::try_from(it).unwrap_or(u16::MAX).min(LIMIT_MAX));
        let Some(token) = page.token.as_ref().filter(|it| !it.is_empty()) else {
            return Ok(Place { after: None, limit: limit.unwrap_or(LIMIT_DEFAULT) });
        };
        let foreign = || Error::field("/page/token", "is not a token of this query");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).map_err(|_| foreign())?;
        let plain = self.0.open(&query.0, &bytes).map_err(|_| foreign())?;
        let (of_before, rest) = plain.split_first_chunk::<LIMIT_BYTES>().ok_or_else(foreign)?;
        let (length, rest) = rest.split_first_chunk::<LENGTH_BYTES>().ok_or_else(foreign)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| foreign())?;
        let after = rest.get(..length).ok_or_else(foreign)?;
        let before = u16::from_be_bytes(*of_before);
        if limit.is_some_and(|it| it != before) {
            return Err(Error::field("/page/limit", "must be that of the first page"));
        }
        let after = String::from_utf8(after.to_vec()).map_err(|_| foreign())?;
        Ok(Place { after: Some(after), limit: before })
    }

    /// The token of the page after `place` that begins behind `last`.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn token_after(&self, place: &Place, last: &str, query: &Query) -> Result<String> {
        let length = u32::try_from(last.len()).map_err(anyhow::Error::from)?;
        let mut plain = [&place.limit.to_be_bytes()[..], &length.to_be_bytes()].concat();
        plain.extend(last.as_bytes());
        // How long a name is tells of it, too.
        plain.resize(plain.len().next_multiple_of(BLOCK_BYTES), 0);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(self.0.seal(&query.0, &plain)?))
    }
}

/// Tells queries apart.
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

    fn pages() -> Pages {
        Pages::new(&SigningKey::from_bytes(&[7; 32]))
    }

    fn asked(token: &str, limit: Option<u64>) -> PageAsked {
        PageAsked { token: Some(token.to_owned()), limit }
    }

    #[test]
    fn a_token_is_a_place_of_its_own_query() {
        let query = Query::new(&json!({ "subject": { "type": "user" } }));
        let first = pages().read(&PageAsked { token: None, limit: Some(7) }, &query).unwrap();
        assert_eq!(first, Place { after: None, limit: 7 });
        let token = pages().token_after(&first, "ä tool", &query).unwrap();
        let next = Place { after: Some("ä tool".into()), limit: 7 };
        assert_eq!(pages().read(&asked(&token, None), &query).unwrap(), next);
        assert_eq!(pages().read(&asked(&token, Some(7)), &query).unwrap(), next);
        assert!(pages().read(&asked(&token, Some(8)), &query).is_err());
        let other = Query::new(&json!({ "subject": { "type": "agent" } }));
        assert!(pages().read(&asked(&token, None), &other).is_err());
    }

    #[test]
    fn a_token_tells_nobody_where_the_page_ended() {
        let (query, place) = (Query::new(&json!({})), Place { after: None, limit: 7 });
        let token = |last: &str| pages().token_after(&place, last, &query).unwrap();
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(token("hidden")).unwrap();
        assert!(!bytes.windows(6).any(|it| it == b"hidden"));
        assert_eq!(token("hidden").len(), token("a longer name").len());
        let elsewhere = Pages::new(&SigningKey::from_bytes(&[8; 32]));
        assert!(elsewhere.read(&asked(&token("hidden"), None), &query).is_err());
    }

    #[test]
    fn whatever_else_is_no_token() {
        let query = Query::new(&json!({}));
        for token in ["x", "AAAA", "!", &"A".repeat(200)] {
            assert!(pages().read(&asked(token, None), &query).is_err(), "{token}");
        }
    }

    #[test]
    fn a_page_is_never_longer_than_the_longest_and_holds_something() {
        let query = Query::new(&json!({}));
        let read = |limit| pages().read(&PageAsked { token: None, limit: Some(limit) }, &query);
        assert_eq!(read(u64::MAX).unwrap().limit, LIMIT_MAX);
        assert_eq!(read(1).unwrap().limit, 1);
        assert!(read(0).is_err());
    }
}
