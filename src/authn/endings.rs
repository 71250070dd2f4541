//! What ends sessions: one, all of a principal, all under a mandate; and with each of them those
//! that stand on it.

use uuid::Uuid;

use crate::store::Statement;

/// Marks what `$1` selects, and all below it; `$2` is now.
macro_rules! end {
    ($roots:literal, $id:expr, $now:expr) => {
        Statement::new(concat!(
            "WITH RECURSIVE under (id) AS
               (SELECT id FROM sessions WHERE ",
            $roots,
            "  UNION SELECT s.id FROM sessions s JOIN under u ON s.parent_id = u.id)
             UPDATE sessions SET revoked_at = $2
             WHERE revoked_at IS NULL AND id IN (SELECT id FROM under)"
        ))
        .bind($id)
        .bind($now)
    };
}

/// One session, and those that were opened on it.
pub(super) fn ends_session(session: Uuid, now: i64) -> Statement {
    end!("id = $1", session, now)
}

/// Every session of a principal and in its name, for the commit that lets it act again: whoever
/// holds a token from before the suspension may be the reason for it.
pub fn ends_sessions_of(principal: Uuid, now: i64) -> Statement {
    end!(
        "principal_id = $1 OR mandate_id IN (SELECT id FROM mandates WHERE user_id = $1)",
        principal,
        now
    )
}

/// Every session under a mandate, for the commit that revokes the mandate.
pub fn ends_sessions_under(mandate: Uuid, now: i64) -> Statement {
    end!("mandate_id = $1", mandate, now)
}
