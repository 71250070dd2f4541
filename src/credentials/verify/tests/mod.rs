//! Every refusal has its test, and so has every way to be admitted.

mod cost;
mod feed;
mod hostile;
mod tampering;

use biscuit_auth::builder::Check;
use biscuit_auth::{Algorithm, BiscuitBuilder, KeyPair};
use serde_json::json;

use super::parts::{container, decode};
use super::*;
use crate::credentials::fixture::{
    DIGEST, HOLDER, ISSUER, NOW, RING, document, draft, later, token, verifier, verify,
};
use crate::credentials::mint::Draft;

fn reason(result: Result<Verified, Refusal>) -> Result<Verified, Reason> {
    result.map_err(|it| it.reason)
}

/// A token of any content under a key of its own, and the document that publishes the key.
fn foreign(code: &str) -> (String, KeysDocument) {
    let pair = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let builder = BiscuitBuilder::new().root_key_id(1).code(code).unwrap();
    let mut keys = document();
    keys.keys[0].public_key = pair.public().to_bytes_hex();
    (builder.build(&pair).unwrap().to_base64().unwrap(), keys)
}

#[test]
fn a_fresh_credential_tells_what_it_is_for() {
    let draft = Draft { on_behalf_of: Some("0199-user".to_owned()), ..draft() };
    let verified = verify(&token(&draft), "translate").unwrap();
    assert_eq!(verified.credential_id, draft.credential_id);
    assert_eq!(verified.decision_id, draft.decision_id);
    assert_eq!(verified.agent, draft.agent_id);
    assert_eq!(verified.agent_name, draft.agent_name);
    assert_eq!(verified.on_behalf_of, draft.on_behalf_of);
    assert_eq!(verified.scopes, draft.scopes);
    assert_eq!(verified.expires_at, draft.expires_at);
    assert_eq!((verified.revocation_ids.len(), verified.feed_age), (1, None));
}

#[test]
fn strings_of_a_draft_are_never_read_as_datalog() {
    let nasty = "\"); right(\"translate\", \"admin\"); x(\"\\\n\u{202e}";
    let draft = Draft { agent_name: nasty.to_owned(), ..draft() };
    let token = token(&draft);
    assert_eq!(verify(&token, "read").unwrap().agent_name, nasty);
    assert_eq!(reason(verify(&token, "admin")), Err(Reason::Scope));
}

#[test]
fn what_the_issuer_says_is_held_against_the_verifier() {
    let other = |change: fn(Verifier) -> Verifier| change(verifier());
    let cases: [(Verifier, Result<(), Reason>); 5] = [
        (other(|it| it.tool("translate", None)), Ok(())),
        (other(|it| it.tool("pay", Some(DIGEST))), Err(Reason::WrongTool)),
        (other(|it| it.tool("translate", Some("sha256:0"))), Err(Reason::Digest)),
        (Verifier::new(&document(), "https://other.example").unwrap(), Err(Reason::Issuer)),
        (Verifier::new(&document(), ISSUER).unwrap(), Err(Reason::WrongTool)),
    ];
    let token = token(&draft());
    for (verifier, expected) in cases {
        let result = verifier.verify(&token, &Request::new("read"), Revocations::Unchecked, *NOW);
        assert_eq!(reason(result).map(drop), expected);
    }
}

#[test]
fn a_refusal_names_the_credential_once_the_signature_is_good() {
    let refusal = verify(&token(&draft()), "admin").unwrap_err();
    assert_eq!(refusal.credential_id.as_deref(), Some("0199-credential"));
    assert!(verify("AAAA", "read").unwrap_err().credential_id.is_none());
}

#[test]
fn it_expires_at_the_second() {
    let token = token(&draft());
    let at = |now| {
        let request = Request::new("read");
        reason(verifier().verify(&token, &request, Revocations::Unchecked, now)).map(drop)
    };
    assert_eq!(at(later(899)), Ok(()));
    assert_eq!(at(later(900)), Err(Reason::Expired));
    assert_eq!(at(Timestamp::MAX), Err(Reason::Expired));
    assert_eq!(at(Timestamp::MIN), Err(Reason::Signature), "the key was not valid then");
}

#[test]
fn a_bound_credential_needs_its_key_proved() {
    let token = token(&Draft { holder: Some(HOLDER.to_owned()), ..draft() });
    let with = |request: Request| {
        reason(verifier().verify(&token, &request, Revocations::Unchecked, *NOW)).map(drop)
    };
    assert_eq!(with(Request::new("read")), Err(Reason::Holder));
    assert_eq!(with(Request::new("read").holder_proved("another")), Err(Reason::Holder));
    assert_eq!(with(Request::new("read").holder_proved(HOLDER)), Ok(()));
}

#[test]
fn an_online_only_credential_passes_only_who_asks_gatewright() {
    let token = token(&Draft { online_only: true, ..draft() });
    assert_eq!(reason(verify(&token, "read")), Err(Reason::OnlineOnly));
    let request = Request::new("read");
    let asking = verifier().asks_gatewright();
    assert!(asking.verify(&token, &request, Revocations::Unchecked, *NOW).is_ok());
}

