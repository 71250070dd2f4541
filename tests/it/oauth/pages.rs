//! The pages: whom they trust, what they hide from other sites, and that they work without a script.

use crate::harness::address::by_address;
use crate::harness::client::Client;
use crate::harness::{ADMIN, Answer, Browser, Gate, PASSWORD, Setup};

fn assert_wrong_origin(answer: &Answer) {
    assert_eq!(answer.status, 403, "{}", answer.text);
    assert!(answer.onward().is_none(), "{}", answer.text);
}

#[tokio::test]
async fn every_page_is_kept_from_other_sites_and_caches() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let sign_in = browser.get(&client.asks(&[])).await;
    let consent = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let form = consent.form("/oauth/consent");
    let onward = browser.submit(&form.with("decision", "allow")).await;
    let fault = browser.get("/oauth/authorize").await;
    let account = browser.get("/oauth/account").await;
    assert_eq!(fault.status, 400);
    for (what, page) in [
        ("sign-in", &sign_in),
        ("consent", &consent),
        ("onward", &onward),
        ("fault", &fault),
        ("account", &account),
    ] {
        let header = |name: &str| page.headers[name].to_str().unwrap();
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "style-src 'self'",
        ] {
            assert!(policy.contains(rule), "{what}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{what}: {policy}");
        assert_eq!(header("x-frame-options"), "DENY", "{what}");
        assert_eq!(header("cache-control"), "no-store", "{what}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert_eq!(header("referrer-policy"), "same-origin", "{what}");
        assert_eq!(header("content-type"), "text/html; charset=utf-8", "{what}");
        assert!(!page.text.contains("<script") && !page.text.contains(" style="), "{what}");
        assert!(page.text.starts_with("<!DOCTYPE html><html lang=\"en\">"), "{what}");
        assert_eq!(page.text.matches("<h1>").count(), 1, "{what}");
        assert_eq!(page.text.matches("<main>").count(), 1, "{what}");
    }
    let style = browser.get("/oauth/style.css").await;
    assert_eq!(style.headers["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_cookie_is_for_us_alone_and_new_with_every_sign_in() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.get(&client.asks(&[])).await;
    let set = page.headers["set-cookie"].to_str().unwrap();
    for part in ["gatewright=", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Domain"), "{set}");
    let planted = browser.cookies.clone();
    browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    assert_ne!(browser.cookies, planted, "fixation");
    let mut other = Browser::at(&gate);
    other.cookies = planted;
    other.get(&client.asks(&[])).await.form("/oauth/sign-in");

    // Over https nobody else can plant it, and it never travels in the clear.
    let mut gate = Setup::new().with("public_url", "https://127.0.0.1").start();
    by_address(&mut gate);
    let page = Browser::at(&gate).get("/oauth/sign-in").await;
    let set = page.headers["set-cookie"].to_str().unwrap();
    assert!(set.starts_with("__Host-gatewright=") && set.contains("; Secure"), "{set}");
}

#[tokio::test]
async fn two_cookies_of_the_same_name_are_nobodys() {
    let gate = Gate::start();
    let mut browser = Browser::at(&gate);
    browser.sign_in_for("/oauth/sign-in", ADMIN, PASSWORD).await;
    let good = format!("gatewright={}", browser.cookies["gatewright"]);
    browser.cookies.clear();
    let at = browser.absolute("/oauth/account");
    for (cookies, known) in [
        (good.clone(), true),
        (format!("other=1; {good}"), true),
        (format!("{good}; gatewright={}", "A".repeat(43)), false),
        (format!("gatewright={}; {good}", "A".repeat(43)), false),
    ] {
        let request = reqwest::Client::new().get(&at).header("cookie", &cookies);
        let page = browser.send(request).await;
        assert_eq!(page.text.contains("You are signed in as"), known, "{cookies}");
    }
}

#[tokio::test]
async fn a_form_works_for_the_browser_and_the_request_that_it_was_made_for() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut mine = Browser::at(&gate);
    let sign_in = mine.get(&client.asks(&[])).await.form("/oauth/sign-in");
    let filled = sign_in.with("username", ADMIN).with("password", PASSWORD);

    // Login CSRF: a form that somebody else got, or no form of ours at all.
    let mut theirs = Browser::at(&gate);
    assert_wrong_origin(&theirs.submit(&filled).await);
    theirs.get(&client.asks(&[])).await;
    assert_wrong_origin(&theirs.submit(&filled).await);
    assert_wrong_origin(&mine.submit(&filled.clone().without("seal")).await);
    assert_wrong_origin(&mine.submit(&filled.clone().with("seal", "AAAA")).await);
    let elsewhere = client.asks(&[("scope", "admin:all")]);
    let query = elsewhere.split_once('?').unwrap().1;
    assert_wrong_origin(&mine.submit(&filled.clone().with("request", query)).await);

    let consent = mine.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let form = consent.form("/oauth/consent").with("decision", "allow");
    assert_wrong_origin(&mine.submit(&form.clone().with("request", query)).await);
    assert_wrong_origin(&mine.submit(&form.clone().with("seal", filled.get("seal"))).await);
    theirs.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    assert_wrong_origin(&theirs.submit(&form).await);
    let sign_out = consent.form("/oauth/sign-out");
    assert_wrong_origin(&theirs.submit(&sign_out).await);
    assert_wrong_origin(&mine.submit(&sign_out.clone().without("seal")).await);
    assert!(mine.submit(&form).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn forms_that_other_sites_send_are_refused_whatever_they_hold() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    let form = page.form("/oauth/consent").with("decision", "allow");
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = browser.post("/oauth/consent").form(&form.fields).header(name, value);
        assert_wrong_origin(&browser.send(request).await);
    }
    let plain = browser.post("/oauth/consent").header("content-type", "text/plain").body("x=1");
    assert_eq!(browser.send(plain).await.status, 415);
    assert!(browser.submit(&form).await.sent_back().contains_key("code"));
}

#[tokio::test]
async fn a_wrong_password_is_told_like_an_unknown_name_and_can_be_mended() {
    let gate = Gate::start();
    let client = Client::public(&gate).await;
    let mut browser = Browser::at(&gate);
    let mut told = Vec::new();
    for name in [ADMIN, "nobody"] {
        let page = browser.sign_in_for(&client.asks(&[]), name, "Wrong-pass-phrase-1").await;
        assert_eq!(page.status, 403);
        assert!(page.text.contains("role=\"alert\"") && page.text.contains("<title>Error: "));
        assert!(!page.text.contains("Wrong-pass-phrase-1"));
        told.push(page.text.replace(name, "*"));
        let again = page.form("/oauth/sign-in").with("username", ADMIN).with("password", PASSWORD);
        assert!(browser.submit(&again).await.onward().unwrap().starts_with("/oauth/authorize?"));
        browser.cookies.clear();
    }
    let unsealed = |it: &String| {
        let (before, after) = it.split_once("name=\"seal\" value=\"").unwrap();
        format!("{before}{}", after.split_once('"').unwrap().1)
    };
    assert_eq!(unsealed(&told[0]), unsealed(&told[1]));
}

#[tokio::test]
async fn whoever_guesses_passwords_on_the_page_is_told_to_wait() {
    let gate = Setup::new().with("rate_limits.login_username", "3/hour").start();
    let mut browser = Browser::at(&gate);
    let mut pages = Vec::new();
    for _ in 0..4 {
        let page = browser.sign_in_for("/oauth/sign-in", "una", "Wrong-pass-phrase-1").await;
        pages.push(page.text.contains("Too many attempts"));
    }
    assert_eq!(pages, [false, false, false, true]);
}

#[tokio::test]
async fn what_a_client_calls_itself_is_text_and_nothing_else() {
    let gate = Gate::start();
    let name = "<script>alert(1)</script>\"'&";
    let client = Client::register(&gate, &serde_json::json!({ "client_name": name })).await;
    let page = Browser::at(&gate).sign_in_for(&client.asks(&[]), ADMIN, PASSWORD).await;
    page.form("/oauth/consent");
    assert!(!page.text.contains("<script"));
    assert!(page.text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
}
