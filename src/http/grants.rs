//! `/api/v1/grants`

use std::sync::Arc;

use cedar_policy::EntityUid;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::call::Call;
use super::list::{created, no_content, page, tagged, time};
use crate::authn::federation::Provider;
use crate::authz::uid::{Kind, Reference};
use crate::authz::{Permit, Visible};
use crate::grants::{CreateGrant, Grant, GrantRequest, ListGrants, RevokeGrant, ShowGrant, names};
use crate::{App, Error, Result};

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GrantBody {
    /// The `@id` of a template of the active policies, such as `grant.agent-tool`.
    template: String,
    /// `Agent:NAME` or `User:NAME` (or by id), `Group:NAME`, `Role:NAME`.
    principal: String,
    /// `Tool:NAME` (or by id), or `ToolSet:TAG`.
    resource: String,
}

#[derive(Serialize, JsonSchema)]
pub struct GrantView {
    id: Uuid,
    template: String,
    /// What the template says.
    title: String,
    /// By kind and id, as in `Agent:0199…`.
    principal: String,
    resource: String,
    /// What decisions call it.
    policy: String,
    created_by: Uuid,
    created_at: Timestamp,
    updated_at: Timestamp,
}

pub fn parse_create(call: &Call) -> Result<CreateGrant> {
    let GrantBody { template, principal, resource } = call.json()?;
    Ok(CreateGrant::new(GrantRequest { template, principal, resource }))
}

pub async fn create(app: Arc<App>, permit: Permit<CreateGrant>) -> Result<Response> {
    if let Some(why) = permit.resource().unfit() {
        return Err(Error::field("/template", why.to_string()));
    }
    let principal = principal(&app, &permit.action().request().principal)?;
    let grant = app.grants.create(permit, principal, &app.authz.bundle()).await?;
    Ok(created(show(&app, &grant), &format!("/api/v1/grants/{}", grant.id)))
}

pub fn parse_list(call: &Call) -> Result<ListGrants> {
    let (after, page_size) = call.page()?;
    Ok(ListGrants { after, page_size })
}

pub fn list(visible: &Visible<ListGrants>) -> Response {
    page(visible, |it| view(it.grant(), it.title().to_owned()))
}

pub fn parse_show(call: &Call) -> Result<ShowGrant> {
    Ok(ShowGrant(call.id("grant")?))
}

pub async fn get(_: Arc<App>, permit: Permit<ShowGrant>) -> Result<Response> {
    let shown = permit.resource();
    Ok(tagged(&view(shown.grant(), shown.title().to_owned()), 1, StatusCode::OK))
}

pub fn parse_revoke(call: &Call) -> Result<RevokeGrant> {
    call.empty()?;
    Ok(RevokeGrant(call.id("grant")?))
}

pub async fn revoke(app: Arc<App>, permit: Permit<RevokeGrant>) -> Result<Response> {
    app.grants.revoke(permit).await?;
    Ok(no_content())
}

/// Whom a grant is for, by what people write.
fn principal(app: &App, text: &str) -> Result<EntityUid> {
    let known = app.directory.snapshot();
    let found = names::meant(text, &known).ok_or_else(nobody)?;
    let kind = Kind::of(found.type_name()).ok_or_else(nobody)?;
    if matches!(kind, Kind::Group | Kind::Role) {
        let mut there_are = names::known(kind, &app.authz.bundle(), &known);
        if kind == Kind::Group {
            // Whoever signs in first may be in one that is empty yet.
            let to_come = app.federation.providers().iter().flat_map(Provider::source_of);
            there_are.extend(to_come.cloned());
        }
        let name = found.id().unescaped();
        if !there_are.contains(name) {
            return Err(Error::field("/principal", names::unknown(kind, name, &there_are)));
        }
    }
    Ok(found)
}

fn nobody() -> Error {
    let how = "nobody is called so: `Agent:NAME`, `User:NAME`, `Group:NAME` or `Role:NAME`";
    Error::field("/principal", how)
}

fn show(app: &App, grant: &Grant) -> Response {
    let bundle = app.authz.bundle();
    let title = bundle.meta(&grant.link.template).map(|it| it.title.clone());
    tagged(&view(grant, title.unwrap_or_default()), 1, StatusCode::OK)
}

fn view(it: &Grant, title: String) -> GrantView {
    let shown = |uid: &EntityUid| String::from(Reference(uid.clone()));
    GrantView {
        id: it.id,
        template: it.link.template.clone(),
        title,
        principal: shown(it.principal()),
        resource: shown(it.resource()),
        policy: it.link.id.clone(),
        created_by: it.created_by,
        created_at: time(it.created_at),
        updated_at: time(it.created_at),
    }
}
