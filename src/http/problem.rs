//! The one place that renders an error (RFC 9457).

use schemars::JsonSchema;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use warp::http::{HeaderValue, StatusCode, header};
use warp::reply::{Reply as _, Response};

use crate::authn::factors::Means;
use crate::authn::oauth::scopes;
use crate::authn::proofs::ALGORITHMS;
use crate::authn::risk::Reason;
use crate::authz::facts::Risk;
use crate::credentials::verify::Reason as Refused;
use crate::error::{Denial, FieldFault, Fix};
use crate::{Error, Unproven};

const REALM: &str = "Bearer realm=\"gatewright\"";
pub const DPOP_NONCE: header::HeaderName = header::HeaderName::from_static("dpop-nonce");

/// How long a client should wait for a dependency to come back, in seconds.
const RETRY_SECONDS: u64 = 2;

/// A problem document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Problem {
    #[serde(rename = "type")]
    pub kind: String,
    pub title: &'static str,
    pub status: u16,
    pub detail: String,
    /// The id of the request.
    pub instance: String,
    pub code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<Vec<Fix>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<FieldFault>>,
    /// Why a credential does not hold, or does not admit this: a verifier's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Refused>,
    /// What the tool said, where it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Value>,
    /// What `/api/v1/auth/mfa` goes on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mfa_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk: Option<Risk>,
    /// Why the sign-in is rated so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub risk_reasons: Option<Vec<Reason>>,
    /// What a second factor can be proven with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_factors: Option<Vec<Means>>,
}

impl Problem {
    fn denied(&mut self, denial: Denial) {
        self.detail = denial.detail;
        self.decision_id = Some(denial.decision_id.to_string());
        self.reasons = Some(denial.reasons);
        self.fix = Some(denial.fixes);
    }
}

/// The answer to an error. A server fault is logged here, once, and not told.
pub fn render(error: Error, request_id: &str) -> Response {
    let (problem, extra) = describe(error, request_id);
    answer(&problem, extra)
}

/// The problem document alone, for answers that hold several.
pub fn document(error: Error, request_id: &str) -> Problem {
    describe(error, request_id).0
}

/// What an error is told as, and the headers that tell of it.
fn describe(error: Error, request_id: &str) -> (Problem, Vec<(header::HeaderName, String)>) {
    log(&error, request_id);
    let status = error.status();
    let mut problem = Problem {
        kind: format!("/problems/{}", error.code()),
        title: error.title(),
        status,
        detail: error.to_string(),
        instance: request_id.to_owned(),
        code: error.code(),
        decision_id: None,
        reasons: None,
        fix: None,
        errors: None,
        reason: None,
        upstream: None,
        mfa_token: None,
        risk: None,
        risk_reasons: None,
        second_factors: None,
    };
    let mut extra = Vec::new();
    match error {
        Error::Unauthenticated(unproven) => {
            extra.extend(nonce(&unproven));
            if let Unproven::Credential(reason) = &unproven {
                problem.reason = Some(*reason);
            }
            extra.push((header::WWW_AUTHENTICATE, challenge(&unproven)));
        }
        Error::SecondFactor(challenge) => {
            problem.mfa_token = challenge.token.map(|it| it.expose_secret().to_owned());
            problem.risk = Some(challenge.risk);
            problem.risk_reasons = Some(challenge.risk_reasons);
            problem.second_factors = Some(challenge.means);
            extra.push((header::WWW_AUTHENTICATE, REALM.to_owned()));
        }
        Error::Denied(denial) | Error::QuotaExceeded(denial) => {
            let wait = denial.fixes.iter().find_map(|it| it.retry_after_seconds);
            extra.extend(insufficient_scope(&denial).map(|it| (header::WWW_AUTHENTICATE, it)));
            extra.extend(wait.map(|it| (header::RETRY_AFTER, it.to_string())));
            problem.denied(*denial);
        }
        Error::RiskBlocked(denial, rating) => {
            problem.denied(*denial);
            problem.risk = Some(rating.risk);
            problem.risk_reasons = Some(rating.reasons);
        }
        Error::AccessRequest(fault) => problem.kind = fault.kind(),
        Error::Invalid(faults) => problem.errors = Some(faults),
        Error::NotAdmitted { reason, .. } => {
            problem.reason = Some(reason);
            let challenge = format!("{REALM}, error=\"insufficient_scope\"");
            extra.push((header::WWW_AUTHENTICATE, challenge));
        }
        Error::Upstream(failure) => problem.upstream = failure.said,
        Error::MethodNotAllowed { allow } => extra.push((header::ALLOW, allow)),
        Error::TooMany { retry_after_seconds } => {
            extra.push((header::RETRY_AFTER, retry_after_seconds.to_string()));
        }
        Error::Unavailable { .. } => extra.push((header::RETRY_AFTER, RETRY_SECONDS.to_string())),
        _ => {}
    }
    (problem, extra)
}

/// Logs a server fault.
pub fn log(error: &Error, request_id: &str) {
    if let Error::Internal(cause) = error {
        tracing::error!(request_id, error = format!("{cause:#}"), "internal error");
    }
}

/// RFC 6750 section 3: an error is named only where a token was sent.
fn challenge(unproven: &Unproven) -> String {
    match unproven {
        Unproven::BadToken | Unproven::Credential(_) => format!("{REALM}, error=\"invalid_token\""),
        Unproven::NotHolder(fault) => {
            let (code, algorithms) = (fault.code(), ALGORITHMS.join(" "));
            format!("DPoP realm=\"gatewright\", error=\"{code}\", algs=\"{algorithms}\"")
        }
        Unproven::NoToken
        | Unproven::BadRefreshToken
        | Unproven::BadSecret
        | Unproven::BadGrant
        | Unproven::BadMfaToken
        | Unproven::BadFactor
        | Unproven::Distrusted
        | Unproven::UnknownPerson
        | Unproven::Assertion(_) => REALM.to_owned(),
    }
}

/// RFC 6750 section 3.1: a client can ask its person for the scopes that are missing.
pub fn insufficient_scope(denial: &Denial) -> Option<String> {
    let missing = denial.fixes.iter().flat_map(|it| &it.token_scopes);
    let missing: Vec<&str> = missing.map(String::as_str).collect();
    let text = missing.join(" ");
    // What can be asked for: a tool may require scopes that no request can name.
    let asked = scopes::parse(&text).ok().filter(|it| it.len() == missing.len())?;
    (!asked.is_empty()).then(|| format!("{REALM}, error=\"insufficient_scope\", scope=\"{text}\""))
}

/// The nonce that a DPoP proof is to be made with (RFC 9449 section 8).
fn nonce(unproven: &Unproven) -> Option<(header::HeaderName, String)> {
    let Unproven::NotHolder(fault) = unproven else { return None };
    fault.nonce().map(|it| (DPOP_NONCE, it.to_owned()))
}

fn answer(problem: &Problem, extra: Vec<(header::HeaderName, String)>) -> Response {
    let mut response = warp::reply::json(problem).into_response();
    *response.status_mut() =
        StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    for (name, value) in extra {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}
