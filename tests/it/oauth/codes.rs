//! Codes and refresh tokens in the wrong hands, at the wrong time, or twice.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::browser::query;
use crate::harness::client::{CHALLENGE, Client, VERIFIER, assert_refused};
use crate::harness::{ADMIN, Browser, Caller, Gate, PASSWORD, send};

async fn code(browser: &mut Browser, client: &Client) -> String {
    let asks = client.asks(&[]);
    let page = browser.get(&asks).await;
    match page.onward() {
        Some(location) => query(&location)["code"].clone(),
        None => query(&browser.allow(&asks).await)["code"].clone(),
    }
}

async fn works(gate: &Gate, tokens: &Value) -> bool {
    let caller = Caller::new(&gate.url, tokens["access_token"].as_str());
    caller.get("/api/v1/auth/me").await.status == 200
}

#[tokio::test]
async fn a_code_works_once_and_its_second_use_ends_what_it_gave() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let tokens = client.redeem(&code, &[]).await.expect(200);
    assert!(works(&gate, &tokens).await);
    assert_refused(&client.redeem(&code, &[]).await, 400, "invalid_grant");
    assert!(!works(&gate, &tokens).await, "on the next request");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_refused(&client.refresh(refresh, &[]).await, 400, "invalid_grant");
    let events = gate.admin().await.get("/api/v1/audit-events?action=system.end_session").await;
    assert_eq!(events.expect(200)["items"][0]["entry"]["details"]["reason"], "code_reused");
}

#[tokio::test]
async fn of_many_uses_at_once_none_gives_tokens_that_last() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let all = join_all((0..8).map(|_| client.redeem(&code, &[]))).await;
    let given: Vec<Value> = all.iter().filter(|it| it.status == 200).map(|it| it.json()).collect();
    assert!(given.len() <= 1, "{given:?}");
    for tokens in given {
        assert!(!works(&gate, &tokens).await, "seven others came with the same code");
    }
}

#[tokio::test]
async fn a_code_is_good_for_its_client_its_address_and_its_verifier_alone() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let other = Client::public(&gate).await;
    assert_refused(&other.redeem(&code, &[]).await, 400, "invalid_grant");
    for (change, error) in [
        (("code_verifier", "x".repeat(43)), "invalid_grant"),
        // What would do if the code's method had been `plain`.
        (("code_verifier", CHALLENGE.to_owned()), "invalid_grant"),
        (("code_verifier", format!("{VERIFIER}=")), "invalid_grant"),
        (("code_verifier", String::new()), "invalid_request"),
        (("redirect_uri", "https://client.example/callback/".into()), "invalid_grant"),
        (("redirect_uri", "https://evil.example/".into()), "invalid_grant"),
        (("code", "gwo_nothing".into()), "invalid_grant"),
        (("code", String::new()), "invalid_request"),
        (("grant_type", "password".into()), "unsupported_grant_type"),
        (("grant_type", "client_credentials".into()), "unauthorized_client"),
    ] {
        let (name, value) = &change;
        assert_refused(&client.redeem(&code, &[(name, value)]).await, 400, error);
    }
    // None of that used it up, and OAuth 2.1 clients do not repeat the address.
    client.redeem(&code, &[("redirect_uri", "")]).await.expect(200);
}

