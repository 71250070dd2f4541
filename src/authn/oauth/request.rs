//! An authorization request (OAuth 2.1 section 4.1.1), judged before anybody is asked anything.
//!
//! Until client and redirect address are known to belong together, a fault is shown on a page of
//! ours: sending anything anywhere would make us an open redirector. From then on it is sent back.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::client::Client;
use super::metadata::Grant;
use super::parameters::{Parameters, Repeated};
use super::pkce::Challenge;
use super::redirect::RedirectUri;
use super::resources::Resources;
use super::scopes;

const STATE_CHARS_MAX: usize = 512;

/// What a client asks a person for.
#[derive(Clone, Debug, PartialEq)]
pub struct AuthorizationRequest {
    pub redirect_uri: RedirectUri,
    pub state: Option<String>,
    pub challenge: Challenge,
    /// What it names, or else what it was registered with, or else nothing in particular.
    pub scopes: Option<BTreeSet<String>>,
    /// The audience of the tokens to come.
    pub audience: String,
    pub prompt: Prompt,
    /// The thumbprint of the key that the code is bound to (RFC 9449 section 10).
    pub key: Option<String>,
}

/// What the person has to be asked, whatever is known already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    AsNeeded,
    /// Nothing: whatever would need an answer is refused.
    Never,
    SignIn,
    Consent,
    SignInAndConsent,
}

/// Why a request goes no further.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Told to the person; nothing is sent anywhere.
    Here(String),
    /// Told to the client.
    Back(Box<Back>),
}

/// An answer that is sent back to the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Back {
    pub redirect_uri: RedirectUri,
    pub state: Option<String>,
    pub error: &'static str,
    pub description: String,
}

impl From<Repeated> for Refusal {
    fn from(it: Repeated) -> Refusal {
        Refusal::Here(format!("The application's request is wrong: {it}."))
    }
}

/// The id of the client that asks.
///
/// # Errors
/// It is missing or there is more than one.
pub fn client_id(parameters: Parameters<'_>) -> Result<&str, Refusal> {
    let missing = || Refusal::Here("The application does not say which it is (client_id).".into());
    parameters.one("client_id")?.ok_or_else(missing)
}

impl AuthorizationRequest {
    /// # Errors
    /// The first fault, and who may be told of it.
    pub fn read(
        parameters: Parameters<'_>,
        client: &Client,
        resources: &Resources,
    ) -> Result<AuthorizationRequest, Refusal> {
        let redirect_uri = redirect_uri(parameters, client)?;
        let state = state(parameters);
        // A state that cannot be echoed is not: the fault says so.
        let echoed = state.as_ref().ok().cloned().flatten();
        let back = |Fault(error, description)| {
            let redirect_uri = redirect_uri.clone();
            let state = echoed.clone();
            Refusal::Back(Box::new(Back { redirect_uri, state, error, description }))
        };
        supported(parameters, client).map_err(back)?;
        Ok(AuthorizationRequest {
            state: state.map_err(back)?,
            challenge: challenge(parameters).map_err(back)?,
            scopes: scopes(parameters, client).map_err(back)?,
            audience: audience(parameters, resources).map_err(back)?,
            prompt: prompt(parameters).map_err(back)?,
            key: key(parameters).map_err(back)?,
            redirect_uri: redirect_uri.clone(),
        })
    }

    /// The answer that refuses this request.
    pub fn refuse(&self, error: &'static str, description: impl Into<String>) -> Back {
        Back {
            redirect_uri: self.redirect_uri.clone(),
            state: self.state.clone(),
            error,
            description: description.into(),
        }
    }
}

impl Back {
    /// The address that carries the answer; `issuer` is us (RFC 9207), so that nobody takes the
    /// answer for another server's.
    pub fn location(&self, issuer: &str) -> String {
        let mut pairs = vec![("error", self.error), ("error_description", &self.description)];
        pairs.extend(self.state.as_deref().map(|it| ("state", it)));
        pairs.push(("iss", issuer));
        self.redirect_uri.with(&pairs)
    }
}

impl Prompt {
    pub fn is_never(self) -> bool {
        self == Prompt::Never
    }

    pub fn wants_sign_in(self) -> bool {
        matches!(self, Prompt::SignIn | Prompt::SignInAndConsent)
    }

    pub fn wants_consent(self) -> bool {
        matches!(self, Prompt::Consent | Prompt::SignInAndConsent)
    }

    /// What is left to ask once the person has signed in, as a client would write it.
    pub fn after_sign_in(self) -> Option<&'static str> {
        match self {
            Prompt::AsNeeded | Prompt::SignIn => None,
            Prompt::Never => Some("none"),
            Prompt::Consent | Prompt::SignInAndConsent => Some("consent"),
        }
    }
}

