//! `/api/v1/users`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use super::list::{created, page, tagged, time};
use crate::authn::factors::Provisioning;
use crate::authn::password_fault;
use crate::authz::{Permit, Visible};
use crate::directory::{
    GrantUserRole, Groups, Lifecycle, ListUsers, NewUser, Principal, RegisterUser, ResumeUser,
    RevokeUserRole, RoleChange, Roles, ShowUser, SuspendUser, User,
};
use crate::{App, Error, FieldFault, Result};

pub const ROLE_DEFAULT: &str = "user";

#[derive(Serialize, JsonSchema)]
pub struct UserView {
    id: Uuid,
    username: String,
    state: Lifecycle,
    roles: Roles,
    groups: Groups,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// What somebody who registered is shown, this once.
#[derive(Serialize, JsonSchema)]
pub struct RegisteredUser {
    #[serde(flatten)]
    user: UserView,
    mfa_setup: MfaSetup,
}

/// The second factor that sign-ins from new places will ask for.
#[derive(Serialize, JsonSchema)]
pub struct MfaSetup {
    /// For typing into an authenticator app: Base32.
    secret: String,
    /// The same as an `otpauth` URI.
    provisioning_uri: String,
    /// The same as a picture: SVG.
    qr_svg: String,
    /// For when the app is lost; each works once.
    recovery_codes: Vec<String>,
}

impl MfaSetup {
    fn new(provisioning: &Provisioning, codes: &[SecretString]) -> MfaSetup {
        let text = |it: &SecretString| it.expose_secret().to_owned();
        MfaSetup {
            secret: text(&provisioning.secret),
            provisioning_uri: text(&provisioning.uri),
            qr_svg: text(&provisioning.qr_svg),
            recovery_codes: codes.iter().map(text).collect(),
        }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// 2 to 64 characters: letters, digits and `.-_@`.
    username: String,
    #[schemars(with = "String")]
    password: SecretString,
    /// One of the roles in the policy schema; `user` when left out.
    role: Option<String>,
}

pub fn parse_create(call: &Call) -> Result<RegisterUser> {
    let body: UserBody = call.json()?;
    Error::check([
        name_fault("/username", &body.username),
        password_fault(&body.username, &body.password),
    ])?;
    let role = body.role.unwrap_or_else(|| ROLE_DEFAULT.to_owned());
    Ok(RegisterUser::new(
        NewUser { username: body.username, password: body.password, roles: Roles::new() },
        role,
    ))
}

pub async fn create(app: Arc<App>, permit: Permit<RegisterUser>) -> Result<Response> {
    // Hashing is work: it is done for those who may, and for nobody else.
    let hash = app.authn.passwords().hash(permit.action().new.password.clone()).await?;
    let user = app.directory.register_user(permit, hash).await?;
    let path = format!("/api/v1/users/{}", user.id);
    Ok(created(show(&user), &path))
}

/// Registration by whoever asks: guests become plain users, for more policy asks for more. The
/// secret of a second factor is shown this once.
pub async fn register(app: Arc<App>, call: Call) -> Result<Response> {
    let action = parse_create(&call)?;
    app.sign_in_limits.admit_address(call.origin.ip)?;
    let caller = app.identify_or_guest(call.request(), call.origin.clone())?;
    let permit = app.authz.authorize(caller, action).await?;
    let record = permit.warrant().record().clone();
    app.authz.settled(&record, registered(&app, permit)).await
}

async fn registered(app: &App, permit: Permit<RegisterUser>) -> Result<Response> {
    let hash = app.authn.passwords().hash(permit.action().new.password.clone()).await?;
    let mut shown = None;
    let user = app
        .directory
        .register_self(permit, hash, |user| {
            let (mut authenticator, codes) = app.factors.with_registration(user)?;
            let statements = std::mem::take(&mut authenticator.statements);
            shown = Some((authenticator.provisioning, codes.codes));
            Ok(statements)
        })
        .await?;
    let (provisioning, codes) =
        shown.ok_or_else(|| Error::internal("a registration without a second factor"))?;
    let answer =
        RegisteredUser { user: view(&user), mfa_setup: MfaSetup::new(&provisioning, &codes) };
    let path = format!("/api/v1/users/{}", user.id);
    Ok(created(json(&answer).into_response(), &path))
}

pub fn parse_list(call: &Call) -> Result<ListUsers> {
    let (after, page_size) = call.page()?;
    Ok(ListUsers::new(after, page_size))
}

pub fn list(visible: &Visible<ListUsers>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowUser> {
    Ok(ShowUser(call.id("user")?))
}

pub async fn get(_: Arc<App>, permit: Permit<ShowUser>) -> Result<Response> {
    Ok(show(permit.resource()))
}

pub fn parse_suspend(call: &Call) -> Result<SuspendUser> {
    call.empty()?;
    Ok(SuspendUser(call.id("user")?))
}

pub async fn suspend(app: Arc<App>, permit: Permit<SuspendUser>) -> Result<Response> {
    let user = app.directory.suspend_user(permit).await?;
    Ok(show(&user))
}

pub fn parse_resume(call: &Call) -> Result<ResumeUser> {
    call.empty()?;
    Ok(ResumeUser(call.id("user")?))
}

pub async fn resume(app: Arc<App>, permit: Permit<ResumeUser>) -> Result<Response> {
    if permit.resource().state == Lifecycle::Suspended {
        let user = Principal::User(permit.resource().clone());
        app.authn.forget_sessions_of(&user).await?;
    }
    let user = app.directory.resume_user(permit).await?;
    Ok(show(&user))
}

pub fn parse_grant(call: &Call) -> Result<GrantUserRole> {
    Ok(GrantUserRole(role_change(call, "user")?))
}

pub async fn grant(app: Arc<App>, permit: Permit<GrantUserRole>) -> Result<Response> {
    let user = app.directory.grant_user_role(permit).await?;
    Ok(show(&user))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeUserRole> {
    Ok(RevokeUserRole(role_change(call, "user")?))
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeUserRole>) -> Result<Response> {
    let user = app.directory.revoke_user_role(permit).await?;
    Ok(show(&user))
}

/// Which role of whom; a role that the policy schema does not know is refused by the decision.
pub fn role_change(call: &Call, param: &str) -> Result<RoleChange> {
    call.empty()?;
    Ok(RoleChange {
        principal: call.id(param)?,
        role: call.param("role")?.to_owned(),
        if_match: call.if_match()?,
    })
}

/// What is wrong with a name that could not be told from others, or typed.
pub fn name_fault(pointer: &str, name: &str) -> Option<FieldFault> {
    let fits = (2..=64).contains(&name.len())
        && name.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_@".contains(&it));
    (!fits).then(|| FieldFault {
        pointer: pointer.into(),
        detail: "must be 2 to 64 characters: letters, digits and `.-_@`".into(),
    })
}

fn show(user: &User) -> Response {
    tagged(&view(user), user.revision, StatusCode::OK)
}

fn view(it: &User) -> UserView {
    UserView {
        id: it.id,
        username: it.username.clone(),
        state: it.state,
        roles: it.roles.clone(),
        groups: it.groups.clone(),
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
    }
}
