//! Recovery codes: ten of them, each good once, for when every other factor is out of reach.

use rand::TryRngCore as _;
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Result;

pub const CODES: usize = 10;
/// 5 bits each make 80 random bits: no dictionary, and too many to try, so that a plain SHA-256 is
/// enough to store.
const CHARS: usize = 16;
const GROUP: usize = 4;
/// Crockford's base 32: no letter that is easily taken for a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A recovery code as somebody typed it, or as it was made: its characters without their grouping.
pub struct RecoveryCode(Zeroizing<[u8; CHARS]>);

impl RecoveryCode {
    /// A whole new set.
    pub fn new_set() -> Result<Vec<RecoveryCode>> {
        (0..CODES).map(|_| RecoveryCode::generate()).collect()
    }

    fn generate() -> Result<RecoveryCode> {
        let mut code = Zeroizing::new([0u8; CHARS]);
        rand::rngs::OsRng.try_fill_bytes(&mut *code).map_err(anyhow::Error::from)?;
        for char in code.iter_mut() {
            // 32 divides 256: every character is as likely as the others.
            *char = ALPHABET.get(usize::from(*char % 32)).copied().unwrap_or_default();
        }
        Ok(RecoveryCode(code))
    }

    /// Reads what a person typed: in any case, however grouped, with `O` for `0` and `I` or `L`
    /// for `1`.
    pub fn parse(text: &str) -> Option<RecoveryCode> {
        let mut typed =
            text.bytes().filter(|it| !b" -".contains(it)).map(|it| match it.to_ascii_lowercase() {
                b'o' => b'0',
                b'i' | b'l' => b'1',
                other => other,
            });
        let mut code = Zeroizing::new([0u8; CHARS]);
        for place in code.iter_mut() {
            *place = typed.next().filter(|it| ALPHABET.contains(it))?;
        }
        typed.next().is_none().then_some(RecoveryCode(code))
    }

    /// In groups, for the one answer that shows it.
    pub fn reveal(&self) -> SecretString {
        let groups = self.0.chunks(GROUP).map(String::from_utf8_lossy);
        groups.collect::<Vec<_>>().join("-").into()
    }

    /// What is stored of it. The user is part of it: a list of stolen hashes is tried for one user
    /// at a time.
    pub fn hash(&self, user: Uuid) -> Vec<u8> {
        let prefix = Sha256::new_with_prefix(b"gatewright recovery code\0");
        prefix.chain_update(user.as_bytes()).chain_update(*self.0).finalize().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let user = Uuid::from_u128(1);
        for code in RecoveryCode::new_set().unwrap() {
            let shown = code.reveal().expose_secret().to_owned();
            assert_eq!(shown.len(), 19, "{shown}");
            for typed in [
                shown.clone(),
                shown.to_uppercase(),
                shown.replace('-', ""),
                shown.replace('-', "  "),
                shown.replace('0', "O").replace('1', "l"),
            ] {
                let read = RecoveryCode::parse(&typed).unwrap();
                assert_eq!(read.hash(user), code.hash(user), "{typed}");
            }
            assert_ne!(code.hash(user), code.hash(Uuid::from_u128(2)));
        }
    }

    #[test]
    fn what_is_no_code_is_not_read_as_one() {
        for text in
            ["", "287082", "0000-0000-0000-000", "0000-0000-0000-00000", "u000-0000-0000-0000"]
        {
            assert!(RecoveryCode::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn codes_differ_and_use_the_whole_alphabet() {
        let codes: Vec<_> = (0..40).flat_map(|_| RecoveryCode::new_set().unwrap()).collect();
        let distinct: BTreeSet<[u8; CHARS]> = codes.iter().map(|it| *it.0).collect();
        assert_eq!(distinct.len(), codes.len());
        let used: BTreeSet<u8> = distinct.iter().flatten().copied().collect();
        assert_eq!(used, ALPHABET.iter().copied().collect());
    }
}
