//! Public keys from strangers.

use proptest::prelude::*;

use super::super::jws::Unverified;
use super::super::{BadJws, BadKey, KeySet, PublicKey};
use super::*;
use crate::Error;

fn rsa() -> Value {
    json!({ "kty": "RSA", "n": RSA_MODULUS, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29" })
}

fn modulus(bytes: usize, last: u8) -> Value {
    let mut n = vec![0xff; bytes];
    n[bytes - 1] = last;
    with(&rsa(), "n", json!(B64.encode(n)))
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    let okp = json!({
        "kty": "OKP", "crv": "Ed25519",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let ec = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    for (rfc, jwk, thumbprint) in [
        ("RFC 7638 section 3.1", rsa(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        ("RFC 8037 appendix A.3", okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ("RFC 9449 section 6.1", ec, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ] {
        assert_eq!(PublicKey::parse(&jwk).unwrap().thumbprint(), thumbprint, "{rfc}");
    }
}

#[test]
fn only_sound_public_keys_are_read() {
    let (ec, okp) = (Holder::p256().jwk, Holder::ed25519(1).jwk);
    let point = |byte: u8| with(&okp, "x", json!(B64.encode([byte; 32])));
    for (what, jwk, fault) in [
        ("no object", json!("key"), BadKey::Shape),
        ("a private P-256 key", with(&ec, "d", json!("AA")), BadKey::Secret("d")),
        ("a private Ed25519 key", with(&okp, "d", json!("AA")), BadKey::Secret("d")),
        ("a private RSA key", with(&rsa(), "qi", json!("AA")), BadKey::Secret("qi")),
        ("a shared key", json!({ "kty": "oct", "k": "AA" }), BadKey::Secret("k")),
        ("a key of no type", with(&ec, "kty", Value::Null), BadKey::Type),
        ("another curve", with(&ec, "crv", json!("P-384")), BadKey::Type),
        ("an unsound curve", with(&ec, "crv", json!("secp256k1")), BadKey::Type),
        ("key agreement", with(&okp, "crv", json!("X25519")), BadKey::Type),
        ("a curve of another type", with(&ec, "kty", json!("OKP")), BadKey::Type),
        ("half a point", with(&ec, "y", Value::Null), BadKey::Member("y")),
        ("a short coordinate", with(&ec, "x", json!(B64.encode([1; 31]))), BadKey::Member("x")),
        ("a long coordinate", with(&okp, "x", json!(B64.encode([1; 33]))), BadKey::Member("x")),
        ("a short Ed25519 key", with(&okp, "x", json!("AA")), BadKey::Member("x")),
        ("padding", with(&rsa(), "e", json!("AQAB==")), BadKey::Member("e")),
        ("the other base64", with(&rsa(), "n", json!("+/+/")), BadKey::Member("n")),
        ("a number", with(&rsa(), "e", json!(65537)), BadKey::Member("e")),
        ("a zero in front", with(&rsa(), "e", json!("AAEAAQ")), BadKey::Member("e")),
        ("no point of P-256", with(&ec, "y", json!(B64.encode([1; 32]))), BadKey::Point),
        ("no point of Ed25519", point(2), BadKey::Point),
        ("a point of small order", point(0), BadKey::Point),
        ("1024 bits", modulus(128, 1), BadKey::Modulus),
        ("2047 bits", with(&rsa(), "n", json!(B64.encode([0x7f; 256]))), BadKey::Modulus),
        ("4104 bits", modulus(513, 1), BadKey::Modulus),
        ("an even modulus", modulus(256, 2), BadKey::Modulus),
        ("exponent 1", with(&rsa(), "e", json!("AQ")), BadKey::Exponent),
        ("exponent 3", with(&rsa(), "e", json!("Aw")), BadKey::Exponent),
        ("exponent 65538", with(&rsa(), "e", json!("AQAC")), BadKey::Exponent),
        ("a huge exponent", with(&rsa(), "e", json!("AQAAAAE")), BadKey::Exponent),
        ("encryption", with(&ec, "use", json!("enc")), BadKey::Purpose),
        ("signing", with(&ec, "key_ops", json!(["sign", "verify"])), BadKey::Purpose),
        ("an `alg` of another type", with(&ec, "alg", json!("RS256")), BadKey::Algorithm),
        ("a symmetric `alg`", with(&rsa(), "alg", json!("HS256")), BadKey::Algorithm),
        ("no `alg` at all", with(&rsa(), "alg", json!("none")), BadKey::Algorithm),
        ("an empty name", with(&ec, "kid", json!("")), BadKey::KeyId),
        ("a name with a line", with(&ec, "kid", json!("a\nb")), BadKey::KeyId),
        ("a long name", with(&ec, "kid", json!("k".repeat(129))), BadKey::KeyId),
        ("a name that is none", with(&ec, "kid", json!(1)), BadKey::KeyId),
    ] {
        assert_eq!(PublicKey::parse(&jwk).err(), Some(fault), "{what}");
    }
    for good in [ec, okp, rsa(), modulus(512, 1)] {
        PublicKey::parse(&good).unwrap();
    }
}

#[test]
fn a_set_says_everything_that_is_wrong_with_it() {
    let one = Holder::p256().named("one");
    let set = json!({ "keys": [one, Holder::ed25519(1).named("one"), { "kty": "oct" }] });
    let Err(Error::Invalid(faults)) = KeySet::parse(&set, "/jwks") else { panic!("{set}") };
    let pointers: Vec<&str> = faults.iter().map(|it| it.pointer.as_str()).collect();
    assert_eq!(pointers, ["/jwks/keys/1", "/jwks/keys/2"]);
    let many: Vec<Value> = (0..17).map(|n| Holder::ed25519(n).jwk).collect();
    for (set, pointer) in [
        (json!({ "keys": many }), "/keys"),
        (json!({ "keys": {} }), "/keys"),
        (json!([]), "/keys"),
        (json!({ "keys": [one, with(&one, "kid", Value::Null), one] }), "/keys/2"),
    ] {
        let Err(Error::Invalid(faults)) = KeySet::parse(&set, "") else { panic!("{set}") };
        assert_eq!(faults[0].pointer, pointer, "{set}");
    }
}

#[test]
fn what_is_kept_of_a_set_is_the_same_set_again() {
    let certified = with(&Holder::ed25519(1).jwk, "x5u", json!("https://evil.example"));
    let set = json!({ "keys": [rsa(), Holder::p256().named("p"), certified] });
    let read = KeySet::parse(&set, "").unwrap();
    let kept = read.to_json();
    assert!(!kept.to_string().contains("x5u"));
    assert_eq!(KeySet::parse(&kept, "").unwrap().to_json(), kept);
    let names = |set: &KeySet| set.iter().map(|it| it.key_id().to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&KeySet::parse(&kept, "").unwrap()), names(&read));
    assert!(KeySet::parse(&json!({ "keys": [] }), "").unwrap().is_empty());
}

#[test]
fn nobody_but_the_owner_chooses_between_keys() {
    let (one, two) = (Holder::p256().named("one"), Holder::p256().named("two"));
    let set = KeySet::parse(&json!({ "keys": [one, two, rsa()] }), "").unwrap();
    for (key_id, algorithm, chosen) in [
        (Some("two"), Algorithm::ES256, Some("two")),
        (None, Algorithm::RS256, Some("2011-04-29")),
        (None, Algorithm::ES256, None),
        (Some("three"), Algorithm::ES256, None),
        (Some("two"), Algorithm::RS256, None),
        (Some("2011-04-29"), Algorithm::PS256, None),
        (Some("2011-04-29"), Algorithm::HS256, None),
    ] {
        let found = set.choose(key_id, algorithm).map(PublicKey::key_id);
        assert_eq!(found, chosen, "{key_id:?} {algorithm:?}");
    }
}

/// RFC 7515 appendix A.2: RS256, and A.3: ES256.
#[test]
fn signatures_of_the_rfc_verify() {
    const BODY: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signer = json!({ "kty": "RSA", "e": "AQAB", "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ" });
    let ec = json!({ "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" });
    let (signer, ec) = (PublicKey::parse(&signer).unwrap(), PublicKey::parse(&ec).unwrap());
    let by_rsa = format!(
        "eyJhbGciOiJSUzI1NiJ9.{BODY}.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw"
    );
    let by_ec = format!(
        "eyJhbGciOiJFUzI1NiJ9.{BODY}.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    );
    let read = |token| Unverified::read(token, 4096).unwrap();
    assert_eq!(read(&by_rsa).verified(&signer).unwrap().text("iss"), Some("joe"));
    assert_eq!(read(&by_ec).verified(&ec).unwrap().seconds("exp"), Some(1_300_819_380));
    assert_eq!(read(&by_rsa).verified(&ec).err(), Some(BadJws::Algorithm), "another type");
    let other = PublicKey::parse(&rsa()).unwrap();
    assert_eq!(read(&by_rsa).verified(&other).err(), Some(BadJws::Signature), "another key");
}

proptest! {
    /// Whatever is sent, reading it ends in an answer.
    #[test]
    fn no_text_breaks_the_reader(token in "[eyJhbGciOiJub25l.=_ \\-]{0,200}", x in "[A-Za-z0-9_\\-]{0,60}") {
        let _ = Unverified::read(&token, 4096).is_ok();
        for (kty, crv) in [("EC", "P-256"), ("OKP", "Ed25519"), ("RSA", "")] {
            let jwk = json!({ "kty": kty, "crv": crv, "x": x, "y": x, "n": x, "e": x });
            let _ = PublicKey::parse(&jwk).is_ok();
        }
    }

    /// A changed bit anywhere is found out.
    #[test]
    fn a_changed_token_does_not_verify(at in 0usize..1000, bit in 0u8..8) {
        let holder = Holder::ed25519(1);
        let key = PublicKey::parse(&holder.jwk).unwrap();
        let mut token = holder.sign(&json!({ "alg": "EdDSA" }), &json!({ "sub": "a" })).into_bytes();
        let at = at % token.len();
        token[at] ^= 1 << bit;
        let Ok(token) = String::from_utf8(token) else { return Ok(()) };
        prop_assert!(Unverified::read(&token, 4096).and_then(|it| it.verified(&key)).is_err());
    }
}
