//! How a client shows who it is at the token endpoint: by one way, and not by two (RFC 6749
//! section 2.3.1).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use secrecy::{ExposeSecret as _, SecretString};
use warp::http::{HeaderMap, HeaderValue, header};

use crate::authn::proofs::{Assertion, BadAssertion};
use crate::http::call::decoded;

/// What a form holds of it.
pub struct Fields<'a> {
    pub client_id: Option<&'a str>,
    pub client_secret: Option<&'a SecretString>,
    pub client_assertion_type: Option<&'a str>,
    pub client_assertion: Option<&'a SecretString>,
}

/// What it showed; nothing of it is proven yet.
#[derive(Debug)]
pub enum Shown<'a> {
    Secret {
        id: String,
        secret: SecretString,
    },
    Assertion(Assertion<'a>),
    /// A name alone, which is all that a public client has.
    Id(&'a str),
}

/// Why that shows nothing.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum NotShown {
    #[error(
        "prove who you are in one way: by HTTP Basic, by a secret in the body or by an assertion"
    )]
    Twice,
    #[error(
        "send client_id and client_secret, by HTTP Basic or in the body, or a client assertion"
    )]
    Nothing,
    #[error(transparent)]
    Assertion(#[from] BadAssertion),
}

impl<'a> Shown<'a> {
    pub fn read(headers: &HeaderMap, fields: &Fields<'a>) -> Result<Shown<'a>, NotShown> {
        let basic = headers.get(header::AUTHORIZATION);
        let kind = fields.client_assertion_type.filter(|_| fields.client_assertion.is_some());
        match (basic, fields.client_secret, fields.client_assertion) {
            (Some(value), None, None) => {
                let (id, secret) = by_basic(value).ok_or(NotShown::Nothing)?;
                Shown::named(Shown::Secret { id, secret }, fields)
            }
            (None, Some(secret), None) => {
                let id = fields.client_id.ok_or(NotShown::Nothing)?.to_owned();
                Ok(Shown::Secret { id, secret: secret.clone() })
            }
            (None, None, Some(text)) => {
                let assertion = Assertion::read(kind.unwrap_or_default(), text.expose_secret())?;
                Shown::named(Shown::Assertion(assertion), fields)
            }
            (None, None, None) => fields.client_id.map(Shown::Id).ok_or(NotShown::Nothing),
            _ => Err(NotShown::Twice),
        }
    }

    /// Whom the client says that it is.
    pub fn claimed(&self) -> &str {
        match self {
            Shown::Secret { id, .. } => id,
            Shown::Assertion(assertion) => assertion.claimed(),
            Shown::Id(id) => id,
        }
    }

    /// A name in the body beside it is the same name.
    fn named(shown: Shown<'a>, fields: &Fields<'a>) -> Result<Shown<'a>, NotShown> {
        let same = fields.client_id.is_none_or(|it| it == shown.claimed());
        if same { Ok(shown) } else { Err(NotShown::Nothing) }
    }
}

fn by_basic(value: &HeaderValue) -> Option<(String, SecretString)> {
    let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?.into()))
}

/// Both halves are form-encoded first (RFC 6749 section 2.3.1).
fn form_decoded(text: &str) -> Option<String> {
    Some(decoded(&text.replace('+', " "))?.into_owned())
}
