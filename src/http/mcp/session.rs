//! Session ids of the older versions: made and recognised without remembering any.
//!
//! An id gives nobody anything. It says which client a request id is of, so that what one client
//! takes back is never what another has asked for.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ed25519_dalek::SigningKey;
use hmac::{Hmac, KeyInit as _, Mac as _};
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use sha2::Sha256;
use warp::http::HeaderValue;

use super::super::call::Call;
use super::message::{Kind, Message};
use super::{SESSION_ID, header_value};
use crate::authn::Caller;
use crate::{Error, Result};

const SALT_BYTES: usize = 16;

/// Makes and recognises session ids. Every replica that has the same key knows the same ids.
pub struct Sessions {
    mac: Hmac<Sha256>,
}

/// The id is not one that this caller was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

impl Sessions {
    /// Ids of whoever has this key, which signs nothing here.
    pub fn new(key: &SigningKey) -> Sessions {
        let mut mac = keyed(key.as_bytes());
        mac.update(b"gatewright mcp session");
        Sessions { mac: keyed(&mac.finalize().into_bytes()) }
    }

    /// A new id for this caller.
    pub fn begin(&self, caller: &Caller) -> Result<HeaderValue> {
        let mut salt = [0; SALT_BYTES];
        let no_random = |_| Error::internal("the system gives no random bytes");
        OsRng.try_fill_bytes(&mut salt).map_err(no_random)?;
        header_value(&self.issue(salt, principal(caller)))
    }

    /// The session that a message is part of; none where it is part of none, as in the versions that
    /// have none.
    ///
    /// # Errors
    /// It names one that is not this caller's.
    pub fn of(
        &self,
        call: &Call,
        caller: &Caller,
        message: &Message,
    ) -> Result<Option<String>, Unknown> {
        if message.is_stateless || matches!(message.kind, Kind::Initialize) {
            return Ok(None);
        }
        match call.headers.contains_key(SESSION_ID) {
            false => Ok(None),
            true => {
                let id = call.header(SESSION_ID.as_str()).ok_or(Unknown)?;
                self.recognises(&id, principal(caller)).then_some(Some(id)).ok_or(Unknown)
            }
        }
    }

    fn issue(&self, salt: [u8; SALT_BYTES], principal: [u8; 16]) -> String {
        let tag = self.tagged(&salt, principal).finalize().into_bytes();
        BASE64_URL_SAFE_NO_PAD.encode([salt.as_slice(), tag.as_slice()].concat())
    }

    fn recognises(&self, id: &str, principal: [u8; 16]) -> bool {
        let Ok(bytes) = BASE64_URL_SAFE_NO_PAD.decode(id) else { return false };
        let Some((salt, tag)) = bytes.split_at_checked(SALT_BYTES) else { return false };
        self.tagged(salt, principal).verify_slice(tag).is_ok()
    }

    fn tagged(&self, salt: &[u8], principal: [u8; 16]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(salt);
        mac.update(&principal);
        mac
    }
}

fn principal(caller: &Caller) -> [u8; 16] {
    caller.principal().id().into_bytes()
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
    fn an_id_is_its_callers_own() {
        let sessions = |seed| Sessions::new(&SigningKey::from_bytes(&[seed; 32]));
        let (ours, replica, other) = (sessions(1), sessions(1), sessions(2));
        let (one, another) = ([1; 16], [2; 16]);
        let id = ours.issue([3; SALT_BYTES], one);
        assert!(ours.recognises(&id, one) && replica.recognises(&id, one));
        for (what, by, id, principal) in [
            ("another's", &ours, id.as_str(), another),
            ("of another key", &other, &id, one),
            ("cut", &ours, &id[..30], one),
            ("empty", &ours, "", one),
            ("made up", &ours, &"A".repeat(64), one),
        ] {
            assert!(!by.recognises(id, principal), "{what}");
        }
    }
}
