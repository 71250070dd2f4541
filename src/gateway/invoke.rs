//! One call of a tool, from the permit to the answer.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Gateway;
use super::action::{Called, InvokeTool};
use super::calls::{self, Begun, Known};
use super::failure::Failure;
use super::upstream::{Answered, Outgoing};
use crate::approvals::{Consumption, RequestApproval, consumed};
use crate::audit::Outcome;
use crate::authn::Caller;
use crate::authz::{Behalf, Permit, Use, Warrant};
use crate::error::Error;
use crate::registry::Tool;
use crate::{Result, metrics};

/// What a call came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Invoked {
    pub decision_id: Uuid,
    pub answered: Answered,
    /// Millionths of a US dollar.
    pub cost_micros: i64,
    pub used: Used,
}

/// What the caller has used up, this call included.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Used {
    pub calls_last_minute: u64,
    pub calls_today: u64,
    pub cost_today_micros: u64,
}

/// How a call ended; kept as JSON for whoever sends it again.
type Ending = Result<Invoked, Failure>;

/// Whose call of what has ended.
struct End<'a> {
    call: Uuid,
    caller: &'a Caller,
    action: &'a InvokeTool,
    tool: &'a Tool,
}

impl Gateway {
    /// Calls the tool that was decided on, once.
    ///
    /// The decision, the use and the intent are written before anything leaves, and the outcome
    /// when it is known. Sent again under the same idempotency key, the call is not made again.
    ///
    /// # Errors
    /// [`Error::Upstream`] where the tool did not give a result.
    pub async fn invoke(&self, permit: Permit<InvokeTool>) -> Result<Invoked> {
        let started = self.clock.monotonic();
        let behalf = permit.behalf().cloned();
        let (caller, action, called, warrant) = permit.spend();
        if let Known::Answered(kept) = self.known(&caller, &action, &called.tool).await? {
            return replay(&warrant, kept);
        }
        let result = warrant.then("tool.result", &self.clock)?;
        let used = warrant.usage().map(|it| Used {
            calls_last_minute: it.calls_last_minute,
            calls_today: it.calls_today,
            cost_today_micros: it.cost_today_micros,
        });
        let used = used.unwrap_or_default();
        let decision_id = warrant.decision();
        let by = (&caller, behalf.as_deref());
        let credential = self.begin(&warrant, by, &action, &called).await?;
        let outgoing = Outgoing {
            call: decision_id,
            called: &called,
            caller: &caller,
            arguments: &action.arguments,
            credential,
            trace: action.trace.as_deref(),
            limits: self.limits,
        };
        let answered = self.call(&result, outgoing).await;
        metrics::call(
            answered.as_ref().map_or_else(Failure::outcome, Answered::outcome),
            started.elapsed(),
        );
        let cost_micros = called.tool.definition.cost_per_call;
        let ending = answered.map(|answered| Invoked { decision_id, answered, cost_micros, used });
        let end = End { call: decision_id, caller: &caller, action: &action, tool: &called.tool };
        self.end(&result, end, ending).await
    }

    /// What became of a call that was made already, under the same idempotency key, with an approval
    /// that it used up; none where there was no such call.
    ///
    /// # Errors
    /// As [`Gateway::invoke`], where the key is known.
    pub async fn recall(&self, permit: &Permit<RequestApproval>) -> Result<Option<Invoked>> {
        let (call, called) = (&permit.action().call, permit.resource());
        match self.known(permit.caller(), call, &called.tool).await? {
            Known::Answered(kept) => replay(permit.warrant(), kept).map(Some),
            Known::Nothing => Ok(None),
        }
    }

    /// Writes down that the call is about to be made. A credential that it is to carry is minted
    /// and recorded with it.
    async fn begin(
        &self,
        warrant: &Warrant,
        (caller, behalf): (&Caller, Option<&Behalf>),
        action: &InvokeTool,
        called: &Called,
    ) -> Result<Option<SecretString>> {
        let begun = Begun {
            id: warrant.decision(),
            tool: &called.tool,
            caller,
            action,
            now: self.clock.micros(),
            time_max: self.limits.time_max,
        };
        let mut statements = vec![begun.statement()];
        let mut token = None;
        if called.takes_credential() {
            let vended = self.credentials.for_call(warrant, (caller, behalf), &called.tool)?;
            statements.push(vended.statement);
            token = Some(vended.token);
        }
        let digest = action.digest(&called.tool);
        let by = Consumption {
            call: warrant.decision(),
            principal: caller.principal().id(),
            digest: &digest,
            tool: &called.tool,
            server: called.server.as_deref(),
            now: begun.now,
        };
        let used = called.approval.as_ref().and_then(|it| consumed(it, by));
        let uses_approval = used.is_some();
        statements.extend(used);
        self.ledger.commit(warrant, statements).await.map_err(|error| match error {
            Error::Conflict(_) if uses_approval => Error::Conflict(
                "the approval has been used or has ended, or the tool was changed since".into(),
            ),
            other => other,
        })?;
        Ok(token)
    }

    /// Writes down how the call ended, and gives what the caller is answered.
    async fn end(
        &self,
        result: &Warrant,
        End { call, caller, action, tool }: End<'_>,
        ending: Ending,
    ) -> Result<Invoked> {
        let now = self.clock.micros();
        let (failed, unsent) = match &ending {
            Ok(it) => (it.answered.is_error, false),
            Err(it) => (true, it.unsent),
        };
        if let Err(failure) = &ending {
            result.note("failure", failure.kind.code());
        }
        result.ended(if failed { Outcome::Failed } else { Outcome::Success }, &self.clock);
        let mut statements = vec![match &action.idempotency_key {
            // What never left may be sent again under the same key.
            Some(_) if unsent => calls::taken_back(call, now),
            Some(_) => {
                let kept = serde_json::to_value(&ending).map_err(anyhow::Error::from)?;
                calls::ended(call, Some(&kept), now)
            }
            None => calls::ended(call, None, now),
        }];
        if failed {
            let refund = if unsent { tool.definition.cost_per_call } else { 0 };
            let it = Use { tool: tool.id, cost_micros: refund };
            statements.push(self.quota.failed(caller.principal().id(), it, now));
        }
        self.ledger.commit(result, statements).await?;
        ending.map_err(|it| Error::Upstream(Box::new(it)))
    }
}

/// The answer to an earlier request of the same key.
fn replay(warrant: &Warrant, kept: Value) -> Result<Invoked> {
    warrant.note("replayed", true);
    let ending: Ending = serde_json::from_value(kept).map_err(anyhow::Error::from)?;
    ending.map_err(|it| Error::Upstream(Box::new(it)))
}
