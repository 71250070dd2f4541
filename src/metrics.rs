//! Every figure that is exposed, named in one place. Labels are bounded: templates, actions, outcomes;
//! never an id or anything a caller typed.

use std::time::Duration;

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::authz::facts::Risk;

const REQUESTS: &str = "gatewright_http_requests_total";
const REQUEST_SECONDS: &str = "gatewright_http_request_duration_seconds";
const DECISIONS: &str = "gatewright_decisions_total";
const DECISION_SECONDS: &str = "gatewright_decision_duration_seconds";
const VEND_SECONDS: &str = "gatewright_credential_issue_duration_seconds";
const VERIFY_SECONDS: &str = "gatewright_credential_verify_duration_seconds";
const CREDENTIALS_LIVE: &str = "gatewright_credentials_live";
const QUOTA_REFUSALS: &str = "gatewright_quota_refusals_total";
const EVALUATION_ERRORS: &str = "gatewright_policy_evaluation_errors_total";
const COMMIT_SECONDS: &str = "gatewright_store_commit_duration_seconds";
const COMMIT_ENTRIES: &str = "gatewright_store_commit_entries";
const SIGN_INS: &str = "gatewright_sign_ins_total";
const UNAUTHENTICATED: &str = "gatewright_unauthenticated_total";
const OUTBOUND: &str = "gatewright_outbound_calls_total";
const CALL_SECONDS: &str = "gatewright_call_seconds";
const OUTBOUND_SECONDS: &str = "gatewright_outbound_call_duration_seconds";
const PROBES: &str = "gatewright_probes_total";
const QUARANTINES: &str = "gatewright_tool_quarantines_total";
const VAULT: &str = "gatewright_vault_calls_total";
const VAULT_SECONDS: &str = "gatewright_vault_call_duration_seconds";
const SHADOW: &str = "gatewright_shadow_decisions_total";
const POLICY_DEGRADED: &str = "gatewright_policy_bundle_degraded";
const POLICY_REFUSED: &str = "gatewright_policy_bundles_refused_total";
const POLICY_INFO: &str = "gatewright_policy_bundle_info";
pub const PANICS: &str = "gatewright_panics_total";

const SECONDS: &[f64] =
    &[25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 0.5, 2.0, 10.0];
const ENTRIES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Installs the recorder for this process and describes what it will hold.
pub fn install() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), SECONDS)?
        .set_buckets_for_metric(Matcher::Full(COMMIT_ENTRIES.into()), ENTRIES)?
        .install_recorder()?;
    describe();
    Ok(handle)
}

fn describe() {
    describe_counter!(REQUESTS, "Requests answered, by method, route template and status.");
    describe_histogram!(REQUEST_SECONDS, Unit::Seconds, "Time to answer a request.");
    describe_counter!(DECISIONS, "Policy decisions, by Cedar action and outcome.");
    describe_histogram!(DECISION_SECONDS, Unit::Seconds, "Time Cedar and its facts take.");
    describe_histogram!(VEND_SECONDS, Unit::Seconds, "Time to mint a credential and commit it.");
    describe_histogram!(VERIFY_SECONDS, Unit::Seconds, "Time to verify a credential online.");
    describe_gauge!(CREDENTIALS_LIVE, "Credentials that are neither expired nor revoked.");
    describe_counter!(QUOTA_REFUSALS, "Denials that a quota took part in, by Cedar action.");
    describe_counter!(EVALUATION_ERRORS, "Decisions denied because a policy failed to evaluate.");
    describe_histogram!(COMMIT_SECONDS, Unit::Seconds, "Time of one group commit.");
    describe_histogram!(COMMIT_ENTRIES, "Audit entries in one group commit.");
    describe_counter!(UNAUTHENTICATED, "Requests refused for want of proof who is asking.");
    describe_counter!(PROBES, "Probes of MCP servers, by outcome.");
    describe_counter!(QUARANTINES, "Tools that their server was found to have changed.");
    describe_counter!(OUTBOUND, "Calls to the outside, by outcome.");
    describe_histogram!(OUTBOUND_SECONDS, Unit::Seconds, "Time a call to the outside takes.");
    describe_histogram!(CALL_SECONDS, Unit::Seconds, "Time a call of a tool takes, by outcome.");
    describe_counter!(VAULT, "Calls to Vault, by operation and outcome.");
    describe_histogram!(
        VAULT_SECONDS,
        Unit::Seconds,
        "Time a call to Vault takes, sign-in included."
    );
    describe_counter!(SIGN_INS, "Sign-ins with a good first proof, by risk and outcome.");
    describe_counter!(SHADOW, "Live decisions under a shadowed bundle, by how they differ.");
    describe_gauge!(POLICY_DEGRADED, "1 while policies are refused and older ones go on deciding.");
    describe_counter!(POLICY_REFUSED, "Changed policies that were refused.");
    describe_gauge!(POLICY_INFO, "1 for the digest of the bundle that decides.");
    describe_counter!(PANICS, "Requests that ended in a panic.");
    counter!(PANICS).absolute(0);
    counter!(POLICY_REFUSED).absolute(0);
    gauge!(POLICY_DEGRADED).set(0.0);
    counter!(EVALUATION_ERRORS).absolute(0);
    gauge!(CREDENTIALS_LIVE).set(0.0);
}

