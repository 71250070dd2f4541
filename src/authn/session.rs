//! Sessions: opened by proof, kept by rotating refresh tokens, ended everywhere at once.

use std::sync::Arc;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use rand::TryRngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::access_token::{Act, Claims, Confirmation};
use super::endings::ends_session;
use super::proofs::KeyProof;
use super::risk::Rating;
use super::{AccessToken, Authn, Caller, Proof, SECOND, Session, TokenPair, Via};
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authz::facts::{Particulars, Risk};
use crate::authz::{Action, Permit, TheRegistry, Warrant, World};
use crate::clock::instant;
use crate::credentials;
use crate::directory::{Kind, Principal};
use crate::store::{Row, Statement};
use crate::{Error, Result, Unproven};

/// What every refresh token begins with.
pub(super) const REFRESH_PREFIX: &str = "gwr_";

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

/// Continuing a session: decided like a sign-in, on who the principal is by now.
#[derive(Debug)]
pub struct RefreshSession {
    spent: [u8; 32],
    session: Uuid,
}

impl RefreshSession {
    pub fn session(&self) -> Uuid {
        self.session
    }
}

impl Action for RefreshSession {
    const NAME: &'static str = "sign_in";
    const EVENT: &'static str = "auth.refresh";
    type Resource = TheRegistry;

    async fn find(&self, _: &World) -> Result<Option<TheRegistry>> {
        Ok(Some(TheRegistry))
    }

    fn particulars(&self, _: &Self::Resource) -> Particulars {
        Particulars::Base
    }
}

/// What the store knows of a refresh token that somebody sent.
#[derive(Debug)]
pub struct RecalledRefresh {
    hash: [u8; 32],
    stored: Option<StoredRefresh>,
    now: i64,
}

#[derive(Debug)]
struct StoredRefresh {
    used: bool,
    expires_at: i64,
    session: Uuid,
    principal: Option<Principal>,
    authenticated_at: i64,
    ended: bool,
    proof: Proof,
    /// What the session may hold at most: a refresh never adds to it.
    scopes: Vec<String>,
}

impl RecalledRefresh {
    /// Whether it may still be used.
    pub fn is_good(&self) -> bool {
        let good = |it: &StoredRefresh| {
            !it.used && !it.ended && it.principal.is_some() && it.expires_at > self.now
        };
        self.stored.as_ref().is_some_and(good)
    }

    /// Whom it stands for, and until when (microseconds), while it may still be used.
    pub(super) fn bearer(self, origin: Arc<Origin>) -> Option<(Caller, i64)> {
        let stored = if self.is_good() { self.stored? } else { return None };
        let (expires_at, principal) = (stored.expires_at, stored.principal.clone()?);
        Some((Caller::new(principal, stored.session(), origin), expires_at))
    }
}

impl StoredRefresh {
    fn session(self) -> Session {
        Session {
            id: Some(self.session),
            scopes: Arc::new(self.scopes.into_iter().collect()),
            authenticated_at: self.authenticated_at,
            reauthenticated_at: None,
            proof: Arc::new(self.proof),
        }
    }
}

/// Who sends a refresh token.
#[derive(Debug)]
pub struct Holder<'a> {
    /// The OAuth client that proved itself; none for our own sign-in.
    pub client: Option<&'a str>,
    /// What proves the key that it holds (RFC 9449).
    pub proof: Option<KeyProof>,
}

impl Holder<'_> {
    /// Whose token it is not.
    fn fault(&self, proof: &Proof) -> Option<&'static str> {
        if proof.client.as_deref() != self.client {
            Some("of_another_client")
        } else {
            let holds = |key: &String| self.proof.as_ref().is_some_and(|it| it.is_by(key));
            proof.key.as_ref().filter(|it| !holds(it)).map(|_| "wrong_key")
        }
    }
}

impl Authn {
    /// Checks a password. A wrong one is written down, and answered like an unknown name.
    pub async fn prove_password(
        &self,
        username: &str,
        password: SecretString,
        origin: Arc<Origin>,
    ) -> Result<Caller> {
        let user = self.directory.snapshot().user_named(username).cloned();
        // Looked up for an unknown name, too: the time must not tell which names there are.
        let id = user.as_ref().map_or(Uuid::nil(), |it| it.id);
        let hash = self.directory.password_hash(id).await?;
        let fits = self.passwords.verify(password, hash).await?;
        match user {
            Some(user) if fits => Ok(self.fresh(Principal::User(user), Via::Password, origin)),
            // What was typed as a name may be a password: only known names are written down.
            known => {
                let name = known.map_or_else(|| "unknown".to_owned(), |it| it.username.clone());
                let actor = Actor::anonymous(&name);
                Err(self.refuse("auth.login", actor, "wrong_secret", &origin).await)
            }
        }
    }