#[test]
fn compiled_checks_hold_the_arguments() {
    let residual = r#"check if ctx($c),
        $c.get("call.number/amount") != null && $c.get("call.number/amount") <= 500"#;
    let checks = vec![Check::try_from(residual).unwrap()];
    let token = token(&Draft { checks, ..draft() });
    for (arguments, expected) in [
        (json!({ "amount": 500 }), Ok(2)),
        (json!({ "amount": 500.0 }), Ok(2)),
        (json!({ "amount": 501 }), Err(Reason::Argument)),
        (json!({ "amount": 0.05 }), Err(Reason::Argument)),
        (json!({ "amount": 1e30 }), Err(Reason::Argument)),
        (json!({ "amount": "5" }), Err(Reason::Argument)),
        (json!({}), Err(Reason::Argument)),
    ] {
        let request = Request::new("read").arguments(&arguments).unwrap();
        let result = verifier().verify(&token, &request, Revocations::Unchecked, *NOW);
        assert_eq!(reason(result).map(|it| it.scopes.len()), expected, "{arguments}");
    }
}

#[test]
fn scopes_are_those_that_pass_every_check() {
    let only_read = r#"check if request($t, "read") or ctx($c), $c.get("call.flag/sure") == true"#;
    let checks = vec![Check::try_from(only_read).unwrap()];
    let token = token(&Draft { checks, ..draft() });
    let scopes = verify(&token, "read").unwrap().scopes;
    assert_eq!(Vec::from_iter(scopes), ["read"]);
}

#[test]
fn only_a_published_root_key_is_believed() {
    let read = |keys: &KeysDocument| {
        let verifier = Verifier::new(keys, ISSUER).unwrap().tool("translate", None);
        let request = Request::new("read");
        let token = token(&draft());
        reason(verifier.verify(&token, &request, Revocations::Unchecked, *NOW)).map(drop)
    };
    let change = |change: fn(&mut PublishedKey)| {
        let mut keys = document();
        change(&mut keys.keys[0]);
        keys
    };
    let other_key = KeyPair::new_with_algorithm(Algorithm::Ed25519).public().to_bytes_hex();
    let mut stolen_id = document();
    stolen_id.keys[0].public_key = other_key;

    assert_eq!(read(&document()), Ok(()));
    assert_eq!(read(&stolen_id), Err(Reason::Signature));
    assert_eq!(read(&change(|it| it.key_id = 7)), Err(Reason::Signature));
    assert_eq!(read(&change(|it| it.algorithm = "rsa".to_owned())), Err(Reason::Signature));
    assert_eq!(read(&change(|it| it.not_after = Some(*NOW))), Err(Reason::Signature));
    assert_eq!(read(&change(|it| it.not_after = Some(later(1)))), Ok(()));
    assert_eq!(read(&change(|it| it.not_before = later(61))), Err(Reason::Signature));
    assert_eq!(read(&change(|it| it.not_before = later(60))), Ok(()), "clocks differ");
    assert!(Verifier::new(&change(|it| it.public_key = "00".to_owned()), ISSUER).is_err());
}

#[test]
fn a_token_of_another_form_is_refused() {
    let good = r#"gatewright(1); issuer("https://gate.example.com"); credential("c"); decision("d");
        agent("a"); agent_name("n"); tool("translate"); tool_digest("sha256:2c26b46b");
        right("translate", "read"); check if time($t), $t < 2026-11-21T22:15:00Z;"#;
    let dated = "check if time($t), $t < 2026-11-21T22:15:00Z";
    let cases = [
        (good.to_owned(), Ok(())),
        (good.replace("gatewright(1);", ""), Err(Reason::Version)),
        (good.replace("gatewright(1)", "gatewright(2)"), Err(Reason::Version)),
        (good.replace("gatewright(1)", "gatewright(\"1\")"), Err(Reason::Malformed)),
        (good.replace(dated, "check if true"), Err(Reason::Malformed)),
        (good.replace("$t <", "$t >"), Err(Reason::Malformed)),
        (good.replace(dated, &format!("{dated} or time($t)")), Err(Reason::Malformed)),
        (good.replace("check if", "reject if"), Err(Reason::Malformed)),
        (good.replace("credential(\"c\");", ""), Err(Reason::Malformed)),
        (good.replace("tool(\"t", "tool(\"x\"); tool(\"t"), Err(Reason::Malformed)),
        (good.replace("\"translate\", \"read\"", "\"translate\""), Err(Reason::Malformed)),
        (good.replace("right(\"translate\"", "right(\"pay\""), Err(Reason::Scope)),
        (format!("{good} later_fact(1);"), Ok(())),
    ];
    for (code, expected) in cases {
        let (token, keys) = foreign(&code);
        let verifier = Verifier::new(&keys, ISSUER).unwrap().tool("translate", Some(DIGEST));
        let result = verifier.verify(&token, &Request::new("read"), Revocations::Unchecked, *NOW);
        assert_eq!(reason(result).map(drop), expected, "{code}");
    }
}

