//! Sealing what must not be read out of a stolen store: AES-256-GCM (NIST SP 800-38D).

use aes_gcm::aead::{Aead as _, Payload};
use aes_gcm::{Aes256Gcm, KeyInit as _};
use rand::TryRngCore as _;
use zeroize::Zeroizing;

use crate::keys::Seed;
use crate::{Error, Result};

/// Says how the rest is sealed, so that another way can stand beside it one day.
const VERSION: u8 = 1;
/// Random, 96 bits: safe for far more seals under one key than there will ever be.
const NONCE_BYTES: usize = 12;

/// Seals and opens. Shows nothing of its key.
pub struct Seal(Aes256Gcm);

impl Seal {
    pub fn new(key: &Seed) -> Seal {
        Seal(Aes256Gcm::new(&(**key).into()))
    }

    /// Version, nonce, ciphertext and tag. It opens for this very purpose and for no other.
    pub fn seal(&self, purpose: &[u8], plain: &[u8]) -> Result<Vec<u8>> {
        let mut nonce = [0u8; NONCE_BYTES];
        rand::rngs::OsRng.try_fill_bytes(&mut nonce).map_err(anyhow::Error::from)?;
        let payload = Payload { msg: plain, aad: purpose };
        let sealed = self
            .0
            .encrypt(&nonce.into(), payload)
            .map_err(|_| Error::internal("too much to seal at once"))?;
        Ok([&[VERSION][..], &nonce, &sealed].concat())
    }

    /// What was sealed; an error when the key, the purpose or a single bit is another.
    pub fn open(&self, purpose: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let shut = || Error::internal("a sealed body does not open: it was sealed otherwise");
        let rest = sealed.strip_prefix(&[VERSION]).ok_or_else(shut)?;
        let (nonce, rest) = rest.split_first_chunk::<NONCE_BYTES>().ok_or_else(shut)?;
        let payload = Payload { msg: rest, aad: purpose };
        self.0.decrypt(&(*nonce).into(), payload).map(Zeroizing::new).map_err(|_| shut())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&Seed::new([7; 32]))
    }

    #[test]
    fn a_body_opens_for_its_purpose_and_key_alone() {
        let sealed = seal().seal(b"here", b"secret").unwrap();
        assert_eq!(**seal().open(b"here", &sealed).unwrap(), *b"secret");
        assert!(seal().open(b"there", &sealed).is_err());
        assert!(Seal::new(&Seed::new([8; 32])).open(b"here", &sealed).is_err(), "another key");
    }

    #[test]
    fn a_single_changed_bit_is_noticed() {
        let sealed = seal().seal(b"here", b"secret").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(seal().open(b"here", &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(seal().open(b"here", &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn equal_bodies_do_not_look_equal() {
        let sealed = || seal().seal(b"here", b"secret").unwrap();
        assert_ne!(sealed(), sealed());
    }
}
