//! Enrolling second factors. Every step is decided by itself, on what is enrolled by then: the first
//! factor asks for less than another beside it.

use std::sync::Arc;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use webauthn_rs::prelude::RegisterPublicKeyCredential;

use crate::audit::Outcome;
use crate::audit::entry::Origin;
use crate::authn::factors::{
    AddFactor, Ceremony, CeremonyState, Confirmed, EnrollFactor, NewTotp, Provisioning,
};
use crate::authn::risk::Vouched;
use crate::authn::single_use::{Found, Kind as Use};
use crate::authn::{AccessToken, Caller, Proven};
use crate::authz::Warrant;
use crate::directory::{Principal, User};
use crate::second_factor::CEREMONY_TIME_MAX;
use crate::store::Statement;
use crate::{App, Error, Result, Unproven};

/// A factor that is active now.
pub struct NewFactor {
    /// A set for those who had no factor before; empty for others.
    pub recovery_codes: Vec<SecretString>,
    /// Of the same session, and says that a second factor was proven.
    pub token: AccessToken,
}

/// The first half of enrolling a passkey.
pub struct BegunPasskey {
    /// Goes on with it; good once.
    pub ceremony: SecretString,
    /// For `navigator.credentials.create`, as JSON.
    pub options: serde_json::Value,
}

/// A person whom policy lets enrol a factor.
struct Enrolling {
    caller: Caller,
    user: Arc<User>,
    session: Uuid,
    warrant: Warrant,
}

/// An enrolment on its way: the ceremony, and the session that began it.
#[derive(Serialize, Deserialize)]
struct Kept {
    session: Uuid,
    proven: Proven,
    options: serde_json::Value,
    state: CeremonyState,
}

impl App {
    /// A new secret for an authenticator app that its owner calls `name`; it counts from its first
    /// code on.
    pub async fn begin_totp(&self, caller: Caller, name: String) -> Result<(Uuid, Provisioning)> {
        let who = self.enrolling(caller).await?;
        let act = async {
            let NewTotp { id, provisioning, statements } =
                self.factors.begin_totp(&who.user, name).await?;
            note(&who.warrant, "begun", id);
            self.factors.write(&who.warrant, statements).await?;
            Ok((id, provisioning))
        };
        self.authz.settled(who.warrant.record(), act).await
    }

    /// Makes the app a factor, by its first code.
    pub async fn confirm_totp(
        &self,
        caller: Caller,
        factor: Uuid,
        otp: &SecretString,
    ) -> Result<NewFactor> {
        let who = self.enrolling(caller).await?;
        let act = async {
            note(&who.warrant, "confirmed", factor);
            match self.factors.confirm_totp(who.user.id, factor, otp).await? {
                Some(confirmed) => self.confirmed(&who, confirmed, Vec::new()).await,
                None => Err(Error::field(
                    "/otp",
                    "is not what the app shows now; check the clock of the device and try again",
                )),
            }
        };
        self.authz.settled(who.warrant.record(), act).await
    }

    /// Begins to enrol a passkey that its owner calls `name`.
    pub async fn begin_passkey(&self, caller: Caller, name: String) -> Result<BegunPasskey> {
        let who = self.enrolling(caller).await?;
        let act = async {
            let Ceremony { options, state } = self.factors.begin_passkey(&who.user, name).await?;
            let kept = Kept::of(&who, options.clone(), state);
            let (ceremony, insert) = self.authn.single_use().issue(
                Use::PasskeyEnrolment,
                &who.user.id.to_string(),
                &kept,
                CEREMONY_TIME_MAX,
            )?;
            who.warrant.note("step", "begun");
            self.factors.write(&who.warrant, vec![insert]).await?;
            Ok(BegunPasskey { ceremony, options })
        };
        self.authz.settled(who.warrant.record(), act).await
    }

