//! A passkey in software, as small as the tests need it: ES256, no attestation.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const ATTESTED: u8 = 0x40;

/// One credential. What it says of itself can be changed.
pub struct Authenticator {
    key: KeyPair,
    pub id: [u8; 16],
    pub origin: &'static str,
    pub verifies_user: bool,
    pub counter: u32,
}

impl Authenticator {
    pub fn new(origin: &'static str) -> Authenticator {
        let (key, id) = (KeyPair::generate().unwrap(), [0xc1; 16]);
        Authenticator { key, id, origin, verifies_user: true, counter: 0 }
    }

    /// The answer of `navigator.credentials.create(options)`.
    pub fn create(&self, options: &Value) -> Value {
        let rp = options["publicKey"]["rp"]["id"].as_str().unwrap();
        let auth_data = [self.auth_data(rp, ATTESTED), self.attested()].concat();
        // {"fmt": "none", "attStmt": {}, "authData": bytes} in CBOR (RFC 8949)
        let object = [
            &b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData"[..],
            &[0x58, u8::try_from(auth_data.len()).unwrap()],
            &auth_data,
        ]
        .concat();
        let client_data = self.client_data("webauthn.create", options);
        self.answer(&json!({
            "attestationObject": encode(&object),
            "clientDataJSON": encode(client_data.as_bytes()),
        }))
    }

    /// The answer of `navigator.credentials.get(options)`.
    pub fn get(&self, options: &Value) -> Value {
        let rp = options["publicKey"]["rpId"].as_str().unwrap();
        let auth_data = self.auth_data(rp, 0);
        let client_data = self.client_data("webauthn.get", options);
        let signed = [&auth_data[..], &Sha256::digest(&client_data)].concat();
        self.answer(&json!({
            "authenticatorData": encode(&auth_data),
            "clientDataJSON": encode(client_data.as_bytes()),
            "signature": encode(&self.key.sign(&signed).unwrap()),
        }))
    }

    fn client_data(&self, what: &str, options: &Value) -> String {
        let challenge = &options["publicKey"]["challenge"];
        json!({ "type": what, "challenge": challenge, "origin": self.origin }).to_string()
    }

    fn auth_data(&self, rp: &str, flags: u8) -> Vec<u8> {
        let verified = if self.verifies_user { USER_VERIFIED } else { 0 };
        let flags = flags | USER_PRESENT | verified;
        [&Sha256::digest(rp)[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Which model it is (none), the credential's id and its public key (COSE, RFC 9052).
    fn attested(&self) -> Vec<u8> {
        let (x, y) = self.key.public_key_raw()[1..].split_at(32);
        let key = [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", x, b"\x22\x58\x20", y].concat();
        [&[0; 16][..], &[0, u8::try_from(self.id.len()).unwrap()], &self.id, &key].concat()
    }

    fn answer(&self, response: &Value) -> Value {
        let id = encode(&self.id);
        json!({ "id": id, "rawId": id, "type": "public-key", "response": response })
    }
}

fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
