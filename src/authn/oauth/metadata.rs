//! What a client says of itself (RFC 7591 section 2), judged: the same words stand in a
//! registration and in a client ID metadata document.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::client_name::ClientName;
use super::redirect::RedirectUri;
use super::scopes;
use crate::authn::proofs::KeySet;

const REDIRECT_URIS_MAX: usize = 10;
const KEYS_BYTES_MAX: usize = 16 * 1024;

/// What is kept of it. Logos, contacts and the like are shown to nobody and so not kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    pub name: Option<ClientName>,
    pub redirect_uris: Vec<RedirectUri>,
    pub grants: BTreeSet<Grant>,
    pub proof: ProofMethod,
    /// What it asks for where a request of its names no scopes.
    pub scopes: Option<BTreeSet<String>>,
}

/// What a client may bring to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    AuthorizationCode,
    RefreshToken,
}

/// How a client proves that it is itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofMethod {
    /// Not at all: a public client. The code's own proof key stands in.
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt(ClientKeys),
}

/// Where a client's public keys are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKeys {
    /// A JWK set (RFC 7517).
    Inline(Value),
    /// An `https` address of one.
    At(Url),
}

/// Why a registration is refused, in the words of RFC 7591 section 3.2.2.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadMetadata {
    #[error("{0}")]
    RedirectUri(String),
    #[error("{0}")]
    Other(String),
}

impl BadMetadata {
    pub fn code(&self) -> &'static str {
        match self {
            BadMetadata::RedirectUri(_) => "invalid_redirect_uri",
            BadMetadata::Other(_) => "invalid_client_metadata",
        }
    }
}

/// The fields as they come; what is not named here is passed over, as RFC 7591 wants it.
#[derive(Deserialize)]
struct Given {
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    scope: Option<String>,
    jwks: Option<Value>,
    jwks_uri: Option<String>,
}

impl ClientMetadata {
    /// # Errors
    /// The first thing in it that cannot be accepted, and how to mend it.
    pub fn parse(document: &Value) -> Result<ClientMetadata, BadMetadata> {
        let given = Given::deserialize(document).map_err(|error| {
            BadMetadata::Other(format!("the metadata has another form: {error}"))
        })?;
        let name = given.client_name.as_deref().filter(|it| !it.is_empty()).map(ClientName::parse);
        let name = name.transpose().map_err(|it| refused("client_name", &it))?;
        let scopes = given.scope.as_deref().map(scopes::parse).transpose();
        check_response_types(given.response_types.as_deref())?;
        Ok(ClientMetadata {
            name,
            redirect_uris: redirect_uris(given.redirect_uris.as_deref().unwrap_or_default())?,
            grants: grants(given.grant_types.as_deref())?,
            scopes: scopes.map_err(|it| refused("scope", &it))?.filter(|it| !it.is_empty()),
            proof: proof(given)?,
        })
    }
}

impl Grant {
    pub const ALL: [Grant; 2] = [Grant::AuthorizationCode, Grant::RefreshToken];

    pub fn as_str(self) -> &'static str {
        match self {
            Grant::AuthorizationCode => "authorization_code",
            Grant::RefreshToken => "refresh_token",
        }
    }
}

impl ProofMethod {
    /// The names that a client can choose from, in the words of RFC 7591.
    pub const NAMES: [&str; 4] =
        ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"];

    pub fn name(&self) -> &'static str {
        match self {
            ProofMethod::None => "none",
            ProofMethod::ClientSecretBasic => "client_secret_basic",
            ProofMethod::ClientSecretPost => "client_secret_post",
            ProofMethod::PrivateKeyJwt(_) => "private_key_jwt",
        }
    }

    pub fn is_secret(&self) -> bool {
        matches!(self, ProofMethod::ClientSecretBasic | ProofMethod::ClientSecretPost)
    }
}

fn refused(field: &str, why: &dyn std::fmt::Display) -> BadMetadata {
    BadMetadata::Other(format!("`{field}` {why}"))
}

fn redirect_uris(given: &[String]) -> Result<Vec<RedirectUri>, BadMetadata> {
    let count = given.len();
    if !(1..=REDIRECT_URIS_MAX).contains(&count) {
        let how_many = format!("name 1 to {REDIRECT_URIS_MAX} `redirect_uris`, not {count}");
        return Err(BadMetadata::RedirectUri(how_many));
    }
    let parsed = given.iter().enumerate().map(|(index, text)| {
        RedirectUri::parse(text)
            .map_err(|why| BadMetadata::RedirectUri(format!("`redirect_uris[{index}]` {why}")))
    });
    parsed.collect()
}

/// Who asks for refresh tokens alone has nothing to get the first one by.
fn grants(given: Option<&[String]>) -> Result<BTreeSet<Grant>, BadMetadata> {
    let Some(given) = given else { return Ok([Grant::AuthorizationCode].into()) };
    let known = |name: &String| {
        Grant::ALL.into_iter().find(|it| it.as_str() == name).ok_or_else(|| {
            refused("grant_types", &"may hold `authorization_code` and `refresh_token` only")
        })
    };
    let grants = given.iter().map(known).collect::<Result<BTreeSet<Grant>, _>>()?;
    match grants.contains(&Grant::AuthorizationCode) {
        true => Ok(grants),
        false => Err(refused("grant_types", &"must hold `authorization_code`")),
    }
}

fn check_response_types(given: Option<&[String]>) -> Result<(), BadMetadata> {
    match given.is_none_or(|it| it == ["code"]) {
        true => Ok(()),
        false => Err(refused("response_types", &"must be `[\"code\"]`")),
    }
}

