//! Requests, good and bad, and who is told.

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
