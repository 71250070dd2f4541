//! What a caller is told whose request is not served: a problem document (RFC 9457), and for a
//! credential that will not do the challenge of RFC 6750.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use serde_json::json;
use uuid::Uuid;

use crate::authn::proofs::{ALGORITHMS, BadProof};
use crate::credentials::verify::request::ArgumentError;
use crate::credentials::verify::{Reason, Refusal};

pub(super) type Reply = Response<BoxBody<Bytes, std::convert::Infallible>>;

/// How long to wait for what could not be verified now, in seconds.
const RETRY_SECONDS: &str = "2";
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error("this name is not one that the server answers to")]
    WrongHost,
    #[error("pages of this origin may not ask")]
    WrongOrigin,
    #[error("there is no such thing; the tools are at `/mcp`")]
    NotFound,
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request took too long to arrive")]
    Late,
    #[error("the request broke off")]
    BrokenOff,
    #[error("send a credential for this tool as `Authorization: Bearer …`")]
    NoCredential,
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    #[error("Gatewright's keys are not known here yet; try again shortly")]
    NoKeys,
    #[error(transparent)]
    Credential(#[from] Refusal),
    /// The proof of the key that the credential is bound to.
    #[error(transparent)]
    Proof(BadProof),
}

impl Refused {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refused::WrongHost => StatusCode::MISDIRECTED_REQUEST,
            Refused::WrongOrigin => StatusCode::FORBIDDEN,
            Refused::NotFound => StatusCode::NOT_FOUND,
            Refused::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Refused::Late => StatusCode::REQUEST_TIMEOUT,
            Refused::BrokenOff => StatusCode::BAD_REQUEST,
            Refused::NoCredential | Refused::Proof(_) => StatusCode::UNAUTHORIZED,
            Refused::Arguments(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Refused::NoKeys => StatusCode::SERVICE_UNAVAILABLE,
            Refused::Credential(it) => refusal_status(it.reason),
        }
    }

    /// The `code` of the problem; a refused credential's is its typed reason.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Refused::WrongHost => "wrong_host",
            Refused::WrongOrigin => "wrong_origin",
            Refused::NotFound => "not_found",
            Refused::TooLarge(_) => "too_large",
            Refused::Late => "request_timeout",
            Refused::BrokenOff => "malformed",
            Refused::NoCredential => "unauthenticated",
            Refused::Arguments(_) => "invalid",
            Refused::NoKeys => "unavailable",
            Refused::Credential(it) => it.reason.as_str(),
            Refused::Proof(it) => it.code(),
        }
    }

    /// The answer. `realm` is the server's name, `scopes` are what its tools ask for.
    pub(super) fn reply(&self, realm: &str, scopes: &[String], request: Uuid) -> Reply {
        let status = self.status();
        let detail = match self {
            Refused::Credential(it) => it.detail.clone(),
            other => other.to_string(),
        };
        let credential = match self {
            Refused::Credential(it) => it.credential_id.as_deref(),
            _ => None,
        };
        let mut problem = json!({
            "type": format!("/problems/{}", self.code()),
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": detail,
            "instance": request,
            "code": self.code(),
        });
        if let (Some(problem), Some(id)) = (problem.as_object_mut(), credential) {
            problem.insert("credential_id".to_owned(), id.into());
        }
        let mut reply = Response::new(Full::from(problem.to_string()).boxed());
        *reply.status_mut() = status;
        let headers = reply.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_SECONDS));
        }
        if let Some(it) = self.challenge(realm, scopes) {
            headers.insert(header::WWW_AUTHENTICATE, it);
        }
        if let Refused::Proof(BadProof::Nonce { fresh }) = self
            && let Ok(nonce) = HeaderValue::from_str(fresh)
        {
            headers.insert(DPOP_NONCE, nonce);
        }
        reply
    }

    /// RFC 6750 section 3: the error is named only where a credential was sent. RFC 9449 section
    /// 7.1: whoever has to prove a key is told the algorithms.
    fn challenge(&self, realm: &str, scopes: &[String]) -> Option<HeaderValue> {
        let proving = |error: &str, detail: &str| {
            let (detail, algorithms) = (quotable(detail), ALGORITHMS.join(" "));
            format!(
                "DPoP realm=\"{realm}\", error=\"{error}\", error_description=\"{detail}\", \
                 algs=\"{algorithms}\""
            )
        };
        let realm = format!("Bearer realm=\"{realm}\"");
        let text = match self {
            Refused::NoCredential => realm,
            Refused::Proof(it) => proving(it.code(), &it.to_string()),
            Refused::Credential(it) if it.reason == Reason::Holder => {
                proving("invalid_token", &it.to_string())
            }
            Refused::Credential(it) => {
                let error = match refusal_status(it.reason) {
                    StatusCode::UNAUTHORIZED => "error=\"invalid_token\"".to_owned(),
                    StatusCode::FORBIDDEN => {
                        format!("error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "))
                    }
                    _ => return None,
                };
                format!("{realm}, {error}, error_description=\"{}\"", quotable(&it.to_string()))
            }
            _ => return None,
        };
        HeaderValue::from_str(&text).ok()
    }
}

/// 401 asks for another credential, 403 for a wider one, 503 for patience.
fn refusal_status(reason: Reason) -> StatusCode {
    match reason {
        Reason::Expired
        | Reason::Holder
        | Reason::Revoked
        | Reason::Signature
        | Reason::Malformed
        | Reason::Version
        | Reason::Issuer => StatusCode::UNAUTHORIZED,
        Reason::WrongTool
        | Reason::Scope
        | Reason::Argument
        | Reason::Digest
        | Reason::OnlineOnly
        | Reason::Check => StatusCode::FORBIDDEN,
        Reason::Limits | Reason::FeedStale => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The characters that RFC 6750 section 3 lets a description have.
fn quotable(text: &str) -> String {
    text.chars()
        .map(|it| if matches!(it, ' '..='~') && !"\"\\".contains(it) { it } else { '?' })
        .collect()
}
