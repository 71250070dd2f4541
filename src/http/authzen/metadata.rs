//! `/.well-known/authzen-configuration`: where the policy decision point is asked.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use warp::reply::{Reply as _, Response, json};

use super::super::call::Call;
use super::super::well_known::cached;
use crate::{App, Result};

/// Policy Decision Point Metadata (AuthZEN 1.0), with the endpoint of the Access Request and
/// Approval Profile.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AuthzenMetadata")]
pub struct Metadata {
    policy_decision_point: String,
    access_evaluation_endpoint: String,
    access_evaluations_endpoint: String,
    search_subject_endpoint: String,
    search_resource_endpoint: String,
    search_action_endpoint: String,
    access_request_endpoint: String,
}

pub async fn metadata(app: Arc<App>, _: Call) -> Result<Response> {
    let base = app.approvals.public_url();
    let below = |path: &str| format!("{base}/access/v1/{path}");
    let metadata = Metadata {
        policy_decision_point: base.to_string(),
        access_evaluation_endpoint: below("evaluation"),
        access_evaluations_endpoint: below("evaluations"),
        search_subject_endpoint: below("search/subject"),
        search_resource_endpoint: below("search/resource"),
        search_action_endpoint: below("search/action"),
        access_request_endpoint: below("requests"),
    };
    Ok(cached(json(&metadata).into_response()))
}
