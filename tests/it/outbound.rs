//! What the server calls when a stranger names a URL: the documents of clients (CIMD).

use serde_json::{Value, json};

use crate::harness::client::{CALLBACK, CHALLENGE, VERIFIER};
use crate::harness::site::Site;
use crate::harness::{ADMIN, Answer, Browser, Gate, PASSWORD, Setup};

fn asks(client: &str) -> String {
    let pairs = [
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "read:public"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let url = reqwest::Url::parse_with_params("http://x/oauth/authorize", pairs).unwrap();
    format!("{}?{}", url.path(), url.query().unwrap())
}

/// That a person is told why, and sent nowhere.
#[track_caller]
fn assert_stopped(answer: &Answer, why: &str) {
    assert_eq!((answer.status.as_u16(), answer.onward()), (400, None), "{}", answer.text);
    let text = answer.text.replace("&lt;", "<").replace("&amp;", "&");
    assert!(text.contains(why), "{why}: {text}");
}

fn document(id: &str, change: &Value) -> String {
    let mut document = json!({
        "client_id": id,
        "client_name": "An editor",
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none",
    });
    document.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    document.to_string()
}

fn answer(status: &str, content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
}

/// A server that trusts the site's certificate, and calls it where it is listed.
fn gate(site: &Site, listed: &str) -> Gate {
    let setup = Setup::new();
    let file = setup.folder.path().join("site.pem");
    std::fs::write(&file, &site.certificate).unwrap();
    setup
        .with("outbound.ca_file", &file.display().to_string())
        .with("outbound.internal_origins", listed)
        // Proxies that the environment names are nobody's the operator chose for this.
        .with("HTTPS_PROXY", "http://127.0.0.1:1")
        .with("ALL_PROXY", "http://127.0.0.1:1")
        .start()
}

#[tokio::test]
async fn a_stranger_reaches_nothing_on_this_machine_or_its_network() {
    let site = Site::open().await;
    let gate = gate(&site, "");
    let mut browser = Browser::at(&gate);
    let port = site.address.port();
    for host in [
        "127.0.0.1",
        "127.8.8.8",
        "localhost.localdomain",
        "a.localhost",
        "localhost.",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::7f00:1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "240.0.0.1",
        "name.invalid",
    ] {
        let id = format!("https://{host}:{port}/client.json");
        let stopped = browser.get(&asks(&id)).await;
        assert_eq!((stopped.status.as_u16(), stopped.onward()), (400, None), "{id}: {stopped:?}");
    }
    // Other spellings of the same are nobody's name.
    for host in ["127.1", "2130706433", "0x7f.1", "0177.0.0.1", "①②⑦.0.0.1", "LOCALHOST"] {
        let id = format!("https://{host}:{port}/client.json");
        assert_stopped(&browser.get(&asks(&id)).await, "not known here");
    }
    for id in [
        format!("http://127.0.0.1:{port}/client.json"),
        format!("https://user@127.0.0.1:{port}/client.json"),
        format!("https://127.0.0.1:{port}/a/../client.json"),
        format!("https://127.0.0.1:{port}/client.json#x"),
        format!("https://127.0.0.1:{port}/"),
        "file:///etc/passwd".to_owned(),
    ] {
        assert_stopped(&browser.get(&asks(&id)).await, "not known here");
    }
    assert_eq!(site.visits(), 0);
}

#[tokio::test]
async fn a_document_makes_a_client_known_where_it_lies_at_an_address_that_may_be_called() {
    let site = Site::open().await;
    let gate = gate(&site, &site.url(""));
    let id = site.url("/client.json");
    site.lay("/client.json", answer("200 OK", "application/json", &document(&id, &json!({}))));
    let mut browser = Browser::at(&gate);
    let page = browser.sign_in_for(&asks(&id), ADMIN, PASSWORD).await;
    assert!(page.text.contains("An editor") && page.text.contains("127.0.0.1"), "{}", page.text);
    let sent = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    let code = sent.sent_back()["code"].clone();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", id.as_str()),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = gate.anyone().form("/oauth/token", &form).await.expect(200);
    assert_eq!(tokens["scope"], "read:public");
    assert_eq!(site.visits(), 1, "kept from the page to the token");
}

#[tokio::test]
async fn a_document_that_will_not_do_is_refused_with_what_to_mend() {
    let site = Site::open().await;
    let gate = gate(&site, &site.url(""));
    let mut browser = Browser::at(&gate);
    let json =
        |path, change| answer("200 OK", "application/json", &document(&site.url(path), &change));
    let long = "x".repeat(5 * 1024);
    let moved = "HTTP/1.1 302 Found\r\nlocation: /client.json\r\ncontent-length: 0\r\n\r\n";
    let html = document(&site.url("/html"), &json!({}));
    for (path, page, why) in [
        (
            "/other",
            json("/other", json!({ "client_id": "https://other.example/c" })),
            "`client_id`",
        ),
        ("/secret", json("/secret", json!({ "client_secret": "sesame" })), "`client_secret`"),
        (
            "/shared",
            json("/shared", json!({ "token_endpoint_auth_method": "client_secret_post" })),
            "`token_endpoint_auth_method`",
        ),
        ("/none", json("/none", json!({ "redirect_uris": [] })), "redirect_uris"),
        (
            "/http",
            json("/http", json!({ "redirect_uris": ["http://c.example/"] })),
            "redirect_uris",
        ),
        ("/long", json("/long", json!({ "x": long })), "more than 5120 bytes"),
        ("/html", answer("200 OK", "text/html", &html), "`application/json`"),
        ("/no-json", answer("200 OK", "application/json", "sesame"), "line 1"),
        ("/gone", answer("404 Not Found", "application/json", "{}"), "404"),
        ("/moved", moved.to_owned(), "302"),
    ] {
        site.lay(path, page);
        let stopped = browser.get(&asks(&site.url(path))).await;
        assert_stopped(&stopped, why);
        assert!(!stopped.text.contains("sesame"), "{}", stopped.text);
    }
    site.visits();
    // Mended, it is read anew at once: no refusal is kept.
    site.lay("/gone", json("/gone", json!({})));
    assert!(browser.get(&asks(&site.url("/gone"))).await.text.contains("An editor"));
    assert_eq!(site.visits(), 1);
}

#[tokio::test]
async fn a_site_that_says_nothing_keeps_nobody_waiting() {
    let site = Site::open().await;
    let gate = gate(&site, &site.url(""));
    let silent = Browser::at(&gate).get(&asks(&site.url("/silent"))).await;
    assert_stopped(&silent, "does not answer within 2.5s");
    assert_eq!(site.visits(), 1);
}
