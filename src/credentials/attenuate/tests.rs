//! What each kind of narrowing leaves, and what cannot be narrowed.

use biscuit_auth::UnverifiedBiscuit;
use secrecy::ExposeSecret;
use serde_json::json;

use super::*;
use crate::credentials::fixture::{HOLDER, NOW, draft, later, token, verifier, verify};
use crate::credentials::mint::Draft;
use crate::credentials::verify::{Reason, Request, Revocations};

fn narrow(narrowing: &Narrowing) -> String {
    attenuate(&token(&draft()), narrowing).unwrap().expose_secret().to_owned()
}

fn narrow_argument(admits: Admits) -> String {
    let arguments = vec![ArgumentCheck { pointer: "/x".to_owned(), admits }];
    narrow(&Narrowing { arguments, ..Narrowing::default() })
}

fn refusal(token: &str, request: &Request) -> Result<(), Reason> {
    let result = verifier().verify(token, request, Revocations::Unchecked, *NOW);
    result.map(drop).map_err(|it| it.reason)
}

fn error(narrowing: &Narrowing) -> AttenuateError {
    attenuate(&token(&draft()), narrowing).unwrap_err()
}

#[test]
fn fewer_scopes() {
    let token = narrow(&Narrowing { scopes: Some(["read".into()].into()), ..Narrowing::default() });
    assert_eq!(refusal(&token, &Request::new("read")), Ok(()));
    assert_eq!(refusal(&token, &Request::new("translate")), Err(Reason::Scope));
    assert_eq!(Vec::from_iter(verify(&token, "read").unwrap().scopes), ["read"]);
}

#[test]
fn an_earlier_expiry_only() {
    let until = |at| narrow(&Narrowing { expires_at: Some(at), ..Narrowing::default() });
    assert_eq!(verify(&until(later(60)), "read").unwrap().expires_at, later(60));
    assert_eq!(verify(&until(later(9000)), "read").unwrap().expires_at, later(900));
    assert_eq!(refusal(&until(*NOW), &Request::new("read")), Err(Reason::Expired));
}

#[test]
fn another_key_besides_the_first() {
    let narrowing = Narrowing { holder: Some("sub-agent".to_owned()), ..Narrowing::default() };
    let free = narrow(&narrowing);
    assert_eq!(refusal(&free, &Request::new("read")), Err(Reason::Holder));
    assert_eq!(refusal(&free, &Request::new("read").holder_proved("sub-agent")), Ok(()));

    let bound = token(&Draft { holder: Some(HOLDER.to_owned()), ..draft() });
    let bound = attenuate(&bound, &narrowing).unwrap();
    let bound = bound.expose_secret();
    let sub_agent = Request::new("read").holder_proved("sub-agent");
    assert_eq!(refusal(bound, &sub_agent), Err(Reason::Holder));
    assert_eq!(refusal(bound, &sub_agent.holder_proved(HOLDER)), Ok(()));
}

#[test]
fn certain_arguments() {
    let (yes, no) = (Ok(()), Err(Reason::Argument));
    let number = |it: &str| it.parse::<Number>().unwrap();
    let cases = [
        (Admits::Equal(json!("de")), json!("de"), yes),
        (Admits::Equal(json!("de")), json!("fr"), no),
        (Admits::Equal(json!("1")), json!(1), no),
        (Admits::Equal(json!(1)), json!("1"), no),
        (Admits::Equal(json!(1)), json!(1.0), yes),
        (Admits::Equal(json!(1)), json!(1.5), no),
        (Admits::Equal(json!(1.5)), json!(1.5), yes),
        (Admits::Equal(json!(true)), json!(true), yes),
        (Admits::Equal(json!(true)), json!(false), no),
        (Admits::OneOf(vec![json!("de"), json!(2)]), json!(2), yes),
        (Admits::OneOf(vec![json!("de"), json!(2)]), json!("fr"), no),
        (Admits::AtMost(number("500")), json!(500), yes),
        (Admits::AtMost(number("500")), json!(499.9999), yes),
        (Admits::AtMost(number("500")), json!(500.0001), no),
        (Admits::AtMost(number("500")), json!("5"), no),
        (Admits::AtMost(number("0.5")), json!(0.5), yes),
        (Admits::AtMost(number("0.5")), json!(1), no),
        (Admits::AtMost(number("500")), json!(0.00001), no),
        (Admits::AtMost(number("500")), json!(-1e300), no),
        (Admits::AtLeast(number("500")), json!(500), yes),
        (Admits::AtLeast(number("500")), json!(0.05), no),
        (Admits::AtLeast(number("-0.5")), json!(-1), no),
        (Admits::Prefix("https://".to_owned()), json!("https://example.com"), yes),
        (Admits::Prefix("https://".to_owned()), json!("http://example.com"), no),
    ];
    for (admits, value, expected) in cases {
        let token = narrow_argument(admits.clone());
        let request = Request::new("read").argument("/x", &value).unwrap();
        assert_eq!(refusal(&token, &request), expected, "{admits:?} of {value}");
        assert_eq!(refusal(&token, &Request::new("read")), no, "{admits:?} of nothing");
    }
}

