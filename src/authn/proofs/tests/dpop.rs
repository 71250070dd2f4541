//! DPoP proofs, honest and not.

use ed25519_dalek::SigningKey;
use http::{HeaderMap, HeaderValue, Method};
use jsonwebtoken::jwk::ThumbprintHash;
use proptest::prelude::*;

use super::super::{BadJws, BadKey, BadProof, Dpop, PublicKey, Refused};
use super::*;
use crate::authn::{Request, Service};

const NOW: i64 = 1_562_262_616;
const TOKEN: &str = "an access token";
const TOKEN_DIGEST: &str = "FPlcM-1UXiivOYozpUrp7d117JnKzPF4YXuXNnfZmdU";

fn dpop() -> Dpop {
    let server = "https://server.example.com".parse().unwrap();
    Dpop::new(server, &SigningKey::from_bytes(&[9; 32]), NOW - 600)
}

fn header(holder: &Holder) -> Value {
    json!({ "typ": "dpop+jwt", "alg": holder.alg, "jwk": holder.jwk })
}

fn claims() -> Value {
    json!({
        "jti": "a", "htm": "POST", "htu": "https://server.example.com/token", "iat": NOW,
        "ath": TOKEN_DIGEST,
    })
}

/// The fault of a proof that comes alone, with [`TOKEN`], at [`NOW`].
fn fault(proof: &str) -> Option<BadProof> {
    read(&dpop(), proof, Some(TOKEN), NOW).err()
}

fn read(dpop: &Dpop, proof: &str, token: Option<&str>, now: i64) -> Result<String, BadProof> {
    let headers = HeaderMap::from_iter([("dpop".parse().unwrap(), proof.parse().unwrap())]);
    let proof = dpop.read(request(&headers), token, now)?.unwrap();
    dpop.spend(proof, now)
}

fn request(headers: &HeaderMap) -> Request<'_> {
    let (method, service) = (&Method::POST, Service::Api);
    Request { headers, method, path: "/token", service, server: None }
}

