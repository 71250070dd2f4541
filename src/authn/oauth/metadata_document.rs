//! Clients that nobody registered: their id is the address of a document that tells of them
//! (draft-ietf-oauth-client-id-metadata-document).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::client::{Client, Known};
use super::metadata::ClientMetadata;
use crate::clock::Clock;
use crate::net::outbound::{Documents, Failure, Keeping, Outbound, Reach};

const CHARS_MAX: usize = 1024;

/// A document that was refused is not remembered, since whoever mends it tries again at once; who
/// makes us ask is held back by the limits of sign-in.
const KEEPING: Keeping = Keeping {
    task: "fetch_client_metadata",
    // What the draft recommends in its section on size.
    bytes_max: 5 * 1024,
    // Somebody waits for the answer, and no answer takes longer than three seconds.
    time_max: Duration::from_millis(2500),
    fresh: Duration::from_secs(60)..=Duration::from_secs(600),
    stale_max: Duration::ZERO,
    retry_after: Duration::ZERO,
    newer_after: Duration::from_secs(60),
    count_max: 1000,
};

/// The address of a client's document, in the one spelling that it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUrl(Url);

/// Why a client's id is not the address of a document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadClientUrl {
    #[error("must be an https URL of at most {CHARS_MAX} characters")]
    NotAUrl,
    #[error("must have no user name and no password")]
    UserInfo,
    #[error("must have no fragment (`#`)")]
    Fragment,
    #[error("must have a path that names the document, not only a host")]
    NoPath,
    #[error("must be spelled as `{0}`, letter by letter")]
    Spelling(String),
}

impl ClientUrl {
    /// Takes an id that is compared letter by letter ever after, so that there is one spelling:
    /// no dot segments, no port that goes without saying, no capitals or other scripts in the host.
    ///
    /// # Errors
    /// The id is not the address of a document.
    pub fn parse(text: &str) -> Result<ClientUrl, BadClientUrl> {
        let url = Url::parse(text).map_err(|_| BadClientUrl::NotAUrl)?;
        if text.len() > CHARS_MAX || url.scheme() != "https" {
            return Err(BadClientUrl::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadClientUrl::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(BadClientUrl::Fragment);
        }
        if url.path() == "/" {
            return Err(BadClientUrl::NoPath);
        }
        if url.as_str() != text {
            return Err(BadClientUrl::Spelling(url.into()));
        }
        Ok(ClientUrl(url))
    }

    /// What a person is shown of it: the one thing about such a client that is proven.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }
}

impl fmt::Display for ClientUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// The documents of clients, fetched when they are first needed.
pub struct MetadataDocuments {
    documents: Documents<Client>,
}

impl MetadataDocuments {
    pub fn new(outbound: Arc<Outbound>, clock: Clock) -> MetadataDocuments {
        MetadataDocuments { documents: Documents::new(outbound, clock, KEEPING, read) }
    }

    /// Whether the document is at hand, so that finding the client asks nobody outside.
    pub fn is_at_hand(&self, id: &ClientUrl) -> bool {
        self.documents.has_fresh(&id.0, Reach::Public)
    }

