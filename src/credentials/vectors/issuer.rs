//! An issuer whose every key is fixed, so that the same tokens come out each time.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::builder::BlockBuilder;
use biscuit_auth::datalog::SymbolTable;
use biscuit_auth::{Algorithm, Biscuit, BiscuitBuilder, KeyPair, PrivateKey};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::attenuate::{Narrowing, block};
use super::super::keys::RootKey;
use super::super::mint::{Draft, authority};
use super::super::verify::feed::Page;

pub(super) const ISSUER: &str = "https://gate.example.com";
pub(super) const DIGEST: &str =
    "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
pub(super) const HOLDER: &str = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";

/// Signed until it was rotated out; published until what it signed has expired.
pub(super) const RETIRED: u32 = 1;
pub(super) const ACTIVE: u32 = 2;
/// Published before its time.
pub(super) const PREMATURE: u32 = 3;
/// Published as a key of a kind that no verifier takes.
pub(super) const OTHER_KIND: u32 = 4;
/// Published nowhere.
pub(super) const UNKNOWN: u32 = 9;

pub(super) fn now() -> Timestamp {
    "2026-11-21T22:00:00Z".parse().unwrap()
}

pub(super) fn later(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

fn private(seed: u8, algorithm: Algorithm) -> PrivateKey {
    PrivateKey::from_bytes(&[seed; 32], algorithm).unwrap()
}

fn pair(seed: u8) -> KeyPair {
    KeyPair::from(&private(seed, Algorithm::Ed25519))
}

pub(super) fn root(key_id: u32) -> KeyPair {
    pair(u8::try_from(key_id).unwrap())
}

/// The document at `/.well-known/biscuit-keys.json`.
pub(super) fn keys() -> Value {
    let key = |id: u32, algorithm: &str, from: i64, until: Option<i64>| {
        json!({
            "key_id": id,
            "algorithm": algorithm,
            "public_key": root(id).public().to_bytes_hex(),
            "not_before": later(from),
            "not_after": until.map(later),
        })
    };
    let keys = [
        key(RETIRED, "ed25519", -86400, Some(600)),
        key(ACTIVE, "ed25519", -3600, None),
        key(PREMATURE, "ed25519", 3600, None),
        key(OTHER_KIND, "secp256r1", -3600, None),
    ];
    json!({ "issuer": ISSUER, "keys": keys })
}

/// Fifteen minutes of `read` and `translate` on the tool `translate`.
pub(super) fn draft() -> Draft {
    Draft {
        issuer: ISSUER.to_owned(),
        credential_id: "01996b1e-0000-7000-8000-00000000000c".to_owned(),
        decision_id: "01996b1e-0000-7000-8000-00000000000d".to_owned(),
        agent_id: "01996b1e-0000-7000-8000-00000000000a".to_owned(),
        agent_name: "researcher".to_owned(),
        on_behalf_of: None,
        tool: "translate".to_owned(),
        tool_digest: DIGEST.to_owned(),
        scopes: ["read", "translate"].map(str::to_owned).into(),
        expires_at: later(900),
        holder: None,
        online_only: false,
        checks: Vec::new(),
    }
}

pub(super) fn mint(draft: &Draft) -> String {
    minted_by(draft, ACTIVE)
}

pub(super) fn minted_by(draft: &Draft, key_id: u32) -> String {
    signed(authority(draft).unwrap().root_key_id(key_id), key_id)
}

/// A token of any content.
pub(super) fn written(code: &str) -> String {
    signed(BiscuitBuilder::new().code(code).unwrap().root_key_id(ACTIVE), ACTIVE)
}

/// Signs with the key of this id, whatever the token says of it.
pub(super) fn signed(builder: BiscuitBuilder, key_id: u32) -> String {
    let next = pair(0x40);
    let biscuit = builder.build_with_key_pair(&root(key_id), SymbolTable::new(), &next);
    biscuit.unwrap().to_base64().unwrap()
}

pub(super) fn read(token: &str) -> Biscuit {
    let by = |id: Option<u32>| Ok(root(id.unwrap_or(ACTIVE)).public());
    Biscuit::from_base64(token, by).unwrap()
}

/// What comes after so many blocks is signed with a key of its own.
fn next_key(biscuit: &Biscuit) -> KeyPair {
    pair(0x40 + u8::try_from(biscuit.block_count()).unwrap())
}

fn append_block(token: &str, block: BlockBuilder, next: &KeyPair) -> String {
    read(token).append_with_keypair(next, block).unwrap().to_base64().unwrap()
}

pub(super) fn narrow(token: &str, narrowing: &Narrowing) -> String {
    append_block(token, block(narrowing).unwrap(), &next_key(&read(token)))
}

/// A block as a holder would write it by hand.
pub(super) fn append(token: &str, code: &str) -> String {
    let block = BlockBuilder::new().code(code).unwrap();
    append_block(token, block, &next_key(&read(token)))
}

/// The same, handing on to a key of the other kind.
pub(super) fn append_for_secp256r1(token: &str, code: &str) -> String {
    let next = KeyPair::from(&private(0x31, Algorithm::Secp256r1));
    append_block(token, BlockBuilder::new().code(code).unwrap(), &next)
}

/// A block that someone outside of the chain signed.
pub(super) fn append_foreign(token: &str, code: &str) -> String {
    let biscuit = read(token);
    let block = BlockBuilder::new().code(code).unwrap();
    let request = biscuit.third_party_request().unwrap();
    let signed = request.create_block(&private(0x30, Algorithm::Ed25519), block).unwrap();
    let next = next_key(&biscuit);
    let key = pair(0x30).public();
    biscuit.append_third_party_with_keypair(key, signed, next).unwrap().to_base64().unwrap()
}

pub(super) fn seal(token: &str) -> String {
    read(token).seal().unwrap().to_base64().unwrap()
}

/// The revocation id of each block.
pub(super) fn revocation_ids(token: &str) -> Vec<String> {
    read(token).revocation_identifiers().iter().map(hex::encode).collect()
}

/// The same token with one bit turned over in the byte at `at` (from the end when negative).
pub(super) fn tampered(token: &str, at: isize) -> String {
    let mut bytes = URL_SAFE.decode(token).unwrap();
    let length = isize::try_from(bytes.len()).unwrap();
    let at = usize::try_from(if at < 0 { length + at } else { at }).unwrap();
    bytes[at] ^= 1;
    URL_SAFE.encode(bytes)
}

/// The signed pages of a feed, as JSON.
pub(super) fn pages(list: impl IntoIterator<Item = Page>) -> Value {
    list.into_iter().map(page).collect()
}

pub(super) fn page(page: Page) -> Value {
    let key = RootKey::from_private(ACTIVE, &root(ACTIVE).private());
    serde_json::to_value(key.sign(page, ISSUER).unwrap()).unwrap()
}

pub(super) fn empty_page(since: &str, cursor: &str) -> Page {
    Page {
        since: since.to_owned(),
        cursor: cursor.to_owned(),
        credential_ids: Vec::new(),
        revocation_ids: Vec::new(),
        issued_at: now(),
        more: false,
    }
}
