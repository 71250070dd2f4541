//! What Gatewright proves itself to a tool by, for one call.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};

use super::Gateway;
use super::failure::{Failure, FailureKind};
use super::upstream::Outgoing;
use crate::authz::Warrant;
use crate::registry::Auth;

/// Headers and query parameters that hold secrets.
#[derive(Default)]
pub(super) struct Proof {
    pub headers: HeaderMap,
}

impl Proof {
    /// `Authorization: Bearer` with this token.
    fn bearer(token: &SecretString) -> Result<Proof, Failure> {
        let mut proof = Proof::default();
        let value = format!("Bearer {}", token.expose_secret());
        proof.headers.insert(AUTHORIZATION, secret_value(&value)?);
        Ok(proof)
    }
}

impl Gateway {
    /// Gets what the call is to carry.
    pub(super) async fn prove(
        &self,
        _: &Warrant,
        auth: &Auth,
        outgoing: &Outgoing<'_>,
    ) -> Result<Proof, Failure> {
        match auth {
            Auth::None => Ok(Proof::default()),
            Auth::Biscuit => match &outgoing.credential {
                Some(token) => Proof::bearer(token),
                None => Err(not_ready("its credential")),
            },
            _ => Err(not_ready("a secret")),
        }
    }
}

/// A header that no log of the client's may print.
fn secret_value(text: &str) -> Result<HeaderValue, Failure> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| not_ready("a secret that fits a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn not_ready(what: &str) -> Failure {
    Failure::unsent(FailureKind::NotReady, format!("the tool cannot be called without {what}"))
}
