//! `/api/v1/auth`: people signing in and out.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{no_content, time};
use super::passkeys::SignedBody;
use crate::authn::risk::{Rating, Reason, Vouched};
use crate::authn::{
    Caller, Delegated, Elevate, Holder, NotHolder, Proof, SignOut, TokenPair, ViewSelf,
};
use crate::authz::Permit;
use crate::authz::facts::Risk;
use crate::directory::{Groups, Kind, Roles};
use crate::second_factor::Shown;
use crate::sign_in::{Opening, Step};
use crate::{App, Error, Result};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    username: String,
    #[schemars(with = "String")]
    password: SecretString,
    /// A code of the second factor, for those who have one; asked for later when left out.
    #[schemars(with = "Option<String>")]
    otp: Option<SecretString>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MfaBody {
    /// What the answer `mfa_required` gave.
    #[schemars(with = "String")]
    mfa_token: SecretString,
    /// A code of the second factor, or a recovery code.
    #[schemars(with = "String")]
    otp: SecretString,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    #[schemars(with = "String")]
    refresh_token: SecretString,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ElevateBody {
    #[schemars(with = "String")]
    password: SecretString,
    /// A code of the second factor; this or a passkey is needed where one is enrolled.
    #[schemars(with = "Option<String>")]
    otp: Option<SecretString>,
    /// What the browser signed with a passkey.
    passkey: Option<SignedBody>,
}

impl ElevateBody {
    fn shown(&mut self) -> Result<Option<Shown>> {
        match (self.otp.take(), self.passkey.take()) {
            (Some(_), Some(_)) => {
                Err(Error::field("/passkey", "is one proof too many beside `otp`"))
            }
            (Some(otp), None) => Ok(Some(Shown::Otp(otp))),
            (None, passkey) => Ok(passkey.map(SignedBody::shown)),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Tokens {
    token_type: &'static str,
    access_token: String,
    access_token_expires_at: Timestamp,
    refresh_token: String,
    refresh_token_expires_at: Timestamp,
    /// How risky the sign-in was rated.
    risk: Risk,
    /// Why.
    risk_reasons: Vec<Reason>,
    /// What the access token holds.
    scopes: Vec<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct Elevated {
    access_token: String,
    access_token_expires_at: Timestamp,
}

#[derive(Serialize, JsonSchema)]
pub struct Me {
    id: Uuid,
    kind: Kind,
    name: String,
    roles: Roles,
    groups: Groups,
    /// What the access token holds.
    scopes: BTreeSet<String>,
    /// For an agent that acts in a user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    delegation: Option<DelegationView>,
    session: SessionView,
}

#[derive(Serialize, JsonSchema)]
pub struct DelegationView {
    mandate_id: Uuid,
    on_behalf_of: Uuid,
    /// The agents that act one for the other, the one that has the mandate first.
    chain: Vec<Uuid>,
}

impl From<&Delegated> for DelegationView {
    fn from(it: &Delegated) -> DelegationView {
        DelegationView { mandate_id: it.mandate, on_behalf_of: it.user, chain: it.chain.clone() }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct SessionView {
    id: Option<Uuid>,
    authenticated_at: Timestamp,
    /// When the password was proven again; only with an elevated token.
    reauthenticated_at: Option<Timestamp>,
    /// When a second factor was last proven.
    second_factor_at: Option<Timestamp>,
    /// How risky the sign-in was rated.
    risk: Risk,
    /// NIST SP 800-63B, 1 to 3.
    assurance_level: u8,
}

pub async fn login(app: Arc<App>, call: Call) -> Result<Response> {
    let body: LoginBody = call.json()?;
    app.sign_in_limits.admit(call.origin.ip, &format!("login {}", body.username))?;
    let caller =
        app.authn.prove_password(&body.username, body.password, call.origin.clone()).await?;
    match app.sign_in(caller, body.otp.as_ref()).await? {
        Step::Open(opening) => open(&app, opening).await,
        Step::SecondFactor(challenge) => Err(Error::SecondFactor(Box::new(challenge))),
    }
}

/// The second half of a sign-in that was answered with `mfa_required`.
pub async fn mfa(app: Arc<App>, call: Call) -> Result<Response> {
    let body: MfaBody = call.json()?;
    let shown = Shown::Otp(body.otp);
    let opening = app.second_factor(&body.mfa_token, &shown, call.origin.clone()).await?;
    open(&app, opening).await
}

/// The tokens of a sign-in that has gone all the way.
pub async fn open(app: &App, Opening { permit, statements }: Opening) -> Result<Response> {
    let record = permit.warrant().record().clone();
    let opened = async {
        let scopes = app.holdable_scopes(permit.caller(), None)?;
        let Proof { risk, risk_reasons, .. } = &*permit.caller().session().proof;
        let rating = Rating { risk: *risk, reasons: risk_reasons.clone() };
        Ok(tokens(&app.authn.open(permit, scopes, statements).await?, rating))
    };
    app.authz.settled(&record, opened).await
}

pub async fn refresh(app: Arc<App>, call: Call) -> Result<Response> {
    let body: RefreshBody = call.json()?;
    let known = app.authn.recall_refresh(&body.refresh_token).await?;
    // Every refusal is written down. Whoever only guesses must not fill the disk with them.
    if !known.is_good() {
        app.sign_in_limits.admit_address(call.origin.ip)?;
    }
    let proof = app.authn.key_proof(call.request()).map_err(NotHolder::from)?;
    let holder = Holder { client: None, proof };
    let (caller, action) = app.authn.prove_refresh(known, holder, call.origin.clone()).await?;
    let (caller, rated) = app.rate(caller).await?;
    // Asked anew: who lost a role since the sign-in loses its scopes now.
    let scopes = app.holdable_scopes(&caller, None)?;
    let permit = app.admit(caller, action, &rated.rating).await?;
    // Whatever factor opened the session was proven elsewhere: it does not vouch for this place.
    let (kept, statements) = (scopes.clone(), rated.remember(Vouched::Not));
    let record = permit.warrant().record().clone();
    let refreshed = app.authn.refresh(permit, &kept, scopes, statements);
    let pair = app.authz.settled(&record, refreshed).await?;
    Ok(tokens(&pair, rated.rating))
}

/// The password is checked before the decision: proving it is what is asked for.
pub async fn elevate(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let mut body: ElevateBody = call.json()?;
    caller.session().opened()?;
    // Apart from the tries at the door, which strangers could use up.
    app.sign_in_limits.admit(call.origin.ip, &format!("factor {}", caller.principal().id()))?;
    let shown = body.shown()?;
    app.authn.prove_again(&caller, body.password).await?;
    let (caller, spent) = app.proven_again(caller, shown.as_ref()).await?;
    let permit = app.authz.authorize(caller, Elevate).await?;
    spent.note(permit.warrant());
    let record = permit.warrant().record().clone();
    let elevated = app.authn.elevate(permit, spent.statements);
    let token = app.authz.settled(&record, elevated).await?;
    let answer = Elevated {
        access_token: token.reveal().to_owned(),
        access_token_expires_at: token.expires_at,
    };
    Ok(json(&answer).into_response())
}

pub fn parse_me(_: &Call) -> Result<ViewSelf> {
    Ok(ViewSelf)
}

pub async fn me(_: Arc<App>, permit: Permit<ViewSelf>) -> Result<Response> {
    let (principal, session) = (permit.caller().principal(), permit.caller().session());
    let answer = Me {
        id: principal.id(),
        kind: principal.kind(),
        name: principal.name().to_owned(),
        roles: principal.roles().clone(),
        groups: principal.groups().clone(),
        scopes: BTreeSet::clone(&session.scopes),
        delegation: session.proof.delegation.as_ref().map(Into::into),
        session: SessionView {
            id: session.id,
            authenticated_at: time(session.authenticated_at),
            reauthenticated_at: session.reauthenticated_at.map(time),
            second_factor_at: session.proof.mfa_at.map(time),
            risk: session.proof.risk,
            assurance_level: session.assurance_level(),
        },
    };
    Ok(json(&answer).into_response())
}

pub fn parse_logout(call: &Call) -> Result<SignOut> {
    call.empty()?;
    Ok(SignOut)
}

pub async fn logout(app: Arc<App>, permit: Permit<SignOut>) -> Result<Response> {
    app.authn.sign_out(permit).await?;
    Ok(no_content())
}

fn tokens(pair: &TokenPair, rating: Rating) -> Response {
    let answer = Tokens {
        token_type: pair.access.kind(),
        access_token: pair.access.reveal().to_owned(),
        access_token_expires_at: pair.access.expires_at,
        refresh_token: pair.reveal_refresh().to_owned(),
        refresh_token_expires_at: pair.refresh_expires_at,
        risk: rating.risk,
        risk_reasons: rating.reasons,
        scopes: pair.access.scopes.clone(),
    };
    json(&answer).into_response()
}
