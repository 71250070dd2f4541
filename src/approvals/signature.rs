//! Signatures of messages to a webhook (Standard Webhooks 1.0).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

/// What a secret begins with that is written as Base64.
const PREFIX: &str = "whsec_";

/// The key that a configured secret stands for: the Base64 behind `whsec_`, or else its own bytes.
pub fn signing_key(secret: &SecretString) -> Option<SecretSlice<u8>> {
    let text = secret.expose_secret();
    let bytes = match text.strip_prefix(PREFIX) {
        Some(encoded) => BASE64_STANDARD.decode(encoded).ok()?,
        None => text.as_bytes().to_vec(),
    };
    Some(SecretSlice::from(bytes))
}

/// `webhook-signature` for a message of this id, sent at `timestamp` (seconds since the epoch). None
/// where the secret is no key.
pub(super) fn sign(secret: &SecretString, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = signing_key(secret)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).ok()?;
    mac.update(format!("{id}.{timestamp}.").as_bytes());
    mac.update(body);
    Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_signed_as_the_standard_says() {
        // The example of the Standard Webhooks libraries.
        let secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
        assert!(sign(&SecretString::from("whsec_not base64"), "m", 1, body).is_none());
        let plain = SecretString::from("plain-text-of-24-letters");
        assert_eq!(signing_key(&plain).map(|it| it.expose_secret().len()), Some(24));
    }
}