/// An error code of RFC 6749 section 4.1.2.1 or one of its kin, and its sentence.
struct Fault(&'static str, String);

impl From<Repeated> for Fault {
    fn from(it: Repeated) -> Fault {
        Fault("invalid_request", it.to_string())
    }
}

fn invalid(description: &str) -> Fault {
    Fault("invalid_request", description.to_owned())
}

fn redirect_uri(parameters: Parameters<'_>, client: &Client) -> Result<RedirectUri, Refusal> {
    let here = |text: &str| Refusal::Here(text.to_owned());
    let registered = &client.metadata.redirect_uris;
    match (parameters.one("redirect_uri")?, registered.as_slice()) {
        (Some(text), _) => {
            RedirectUri::parse(text).ok().filter(|it| client.admits(it)).ok_or_else(|| {
                here("The address to return to is not one that the application registered.")
            })
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(here("The application does not say where to return to (redirect_uri).")),
    }
}

fn state(parameters: Parameters<'_>) -> Result<Option<String>, Fault> {
    let Some(state) = parameters.one("state")? else { return Ok(None) };
    let printable = |it: u8| matches!(it, 0x20..=0x7E);
    match state.len() <= STATE_CHARS_MAX && state.bytes().all(printable) {
        true => Ok(Some(state.to_owned())),
        false => Err(invalid("`state` may have at most 512 printable ASCII characters")),
    }
}

/// What we know no other way of doing than the one.
fn supported(parameters: Parameters<'_>, client: &Client) -> Result<(), Fault> {
    for (name, error) in
        [("request", "request_not_supported"), ("request_uri", "request_uri_not_supported")]
    {
        if parameters.has(name) {
            return Err(Fault(error, "send the parameters one by one".into()));
        }
    }
    if !client.may(Grant::AuthorizationCode) {
        return Err(Fault("unauthorized_client", "the client did not register for codes".into()));
    }
    match parameters.one("response_type")? {
        Some("code") => {}
        Some(_) => return Err(Fault("unsupported_response_type", "it must be `code`".into())),
        None => return Err(invalid("`response_type` is missing; it must be `code`")),
    }
    match parameters.one("response_mode")? {
        None | Some("query") => Ok(()),
        Some(_) => Err(invalid("`response_mode` can only be `query`")),
    }
}

fn challenge(parameters: Parameters<'_>) -> Result<Challenge, Fault> {
    let challenge = parameters.one("code_challenge")?;
    let challenge = challenge.ok_or_else(|| invalid("`code_challenge` is missing (RFC 7636)"))?;
    // Left out it would mean `plain`, which protects from nobody who sees the request.
    if parameters.one("code_challenge_method")? != Some("S256") {
        return Err(invalid("`code_challenge_method` must be `S256`"));
    }
    let wrong = || invalid("`code_challenge` must be a SHA-256 digest in base64url: 43 characters");
    Challenge::parse(challenge).ok_or_else(wrong)
}

fn scopes(parameters: Parameters<'_>, client: &Client) -> Result<Option<BTreeSet<String>>, Fault> {
    let Some(text) = parameters.one("scope")? else { return Ok(client.metadata.scopes.clone()) };
    let asked = scopes::parse(text).map_err(|it| Fault("invalid_scope", it.to_string()))?;
    Ok(Some(asked).filter(|it| !it.is_empty()))
}

fn audience(parameters: Parameters<'_>, resources: &Resources) -> Result<String, Fault> {
    let one = || Fault("invalid_target", "ask for one `resource` at a time".into());
    let asked = parameters.one("resource").map_err(|_| one())?;
    let found = resources.audience(asked);
    found.map(str::to_owned).map_err(|it| Fault("invalid_target", it.to_string()))
}

fn prompt(parameters: Parameters<'_>) -> Result<Prompt, Fault> {
    let words: BTreeSet<&str> =
        parameters.one("prompt")?.unwrap_or_default().split_ascii_whitespace().collect();
    let words: Vec<&str> = words.into_iter().collect();
    match words.as_slice() {
        [] => Ok(Prompt::AsNeeded),
        ["none"] => Ok(Prompt::Never),
        ["login"] => Ok(Prompt::SignIn),
        ["consent"] => Ok(Prompt::Consent),
        ["consent", "login"] => Ok(Prompt::SignInAndConsent),
        _ => Err(invalid("`prompt` may be `none`, or `login` and `consent`")),
    }
}

fn key(parameters: Parameters<'_>) -> Result<Option<String>, Fault> {
    let Some(thumbprint) = parameters.one("dpop_jkt")? else { return Ok(None) };
    let letter = |it: u8| it.is_ascii_alphanumeric() || b"-_".contains(&it);
    match thumbprint.len() == 43 && thumbprint.bytes().all(letter) {
        true => Ok(Some(thumbprint.to_owned())),
        false => Err(invalid("`dpop_jkt` must be a SHA-256 thumbprint (RFC 7638)")),
    }
}
