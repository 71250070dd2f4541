//! Sealing what must not be read out of a stolen store: AES-256-GCM (NIST SP 800-38D).

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use rand::TryRngCore as _;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::keys::Seed;
use crate::{Error, Result};

/// Says how the rest is sealed, so that another way can stand beside it one day.
const VERSION: u8 = 1;
/// Random, 96 bits: safe for far more seals than there will ever be second factors.
const NONCE_BYTES: usize = 12;

/// What a sealed body is for. It opens for that, for that id and for that user, and for nothing
/// else: a body that is moved to another row stays shut.
#[derive(Clone, Copy, Debug)]
pub struct Purpose {
    pub what: &'static str,
    pub id: Uuid,
    pub user: Uuid,
}

impl Purpose {
    fn bytes(self) -> Vec<u8> {
        let what = [b"gatewright factors 1\0", self.what.as_bytes(), b"\0"].concat();
        [&what[..], self.id.as_bytes(), self.user.as_bytes()].concat()
    }
}

/// Seals and opens. Shows nothing of its key.
pub struct Seal(Aes256Gcm);

impl Seal {
    pub fn new(key: &Seed) -> Seal {
        Seal(Aes256Gcm::new(&(**key).into()))
    }

    /// Version, nonce, ciphertext and tag.
    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(anyhow::Error::from)?;
        let payload = Payload { msg: plain, aad: &purpose.bytes() };
        let sealed = self
            .0
            .encrypt(&nonce.into(), payload)
            .map_err(|_| Error::internal("too much to seal at once"))?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// What was sealed; an error when the key, the purpose or a single bit is another.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let shut = || Error::internal("a sealed body does not open: it was sealed otherwise");
        let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(shut)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(shut)?;
        let payload = Payload { msg: rest, aad: &purpose.bytes() };
        self.0.decrypt(&(*nonce).into(), payload).map(Zeroizing::new).map_err(|_| shut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&Seed::new([7; 32]))
    }

    fn purpose(what: &'static str, id: u128, user: u128) -> Purpose {
        Purpose { what, id: Uuid::from_u128(id), user: Uuid::from_u128(user) }
    }

    #[test]
    fn a_body_opens_where_it_was_sealed_for_and_nowhere_else() {
        let (seal, here) = (seal(), purpose("totp", 1, 2));
        let sealed = seal.seal(here, b"secret").unwrap();
        assert_eq!(**seal.open(here, &sealed).unwrap(), *b"secret");
        for there in [purpose("passkey", 1, 2), purpose("totp", 3, 2), purpose("totp", 1, 3)] {
            assert!(seal.open(there, &sealed).is_err(), "{there:?}");
        }
        let other = Seal::new(&Seed::new([8; 32]));
        assert!(other.open(here, &sealed).is_err(), "another key");
    }

    #[test]
    fn a_single_changed_bit_is_noticed() {
        let (seal, here) = (seal(), purpose("totp", 1, 2));
        let sealed = seal.seal(here, b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal.open(here, &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(seal.open(here, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn equal_bodies_do_not_look_equal() {
        let (seal, here) = (seal(), purpose("totp", 1, 2));
        assert_ne!(seal.seal(here, b"secret").unwrap(), seal.seal(here, b"secret").unwrap());
    }
}
