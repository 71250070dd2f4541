//! Whatever a holder appends, nothing that was refused is ever admitted.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE;
use biscuit_auth::builder::BlockBuilder;
use biscuit_auth::{Biscuit, PublicKey, UnverifiedBiscuit};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::super::feed::RevocationList;
use super::*;
use crate::credentials::attenuate::{Admits, ArgumentCheck, Narrowing, attenuate};
use crate::credentials::fixture::{DIGEST, HOLDER, NOW, draft, later, token};
use crate::credentials::inspect::inspect;

const NAMES: [&str; 3] = ["translate", "pay", "read"];
const SCOPES: [&str; 4] = ["read", "translate", "admin", "pay"];

/// Statements that a holder might hope to widen a credential with.
const LIES: [&str; 26] = [
    r#"tool("pay")"#,
    r#"tool_digest("sha256:0")"#,
    r#"issuer("https://other.example")"#,
    r#"credential("another")"#,
    "gatewright(2)",
    "online_only(false)",
    r#"agent("0199-root")"#,
    "time(2000-01-01T00:00:00Z)",
    r#"ctx({"call.number/amount": 1, "call.decimal/amount": 1})"#,
    r#"holder("mine"); holder_proved("mine")"#,
    r#"right("translate", "admin"); right("pay", "pay")"#,
    r#"request("translate", "read"); request("translate", "admin")"#,
    r#"right($t, $s) <- request($t, $s)"#,
    r#"request("translate", "read") <- time($t)"#,
    r#"right("translate", "admin") <- right($t, $s) trusting previous"#,
    r#"time(2000-01-01T00:00:00Z) <- time($t)"#,
    r#"holder_proved($k) <- holder($k)"#,
    r#"ctx({"call.number/amount": 1}) <- ctx($c)"#,
    "check if true",
    "check if true trusting previous",
    r#"check if request($t, $s), right($t, $s)"#,
    r#"check if time($t), $t < 2999-01-01T00:00:00Z"#,
    r#"check all ctx($c), $c.get("call.number/amount") != 7"#,
    r#"check if ctx($c), $c.get("call.number/amount") < 100 or request($t, "read")"#,
    r#"reject if request($t, "pay")"#,
    "allowed(true)",
];

/// Made-up facts and rules over the names that matter.
fn statement() -> impl Strategy<Value = String> {
    let fact = (select(&["right", "request", "tool", "issuer", "holder"][..]), select(&NAMES[..]))
        .prop_flat_map(|(name, tool)| {
            select(&SCOPES[..]).prop_map(move |scope| format!("{name}(\"{tool}\", \"{scope}\")"))
        });
    let rule = (select(&SCOPES[..]), select(&["authority", "previous"][..])).prop_map(
        |(scope, trusted)| format!("right($t, \"{scope}\") <- request($t, $s) trusting {trusted}"),
    );
    prop_oneof![4 => select(&LIES[..]).prop_map(str::to_owned), 1 => fact, 1 => rule]
}

fn block() -> impl Strategy<Value = String> {
    let scope = select(&["", "trusting previous; ", "trusting authority; "][..]);
    (scope, prop::collection::vec(statement(), 1..6)).prop_map(|(scope, statements)| {
        statements.iter().fold(scope.to_owned(), |code, it| code + it + ";")
    })
}

fn append(token: &str, code: &str) -> String {
    let block = BlockBuilder::new().code(code).unwrap();
    UnverifiedBiscuit::from_base64(token).unwrap().append(block).unwrap().to_base64().unwrap()
}

/// A bound credential whose arguments are held, so that every refusal can be provoked.
fn strict() -> String {
    let amount = r#"check if ctx($c),
        $c.get("call.number/amount") != null && $c.get("call.number/amount") <= 500"#;
    let checks = vec![Check::try_from(amount).unwrap()];
    token(&Draft { holder: Some(HOLDER.to_owned()), checks, ..draft() })
}

fn call(scope: &str, amount: i64) -> Request {
    let amount = json!({ "amount": amount });
    Request::new(scope).holder_proved(HOLDER).arguments(&amount).unwrap()
}

/// One way to be refused each, for a credential that admits `call("read", 400)`.
fn refused(token: &str) -> [Result<Verified, Refusal>; 9] {
    let (usual, unchecked) = (verifier(), Revocations::Unchecked);
    let mut listed = RevocationList::complete_at(*NOW);
    listed.revoke("0199-credential", []);
    let elsewhere = Verifier::new(&document(), "https://other.example").unwrap();
    let unproved = Request::new("read").arguments(&json!({ "amount": 400 })).unwrap();
    [
        usual.verify(token, &call("read", 400), unchecked, later(900)),
        usual.verify(token, &call("admin", 400), unchecked, *NOW),
        usual.verify(token, &call("read", 501), unchecked, *NOW),
        usual.verify(token, &Request::new("read").holder_proved(HOLDER), unchecked, *NOW),
        usual.verify(token, &unproved, unchecked, *NOW),
        usual.verify(token, &call("read", 400), Revocations::Listed(&listed), *NOW),
        usual.clone().tool("pay", None).verify(token, &call("read", 400), unchecked, *NOW),
        usual.tool("translate", Some("sha256:0")).verify(
            token,
            &call("read", 400),
            unchecked,
            *NOW,
        ),
        elsewhere.tool("translate", Some(DIGEST)).verify(
            token,
            &call("read", 400),
            unchecked,
            *NOW,
        ),
    ]
}

