//! The sandbox as a tool: what its arguments are, and what its failures are to a caller.

use serde_json::Value;
use tokio::time::timeout;

use super::{Sandbox, SandboxFailure};
use crate::authz::Warrant;
use crate::gateway::{Answered, Failure, FailureKind, Outgoing};

impl Sandbox {
    /// Runs the `code` of a call.
    pub async fn call(
        &self,
        warrant: &Warrant,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        let code = outgoing.arguments.get("code").and_then(Value::as_str);
        let lacking = || Failure::unsent(FailureKind::Refused, "the argument `code` is no text");
        let ran = timeout(outgoing.limits.time_max, self.run(warrant, code.ok_or_else(lacking)?));
        // Given up here, the code is ended as well.
        let ran = ran.await.map_err(|_| {
            Failure::new(FailureKind::TimedOut, "the sandbox was not done in time")
        })??;
        let is_error = ran.exit_code != 0;
        let result = serde_json::to_value(ran).map_err(|_| {
            Failure::new(FailureKind::Refused, "what the code came to cannot be told")
        })?;
        Ok(Answered { result, is_error })
    }
}

impl From<SandboxFailure> for Failure {
    /// Where this host falls short is its operator's business: the log says it, not the caller's
    /// answer.
    fn from(it: SandboxFailure) -> Failure {
        match it {
            SandboxFailure::NotConfigured | SandboxFailure::Busy => {
                Failure::unsent(FailureKind::NotReady, it.to_string())
            }
            SandboxFailure::Unavailable(refusal) => {
                tracing::error!(layer = %refusal.layer, reason = refusal.reason, "no sandbox");
                Failure::unsent(FailureKind::NotReady, "the sandbox does not work on this host")
            }
            SandboxFailure::TooLong | SandboxFailure::HoldsNul => {
                Failure::unsent(FailureKind::Refused, it.to_string())
            }
            SandboxFailure::TimedOut { .. } => Failure::new(FailureKind::TimedOut, it.to_string()),
            SandboxFailure::OutOfMemory => Failure::new(FailureKind::Refused, it.to_string()),
        }
    }
}
