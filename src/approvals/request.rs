//! Asking for an approval: the same request is asked about once at a time.

use std::collections::BTreeSet;
use std::sync::Arc;

use cedar_policy::Entity;
use serde_json::json;
use uuid::Uuid;

use super::approval::columns;
use super::{Approval, Approvals, RequestApproval, RequestKey, micros};
use crate::authn::{Caller, Root};
use crate::authz::facts::ApprovalState;
use crate::authz::uid::{Kind, uid};
use crate::authz::{Behalf, Permit, Warrant};
use crate::directory::Principal;
use crate::gateway::Called;
use crate::store::Statement;
use crate::{Error, Result};

/// More questions than this nobody answers; who asks them all has lost count, or is not honest.
const PENDING_MAX: i64 = 20;

impl Approvals {
    /// Makes an approval for a person to decide, or finds the one that was asked for already.
    ///
    /// # Errors
    /// [`Error::Denied`] where a person has said no to the same request a short while ago;
    /// [`Error::TooMany`] where the principal waits for as many answers as anybody may.
    pub async fn request(&self, permit: Permit<RequestApproval>) -> Result<Arc<Approval>> {
        let behalf = permit.behalf().cloned();
        let (caller, action, called, warrant) = permit.spend();
        let digest = action.call.digest(&called.tool);
        if let Some(it) = self.live(&digest).await? {
            warrant.note("approval", it.id.to_string());
            if let Some(key) = &action.key {
                let known = key.statement(it.id, self.clock.micros());
                self.ledger.commit(&warrant, vec![known]).await?;
            }
            return Ok(it);
        }
        if let Some(it) = self.rejected(&digest).await? {
            return Err(repeated(action, &it));
        }
        let approval = self.draft((&caller, behalf.as_deref()), &action, &called)?;
        self.expect_room(approval.principal_id).await?;
        self.insert(&warrant, &approval, action.key.as_ref()).await?;
        match self.live(&digest).await? {
            Some(it) => {
                self.news.stir();
                Ok(it)
            }
            None => Err(Error::Conflict("the approval ended as it was asked for".into())),
        }
    }

    fn draft(
        &self,
        (caller, behalf): (&Caller, Option<&Behalf>),
        action: &RequestApproval,
        called: &Called,
    ) -> Result<Arc<Approval>> {
        let (principal, tool, now) = (caller.principal(), &called.tool, self.clock.micros());
        let chain = chain(principal, behalf);
        let id = self.clock.new_id();
        Approval {
            id,
            decision_id: action.refused.decision_id,
            digest: action.call.digest(tool),
            state: ApprovalState::Pending,
            principal_kind: principal.kind(),
            principal_id: principal.id(),
            principal_name: principal.name().to_owned(),
            on_behalf_of: behalf.map(Behalf::user),
            parties: self.parties((caller, behalf), &chain),
            chain,
            tool_id: tool.id,
            tool_name: tool.definition.name.clone(),
            tool_owner: tool.owner,
            tool_digest: tool.digest().to_owned(),
            risk: tool.definition.risk_level.as_str().to_owned(),
            cost_micros: tool.definition.cost_per_call,
            arguments: action.call.arguments.clone(),
            reasons: action.refused.reasons.clone(),
            created_at: now,
            updated_at: now,
            expires_at: now.saturating_add(micros(self.terms.pending)),
            decided_by: None,
            decided_at: None,
            reason: None,
            call_id: None,
            revision: 1,
            entity: Entity::with_uid(uid(Kind::Approval, &id.to_string())),
        }
        .sealed()
    }

    /// The people on whose side it is asked: none of them can be the one who says yes. Whoever made
    /// an API key has its text, and can ask with it as if they were the agent, or use what the agent
    /// asked for: the makers of all keys of the agents count, whichever was asked with.
    fn parties(
        &self,
        (caller, behalf): (&Caller, Option<&Behalf>),
        chain: &BTreeSet<Uuid>,
    ) -> BTreeSet<Uuid> {
        let known = self.directory.snapshot();
        let owners = chain.iter().filter_map(|id| known.agent(*id)).map(|it| it.owner);
        let mut parties: BTreeSet<Uuid> = owners.chain(behalf.map(Behalf::user)).collect();
        if let Principal::User(user) = caller.principal() {
            parties.insert(user.id);
        }
        let keys = self.api_keys.snapshot();
        if let Some(Root::ApiKey(asked_with)) = caller.session().root() {
            parties.extend(keys.key(asked_with).map(|it| it.created_by));
        }
        let of_agents = keys.keys().into_iter().filter(|it| chain.contains(&it.principal.id));
        parties.extend(of_agents.map(|it| it.created_by));
        parties
    }

