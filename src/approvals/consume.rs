//! Using an approval up, in the commit of the call that it allows.

use uuid::Uuid;

use crate::authz::facts::{Approval, ApprovalState};
use crate::registry::Tool;
use crate::store::Statement;

/// Which call uses an approval up.
#[derive(Clone, Copy, Debug)]
pub struct Consumption<'a> {
    pub call: Uuid,
    /// Who calls.
    pub principal: Uuid,
    /// Of the call that is made: [`crate::gateway::InvokeTool::digest`].
    pub digest: &'a str,
    pub tool: &'a Tool,
    /// The server that the tool is one of.
    pub server: Option<&'a Tool>,
    pub now: i64,
}

/// What marks the approval as used: of many at once one finds it unused. None where it is not for
/// this call, which policy then allows without it.
///
/// The tool must still be what was decided on: another process may know that it has changed since.
pub fn consumed(approval: &Approval, by: Consumption<'_>) -> Option<Statement> {
    if approval.state != ApprovalState::Approved || approval.digest != by.digest {
        return None;
    }
    let server = by.server.unwrap_or(by.tool);
    let statement = Statement::new(
        "UPDATE approvals
         SET state = 'consumed', call_id = $2, updated_at = $3, revision = revision + 1
         WHERE id = $1 AND state = 'approved' AND digest = $4 AND principal_id = $5
           AND expires_at > $3
           AND EXISTS (SELECT 1 FROM tools WHERE id = $6 AND revision = $7)
           AND EXISTS (SELECT 1 FROM tools WHERE id = $8 AND revision = $9)",
    )
    .bind(approval.id.as_str())
    .bind(by.call)
    .bind(by.now)
    .bind(by.digest)
    .bind(by.principal)
    .bind(by.tool.id)
    .bind(by.tool.revision)
    .bind(server.id)
    .bind(server.revision)
    .expect_rows(1);
    Some(statement)
}
