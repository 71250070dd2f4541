//! Redeeming the code that a provider sent somebody back with (OpenID Connect Core section 3.1.3,
//! RFC 7636).

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::discovery::Discovered;
use super::untrusted::Untrusted;
use super::{Federation, Provider};
use crate::authz::Warrant;
use crate::net::outbound::Ask;

const TIME_MAX: Duration = Duration::from_secs(2);

/// What a code is good for.
#[derive(Deserialize)]
pub struct Exchanged {
    pub id_token: Option<String>,
    pub access_token: Option<String>,
}

impl Federation {
    #[expect(clippy::disallowed_methods, reason = "nobody is signed in yet")]
    pub(super) async fn redeem(
        &self,
        provider: &Provider,
        found: &Discovered,
        code: &str,
        verifier: &SecretString,
    ) -> Result<Exchanged, Untrusted> {
        let ask = redemption(provider, found, code, verifier)?;
        let warrant = Warrant::system("exchange_code", &self.clock);
        let answer = self.outbound.call(&warrant, ask).await?;
        if answer.status == StatusCode::BAD_REQUEST || answer.status == StatusCode::UNAUTHORIZED {
            return Err(Untrusted::Code);
        }
        Ok(answer.json()?)
    }
}

fn redemption(
    provider: &Provider,
    found: &Discovered,
    code: &str,
    verifier: &SecretString,
) -> Result<Ask, Untrusted> {
    let url = found.token_endpoint.as_deref().and_then(|it| Url::parse(it).ok());
    let url = url.ok_or(Untrusted::Discovery)?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs([
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &provider.redirect_uri),
        ("code_verifier", verifier.expose_secret()),
    ]);
    let mut headers = HeaderMap::new();
    match &provider.secret {
        Some(secret) if !found.wants_secret_in_body() => {
            headers.insert(header::AUTHORIZATION, basic(&provider.client_id, secret)?);
        }
        Some(secret) => {
            form.append_pair("client_id", &provider.client_id);
            form.append_pair("client_secret", secret.expose_secret());
        }
        None => drop(form.append_pair("client_id", &provider.client_id)),
    }
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    Ok(Ask {
        method: Method::POST,
        headers,
        body: form.finish().into(),
        time_max: TIME_MAX,
        ..Ask::get(url.clone(), provider.issuer.reach(&url))
    })
}

/// RFC 6749 section 2.3.1: both are form-encoded first.
fn basic(id: &str, secret: &SecretString) -> Result<HeaderValue, Untrusted> {
    let encoded = |it: &str| byte_serialize(it.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose_secret()));
    let value = HeaderValue::from_str(&format!("Basic {}", BASE64_STANDARD.encode(pair)));
    let mut value = value.map_err(|_| Untrusted::Code)?;
    value.set_sensitive(true);
    Ok(value)
}
