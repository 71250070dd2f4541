//! `/api/v1/policies` and `/api/v1/schema`: what decides now, and changes of one policy.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use warp::http::StatusCode;
use warp::reply::Response;

use super::approvals::fit_reason;
use super::bundles::drafted;
use super::call::Call;
use super::list::tagged;
use crate::authz::Permit;
use crate::policy::bundles::{Deciding, Edit, EditPolicy, ShowActive};
use crate::policy::{Fix, Meta, Tier};
use crate::{App, Error, Result};

const ID_CHARS_MAX: usize = 200;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddBody {
    /// The policy with its annotations.
    text: String,
    /// The file that it stands in, below the policy directory: `90-added.cedar` by default.
    file: Option<String>,
    /// What the change is for: at most 500 characters.
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceBody {
    /// The policy with its annotations, its `@id` among them.
    text: String,
    /// What the change is for: at most 500 characters.
    note: Option<String>,
}

#[derive(Serialize, JsonSchema)]
pub struct PolicyView {
    id: String,
    title: String,
    #[schemars(with = "String")]
    tier: Tier,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    fix: Option<Fix>,
    /// Relative to the policy directory.
    file: String,
    /// From 1.
    line: usize,
    /// Whether it decides nothing until a grant links it.
    template: bool,
    text: String,
}

#[derive(Serialize, JsonSchema)]
pub struct PoliciesView {
    /// The digest of the bundle that decides now.
    digest: String,
    items: Vec<PolicyView>,
    /// Always empty: a bundle is answered whole.
    next_page_token: String,
}

#[derive(Serialize, JsonSchema)]
pub struct PolicyInForce {
    /// The digest of the bundle that decides now.
    digest: String,
    #[serde(flatten)]
    policy: PolicyView,
}

#[derive(Serialize, JsonSchema)]
pub struct SchemaView {
    /// The digest of the bundle that decides now.
    digest: String,
    files: Vec<SchemaFile>,
}

#[derive(Serialize, JsonSchema)]
pub struct SchemaFile {
    path: String,
    text: String,
}

pub fn parse_show(call: &Call) -> Result<ShowActive> {
    call.query().end()?;
    Ok(ShowActive { policy: None })
}

pub fn parse_one(call: &Call) -> Result<ShowActive> {
    Ok(ShowActive { policy: Some(call.param("policy")?.to_owned()) })
}

pub async fn list(app: Arc<App>, _: Permit<ShowActive>) -> Result<Response> {
    let deciding = deciding(&app)?;
    let items = deciding.bundle.metas().iter().map(|(id, it)| view(id, it)).collect();
    let digest = deciding.bundle.digest().to_owned();
    let view = PoliciesView { digest, items, next_page_token: String::new() };
    Ok(tagged(&view, deciding.revision, StatusCode::OK))
}

pub async fn get(app: Arc<App>, permit: Permit<ShowActive>) -> Result<Response> {
    let deciding = deciding(&app)?;
    let id = permit.action().policy.as_deref().unwrap_or_default();
    let meta = deciding.bundle.meta(id).ok_or(Error::NotFound)?;
    let digest = deciding.bundle.digest().to_owned();
    let view = PolicyInForce { digest, policy: view(id, meta) };
    Ok(tagged(&view, deciding.revision, StatusCode::OK))
}

pub async fn schema(app: Arc<App>, _: Permit<ShowActive>) -> Result<Response> {
    let deciding = deciding(&app)?;
    let bundle = &deciding.bundle;
    let file = |it: &crate::policy::SourceFile| SchemaFile {
        path: format!("schemas/{}", it.name),
        text: it.text.clone(),
    };
    let files = bundle.sources().schema.iter().map(file).collect();
    let view = SchemaView { digest: bundle.digest().to_owned(), files };
    Ok(tagged(&view, deciding.revision, StatusCode::OK))
}

fn deciding(app: &App) -> Result<Arc<Deciding>> {
    app.bundles.deciding().ok_or(Error::Unavailable { what: "the policy bundle" })
}

pub fn parse_add(call: &Call) -> Result<EditPolicy> {
    let AddBody { text, file, note } = call.json()?;
    if file.as_ref().is_some_and(|it| !it.ends_with(".cedar")) {
        return Err(Error::field("/file", "must end in `.cedar`"));
    }
    edit(Edit::Add { text: fit_text(text)?, file }, note)
}

pub fn parse_replace(call: &Call) -> Result<EditPolicy> {
    let ReplaceBody { text, note } = call.json()?;
    edit(Edit::Replace { id: id(call)?, text: fit_text(text)? }, note)
}

pub fn parse_remove(call: &Call) -> Result<EditPolicy> {
    edit(Edit::Remove { id: id(call)? }, None)
}

fn edit(edit: Edit, note: Option<String>) -> Result<EditPolicy> {
    Ok(EditPolicy { edit, note: fit_reason("/note", note)? })
}

fn id(call: &Call) -> Result<String> {
    let id = call.param("policy")?;
    if id.chars().count() > ID_CHARS_MAX { Err(Error::NotFound) } else { Ok(id.to_owned()) }
}

fn fit_text(text: String) -> Result<String> {
    match text.trim().is_empty() {
        true => Err(Error::field("/text", "must be a policy")),
        false => Ok(text),
    }
}

pub async fn draft(app: Arc<App>, permit: Permit<EditPolicy>) -> Result<Response> {
    let (stored, made) = app.bundles.edit(permit).await?;
    Ok(drafted(&stored, made))
}

fn view(id: &str, it: &Meta) -> PolicyView {
    PolicyView {
        id: id.to_owned(),
        title: it.title.clone(),
        tier: it.tier,
        fix: it.fix,
        file: it.file.clone(),
        line: it.line,
        template: it.template,
        text: it.text.clone(),
    }
}
