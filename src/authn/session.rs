//! Sessions: opened by proof, kept by rotating refresh tokens, ended everywhere at once.

use uuid::Uuid;

use super::access_token::{Act, Claims, Confirmation};
use super::endings::ends_session;
use super::refresh::{hash, refresh_token};
use super::{AccessToken, Authn, Caller, Proof, SECOND, Session, TokenPair};
use crate::authz::facts::Particulars;
use crate::authz::{Action, Permit, TheRegistry, Warrant, World};
use crate::clock::instant;
use crate::credentials;
use crate::directory::{Kind, Principal};
use crate::store::Statement;
use crate::{Error, Result, Unproven};

/// Something a principal does about its own session.
macro_rules! on_session {
    ($(#[$doc:meta])* $name:ident, $action:literal, $event:literal, $particulars:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Action for $name {
            const NAME: &'static str = $action;
            const EVENT: &'static str = $event;
            type Resource = TheRegistry;

            async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
                Ok(Some(TheRegistry))
            }

            fn particulars(&self, _: &Self::Resource) -> Particulars {
                $particulars
            }
        }
    };
}

on_session!(
    /// Opening a session, with the password just proven.
    SignIn, "sign_in", "auth.login", Particulars::Base
);
on_session!(
    /// Proving the password again, for a short-lived token that says so.
    Elevate, "elevate", "auth.elevate", Particulars::Token
);
on_session!(
    /// Ending the session that the token names.
    SignOut, "sign_out", "auth.logout", Particulars::Token
);
on_session!(
    /// Asking who one is.
    ViewSelf, "view_self", "auth.me", Particulars::Token
);

