//! Sessions that an agent has in somebody's name.

use uuid::Uuid;

use crate::store::Statement;

/// What ends every session under a mandate, for the commit that revokes the mandate.
pub fn ends_sessions_under(mandate: Uuid, now: i64) -> Statement {
    Statement::new(
        "UPDATE sessions SET revoked_at = $2 WHERE mandate_id = $1 AND revoked_at IS NULL",
    )
    .bind(mandate)
    .bind(now)
}
