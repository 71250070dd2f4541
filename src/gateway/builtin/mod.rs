//! The tools that this server runs itself.

pub mod sandbox;

use super::Gateway;
use super::failure::{Failure, FailureKind};
use super::upstream::{Answered, Outgoing};
use crate::authz::Warrant;
use crate::registry::Builtin;

impl Gateway {
    /// Runs one of our own tools.
    pub(super) async fn call_builtin(
        &self,
        warrant: &Warrant,
        builtin: Builtin,
        outgoing: &Outgoing<'_>,
    ) -> Result<Answered, Failure> {
        match builtin {
            Builtin::SandboxPython => self.sandbox.call(warrant, outgoing).await,
            Builtin::Llm | Builtin::WebSearch => {
                let detail = "tools of this type cannot be called yet";
                Err(Failure::unsent(FailureKind::NotReady, detail))
            }
        }
    }
}
