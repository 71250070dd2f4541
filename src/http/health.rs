//! Whether the process lives, whether it can serve, and its figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::timeout;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response, json};

use super::call::Call;
use crate::{App, Error, Result, metrics};

/// What a check says that found a lesser way of serving.
const DEGRADED: &str = "degraded";
const COUNT_TIME_MAX: Duration = Duration::from_secs(1);

#[derive(Serialize, JsonSchema)]
pub struct Live {
    status: &'static str,
}

#[derive(Serialize, JsonSchema)]
pub struct Ready {
    status: &'static str,
    /// `ok`, or what is wrong, by what was checked.
    checks: BTreeMap<&'static str, String>,
}

/// The process answers: that is all it says.
pub async fn live(_: Arc<App>, _: Call) -> Result<Response> {
    Ok(json(&Live { status: "ok" }).into_response())
}

/// Everything that a decision needs is there. What is degraded decides soundly, and stays in
/// rotation.
pub async fn ready(app: Arc<App>, _: Call) -> Result<Response> {
    let checks = app.checks().await;
    let degraded = |it: &&String| it.starts_with(DEGRADED);
    let serves = checks.values().all(|it| it == "ok" || degraded(&it));
    let status = match serves {
        true if checks.values().any(|it| degraded(&it)) => DEGRADED,
        true => "ok",
        false => "unavailable",
    };
    let mut response = json(&Ready { status, checks }).into_response();
    if !serves {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// The figures, unless they have a listener of their own.
pub async fn figures(app: Arc<App>, call: Call) -> Result<Response> {
    match app.figures_elsewhere {
        true => Err(Error::NotFound),
        false => own_figures(app, call).await,
    }
}

/// Prometheus text format 0.0.4. Without the store, what it would be asked for stays as it was:
/// the rest is wanted most just then.
pub async fn own_figures(app: Arc<App>, _: Call) -> Result<Response> {
    if let Ok(Ok(live)) = timeout(COUNT_TIME_MAX, app.credentials.live()).await {
        metrics::credentials_live(live as f64);
    }
    let mut response = app.figures.render().into_response();
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}
