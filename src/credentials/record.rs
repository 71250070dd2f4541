//! A fresh credential as the store keeps it.

use cedar_policy::Entity;
use uuid::Uuid;

use super::Credential;
use super::mint::{Draft, Minted};
use crate::Result;
use crate::authn::{Caller, Root};
use crate::authz::uid::{Kind, uid};
use crate::authz::{Behalf, Warrant};
use crate::directory::Principal;
use crate::registry::Tool;
use crate::store::Statement;

/// What was minted, in whose name, and on which decision.
pub(super) fn record(
    draft: &Draft,
    minted: &Minted,
    (caller, behalf): (&Caller, Option<&Behalf>),
    tool: &Tool,
    warrant: &Warrant,
    now: i64,
) -> Result<Credential> {
    let principal = caller.principal();
    let id: Uuid = draft.credential_id.parse().map_err(anyhow::Error::from)?;
    Credential {
        id,
        decision_id: warrant.decision(),
        tool_id: tool.id,
        tool_name: draft.tool.clone(),
        tool_owner: tool.owner,
        principal_kind: principal.kind(),
        principal_id: principal.id(),
        agent_owner: match principal {
            Principal::Agent(agent) => Some(agent.owner),
            Principal::User(_) => None,
        },
        on_behalf_of: behalf.map(Behalf::user),
        mandate_id: behalf.and_then(Behalf::mandate).map(|it| it.id),
        root: caller.session().root(),
        scopes: draft.scopes.clone(),
        root_key_id: minted.root_key_id,
        revocation_ids: minted.revocation_ids.clone(),
        created_at: now,
        expires_at: draft.expires_at.as_microsecond(),
        revoked_at: None,
        entity: Entity::with_uid(uid(Kind::Credential, &draft.credential_id)),
    }
    .sealed()
}

/// The row, if the principal and the tool still are what was decided on: whoever was suspended since,
/// here or by another replica, and revoked of all credentials, must not get one more. The same for a
/// session, an API key or a mandate that has ended since, and for everybody in whose name it is.
pub(super) fn insert(
    it: &Credential,
    (caller, behalf): (&Caller, Option<&Behalf>),
    tool: &Tool,
) -> Statement {
    macro_rules! insert_while {
        ($principals:literal $(, $more:literal)?) => {
            concat!(
                "INSERT INTO credentials (id, decision_id, tool_id, tool_name, tool_owner,
                                          principal_kind, principal_id, agent_owner, scopes,
                                          root_key_id, revocation_ids, created_at, expires_at,
                                          session_id, mandate_id, on_behalf_of)
                 SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, CAST($10 AS BIGINT), $11,
                        CAST($12 AS BIGINT), CAST($13 AS BIGINT), $16, $17, $18
                 WHERE EXISTS (SELECT 1 FROM tools WHERE id = $3 AND revision = $14)
                   AND EXISTS (SELECT 1 FROM ",
                $principals,
                " WHERE id = $7 AND state = $15)
                   AND NOT EXISTS (SELECT 1 FROM sessions
                                   WHERE id = $16 AND revoked_at IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM api_keys WHERE id = $16 AND state <> 'active')"
                $(, $more)?
            )
        };
    }
    let (sql, state) = match (caller.principal(), behalf) {
        (Principal::Agent(agent), Some(_)) => (
            insert_while!(
                "agents",
                " AND EXISTS (SELECT 1 FROM mandates WHERE id = $17 AND revoked_at IS NULL)
                  AND EXISTS (SELECT 1 FROM users WHERE id = $18 AND state = 'active')
                  AND NOT EXISTS (SELECT 1 FROM agents
                                  WHERE id IN ($19, $20) AND state <> 'active')"
            ),
            agent.state,
        ),
        (Principal::Agent(agent), None) => (insert_while!("agents"), agent.state),
        (Principal::User(user), _) => (insert_while!("users"), user.state),
    };
    let insert = Statement::new(sql)
        .bind(it.id)
        .bind(it.decision_id)
        .bind(it.tool_id)
        .bind(it.tool_name.as_str())
        .bind(it.tool_owner)
        .bind(it.principal_kind.as_str())
        .bind(it.principal_id)
        .bind(it.agent_owner)
        .bind(serde_json::json!(it.scopes).to_string())
        .bind(i64::from(it.root_key_id))
        .bind(serde_json::json!(it.revocation_ids).to_string())
        .bind(it.created_at)
        .bind(it.expires_at)
        .bind(tool.revision)
        .bind(state.as_str())
        .bind(it.root.map(Root::id))
        .bind(it.mandate_id)
        .bind(it.on_behalf_of)
        .expect_rows(1);
    match behalf {
        None => insert,
        // Of a chain of three, two stand before the one that acts.
        Some(it) => {
            let agents = it.chain();
            insert.bind(agents.first().copied()).bind(agents.get(1).copied())
        }
    }
}
