//! Authorization requests that go no further: what is told to whom.

use serde_json::json;

use crate::harness::client::{CALLBACK, Client};
use crate::harness::{ADMIN, Answer, Browser, Gate, PASSWORD, Setup, policies};

#[track_caller]
fn assert_told_here(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 400, "{what}: {}", answer.text);
    assert_eq!(answer.onward(), None, "{what}: nothing may be sent there");
    assert!(answer.text.contains("This cannot go on"), "{what}: {}", answer.text);
}

#[tokio::test]
async fn nothing_is_sent_to_an_address_that_is_not_registered() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    // Signed in and agreed: now everything goes by itself, if it goes at all.
    browser.allow(&client.asks(&[])).await;
    assert!(browser.get(&client.asks(&[])).await.sent_back().contains_key("code"));
    for address in [
        "https://evil.example/callback",
        "https://client.example/callback.evil.example",
        "https://client.example.evil.example/callback",
        "https://client.example@evil.example/callback",
        "https://evil.example/https://client.example/callback",
        "https://client.example/callback/../evil",
        "https://client.example/callback/%2e%2e/evil",
        "https://client.example/callback/",
        "https://client.example/callback?next=https://evil.example",
        "https://client.example/callback#",
        "https://client.example/Callback",
        "https://CLIENT.example/callback",
        "https://client.example:443/callback",
        "https://client.example:8443/callback",
        "http://client.example/callback",
        "https://client.example/%63allback",
        "https://client.example\\.evil.example/callback",
        "//client.example/callback",
        "/callback",
        "javascript:alert(1)",
        " https://client.example/callback",
        "https://client.example/callback\u{0}",
    ] {
        for more in [[("state", "x")], [("prompt", "none")], [("response_type", "token")]] {
            let asks = client.asks(&[&more[..], &[("redirect_uri", address)]].concat());
            assert_told_here(&browser.get(&asks).await, address);
        }
    }
    let twice = format!("{}&redirect_uri=https%3A%2F%2Fevil.example", client.asks(&[]));
    assert_told_here(&browser.get(&twice).await, "twice");
    let change = json!({ "redirect_uris": ["https://other.example/"] });
    let other = Client::register(&gate, &change).await;
    assert_told_here(&browser.get(&other.asks(&[])).await, "another client's");
    for id in ["", "nobody", "00000000-0000-0000-0000-000000000000", "http://client.example/it"] {
        assert_told_here(&browser.get(&client.asks(&[("client_id", id)])).await, id);
    }
}

#[tokio::test]
async fn every_other_fault_goes_back_to_the_client_with_state_and_issuer() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    for (name, value, error) in [
        ("response_type", "", "invalid_request"),
        ("response_type", "token", "unsupported_response_type"),
        ("response_mode", "fragment", "invalid_request"),
        ("code_challenge", "", "invalid_request"),
        ("code_challenge", "too-short", "invalid_request"),
        ("code_challenge_method", "", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("scope", "a\"b", "invalid_scope"),
        ("resource", "https://other.example", "invalid_target"),
        ("resource", "relative", "invalid_target"),
        ("prompt", "none consent", "invalid_request"),
        ("request", "eyJ", "request_not_supported"),
        ("request_uri", "urn:x", "request_uri_not_supported"),
    ] {
        let answer = browser.get(&client.asks(&[(name, value)])).await;
        assert_eq!(answer.status, 303, "{name}={value}");
        assert!(answer.onward().unwrap().starts_with(&format!("{CALLBACK}?")), "{name}={value}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        let sent = answer.sent_back();
        assert_eq!(sent["error"], error, "{name}={value}: {sent:?}");
        assert_eq!((&sent["state"], &sent["iss"]), (&"a state".to_owned(), &gate.url));
        assert!(!sent.contains_key("code"));
    }
    let twice = format!("{}&scope=read%3Apublic", client.asks(&[]));
    assert_eq!(browser.get(&twice).await.sent_back()["error"], "invalid_request");
    let long = client.asks(&[("state", &"x".repeat(513))]);
    let sent = browser.get(&long).await.sent_back();
    assert_eq!((sent["error"].as_str(), sent.get("state")), ("invalid_request", None));
}

#[tokio::test]
async fn the_query_of_a_redirect_address_is_kept() {
    let gate = Gate::start();
    let address = "https://client.example/callback?tenant=1&x=%2F";
    let change = json!({ "redirect_uris": [address] });
    let client = Client::register(&gate, &change).await;
    let mut browser = Browser::at(&gate);
    let location = browser.allow(&client.asks(&[("redirect_uri", address)])).await;
    assert!(location.starts_with(&format!("{address}&code=gwo_")), "{location}");
}

#[tokio::test]
async fn a_machine_is_nobody_that_a_person_can_be_asked_by() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let id = agent["client_id"].as_str().unwrap();
    let mut browser = Browser::at(&gate);
    assert_told_here(&browser.get(&client.asks(&[("client_id", id)])).await, "an agent");
}

#[tokio::test]
async fn policy_is_asked_before_the_person_is() {
    let setup = policies::own(Setup::new());
    policies::put(
        setup.folder.path(),
        "90-clients.cedar",
        r#"@id("no.clients") @title("Nobody lets clients act in their name")
           forbid (principal, action == Gatewright::Action::"authorize_client", resource);"#,
    );
    let gate = setup.start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let sent = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await.sent_back();
    assert_eq!(sent["error"], "access_denied");
    assert_eq!(sent["error_description"], "Nobody lets clients act in their name");
    let events = gate.admin().await.get("/api/v1/audit-events?action=client.authorize").await;
    let event = &events.expect(200)["items"][0]["entry"];
    assert_eq!((&event["outcome"], &event["reasons"]), (&json!("denied"), &json!(["no.clients"])));
}
