//! Checks a credential offline: what a tool needs, and nothing of the server.
//!
//! INVARIANT: nothing under this module names anything outside it, save the crates biscuit-auth,
//! prost and ed25519-dalek (both of them biscuit-auth's own), serde, serde_json, jiff, thiserror,
//! hex, base64 and std. It reads no clock, file or socket. Tool providers take it alone.

mod blocks;
mod checks;
mod claims;
mod cost;
mod engine;
pub mod feed;
pub mod keys;
#[cfg(feature = "server")]
pub(crate) mod parts;
mod refusal;
pub mod request;
mod signed;
mod token;

#[cfg(test)]
#[cfg(feature = "server")]
mod tests;
#[cfg(test)]
mod vectors;

use std::collections::BTreeSet;

use biscuit_auth::error;
use jiff::{SignedDuration, Timestamp};

use claims::Claims;
pub use claims::FORMAT;
use engine::{Engine, Question};
pub use feed::RevocationList;
use keys::{BadKey, KeySet};
pub use keys::{KeysDocument, PublishedKey};
pub use refusal::{Reason, Refusal};
pub use request::Request;
pub use signed::Signed;
pub use token::{BLOCKS_MAX, TOKEN_BYTES_MAX};
use token::{Unverified, parse};

/// How old the revocation feed may be, unless [`Verifier::max_feed_age`] says otherwise.
pub const FEED_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// Checks credentials for one tool. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Verifier {
    keys: KeySet,
    issuer: String,
    tool: String,
    digest: Option<String>,
    max_feed_age: Option<SignedDuration>,
    asks_gatewright: bool,
    engine: Engine,
}

/// What to hold a credential against besides itself.
#[derive(Clone, Copy, Debug)]
pub enum Revocations<'a> {
    /// The list from the issuer's feed.
    Listed(&'a RevocationList),
    /// Nothing: revoked credentials pass until they expire. [`Verified::feed_age`] is `None`.
    Unchecked,
}

/// A credential that admits the call it was shown for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub credential_id: String,
    pub decision_id: String,
    pub agent: String,
    pub agent_name: String,
    pub on_behalf_of: Option<String>,
    /// What it admits on this tool, now, with these arguments, after every narrowing.
    pub scopes: BTreeSet<String>,
    pub expires_at: Timestamp,
    /// The key thumbprint that the issuer bound it to.
    pub holder: Option<String>,
    /// One per block, in hexadecimal, the issuer's first.
    pub revocation_ids: Vec<String>,
    /// How old the revocation list was; `None` when there was none.
    pub feed_age: Option<SignedDuration>,
}

impl Verifier {
    /// A verifier of credentials that `issuer`, a URL, signed with one of `keys`. It refuses all
    /// of them until [`Verifier::tool`] says which tool it guards.
    pub fn new(keys: &KeysDocument, issuer: &str) -> Result<Verifier, BadKey> {
        Ok(Verifier {
            keys: KeySet::read(keys)?,
            issuer: issuer.to_owned(),
            tool: String::new(),
            digest: None,
            max_feed_age: Some(FEED_AGE_MAX),
            asks_gatewright: false,
            engine: Engine::new(),
        })
    }

    /// The tool that verifies, and the digest of its definition; without one, any definition of
    /// the tool will do.
    pub fn tool(self, name: &str, digest: Option<&str>) -> Verifier {
        Verifier { tool: name.to_owned(), digest: digest.map(str::to_owned), ..self }
    }

    /// Refuses with `feed_stale` when the revocation list is older than `age`.
    pub fn max_feed_age(self, age: SignedDuration) -> Verifier {
        Verifier { max_feed_age: Some(age), ..self }
    }

    /// Accepts a revocation list of any age; [`Verified::feed_age`] tells how old it was.
    pub fn any_feed_age(self) -> Verifier {
        Verifier { max_feed_age: None, ..self }
    }

    /// Lets `online_only` credentials through, because the caller goes on to ask Gatewright.
    pub fn asks_gatewright(self) -> Verifier {
        Verifier { asks_gatewright: true, ..self }
    }

    /// Whether `token` admits `request` at `now`.
    pub fn verify(
        &self,
        token: &str,
        request: &Request,
        revocations: Revocations<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let signed = self.open(token, now)?;
        self.admit(&signed, request, revocations, now)
    }

    /// Reads a token and checks every signature in it, and that this verifier's issuer made it.
    pub fn open(&self, token: &str, now: Timestamp) -> Result<Signed, Refusal> {
        let Unverified { biscuit, blocks } = parse(token)?;
        let key = self.keys.choose(biscuit.root_key_id(), now)?;
        let biscuit = biscuit.verify(key).map_err(unsigned)?;
        let claims = Claims::read(&blocks)?;
        if claims.issuer != self.issuer {
            return Err(Refusal::new(Reason::Issuer, "the token was issued by someone else")
                .of(&claims.credential_id));
        }
        Ok(Signed { biscuit, blocks, claims })
    }