    /// What is asked already, and can still be decided or used.
    pub(super) async fn live(&self, digest: &str) -> Result<Option<Arc<Approval>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM approvals
              WHERE digest = $1 AND state IN ('pending', 'approved') AND expires_at > $2"
        );
        Ok(self.select(SQL, vec![digest.into(), self.clock.micros().into()]).await?.pop())
    }

    /// A no holds for as long as the question would have stood.
    async fn rejected(&self, digest: &str) -> Result<Option<Arc<Approval>>> {
        const SQL: &str = concat!(
            "SELECT ",
            columns!(),
            " FROM approvals WHERE digest = $1 AND state = 'rejected' AND decided_at > $2
              ORDER BY id DESC LIMIT 1"
        );
        let since = self.clock.micros().saturating_sub(micros(self.terms.pending));
        Ok(self.select(SQL, vec![digest.into(), since.into()]).await?.pop())
    }

    async fn expect_room(&self, principal: Uuid) -> Result<()> {
        let now = self.clock.micros();
        let rows = self
            .db
            .query(
                "SELECT COUNT(*), MIN(expires_at) FROM approvals
                 WHERE principal_id = $1 AND state = 'pending' AND expires_at > $2",
                vec![principal.into(), now.into()],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(()) };
        if row.int(0)? < PENDING_MAX {
            return Ok(());
        }
        let wait = row.opt_int(1)?.unwrap_or(now).saturating_sub(now).max(0).unsigned_abs();
        Err(Error::TooMany { retry_after_seconds: wait.div_ceil(1_000_000).max(1) })
    }

    /// Writes it down, and that the operator's webhook is to be told of it. When somebody else was
    /// first with the same request nothing is written, and that is no error.
    async fn insert(
        &self,
        warrant: &Warrant,
        it: &Approval,
        key: Option<&RequestKey>,
    ) -> Result<()> {
        warrant.note("approval", it.id.to_string());
        warrant.note("refusal", it.decision_id.to_string());
        warrant.note("digest", it.digest.as_str());
        let mut statements = vec![ended(&it.digest, it.created_at), inserted(it)];
        statements.extend(key.map(|key| key.statement(it.id, it.created_at)));
        if self.terms.webhook.is_some() {
            let notice = Statement::new(
                "INSERT INTO approval_notices (approval_id, attempts, next_at) VALUES ($1, 0, $2)",
            );
            statements.push(notice.bind(it.id).bind(it.created_at).expect_rows(1));
        }
        match self.ledger.commit(warrant, statements).await {
            Err(Error::Conflict(_)) => match self.live(&it.digest).await? {
                Some(_) => Ok(()),
                None => self.expect_room(it.principal_id).await,
            },
            other => other,
        }
    }
}

/// The agents that the call passes through.
fn chain(principal: &Principal, behalf: Option<&Behalf>) -> BTreeSet<Uuid> {
    let acting = match principal {
        Principal::Agent(agent) => Some(agent.id),
        Principal::User(_) => None,
    };
    behalf.map(Behalf::chain).unwrap_or_default().iter().copied().chain(acting).collect()
}

fn repeated(action: RequestApproval, rejected: &Approval) -> Error {
    let mut denial = action.refused;
    denial.detail = format!("{}; approval `{}` was rejected", denial.detail, rejected.id);
    if let Some(reason) = &rejected.reason {
        denial.detail = format!("{}: {reason}", denial.detail);
    }
    Error::Denied(denial)
}

/// Ends what time has ended, so that it stands in nobody's way.
fn ended(digest: &str, now: i64) -> Statement {
    Statement::new(
        "UPDATE approvals SET state = 'expired', updated_at = $2, revision = revision + 1
         WHERE digest = $1 AND state IN ('pending', 'approved') AND expires_at <= $2",
    )
    .bind(digest)
    .bind(now)
}

/// The row, if there is room for one more: commits come one after the other, so many at once are
/// not more than the limit either.
fn inserted(it: &Approval) -> Statement {
    let ids = |all: &BTreeSet<Uuid>| json!(all).to_string();
    Statement::new(
        "INSERT INTO approvals (id, decision_id, digest, state, principal_kind, principal_id,
                                principal_name, on_behalf_of, chain, parties, tool_id, tool_name,
                                tool_owner, tool_digest, risk, cost_micros, arguments, reasons,
                                created_at, updated_at, expires_at, revision)
         SELECT $1, $2, $3, 'pending', $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                CAST($15 AS BIGINT), $16, $17, CAST($18 AS BIGINT), CAST($18 AS BIGINT),
                CAST($19 AS BIGINT), 1
         WHERE (SELECT COUNT(*) FROM approvals
                WHERE principal_id = $5 AND state = 'pending' AND expires_at > $18) < $20",
    )
    .bind(it.id)
    .bind(it.decision_id)
    .bind(it.digest.as_str())
    .bind(it.principal_kind.as_str())
    .bind(it.principal_id)
    .bind(it.principal_name.as_str())
    .bind(it.on_behalf_of)
    .bind(ids(&it.chain))
    .bind(ids(&it.parties))
    .bind(it.tool_id)
    .bind(it.tool_name.as_str())
    .bind(it.tool_owner)
    .bind(it.tool_digest.as_str())
    .bind(it.risk.as_str())
    .bind(it.cost_micros)
    .bind(it.arguments.to_string())
    .bind(json!(it.reasons).to_string())
    .bind(it.created_at)
    .bind(it.expires_at)
    .bind(PENDING_MAX)
    .expect_rows(1)
}