pub fn request(method: &'static str, route: &'static str, status: u16, took: Duration) {
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.to_string()),
    ];
    counter!(REQUESTS, &labels).increment(1);
    histogram!(REQUEST_SECONDS, "route" => route).record(took);
}

pub fn decision(action: &'static str, outcome: &'static str, took: Duration) {
    counter!(DECISIONS, "action" => action, "outcome" => outcome).increment(1);
    histogram!(DECISION_SECONDS, "action" => action).record(took);
}

pub fn vended(took: Duration) {
    histogram!(VEND_SECONDS).record(took);
}

pub fn verified(outcome: &'static str, took: Duration) {
    histogram!(VERIFY_SECONDS, "outcome" => outcome).record(took);
}

pub fn credentials_live(count: f64) {
    gauge!(CREDENTIALS_LIVE).set(count);
}

pub fn quota_refusal(action: &'static str) {
    counter!(QUOTA_REFUSALS, "action" => action).increment(1);
}

/// `result`: `same`, `opened`, `closed`, or `skipped` when it was not decided again.
pub fn shadow(result: &'static str) {
    counter!(SHADOW, "result" => result).increment(1);
}

pub fn evaluation_error() {
    counter!(EVALUATION_ERRORS).increment(1);
}

/// 1 while older policies than the newest go on deciding, else 0.
pub fn policy_degraded(now: f64) {
    gauge!(POLICY_DEGRADED).set(now);
}

pub fn policy_refused() {
    counter!(POLICY_REFUSED).increment(1);
}

/// Few digests are ever active in the life of a process.
pub fn policy_active(before: &str, now: &str) {
    gauge!(POLICY_INFO, "digest" => before.to_owned()).set(0.0);
    gauge!(POLICY_INFO, "digest" => now.to_owned()).set(1.0);
}

pub fn unauthenticated() {
    counter!(UNAUTHENTICATED).increment(1);
}

/// A call of a tool through the gateway. `outcome`: `result`, `error` as the tool says, or what
/// kept it from giving either.
pub fn call(outcome: &'static str, took: Duration) {
    histogram!(CALL_SECONDS, "outcome" => outcome).record(took);
}

/// `outcome`: `opened`, `held` for a second factor, `unproven` for want of it, or `denied`.
pub fn sign_in(risk: Risk, outcome: &'static str) {
    counter!(SIGN_INS, "risk" => risk.as_str(), "outcome" => outcome).increment(1);
}

pub fn commit_time(took: Duration) {
    histogram!(COMMIT_SECONDS).record(took);
}

pub fn commit_size(entries: usize) {
    histogram!(COMMIT_ENTRIES).record(entries as f64);
}

pub fn probe(outcome: &'static str) {
    counter!(PROBES, "outcome" => outcome).increment(1);
}

pub fn quarantined(tools: usize) {
    counter!(QUARANTINES).increment(tools as u64);
}

pub fn outbound(outcome: &'static str, took: Duration) {
    counter!(OUTBOUND, "outcome" => outcome).increment(1);
    histogram!(OUTBOUND_SECONDS).record(took);
}

pub fn vault(operation: &'static str, outcome: &'static str, took: Duration) {
    counter!(VAULT, "operation" => operation, "outcome" => outcome).increment(1);
    histogram!(VAULT_SECONDS, "operation" => operation).record(took);
}
