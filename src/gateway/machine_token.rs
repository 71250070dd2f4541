//! Access tokens that tools' own authorization servers give Gatewright (RFC 6749 section 4.4).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use super::Gateway;
use super::failure::{Failure, FailureKind};
use super::proof::not_ready;
use super::upstream::Outgoing;
use crate::authz::Warrant;
use crate::net::outbound::Ask;
use crate::registry::ClientCredentials;

const TIME_MAX: Duration = Duration::from_secs(5);
const BYTES_MAX: usize = 64 * 1024;
/// A token is not used for its last moments, nor one without a stated life for long.
const MARGIN_MICROS: i64 = 30_000_000;
const LIFE_MICROS: i64 = 300_000_000;
const LIFE_SECONDS_MAX: i64 = 86_400;

/// Tokens by tool, each for the revision that it was got for.
#[derive(Default)]
pub(super) struct MachineTokens(Mutex<HashMap<Uuid, Kept>>);

struct Kept {
    revision: i64,
    token: SecretString,
    until: i64,
}

#[derive(Deserialize)]
struct Given {
    access_token: SecretString,
    token_type: String,
    expires_in: Option<i64>,
}

impl MachineTokens {
    fn find(&self, tool: Uuid, revision: i64, now: i64) -> Option<SecretString> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(&tool).filter(|it| it.revision == revision && it.until > now)?;
        Some(kept.token.clone())
    }

    fn keep(&self, tool: Uuid, kept: Kept) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(tool, kept);
    }

    /// Forgets a token that its tool does not take.
    pub(super) fn forget(&self, tool: Uuid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&tool);
    }
}

impl Gateway {
    /// A token for the tool: the one that is known, or a new one.
    pub(super) async fn machine_token(
        &self,
        warrant: &Warrant,
        client: &ClientCredentials,
        secret: &SecretString,
        outgoing: &Outgoing<'_>,
    ) -> Result<SecretString, Failure> {
        let tool = outgoing.called.reached();
        let now = self.clock.micros();
        if let Some(known) = self.machine_tokens.find(tool.id, tool.revision, now) {
            return Ok(known);
        }
        let unreadable = |_| not_ready("a token, and its `token_url` is none");
        let ask = Ask {
            method: Method::POST,
            headers: headers(client, secret)?,
            body: body(client)?,
            time_max: TIME_MAX,
            bytes_max: BYTES_MAX,
            ..Ask::get(Url::parse(&client.token_url).map_err(unreadable)?, outgoing.limits.reach)
        };
        let refused = || {
            let detail = "the tool's authorization server gives Gatewright no token";
            Failure::unsent(FailureKind::NotReady, detail)
        };
        let answer = self.outbound.call(warrant, ask).await.map_err(|_| refused())?;
        let given: Given = answer.json().map_err(|_| refused())?;
        if !given.token_type.eq_ignore_ascii_case("bearer") {
            return Err(refused());
        }
        let life =
            given.expires_in.map_or(LIFE_MICROS, |it| it.clamp(0, LIFE_SECONDS_MAX) * 1_000_000);
        let token = given.access_token;
        let until = now + life - MARGIN_MICROS;
        self.machine_tokens
            .keep(tool.id, Kept { revision: tool.revision, token: token.clone(), until });
        Ok(token)
    }
}

/// The client proves itself by `client_secret_basic` (RFC 6749 section 2.3.1).
fn headers(client: &ClientCredentials, secret: &SecretString) -> Result<HeaderMap, Failure> {
    let encoded = |it: &str| utf8_percent_encode(it, NON_ALPHANUMERIC).to_string();
    let pair = SecretString::from(format!(
        "{}:{}",
        encoded(&client.client_id),
        encoded(secret.expose_secret())
    ));
    let basic =
        SecretString::from(format!("Basic {}", BASE64_STANDARD.encode(pair.expose_secret())));
    let mut basic = HeaderValue::from_str(basic.expose_secret())
        .map_err(|_| not_ready("a secret that can stand in a header"))?;
    basic.set_sensitive(true);
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    let json = HeaderValue::from_static("application/json");
    Ok(HeaderMap::from_iter([(AUTHORIZATION, basic), (CONTENT_TYPE, form), (ACCEPT, json)]))
}

fn body(client: &ClientCredentials) -> Result<Bytes, Failure> {
    let mut pairs = vec![("grant_type", "client_credentials".to_owned())];
    if !client.scopes.is_empty() {
        let scopes: Vec<&str> = client.scopes.iter().map(String::as_str).collect();
        pairs.push(("scope", scopes.join(" ")));
    }
    let body = serde_urlencoded::to_string(&pairs)
        .map_err(|_| not_ready("scopes that can be asked for"))?;
    Ok(body.into())
}
