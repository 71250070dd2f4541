//! The text of an API key: `gwk_`, 43 random characters, and a checksum, so that secret scanners
//! can tell a key from what only looks like one.

use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::Result;

/// What every API key begins with.
pub const PREFIX: &str = "gwk_";
/// 62^43 > 2^256.
const RANDOM_CHARS: usize = 43;
/// 62^6 > 2^32: as many as a CRC-32 needs.
const CHECKSUM_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key in the clear: shown once, never stored.
#[derive(Debug)]
pub struct ApiKeySecret(SecretString);

/// The SHA-256 of an API key: all that is kept of it. The key has 256 random bits, so a slow hash
/// would add nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl ApiKeySecret {
    pub(super) fn generate() -> Result<ApiKeySecret> {
        let mut text = PREFIX.to_owned();
        let mut bytes = [0u8; 2 * RANDOM_CHARS];
        while text.len() < PREFIX.len() + RANDOM_CHARS {
            rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
            let missing = PREFIX.len() + RANDOM_CHARS - text.len();
            text.extend(bytes.iter().copied().filter_map(uniform).take(missing));
        }
        let checksum = checksum(&text);
        text.extend(checksum.map(char::from));
        Ok(ApiKeySecret(text.into()))
    }

    /// For the one answer that shows it.
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    pub(super) fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(self.reveal()).into())
    }
}

impl SecretHash {
    /// Of what somebody sent, if it is written like an API key; nothing else is worth looking up.
    pub(super) fn of(sent: &SecretString) -> Option<SecretHash> {
        let sent = sent.expose_secret();
        let (text, sum) = sent.split_at_checked(PREFIX.len() + RANDOM_CHARS)?;
        let random = text.strip_prefix(PREFIX)?;
        let fits = random.bytes().all(|it| ALPHABET.contains(&it));
        (fits && sum.as_bytes() == checksum(text)).then(|| SecretHash(Sha256::digest(sent).into()))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<SecretHash> {
        bytes.try_into().ok().map(SecretHash)
    }

    pub(super) fn to_vec(self) -> Vec<u8> {
        self.0.to_vec()
    }
}

/// The character that a random byte stands for. Bytes past the last whole round of the alphabet
/// stand for none: they would make some characters likelier than others.
fn uniform(byte: u8) -> Option<char> {
    const WHOLE_ROUNDS: u8 = 248;
    let index = usize::from(byte) % ALPHABET.len();
    (byte < WHOLE_ROUNDS).then(|| ALPHABET.get(index).copied().map(char::from)).flatten()
}

/// The CRC-32 of the text before it, in base 62, most significant digit first.
fn checksum(text: &str) -> [u8; CHECKSUM_CHARS] {
    let (mut rest, mut digits) = (crc32fast::hash(text.as_bytes()), [b'0'; CHECKSUM_CHARS]);
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET.get((rest % 62) as usize).copied().unwrap_or_default();
        rest /= 62;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_by_its_own_text_and_by_nothing_like_it() {
        let secret = ApiKeySecret::generate().unwrap();
        let text = secret.reveal();
        assert_eq!(text.len(), 53);
        assert!(text.strip_prefix(PREFIX).unwrap().bytes().all(|it| ALPHABET.contains(&it)));
        assert_eq!(SecretHash::of(&text.into()), Some(secret.hash()));
        for at in 0..text.len() {
            let mut other = text.as_bytes().to_vec();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(other).unwrap();
            assert_eq!(SecretHash::of(&other.into()), None, "the character {at} was changed");
        }
        for other in [format!("{text}0"), format!(" {text}"), text[..52].into(), "gwk_ä".into()] {
            assert_eq!(SecretHash::of(&other.clone().into()), None, "{other}");
        }
    }

    #[test]
    fn the_checksum_is_the_crc_32_of_the_rest() {
        // crc32(b"gwk_" + b"0" * 43) by Python's zlib.
        let text = format!("{PREFIX}{}", "0".repeat(43));
        let known = 0x2c7b_057du32;
        let value = checksum(&text).iter().fold(0u64, |sum, digit| {
            62 * sum + ALPHABET.iter().position(|it| it == digit).unwrap() as u64
        });
        assert_eq!(value, u64::from(known));
    }

    #[test]
    fn every_character_is_as_likely_as_any_other() {
        let mut times = [0; 62];
        for character in (0..=u8::MAX).filter_map(uniform) {
            times[ALPHABET.iter().position(|it| char::from(*it) == character).unwrap()] += 1;
        }
        assert_eq!(times, [4; 62]);
        let (one, other) = (ApiKeySecret::generate().unwrap(), ApiKeySecret::generate().unwrap());
        assert_ne!(one.reveal(), other.reveal());
        assert!(!format!("{one:?}").contains(one.reveal()));
    }
}
