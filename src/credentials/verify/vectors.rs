//! The vectors in tests/vectors, run by this verifier.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::feed::{FeedError, SignedPage};
use super::*;

const VECTORS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/credentials.json");

#[derive(Deserialize)]
struct Vectors {
    keys: KeysDocument,
    verify: Vec<Case>,
    feeds: Vec<Feed>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    token: String,
    issuer: String,
    tool: String,
    tool_digest: Option<String>,
    scope: String,
    now: Timestamp,
    #[serde(default)]
    arguments: Option<Value>,
    #[serde(default)]
    proved: Vec<String>,
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    country: Option<String>,
    #[serde(default)]
    local_time: Option<(String, i64)>,
    #[serde(default)]
    feed: Option<Vec<SignedPage>>,
    #[serde(default)]
    any_feed_age: bool,
    #[serde(default)]
    asks_gatewright: bool,
    expected: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Feed {
    name: String,
    now: Timestamp,
    pages: Vec<SignedPage>,
    expected: Value,
}

fn vectors() -> Vectors {
    serde_json::from_str(&std::fs::read_to_string(VECTORS).unwrap()).unwrap()
}

impl Case {
    fn request(&self) -> Request {
        let mut request = Request::new(&*self.scope);
        if let Some(it) = &self.arguments {
            request = request.arguments(it).unwrap();
        }
        if let Some(it) = self.address {
            request = request.from_address(it);
        }
        if let Some(it) = &self.country {
            request = request.from_country(it);
        }
        if let Some((weekday, since_midnight)) = &self.local_time {
            request = request.local_time(weekday, *since_midnight);
        }
        self.proved.iter().fold(request, |it, key| it.holder_proved(key))
    }

    fn answer(&self, keys: &KeysDocument) -> Value {
        let mut verifier = Verifier::new(keys, &self.issuer).unwrap();
        verifier = verifier.tool(&self.tool, self.tool_digest.as_deref());
        if self.any_feed_age {
            verifier = verifier.any_feed_age();
        }
        if self.asks_gatewright {
            verifier = verifier.asks_gatewright();
        }
        let list = self.feed.as_ref().map(|pages| list(pages, keys, self.now).unwrap());
        let revocations = list.as_ref().map_or(Revocations::Unchecked, Revocations::Listed);
        match verifier.verify(&self.token, &self.request(), revocations, self.now) {
            Ok(it) => json!({
                "valid": true,
                "credential_id": it.credential_id,
                "decision_id": it.decision_id,
                "agent": it.agent,
                "agent_name": it.agent_name,
                "on_behalf_of": it.on_behalf_of,
                "scopes": it.scopes,
                "expires_at": it.expires_at,
                "holder": it.holder,
                "revocation_ids": it.revocation_ids,
                "feed_age_seconds": it.feed_age.map(|it| it.as_secs()),
            }),
            Err(it) => json!({ "valid": false, "reason": it.reason }),
        }
    }
}

fn list(
    pages: &[SignedPage],
    keys: &KeysDocument,
    now: Timestamp,
) -> Result<RevocationList, FeedError> {
    let mut list = RevocationList::default();
    for page in pages {
        list.apply(page.clone().check(keys, now)?)?;
    }
    Ok(list)
}

#[test]
fn every_credential_is_judged_as_expected() {
    let Vectors { keys, verify, .. } = vectors();
    for case in &verify {
        let answer = case.answer(&keys);
        for (name, expected) in &case.expected {
            assert_eq!(&answer[name], expected, "`{name}` of {}: {answer}", case.name);
        }
    }
    assert!(verify.len() > 80, "{} cases", verify.len());
}

#[test]
fn every_feed_is_judged_as_expected() {
    let Vectors { keys, feeds, .. } = vectors();
    for feed in &feeds {
        let answer = match list(&feed.pages, &keys, feed.now) {
            Ok(list) => json!({ "age_seconds": list.age(feed.now).map(|it| it.as_secs()) }),
            Err(it) => json!({ "fault": match it {
                FeedError::Keys(_) | FeedError::Key(_) => "key",
                FeedError::Signature => "signature",
                FeedError::Future(_) => "future",
                FeedError::Gap { .. } => "gap",
                FeedError::TooLarge => "too_large",
            } }),
        };
        assert_eq!(answer, feed.expected, "{}", feed.name);
    }
}
