//! The revocation feed: signed pages from the issuer, merged into one list that knows its age.

use std::collections::HashSet;

use ed25519_dalek::{Signature, VerifyingKey};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::keys::{CLOCK_SKEW, KeySet, KeysDocument};
use super::refusal::Refusal;

/// Keeps a signature over a page from being one over anything else that the root key signs.
const DOMAIN: &[u8] = b"gatewright revocation feed 1";

/// The most ids that one list holds.
pub const IDS_MAX: usize = 1_000_000;

/// What has been revoked between two cursors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// The cursor that this page continues from; empty for the beginning.
    #[serde(default)]
    pub since: String,
    /// The cursor to ask for the next page with.
    pub cursor: String,
    /// Ids that `credential(…)` states.
    pub credential_ids: Vec<String>,
    /// Revocation ids of single blocks, in hexadecimal.
    pub revocation_ids: Vec<String>,
    pub issued_at: Timestamp,
    /// Whether more was revoked by then than this page has room for.
    #[serde(default)]
    pub more: bool,
}

/// A page as it travels. Not to be believed before [`SignedPage::check`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedPage {
    #[serde(flatten)]
    pub page: Page,
    /// The root key that signed it.
    pub key_id: u32,
    /// Ed25519 over [`Page::signed_bytes`], in hexadecimal.
    pub signature: String,
}

/// A page that the issuer signed.
#[derive(Clone, Debug)]
pub struct CheckedPage(Page);

/// Why a page was not taken.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("the published root keys are unusable")]
    Keys(#[source] super::keys::BadKey),
    #[error("the page's root key is not to be relied on")]
    Key(#[source] Refusal),
    #[error("the page was not signed by the issuer")]
    Signature,
    #[error("the page is dated in the future, at {0}")]
    Future(Timestamp),
    #[error("the page continues from cursor `{page}`, the list stands at `{list}`")]
    Gap { page: String, list: String },
    #[error("the feed has more than {IDS_MAX} ids")]
    TooLarge,
}

impl Page {
    /// What the root key signs: the domain, then issuer, key id, `since`, `cursor`, `issued_at`,
    /// `more` (`true` or `false`), and each list as its length followed by its entries. Every
    /// piece is preceded by its length in bytes, lists by their number of entries, as unsigned
    /// 64-bit big-endian; numbers and instants are written as in the JSON.
    pub fn signed_bytes(&self, issuer: &str, key_id: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut piece = |it: &[u8]| {
            bytes.extend((it.len() as u64).to_be_bytes());
            bytes.extend(it);
        };
        piece(DOMAIN);
        piece(issuer.as_bytes());
        piece(key_id.to_string().as_bytes());
        piece(self.since.as_bytes());
        piece(self.cursor.as_bytes());
        piece(self.issued_at.to_string().as_bytes());
        piece(self.more.to_string().as_bytes());
        for list in [&self.credential_ids, &self.revocation_ids] {
            bytes.extend((list.len() as u64).to_be_bytes());
            for it in list {
                bytes.extend((it.len() as u64).to_be_bytes());
                bytes.extend(it.as_bytes());
            }
        }
        bytes
    }
}

impl SignedPage {
    /// The page, if `keys` shows that the issuer signed it no later than `now`.
    pub fn check(self, keys: &KeysDocument, now: Timestamp) -> Result<CheckedPage, FeedError> {
        let set = KeySet::read(keys).map_err(FeedError::Keys)?;
        let key = set.choose(Some(self.key_id), now).map_err(FeedError::Key)?;
        let bytes = self.page.signed_bytes(&keys.issuer, self.key_id);
        verify(&key.to_bytes(), &bytes, &self.signature).ok_or(FeedError::Signature)?;
        if now.duration_until(self.page.issued_at) > CLOCK_SKEW {
            return Err(FeedError::Future(self.page.issued_at));
        }
        Ok(CheckedPage(self.page))
    }
}

/// Everything known to be revoked.
#[derive(Clone, Debug, Default)]
pub struct RevocationList {
    credential_ids: HashSet<String>,
    revocation_ids: HashSet<String>,
    cursor: String,
    /// The list holds all that was revoked before this instant.
    as_of: Option<Timestamp>,
}

impl RevocationList {
    /// A list kept by the issuer itself: nothing revoked yet, complete at `now`.
    pub fn complete_at(now: Timestamp) -> RevocationList {
        RevocationList { as_of: Some(now), ..RevocationList::default() }
    }

    /// Merges the next page. A page that does not continue where the list stands is refused,
    /// else what was revoked in between would be missing and nobody would know.
    pub fn apply(&mut self, CheckedPage(page): CheckedPage) -> Result<(), FeedError> {
        if page.since != self.cursor && !page.since.is_empty() {
            return Err(FeedError::Gap { page: page.since, list: self.cursor.clone() });
        }
        let more = page.credential_ids.len() + page.revocation_ids.len();
        if self.credential_ids.len() + self.revocation_ids.len() + more > IDS_MAX {
            return Err(FeedError::TooLarge);
        }
        self.credential_ids.extend(page.credential_ids);
        self.revocation_ids.extend(page.revocation_ids.iter().map(|it| it.to_ascii_lowercase()));
        self.cursor = page.cursor;
        if !page.more {
            self.as_of = self.as_of.max(Some(page.issued_at));
        }
        Ok(())
    }

    /// Adds what the issuer itself just revoked.
    pub fn revoke(
        &mut self,
        credential_id: &str,
        revocation_ids: impl IntoIterator<Item = String>,
    ) {
        self.credential_ids.insert(credential_id.to_owned());
        self.revocation_ids.extend(revocation_ids);
    }

    /// Where to ask on from; empty at the beginning.
    pub fn cursor(&self) -> &str {
        &self.cursor
    }

    /// How old the list is at `now`; `None` while it is still incomplete.
    pub fn age(&self, now: Timestamp) -> Option<SignedDuration> {
        let as_of = self.as_of?;
        Some(as_of.duration_until(now).max(SignedDuration::ZERO))
    }

    pub(crate) fn has_credential(&self, credential_id: &str) -> bool {
        self.credential_ids.contains(credential_id)
    }

    pub(crate) fn has_block(&self, revocation_id: &str) -> bool {
        self.revocation_ids.contains(revocation_id)
    }
}

/// `Some` when `signature` (hexadecimal) is the key's over `bytes`, by the strict rules.
fn verify(key: &[u8], bytes: &[u8], signature: &str) -> Option<()> {
    let key = VerifyingKey::from_bytes(key.try_into().ok()?).ok()?;
    let signature = Signature::from_slice(&hex::decode(signature).ok()?).ok()?;
    key.verify_strict(bytes, &signature).ok()
}
