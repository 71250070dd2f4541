//! Public keys that others give us (RFC 7517): P-256, Ed25519 and RSA of a sound size.

use std::sync::LazyLock;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::jws;
use crate::error::FieldFault;
use crate::{Error, Result};

/// Members that only a private or a shared key has (RFC 7518 section 6).
const SECRET: &[&str] = &["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
const KEYS_MAX: usize = 16;
const KEY_ID_CHARS_MAX: usize = 128;
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// Why a JWK is not a public key that counts here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    #[error("must be a JSON object")]
    Shape,
    #[error("has `{0}`, which is secret: make a new key pair, and send its public half")]
    Secret(&'static str),
    #[error("must be of `kty` EC with P-256, OKP with Ed25519, or RSA")]
    Type,
    #[error("must have `{0}` in base64url, of the length that its type of key has")]
    Member(&'static str),
    #[error("is no point of its curve, or a weak one")]
    Point,
    #[error("must have a modulus of 2048 to 4096 bits")]
    Modulus,
    #[error("must have a public exponent that is odd, and from 65537 to 4294967295")]
    Exponent,
    #[error(
        "must be for signatures: `use` is `sig`, `key_ops` is [`verify`], where they are given"
    )]
    Purpose,
    #[error("must have an `alg` that fits its type, of ES256, EdDSA, Ed25519, PS256 and RS256")]
    Algorithm,
    #[error("must have a `kid` of 1 to 128 printable characters, where it is given")]
    KeyId,
}

/// A public key for checking signatures.
#[derive(Clone, Debug)]
pub struct PublicKey {
    /// The members that make the key and its thumbprint, in the order of RFC 7638.
    members: Map<String, Value>,
    key_id: Option<String>,
    /// The one algorithm that its owner uses it with.
    pinned: Option<Algorithm>,
    family: &'static [Algorithm],
    decoding: DecodingKey,
    thumbprint: String,
}

impl PublicKey {
    /// Reads a JWK. Members that mean nothing here are left out, certificates among them.
    pub fn parse(jwk: &Value) -> Result<PublicKey, BadKey> {
        let jwk = jwk.as_object().ok_or(BadKey::Shape)?;
        if let Some(it) = SECRET.iter().find(|it| jwk.contains_key(**it)) {
            return Err(BadKey::Secret(it));
        }
        let (members, decoding, family) = match (word(jwk, "kty"), word(jwk, "crv")) {
            (Some("EC"), Some("P-256")) => p256(jwk)?,
            (Some("OKP"), Some("Ed25519")) => ed25519(jwk)?,
            (Some("RSA"), _) => rsa(jwk)?,
            _ => return Err(BadKey::Type),
        };
        expect_purpose(jwk)?;
        let thumbprint = thumbprint(&members);
        let (key_id, pinned) = (key_id(jwk)?, pinned(jwk, family)?);
        Ok(PublicKey { members, key_id, pinned, family, decoding, thumbprint })
    }

    /// The base64url of its SHA-256 thumbprint (RFC 7638): the same key, the same text.
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// What its owner calls it; its thumbprint where the owner gave it no name.
    pub fn key_id(&self) -> &str {
        self.key_id.as_deref().unwrap_or(&self.thumbprint)
    }

    /// Whether signatures of this algorithm may be checked with it.
    pub fn is_for(&self, algorithm: Algorithm) -> bool {
        self.pinned.map_or_else(|| self.family.contains(&algorithm), |it| it == algorithm)
    }

    pub(super) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// The key as a JWK, with no more than was read.
    pub fn to_json(&self) -> Value {
        let mut jwk = self.members.clone();
        jwk.insert("kid".into(), self.key_id().into());
        if let Some(it) = self.pinned {
            jwk.insert("alg".into(), format!("{it:?}").into());
        }
        jwk.insert("use".into(), "sig".into());
        Value::Object(jwk)
    }
}

