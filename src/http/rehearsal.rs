//! `/api/v1/bundles/{bundle}/replay`, `/api/v1/bundles/{bundle}/shadow`, `/api/v1/shadow` and
//! `/api/v1/agents/{agent}/suggestion`

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;
use warp::reply::{Reply as _, Response, json};

use super::call::{Call, Query};
use super::list::no_content;
use crate::authz::Permit;
use crate::policy::rehearsal::{CastShadow, LiftShadow, ReplayBundle, ShowShadow, SuggestFor};
use crate::policy::replay::{Group, Since};
use crate::policy::shadow::{Counts, Sample, Seen, Shadowed};
use crate::{App, Error, Result};

pub const WINDOW: &[(&str, &str)] =
    &[("since", "Where the window begins: `30d` (the default), `12h`, `15m`, or RFC 3339.")];
pub const SAMPLE: &[(&str, &str)] =
    &[("sample_percent", "Which part of all decisions: 1 to 100, all by default.")];

/// What the shadow has seen in the process that answers.
#[derive(Serialize, JsonSchema)]
pub struct ShadowView {
    /// What is shadowed; none when nothing is.
    bundle: Option<Uuid>,
    digest: Option<String>,
    sample_percent: Option<u8>,
    since: Option<Timestamp>,
    counts: Counts,
    /// Decisions that come out otherwise, by who asked about what, those with the most first.
    groups: Vec<Group>,
    /// Flips that are in no group, because there are too many groups.
    ungrouped: usize,
}

pub fn parse_replay(call: &Call) -> Result<ReplayBundle> {
    call.empty()?;
    let bundle = call.id("bundle")?;
    let mut query = call.query();
    let since = since(&mut query);
    query.end()?;
    Ok(ReplayBundle { bundle, since })
}

pub async fn replay(app: Arc<App>, permit: Permit<ReplayBundle>) -> Result<Response> {
    Ok(json(&app.rehearsal.replay(permit, &app.audit).await?).into_response())
}

pub fn parse_suggest(call: &Call) -> Result<SuggestFor> {
    let agent = call.param("agent")?.to_owned();
    let mut query = call.query();
    let since = since(&mut query);
    query.end()?;
    Ok(SuggestFor { agent, since })
}

pub async fn suggest(app: Arc<App>, permit: Permit<SuggestFor>) -> Result<Response> {
    let suggestion = app.rehearsal.suggest(&permit, &app.audit).await?;
    Ok(json(&suggestion.ok_or(Error::NotFound)?).into_response())
}

pub fn parse_cast(call: &Call) -> Result<CastShadow> {
    call.empty()?;
    let bundle = call.id("bundle")?;
    let mut query = call.query();
    let expected = "a number from 1 to 100";
    let percent = query.parsed("sample_percent", expected).unwrap_or(100);
    let sample = Sample::percent(percent).unwrap_or_else(|| {
        query.fault("sample_percent", &format!("must be {expected}"));
        Sample::ALL
    });
    query.end()?;
    Ok(CastShadow { bundle, sample })
}

pub async fn cast(app: Arc<App>, permit: Permit<CastShadow>) -> Result<Response> {
    app.rehearsal.cast(permit).await?;
    Ok(no_content())
}

pub fn parse_lift(call: &Call) -> Result<LiftShadow> {
    call.empty()?;
    Ok(LiftShadow)
}

pub async fn lift(app: Arc<App>, permit: Permit<LiftShadow>) -> Result<Response> {
    app.rehearsal.lift(permit.warrant()).await?;
    Ok(no_content())
}

pub fn parse_show(_: &Call) -> Result<ShowShadow> {
    Ok(ShowShadow)
}

pub async fn show(app: Arc<App>, permit: Permit<ShowShadow>) -> Result<Response> {
    let (shadowed, seen) = app.rehearsal.seen(&permit).unzip();
    let Seen { counts, groups, ungrouped } = seen.unwrap_or_default();
    let of = shadowed.as_ref();
    let view = ShadowView {
        bundle: of.map(|it: &Shadowed| it.id),
        digest: of.map(|it| it.bundle.digest().to_owned()),
        sample_percent: of.map(|it| it.sample.as_percent()),
        since: of.map(|it| it.since),
        counts,
        groups,
        ungrouped,
    };
    Ok(json(&view).into_response())
}

fn since(query: &mut Query<'_>) -> Since {
    let expected = "like `30d`, `12h` or `15m`, or an RFC 3339 timestamp";
    query.parsed("since", expected).unwrap_or_default()
}
