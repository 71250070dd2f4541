//! From a client's request to its tokens, by way of a person.

use serde_json::json;

use crate::harness::browser::query;
use crate::harness::client::{CALLBACK, Client, VERIFIER, assert_refused};
use crate::harness::{ADMIN, Browser, Caller, Gate, PASSWORD, Setup, samples};

#[tokio::test]
async fn a_person_signs_in_agrees_and_the_client_acts_in_their_name() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);

    let page = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    assert_eq!(page.status, 200);
    for told in ["An app", ADMIN, "client.example", "read:profile", "read:public"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let answer = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    let location = answer.onward().unwrap();
    assert!(location.starts_with(&format!("{CALLBACK}?")), "{location}");
    let sent = query(&location);
    assert_eq!(sent["state"], "a state");
    assert_eq!(sent["iss"], gate.url, "RFC 9207");

    let redeemed = client.redeem(&sent["code"], &[]).await;
    let tokens = redeemed.expect(200);
    assert_eq!(redeemed.headers["cache-control"], "no-store");
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "read:profile read:public");
    assert_eq!(tokens["expires_in"], 900);
    let caller = Caller::new(&gate.url, tokens["access_token"].as_str());
    let me = caller.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["name"], ADMIN);
    assert_eq!(me["scopes"], json!(["read:profile", "read:public"]));

    let refreshed = client.refresh(tokens["refresh_token"].as_str().unwrap(), &[]).await;
    let refreshed = refreshed.expect(200);
    assert_eq!(refreshed["scope"], tokens["scope"]);
    let caller = Caller::new(&gate.url, refreshed["access_token"].as_str());
    caller.get("/api/v1/auth/me").await.expect(200);
}

#[tokio::test]
async fn what_was_agreed_to_is_not_asked_again_where_the_client_is_sure() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    browser.allow(&client.asks(&[])).await;

    let again = browser.get(&client.asks(&[("prompt", "none")])).await;
    assert_eq!(again.status, 303);
    assert!(again.sent_back().contains_key("code"));
    let fewer = browser.get(&client.asks(&[("scope", "read:public")])).await;
    let code = fewer.sent_back()["code"].clone();
    assert_eq!(client.redeem(&code, &[]).await.expect(200)["scope"], "read:public");

    let more = client.asks(&[("scope", "read:public write:profile")]);
    assert!(browser.get(&more).await.text.contains("allowed before"));
    let asked = browser.get(&client.asks(&[("prompt", "consent")])).await;
    asked.form("/oauth/consent");

    // Anybody on the machine can listen there: the person is asked each time.
    let change = json!({
        "redirect_uris": ["http://127.0.0.1/callback"],
        "token_endpoint_auth_method": "none",
    });
    let native = Client::register(&gate, &change).await;
    let asks = native.asks(&[("redirect_uri", "http://127.0.0.1:49152/callback")]);
    for _ in 0..2 {
        let page = browser.get(&asks).await;
        assert!(page.text.contains("a program on this computer"), "{}", page.text);
        let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
        let location = sent.onward().unwrap();
        assert!(location.starts_with("http://127.0.0.1:49152/callback?code="), "{location}");
    }
}

#[tokio::test]
async fn a_person_may_let_a_client_hold_less_or_nothing() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let form = page.form("/oauth/consent");
    let denied = browser.submit(&form.clone().with("decision", "deny")).await.sent_back();
    assert_eq!((denied["error"].as_str(), denied["state"].as_str()), ("access_denied", "a state"));
    assert_eq!(denied["iss"], gate.url);
    let none = form.clone().without("scope").with("decision", "allow");
    assert_eq!(browser.submit(&none).await.sent_back()["error"], "access_denied");

    let less = form.with("scope", "read:public").with("decision", "allow");
    let sent = browser.submit(&less).await.sent_back();
    assert_eq!(client.redeem(&sent["code"], &[]).await.expect(200)["scope"], "read:public");
    // What was not agreed to is asked for again.
    browser.get(&client.asks(&[])).await.form("/oauth/consent");

    // A box that was never on the page cannot be ticked.
    let page = browser.get(&client.asks(&[])).await;
    let more = page.form("/oauth/consent").with("scope", "admin:all").with("decision", "allow");
    assert_eq!(browser.submit(&more).await.sent_back()["error"], "access_denied");
}

#[tokio::test]
async fn a_token_holds_what_policy_lets_the_person_hold() {
    let gate = Gate::start();
    gate.user("una", "user").await;
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let asks = client.asks(&[("scope", "read:public admin:all agent:calc")]);
    let page = browser.sign_in_for(&asks, "una", "A-fine-pass-phrase-1").await;
    assert!(!page.text.contains("admin:all") && !page.text.contains("agent:calc"));
    let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    let sent = sent.sent_back();
    assert_eq!(client.redeem(&sent["code"], &[]).await.expect(200)["scope"], "read:public");

    let nothing = browser.get(&client.asks(&[("scope", "admin:all")])).await.sent_back();
    assert_eq!(nothing["error"], "invalid_scope");

    // A client that names none gets what the operator chose, not all there is.
    let page = browser.get(&client.asks(&[("scope", "")])).await;
    assert!(page.text.contains("read:profile") && !page.text.contains("write:profile"));
}