/// The keys of one owner (RFC 7517 section 5), each under a name of its own.
#[derive(Clone, Debug, Default)]
pub struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Reads a JWK set that stands at `at` in what was sent.
    ///
    /// # Errors
    /// [`Error::Invalid`] with everything that is wrong, by JSON pointer.
    pub fn parse(set: &Value, at: &str) -> Result<KeySet> {
        let keys = set.get("keys").and_then(Value::as_array);
        let keys = keys.ok_or_else(|| Error::field(&format!("{at}/keys"), "must be a list"))?;
        if keys.len() > KEYS_MAX {
            let many = format!("must have at most {KEYS_MAX} keys");
            return Err(Error::field(&format!("{at}/keys"), many));
        }
        let (mut read, mut faults) = (Vec::<PublicKey>::new(), Vec::new());
        for (index, jwk) in keys.iter().enumerate() {
            let pointer = format!("{at}/keys/{index}");
            match PublicKey::parse(jwk) {
                Ok(it) if read.iter().any(|other| other.key_id() == it.key_id()) => {
                    let detail = "must have a `kid` of its own".into();
                    faults.push(FieldFault { pointer, detail });
                }
                Ok(it) => read.push(it),
                Err(fault) => faults.push(FieldFault { pointer, detail: fault.to_string() }),
            }
        }
        if faults.is_empty() { Ok(KeySet(read)) } else { Err(Error::Invalid(faults)) }
    }

    /// The keys of a set that somebody else publishes, as far as they count here; keys of other
    /// kinds and for other purposes are passed over (RFC 7517 section 5). None when it is no set.
    pub fn of_usable(set: &Value) -> Option<KeySet> {
        let keys = set.get("keys")?.as_array()?;
        Some(KeySet(keys.iter().filter_map(|it| PublicKey::parse(it).ok()).collect()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &PublicKey> {
        self.0.iter()
    }

    /// Whether every key of `other` is among these.
    pub fn includes(&self, other: &KeySet) -> bool {
        let known = |it: &PublicKey| self.iter().any(|ours| ours.thumbprint == it.thumbprint);
        other.iter().all(known)
    }

    /// The key that a signature must be checked with: the one of that name, or the only one for the
    /// algorithm. None where that leaves a choice, for nobody else makes it.
    pub fn choose(&self, key_id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let named = |it: &&PublicKey| key_id.is_none_or(|id| it.key_id() == id);
        let mut fit = self.0.iter().filter(|it| it.is_for(algorithm)).filter(named);
        match (fit.next(), fit.next()) {
            (Some(it), None) => Some(it),
            _ => None,
        }
    }

    /// The set as JSON, with no more than was read.
    pub fn to_json(&self) -> Value {
        let keys: Vec<Value> = self.iter().map(PublicKey::to_json).collect();
        json!({ "keys": keys })
    }
}

type Parts = (Map<String, Value>, DecodingKey, &'static [Algorithm]);

fn p256(jwk: &Map<String, Value>) -> Result<Parts, BadKey> {
    let (x, y) = (octets(jwk, "x", 32)?, octets(jwk, "y", 32)?);
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    let decoding = DecodingKey::from_ec_der(&point);
    // It is made only of a point that is on the curve.
    let provider = &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
    (provider.verifier_factory)(&Algorithm::ES256, &decoding).map_err(|_| BadKey::Point)?;
    let members = members(jwk, &["crv", "kty", "x", "y"]);
    Ok((members, decoding, &[Algorithm::ES256]))
}

fn ed25519(jwk: &Map<String, Value>) -> Result<Parts, BadKey> {
    let x: [u8; 32] = octets(jwk, "x", 32)?.try_into().map_err(|_| BadKey::Member("x"))?;
    let key = ed25519_dalek::VerifyingKey::from_bytes(&x).map_err(|_| BadKey::Point)?;
    // A point of small order would agree to signatures that nobody made.
    if key.is_weak() {
        return Err(BadKey::Point);
    }
    let members = members(jwk, &["crv", "kty", "x"]);
    Ok((members, DecodingKey::from_ed_der(&x), &[Algorithm::EdDSA]))
}

fn rsa(jwk: &Map<String, Value>) -> Result<Parts, BadKey> {
    let (n, e) = (integer(jwk, "n")?, integer(jwk, "e")?);
    let bits = n.len() * 8 - n.first().map_or(0, |it| it.leading_zeros() as usize);
    if !RSA_BITS.contains(&bits) || n.last().is_none_or(|it| it.is_multiple_of(2)) {
        return Err(BadKey::Modulus);
    }
    let exponent = e
        .iter()
        .try_fold(0u32, |all, byte| all.checked_mul(256).map(|shifted| shifted | u32::from(*byte)));
    if !exponent.is_some_and(|it| it >= 65_537 && !it.is_multiple_of(2)) {
        return Err(BadKey::Exponent);
    }
    let members = members(jwk, &["e", "kty", "n"]);
    let decoding = DecodingKey::from_rsa_raw_components(&n, &e);
    Ok((members, decoding, &[Algorithm::PS256, Algorithm::RS256]))
}

fn word<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

/// The bytes of a member. There is one spelling of them: base64url without padding, strictly.
fn bytes(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, BadKey> {
    let text = word(jwk, name).ok_or(BadKey::Member(name))?;
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| BadKey::Member(name))
}

fn octets(jwk: &Map<String, Value>, name: &'static str, length: usize) -> Result<Vec<u8>, BadKey> {
    bytes(jwk, name)
        .and_then(|it| if it.len() == length { Ok(it) } else { Err(BadKey::Member(name)) })
}

/// A Base64urlUInt (RFC 7518 section 2): no zero bytes in front.
fn integer(jwk: &Map<String, Value>, name: &'static str) -> Result<Vec<u8>, BadKey> {
    let bytes = bytes(jwk, name)?;
    if bytes.first().is_none_or(|it| *it == 0) { Err(BadKey::Member(name)) } else { Ok(bytes) }
}

fn members(jwk: &Map<String, Value>, names: &[&str]) -> Map<String, Value> {
    let pair = |name: &&str| jwk.get(*name).map(|value| ((*name).to_owned(), value.clone()));
    names.iter().filter_map(pair).collect()
}

/// RFC 7638 section 3. The values are base64url and fixed words, so nothing is there to escape.
fn thumbprint(members: &Map<String, Value>) -> String {
    let canonical = Value::Object(members.clone()).to_string();
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

fn expect_purpose(jwk: &Map<String, Value>) -> Result<(), BadKey> {
    static VERIFY: LazyLock<Value> = LazyLock::new(|| json!(["verify"]));
    let sig = jwk.get("use").is_none_or(|it| it == "sig");
    let verify = jwk.get("key_ops").is_none_or(|it| *it == *VERIFY);
    if sig && verify { Ok(()) } else { Err(BadKey::Purpose) }
}

fn pinned(jwk: &Map<String, Value>, family: &[Algorithm]) -> Result<Option<Algorithm>, BadKey> {
    let Some(given) = jwk.get("alg") else { return Ok(None) };
    let known = given.as_str().and_then(jws::algorithm).filter(|it| family.contains(it));
    known.map(Some).ok_or(BadKey::Algorithm)
}

fn key_id(jwk: &Map<String, Value>) -> Result<Option<String>, BadKey> {
    let Some(given) = jwk.get("kid") else { return Ok(None) };
    let text = given.as_str().filter(|it| !it.is_empty() && !it.contains(char::is_control));
    let text = text.filter(|it| it.chars().count() <= KEY_ID_CHARS_MAX);
    text.map(|it| Some(it.to_owned())).ok_or(BadKey::KeyId)
}
