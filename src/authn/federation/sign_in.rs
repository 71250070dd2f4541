//! Signing in with a provider: there with a code challenge and a nonce, back with a code (OpenID
//! Connect Core section 3.1, OAuth 2.1, RFC 9207).

use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use jsonwebtoken::Algorithm;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256, Sha512};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::discovery::Discovered;
use super::issuer::{Believed, TOKEN_BYTES_MAX};
use super::untrusted::Untrusted;
use super::{Federation, Person, Provider};
use crate::audit::entry::Origin;
use crate::authn::Authn;
use crate::authn::oauth::BrowserSecret;
use crate::authn::proofs::Unverified;
use crate::authn::single_use::Kind as Use;
use crate::authz::Warrant;
use crate::net::outbound::Ask;
use crate::{Error, Result};

pub(super) const EVENT: &str = "auth.federation";
/// How long somebody may take at the provider.
const LIFE: Duration = Duration::from_secs(600);
/// How old an identity token may be, in seconds: it was made for this sign-in.
const AGE_MAX: i64 = 300;
const EXCHANGE_TIME_MAX: Duration = Duration::from_secs(2);
/// What of an error code is written down.
const CODE_CHARS_MAX: usize = 64;

/// What the provider sent the browser back with.
#[derive(Clone, Copy, Debug)]
pub struct Returned<'a> {
    pub state: Option<&'a str>,
    pub code: Option<&'a str>,
    pub error: Option<&'a str>,
    pub issuer: Option<&'a str>,
}

/// Somebody whom a provider vouches for.
#[derive(Debug)]
pub struct SignedInElsewhere {
    pub person: Person,
    /// What the sign-in is for, as it was given to [`Authn::begin_elsewhere`].
    pub request: String,
}

/// A sign-in that is under way at a provider.
#[derive(Serialize, Deserialize)]
struct UnderWay {
    request: String,
}

#[derive(Deserialize)]
struct Exchanged {
    id_token: Option<String>,
    access_token: Option<String>,
}