#[tokio::test]
async fn a_code_is_worth_nothing_once_the_person_signed_out_or_was_suspended() {
    let gate = Gate::start();
    let una = gate.user("una", "user").await;
    let id = una.get("/api/v1/auth/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let client = Client::public(&gate).await;
    let allowed = async |browser: &mut Browser| {
        let page = browser.sign_in_for(&client.asks(&[]), "una", "A-fine-pass-phrase-1").await;
        if let Some(location) = page.onward() {
            return query(&location)["code"].clone();
        }
        let form = page.form("/oauth/consent").with("decision", "allow");
        browser.submit(&form).await.sent_back()["code"].clone()
    };
    let mut browser = Browser::at(&gate);
    let code = allowed(&mut browser).await;
    let account = browser.get("/oauth/account").await;
    assert!(account.text.contains("una"));
    browser.submit(&account.form("/oauth/sign-out")).await;
    assert!(browser.cookies.is_empty());
    assert_refused(&client.redeem(&code, &[]).await, 400, "invalid_grant");

    let mut browser = Browser::at(&gate);
    let code = allowed(&mut browser).await;
    let tokens = client.redeem(&code, &[]).await.expect(200);
    let again = allowed(&mut Browser::at(&gate)).await;
    let admin = gate.admin().await;
    admin.act(&format!("/api/v1/users/{id}/suspend")).await.expect(200);
    assert_refused(&client.redeem(&again, &[]).await, 400, "invalid_grant");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_refused(&client.refresh(refresh, &[]).await, 400, "invalid_grant");
    assert!(!works(&gate, &tokens).await);
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_second_use_ends_the_family() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let tokens = client.redeem(&code, &[]).await.expect(200);
    let first = tokens["refresh_token"].as_str().unwrap();
    let second = client.refresh(first, &[]).await.expect(200);
    assert_refused(&client.refresh(first, &[]).await, 400, "invalid_grant");
    let refresh = second["refresh_token"].as_str().unwrap();
    assert_refused(&client.refresh(refresh, &[]).await, 400, "invalid_grant");
    assert!(!works(&gate, &second).await);
}

#[tokio::test]
async fn a_refresh_token_belongs_to_its_client_and_never_gives_more() {
    let gate = Gate::start();
    let client = Client::confidential(&gate).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let tokens = client.redeem(&code, &[]).await.expect(200);
    let refresh = tokens["refresh_token"].as_str().unwrap();

    let other = Client::confidential(&gate).await;
    assert_refused(&other.refresh(refresh, &[]).await, 400, "invalid_grant");
    assert_refused(&client.refresh(refresh, &[("client_secret", "")]).await, 401, "invalid_client");
    let body = json!({ "refresh_token": refresh });
    let own = gate.anyone().post("/api/v1/auth/refresh", &body).await;
    own.problem(401, "unauthenticated");
    let more = client.refresh(refresh, &[("scope", "read:public write:profile")]).await;
    assert_refused(&more, 400, "invalid_scope");

    let less = client.refresh(refresh, &[("scope", "read:public")]).await.expect(200);
    assert_eq!(less["scope"], "read:public");
    let refresh = less["refresh_token"].as_str().unwrap();
    let all = client.refresh(refresh, &[]).await.expect(200);
    assert_eq!(all["scope"], "read:profile read:public", "it was narrowed for one token");

    // Our own sign-in's tokens are not a client's.
    let body = json!({ "username": ADMIN, "password": PASSWORD });
    let own = gate.anyone().post("/api/v1/auth/login", &body).await.expect(200);
    let refused = client.refresh(own["refresh_token"].as_str().unwrap(), &[]).await;
    assert_refused(&refused, 400, "invalid_grant");
}

#[tokio::test]
async fn who_loses_a_role_loses_its_scopes_with_the_next_refresh() {
    let gate = Gate::start();
    let una = gate.user("una", "user").await;
    let id = una.get("/api/v1/auth/me").await.expect(200)["id"].as_str().unwrap().to_owned();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&client.asks(&[]), "una", "A-fine-pass-phrase-1").await;
    let form = page.form("/oauth/consent").with("decision", "allow");
    let code = browser.submit(&form).await.sent_back()["code"].clone();
    let tokens = client.redeem(&code, &[]).await.expect(200);
    let admin = gate.admin().await;
    send(admin.request(Method::PUT, &format!("/api/v1/users/{id}/roles/guest"))).await.expect(200);
    admin.delete(&format!("/api/v1/users/{id}/roles/user")).await.expect(200);
    let refreshed = client.refresh(tokens["refresh_token"].as_str().unwrap(), &[]).await;
    assert_eq!(refreshed.expect(200)["scope"], "read:public");
}

#[tokio::test]
async fn a_client_that_may_not_refresh_gets_nothing_to_refresh_with() {
    let gate = Gate::start();
    let change = json!({
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
    });
    let client = Client::register(&gate, &change).await;
    let mut browser = Browser::at(&gate);
    let code = code(&mut browser, &client).await;
    let tokens = client.redeem(&code, &[]).await.expect(200);
    assert!(works(&gate, &tokens).await);
    assert_eq!(tokens.get("refresh_token"), None);
}
