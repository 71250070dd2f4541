//! What is known here of the Gatewright whose credentials are good: its keys and what it revoked.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use ed25519_dalek::SigningKey;
use jiff::SignedDuration;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use zeroize::Zeroizing;

use super::message::Call;
use super::refused::Refused;
use super::shown::Shown;
use crate::authn::proofs::Dpop;
use crate::clock::Clock;
use crate::credentials::verify::feed::{CheckedPage, FeedError};
use crate::credentials::verify::keys::BadKey;
use crate::credentials::verify::{
    KeysDocument, Reason, Refusal, Request, RevocationList, Revocations, Verified, Verifier,
};
use crate::settings::Origin;

/// What a credential must be good for.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    /// The server's name at Gatewright; its tools are `<name>__<tool>` there.
    pub(super) name: String,
    /// All of these must be granted.
    pub(super) scopes: Vec<String>,
    /// Who must have issued it; whoever publishes the keys, where it is not said.
    pub(super) issuer: Option<String>,
    pub(super) max_feed_age: SignedDuration,
    /// Where callers reach the server: what proofs of keys are made for.
    pub(super) url: Origin,
}

pub(super) struct Gateway {
    pub(super) terms: Terms,
    dpop: Dpop,
    clock: Clock,
    known: RwLock<Known>,
}

#[derive(Default)]
struct Known {
    keys: Option<(KeysDocument, Verifier)>,
    revoked: RevocationList,
}

impl Gateway {
    /// Knows nothing yet, and admits nothing.
    ///
    /// # Errors
    /// The system gives no randomness.
    pub(super) fn new(terms: Terms, clock: Clock) -> anyhow::Result<Gateway> {
        // It makes nonces, which need not outlive the process.
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(&mut *seed)?;
        let key = SigningKey::from_bytes(&seed);
        let dpop = Dpop::new(terms.url.clone(), &key, clock.now().as_second());
        Ok(Gateway { terms, dpop, clock, known: RwLock::default() })
    }

    /// Whether what was shown admits the call, coming from this address, now.
    pub(super) fn admit(
        &self,
        shown: &Shown<'_>,
        call: &Call,
        from: IpAddr,
    ) -> Result<Verified, Refused> {
        let known = self.known();
        let (_, verifier) = known.keys.as_ref().ok_or(Refused::NoKeys)?;
        let verifier = verifier.clone().tool(&self.tool(&call.tool), None);
        let (first, others) = self.terms.scopes.split_first().ok_or(Refused::NoKeys)?;
        let now = self.clock.now();
        let signed = verifier.open(shown.token, now)?;
        let proof = shown.proof(&self.dpop, &signed, now.as_second())?;
        let mut request = Request::new(first).from_address(from).arguments(&call.arguments)?;
        if let Some((holder, _)) = &proof {
            request = request.holder_proved(*holder);
        }
        let revoked = Revocations::Listed(&known.revoked);
        let verified = verifier.admit(&signed, &request, revoked, now)?;
        if let Some(missing) = others.iter().find(|it| !verified.scopes.contains(*it)) {
            let detail = format!("the credential does not grant `{missing}`");
            return Err(Refusal::new(Reason::Scope, detail).of(&verified.credential_id).into());
        }
        if let Some((_, proof)) = proof {
            self.dpop.spend(proof, now.as_second())?;
        }
        Ok(verified)
    }

    /// The name that Gatewright knows a tool by.
    pub(super) fn tool(&self, name: &str) -> String {
        let plain = |it: char| if it.is_ascii_alphanumeric() { it } else { '_' };
        format!("{}__{}", self.terms.name, name.chars().map(plain).collect::<String>())
    }

    /// Whether credentials can be verified now.
    pub(super) fn is_known(&self) -> bool {
        let known = self.known();
        let age = known.revoked.age(self.clock.now());
        known.keys.is_some() && age.is_some_and(|it| it <= self.terms.max_feed_age)
    }

    /// Takes the published keys. Others than before begin another feed: what is known of the old
    /// one may be of a store that is no more.
    pub(super) fn publish(&self, keys: &KeysDocument) -> Result<(), BadKey> {
        if self.known().keys.as_ref().is_some_and(|(before, _)| before == keys) {
            return Ok(());
        }
        let issuer = self.terms.issuer.as_ref().unwrap_or(&keys.issuer);
        let verifier = Verifier::new(keys, issuer)?.max_feed_age(self.terms.max_feed_age);
        *self.known_mut() =
            Known { keys: Some((keys.clone(), verifier)), revoked: RevocationList::default() };
        Ok(())
    }

    /// Where to go on reading the feed; empty at the beginning.
    pub(super) fn cursor(&self) -> String {
        self.known().revoked.cursor().to_owned()
    }

    /// Takes the feed's next page. One that does not fit makes the feed begin again, and nothing
    /// is admitted until it has been read to its end.
    pub(super) fn revoke(&self, page: CheckedPage) -> Result<(), FeedError> {
        let mut known = self.known_mut();
        let taken = known.revoked.apply(page);
        if taken.is_err() {
            known.revoked = RevocationList::default();
        }
        taken
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn known_mut(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}
