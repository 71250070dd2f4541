//! Signing in, whatever the proof was: rated, decided, and held until a second factor is proven
//! where policy asks for one.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::entry::Origin;
use crate::authn::factors::Enrolled;
use crate::authn::single_use::{Found, Kind as Use};
use crate::authn::{Caller, SignIn, Via, ViewSelf};
use crate::authz::facts::{Particulars, Risk};
use crate::authz::{Action as _, Permit, TheRegistry};
use crate::directory::Kind;
use crate::error::Challenge;
use crate::second_factor::{BegunProof, Shown, Spent};
use crate::store::Statement;
use crate::{App, Error, Result, Unproven};

/// How long a sign-in waits for its second factor.
const WAIT: Duration = Duration::from_secs(300);

/// A sign-in that policy allowed: what is opened with it is up to who asked.
pub struct Opening {
    pub permit: Permit<SignIn>,
    /// What the sign-in changes besides: history, used factors.
    pub statements: Vec<Statement>,
}

/// What came of a proof.
pub enum Step {
    Open(Opening),
    /// The rest of the way is [`App::second_factor`].
    SecondFactor(Challenge),
}

/// A sign-in on its way.
#[derive(Serialize, Deserialize)]
struct Begun {
    kind: Kind,
    id: Uuid,
    via: Via,
    authenticated_at: i64,
}

/// What the history says of a sign-in.
pub struct Rated {
    pub risk: Risk,
    /// Makes what is now known part of the history; for sign-ins that succeed.
    pub remember: Vec<Statement>,
}

impl App {
    /// Goes on from a first proof. `otp` may come with it, to save a round.
    ///
    /// # Errors
    /// [`Error::RiskBlocked`] when the risk is why policy refuses, other refusals as they are.
    pub async fn sign_in(&self, proven: Caller, otp: Option<&SecretString>) -> Result<Step> {
        let (caller, rated) = self.rated(proven).await?;
        let (caller, spent) = match otp {
            Some(otp) => self.with_factor(caller, &Shown::Otp(otp.clone()), "auth.login").await?,
            None => (caller, Spent::default()),
        };
        if !self.asks_for_factor(&caller)? {
            return self.opening(caller, rated, spent).await.map(Step::Open);
        }
        let enrolled = self.factors.of_principal(caller.principal()).await?;
        if enrolled.is_active() {
            return self.hold(caller, &enrolled).await.map(Step::SecondFactor);
        }
        // Nothing can be proven that was never enrolled: policy lets this session do no more than that.
        let unknown = Rated { remember: Vec::new(), ..rated };
        self.opening(caller, unknown, spent).await.map(Step::Open)
    }

    /// The second half of a sign-in that was held.
    pub async fn second_factor(
        &self,
        token: &SecretString,
        shown: &Shown,
        origin: Arc<Origin>,
    ) -> Result<Opening> {
        let (held, proven) = self.held(token, origin.clone()).await?;
        self.sign_in_limits.admit(origin.ip, &proven.principal().id().to_string())?;
        let (caller, rated) = self.rated(proven).await?;
        let (caller, mut spent) = self.with_factor(caller, shown, "auth.mfa").await?;
        spent.statements.push(held.spend(None));
        self.opening(caller, rated, spent).await
    }

    /// Begins the proof of a passkey for a sign-in that was held.
    pub async fn begin_second_factor(
        &self,
        token: &SecretString,
        origin: Arc<Origin>,
    ) -> Result<BegunProof> {
        let (_, proven) = self.held(token, origin).await?;
        // No try yet; but each writes a row.
        self.sign_in_limits.admit_name(&format!("passkey {}", proven.principal().id()))?;
        let (caller, _) = self.rated(proven).await?;
        let permit = self.allowed(caller).await?;
        self.begin_proof(permit.warrant(), permit.caller()).await
    }

    /// What the token of a held sign-in stands for.
    async fn held(&self, token: &SecretString, origin: Arc<Origin>) -> Result<(Found, Caller)> {
        let begun = self.authn.single_use().recall(Use::SecondFactor, token).await?;
        let Some(held) = begun.filter(|it| it.is_good_for(HOLDER)) else {
            return Err(self.authn.refuse_waiting("ended", &origin).await);
        };
        let Begun { kind, id, via, authenticated_at } = held.body()?;
        let Some(principal) = self.directory.snapshot().principal(kind, id) else {
            return Err(Error::Unauthenticated(Unproven::BadSecret));
        };
        Ok((held, self.authn.resumed(principal, via, authenticated_at, origin)))
    }

    async fn opening(&self, caller: Caller, rated: Rated, spent: Spent) -> Result<Opening> {
        let permit = self.allowed(caller).await?;
        spent.note(permit.warrant());
        let mut statements = spent.statements;
        statements.extend(rated.remember);
        Ok(Opening { permit, statements })
    }

    /// Decided before anything is asked for or given.
    async fn allowed(&self, caller: Caller) -> Result<Permit<SignIn>> {
        let risk = caller.session().proof.risk;
        match self.authz.authorize(caller, SignIn).await {
            Err(Error::Denied(denial)) if risk >= Risk::High => Err(Error::RiskBlocked(denial)),
            other => other,
        }
    }

    /// Whether policy will not let this session do as little as look at itself, but would with a
    /// second factor.
    fn asks_for_factor(&self, caller: &Caller) -> Result<bool> {
        let may = |caller: &Caller| {
            self.authz.would_allow(caller, ViewSelf::NAME, &TheRegistry, &Particulars::Token)
        };
        Ok(!may(caller)? && may(&self.authn.with_factor_proven(caller.clone()))?)
    }

    async fn hold(&self, caller: Caller, enrolled: &Enrolled) -> Result<Challenge> {
        let (principal, session) = (caller.principal(), caller.session());
        let begun = Begun {
            kind: principal.kind(),
            id: principal.id(),
            via: session.proof.via,
            authenticated_at: session.authenticated_at,
        };
        let risk = session.proof.risk;
        let (token, insert) =
            self.authn.single_use().issue(Use::SecondFactor, HOLDER, &begun, WAIT)?;
        let permit = self.allowed(caller).await?;
        self.authn.hold(permit, insert).await?;
        Ok(Challenge { token: Some(token), risk, means: enrolled.means() })
    }

    async fn rated(&self, caller: Caller) -> Result<(Caller, Rated)> {
        let rated = self.rate(&caller).await?;
        Ok((self.authn.rated(caller, rated.risk), rated))
    }

    /// Provisional until histories are kept.
    pub async fn rate(&self, _: &Caller) -> Result<Rated> {
        Ok(Rated { risk: Risk::Low, remember: Vec::new() })
    }
}

/// Whoever has the token goes on with it; it is as good as a password for as long as it waits.
const HOLDER: &str = "sign_in";