    /// Checks the caller's own password again.
    pub async fn prove_again(&self, caller: &Caller, password: SecretString) -> Result<()> {
        let hash = match caller.principal() {
            Principal::User(it) => self.directory.password_hash(it.id).await?,
            Principal::Agent(_) => None,
        };
        if self.passwords.verify(password, hash).await? {
            return Ok(());
        }
        let actor = caller.principal().actor();
        Err(self.refuse("auth.elevate", actor, "wrong_secret", caller.origin()).await)
    }

    /// A caller who proved a first factor earlier.
    pub(crate) fn resumed(
        &self,
        principal: Principal,
        via: Via,
        authenticated_at: i64,
        origin: Arc<Origin>,
    ) -> Caller {
        let proof = Arc::new(Proof { via, ..Proof::default() });
        let (id, scopes, reauthenticated_at) = (None, Arc::default(), None);
        let session = Session { id, scopes, authenticated_at, reauthenticated_at, proof };
        Caller::new(principal, session, origin)
    }

    /// The caller, with what this request was rated.
    pub(crate) fn rated(&self, caller: Caller, rating: &Rating) -> Caller {
        caller.proving(|it| {
            it.risk = rating.risk;
            it.risk_reasons.clone_from(&rating.reasons);
        })
    }

    /// A client goes on without the person, whose address and browser cannot be rated anew. What was
    /// unknown at the sign-in is known since the second factor was proven there.
    pub(crate) fn settled(&self, caller: Caller) -> Caller {
        caller.proving(|it| {
            if it.mfa_at.is_some() && it.risk == Risk::Medium {
                it.risk = Risk::Low;
            }
        })
    }

    /// The caller as it is, or would be, with a second factor proven now.
    pub(crate) fn with_factor_proven(&self, caller: Caller) -> Caller {
        caller.proving(|it| it.mfa_at = Some(self.clock.micros()))
    }

    /// Writes down a sign-in that waits for its second factor.
    pub(crate) async fn hold(&self, permit: Permit<SignIn>, waiting: Statement) -> Result<()> {
        permit.warrant().note("second_factor", "awaited");
        self.ledger.commit(permit.warrant(), vec![waiting]).await
    }

    /// The one answer to a second factor that did not fit.
    pub(crate) async fn refuse_factor_of(
        &self,
        caller: &Caller,
        event: &'static str,
        reason: &str,
    ) -> Error {
        match self.refuse(event, caller.principal().actor(), reason, caller.origin()).await {
            Error::Unauthenticated(_) => Error::Unauthenticated(Unproven::BadFactor),
            other => other,
        }
    }

    /// The answer to a sign-in that waits no more.
    pub(crate) async fn refuse_waiting(&self, reason: &str, origin: &Origin) -> Error {
        match self.refuse("auth.mfa", Actor::anonymous("unknown"), reason, origin).await {
            Error::Unauthenticated(_) => Error::Unauthenticated(Unproven::BadMfaToken),
            other => other,
        }
    }

    /// A caller whose identity was proven just now.
    pub(super) fn fresh(&self, principal: Principal, via: Via, origin: Arc<Origin>) -> Caller {
        let session = Session {
            id: None,
            scopes: Arc::default(),
            authenticated_at: self.clock.micros(),
            reauthenticated_at: None,
            proof: Arc::new(Proof { via, ..Proof::default() }),
        };
        Caller::new(principal, session, origin)
    }

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

    /// Looks a refresh token up.
    pub async fn recall_refresh(&self, token: &SecretString) -> Result<RecalledRefresh> {
        let hash = hash(token);
        let rows = self
            .db
            .query(
                "SELECT t.used_at, t.expires_at, s.id, s.principal_kind, s.principal_id,
                        s.authenticated_at, s.revoked_at, s.proof, s.scopes
                 FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id WHERE t.hash = $1",
                vec![hash.to_vec().into()],
            )
            .await?;
        let stored = |row: &Row| -> Result<StoredRefresh> {
            let (kind, id) = (Kind::parse(row.text(3)?), row.uuid(4)?);
            Ok(StoredRefresh {
                used: row.opt_int(0)?.is_some(),
                expires_at: row.int(1)?,
                session: row.uuid(2)?,
                principal: kind.and_then(|kind| self.directory.snapshot().principal(kind, id)),
                authenticated_at: row.int(5)?,
                ended: row.opt_int(6)?.is_some(),
                proof: row.json(7)?,
                scopes: row.json(8)?,
            })
        };
        let stored = rows.first().map(stored).transpose()?;
        Ok(RecalledRefresh { hash, stored, now: self.clock.micros() })
    }