/// RFC 9449 sections 4.1 and 7.1.
#[test]
fn the_proofs_of_the_rfc_are_sound() {
    const HEADER: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19";
    const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    let at_token = format!(
        "{HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    );
    assert_eq!(read(&dpop(), &at_token, None, NOW).as_deref(), Ok(THUMBPRINT));

    let at_resource = format!(
        "{HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    );
    let server = "https://resource.example.org".parse().unwrap();
    let resource = Dpop::new(server, &SigningKey::from_bytes(&[9; 32]), NOW);
    let headers = HeaderMap::from_iter([("dpop".parse().unwrap(), at_resource.parse().unwrap())]);
    let path = "/protectedresource";
    let (method, service) = (&Method::GET, Service::Api);
    let request = Request { headers: &headers, method, path, service, server: None };
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let proof = resource.read(request, Some(token), NOW).unwrap().unwrap();
    assert!(proof.is_by(THUMBPRINT));
    assert_eq!(resource.spend(proof, NOW).as_deref(), Ok(THUMBPRINT));
}

#[test]
fn an_honest_proof_names_its_key() {
    for holder in [Holder::p256(), Holder::ed25519(1)] {
        let thumbprint = jwk_of(&holder).thumbprint(ThumbprintHash::SHA256).unwrap();
        let proof = holder.sign(&header(&holder), &claims());
        assert_eq!(read(&dpop(), &proof, Some(TOKEN), NOW).unwrap(), thumbprint);
    }
}

fn jwk_of(holder: &Holder) -> jsonwebtoken::jwk::Jwk {
    serde_json::from_value(holder.jwk.clone()).unwrap()
}

#[test]
fn a_header_that_is_forged_proves_nothing() {
    let (holder, other) = (Holder::p256(), Holder::ed25519(1).jwk);
    let by = |name, value| holder.sign(&with(&header(&holder), name, value), &claims());
    let public = PublicKey::parse(&holder.jwk).unwrap();
    let key = |it: Value| by("jwk", it);
    for (what, proof, expected) in [
        ("no algorithm", by("alg", json!("none")), BadProof::Jws(BadJws::Algorithm)),
        ("NoNe", by("alg", json!("NoNe")), BadProof::Jws(BadJws::Algorithm)),
        ("a list", by("alg", json!(["ES256"])), BadProof::Jws(BadJws::Algorithm)),
        ("HS256", by("alg", json!("HS256")), BadProof::Jws(BadJws::Algorithm)),
        ("a key of another type", by("alg", json!("EdDSA")), BadProof::Jws(BadJws::Algorithm)),
        ("somebody else's key", key(Holder::p256().jwk), BadProof::Jws(BadJws::Signature)),
        ("another type of key", key(other), BadProof::Jws(BadJws::Algorithm)),
        ("no key", key(Value::Null), BadProof::Key(BadKey::Shape)),
        ("a name for a key", by("jwk", json!("kid")), BadProof::Key(BadKey::Shape)),
        (
            "a private key",
            key(with(&holder.jwk, "d", json!("AA"))),
            BadProof::Key(BadKey::Secret("d")),
        ),
        (
            "a shared key",
            key(json!({ "kty": "oct", "k": "AA" })),
            BadProof::Key(BadKey::Secret("k")),
        ),
        ("another `typ`", by("typ", json!("JWT")), BadProof::Type),
        ("no `typ`", by("typ", Value::Null), BadProof::Type),
        ("crit", by("crit", json!(["exp"])), BadProof::Jws(BadJws::Header("crit"))),
        ("a token in it", by("cty", json!("JWT")), BadProof::Jws(BadJws::Header("cty"))),
        ("compression", by("zip", json!("DEF")), BadProof::Jws(BadJws::Header("zip"))),
        ("a bare body", by("b64", json!(false)), BadProof::Jws(BadJws::Header("b64"))),
        ("too much", by("x", json!("x".repeat(4096))), BadProof::Jws(BadJws::TooLong)),
    ] {
        assert_eq!(fault(&proof), Some(expected), "{what}");
    }
    // The public key as a secret that both sides know: what `alg` is trusted for elsewhere.
    let secret = EncodingKey::from_secret(public.to_json().to_string().as_bytes());
    let header = with(&header(&holder), "alg", json!("HS256")).to_string();
    let proof = signed(&header, &claims().to_string(), &secret, Algorithm::HS256);
    assert_eq!(fault(&proof), Some(BadProof::Jws(BadJws::Algorithm)));
}

#[test]
fn a_text_of_another_shape_proves_nothing() {
    let holder = Holder::ed25519(1);
    let (header, claims) = (header(&holder), claims());
    let good = holder.sign(&header, &claims);
    let [head, body, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let twice = |text: &Value, name| text.to_string().replacen('{', &format!("{{\"{name}\":1,"), 1);
    for (what, proof, expected) in [
        ("nothing", String::new(), BadJws::Shape),
        ("two parts", format!("{head}.{body}"), BadJws::Shape),
        ("unsigned", format!("{head}.{body}."), BadJws::Signature),
        ("encrypted", format!("{good}.AA.AA"), BadJws::Shape),
        ("padding", format!("{head}=.{body}.{signature}"), BadJws::Shape),
        ("a space", format!("{head} .{body}.{signature}"), BadJws::Shape),
        ("a list of proofs", format!("{good},{good}"), BadJws::Shape),
        ("a token as body", holder.sign_text(&header.to_string(), &good), BadJws::Json),
        ("a body in quotes", holder.sign_text(&header.to_string(), "\"a\""), BadJws::Json),
        ("two `alg`s", holder.sign_text(&twice(&header, "alg"), &claims.to_string()), BadJws::Json),
        ("two `htm`s", holder.sign_text(&header.to_string(), &twice(&claims, "htm")), BadJws::Json),
    ] {
        assert_eq!(fault(&proof), Some(BadProof::Jws(expected)), "{what}");
    }
}

#[test]
fn a_proof_of_something_else_proves_nothing() {
    let holder = Holder::ed25519(1);
    let but = |name, value| holder.sign(&header(&holder), &with(&claims(), name, value));
    for (what, proof, expected) in [
        ("another method", but("htm", json!("GET")), BadProof::Method),
        ("another spelling", but("htm", json!("post")), BadProof::Method),
        ("no method", but("htm", Value::Null), BadProof::Method),
        ("another path", but("htu", json!("https://server.example.com/x")), BadProof::Url),
        ("another server", but("htu", json!("https://evil.example/token")), BadProof::Url),
        ("plain", but("htu", json!("http://server.example.com/token")), BadProof::Url),
        ("no URL", but("htu", json!(["https://server.example.com/token"])), BadProof::Url),
        ("long ago", but("iat", json!(NOW - 61)), BadProof::Time),
        ("the future", but("iat", json!(NOW + 61)), BadProof::Time),
        ("milliseconds", but("iat", json!(NOW * 1000)), BadProof::Time),
        ("a negative time", but("iat", json!(-1)), BadProof::Time),
        ("a time in words", but("iat", json!("now")), BadProof::Time),
        ("no time", but("iat", Value::Null), BadProof::Time),
        ("another token", but("ath", json!(TOKEN_DIGEST.replace('F', "G"))), BadProof::Token),
        ("no token", but("ath", Value::Null), BadProof::Token),
        ("no id", but("jti", Value::Null), BadProof::Id),
        ("an empty id", but("jti", json!("")), BadProof::Id),
        ("a long id", but("jti", json!("j".repeat(257))), BadProof::Id),
    ] {
        assert_eq!(fault(&proof), Some(expected), "{what}");
    }
    for good in [
        but("htu", json!("HTTPS://Server.Example.com:443/token?a=b#c")),
        but("iat", json!(NOW - 60)),
        but("iat", json!(NOW as f64 + 59.5)),
    ] {
        assert_eq!(fault(&good), None);
    }
}

#[test]
fn a_proof_counts_once_and_comes_alone() {
    let (holder, dpop) = (Holder::ed25519(1), dpop());
    let proof = holder.sign(&header(&holder), &claims());
    assert!(read(&dpop, &proof, None, NOW).is_ok());
    let used = Err(BadProof::Use(Refused::Used));
    assert_eq!(read(&dpop, &proof, Some(TOKEN), NOW + 60), used);
    assert_eq!(read(&dpop, &proof, Some(TOKEN), NOW + 61), Err(BadProof::Time));
    let again = holder.sign(&header(&holder), &with(&claims(), "iat", json!(NOW + 1)));
    assert_eq!(read(&dpop, &again, Some(TOKEN), NOW), used, "the same `jti`");
    let other = Holder::ed25519(2);
    assert!(read(&dpop, &other.sign(&header(&other), &claims()), None, NOW).is_ok());

    let value = HeaderValue::from_str(&proof).unwrap();
    let mut headers = HeaderMap::from_iter([("dpop".parse().unwrap(), value.clone())]);
    headers.append("dpop", value);
    assert_eq!(dpop.read(request(&headers), None, NOW).err(), Some(BadProof::Several));
    assert!(dpop.read(request(&HeaderMap::new()), None, NOW).unwrap().is_none());
}

#[test]
fn a_nonce_that_is_there_is_ours_and_fresh() {
    let (holder, dpop) = (Holder::ed25519(1), dpop());
    let by = |claims: &str, now| {
        read(&dpop, &holder.sign_text(&header(&holder).to_string(), claims), Some(TOKEN), now)
    };
    let with_nonce = |nonce: &str, jti: &str| {
        with(&with(&claims(), "nonce", json!(nonce)), "jti", json!(jti)).to_string()
    };
    let empty = claims().to_string().replacen('{', "{\"nonce\":null,", 1);
    let Err(BadProof::Nonce { fresh }) = by(&empty, NOW) else { panic!("no nonce was told") };
    assert!(matches!(by(&with_nonce("abc", "1"), NOW), Err(BadProof::Nonce { .. })));
    assert!(by(&with_nonce(&fresh, "2"), NOW).is_ok());
    let old = Dpop::new("https://server.example.com".parse().unwrap(), &other_key(), NOW - 600);
    let theirs = read(&old, &holder.sign_text(&header(&holder).to_string(), &empty), None, NOW);
    let Err(BadProof::Nonce { fresh: theirs }) = theirs else { panic!("no nonce was told") };
    assert!(matches!(by(&with_nonce(&theirs, "3"), NOW), Err(BadProof::Nonce { .. })));
}

fn other_key() -> SigningKey {
    SigningKey::from_bytes(&[8; 32])
}

#[test]
fn a_proof_from_before_this_process_is_not_taken_again() {
    let holder = Holder::ed25519(1);
    let server = "https://server.example.com".parse().unwrap();
    let restarted = Dpop::new(server, &SigningKey::from_bytes(&[9; 32]), NOW + 1);
    let proof = holder.sign(&header(&holder), &claims());
    assert_eq!(read(&restarted, &proof, None, NOW + 2), Err(BadProof::Time));
}

proptest! {
    /// No claim of any kind is taken for the one that belongs there.
    #[test]
    fn only_the_right_claims_pass(
        name in prop::sample::select(vec!["htm", "htu", "iat", "ath", "jti"]),
        number in any::<i32>(),
        text in ".{0,40}",
    ) {
        let holder = Holder::ed25519(1);
        for value in [json!(number), json!([text]), json!({ "a": text }), json!(true)] {
            prop_assume!(name != "iat" || (i64::from(number) - NOW).abs() > 60);
            let claims = with(&claims(), name, value);
            prop_assert!(fault(&holder.sign(&header(&holder), &claims)).is_some());
        }
    }
}
