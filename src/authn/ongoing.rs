//! Sessions that go on: with another factor proven, or in a browser that has no token of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::session::json;
use super::{AccessToken, Authn, Caller, Proof, Session};
use crate::audit::entry::Origin;
use crate::authz::Warrant;
use crate::directory::Kind;
use crate::store::Statement;
use crate::{Error, Result};

/// What a token says beyond its session: what was proven for the token alone.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Proven {
    reauthenticated_at: Option<i64>,
    mfa_at: Option<i64>,
}

impl Proven {
    pub fn of(session: &Session) -> Proven {
        Proven { reauthenticated_at: session.reauthenticated_at, mfa_at: session.proof.mfa_at }
    }
}

impl Authn {
    /// One more access token of the caller's session, which is as proven as the caller from now on
    /// and may carry `scopes`; in one commit with `statements`.
    pub(crate) async fn go_on(
        &self,
        warrant: &Warrant,
        caller: &Caller,
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<AccessToken> {
        let Some(session) = caller.session().id else {
            return Err(Error::internal("nothing goes on without a session"));
        };
        let update = Statement::new(
            "UPDATE sessions SET proof = $2, scopes = $3 WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(session)
        .bind(json(&caller.session().proof)?)
        .bind(serde_json::json!(scopes).to_string())
        .expect_rows(1);
        statements.push(update);
        let of = (caller.principal(), caller.session());
        let token = self.access_token(warrant, of, session, scopes, self.rules.access_ttl)?;
        self.ledger.commit(warrant, statements).await?;
        Ok(token)
    }

    /// Whose session this is, with what one of its tokens had proven; none when it has ended.
    pub(crate) async fn in_session(
        &self,
        session: Uuid,
        proven: Proven,
        origin: Arc<Origin>,
    ) -> Result<Option<Caller>> {
        let rows = self
            .db
            .query(
                "SELECT principal_kind, principal_id, scopes, authenticated_at, proof FROM sessions
                 WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
                vec![session.into(), self.clock.micros().into()],
            )
            .await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let kind = Kind::parse(row.text(0)?);
        let id = row.uuid(1)?;
        let Some(principal) = kind.and_then(|it| self.directory.snapshot().principal(it, id))
        else {
            return Ok(None);
        };
        let proof = Proof { mfa_at: proven.mfa_at, ..row.json(4)? };
        let session = Session {
            id: Some(session),
            scopes: Arc::new(row.json(2)?),
            authenticated_at: row.int(3)?,
            reauthenticated_at: proven.reauthenticated_at,
            proof: Arc::new(proof),
        };
        Ok(Some(Caller::new(principal, session, origin)))
    }
}