    /// Makes the passkey that a browser has made a factor.
    pub async fn finish_passkey(
        &self,
        caller: Caller,
        ceremony: &SecretString,
        made: &RegisterPublicKeyCredential,
    ) -> Result<NewFactor> {
        let who = self.enrolling(caller).await?;
        let act = async {
            let (begun, kept) = self.begun_enrolment(ceremony).await?;
            if begun.bound_to() != who.user.id.to_string() {
                return Err(over());
            }
            let confirmed = self.factors.finish_passkey(who.user.id, &kept.state, made).await?;
            note(&who.warrant, "confirmed", confirmed.factor);
            self.confirmed(&who, confirmed, vec![begun.spend(None)]).await
        };
        self.authz.settled(who.warrant.record(), act).await
    }

    /// The options of an enrolment that a browser is to go on with.
    pub async fn passkey_options(&self, ceremony: &SecretString) -> Result<serde_json::Value> {
        Ok(self.begun_enrolment(ceremony).await?.1.options)
    }

    /// The same as [`App::finish_passkey`], for a browser that has nothing but the ceremony: it acts
    /// in the session that began it.
    pub async fn finish_passkey_in_browser(
        &self,
        ceremony: &SecretString,
        made: &RegisterPublicKeyCredential,
        origin: Arc<Origin>,
    ) -> Result<NewFactor> {
        let (_, kept) = self.begun_enrolment(ceremony).await?;
        let found = self.authn.in_session(kept.session, kept.proven, origin).await?;
        let caller = found.ok_or(Error::Unauthenticated(Unproven::BadToken))?;
        self.finish_passkey(caller, ceremony, made).await
    }

    async fn begun_enrolment(&self, ceremony: &SecretString) -> Result<(Found, Kept)> {
        let found = self.authn.single_use().recall(Use::PasskeyEnrolment, ceremony).await?;
        let found = found.filter(|it| it.is_good_for(it.bound_to())).ok_or_else(over)?;
        let kept = found.body()?;
        Ok((found, kept))
    }

    /// Decides on this step.
    async fn enrolling(&self, caller: Caller) -> Result<Enrolling> {
        let enrolled = self.factors.of_principal(caller.principal()).await?;
        let (caller, warrant) = if enrolled.is_active() {
            let (caller, _, _, warrant) = self.authz.authorize(caller, AddFactor).await?.spend();
            (caller, warrant)
        } else {
            let (caller, _, _, warrant) = self.authz.authorize(caller, EnrollFactor).await?.spend();
            (caller, warrant)
        };
        match (caller.principal(), caller.session().id) {
            (Principal::User(user), Some(session)) => {
                Ok(Enrolling { user: user.clone(), session, caller, warrant })
            }
            _ => {
                let no_session = "second factors are for people who sign in: use a token of that";
                self.authz.settle(warrant.record(), Outcome::Failed).await?;
                Err(Error::Conflict(no_session.into()))
            }
        }
    }

    async fn confirmed(
        &self,
        who: &Enrolling,
        confirmed: Confirmed,
        spent: Vec<Statement>,
    ) -> Result<NewFactor> {
        let Confirmed { recovery_codes, mut statements, .. } = confirmed;
        statements.extend(spent);
        // What vouches for the person vouches for the place, too: they are not new here any more.
        let rated = self.rater.rate(who.caller.principal(), who.caller.origin()).await?;
        statements.extend(rated.remember(Vouched::Now));
        let caller = self.authn.with_factor_proven(who.caller.clone());
        // A client holds what its user agreed to and no more; the user's own session may hold now
        // what the factor was needed for.
        let scopes = match caller.session().proof.client {
            Some(_) => caller.session().scopes.iter().cloned().collect(),
            None => self.holdable_scopes(&caller, None)?,
        };
        let token = self.authn.go_on(&who.warrant, &caller, scopes, statements).await?;
        Ok(NewFactor { recovery_codes, token })
    }
}

impl Kept {
    fn of(who: &Enrolling, options: serde_json::Value, state: CeremonyState) -> Kept {
        let proven = Proven::of(who.caller.session());
        Kept { session: who.session, proven, options, state }
    }
}

fn note(warrant: &Warrant, step: &'static str, factor: Uuid) {
    warrant.note("step", step);
    warrant.note("factor", factor.to_string());
}

fn over() -> Error {
    Error::field("/ceremony", "is over, or was used: begin again")
}
