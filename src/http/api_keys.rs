//! `/api/v1/api-keys`

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::call::Call;
use super::list::{created, no_content, page, tagged, time};
use crate::authn::Caller;
use crate::authn::api_keys::{
    ApiKey, CreateApiKey, DisableApiKey, EnableApiKey, ListApiKeys, PrincipalId, RevokeApiKey,
    RotateApiKey, ShowApiKey, State,
};
use crate::authz::{Permit, Visible};
use crate::directory::Kind;
use crate::error::FieldFault;
use crate::registry::is_word;
use crate::{App, Error, Result};

const NAME_CHARS_MAX: usize = 64;
/// Each is a decision of its own.
const SCOPES_MAX: usize = 64;
const OVERLAP_SECONDS_MAX: u32 = 7 * 86_400;

/// What a list can be asked for.
pub const FILTERS: &[(&str, &str)] = &[
    ("principal", "The id of whom they stand for."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiKeyBody {
    /// 1 to 64 characters, to know it by.
    name: String,
    /// The id of whom it stands for: the caller, when left out, or an agent.
    principal: Option<Uuid>,
    /// What it may hold; each must be one that its principal may hold.
    scopes: BTreeSet<String>,
    /// When it stops being good; a key without it is good until somebody ends it.
    expires_at: Option<Timestamp>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KeyRotation {
    /// How long the key that is replaced stays good beside the new one: up to 7 days, none when
    /// left out.
    #[schemars(range(max = 604800))]
    overlap_seconds: u32,
}

#[derive(Serialize, JsonSchema)]
pub struct ApiKeyView {
    id: Uuid,
    name: String,
    /// Whom it stands for.
    principal_kind: Kind,
    principal_id: Uuid,
    /// What it may hold, as far as its principal still may.
    scopes: BTreeSet<String>,
    state: State,
    /// The user who made it.
    created_by: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
    expires_at: Option<Timestamp>,
    /// To the minute or so.
    last_used_at: Option<Timestamp>,
    /// Until when the key that the last rotation replaced is good as well.
    previous_expires_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct ApiKeyMade {
    /// Shown this once: `gwk_`, 43 random characters and 6 of checksum.
    #[schemars(regex(pattern = r"^gwk_[0-9A-Za-z]{49}$"))]
    key: String,
    #[serde(flatten)]
    view: ApiKeyView,
}

/// Whom a key is for may be left to who asks, so the action is made here.
pub async fn create(app: Arc<App>, caller: Caller, call: Call) -> Result<Response> {
    let body: ApiKeyBody = call.json()?;
    Error::check([name_fault(&body.name), scopes_fault(&body.scopes)])?;
    let action = CreateApiKey {
        principal: principal(&app, &caller, body.principal),
        name: body.name,
        scopes: body.scopes,
        expires_at: body.expires_at.map(Timestamp::as_microsecond),
    };
    let permit = app.authz.authorize(caller, action).await?;
    let record = permit.warrant().record().clone();
    let made = async {
        expect_holdable(&app, &permit)?;
        app.api_keys.create(permit).await
    };
    let (key, secret) = app.authz.settled(&record, made).await?;
    let path = format!("/api/v1/api-keys/{}", key.id);
    Ok(created(show_made(&key, secret.reveal(), StatusCode::CREATED), &path))
}

/// An id that nobody has is the id of an agent that nobody sees.
fn principal(app: &App, caller: &Caller, named: Option<Uuid>) -> PrincipalId {
    let Some(id) = named else { return PrincipalId::from(caller.principal()) };
    let user = app.directory.snapshot().user(id).is_some();
    PrincipalId { kind: if user { Kind::User } else { Kind::Agent }, id }
}

/// A key holds no more than its principal may, and one for oneself no more than the token that
/// asks for it: who has little does not get more by asking for a key.
fn expect_holdable(app: &App, permit: &Permit<CreateApiKey>) -> Result<()> {
    let (caller, principal) = (permit.caller(), permit.resource());
    let asked = Vec::from_iter(permit.action().scopes.iter().cloned());
    let holder = app.standing.holder(principal.clone(), Arc::new(caller.origin().clone()));
    let mut held = app.authz.holdable(&holder, &asked)?;
    if principal.id() == caller.principal().id() {
        held.retain(|it| caller.session().scopes.contains(it));
    }
    let refused = asked.iter().filter(|it| !held.contains(it));
    let refused: Vec<String> = refused.map(|it| format!("`{it}`")).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let name = principal.name();
    let detail = format!("a key of `{name}` made by you cannot hold {}", refused.join(", "));
    Err(Error::field("/scopes", detail))
}

pub fn parse_list(call: &Call) -> Result<ListApiKeys> {
    let mut query = call.query();
    let list = ListApiKeys {
        principal: query.parsed("principal", "the id of a user or an agent"),
        after: query.parsed("page_token", "a token from the page before"),
        page_size: query.page_size(),
    };
    query.end()?;
    Ok(list)
}

pub fn list(visible: &Visible<ListApiKeys>) -> Response {
    page(visible, |it| view(&it.key))
}

pub fn parse_show(call: &Call) -> Result<ShowApiKey> {
    Ok(ShowApiKey { key: call.id("key")? })
}

pub async fn get(_: Arc<App>, permit: Permit<ShowApiKey>) -> Result<Response> {
    Ok(show(&permit.resource().key))
}

pub fn parse_rotate(call: &Call) -> Result<RotateApiKey> {
    let body: KeyRotation =
        if call.body.is_empty() { KeyRotation::default() } else { call.json()? };
    if body.overlap_seconds > OVERLAP_SECONDS_MAX {
        return Err(Error::field("/overlap_seconds", "must be at most 604800, seven days"));
    }
    let overlap_micros = i64::from(body.overlap_seconds) * 1_000_000;
    Ok(RotateApiKey { key: call.id("key")?, if_match: call.if_match()?, overlap_micros })
}

pub async fn rotate(app: Arc<App>, permit: Permit<RotateApiKey>) -> Result<Response> {
    let (key, secret) = app.api_keys.rotate(permit).await?;
    Ok(show_made(&key, secret.reveal(), StatusCode::OK))
}

pub fn parse_disable(call: &Call) -> Result<DisableApiKey> {
    call.empty()?;
    Ok(DisableApiKey { key: call.id("key")?, if_match: call.if_match()? })
}

pub async fn disable(app: Arc<App>, permit: Permit<DisableApiKey>) -> Result<Response> {
    Ok(show(&*app.api_keys.disable(permit).await?))
}

pub fn parse_enable(call: &Call) -> Result<EnableApiKey> {
    call.empty()?;
    Ok(EnableApiKey { key: call.id("key")?, if_match: call.if_match()? })
}

pub async fn enable(app: Arc<App>, permit: Permit<EnableApiKey>) -> Result<Response> {
    Ok(show(&*app.api_keys.enable(permit).await?))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeApiKey> {
    call.empty()?;
    Ok(RevokeApiKey { key: call.id("key")?, if_match: call.if_match()? })
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeApiKey>) -> Result<Response> {
    app.api_keys.revoke(permit).await?;
    Ok(no_content())
}

fn name_fault(name: &str) -> Option<FieldFault> {
    let fits = (1..=NAME_CHARS_MAX).contains(&name.chars().count())
        && name.trim() == name
        && !name.contains(char::is_control);
    (!fits).then(|| FieldFault {
        pointer: "/name".into(),
        detail: "must be 1 to 64 printable characters, without spaces around them".into(),
    })
}

fn scopes_fault(scopes: &BTreeSet<String>) -> Option<FieldFault> {
    let fits = scopes.len() <= SCOPES_MAX && scopes.iter().all(|it| is_word(it));
    (!fits).then(|| FieldFault {
        pointer: "/scopes".into(),
        detail: format!("must be at most {SCOPES_MAX} scopes, such as `agent:calc`"),
    })
}

fn show(key: &ApiKey) -> Response {
    tagged(&view(key), key.revision, StatusCode::OK)
}

fn show_made(key: &ApiKey, secret: &str, status: StatusCode) -> Response {
    let made = ApiKeyMade { key: secret.to_owned(), view: view(key) };
    tagged(&made, key.revision, status)
}

fn view(it: &ApiKey) -> ApiKeyView {
    ApiKeyView {
        id: it.id,
        name: it.name.clone(),
        principal_kind: it.principal.kind,
        principal_id: it.principal.id,
        scopes: BTreeSet::clone(&it.scopes),
        state: it.state,
        created_by: it.created_by,
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
        expires_at: it.expires_at.map(time),
        last_used_at: it.last_used_at().map(time),
        previous_expires_at: it.previous_until().map(time),
    }
}