fn admit(token: &str, scope: &str, amount: i64) -> Option<Verified> {
    verifier().verify(token, &call(scope, amount), Revocations::Unchecked, *NOW).ok()
}

#[test]
fn the_lies_are_datalog() {
    for lie in LIES {
        assert!(BlockBuilder::new().code(format!("{lie};")).is_ok(), "{lie}");
    }
    let plain = strict();
    assert!(admit(&plain, "read", 400).is_some());
    assert!(refused(&plain).iter().all(Result::is_err));
}

#[test]
fn each_lie_alone_changes_nothing() {
    let plain = strict();
    for lie in LIES {
        for scope in ["", "trusting previous; "] {
            let token = append(&plain, &format!("{scope}{lie};"));
            for (index, result) in refused(&token).into_iter().enumerate() {
                assert!(result.is_err(), "{scope}{lie} makes refusal {index} pass");
            }
        }
    }
}

/// A block of any bytes at all, signed as it should be.
fn append_bytes(token: &str, bytes: Vec<u8>) -> String {
    let root = PublicKey::from_bytes_hex(&RING.active().public_key(), Algorithm::Ed25519).unwrap();
    let biscuit = Biscuit::from_base64(token, root).unwrap();
    let next = KeyPair::new_with_algorithm(Algorithm::Ed25519);
    let signed = biscuit.container().append_serialized(&next, bytes, None).unwrap();
    URL_SAFE.encode(signed.to_vec().unwrap())
}

/// The bytes of a block with a bit of everything in it.
fn rich_block() -> Vec<u8> {
    let code = r#"right("translate", "admin"); n({1, 2}); n([1, {"k": null}]); n(hex:00ff);
        right($t, "admin") <- request($t, $s), n($x), $s != "x" trusting previous;
        check if ctx($c), $c.get("call.number/amount") != null && [1, 2].any($x -> $x > 1);
        check all time($t), $t < 2026-11-21T22:10:00Z || $t.type() == "date";
        reject if request("pay", $s), $s.matches("^a") || ($s + "b").length() > 7"#;
    let token = append(&strict(), code);
    let container = container(&decode(&token).unwrap()).unwrap();
    container.blocks[0].block.clone()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn appended_blocks_never_widen(blocks in prop::collection::vec(block(), 1..4)) {
        let plain = strict();
        let token = blocks.iter().fold(plain.clone(), |token, code| append(&token, code));
        for result in refused(&token) {
            prop_assert!(result.is_err());
        }
        if let Some(narrowed) = admit(&token, "read", 400) {
            let original = admit(&plain, "read", 400).unwrap();
            prop_assert!(narrowed.scopes.is_subset(&original.scopes));
            prop_assert!(narrowed.expires_at <= original.expires_at);
            prop_assert_eq!(narrowed.credential_id, original.credential_id);
            prop_assert_eq!(narrowed.agent, original.agent);
            prop_assert_eq!(narrowed.holder, original.holder);
        }
    }

    #[test]
    fn signed_garbage_never_widens(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        garbage in prop::option::weighted(0.2, prop::collection::vec(any::<u8>(), 0..64)),
    ) {
        let mut bytes = rich_block();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let token = append_bytes(&strict(), garbage.unwrap_or(bytes));
        for result in refused(&token) {
            prop_assert!(result.is_err());
        }
        let shown = inspect(&token).map(|it| it.verified).map_err(|it| it.reason);
        prop_assert!([Ok(false), Err(Reason::Malformed)].contains(&shown));
    }

    #[test]
    fn narrowing_does_exactly_what_it_says(
        scopes in prop::option::of(subsequence(vec!["read", "translate"], 1..=2)),
        seconds in prop::option::of(-5i64..1000),
        limit in prop::option::of((-20_000_000i64..20_000_000).prop_map(|it| it as f64 / 10_000.0)),
        amount in prop_oneof![
            (-2000i64..2000).prop_map(Value::from),
            (-20_000_000i64..20_000_000).prop_map(|it| Value::from(it as f64 / 10_000.0)),
        ],
        scope in select(&SCOPES[..]),
    ) {
        let plain = token(&draft());
        let limits = limit.map(|it| serde_json::Number::from_f64(it).unwrap());
        let narrowing = Narrowing {
            scopes: scopes.as_ref().map(|it| it.iter().map(|it| (*it).to_owned()).collect()),
            expires_at: seconds.map(later),
            arguments: limits
                .map(|it| ArgumentCheck { pointer: "/amount".to_owned(), admits: Admits::AtMost(it) })
                .into_iter()
                .collect(),
            holder: None,
        };
        let narrowed = if narrowing == Narrowing::default() {
            plain
        } else {
            attenuate(&plain, &narrowing).unwrap().expose_secret().to_owned()
        };
        let request = Request::new(scope).argument("/amount", &amount).unwrap();
        let result =
            verifier().verify(&narrowed, &request, Revocations::Unchecked, *NOW);

        let granted = ["read", "translate"].contains(&scope);
        let kept = scopes.as_ref().is_none_or(|it| it.contains(&scope));
        let live = seconds.is_none_or(|it| it > 0);
        let within = limit.is_none_or(|it| amount.as_f64().unwrap() <= it);
        let expected = granted && kept && live && within;
        prop_assert_eq!(result.is_ok(), expected, "{:?}", result);
        if let Ok(it) = result {
            let kept: BTreeSet<String> = narrowing.scopes.unwrap_or_else(|| draft().scopes);
            prop_assert_eq!(it.scopes, kept);
        }
    }
}