    /// The client whose document is there.
    ///
    /// # Errors
    /// The document cannot be fetched, or is not acceptable; the message says what to mend.
    pub async fn client(&self, id: &ClientUrl) -> Result<Arc<Client>, Arc<Failure>> {
        self.documents.get(&id.0, Reach::Public).await
    }
}

fn read(url: &Url, mut document: Value) -> Result<Client, String> {
    let fields = document.as_object_mut().ok_or("it is no JSON object")?;
    if fields.get("client_id").and_then(Value::as_str) != Some(url.as_str()) {
        return Err("`client_id` must be the document's own address, letter by letter".into());
    }
    if let Some(it) = ["client_secret", "client_secret_expires_at"]
        .into_iter()
        .find(|it| fields.contains_key(*it))
    {
        return Err(format!("`{it}` must not be there: a published secret is none"));
    }
    // A client of this kind shares no secret with anyone, which is what RFC 7591 takes for granted.
    let method = fields.entry("token_endpoint_auth_method").or_insert_with(|| "none".into());
    if !matches!(method.as_str(), Some("none" | "private_key_jwt")) {
        return Err("`token_endpoint_auth_method` must be `none` or `private_key_jwt`".into());
    }
    let metadata = ClientMetadata::parse(&document).map_err(|it| it.to_string())?;
    let known = Known::ByDocument { host: url.host_str().unwrap_or_default().to_owned() };
    Client::new(url.to_string(), known, metadata, None)
        .map_err(|_| "it names a client that policies cannot speak of".into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::metadata::{ClientKeys, ProofMethod};
    use super::*;

    const ID: &str = "https://client.example/oauth/metadata.json";

    fn document(change: &Value) -> Result<Client, String> {
        let mut document = json!({
            "client_id": ID,
            "client_name": "An editor",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "token_endpoint_auth_method": "none",
            "logo_uri": "https://client.example/logo.png",
        });
        for (name, value) in change.as_object().unwrap() {
            document[name] = value.clone();
        }
        read(&ID.parse().unwrap(), document)
    }

    #[test]
    fn an_id_has_one_spelling() {
        use BadClientUrl::*;
        for good in [
            ID,
            "https://client.example:8443/it",
            "https://client.example/it?version=1",
            "https://xn--bcher-kva.example/it",
            "https://client.example/a%2Fb",
            "https://client.example/it/",
        ] {
            assert_eq!(ClientUrl::parse(good).unwrap().to_string(), good);
        }
        let spelled = |it: &str| Spelling(it.to_owned());
        for (bad, why) in [
            ("client.example/it", NotAUrl),
            ("http://client.example/it", NotAUrl),
            ("urn:client:it", NotAUrl),
            ("https://", NotAUrl),
            ("https://user@client.example/it", UserInfo),
            ("https://:word@client.example/it", UserInfo),
            ("https://client.example/it#", Fragment),
            ("https://client.example/it#part", Fragment),
            ("https://client.example", NoPath),
            ("https://client.example/", NoPath),
            ("https://client.example/.", NoPath),
            ("https://client.example/a/../it", spelled("https://client.example/it")),
            ("https://client.example/a/%2e%2E/it", spelled("https://client.example/it")),
            ("https://client.example/./it", spelled("https://client.example/it")),
            ("https://Client.example/it", spelled("https://client.example/it")),
            ("HTTPS://client.example/it", spelled("https://client.example/it")),
            ("https://client.example:443/it", spelled("https://client.example/it")),
            ("https:client.example/it", spelled("https://client.example/it")),
            ("https://client.example\\it", spelled("https://client.example/it")),
            ("https://@client.example/it", spelled("https://client.example/it")),
            ("https://bücher.example/it", spelled("https://xn--bcher-kva.example/it")),
            ("https://127.1/it", spelled("https://127.0.0.1/it")),
            (" https://client.example/it", spelled("https://client.example/it")),
            ("https://client.example/i\nt", spelled("https://client.example/it")),
        ] {
            assert_eq!(ClientUrl::parse(bad), Err(why), "{bad}");
        }
        let long = format!("https://client.example/{}", "x".repeat(CHARS_MAX));
        assert_eq!(ClientUrl::parse(&long), Err(NotAUrl));
    }

    #[test]
    fn a_document_tells_of_the_client_at_its_own_address() {
        let client = document(&json!({})).unwrap();
        assert_eq!(client.id, ID);
        assert_eq!(client.known, Known::ByDocument { host: "client.example".into() });
        assert_eq!(client.metadata.proof, ProofMethod::None);
        let without = json!({ "token_endpoint_auth_method": null });
        assert!(document(&without).is_err(), "null is not the same as nothing");
        let keys = json!({
            "token_endpoint_auth_method": "private_key_jwt",
            "jwks_uri": "https://client.example/keys",
        });
        let at = ClientKeys::At("https://client.example/keys".parse().unwrap());
        assert_eq!(document(&keys).unwrap().metadata.proof, ProofMethod::PrivateKeyJwt(at));
    }

    #[test]
    fn a_document_that_tells_of_another_or_of_secrets_is_refused() {
        for (change, about) in [
            (json!({ "client_id": "https://client.example/oauth/metadata.json/" }), "client_id"),
            (json!({ "client_id": "https://evil.example/oauth/metadata.json" }), "client_id"),
            (json!({ "client_id": "https://client.example/oauth/Metadata.json" }), "client_id"),
            (json!({ "client_id": null }), "client_id"),
            (json!({ "client_id": [ID] }), "client_id"),
            (json!({ "redirect_uris": [] }), "redirect_uris"),
            (json!({ "redirect_uris": null }), "redirect_uris"),
            (json!({ "redirect_uris": ["http://client.example/cb"] }), "redirect_uris"),
            (json!({ "client_secret": "sesame" }), "client_secret"),
            (json!({ "client_secret_expires_at": 0 }), "client_secret_expires_at"),
            (json!({ "token_endpoint_auth_method": "client_secret_post" }), "auth_method"),
            (json!({ "token_endpoint_auth_method": "client_secret_basic" }), "auth_method"),
            (json!({ "token_endpoint_auth_method": "client_secret_jwt" }), "auth_method"),
            (json!({ "token_endpoint_auth_method": "private_key_jwt" }), "jwks"),
        ] {
            let refused = document(&change).unwrap_err();
            assert!(refused.contains(about), "{change}: {refused}");
            assert!(!refused.contains("sesame"));
        }
        for nothing in [json!([]), json!("x"), json!(null), json!({})] {
            assert!(read(&ID.parse().unwrap(), nothing).is_err());
        }
    }
}
