//! Tokens that are bound to a key (RFC 9449): given to whoever proves it, good with it alone.

use secrecy::{ExposeSecret as _, SecretString};

use super::proofs::{BadProof, KeyProof, Refused};
use super::request::Scheme;
use super::{Authn, Caller, Request, SECOND};
use crate::{Error, Result, Unproven};

/// Why whoever sent a token is not the holder of the key that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotHolder {
    #[error("this token is bound to a key: send it as `Authorization: DPoP`, with a `DPoP` proof")]
    NoProof,
    #[error("this token is bound to no key: send it as `Authorization: Bearer`")]
    Unbound,
    #[error("this token is bound to another key than the one that the DPoP proof is made with")]
    OtherKey,
    #[error(transparent)]
    Proof(#[from] BadProof),
}

impl NotHolder {
    /// The error's name in a challenge (RFC 9449 section 7.1).
    pub fn code(&self) -> &'static str {
        match self {
            NotHolder::NoProof | NotHolder::Unbound | NotHolder::OtherKey => "invalid_token",
            NotHolder::Proof(bad) => bad.code(),
        }
    }

    /// The nonce to try again with.
    pub fn nonce(&self) -> Option<&str> {
        match self {
            NotHolder::Proof(BadProof::Nonce { fresh }) => Some(fresh),
            _ => None,
        }
    }
}

impl From<NotHolder> for Error {
    fn from(it: NotHolder) -> Error {
        match it {
            NotHolder::Proof(BadProof::Use(Refused::Full)) => {
                Error::Unavailable { what: "the memory of used proofs" }
            }
            other => Error::Unauthenticated(Unproven::NotHolder(other)),
        }
    }
}

impl Authn {
    /// The proof that comes with a request for a token; none when there is no `DPoP` header.
    pub fn key_proof(&self, request: Request<'_>) -> Result<Option<KeyProof>, BadProof> {
        self.dpop.read(request, None, self.seconds())
    }

    /// Binds what the caller is about to be given to the key of the proof, which is used up here.
    /// A session that is bound stays with its key: without it there is nothing to be had.
    pub fn bind(&self, caller: Caller, proof: Option<KeyProof>) -> Result<Caller, NotHolder> {
        match (caller.session().proof.key.as_deref(), proof) {
            (None, None) => Ok(caller),
            (Some(_), None) => Err(NotHolder::NoProof),
            (Some(key), Some(proof)) if !proof.is_by(key) => Err(NotHolder::OtherKey),
            (_, Some(proof)) => {
                let key = self.dpop.spend(proof, self.seconds())?;
                Ok(caller.proving(|it| it.key = Some(key)))
            }
        }
    }

    /// Refuses a token that was not sent by its holder, and one that has none but says so
    /// (RFC 9449 section 7.2).
    pub(super) fn expect_holder(
        &self,
        caller: &Caller,
        scheme: Scheme,
        token: &SecretString,
        request: Request<'_>,
    ) -> Result<(), NotHolder> {
        let key = match (caller.session().proof.key.as_deref(), scheme) {
            (None, Scheme::Bearer) => return Ok(()),
            (None, Scheme::Dpop) => return Err(NotHolder::Unbound),
            (Some(_), Scheme::Bearer) => return Err(NotHolder::NoProof),
            (Some(key), Scheme::Dpop) => key,
        };
        let now = self.seconds();
        let proof = self.dpop.read(request, Some(token.expose_secret()), now)?;
        let proof = proof.ok_or(NotHolder::NoProof)?;
        if !proof.is_by(key) {
            return Err(NotHolder::OtherKey);
        }
        self.dpop.spend(proof, now)?;
        Ok(())
    }

    pub(super) fn seconds(&self) -> i64 {
        self.clock.micros() / SECOND
    }
}
