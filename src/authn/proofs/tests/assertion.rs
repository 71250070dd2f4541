//! Client assertions, honest and not.

use proptest::prelude::*;

use super::super::{Assertion, BadAssertion, BadJws, CLIENT_ASSERTION_TYPE, KeySet, ProvenClient};
use super::*;

const NOW: i64 = 1_700_000_000;
const ISSUER: &str = "https://gate.example";
const ENDPOINT: &str = "https://gate.example/oauth/token";

fn claims() -> Value {
    json!({
        "iss": "client", "sub": "client", "aud": ISSUER, "iat": NOW, "exp": NOW + 60, "jti": "a",
    })
}

fn header(holder: &Holder) -> Value {
    json!({ "alg": holder.alg, "kid": "one" })
}

fn keys(holder: &Holder) -> KeySet {
    let other = Holder::p256().named("two");
    KeySet::parse(&json!({ "keys": [holder.named("one"), other] }), "").unwrap()
}

fn verified(text: &str, keys: &KeySet) -> Result<ProvenClient, BadAssertion> {
    let assertion = Assertion::read(CLIENT_ASSERTION_TYPE, text)?;
    assert_eq!(assertion.claimed(), "client");
    assertion.verified(keys, &[ISSUER, ENDPOINT], NOW)
}

fn fault(text: &str, keys: &KeySet) -> Option<BadAssertion> {
    verified(text, keys).err()
}

#[test]
fn an_honest_assertion_proves_its_client() {
    for holder in [Holder::p256(), Holder::ed25519(1)] {
        let text = holder.sign(&header(&holder), &claims());
        let proven = ProvenClient { client: "client".into(), id: "a".into(), until: NOW + 60 };
        assert_eq!(verified(&text, &keys(&holder)), Ok(proven));
    }
}

