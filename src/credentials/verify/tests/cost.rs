//! Tokens that are too large, or too much work: refused as such, soon, and never as forged.

use biscuit_auth::builder::BlockBuilder;
use biscuit_auth::{Biscuit, PublicKey, UnverifiedBiscuit};

use super::*;
use crate::credentials::fixture::{draft, token, verify};

fn root() -> PublicKey {
    PublicKey::from_bytes_hex(&RING.active().public_key(), Algorithm::Ed25519).unwrap()
}

fn with_block(token: &str, code: &str) -> String {
    let block = BlockBuilder::new().code(code).unwrap();
    UnverifiedBiscuit::from_base64(token).unwrap().append(block).unwrap().to_base64().unwrap()
}

#[test]
fn sixteen_blocks_are_read_and_no_more() {
    let mut token = token(&draft());
    for _ in 1..BLOCKS_MAX {
        token = with_block(&token, "check if true");
    }
    assert!(verify(&token, "read").is_ok());
    let refusal = verify(&with_block(&token, "check if true"), "read").unwrap_err();
    assert_eq!(refusal.reason, Reason::Limits);
    assert!(refusal.could_not_verify());
}

#[test]
fn eight_kibibytes_are_read_and_no_more() {
    let token = token(&draft());
    let size = |it: &str| Biscuit::from_base64(it, root()).unwrap().serialized_size().unwrap();
    let spare = TOKEN_BYTES_MAX - size(&with_block(&token, "x(\"\")"));
    // The lengths within grow by a few bytes as well, so approach from below.
    let fitted = |less: usize| with_block(&token, &format!("x(\"{}\")", "y".repeat(spare - less)));
    let largest = (0..20).map(fitted).find(|it| size(it) == TOKEN_BYTES_MAX).unwrap();
    let larger = (0..20).map(fitted).find(|it| size(it) == TOKEN_BYTES_MAX + 1).unwrap();
    assert!(verify(&largest, "read").is_ok());
    assert_eq!(reason(verify(&larger, "read")), Err(Reason::Limits));
    assert_eq!(reason(verify(&"A".repeat(1 << 20), "read")), Err(Reason::Limits));
}

#[test]
fn a_block_that_would_run_for_years_is_not_run() {
    let facts: String = (0..60).map(|it| format!("n({it}); ")).collect();
    let join: String = ('a'..'m').map(|it| format!("n(${it}), ")).collect();
    let deep = "[1, 2, 3, 4, 5, 6, 7, 8, 9].all($x0 -> ".to_owned()
        + &(1..9).map(|it| format!("[1, 2, 3, 4, 5, 6, 7, 8].all($x{it} -> ")).collect::<String>()
        + "$x0 > 0"
        + &")".repeat(9);
    let text = "x".repeat(2000);
    let sums = vec!["$s"; 300].join(" + ");
    let patterns = vec!["$s.matches(\"(\\\\w{90}){90}\")"; 20].join(" || ");
    for code in [
        format!("{facts} check if {join} $a > 1000"),
        format!("check if {deep}"),
        format!("s(\"{text}\"); check if s($s), ({sums}) == \"\""),
        format!("s(\"a\"); check if s($s), {patterns}"),
        format!("{facts} m($a, $b, $c) <- n($a), n($b), n($c)"),
        format!("{facts} n2($b) <- n($a), n2($b), n3($c); n3($b) <- n2($b), n3($c)"),
    ] {
        let token = with_block(&token(&draft()), &code);
        assert_eq!(reason(verify(&token, "read")), Err(Reason::Limits), "{code}");
    }
}

#[test]
fn an_engine_that_ran_out_of_time_has_not_found_a_forgery() {
    let signed = verifier().open(&token(&draft()), *NOW).unwrap();
    let cause = error::Token::RunLimit(error::RunLimit::Timeout);
    let refusal = engine::explain(&signed, "translate", cause);
    assert_eq!((refusal.reason, refusal.could_not_verify()), (Reason::Limits, true));
}

#[test]
fn ordinary_narrowing_is_affordable() {
    let scopes = (0..40).map(|it| format!("scope:{it}")).chain(["read".to_owned()]).collect();
    let mut token = token(&Draft { scopes, ..draft() });
    let code = r#"check if ctx($c), $c.get("call.text/lang") != null &&
        ["de", "fr", "it"].any($x -> $c.get("call.text/lang") == $x);
        check if ctx($c), $c.get("call.text/url") != null &&
            $c.get("call.text/url").matches("^https://");
        check if request($t, "read"); check if time($t), $t < 2026-11-21T22:10:00Z;"#;
    for _ in 0..4 {
        token = with_block(&token, code);
    }
    let arguments: serde_json::Map<_, _> =
        (0..100).map(|it| (format!("a{it}"), json!(it))).collect();
    let request = Request::new("read")
        .arguments(&arguments.into())
        .and_then(|it| it.arguments(&json!({ "lang": "fr", "url": "https://example.com" })))
        .unwrap();
    let verified = verifier().verify(&token, &request, Revocations::Unchecked, *NOW);
    assert_eq!(Vec::from_iter(verified.unwrap().scopes), ["read"]);
}
