//! `/access/v1/evaluation`, `/evaluations` and `/search/…`: OpenID AuthZEN Authorization API 1.0.

mod evaluation;
mod metadata;
mod search;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::call::Call;
use crate::authn::Caller;
use crate::queries::Inquiry;
use crate::{App, Error, Result};

pub use self::evaluation::{Evaluated, EvaluationsBody, evaluation, evaluations};
pub use self::metadata::{Metadata, metadata};
pub use self::search::{
    ActionSearchBody, ResourceSearchBody, SearchAnswer, SubjectSearchBody, actions, resources,
    subjects,
};

fn inquiry<'a>(app: &'a App, caller: &'a Caller) -> Inquiry<'a> {
    Inquiry::new(&app.authz, caller, app.credential_ttl_seconds, app.clock.monotonic())
}

/// The body as JSON. Whatever is wrong with it is a bad request: AuthZEN has no other word for it.
fn body<T: DeserializeOwned + JsonSchema>(call: &Call) -> Result<T> {
    call.json().map_err(bad_request)
}

fn bad_request(error: Error) -> Error {
    match error {
        Error::Invalid(faults) => {
            let told: Vec<String> = faults
                .into_iter()
                .map(|it| match it.pointer.is_empty() {
                    true => it.detail,
                    false => format!("`{}` {}", it.pointer, it.detail),
                })
                .collect();
            Error::Malformed(told.join("; "))
        }
        it @ Error::UnsupportedMediaType { .. } => Error::Malformed(it.to_string()),
        other => other,
    }
}