#[test]
fn a_header_that_is_forged_proves_nothing() {
    let holder = Holder::ed25519(1);
    let keys = keys(&holder);
    let by = |name, value| holder.sign(&with(&header(&holder), name, value), &claims());
    let algorithm = Some(BadAssertion::Jws(BadJws::Algorithm));
    let unknown = Some(BadAssertion::Key);
    let stranger = Holder::ed25519(2);
    for (what, text, expected) in [
        ("no algorithm", by("alg", json!("none")), algorithm),
        ("HS256", by("alg", json!("HS256")), algorithm),
        ("another type of key", by("alg", json!("ES256")), unknown),
        ("a stranger", stranger.sign(&header(&holder), &claims()), unknown),
        ("a name of no key", by("kid", json!("../../dev/null")), unknown),
        ("another key's name", by("kid", json!("two")), unknown),
        ("a name that is none", by("kid", json!(["one"])), unknown),
        ("an access token", by("typ", json!("at+jwt")), Some(BadAssertion::Type)),
        ("a DPoP proof", by("typ", json!("dpop+jwt")), Some(BadAssertion::Type)),
        ("a type that is none", by("typ", json!(1)), Some(BadAssertion::Type)),
        ("crit", by("crit", json!(["b64"])), Some(BadAssertion::Jws(BadJws::Header("crit")))),
        ("too much", by("x", json!("x".repeat(8192))), Some(BadAssertion::Jws(BadJws::TooLong))),
        ("typed", by("typ", json!("client-authentication+jwt")), None),
        ("typed as ever", by("typ", json!("JWT")), None),
        ("the only key for it", by("kid", Value::Null), None),
        // Where a header says that keys are found is not even looked at.
        ("its own key", by("jwk", stranger.jwk.clone()), None),
        ("a place for keys", by("jku", json!("https://evil.example/jwks")), None),
        ("a certificate", by("x5u", json!("https://evil.example/x5u")), None),
    ] {
        assert_eq!(fault(&text, &keys), expected, "{what}");
    }
    let itself = with(&header(&stranger), "jwk", stranger.jwk.clone());
    assert_eq!(fault(&stranger.sign(&itself, &claims()), &keys), unknown);
    // The registered public key as a secret that both sides know.
    let public = keys.to_json().to_string();
    let secret = EncodingKey::from_secret(public.as_bytes());
    let forged =
        signed(r#"{"alg":"HS256","kid":"one"}"#, &claims().to_string(), &secret, Algorithm::HS256);
    assert_eq!(fault(&forged, &keys), algorithm);
    let none = KeySet::default();
    let text = holder.sign(&header(&holder), &claims());
    assert_eq!(fault(&text, &none), unknown, "a client without keys");
}

#[test]
fn claims_that_are_not_for_this_prove_nothing() {
    let holder = Holder::ed25519(1);
    let keys = keys(&holder);
    let but = |name, value| holder.sign(&header(&holder), &with(&claims(), name, value));
    let [audience, time, id, subject] =
        [BadAssertion::Audience, BadAssertion::Time, BadAssertion::Id, BadAssertion::Subject];
    for (what, text, expected) in [
        ("another issuer", but("iss", json!("other")), Some(subject)),
        ("no issuer", but("iss", Value::Null), Some(subject)),
        ("no subject", but("sub", Value::Null), Some(subject)),
        ("no audience", but("aud", Value::Null), Some(audience)),
        ("another audience", but("aud", json!("https://evil.example")), Some(audience)),
        ("a slash", but("aud", json!("https://gate.example/")), Some(audience)),
        ("nobody", but("aud", json!([])), Some(audience)),
        ("others too", but("aud", json!([ISSUER, "https://evil.example"])), Some(audience)),
        ("no expiry", but("exp", Value::Null), Some(time)),
        ("an expiry in words", but("exp", json!("2030-01-01")), Some(time)),
        ("over", but("exp", json!(NOW)), Some(time)),
        ("a negative expiry", but("exp", json!(-1)), Some(time)),
        ("made later", but("iat", json!(NOW + 61)), Some(time)),
        ("made at no time", but("iat", json!("now")), Some(time)),
        ("not yet", but("nbf", json!(NOW + 61)), Some(time)),
        ("not ever", but("nbf", json!({})), Some(time)),
        ("no id", but("jti", Value::Null), Some(id)),
        ("an empty id", but("jti", json!("")), Some(id)),
        ("a long id", but("jti", json!("j".repeat(257))), Some(id)),
        ("the endpoint", but("aud", json!(ENDPOINT)), None),
        ("a list of us", but("aud", json!([ISSUER, ENDPOINT])), None),
        ("a clock ahead", but("iat", json!(NOW + 60)), None),
    ] {
        assert_eq!(fault(&text, &keys), expected, "{what}");
    }
}

#[test]
fn an_assertion_lives_five_minutes_whatever_it_says() {
    let holder = Holder::ed25519(1);
    let keys = keys(&holder);
    let life = |made_at: Value, expires_at: i64| {
        let claims = with(&with(&claims(), "iat", made_at), "exp", json!(expires_at));
        fault(&holder.sign(&header(&holder), &claims), &keys)
    };
    assert_eq!(life(json!(NOW - 299), NOW + 3600), None);
    assert_eq!(life(json!(NOW - 300), NOW + 3600), Some(BadAssertion::Time));
    assert_eq!(life(Value::Null, NOW + 300), None);
    assert_eq!(life(Value::Null, NOW + 301), Some(BadAssertion::Time));
}

#[test]
fn another_kind_of_assertion_is_refused() {
    let holder = Holder::ed25519(1);
    let text = holder.sign(&header(&holder), &claims());
    for kind in ["", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"] {
        assert_eq!(Assertion::read(kind, &text).err(), Some(BadAssertion::Kind));
    }
    let whole = holder.sign_text(r#"{"alg":"EdDSA"}"#, r#"{"sub":"a","sub":"b"}"#);
    let twice = Assertion::read(CLIENT_ASSERTION_TYPE, &whole).err();
    assert_eq!(twice, Some(BadAssertion::Jws(BadJws::Json)));
}

proptest! {
    /// No instants, in whatever order, make an assertion that is accepted longer than it may be.
    #[test]
    fn no_times_make_a_longer_life(made in -400i64..400, ends in -400i64..4000, later in 0i64..4000) {
        let holder = Holder::ed25519(1);
        let keys = keys(&holder);
        let claims = with(&with(&claims(), "iat", json!(NOW + made)), "exp", json!(NOW + ends));
        let text = holder.sign(&header(&holder), &claims);
        let assertion = Assertion::read(CLIENT_ASSERTION_TYPE, &text).unwrap();
        let accepted = assertion.verified(&keys, &[ISSUER], NOW + later).is_ok();
        let may = made <= later + 60 && later < ends && later < made + 300;
        prop_assert_eq!(accepted, may);
    }
}
