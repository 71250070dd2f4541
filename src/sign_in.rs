//! Signing in, whatever the proof was: rated, decided, and held until a second factor is proven
//! where policy asks for one.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::audit::entry::Origin;
use crate::authn::factors::Enrolled;
use crate::authn::risk::{Rated, Rating, Vouched};
use crate::authn::single_use::{Found, Kind as Use};
use crate::authn::{Caller, SignIn, Via, ViewSelf};
use crate::authz::facts::{Particulars, Risk};
use crate::authz::{Action, Permit, TheRegistry};
use crate::directory::Kind;
use crate::error::Challenge;
use crate::second_factor::{BegunProof, Shown, Spent};
use crate::store::Statement;
use crate::{App, Error, Result, Unproven, metrics};

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

impl App {
    /// Goes on from a first proof. `otp` may come with it, to save a round.
    ///
    /// # Errors
    /// [`Error::RiskBlocked`] when the risk is why policy refuses, other refusals as they are.
    pub async fn sign_in(&self, proven: Caller, otp: Option<&SecretString>) -> Result<Step> {
        let (caller, rated) = self.rate(proven).await?;
        let (caller, spent) = match otp {
            Some(otp) => {
                self.counted_factor(caller, &Shown::Otp(otp.clone()), "auth.login").await?
            }
            None => (caller, Spent::default()),
        };
        if !self.asks_for_factor(&caller)? {
            return self.opening(caller, rated, spent).await.map(Step::Open);
        }
        let enrolled = self.factors.of_principal(caller.principal()).await?;
        if enrolled.is_active() {
            return self.hold(caller, rated.rating, &enrolled).await.map(Step::SecondFactor);
        }
        // Nothing can be proven that was never enrolled: policy lets this session do no more than that.
        self.opening(caller, rated, spent).await.map(Step::Open)
    }

    /// The second half of a sign-in that was held.
    pub async fn second_factor(
        &self,
        token: &SecretString,
        shown: &Shown,
        origin: Arc<Origin>,
    ) -> Result<Opening> {
        let (held, proven) = self.held(token, origin.clone()).await?;
        // Apart from the tries at the door, which strangers could use up.
        self.sign_in_limits.admit(origin.ip, &format!("factor {}", proven.principal().id()))?;
        let (caller, rated) = self.rate(proven).await?;
        let (caller, mut spent) = self.counted_factor(caller, shown, "auth.mfa").await?;
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
        let (caller, rated) = self.rate(proven).await?;
        let permit = self.decide(caller, SignIn, &rated.rating).await?;
        let begun = self.begin_proof(permit.warrant(), permit.caller());
        self.authz.settled(permit.warrant().record(), begun).await
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
        let vouched = Vouched::by(&caller.session().proof);
        let permit = self.admit(caller, SignIn, &rated.rating).await?;
        spent.note(permit.warrant());
        let mut statements = spent.statements;
        statements.extend(rated.remember(vouched));
        Ok(Opening { permit, statements })
    }

    /// Decides on letting in a caller who was rated: a sign-in, its renewal, or a machine's.
    ///
    /// # Errors
    /// As [`App::sign_in`].
    pub async fn admit<A: Action>(
        &self,
        caller: Caller,
        action: A,
        rating: &Rating,
    ) -> Result<Permit<A>> {
        let admitted = self.decide(caller, action, rating).await;
        if admitted.is_ok() {
            metrics::sign_in(rating.risk, "opened");
        }
        admitted
    }

    /// Decided before anything is asked for or given.
    async fn decide<A: Action>(
        &self,
        caller: Caller,
        action: A,
        rating: &Rating,
    ) -> Result<Permit<A>> {
        match self.authz.authorize(caller, action).await {
            Err(Error::Denied(denial)) => {
                metrics::sign_in(rating.risk, "denied");
                Err(match rating.risk >= Risk::High {
                    true => Error::RiskBlocked(denial, rating.clone()),
                    false => Error::Denied(denial),
                })
            }
            other => other,
        }
    }

    /// Whether policy will not let this session do as little as look at itself, but would with a
    /// second factor.
    pub(crate) fn asks_for_factor(&self, caller: &Caller) -> Result<bool> {
        let may = |caller: &Caller| {
            self.authz.would_allow(caller, ViewSelf::NAME, &TheRegistry, &Particulars::Token)
        };
        Ok(!may(caller)? && may(&self.authn.with_factor_proven(caller.clone()))?)
    }

    async fn hold(&self, caller: Caller, rating: Rating, enrolled: &Enrolled) -> Result<Challenge> {
        let (principal, session) = (caller.principal(), caller.session());
        let begun = Begun {
            kind: principal.kind(),
            id: principal.id(),
            via: session.proof.via,
            authenticated_at: session.authenticated_at,
        };
        let (token, insert) =
            self.authn.single_use().issue(Use::SecondFactor, HOLDER, &begun, WAIT)?;
        let permit = self.decide(caller, SignIn, &rating).await?;
        let record = permit.warrant().record().clone();
        self.authz.settled(&record, self.authn.hold(permit, insert)).await?;
        metrics::sign_in(rating.risk, "held");
        let Rating { risk, reasons: risk_reasons } = rating;
        Ok(Challenge { token: Some(token), risk, risk_reasons, means: enrolled.means() })
    }

    /// Rates a caller who comes in now, whatever it was rated before.
    pub async fn rate(&self, caller: Caller) -> Result<(Caller, Rated)> {
        let rated = self.rater.rate(caller.principal(), caller.origin()).await?;
        Ok((self.authn.rated(caller, &rated.rating), rated))
    }

    /// Proves a factor on the way in.
    async fn counted_factor(
        &self,
        caller: Caller,
        shown: &Shown,
        event: &'static str,
    ) -> Result<(Caller, Spent)> {
        let risk = caller.session().proof.risk;
        let tried = self.with_factor(caller, shown, event).await;
        tried.inspect_err(|_| metrics::sign_in(risk, "unproven"))
    }
}

/// Whoever has the token goes on with it; it is as good as a password for as long as it waits.
const HOLDER: &str = "sign_in";