#[tokio::test]
async fn prompt_says_what_the_person_is_asked() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let silent = browser.get(&client.asks(&[("prompt", "none")])).await;
    assert_eq!(silent.sent_back()["error"], "login_required");
    browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let silent = browser.get(&client.asks(&[("prompt", "none")])).await;
    assert_eq!(silent.sent_back()["error"], "consent_required");

    let before = browser.cookies.clone();
    let login = client.asks(&[("prompt", "login consent")]);
    let page = browser.sign_in_for(&login, ADMIN, PASSWORD).await;
    assert_ne!(browser.cookies, before, "a new cookie for a new sign-in");
    let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    assert!(sent.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_token_is_for_the_resource_that_was_asked_for() {
    let tools = "https://tools.example/mcp";
    let gate = Setup::new().with("auth.resources", tools).start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let location = browser.allow(&client.asks(&[("resource", tools)])).await;
    let code = &query(&location)["code"];
    assert_refused(&client.redeem(code, &[("resource", &gate.url)]).await, 400, "invalid_target");
    let tokens = client.redeem(code, &[("resource", tools)]).await.expect(200);
    let caller = Caller::new(&gate.url, tokens["access_token"].as_str());
    caller.get("/api/v1/auth/me").await.problem(401, "unauthenticated");

    let refresh = tokens["refresh_token"].as_str().unwrap();
    let own = client.refresh(refresh, &[("resource", &gate.url)]).await;
    assert_refused(&own, 400, "invalid_target");
    let still = client.refresh(refresh, &[]).await.expect(200);
    let caller = Caller::new(&gate.url, still["access_token"].as_str());
    caller.get("/api/v1/auth/me").await.problem(401, "unauthenticated");

    let (agent, _) = gate.agent("reckoner", "agent").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("resource", tools),
    ];
    let tokens = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let caller = Caller::new(&gate.url, tokens["access_token"].as_str());
    caller.get("/api/v1/auth/me").await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn confidential_clients_prove_themselves_by_either_way_and_by_one() {
    let gate = Gate::start();
    let client = Client::confidential(&gate).await;
    let secret = client.secret.clone().unwrap();
    let mut browser = Browser::at(&gate);
    let code = query(&browser.allow(&client.asks(&[])).await)["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("code_verifier", VERIFIER),
    ];
    let ask = |id: &str, secret: &str| {
        let request = gate.anyone().request(reqwest::Method::POST, "/oauth/token");
        crate::harness::send(request.basic_auth(id, Some(secret)).form(&form))
    };
    assert_refused(&ask(&client.id, "gws_wrong").await, 401, "invalid_client");
    assert_refused(&client.redeem(&code, &[("client_secret", "")]).await, 401, "invalid_client");
    assert_refused(&client.redeem(&code, &[("client_secret", "x")]).await, 401, "invalid_client");
    ask(&client.id, &secret).await.expect(200);

    let machine = [
        ("grant_type", "client_credentials"),
        ("client_id", client.id.as_str()),
        ("client_secret", secret.as_str()),
    ];
    let refused = gate.anyone().form("/oauth/token", &machine).await;
    assert_refused(&refused, 400, "unauthorized_client");
}

#[tokio::test]
async fn a_person_who_needs_a_second_factor_and_has_none_is_told_where_to_add_one() {
    let gate = Gate::start();
    let words = "A-fine-pass-phrase-1";
    let body = json!({ "username": "una", "password": words });
    gate.admin().await.post("/api/v1/users", &body).await.expect(201);
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&client.asks(&[]), "una", words).await;
    assert_eq!(page.status, 403);
    assert!(page.text.contains("href=\"/oauth/account\""), "{}", page.text);
    assert_eq!(page.onward(), None);
    let silent = browser.get(&client.asks(&[("prompt", "none")])).await.sent_back();
    assert_eq!(silent["error"], "interaction_required");
}

#[tokio::test]
async fn a_client_of_an_administrator_administers_nothing() {
    let gate = Gate::start();
    gate.admin().await.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    let tokens = client.redeem(&sent.sent_back()["code"], &[]).await.expect(200);
    let held = Caller::new(&gate.url, tokens["access_token"].as_str());

    held.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(held.get("/api/v1/tools").await.expect(200)["items"].as_array().unwrap().len(), 1);
    for (path, body) in [
        ("/api/v1/users", json!({ "username": "mallory", "password": "A-fine-pass-phrase-1" })),
        ("/api/v1/register/machine", json!({ "name": "mole", "role": "agent" })),
        ("/api/v1/tools", samples::calculate("mine")),
        ("/api/v1/auth/factors/totp", json!({})),
        ("/api/v1/auth/elevate", json!({ "password": PASSWORD })),
    ] {
        let denied = held.post(path, &body).await.problem(403, "denied");
        let reasons = denied["reasons"].as_array().unwrap();
        assert!(reasons.contains(&json!("guard.client.acts")), "{path}: {denied}");
    }
    let key = json!({ "name": "mine", "scopes": [] });
    held.post("/api/v1/api-keys", &key).await.problem(404, "not_found");
    held.get("/api/v1/audit-events").await.problem(403, "denied");
    assert_eq!(held.get("/api/v1/users").await.expect(200)["items"], json!([]));
}
