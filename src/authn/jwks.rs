//! The public keys that others publish (RFC 7517), as fresh as they need to be.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use url::Url;

use super::proofs::KeySet;
use crate::clock::Clock;
use crate::net::outbound::{Documents, Failure, Keeping, Outbound, Reach};

/// A key that its owner withdraws is believed for no longer than ten minutes; an hour where the
/// owner cannot be asked. A key that is not known yet is looked for once a minute.
const KEEPING: Keeping = Keeping {
    task: "fetch_keys",
    bytes_max: 64 * 1024,
    // Somebody waits for the answer, and no answer takes longer than three seconds.
    time_max: Duration::from_millis(2500),
    fresh: Duration::from_secs(60)..=Duration::from_secs(600),
    stale_max: Duration::from_secs(3600),
    retry_after: Duration::from_secs(10),
    newer_after: Duration::from_secs(60),
    count_max: 1000,
};

/// Key sets by URL. Those of issuers, which the operator names, and those of clients, which name
/// themselves, are better kept apart: clients could crowd the issuers out.
pub struct PublishedKeys {
    documents: Documents<KeySet>,
}

impl PublishedKeys {
    pub fn new(outbound: Arc<Outbound>, clock: Clock) -> PublishedKeys {
        let read =
            |_: &Url, it| KeySet::of_usable(&it).ok_or_else(|| "it is no key set".to_owned());
        PublishedKeys { documents: Documents::new(outbound, clock, KEEPING, read) }
    }

    /// The set at `url`, fetched anew if what is kept has no key of this name for this algorithm.
    /// It may still have none: [`KeySet::choose`] tells.
    ///
    /// # Errors
    /// There is no set to be had.
    pub async fn with_key(
        &self,
        url: &Url,
        reach: Reach,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Arc<KeySet>, Arc<Failure>> {
        let kept = self.documents.get(url, reach).await?;
        if kept.choose(key_id, algorithm).is_some() {
            return Ok(kept);
        }
        self.documents.get_newer(url, reach).await
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::net::outbound::fixture::{self, Server, outbound};

    fn key(id: &str) -> Value {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": id })
    }

    fn set(keys: &[Value]) -> fixture::Manner {
        fixture::json("", &json!({ "keys": keys }).to_string())
    }

    async fn has(keys: &PublishedKeys, server: &Server, id: &str) -> bool {
        let url = server.url();
        let found = keys.with_key(&url, Reach::Configured, Some(id), Algorithm::EdDSA).await;
        found.unwrap().choose(Some(id), Algorithm::EdDSA).is_some()
    }

    #[tokio::test]
    async fn a_new_key_is_found_and_guesses_are_not_looked_for() {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        let keys = PublishedKeys::new(Arc::new(outbound(&[])), clock.clone());
        let server = Server::start(set(&[key("one")])).await;
        assert!(has(&keys, &server, "one").await);
        server.becomes(set(&[key("two")]));
        assert!(has(&keys, &server, "two").await, "rotated");
        assert!(!has(&keys, &server, "one").await, "withdrawn");
        for guess in 0..20 {
            assert!(!has(&keys, &server, &guess.to_string()).await);
        }
        assert_eq!(server.calls(), 2);
        clock.advance(60);
        assert!(!has(&keys, &server, "one").await);
        assert_eq!(server.calls(), 3);
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_passed_over() {
        let keys = PublishedKeys::new(Arc::new(outbound(&[])), Clock::system());
        let shared = json!({ "kty": "oct", "k": "c2VzYW1l", "kid": "shared" });
        let unknown = json!({ "kty": "PQC", "kid": "unknown" });
        let mut sealing = key("sealing");
        sealing["use"] = "enc".into();
        let server = Server::start(set(&[shared, unknown, sealing, json!(7), key("one")])).await;
        for (id, is_there) in
            [("one", true), ("shared", false), ("unknown", false), ("sealing", false)]
        {
            assert_eq!(has(&keys, &server, id).await, is_there, "{id}");
        }
        let nonsense = Server::start(fixture::json("", r#"{"keys":"none"}"#)).await;
        let url = nonsense.url();
        let answer = keys.with_key(&url, Reach::Configured, None, Algorithm::EdDSA).await;
        assert!(matches!(*answer.unwrap_err(), Failure::Unreadable { .. }));
    }
}
