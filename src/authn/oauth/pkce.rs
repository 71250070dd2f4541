//! Proof key for code exchange (RFC 7636), with SHA-256 and nothing else.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The digest of a secret that only the client that began knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge(String);

impl Challenge {
    /// A SHA-256 digest in base64url without padding; anything else is none.
    pub fn parse(text: &str) -> Option<Challenge> {
        let digest = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        (digest.len() == 32).then(|| Challenge(text.to_owned()))
    }

    /// Whether `verifier` is well-formed (43 to 128 unreserved characters) and the secret behind
    /// this, in constant time.
    pub fn fits(&self, verifier: &SecretString) -> bool {
        let verifier = verifier.expose_secret();
        let unreserved = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
            return false;
        }
        let digest = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        digest.as_bytes().ct_eq(self.0.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc_fits_and_nothing_else_does() {
        let challenge = Challenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM").unwrap();
        let fits = |it: &str| challenge.fits(&it.into());
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(fits(verifier));
        assert!(!fits(&verifier[1..]));
        assert!(!fits(&verifier.to_lowercase()));
        // The challenge itself: what a `plain` client would send.
        assert!(!fits("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(!fits(""));
    }

    #[test]
    fn a_verifier_is_43_to_128_unreserved_characters() {
        let of = |it: &str| Challenge(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(it)));
        for (verifier, fits) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("~".repeat(128), true),
            ("a".repeat(129), false),
            (format!("{}+", "a".repeat(43)), false),
            (format!("{}ä", "a".repeat(43)), false),
        ] {
            assert_eq!(of(&verifier).fits(&verifier.as_str().into()), fits, "{verifier}");
        }
    }

    #[test]
    fn a_challenge_is_a_digest() {
        for text in ["", "short", &"a".repeat(42), &"a".repeat(44), &format!("{}=", "a".repeat(43))]
        {
            assert_eq!(Challenge::parse(text), None, "{text}");
        }
    }
}
