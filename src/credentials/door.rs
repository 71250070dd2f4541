//! A credential that its holder shows at the door of a tool, where a proxy asks about it.

use std::sync::Arc;

use uuid::Uuid;

use super::present::not_admitted;
use super::verify::{Reason, Request, Revocations, Verified};
use super::{Credential, Credentials, Presented};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, World};
use crate::{Error, Result, metrics};

/// Showing a credential for a use of a tool.
#[derive(Debug)]
pub struct PresentCredential {
    pub presented: Presented,
    /// The name of the tool behind the door.
    pub tool: String,
    pub scope: String,
}

impl Action for PresentCredential {
    const NAME: &'static str = "present_credential";
    const EVENT: &'static str = "credential.present";
    type Resource = Arc<Credential>;

    async fn find(&self, _: &World) -> Result<Option<Arc<Credential>>> {
        Ok(Some(self.presented.credential.clone()))
    }

    fn particulars(&self, _: &Arc<Credential>) -> Particulars {
        Particulars::Token
    }

    fn on_behalf_of(&self) -> Option<Uuid> {
        self.presented.credential.on_behalf_of
    }
}

impl Credentials {
    /// What the credential says, if it admits the use. Arguments are not seen at a door, so
    /// conditions on them refuse, and so does what only the whole call could decide.
    ///
    /// # Errors
    /// [`Error::NotAdmitted`], or [`Error::Unauthenticated`] where another credential would help.
    pub fn at_door(&self, world: &World, permit: &Permit<PresentCredential>) -> Result<Verified> {
        let started = self.clock.monotonic();
        let answer = self.judged_at_door(world, permit.action());
        let outcome = if answer.is_ok() { "valid" } else { "invalid" };
        metrics::verified(outcome, started.elapsed());
        let warrant = permit.warrant();
        warrant.note("verified", outcome);
        warrant.note("asked_tool", permit.action().tool.as_str());
        warrant.note("asked_scope", permit.action().scope.as_str());
        answer
    }

    fn judged_at_door(&self, world: &World, action: &PresentCredential) -> Result<Verified> {
        let presented = &action.presented;
        let catalogue = world.registry.catalogue();
        let tool = catalogue.tool(presented.credential.tool_id);
        let tool = tool.filter(|it| it.is_active()).ok_or_else(|| Error::NotAdmitted {
            reason: Reason::WrongTool,
            detail: "the tool that it is for is not active".into(),
        })?;
        let mut request = Request::new(action.scope.as_str());
        if let Some(key) = presented.holder() {
            request = request.holder_proved(key);
        }
        let verifier = self.verifier()?.tool(&action.tool, Some(tool.digest()));
        let verified =
            verifier.admit(presented.signed(), &request, Revocations::Unchecked, self.clock.now());
        verified.map_err(not_admitted)
    }
}
