//! An authorization request (OAuth 2.1 section 4.1.1), judged before anybody is asked anything.
//!
//! Until client and redirect address are known to belong together, a fault is shown on a page of
//! ours: sending anything anywhere would make us an open redirector. From then on it is sent back.

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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::client::Known;
    use super::super::metadata::ClientMetadata;
    use super::*;

    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    const CALLBACK: &str = "https://client.example/cb";

    fn client(more: &[&str]) -> Client {
        let uris: Vec<&str> = [CALLBACK].iter().chain(more).copied().collect();
        let document = json!({ "redirect_uris": uris, "scope": "read:public" });
        let metadata = ClientMetadata::parse(&document).unwrap();
        Client::new("client".into(), Known::Registered { at: 0 }, metadata, None).unwrap()
    }

    fn resources() -> Resources {
        Resources::new("https://gate.example", "https://gate.example", &[])
    }

    fn good() -> Vec<(String, String)> {
        let pairs = [
            ("client_id", "client"),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("state", "s t&ate"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    }

    fn with(name: &str, value: &str) -> Vec<(String, String)> {
        let mut pairs = good();
        pairs.retain(|(it, _)| it != name);
        pairs.push((name.to_owned(), value.to_owned()));
        pairs
    }

    fn read(pairs: &[(String, String)]) -> Result<AuthorizationRequest, Refusal> {
        AuthorizationRequest::read(Parameters::new(pairs), &client(&[]), &resources())
    }

    fn back(pairs: &[(String, String)]) -> Back {
        match read(pairs) {
            Err(Refusal::Back(it)) => *it,
            other => panic!("{pairs:?}: {other:?}"),
        }
    }

    #[test]
    fn a_good_request_is_read_whole() {
        let request = read(&good()).unwrap();
        assert_eq!(request.state.as_deref(), Some("s t&ate"));
        assert_eq!(request.scopes, Some(["read:public".to_owned()].into()), "as registered");
        assert_eq!(request.audience, "https://gate.example");
        assert_eq!(request.prompt, Prompt::AsNeeded);
        let asked = read(&with("scope", "b a b")).unwrap().scopes;
        assert_eq!(asked, Some(["a", "b"].map(str::to_owned).into()));
        let ignored = read(&with("nonce", "whatever")).unwrap();
        assert_eq!(ignored, request);
    }

    #[test]
    fn nothing_is_sent_to_an_address_that_is_not_the_clients() {
        for asked in [
            "https://evil.example/cb",
            "https://client.example/cb/../evil",
            "https://client.example/cb/",
            "https://client.example/cb?x",
            "https://client.example@evil.example/cb",
            "https://client.example/cb#",
            "https://client.example:8443/cb",
            "http://client.example/cb",
            "//client.example/cb",
            "https://client.example/%63b",
        ] {
            let pairs = with("redirect_uri", asked);
            assert!(matches!(read(&pairs), Err(Refusal::Here(_))), "{asked}");
        }
        for name in ["redirect_uri", "client_id"] {
            let mut twice = good();
            twice.extend(with(name, CALLBACK).pop());
            let refused = client_id(Parameters::new(&twice)).err().or(read(&twice).err());
            assert!(matches!(refused, Some(Refusal::Here(_))), "{name}");
        }
        assert!(matches!(client_id(Parameters::new(&[])), Err(Refusal::Here(_))));
    }

    #[test]
    fn an_address_may_be_left_out_where_there_is_only_one() {
        let pairs = with("redirect_uri", "");
        assert_eq!(read(&pairs).unwrap().redirect_uri.as_str(), CALLBACK);
        let two = client(&["https://client.example/other"]);
        let refused = AuthorizationRequest::read(Parameters::new(&pairs), &two, &resources());
        assert!(matches!(refused, Err(Refusal::Here(_))));
    }

    #[test]
    fn every_other_fault_goes_back_with_its_code() {
        for (name, value, error) in [
            ("response_type", "", "invalid_request"),
            ("response_type", "token", "unsupported_response_type"),
            ("response_type", "code id_token", "unsupported_response_type"),
            ("response_mode", "fragment", "invalid_request"),
            ("response_mode", "form_post", "invalid_request"),
            ("code_challenge", "", "invalid_request"),
            ("code_challenge", "short", "invalid_request"),
            ("code_challenge_method", "", "invalid_request"),
            ("code_challenge_method", "plain", "invalid_request"),
            ("code_challenge_method", "s256", "invalid_request"),
            ("scope", "a\u{7}", "invalid_scope"),
            ("resource", "https://other.example", "invalid_target"),
            ("resource", "https://gate.example/#x", "invalid_target"),
            ("prompt", "none login", "invalid_request"),
            ("prompt", "select_account", "invalid_request"),
            ("request", "eyJ", "request_not_supported"),
            ("request", "", "request_not_supported"),
            ("request_uri", "https://client.example/r", "request_uri_not_supported"),
            ("dpop_jkt", "x", "invalid_request"),
        ] {
            let back = back(&with(name, value));
            assert_eq!(back.error, error, "{name}={value}");
            assert_eq!(back.state.as_deref(), Some("s t&ate"), "{name}={value}");
        }
        for name in ["response_type", "code_challenge", "scope", "prompt", "state", "resource"] {
            let mut twice = good();
            twice.extend([(name.to_owned(), "x".into()), (name.to_owned(), "x".into())]);
            let expected = if name == "resource" { "invalid_target" } else { "invalid_request" };
            assert_eq!(back(&twice).error, expected, "{name} twice");
        }
    }

    #[test]
    fn a_state_that_cannot_be_echoed_is_refused_without_it() {
        for state in ["x".repeat(513), "ä".into(), "a\nb".into()] {
            let back = back(&with("state", &state));
            assert_eq!((back.error, back.state), ("invalid_request", None));
        }
    }

    #[test]
    fn an_answer_names_us_and_echoes_the_state() {
        let location = back(&with("response_type", "token")).location("https://gate.example");
        assert_eq!(
            location,
            "https://client.example/cb?error=unsupported_response_type\
             &error_description=it+must+be+%60code%60&state=s+t%26ate\
             &iss=https%3A%2F%2Fgate.example"
        );
    }
}
