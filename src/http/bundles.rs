//! `/api/v1/bundles`

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use warp::http::StatusCode;
use warp::reply::Response;

use super::approvals::fit_reason;
use super::call::Call;
use super::list::{created, page, tagged, time};
use super::multipart;
use crate::authz::{Permit, Visible};
use crate::policy::bundles::{
    ActivateBundle, CheckBundle, Discount, DraftBundle, ListBundles, Made, Origin, Report,
    ReviewBundle, RollBackBundle, ShowBundle, State, Stored, Verdict,
};
use crate::{App, Error, Result};

/// Filters of the list, for the API document.
pub const FILTERS: &[(&str, &str)] = &[
    ("state", "`draft`, `checked`, `active` or `retired`; all when left out."),
    ("page_size", "1 to 200, 50 by default."),
    ("page_token", "`next_page_token` of the page before."),
];

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftBody {
    /// Text by path: `schemas/*.cedarschema`, `policies/**/*.cedar`, `policies/links.toml`,
    /// `policies/history.toml` and `policies/tests/**`. The root tier comes with the server.
    files: BTreeMap<String, String>,
    /// What it is for: at most 500 characters.
    note: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReviewBody {
    /// `yes`, `no`, or `none` to take back what one said before.
    verdict: Word,
    /// Why: at most 500 characters, which everybody who sees the bundle can read.
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Yes,
    No,
    None,
}

#[derive(Serialize, JsonSchema)]
pub struct BundleView {
    pub id: Uuid,
    /// SHA-256 over its files: what decisions record.
    digest: String,
    state: State,
    origin: Origin,
    author: AuthorNamed,
    /// The digest of the bundle that was active when it was drafted; empty for the first.
    base: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    /// Whether it has tests of its own, and they hold.
    tests_green: bool,
    invariants_hold: bool,
    /// Whether it allows something that the active bundle does not, or nobody could prove that it
    /// does not.
    widens: bool,
    /// How many recorded decisions it would turn, either way: the largest number there is where so
    /// many could not be asked again that nobody knows; missing as long as none were replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    flips: Option<i64>,
    reviews: Vec<ReviewView>,
    /// The digest of the bundle that was active when it was checked.
    checked_against: String,
    /// What the last check found. Left out of lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<Report>,
    /// Left out of lists and answers to changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<BTreeMap<String, String>>,
    created_at: Timestamp,
    updated_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    activated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retired_at: Option<Timestamp>,
}

#[derive(Serialize, JsonSchema)]
pub struct AuthorNamed {
    /// The id of a user, or `host`.
    id: String,
    name: String,
}

#[derive(Serialize, JsonSchema)]
pub struct ReviewView {
    reviewer: AuthorNamed,
    verdict: Verdict,
    reason: String,
    at: Timestamp,
    /// The digest of the bundle that was active when what was reviewed was checked; empty where that
    /// was not kept.
    against: String,
    /// Whether it counts for an activation now.
    counts: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    discount: Option<Discount>,
}

pub fn parse_draft(call: &Call) -> Result<DraftBundle> {
    let DraftBody { files, note } = match multipart::boundary(call) {
        Some(boundary) => form(call, &boundary)?,
        None => call.json()?,
    };
    if files.is_empty() {
        return Err(Error::field("/files", "must hold the files of a bundle"));
    }
    Ok(DraftBundle { files, note: fit_reason("/note", note)? })
}

/// A part for each file, named by its path, and perhaps a `note`.
fn form(call: &Call, boundary: &str) -> Result<DraftBody> {
    let (mut files, mut note) = (BTreeMap::new(), None);
    for part in multipart::parts(&call.body, boundary)? {
        match part.name.as_str() {
            "note" => note = Some(part.text),
            _ => {
                let path = part.name.clone();
                if files.insert(part.name, part.text).is_some() {
                    let detail = format!("`{}` is given more than once", path.escape_debug());
                    return Err(Error::field("/files", detail));
                }
            }
        }
    }
    Ok(DraftBody { files, note })
}

pub async fn draft(app: Arc<App>, permit: Permit<DraftBundle>) -> Result<Response> {
    let (stored, made) = app.bundles.draft(permit).await?;
    Ok(drafted(&stored, made))
}

/// A draft that is new, or the bundle of the same files that was there before.
pub fn drafted(stored: &Stored, made: Made) -> Response {
    match made {
        Made::New => created(one(stored), &format!("/api/v1/bundles/{}", stored.id)),
        Made::Before => one(stored),
    }
}

pub fn parse_list(call: &Call) -> Result<ListBundles> {
    let mut query = call.query();
    let list = ListBundles {
        state: query.word("state"),
        after: query.parsed("page_token", "a token from the page before"),
        page_size: query.page_size(),
    };
    query.end()?;
    Ok(list)
}

pub fn list(visible: &Visible<ListBundles>) -> Response {
    page(visible, |it| view(it))
}

pub fn parse_show(call: &Call) -> Result<ShowBundle> {
    Ok(ShowBundle { bundle: call.id("bundle")? })
}

pub async fn get(app: Arc<App>, permit: Permit<ShowBundle>) -> Result<Response> {
    let stored = permit.resource();
    let files = Some(app.bundles.files_of(stored.id).await?);
    Ok(tagged(&BundleView { files, ..whole(stored) }, stored.revision, StatusCode::OK))
}

pub fn parse_check(call: &Call) -> Result<CheckBundle> {
    call.empty()?;
    Ok(CheckBundle { bundle: call.id("bundle")? })
}

pub async fn check(app: Arc<App>, permit: Permit<CheckBundle>) -> Result<Response> {
    Ok(one(&*app.bundles.check(permit).await?))
}

pub fn parse_review(call: &Call) -> Result<ReviewBundle> {
    let ReviewBody { verdict, reason } = call.json()?;
    let reason = fit_reason("/reason", reason)?;
    if reason.is_none() && verdict != Word::None {
        return Err(Error::field("/reason", "say why"));
    }
    let verdict = match verdict {
        Word::Yes => Some(Verdict::Yes),
        Word::No => Some(Verdict::No),
        Word::None => None,
    };
    let bundle = call.id("bundle")?;
    Ok(ReviewBundle { bundle, verdict, reason: reason.unwrap_or_default() })
}

pub async fn review(app: Arc<App>, permit: Permit<ReviewBundle>) -> Result<Response> {
    Ok(one(&*app.bundles.review(permit).await?))
}

pub fn parse_activate(call: &Call) -> Result<ActivateBundle> {
    call.empty()?;
    Ok(ActivateBundle::new(call.id("bundle")?))
}

pub async fn activate(app: Arc<App>, permit: Permit<ActivateBundle>) -> Result<Response> {
    Ok(one(&*app.bundles.activate(permit, &app.authz).await?))
}

pub fn parse_rollback(call: &Call) -> Result<RollBackBundle> {
    call.empty()?;
    Ok(RollBackBundle::new(call.id("bundle")?))
}

pub async fn roll_back(app: Arc<App>, permit: Permit<RollBackBundle>) -> Result<Response> {
    Ok(one(&*app.bundles.roll_back(permit, &app.authz).await?))
}

fn one(stored: &Stored) -> Response {
    tagged(&whole(stored), stored.revision, StatusCode::OK)
}

fn whole(it: &Stored) -> BundleView {
    BundleView { report: Some(it.report.clone()), ..view(it) }
}

fn view(it: &Stored) -> BundleView {
    BundleView {
        id: it.id,
        digest: it.digest.clone(),
        state: it.state,
        origin: it.origin,
        author: AuthorNamed { id: it.author.clone(), name: it.author_name.clone() },
        base: it.base.clone(),
        note: it.note.clone(),
        tests_green: it.tests_green,
        invariants_hold: it.invariants_hold,
        widens: it.widens,
        flips: it.flips,
        reviews: it.reviews.iter().map(review_view).collect(),
        checked_against: it.checked_against.clone(),
        report: None,
        files: None,
        created_at: time(it.created_at),
        updated_at: time(it.updated_at),
        activated_at: it.activated_at.map(time),
        retired_at: it.retired_at.map(time),
    }
}

fn review_view(it: &crate::policy::bundles::Review) -> ReviewView {
    ReviewView {
        reviewer: AuthorNamed { id: it.reviewer.to_string(), name: it.reviewer_name.clone() },
        verdict: it.verdict,
        reason: it.reason.clone(),
        at: time(it.at),
        against: it.against.clone(),
        counts: it.discount.is_none(),
        discount: it.discount,
    }
}
