//! Credentials that are shown to Gatewright itself, in the place of an access token.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::verify::{Reason, Refusal, Request, Revocations, Signed};
use super::{Credential, Credentials};
use crate::clock::instant;
use crate::registry::Tool;
use crate::{Error, Result};

/// A credential that came with a request: signed by us, on record, not revoked. Whether it admits
/// what is asked is still open.
#[derive(Clone)]
pub struct Presented {
    signed: Arc<Signed>,
    pub credential: Arc<Credential>,
}

impl Presented {
    /// The thumbprint of the key that it is bound to.
    pub fn holder(&self) -> Option<&str> {
        self.signed.holder()
    }
}

impl Presented {
    pub(super) fn signed(&self) -> &Signed {
        &self.signed
    }
}

impl fmt::Debug for Presented {
    /// The id alone: the token is in there.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Presented({})", self.credential.id)
    }
}

impl Credentials {
    /// Reads a token that may be one of our credentials; none where it is of another kind.
    ///
    /// # Errors
    /// It is a credential, and does not hold.
    pub async fn present(&self, token: &str) -> Result<Option<Presented>> {
        let signed = match self.verifier()?.open(token, self.clock.now()) {
            Ok(it) => it,
            Err(refusal) if refusal.reason == Reason::Malformed => return Ok(None),
            Err(refusal) => return Err(refused(&refusal)),
        };
        let unknown = || refused(&Refusal::new(Reason::Signature, "it is not on record here"));
        let id: Uuid = signed.credential_id().parse().map_err(|_| unknown())?;
        let credential = self.find(id).await?.ok_or_else(unknown)?;
        if credential.revoked_at.is_some() {
            return Err(refused(&Refusal::new(Reason::Revoked, "it was revoked")));
        }
        if signed.expires_at() <= self.clock.now() {
            return Err(refused(&Refusal::new(Reason::Expired, "it has expired")));
        }
        // What Gatewright calls a tool with is for that tool, not for calls back.
        let own =
            self.db.query("SELECT 1 FROM calls WHERE id = $1", vec![credential.decision_id.into()]);
        if !own.await?.is_empty() {
            return Err(refused(&Refusal::new(Reason::WrongTool, "it was made for one call")));
        }
        Ok(Some(Presented { signed: Arc::new(signed), credential }))
    }

    /// Refuses a call that the credential does not admit. A call through the gateway is taken to
    /// use every scope that the tool offers, for nobody can tell which of them it needs.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`], in one of the verifiers' words.
    pub fn expect_admitted(
        &self,
        presented: &Presented,
        tool: &Tool,
        arguments: &Value,
    ) -> Result<()> {
        let name = &tool.definition.name;
        let verifier = self.verifier()?.tool(name, Some(tool.digest())).asks_gatewright();
        let now = instant(self.clock.micros());
        for scope in &tool.definition.scopes {
            let mut request = Request::new(scope.as_str())
                .arguments(arguments)
                .map_err(|error| Error::field("/arguments", error.to_string()))?;
            if let Some(key) = presented.holder() {
                request = request.holder_proved(key);
            }
            verifier
                .admit(&presented.signed, &request, Revocations::Unchecked, now)
                .map_err(not_admitted)?;
        }
        Ok(())
    }
}

/// The token itself is not good: whoever sent it is nobody.
fn refused(refusal: &Refusal) -> Error {
    match refusal.could_not_verify() {
        true => Error::Unavailable { what: "the time to verify the credential" },
        false => Error::Unauthenticated(crate::Unproven::Credential(refusal.reason)),
    }
}

/// The token is good, and not for this.
pub(super) fn not_admitted(refusal: Refusal) -> Error {
    match refusal.reason {
        _ if refusal.could_not_verify() => refused(&refusal),
        Reason::Expired | Reason::Revoked => refused(&refusal),
        reason => Error::NotAdmitted { reason, detail: refusal.detail },
    }
}
