//! Every altered token is refused, or means exactly what it meant.

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::*;
use crate::credentials::attenuate::{Narrowing, attenuate};
use crate::credentials::fixture::{draft, token, verify};
use crate::credentials::inspect::inspect;
use secrecy::ExposeSecret;

fn tokens() -> [String; 2] {
    let one = token(&draft());
    let scopes = Some(["read".to_owned()].into());
    let two = attenuate(&one, &Narrowing { scopes, ..Narrowing::default() }).unwrap();
    [one, two.expose_secret().to_owned()]
}

fn assert_same_or_refused(original: &Verified, altered: &str) {
    if let Ok(it) = verify(altered, "read") {
        assert_eq!(it, *original, "{altered}");
    }
    assert!(verify(altered, "admin").is_err(), "{altered}");
    let shown = inspect(altered).map(|it| it.verified).map_err(|it| it.reason);
    assert!([Ok(false), Err(Reason::Malformed)].contains(&shown), "{shown:?} of {altered}");
}

#[test]
fn of_its_bytes() {
    for token in tokens() {
        let original = verify(&token, "read").unwrap();
        let bytes = URL_SAFE.decode(&token).unwrap();
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut altered = bytes.clone();
            altered[at] ^= 1 << bit;
            assert_same_or_refused(&original, &URL_SAFE.encode(&altered));
        }
    }
}

#[test]
fn of_its_text() {
    for token in tokens() {
        let original = verify(&token, "read").unwrap();
        for at in 0..token.len() {
            for other in *b"Ab9-_=+/ \n" {
                let mut altered = token.clone().into_bytes();
                if altered[at] != other {
                    altered[at] = other;
                    assert_same_or_refused(&original, &String::from_utf8(altered).unwrap());
                }
            }
        }
    }
}

#[test]
fn of_its_length() {
    let [token, _] = tokens();
    let original = verify(&token, "read").unwrap();
    for length in 0..token.len() {
        assert_same_or_refused(&original, &token[..length]);
    }
    for more in ["A", "AAAA", "=", " ", "\n", "\0"] {
        assert_same_or_refused(&original, &format!("{token}{more}"));
    }
}

#[test]
fn one_byte_string_has_one_spelling() {
    let bytes = URL_SAFE_NO_PAD.decode("AA").unwrap();
    assert_eq!(bytes, [0]);
    assert!(decode("AA").is_ok() && decode("AA==").is_ok());
    for stray in ["AB", "AB==", "A", "AA=A", "A+", "A/"] {
        assert_eq!(decode(stray).unwrap_err().reason, Reason::Malformed, "{stray}");
    }
}
