//! What a request shows: a credential and, with one that is bound to a key, a proof that its sender
//! holds the key (RFC 9449).

use http::header::AUTHORIZATION;
use http::request::Parts;

use super::refused::Refused;
use crate::authn::proofs::{BadProof, Dpop, KeyProof};
use crate::authn::{self, Service};
use crate::credentials::verify::Signed;

/// The one token of a request.
pub(super) struct Shown<'a> {
    pub(super) token: &'a str,
    is_proved: bool,
    request: authn::Request<'a>,
}

impl<'a> Shown<'a> {
    /// None where there is no token, or more than one.
    pub(super) fn by(parts: &'a Parts) -> Option<Shown<'a>> {
        let mut values = parts.headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
        let is_proved = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => false,
            "dpop" => true,
            _ => return None,
        };
        let (headers, method, path) = (&parts.headers, &parts.method, parts.uri.path());
        let request = authn::Request { headers, method, path, service: Service::Mcp, server: None };
        Some(Shown { token: token.trim(), is_proved, request })
    }

    /// The proof by the key that the credential is bound to, with that key's thumbprint. To be spent
    /// once the credential admits the call. Without one, a bound credential admits nothing.
    ///
    /// # Errors
    /// There is a proof, and it proves nothing.
    pub(super) fn proof<'s>(
        &self,
        dpop: &Dpop,
        signed: &'s Signed,
        now: i64,
    ) -> Result<Option<(&'s str, KeyProof)>, BadProof> {
        let Some(holder) = signed.holder().filter(|_| self.is_proved) else { return Ok(None) };
        let proof = dpop.read(self.request, Some(self.token), now)?;
        Ok(proof.filter(|it| it.is_by(holder)).map(|it| (holder, it)))
    }
}

impl From<BadProof> for Refused {
    fn from(it: BadProof) -> Refused {
        Refused::Proof(it)
    }
}