    /// Whether a credential that was opened before admits `request` at `now`.
    pub fn admit(
        &self,
        signed: &Signed,
        request: &Request,
        revocations: Revocations<'_>,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        let Signed { claims, .. } = signed;
        if now < Timestamp::UNIX_EPOCH {
            return Err(Refusal::new(Reason::Limits, "the clock is wrong"));
        }
        let feed_age = self
            .not_revoked(signed, revocations, now)
            .and_then(|age| self.is_for_this(claims, request, now).map(|()| age))
            .map_err(|it| it.of(&claims.credential_id))?;
        let scopes =
            self.scopes(signed, request, now).map_err(|it| it.of(&claims.credential_id))?;
        Ok(Verified {
            credential_id: claims.credential_id.clone(),
            decision_id: claims.decision_id.clone(),
            agent: claims.agent.clone(),
            agent_name: claims.agent_name.clone(),
            on_behalf_of: claims.on_behalf_of.clone(),
            scopes,
            expires_at: claims.expires_at,
            holder: claims.holder.clone(),
            revocation_ids: signed.revocation_ids(),
            feed_age,
        })
    }

    /// The age of the list, if nothing of this credential is on it and it is young enough.
    fn not_revoked(
        &self,
        signed: &Signed,
        revocations: Revocations<'_>,
        now: Timestamp,
    ) -> Result<Option<SignedDuration>, Refusal> {
        let Revocations::Listed(list) = revocations else { return Ok(None) };
        let blocks = signed.revocation_ids();
        if list.has_credential(signed.credential_id()) || blocks.iter().any(|it| list.has_block(it))
        {
            return Err(Refusal::new(Reason::Revoked, "the credential was revoked"));
        }
        match (list.age(now), self.max_feed_age) {
            (Some(age), Some(max)) if age > max => Err(Refusal::new(
                Reason::FeedStale,
                format!("the revocation feed is {} seconds old", age.as_secs()),
            )),
            (None, Some(_)) => {
                Err(Refusal::new(Reason::FeedStale, "the revocation feed is incomplete"))
            }
            (age, _) => Ok(age),
        }
    }

    /// The refusals that the issuer's own words decide, in the order in which a caller can mend
    /// them.
    fn is_for_this(
        &self,
        claims: &Claims,
        request: &Request,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if claims.online_only && !self.asks_gatewright {
            return Err(Refusal::new(Reason::OnlineOnly, "only Gatewright can decide this call"));
        }
        if claims.tool != self.tool {
            let detail = format!("the credential is for the tool `{}`", claims.tool);
            return Err(Refusal::new(Reason::WrongTool, detail));
        }
        if self.digest.as_ref().is_some_and(|it| *it != claims.tool_digest) {
            return Err(Refusal::new(Reason::Digest, "the tool's definition has changed"));
        }
        if now >= claims.expires_at {
            let detail = format!("the credential expired at {}", claims.expires_at);
            return Err(Refusal::new(Reason::Expired, detail));
        }
        if claims.holder.as_ref().is_some_and(|it| !request.proved.contains(it)) {
            return Err(Refusal::new(Reason::Holder, "the holder's key was not proved"));
        }
        if !claims.rights.contains(&request.scope) {
            let detail = format!("the credential does not grant `{}`", request.scope);
            return Err(Refusal::new(Reason::Scope, detail));
        }
        Ok(())
    }

    /// The scopes that pass every check, if the one asked for is among them.
    fn scopes(
        &self,
        signed: &Signed,
        request: &Request,
        now: Timestamp,
    ) -> Result<BTreeSet<String>, Refusal> {
        let clear = signed.scopes(&self.tool);
        let runs = if clear.is_some() { 1 } else { signed.claims.rights.len() };
        cost::affordable(&signed.blocks, request, runs)?;
        let question = Question { tool: &self.tool, scope: &request.scope, request, now };
        self.engine.run(signed, question)?;
        let mut scopes = clear.unwrap_or_default();
        // Also when a holder's block made it pass in a way that its shape does not show.
        scopes.insert(request.scope.clone());
        if runs > 1 {
            for other in signed.claims.rights.iter().filter(|it| **it != request.scope) {
                match self.engine.run(signed, Question { scope: other, ..question }) {
                    Ok(()) => scopes.extend([other.clone()]),
                    Err(it) if it.could_not_verify() => return Err(it),
                    Err(_) => {}
                }
            }
        }
        Ok(scopes)
    }
}

/// A token whose signatures do not hold, or whose keys and signatures cannot even be read.
fn unsigned(cause: error::Format) -> Refusal {
    Refusal::new(Reason::Signature, "the signatures of the token do not hold").because(cause)
}
