//! Sealing second factors, each for its own place in the store.

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Result;
use crate::keys::Seed;
use crate::seal;

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
pub struct Seal(seal::Seal);

impl Seal {
    pub fn new(key: &Seed) -> Seal {
        Seal(seal::Seal::new(key))
    }

    pub fn seal(&self, purpose: Purpose, plain: &[u8]) -> Result<Vec<u8>> {
        self.0.seal(&purpose.bytes(), plain)
    }

    /// What was sealed; an error when the key, the purpose or a single bit is another.
    pub fn open(&self, purpose: Purpose, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        self.0.open(&purpose.bytes(), sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purpose(what: &'static str, id: u128, user: u128) -> Purpose {
        Purpose { what, id: Uuid::from_u128(id), user: Uuid::from_u128(user) }
    }

    #[test]
    fn a_body_opens_where_it_was_sealed_for_and_nowhere_else() {
        let (seal, here) = (Seal::new(&Seed::new([7; 32])), purpose("totp", 1, 2));
        let sealed = seal.seal(here, b"secret").unwrap();
        assert_eq!(**seal.open(here, &sealed).unwrap(), *b"secret");
        for there in [purpose("passkey", 1, 2), purpose("totp", 3, 2), purpose("totp", 1, 3)] {
            assert!(seal.open(there, &sealed).is_err(), "{there:?}");
        }
    }
}
