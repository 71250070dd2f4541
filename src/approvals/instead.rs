//! What a caller is answered in place of a refusal that a person's yes would lift: the one flow
//! behind every door.

use std::sync::Arc;

use uuid::Uuid;

use super::{Approval, RequestApproval, RequestKey};
use crate::authn::Caller;
use crate::authz::Permit;
use crate::authz::facts::ApprovalState;
use crate::error::Denial;
use crate::gateway::{InvokeTool, Invoked};
use crate::{App, Error, Result};

/// The kind of the fix that stands for a person's yes.
const APPROVAL: &str = "approval";

/// What there is in place of a refusal.
#[derive(Debug)]
pub enum Instead {
    /// A person decides; the caller asks again with the approval's id.
    Awaiting(Awaiting),
    /// The call was made already, with an approval that it used up; this was its answer.
    Answered(Box<Invoked>),
}

/// A call that waits for a person.
#[derive(Debug)]
pub struct Awaiting {
    /// The refusal.
    pub decision_id: Uuid,
    /// Pending; or approved already, and not used yet.
    pub approval: Arc<Approval>,
}

impl App {
    /// Asks for an approval where that, confirmed by Cedar, is all that a refused call lacks.
    ///
    /// A door asks for the call first, with [`crate::authz::Authz::authorize`], and comes here with
    /// the same caller, the same call and the error:
    ///
    /// ```no_run
    /// # use gatewright::{App, Result};
    /// # use gatewright::approvals::Instead;
    /// # use gatewright::authn::Caller;
    /// # use gatewright::gateway::{InvokeTool, Invoked};
    /// # async fn door(app: &App, caller: Caller, call: InvokeTool) -> Result<Result<Invoked, String>> {
    /// match app.authz.authorize(caller.clone(), call.clone()).await {
    ///     Ok(permit) => app.gateway.invoke(permit).await.map(Ok),
    ///     Err(refused) => match app.instead(caller, call, refused).await? {
    ///         Instead::Answered(invoked) => Ok(Ok(*invoked)),
    ///         // The same call comes again with this as its `approval_id`.
    ///         Instead::Awaiting(it) => Ok(Err(format!("wait for {}", it.approval.id))),
    ///     },
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// `refused` itself where something else is needed, or besides; what is wrong with the approval
    /// that the call names.
    pub async fn instead(
        &self,
        caller: Caller,
        call: InvokeTool,
        refused: Error,
    ) -> Result<Instead> {
        self.instead_under(None, caller, call, refused).await
    }

    /// The same under an idempotency key of the door's own.
    pub(crate) async fn instead_under(
        &self,
        key: Option<RequestKey>,
        caller: Caller,
        call: InvokeTool,
        refused: Error,
    ) -> Result<Instead> {
        let refused = match refused {
            Error::Denied(it) if lacks_approval_alone(&it) => it,
            other => return Err(other),
        };
        let permit = self.authz.authorize(caller, RequestApproval { call, refused, key }).await?;
        let record = permit.warrant().record().clone();
        self.authz.settled(&record, self.act_instead(permit)).await
    }

    async fn act_instead(&self, permit: Permit<RequestApproval>) -> Result<Instead> {
        if let Some(invoked) = self.gateway.recall(&permit)? {
            return Ok(Instead::Answered(Box::new(invoked)));
        }
        let decision_id = permit.action().refused.decision_id;
        let approval = match permit.action().call.approval_id {
            Some(_) => self.named(&permit).await?,
            None => self.approvals.request(permit).await?,
        };
        Ok(Instead::Awaiting(Awaiting { decision_id, approval }))
    }

    /// The approval that the call names, as long as it may still become one that allows it.
    async fn named(&self, permit: &Permit<RequestApproval>) -> Result<Arc<Approval>> {
        let (call, called) = (&permit.action().call, permit.resource());
        let id = call.approval_id.unwrap_or_default();
        let asker = permit.caller().principal().id();
        let Some(approval) = self.approvals.of(asker, id).await? else {
            return Err(Error::field("/approval_id", "is not an approval that you asked for"));
        };
        permit.warrant().note("approval", approval.id.to_string());
        if approval.digest != call.digest(&called.tool) {
            return Err(Error::Conflict(
                "the approval is for another call: the tool, its definition, the arguments or \
                 whom it is asked for differ; ask again without `approval_id`"
                    .into(),
            ));
        }
        match approval.state {
            // One that is approved was so just now, while the call was refused.
            ApprovalState::Pending | ApprovalState::Approved => Ok(approval),
            other => Err(Error::Conflict(
                format!("the approval is {}; ask again without `approval_id`", other.as_str())
                    .into(),
            )),
        }
    }
}

fn lacks_approval_alone(denial: &Denial) -> bool {
    matches!(&*denial.fixes, [it] if it.kind == APPROVAL)
}
