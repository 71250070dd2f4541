//! One call of a tool, from the permit to the answer.

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Gateway;
use super::action::{Called, InvokeTool};
use super::calls::{self, Sent};
use super::earlier::Earlier;
use super::failure::Failure;
use super::proof::not_ready;
use super::upstream::{Answered, Outgoing};
use crate::approvals::{Consumption, RequestApproval, consumed};
use crate::audit::Outcome;
use crate::authn::Caller;
use crate::authz::{Behalf, Permit, Use, UseKind, Warrant};
use crate::error::Error;
use crate::patience::outside;
use crate::registry::{Auth, Tool};
use crate::secrets::{Intent, Lease, LeaseFor};
use crate::store::Statement;
use crate::{Result, metrics};

/// What a call came to.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
pub(super) type Ending = Result<Invoked, Failure>;

/// What a call that was written down is to carry.
struct Begun {
    credential: Option<SecretString>,
    intent: Option<Intent>,
}

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
        let (caller, mut action, called, warrant) = permit.spend();
        if let Some(kept) = replayed(&warrant, &called.earlier)? {
            return Ok(kept);
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
        let Begun { credential, intent } = self.begin(&warrant, by, &action, &called).await?;
        let along = std::mem::take(&mut action.along);
        let mut outgoing = Outgoing {
            call: decision_id,
            called: &called,
            caller: &caller,
            on_behalf_of: behalf.as_deref().map(Behalf::user),
            arguments: &action.arguments,
            credential,
            leased: None,
            along,
            limits: self.limits,
        };
        let mut also = Vec::new();
        let answered = match self.leased(&result, intent).await {
            Err(failure) => Err(failure),
            Ok(None) => outside(self.call(&result, outgoing)).await,
            Ok(Some(lease)) => {
                outgoing.leased = Some(lease.values().clone());
                let answered = outside(self.call(&result, outgoing)).await;
                also = self.secrets.give_back(&result, lease).await;
                answered
            }
        };
        metrics::call(
            answered.as_ref().map_or_else(Failure::outcome, Answered::outcome),
            started.elapsed(),
        );
        result.note("duration_ms", started.elapsed().as_millis() as u64);
        let cost_micros = called.tool.definition.cost_per_call;
        let ending = answered.map(|answered| Invoked { decision_id, answered, cost_micros, used });
        let end = End { call: decision_id, caller: &caller, action: &action, tool: &called.tool };
        self.end(&result, end, also, ending).await
    }

    /// What became of a call that was made already, under the same idempotency key, with an approval
    /// that it used up; none where there was no such call.
    ///
    /// # Errors
    /// As [`Gateway::invoke`], where the key is known.
    pub fn recall(&self, permit: &Permit<RequestApproval>) -> Result<Option<Invoked>> {
        replayed(permit.warrant(), &permit.resource().earlier)
    }

    /// Writes down that the call is about to be made, and with it the credential that it is to
    /// carry, or the intent to lease something for it.
    async fn begin(
        &self,
        warrant: &Warrant,
        by: (&Caller, Option<&Behalf>),
        action: &InvokeTool,
        called: &Called,
    ) -> Result<Begun> {
        let id = warrant.decision();
        let time_max = self.limits.time_max;
        let sent = Sent { id, tool: &called.tool, caller: by.0, action, time_max };
        let mut statements = vec![sent.statement(self.clock.micros())];
        let mut begun = Begun { credential: None, intent: None };
        match called.reached().definition.connection.auth() {
            Auth::Biscuit => {
                let vended = self.credentials.for_call(warrant, by, &called.tool)?;
                statements.push(vended.statement);
                begun.credential = Some(vended.token);
            }
            Auth::Vault(lease) => {
                let path = self.secrets.lease_path(&lease.path);
                let path = path.map_err(|it| Error::Conflict(it.to_string().into()))?;
                // Calls with one credential share what is leased for it, until it ends.
                let of = match action.presented.as_ref().map(|it| &it.credential) {
                    Some(it) => LeaseFor::Credential { id: it.id, expires_at: it.expires_at },
                    None => LeaseFor::Call { id, time_max },
                };
                let mut intent = self.secrets.intend_lease(warrant, &path, of).await?;
                statements.append(&mut intent.statements);
                begun.intent = Some(intent);
            }
            _ => {}
        }
        let used = self.used_approval(id, by.0, action, called);
        let (uses_approval, has_key) = (used.is_some(), action.idempotency_key.is_some());
        statements.extend(used);
        self.ledger.commit(warrant, statements).await.map_err(|error| match error {
            Error::Conflict(_) if uses_approval => Error::Conflict(
                "the approval has been used or has ended, or the tool was changed since".into(),
            ),
            Error::Conflict(_) if has_key => Error::Conflict(
                "another request with this `Idempotency-Key` came first, or what the call needs \
                 has changed; ask again"
                    .into(),
            ),
            other => other,
        })?;
        Ok(begun)
    }

    /// What marks the approval as used that the call was decided with.
    fn used_approval(
        &self,
        call: Uuid,
        caller: &Caller,
        action: &InvokeTool,
        called: &Called,
    ) -> Option<Statement> {
        let digest = action.digest(&called.tool);
        let by = Consumption {
            call,
            principal: caller.principal().id(),
            digest: &digest,
            tool: &called.tool,
            server: called.server.as_deref(),
            now: self.clock.micros(),
        };
        consumed(called.approval.as_ref()?, by)
    }

    async fn leased(
        &self,
        warrant: &Warrant,
        intent: Option<Intent>,
    ) -> Result<Option<Lease>, Failure> {
        let Some(intent) = intent else { return Ok(None) };
        let lease = self.secrets.take_lease(warrant, intent).await;
        lease.map(Some).map_err(|_| not_ready("a lease, and nothing is leased now"))
    }

    /// Writes down how the call ended, and gives what the caller is answered.
    async fn end(
        &self,
        result: &Warrant,
        End { call, caller, action, tool }: End<'_>,
        also: Vec<Statement>,
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
        if unsent {
            result.never_began();
        }
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
            let it = Use { tool: tool.id, cost_micros: refund, kind: UseKind::Call };
            statements.push(self.quota.failed(caller.principal().id(), it, now));
        }
        statements.extend(also);
        self.ledger.commit(result, statements).await?;
        ending.map_err(|it| Error::Upstream(Box::new(it)))
    }
}

/// The answer to an earlier request of the same key.
fn replayed(warrant: &Warrant, earlier: &Earlier) -> Result<Option<Invoked>> {
    if let Earlier::Ended { made, .. } = earlier {
        warrant.note("replayed", true);
        warrant.note("made_on", made.decision.to_string());
    }
    earlier.answer()
}