    /// Recognises a refresh token. One that was used already ends its whole family: either the
    /// thief or the owner holds a copy, and nobody can tell which. One of a session that is bound
    /// to a key is good with a proof of that key alone (RFC 9449 section 5).
    pub async fn prove_refresh(
        &self,
        recalled: RecalledRefresh,
        holder: Holder<'_>,
        origin: Arc<Origin>,
    ) -> Result<(Caller, RefreshSession)> {
        let good = recalled.is_good();
        let RecalledRefresh { hash: spent, stored, .. } = recalled;
        let known = stored.and_then(|it| Some((it.principal.clone()?, it)));
        let Some((principal, stored)) = known else {
            return Err(self.refuse_refresh(Actor::anonymous("unknown"), "unknown", &origin).await);
        };
        let session = stored.session;
        if stored.used && !stored.ended {
            self.end(session, &principal, "refresh_token_reused").await?;
        }
        let reason = match (good, stored.used) {
            (false, true) => Some("reused"),
            (false, false) => Some("ended"),
            (true, _) => holder.fault(&stored.proof),
        };
        if let Some(reason) = reason {
            return Err(self.refuse_refresh(principal.actor(), reason, &origin).await);
        }
        let caller = Caller::new(principal, stored.session(), origin);
        Ok((self.bind(caller, holder.proof)?, RefreshSession { spent, session }))
    }

    async fn refuse_refresh(&self, actor: Actor, reason: &str, origin: &Origin) -> Error {
        match self.refuse("auth.refresh", actor, reason, origin).await {
            Error::Unauthenticated(_) => Error::Unauthenticated(Unproven::BadRefreshToken),
            other => other,
        }
    }

    /// Rotates the refresh token: the old one is spent in the commit that stores the new one. The
    /// session keeps `kept`; the access token holds `scopes`, which may be fewer.
    pub async fn refresh(
        &self,
        permit: Permit<RefreshSession>,
        kept: &[String],
        scopes: Vec<String>,
        mut statements: Vec<Statement>,
    ) -> Result<TokenPair> {
        let (caller, RefreshSession { spent, session }, _, warrant) = permit.spend();
        let now = self.clock.micros();
        let spend = Statement::new(
            "UPDATE refresh_tokens SET used_at = $2
             WHERE hash = $1 AND used_at IS NULL AND expires_at > $2",
        )
        .bind(spent.to_vec())
        .bind(now)
        .expect_rows(1);
        let live = Statement::new(
            "UPDATE sessions SET scopes = $2, expires_at = $3, proof = $4
             WHERE id = $1 AND revoked_at IS NULL",
        )
        .bind(session)
        .bind(serde_json::json!(kept).to_string())
        .bind(now + micros(self.rules.refresh_ttl))
        .bind(json(&caller.session().proof)?)
        .expect_rows(1);
        statements.extend([spend, live]);
        let pair = self.pair(&warrant, &caller, session, scopes, &mut statements)?;
        match self.ledger.commit(&warrant, statements).await {
            Ok(()) => Ok(pair),
            // Somebody spent it between our look and our commit: the same as a reuse.
            Err(Error::Conflict(_)) => {
                self.end(session, caller.principal(), "refresh_token_reused").await?;
                Err(Error::Unauthenticated(Unproven::BadRefreshToken))
            }
            Err(error) => Err(error),
        }
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

/// 256 random bits: guessing is hopeless, so its SHA-256 is enough to store.
fn refresh_token() -> Result<SecretString> {
    let mut bytes = [0u8; 32];
    rand::rngs::OsRng.try_fill_bytes(&mut bytes).map_err(anyhow::Error::from)?;
    Ok(format!("{REFRESH_PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes)).into())
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

fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret()).into()
}

fn micros(ttl: std::time::Duration) -> i64 {
    i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX)
}