fn proof(given: Given) -> Result<ProofMethod, BadMetadata> {
    match given.token_endpoint_auth_method.as_deref() {
        Some("none") => Ok(ProofMethod::None),
        None | Some("client_secret_basic") => Ok(ProofMethod::ClientSecretBasic),
        Some("client_secret_post") => Ok(ProofMethod::ClientSecretPost),
        Some("private_key_jwt") => {
            Ok(ProofMethod::PrivateKeyJwt(keys(given.jwks, given.jwks_uri)?))
        }
        Some(_) => {
            let known = ProofMethod::NAMES.join("`, `");
            Err(refused("token_endpoint_auth_method", &format!("must be one of `{known}`")))
        }
    }
}

fn keys(jwks: Option<Value>, jwks_uri: Option<String>) -> Result<ClientKeys, BadMetadata> {
    match (jwks, jwks_uri) {
        (Some(set), None) => {
            let small = set.to_string().len() <= KEYS_BYTES_MAX;
            let some = KeySet::of_usable(&set).is_some_and(|it| !it.is_empty());
            let secret = |it: &Value| it.get("d").is_some() || it.get("k").is_some();
            let keys = set.get("keys").and_then(Value::as_array);
            let leaked = keys.is_some_and(|it| it.iter().any(secret));
            match small && some && !leaked {
                true => Ok(ClientKeys::Inline(set)),
                false => Err(refused("jwks", &"must be a set of at least one public key")),
            }
        }
        (None, Some(text)) => match Url::parse(&text) {
            Ok(it) if it.scheme() == "https" && it.username().is_empty() => Ok(ClientKeys::At(it)),
            _ => Err(refused("jwks_uri", &"must be an https address")),
        },
        _ => Err(BadMetadata::Other("`private_key_jwt` needs `jwks` or `jwks_uri`".into())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(field: &str, value: Value) -> Value {
        let mut document = json!({ "redirect_uris": ["https://client.example/cb"] });
        document[field] = value;
        document
    }

    #[test]
    fn what_is_left_out_has_the_defaults_of_the_rfc() {
        let kept = ClientMetadata::parse(&with("logo_uri", json!("javascript:alert(1)"))).unwrap();
        assert_eq!(kept.grants, [Grant::AuthorizationCode].into());
        assert_eq!(kept.proof, ProofMethod::ClientSecretBasic);
        assert_eq!((kept.name, kept.scopes), (None, None));
    }

    #[test]
    fn every_field_is_judged_and_named() {
        let eleven: Vec<String> = (0..11).map(|it| format!("https://c.example/{it}")).collect();
        for (field, value, code) in [
            ("redirect_uris", json!([]), "invalid_redirect_uri"),
            ("redirect_uris", json!(eleven), "invalid_redirect_uri"),
            ("redirect_uris", json!(["http://c.example/"]), "invalid_redirect_uri"),
            ("redirect_uris", json!(["https://c.example/#x"]), "invalid_redirect_uri"),
            ("redirect_uris", json!("https://c.example/"), "invalid_client_metadata"),
            ("client_name", json!("a\u{202E}b"), "invalid_client_metadata"),
            ("client_name", json!("x".repeat(81)), "invalid_client_metadata"),
            ("grant_types", json!(["implicit"]), "invalid_client_metadata"),
            ("grant_types", json!(["client_credentials"]), "invalid_client_metadata"),
            ("grant_types", json!(["refresh_token"]), "invalid_client_metadata"),
            ("response_types", json!(["token"]), "invalid_client_metadata"),
            ("response_types", json!(["code", "token"]), "invalid_client_metadata"),
            ("token_endpoint_auth_method", json!("client_secret_jwt"), "invalid_client_metadata"),
            ("token_endpoint_auth_method", json!("private_key_jwt"), "invalid_client_metadata"),
            ("scope", json!("a\"b"), "invalid_client_metadata"),
        ] {
            let refused = ClientMetadata::parse(&with(field, value.clone())).unwrap_err();
            assert_eq!(refused.code(), code, "{field}: {value}");
            assert!(refused.to_string().contains(field) || code.contains("metadata"), "{refused}");
        }
        assert!(ClientMetadata::parse(&json!("nothing")).is_err());
    }

    #[test]
    fn keys_are_public_and_come_one_way() {
        const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": X });
        let private = json!({ "kty": "OKP", "crv": "Ed25519", "x": X, "d": "AAAA" });
        for (jwks, uri, good) in [
            (json!({ "keys": [key] }), None, true),
            (Value::Null, Some("https://c.example/keys"), true),
            (json!({ "keys": [key] }), Some("https://c.example/keys"), false),
            (json!({ "keys": [] }), None, false),
            (json!({ "keys": [private] }), None, false),
            (json!([key]), None, false),
            (Value::Null, Some("http://c.example/keys"), false),
            (Value::Null, Some("file:///keys"), false),
        ] {
            let mut document = with("token_endpoint_auth_method", json!("private_key_jwt"));
            document["jwks"] = jwks;
            document["jwks_uri"] = json!(uri);
            assert_eq!(ClientMetadata::parse(&document).is_ok(), good, "{document}");
        }
    }

    #[test]
    fn what_is_stored_reads_back_the_same() {
        let document = json!({
            "redirect_uris": ["http://127.0.0.1/cb", "com.example.app:/cb"],
            "client_name": "An app",
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            "scope": "b a",
        });
        let kept = ClientMetadata::parse(&document).unwrap();
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(serde_json::from_str::<ClientMetadata>(&stored).unwrap(), kept);
    }
}