#[test]
fn a_token_that_names_no_key_is_refused() {
    let pair = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let token = BiscuitBuilder::new().build(&pair).unwrap().to_base64().unwrap();
    assert_eq!(reason(verify(&token, "read")), Err(Reason::Malformed));
}

#[test]
fn an_opened_credential_is_checked_again_at_each_use() {
    let signed = verifier().open(&token(&draft()), *NOW).unwrap();
    let admit = |scope: &str, now| {
        let request = Request::new(scope);
        reason(verifier().admit(&signed, &request, Revocations::Unchecked, now)).map(drop)
    };
    assert_eq!((signed.credential_id(), signed.tool()), ("0199-credential", "translate"));
    assert_eq!(admit("read", *NOW), Ok(()));
    assert_eq!(admit("admin", *NOW), Err(Reason::Scope));
    assert_eq!(admit("read", later(900)), Err(Reason::Expired));
}

#[test]
fn numbers_keep_their_scale() {
    let number = |text: &str| {
        let it: serde_json::Number = text.parse().unwrap();
        (request::whole(&it), request::scaled(&it))
    };
    assert_eq!(number("400"), (Some(400), Some(4_000_000)));
    assert_eq!(number("400.0"), (Some(400), Some(4_000_000)));
    assert_eq!(number("-0.05"), (None, Some(-500)));
    assert_eq!(number("1.0001"), (None, Some(10_001)));
    assert_eq!(number("1.00005"), (None, None));
    assert_eq!(number("9223372036854775807"), (Some(i64::MAX), None));
    assert_eq!(number("9223372036854775808"), (None, None));
    assert_eq!(number("1e14"), (Some(100_000_000_000_000), Some(1_000_000_000_000_000_000)));
    assert_eq!(number("1e15"), (Some(1_000_000_000_000_000), None));
    assert_eq!(number("1e300"), (None, None));
}

#[test]
fn arguments_have_bounds() {
    let mut deep = json!(1);
    for _ in 0..=request::DEPTH_MAX {
        deep = json!([deep]);
    }
    let wide = json!(vec![1; request::LEAVES_MAX + 1]);
    let error = |it| Request::new("read").arguments(&it).map(drop).unwrap_err();
    assert_eq!(error(deep), request::ArgumentError::TooDeep);
    assert_eq!(error(wide), request::ArgumentError::TooMany);
}

#[test]
fn surroundings_reach_the_checks() {
    let text = r#"check if ctx($c), $c.get("net.ip4") == 2130706433 && $c.get("net.country") == "DE"
        && $c.get("clock.local.weekday") == "monday" && $c.get("clock.local.time") < 1000
        && $c.get("clock.now") == 1795298400000 && $c.get("call.text/a~1b/0") == "x""#;
    let token = token(&Draft { checks: vec![Check::try_from(text).unwrap()], ..draft() });
    let request = Request::new("read")
        .from_address("::ffff:127.0.0.1".parse().unwrap())
        .from_country("DE")
        .local_time("monday", 999)
        .arguments(&json!({ "a/b": ["x"] }))
        .unwrap();
    assert!(verifier().verify(&token, &request, Revocations::Unchecked, *NOW).is_ok());
    assert_eq!(reason(verify(&token, "read")), Err(Reason::Argument));
}

#[test]
fn rotation_keeps_the_old_key_until_its_credentials_have_expired() {
    let token = token(&draft());
    let first = RING.document(ISSUER, *NOW).keys;
    let ring = crate::credentials::keys::KeyRing::generate(*NOW);
    let before = ring.active().public_key();
    let ring = ring.rotate(*NOW, SignedDuration::from_secs(900));
    let published = |now| ring.document(ISSUER, now).keys;
    assert_eq!(first.len(), 1);
    assert_eq!(ring.active().key_id(), 2);
    assert_eq!(published(*NOW).len(), 2);
    assert_eq!(published(*NOW)[0].public_key, before);
    assert_eq!(published(*NOW)[0].not_after, Some(later(900)));
    assert_eq!(published(later(900)).len(), 1);
    assert!(verify(&token, "read").is_ok());
}

/// The invariant at the top of this module.
#[test]
fn verification_compiles_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/credentials/verify");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let source = std::fs::read_to_string(&path).unwrap();
            let outside = ["crate::", "super::super"].iter().any(|it| source.contains(it));
            let above = path.ends_with("mod.rs") && source.contains("super::");
            assert!(!outside && !above, "`{}` names what is outside of it", path.display());
        }
    }
}

#[test]
fn an_opened_credential_does_not_print_its_key() {
    let signed = verifier().open(&token(&draft()), *NOW).unwrap();
    assert_eq!(format!("{signed:?}"), r#"Signed { credential_id: "0199-credential", .. }"#);
}
