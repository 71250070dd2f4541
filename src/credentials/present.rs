//! A credential that its holder shows at the door of a tool, where a proxy asks about it.

use std::sync::Arc;

use uuid::Uuid;

use super::introspect::Shown;
use super::verify::{Reason, Refusal, Request, Signed};
use super::{Credential, Credentials, Validation};
use crate::authn::Presented;
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::{Result, metrics};

/// Showing a credential, whose signatures were found good, for a use of a tool.
#[derive(Debug)]
pub struct PresentCredential {
    signed: Signed,
    credential: Arc<Credential>,
    /// The name of the tool behind the proxy.
    tool: String,
    scope: String,
    proved: Option<String>,
}

impl PresentCredential {
    /// Who shows it.
    pub fn presented(&self) -> Presented {
        let it = &self.credential;
        Presented {
            credential: it.id,
            kind: it.principal_kind,
            principal: it.principal_id,
            since: it.created_at,
            behalf: it.on_behalf_of.map(|user| (user, it.mandate_id)),
        }
    }

    /// The same, by who proved to hold the key with this thumbprint (RFC 7638).
    pub fn by_holder_of(self, key: String) -> PresentCredential {
        PresentCredential { proved: Some(key), ..self }
    }
}

impl Action for PresentCredential {
    const NAME: &'static str = "present_credential";
    const EVENT: &'static str = "credential.present";
    type Resource = Arc<Credential>;

    async fn find(&self, _: &World) -> Result<Option<Arc<Credential>>> {
        Ok(Some(self.credential.clone()))
    }

    fn particulars(&self, _: &Arc<Credential>) -> Particulars {
        Particulars::Token
    }
}

impl Credentials {
    /// Reads a token and checks its signatures, so that it is known who shows it.
    pub async fn shown(
        &self,
        token: &str,
        tool: String,
        scope: String,
    ) -> Result<Result<PresentCredential, Refusal>> {
        let signed = match self.verifier()?.open(token, self.clock.now()) {
            Ok(it) => it,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let found = match signed.credential_id().parse::<Uuid>() {
            Ok(id) => self.find(id).await?,
            Err(_) => None,
        };
        let unknown = || Refusal::new(Reason::Revoked, "the credential is not known any more");
        Ok(found.ok_or_else(unknown).map(|credential| PresentCredential {
            signed,
            credential,
            tool,
            scope,
            proved: None,
        }))
    }

    /// Whether the credential admits the use. Arguments are not seen at a door, so conditions on
    /// them refuse, and so does what only the whole call could decide.
    pub fn present(&self, world: &World, permit: &Permit<PresentCredential>) -> Result<Validation> {
        let started = self.clock.monotonic();
        let action = permit.action();
        let request = Request::new(action.scope.as_str());
        let shown = Shown {
            signed: &action.signed,
            credential: permit.resource(),
            verifier: self.verifier()?,
            tool: &action.tool,
            request: action.proved.iter().fold(request, |it, key| it.holder_proved(key)),
        };
        let answer = self.verified(world, shown);
        let (outcome, reason) = match &answer {
            Validation::Valid(_) => ("valid", None),
            Validation::Invalid { reason, .. } => ("invalid", Some(reason.as_str())),
        };
        metrics::verified(outcome, started.elapsed());
        permit.warrant().note("verified", outcome);
        permit.warrant().note("asked_tool", action.tool.as_str());
        permit.warrant().note("asked_scope", action.scope.as_str());
        if let Some(it) = reason {
            permit.warrant().note("reason", it);
        }
        Ok(answer)
    }
}
