//! People who sign in with a provider.

use serde_json::json;

use super::{Company, ENTRANCE, user};
use crate::harness::browser::query;
use crate::harness::client::Client;
use crate::harness::{Browser, Caller, PASSWORD, samples};

#[tokio::test]
async fn a_person_signs_in_by_a_provider_and_is_the_same_user_ever_after() {
    let mut company = Company::start().await;
    let admin = company.admin.clone();
    let claims = json!({ "preferred_username": "alice", "groups": ["eng-all", "unknown"] });
    company.provider.seats("alice-1", &claims);
    // A group that nobody is in yet can be granted something, for the provider may bring some.
    let grant = samples::grant("Group:engineers", "ToolSet:calculators");
    admin.post("/api/v1/grants", &grant).await.expect(201);
    let mut browser = Browser::at(&company.gate);
    let page = browser.get("/oauth/sign-in").await;
    assert!(page.text.contains("The Company") && page.text.contains(ENTRANCE), "{}", page.text);

    let before = browser.cookies.clone();
    let answer = company.sign_in(&mut browser).await;
    assert_eq!(answer.onward().unwrap(), "/oauth/account", "{}", answer.text);
    assert_ne!(browser.cookies["gatewright"], before["gatewright"], "no fixed session");
    assert!(browser.get("/oauth/account").await.text.contains("alice"));
    let alice = user(&admin, "alice").await;
    assert_eq!(alice["roles"], json!(["user"]));
    assert_eq!(alice["groups"], json!(["engineers"]));

    // The claims of the day count; a new name changes nothing.
    let claims = json!({ "preferred_username": "alicia", "groups": "sec" });
    company.provider.seats("alice-1", &claims);
    company.sign_in(&mut Browser::at(&company.gate)).await;
    let again = user(&admin, "alice").await;
    assert_eq!((&again["id"], &again["groups"]), (&alice["id"], &json!(["security"])));
    company.provider.seats("alice-1", &json!({}));
    company.sign_in(&mut Browser::at(&company.gate)).await;
    assert_eq!(user(&admin, "alice").await["groups"], json!([]));

    // A name that is taken stays whose it is.
    company.provider.seats("alice-2", &json!({ "preferred_username": "ALICE" }));
    company.sign_in(&mut Browser::at(&company.gate)).await;
    assert_ne!(user(&admin, "ALICE@company").await["id"], alice["id"]);
    company.provider.seats("nameless", &json!({ "preferred_username": "a b\u{202e}" }));
    company.sign_in(&mut Browser::at(&company.gate)).await;
    let users = admin.get("/api/v1/users").await.expect(200)["items"].as_array().unwrap().clone();
    let named = |it: &&serde_json::Value| it["username"].as_str().unwrap().starts_with("company-");
    assert_eq!(users.iter().filter(named).count(), 1);
    assert_eq!(users.len(), 4);
}

#[tokio::test]
async fn a_sign_in_goes_on_to_what_it_was_for() {
    let mut company = Company::start().await;
    let client = Client::public(&company.gate).await;
    let claims = json!({ "preferred_username": "alice", "amr": ["pwd", "mfa"] });
    company.provider.seats("alice-1", &claims);
    let mut browser = Browser::at(&company.gate);
    let page = browser.get(&client.asks(&[])).await;
    let (_, rest) = page.text.split_once(&format!("href=\"{ENTRANCE}?")).unwrap();
    let entrance = format!("{ENTRANCE}?{}", rest.split('"').next().unwrap().replace("&amp;", "&"));
    let back = company.sent_back(&mut browser, &entrance).await;
    let consent = browser.get(&back).await.onward().unwrap();
    let page = browser.get(&consent).await;
    let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    let tokens = client.redeem(&sent.sent_back()["code"], &[]).await.expect(200);
    let alice = Caller::new(&company.gate.url, tokens["access_token"].as_str());
    let me = alice.get("/api/v1/auth/me").await.expect(200);
    assert_eq!((&me["name"], &me["session"]["assurance_level"]), (&json!("alice"), &json!(2)));

    // Without the provider's word for it, a stranger's first sign-in is short of a second factor.
    company.provider.seats("bob-1", &json!({ "preferred_username": "bob", "amr": ["pwd"] }));
    let mut browser = Browser::at(&company.gate);
    let back = company.sent_back(&mut browser, &entrance).await;
    let onward = browser.get(&back).await.onward().unwrap();
    let page = browser.get(&onward).await;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains("Add a second factor first"), "{}", page.text);
}

#[tokio::test]
async fn nobody_goes_anywhere_but_to_the_client_that_asked() {
    let company = Company::start().await;
    let mut browser = Browser::at(&company.gate);
    for elsewhere in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "client_id=unknown",
        "response_type=code&redirect_uri=https://evil.example/",
        "%00",
    ] {
        let path = format!("{ENTRANCE}?request={}", urlencoded(elsewhere));
        let answer = browser.get(&path).await;
        assert_eq!(answer.onward(), None, "{elsewhere}: {}", answer.text);
        assert_eq!(answer.status, 400, "{elsewhere}: {}", answer.text);
    }
    let twice = browser.get(&format!("{ENTRANCE}?request=a&request=b")).await;
    assert_eq!(twice.status, 400);
    assert_eq!(browser.get("/oauth/federation/nobody/start").await.status, 404);
    assert_eq!(browser.get("/oauth/federation/cluster/start").await.status, 404);
}

#[tokio::test]
async fn who_is_nobody_here_stays_out_where_the_settings_say_so() {
    let mut company = Company::trusting(&json!({})).await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "admin" }));
    let mut browser = Browser::at(&company.gate);
    let answer = company.sign_in(&mut browser).await;
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(answer.text.contains("ask an administrator"), "{}", answer.text);
    assert_eq!(company.reason("auth.federation").await, "unknown_person");
    let users = company.admin.get("/api/v1/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    assert!(browser.get("/oauth/account").await.text.contains("Sign in"));
}

#[tokio::test]
async fn a_suspended_user_is_refused_whatever_the_provider_says() {
    let mut company = Company::start().await;
    company.provider.seats("alice-1", &json!({ "preferred_username": "alice" }));
    company.sign_in(&mut Browser::at(&company.gate)).await;
    let admin = company.admin.elevated(PASSWORD).await;
    let id = user(&admin, "alice").await["id"].as_str().unwrap().to_owned();
    admin.act(&format!("/api/v1/users/{id}/suspend")).await.expect(200);
    let answer = company.sign_in(&mut Browser::at(&company.gate)).await;
    assert_eq!(answer.status, 403, "{}", answer.text);
}

#[tokio::test]
async fn what_is_asked_of_the_provider_cannot_be_replayed_or_read() {
    let company = Company::start().await;
    let mut browser = Browser::at(&company.gate);
    let asked = query(&browser.get(ENTRANCE).await.onward().unwrap());
    let again = query(&browser.get(ENTRANCE).await.onward().unwrap());
    assert_eq!((&*asked["response_type"], &*asked["code_challenge_method"]), ("code", "S256"));
    assert_eq!(asked["scope"], "openid profile email");
    for unique in ["state", "nonce", "code_challenge"] {
        assert_eq!(asked[unique].len(), if unique == "state" { 47 } else { 43 });
        assert_ne!(asked[unique], again[unique], "{unique}");
    }
}

fn urlencoded(text: &str) -> String {
    text.bytes().map(|it| format!("%{it:02X}")).collect()
}
