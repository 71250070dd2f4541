//! The way from an allowed call to the tool: what is sent, and what comes back.

mod http;
mod mcp;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::action::Called;
use super::failure::{Failure, FailureKind};
use super::{Gateway, Limits};
use crate::authn::Caller;
use crate::authz::Warrant;
use crate::registry::Connection;
use crate::secrets::Values;

pub use self::mcp::Along;

/// A call that was written down and may leave.
pub struct Outgoing<'a> {
    /// Its id: that of the decision.
    pub call: Uuid,
    pub called: &'a Called,
    pub caller: &'a Caller,
    pub on_behalf_of: Option<Uuid>,
    pub arguments: &'a Value,
    /// The credential that was minted for this call, where it takes one.
    pub credential: Option<SecretString>,
    /// What was leased for this call.
    pub leased: Option<Values>,
    pub along: Along,
    pub limits: Limits,
}

/// What a tool answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answered {
    pub result: Value,
    /// Whether the tool ran and says itself that it failed.
    pub is_error: bool,
}

impl Answered {
    /// The label of its metric.
    pub fn outcome(&self) -> &'static str {
        if self.is_error { "error" } else { "result" }
    }
}

impl Gateway {
    /// Sends the call to where its tool is.
    pub(super) async fn call(
        &self,
        warrant: &Warrant,
        outgoing: Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let called = outgoing.called;
        match (&called.tool.definition.connection, &called.server) {
            (Connection::Http(it), _) => {
                let call = self.call_http(warrant, it, &outgoing);
                unless(&outgoing.along.cancelled, call).await
            }
            (Connection::Remote(it), Some(server)) => match &server.definition.connection {
                Connection::Remote(of) => {
                    Box::pin(self.call_remote(warrant, it, of, outgoing)).await
                }
                _ => Err(not_here()),
            },
            (Connection::Builtin { builtin }, _) => {
                Box::pin(self.call_builtin(warrant, *builtin, &outgoing)).await
            }
            (Connection::Remote(_) | Connection::Function, _) => Err(not_here()),
        }
    }
}

/// Gives up on what nobody wants any more.
async fn unless(
    cancelled: &CancellationToken,
    call: impl Future<Output = Result<Answered, Failure>>,
) -> Result<Answered, Failure> {
    const TAKEN_BACK: &str = "the call was taken back";
    if cancelled.is_cancelled() {
        return Err(Failure::unsent(FailureKind::Cancelled, TAKEN_BACK));
    }
    tokio::select! {
        biased;
        answered = call => answered,
        () = cancelled.cancelled() => Err(Failure::new(FailureKind::Cancelled, TAKEN_BACK)),
    }
}

fn not_here() -> Failure {
    Failure::unsent(FailureKind::NotReady, "there is nowhere to call this tool")
}