impl Authn {
    /// Where a browser goes to sign in with a provider. `request` is what it signs in for.
    ///
    /// What the provider's answer is checked by never leaves the browser and us: nonce and code
    /// verifier follow from the browser's secret, and the state is good in that browser only.
    #[expect(clippy::disallowed_methods, reason = "nobody is signed in yet")]
    pub async fn begin_elsewhere(
        &self,
        federation: &Federation,
        provider: &Provider,
        browser: &BrowserSecret,
        request: &str,
        origin: &Origin,
    ) -> Result<String> {
        let found = match federation.entrance(provider).await {
            Ok(it) => it,
            Err(untrusted) => return Err(self.distrust(EVENT, &untrusted, origin).await),
        };
        let under_way = UnderWay { request: request.to_owned() };
        let bound = browser.seal("federation", provider.name())?;
        let (state, insert) =
            self.single_use.issue(Use::FederationState, &bound, &under_way, LIFE)?;
        let state = state.expose_secret();
        let (nonce, verifier) = (nonce(browser, state)?, verifier(browser, state)?);
        let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose_secret()));
        let mut location = found;
        location.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &provider.client_id),
            ("redirect_uri", &provider.redirect_uri),
            ("scope", &provider.scope),
            ("state", state),
            ("nonce", &nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let warrant = Warrant::system("begin_federation", &self.clock);
        warrant.note("issuer", provider.name());
        self.ledger.commit(&warrant, vec![insert]).await?;
        Ok(location.into())
    }

    /// Who came back. Whatever is wrong is written down, and ends the sign-in: its state was used.
    ///
    /// # Errors
    /// [`Error::Unauthenticated`] when the provider's word is not taken, [`Error::Unavailable`]
    /// when it cannot be asked.
    pub async fn finish_elsewhere(
        &self,
        federation: &Federation,
        provider: &Provider,
        browser: &BrowserSecret,
        returned: Returned<'_>,
        origin: &Origin,
    ) -> Result<SignedInElsewhere> {
        let state = SecretString::from(returned.state.unwrap_or_default());
        let Some(request) = self.spend_state(provider, browser, &state).await? else {
            return Err(self.distrust(EVENT, &Untrusted::State, origin).await);
        };
        let state = state.expose_secret();
        let (nonce, verifier) = (nonce(browser, state)?, verifier(browser, state)?);
        match federation.person(provider, returned, &nonce, &verifier).await {
            Ok(person) => Ok(SignedInElsewhere { person, request }),
            Err(untrusted) => Err(self.distrust(EVENT, &untrusted, origin).await),
        }
    }

    /// What the sign-in was for, if this browser began it and it is used now for the first time.
    #[expect(clippy::disallowed_methods, reason = "nobody is signed in yet")]
    async fn spend_state(
        &self,
        provider: &Provider,
        browser: &BrowserSecret,
        state: &SecretString,
    ) -> Result<Option<String>> {
        let bound = browser.seal("federation", provider.name())?;
        let found = self.single_use.recall(Use::FederationState, state).await?;
        let Some(found) = found.filter(|it| it.is_good_for(&bound)) else { return Ok(None) };
        let UnderWay { request } = found.body()?;
        let warrant = Warrant::system("finish_federation", &self.clock);
        warrant.note("issuer", provider.name());
        match self.ledger.commit(&warrant, vec![found.spend(None)]).await {
            Ok(()) => Ok(Some(request)),
            Err(Error::Conflict(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Federation {
    async fn entrance(&self, provider: &Provider) -> Result<Url, Untrusted> {
        let found = self.discover(&provider.issuer).await?;
        let url = found.authorization_endpoint.as_deref().and_then(|it| Url::parse(it).ok());
        let url = url.ok_or(Untrusted::Discovery)?;
        // A browser is sent there, with what must not be read on the way.
        let safe = url.scheme() == "https" || provider.issuer.owns(&url);
        if safe { Ok(url) } else { Err(Untrusted::Discovery) }
    }

    async fn person(
        &self,
        provider: &Provider,
        returned: Returned<'_>,
        nonce: &str,
        verifier: &SecretString,
    ) -> Result<Person, Untrusted> {
        let found = self.discover(&provider.issuer).await?;
        let says_who = found.authorization_response_iss_parameter_supported;
        match returned.issuer {
            Some(it) if it != provider.issuer.url => return Err(Untrusted::MixedUp),
            None if says_who => return Err(Untrusted::MixedUp),
            _ => {}
        }
        if let Some(error) = returned.error {
            let known = |it: &char| it.is_ascii_lowercase() || *it == '_';
            let code = error.chars().filter(known).take(CODE_CHARS_MAX).collect();
            return Err(Untrusted::Ended(code));
        }
        let code = returned.code.ok_or(Untrusted::Code)?;
        let exchanged = self.exchange(redemption(provider, &found, code, verifier)?).await?;
        let token = exchanged.id_token.as_deref().ok_or(Untrusted::Code)?;
        let token = Unverified::read(token, TOKEN_BYTES_MAX)?;
        let believed = self.believe(&provider.issuer, token).await?;
        let now = self.clock.micros() / 1_000_000;
        check(provider, &believed, nonce, exchanged.access_token.as_deref(), now)?;
        Ok(provider.person(believed.subject, &believed.claims))
    }

    #[expect(clippy::disallowed_methods, reason = "nobody is signed in yet")]
    async fn exchange(&self, ask: Ask) -> Result<Exchanged, Untrusted> {
        let warrant = Warrant::system("exchange_code", &self.clock);
        let answer = self.outbound.call(&warrant, ask).await?;
        if answer.status == StatusCode::BAD_REQUEST || answer.status == StatusCode::UNAUTHORIZED {
            return Err(Untrusted::Code);
        }
        Ok(answer.json()?)
    }
}

/// The request that redeems a code.
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
        time_max: EXCHANGE_TIME_MAX,
        ..Ask::get(url.clone(), provider.issuer.reach(&url))
    })
}

/// That the token is the answer to this very sign-in, and for nobody else.
pub(super) fn check(
    provider: &Provider,
    believed: &Believed,
    nonce: &str,
    access_token: Option<&str>,
    now: i64,
) -> Result<(), Untrusted> {
    let claims = &believed.claims;
    let authorized = claims.get("azp").is_none_or(|it| *it == provider.client_id.as_str());
    if !believed.is_for_only(&provider.client_id) || !authorized {
        return Err(Untrusted::Audience);
    }
    if claims.text("nonce") != Some(nonce) {
        return Err(Untrusted::Nonce);
    }
    if claims.seconds("iat").is_none_or(|it| it + AGE_MAX < now) {
        return Err(Untrusted::Time);
    }
    match (claims.get("at_hash"), access_token) {
        (None, _) => Ok(()),
        (Some(hash), Some(token)) if *hash == half_hash(token, believed.algorithm) => Ok(()),
        (Some(_), _) => Err(Untrusted::AccessToken),
    }
}

/// The left half of a hash of the same strength as the signature (OpenID Connect Core section
/// 3.1.3.6).
fn half_hash(token: &str, algorithm: Algorithm) -> String {
    let whole = match algorithm {
        Algorithm::EdDSA => Sha512::digest(token).to_vec(),
        _ => Sha256::digest(token).to_vec(),
    };
    let half = whole.get(..whole.len() / 2).unwrap_or_default();
    BASE64_URL_SAFE_NO_PAD.encode(half)
}

fn nonce(browser: &BrowserSecret, state: &str) -> Result<String> {
    browser.seal("federation nonce", state)
}

/// 43 characters of base64url, as RFC 7636 section 4.1 asks for.
fn verifier(browser: &BrowserSecret, state: &str) -> Result<SecretString> {
    Ok(browser.seal("federation verifier", state)?.into())
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