impl Authn {
    /// Opens a session that may carry `scopes`, in one commit with what else the sign-in changes.
    pub async fn open(
        &self,
        permit: Permit<SignIn>,
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<TokenPair> {
        let (caller, _, _, warrant) = permit.spend();
        let session = self.clock.new_id();
        statements.push(self.insert_session(session, &caller, &scopes, self.rules.refresh_ttl)?);
        let pair = self.pair(&warrant, &caller, session, scopes, &mut statements)?;
        self.ledger.commit(&warrant, statements).await.map_err(outrun)?;
        Ok(pair)
    }

    /// A short-lived token of the same session that says the password was proven just now.
    pub async fn elevate(
        &self,
        permit: Permit<Elevate>,
        statements: Vec<Statement>,
    ) -> Result<AccessToken> {
        let (caller, _, _, warrant) = permit.spend();
        let session = caller.session().opened()?;
        let scopes = caller.session().scopes.iter().cloned().collect();
        let elevated =
            Session { reauthenticated_at: Some(self.clock.micros()), ..caller.session().clone() };
        let of = (caller.principal(), &elevated);
        let token = self.access_token(&warrant, of, session, scopes, self.rules.elevated_ttl)?;
        self.ledger.commit(&warrant, statements).await.map_err(outrun)?;
        Ok(token)
    }

    /// Ends the session: its access tokens on the next request, its refresh tokens for good.
    pub async fn sign_out(&self, permit: Permit<SignOut>) -> Result<()> {
        let (caller, _, _, warrant) = permit.spend();
        let session = caller.session().opened()?;
        self.ledger.commit(&warrant, self.revoke(session).into()).await?;
        self.revoked.add(session, self.clock.micros());
        Ok(())
    }

    /// Forgets the sessions of a suspended principal, before it may act again.
    pub async fn forget_sessions_of(&self, principal: &Principal) -> Result<()> {
        let now = self.clock.micros();
        let rows = self
            .db
            .query(
                "SELECT id FROM sessions
                 WHERE (principal_id = $1
                        OR mandate_id IN (SELECT id FROM mandates WHERE user_id = $1))
                   AND revoked_at IS NULL AND expires_at > $2",
                vec![principal.id().into(), now.into()],
            )
            .await?;
        rows.iter().try_for_each(|row| {
            self.revoked.add(row.uuid(0)?, now);
            Ok(())
        })
    }

    /// Ends a session on suspicion.
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody asked for it: the service protects itself"
    )]
    pub(super) async fn end(&self, session: Uuid, of: &Principal, why: &'static str) -> Result<()> {
        let warrant = Warrant::system("end_session", &self.clock);
        warrant.note("session", session.to_string());
        warrant.note("principal", of.id().to_string());
        warrant.note("reason", why);
        self.revoked.add(session, self.clock.micros());
        self.ledger.commit(&warrant, self.revoke(session).into()).await
    }

    /// What ends a session, those that stand on it, and what was vended in them.
    pub(super) fn revoke(&self, session: Uuid) -> [Statement; 3] {
        let now = self.clock.micros();
        let [tell, mark] = credentials::of_session(session, now);
        [ends_session(session, now), tell, mark]
    }

    pub(super) fn insert_session(
        &self,
        id: Uuid,
        caller: &Caller,
        scopes: &[String],
        ttl: std::time::Duration,
    ) -> Result<Statement> {
        let proof = &*caller.session().proof;
        let insert = Statement::new(
            "INSERT INTO sessions (id, principal_kind, principal_id, scopes, authenticated_at,
                                   expires_at, proof, client_id, mandate_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(id)
        .bind(caller.principal().kind().as_str())
        .bind(caller.principal().id())
        .bind(serde_json::json!(scopes).to_string())
        .bind(caller.session().authenticated_at)
        .bind(self.clock.micros() + micros(ttl))
        .bind(json(proof)?)
        .bind(proof.client.clone())
        .bind(proof.delegation.as_ref().map(|it| it.mandate))
        .expect_rows(1);
        Ok(insert)
    }

    pub(super) fn pair(
        &self,
        warrant: &Warrant,
        caller: &Caller,
        session: Uuid,
        scopes: Vec<String>,
        statements: &mut Vec<Statement>,
    ) -> Result<TokenPair> {
        let of = (caller.principal(), caller.session());
        let access = self.access_token(warrant, of, session, scopes, self.rules.access_ttl)?;
        let refresh = refresh_token()?;
        let expires_at = self.clock.micros() + micros(self.rules.refresh_ttl);
        statements.push(
            Statement::new(
                "INSERT INTO refresh_tokens (hash, session_id, expires_at) VALUES ($1, $2, $3)",
            )
            .bind(hash(&refresh).to_vec())
            .bind(session)
            .bind(expires_at)
            .expect_rows(1),
        );
        Ok(TokenPair { access, refresh, refresh_expires_at: instant(expires_at) })
    }

    pub(super) fn access_token(
        &self,
        warrant: &Warrant,
        (principal, proven): (&Principal, &Session),
        session: Uuid,
        scopes: Vec<String>,
        ttl: std::time::Duration,
    ) -> Result<AccessToken> {
        let now = self.clock.micros() / SECOND;
        let expires = now + micros(ttl) / SECOND;
        warrant.note("session", session.to_string());
        warrant.note("scopes", scopes.clone());
        let proof = &*proven.proof;
        let delegation = proof.delegation.as_ref();
        let claims = Claims {
            iss: self.rules.issuer.clone(),
            aud: proof.resource.as_ref().unwrap_or(&self.rules.audience).clone(),
            sub: delegation.map_or(principal.id(), |it| it.user),
            jti: self.clock.new_id(),
            sid: session,
            kind: if delegation.is_some() { Kind::User } else { principal.kind() },
            iat: now,
            exp: expires,
            auth_time: proven.authenticated_at / SECOND,
            client_id: proof.client.clone().unwrap_or_else(|| principal.id().to_string()),
            via: proof.via,
            risk: proof.risk,
            mfa_time: proof.mfa_at.map(|it| it / SECOND),
            attested: proof.attested,
            act: delegation.and_then(|it| Act::of(&it.chain)),
            mandate: delegation.map(|it| it.mandate),
            under: delegation.map(|it| it.under.clone()).unwrap_or_default(),
            cnf: proof.key.clone().map(|jkt| Confirmation { jkt }),
            reauth_time: proven.reauthenticated_at.map(|it| it / SECOND),
            scope: scopes.join(" "),
        };
        if let Some(key) = &proof.key {
            warrant.note("key", key.as_str());
        }
        let (bound, risk) = (proof.key.is_some(), proof.risk);
        let token = self.tokens.sign(warrant, &claims)?.into();
        let expires_at = instant(expires * SECOND);
        Ok(AccessToken { token, bound, expires_at, ttl, scopes, risk })
    }
}

/// A proof that works once, and worked for somebody else between our look and our commit.
fn outrun(error: Error) -> Error {
    match error {
        Error::Conflict(_) => Error::Unauthenticated(Unproven::BadFactor),
        other => other,
    }
}

pub(super) fn json(proof: &Proof) -> Result<String> {
    Ok(serde_json::to_string(proof).map_err(anyhow::Error::from)?)
}

pub(super) fn micros(ttl: std::time::Duration) -> i64 {
    i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)
}
