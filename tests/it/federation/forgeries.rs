//! A provider that lies, or is somebody else.

use reqwest::Url;
use serde_json::{Value, json};

use super::{Company, ENTRANCE};
use crate::harness::Browser;
use crate::harness::browser::query;

/// That the way back ends at a page, with this reason in the audit, and signs nobody in.
async fn assert_refused(company: &Company, browser: &mut Browser, back: &str, reason: &str) {
    let answer = browser.get(back).await;
    assert_eq!(answer.onward(), None, "{reason}: {}", answer.text);
    assert!([401, 503].contains(&answer.status.as_u16()), "{reason}: {}", answer.text);
    assert_eq!(company.reason("auth.federation").await, reason);
    assert!(browser.get("/oauth/account").await.text.contains("name=\"password\""), "{reason}");
}

/// The address with a parameter changed, or taken out.
fn with(back: &str, name: &str, value: Option<&str>) -> String {
    let mut url = Url::parse(back).unwrap();
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(it, _)| it != name)
        .map(|it| (it.0.into(), it.1.into()))
        .collect();
    url.query_pairs_mut().clear().extend_pairs(kept).extend_pairs(value.map(|it| (name, it)));
    url.into()
}

#[tokio::test]
async fn a_token_that_was_not_made_for_this_sign_in_is_refused() {
    let mut company = Company::start().await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "alice" }));
    for (forge, reason) in [
        (json!({ "claims": { "nonce": "another" } }), "wrong_nonce"),
        (json!({ "claims": { "nonce": null } }), "wrong_nonce"),
        (json!({ "claims": { "aud": "another" } }), "wrong_audience"),
        (json!({ "claims": { "aud": ["gate", "another"] } }), "wrong_audience"),
        (json!({ "claims": { "azp": "another" } }), "wrong_audience"),
        (json!({ "claims": { "iss": "https://evil.example" } }), "wrong_issuer"),
        (json!({ "claims": { "exp": 1_000_000_000 } }), "wrong_time"),
        (json!({ "claims": { "iat": 1_000_000_000 } }), "wrong_time"),
        (json!({ "claims": { "sub": "" } }), "no_subject"),
        (json!({ "claims": { "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" } }), "wrong_access_token"),
        (json!({ "alg": "none" }), "bad_token"),
        (json!({ "alg": "HS256" }), "bad_token"),
        (json!({ "alg": "HS256", "secret": "key" }), "bad_token"),
        (json!({ "stranger": true }), "bad_token"),
        (json!({ "stranger": true, "kid": "unknown" }), "unknown_key"),
    ] {
        company.provider.tell(&json!({ "forge": forge }));
        let mut browser = Browser::at(&company.gate);
        let back = company.sent_back(&mut browser, ENTRANCE).await;
        assert_refused(&company, &mut browser, &back, reason).await;
    }
    company.provider.tell(&json!({ "forge": Value::Null }));
    let answer = company.sign_in(&mut Browser::at(&company.gate)).await;
    assert_eq!(answer.onward().unwrap(), "/oauth/account", "and nothing was broken by it");
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_and_from_the_provider_that_it_is_for() {
    let mut company = Company::start().await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "alice" }));
    let mut browser = Browser::at(&company.gate);
    let back = company.sent_back(&mut browser, ENTRANCE).await;

    // Sent by an attacker to a victim: signed in as the attacker, the victim would tell them all.
    let mut victim = Browser::at(&company.gate);
    assert_refused(&company, &mut victim, &back, "bad_state").await;
    victim.get("/oauth/sign-in").await;
    assert_refused(&company, &mut victim, &back, "bad_state").await;

    for (changed, reason) in [
        (with(&back, "state", None), "bad_state"),
        (with(&back, "state", Some("gwo_unknown")), "bad_state"),
        (back.replace("/company/callback", "/other/callback"), "bad_state"),
    ] {
        assert_refused(&company, &mut browser, &changed, reason).await;
    }
    // None of that used it up.
    assert_eq!(browser.get(&back).await.onward().unwrap(), "/oauth/account");
    let mut later = Browser::at(&company.gate);
    later.cookies = browser.cookies.clone();
    let replayed = later.get(&back).await;
    assert_eq!(replayed.status, 401, "{}", replayed.text);

    for (change, reason) in [
        // Mix-up: the answer of one provider, passed off as another's (RFC 9207).
        (("iss", Some("https://evil.example")), "mixed_up"),
        (("iss", None), "mixed_up"),
        (("code", Some("another-code")), "bad_code"),
        (("code", None), "bad_code"),
        (("error", Some("access_denied")), "ended_by_provider"),
    ] {
        let mut browser = Browser::at(&company.gate);
        let back = company.sent_back(&mut browser, ENTRANCE).await;
        let changed = with(&back, change.0, change.1);
        assert_refused(&company, &mut browser, &changed, reason).await;
        assert_refused(&company, &mut browser, &back, "bad_state").await;
    }
    let twice = browser.get(&format!("{back}&code=another")).await;
    assert_eq!(twice.status, 400);
}

#[tokio::test]
async fn a_code_is_of_no_use_without_the_browser_that_began() {
    let mut company = Company::start().await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "alice" }));
    let mut thief = Browser::at(&company.gate);
    let own = company.sent_back(&mut thief, ENTRANCE).await;
    let stolen = company.sent_back(&mut Browser::at(&company.gate), ENTRANCE).await;
    let code = query(&stolen)["code"].clone();
    // The provider holds the code against the challenge of the browser that it was given to.
    let injected = with(&own, "code", Some(&code));
    assert_refused(&company, &mut thief, &injected, "bad_code").await;
}

#[tokio::test]
async fn keys_are_followed_and_a_provider_that_is_down_lets_nobody_in() {
    let mut company = Company::start().await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "alice" }));
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        company.provider.tell(&json!({ "rotate": algorithm }));
        let answer = company.sign_in(&mut Browser::at(&company.gate)).await;
        // A new key is looked for once a minute; the first came with the first sign-in.
        if algorithm == "EdDSA" {
            assert_eq!(answer.status, 401, "{}", answer.text);
            assert_eq!(company.reason("auth.federation").await, "unknown_key");
        } else {
            assert_eq!(answer.onward().unwrap(), "/oauth/account", "{algorithm}: {}", answer.text);
        }
    }
    let mut browser = Browser::at(&company.gate);
    let back = company.sent_back(&mut browser, ENTRANCE).await;
    drop(company.provider);
    let answer = browser.get(&back).await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(answer.text.contains("identity provider is not available"), "{}", answer.text);
    company.gate.admin().await;
}
