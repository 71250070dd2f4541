//! Nonces for DPoP proofs (RFC 9449 section 8): made and recognised without remembering any.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// How long a nonce is good, in seconds.
const LIFE: i64 = 300;
const TIME_BYTES: usize = 8;

/// Makes and recognises nonces. Every replica that has the same key knows the same nonces.
pub struct Nonces {
    mac: Hmac<Sha256>,
}

impl Nonces {
    /// Nonces of whoever has this key, which signs nothing here.
    pub fn new(key: &SigningKey) -> Nonces {
        let mut mac = keyed(key.as_bytes());
        mac.update(b"gatewright dpop nonce");
        Nonces { mac: keyed(&mac.finalize().into_bytes()) }
    }

    /// A nonce that is good from `now`, in seconds since the epoch.
    pub fn issue(&self, now: i64) -> String {
        let time = now.to_be_bytes();
        let tag = self.tagged(&time).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([time.as_slice(), tag.as_slice()].concat())
    }

    /// Whether we gave this nonce, and it is good at `now`.
    pub fn recognises(&self, nonce: &str, now: i64) -> bool {
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(nonce) else { return false };
        let Some((time, tag)) = bytes.split_at_checked(TIME_BYTES) else { return false };
        let Ok(at) = time.try_into().map(i64::from_be_bytes) else { return false };
        self.tagged(time).verify_slice(tag).is_ok() && (0..=LIFE).contains(&(now - at))
    }

    fn tagged(&self, time: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(time);
        mac
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    Hmac::new(&block.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_nonces_are_recognised_while_they_are_fresh() {
        let nonces = |seed| Nonces::new(&SigningKey::from_bytes(&[seed; 32]));
        let (ours, replica, other) = (nonces(1), nonces(1), nonces(2));
        let nonce = ours.issue(1000);
        for now in [1000, 1300] {
            assert!(ours.recognises(&nonce, now) && replica.recognises(&nonce, now));
        }
        for (what, by, nonce, now) in [
            ("stale", &ours, nonce.as_str(), 1301),
            ("from the future", &ours, &nonce, 999),
            ("of another key", &other, &nonce, 1000),
            ("cut", &ours, &nonce[..20], 1000),
            ("empty", &ours, "", 1000),
            ("made up", &ours, &"A".repeat(54), 0),
        ] {
            assert!(!by.recognises(nonce, now), "{what}");
        }
    }
}
