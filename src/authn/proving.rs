//! Proving who one is at the beginning of a session.

use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

use super::risk::Rating;
use super::session::SignIn;
use super::{Authn, Caller, Proof, Session, Via};
use crate::audit::Actor;
use crate::audit::entry::Origin;
use crate::authz::Permit;
use crate::authz::facts::Risk;
use crate::directory::Principal;
use crate::store::Statement;
use crate::{Error, Result, Unproven};

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
}