#[test]
fn bounds_hold_for_verifiers_that_supply_whole_numbers_only() {
    let only_number = |token: &str, value: i64| {
        let request = Request::new("read").argument("/x", &json!(value)).unwrap();
        refusal(token, &request.without("call.decimal/x"))
    };
    let most = narrow_argument(Admits::AtMost("-0.5".parse().unwrap()));
    let least = narrow_argument(Admits::AtLeast("0.5".parse().unwrap()));
    assert_eq!(only_number(&most, -1), Ok(()));
    assert_eq!(only_number(&most, 0), Err(Reason::Argument));
    assert_eq!(only_number(&least, 1), Ok(()));
    assert_eq!(only_number(&least, 0), Err(Reason::Argument));
}

#[test]
fn several_times_over() {
    let once = narrow(&Narrowing { scopes: Some(draft().scopes), ..Narrowing::default() });
    let narrowing = Narrowing { scopes: Some(["read".into()].into()), ..Narrowing::default() };
    let twice = attenuate(&once, &narrowing).unwrap();
    let verified = verify(twice.expose_secret(), "read").unwrap();
    assert_eq!((verified.scopes.len(), verified.revocation_ids.len()), (1, 3));
}

#[test]
fn what_makes_no_sense_is_said() {
    let scopes = |it: &[&str]| Narrowing {
        scopes: Some(it.iter().map(|it| (*it).to_owned()).collect()),
        ..Narrowing::default()
    };
    let argument = |admits| Narrowing {
        arguments: vec![ArgumentCheck { pointer: "/x".to_owned(), admits }],
        ..Narrowing::default()
    };
    assert_eq!(
        error(&scopes(&["admin"])).to_string(),
        "the credential does not grant `admin`, only `read`, `translate`"
    );
    assert!(matches!(error(&Narrowing::default()), AttenuateError::Nothing));
    assert!(matches!(error(&scopes(&[])), AttenuateError::NoScopes));
    let fine = Admits::AtMost("1.00001".parse().unwrap());
    assert!(matches!(error(&argument(fine)), AttenuateError::Number(_)));
    assert!(matches!(error(&argument(Admits::Equal(json!([])))), AttenuateError::Value(_)));
    assert!(matches!(error(&argument(Admits::OneOf(vec![]))), AttenuateError::Nothing));
    let early = Narrowing { expires_at: Some(Timestamp::MIN), ..Narrowing::default() };
    assert!(matches!(error(&early), AttenuateError::Expiry));
    let long = Admits::Prefix("x".repeat(TOKEN_BYTES_MAX));
    assert!(matches!(error(&argument(long)), AttenuateError::TooLarge(_)));
    assert!(matches!(attenuate("?", &scopes(&["read"])), Err(AttenuateError::Token(_))));
}

#[test]
fn a_sealed_token_stays_as_it_is() {
    let sealed = UnverifiedBiscuit::from_base64(token(&draft())).unwrap().seal().unwrap();
    let narrowing = Narrowing { expires_at: Some(later(1)), ..Narrowing::default() };
    let result = attenuate(&sealed.to_base64().unwrap(), &narrowing);
    assert!(matches!(result, Err(AttenuateError::Sealed)));
    assert!(verify(&sealed.to_base64().unwrap(), "read").is_ok());
}
