//! Passkeys in a real browser.

use serde_json::{Value, json};

use crate::harness::address::by_address;
use crate::harness::chromium::{Chromium, ORIGIN, Verifies};
use crate::harness::enrolled::{WORDS, held, register, sign_in, strict};
use crate::harness::{Answer, Caller, Gate, Setup, samples};

const PASSKEYS: &str = "/api/v1/auth/factors/passkeys";
/// What a page of ours does with options; its helpers are those of our own script.
const SIGN: &str = "it => navigator.credentials.get({ publicKey: withBytes(it.publicKey) })
    .then(it => JSON.parse(asJson(it)))";

fn gate() -> Gate {
    let mut gate = strict(Setup::new().with("public_url", ORIGIN));
    by_address(&mut gate);
    gate
}

/// The path of the page that an enrolment is to go on with.
async fn page(caller: &Caller, name: &str) -> String {
    let begun = caller.post(PASSKEYS, &json!({ "name": name })).await.expect(200);
    let page = begun["page"].as_str().unwrap();
    assert!(page.contains(begun["ceremony"].as_str().unwrap()), "{page}");
    page.strip_prefix(ORIGIN).unwrap().to_owned()
}

async fn begin(gate: &Gate, held: &Value) -> Value {
    let body = json!({ "mfa_token": held["mfa_token"] });
    gate.anyone().post("/api/v1/auth/mfa/passkey", &body).await.expect(200)
}

async fn finish(gate: &Gate, held: &Value, begun: &Value, signed: &Value) -> Answer {
    let body = json!({
        "mfa_token": held["mfa_token"], "ceremony": begun["ceremony"], "credential": signed,
    });
    gate.anyone().post("/api/v1/auth/mfa/passkey/finish", &body).await
}

/// Clicks until the page says that it is done.
fn add(browser: &mut Chromium, path: &str) {
    assert_eq!(browser.go(path), 200);
    browser.click("#passkey button");
    browser.wait("h1:has-text('The passkey is added')");
}

#[tokio::test]
async fn a_browser_enrols_a_passkey_and_signs_in_with_it() {
    let gate = gate();
    register(&gate, "alice").await;
    let alice = sign_in(&gate, "alice").await;
    let (first, second) = (page(&alice, "laptop").await, page(&alice, "phone").await);
    let mut browser = Chromium::open(&gate);
    browser.plug_in(Verifies::Yes);
    add(&mut browser, &first);
    assert_eq!(browser.texts("#recovery-codes li").len(), 10);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    assert_eq!(browser.go(&first), 422, "the page is good once");
    assert_eq!(
        browser.texts("main p").first().unwrap(),
        "Ceremony is over, or was used: begin again."
    );

    let (waiting, other) =
        (held(&gate.anyone(), "alice").await, held(&gate.anyone(), "alice").await);
    assert_eq!(waiting["second_factors"], json!(["passkey", "recovery_code"]));
    let begun = begin(&gate, &waiting).await;
    assert_eq!(browser.go(&second), 200);
    let signed = browser.call(SIGN, &begun["options"]);
    let crossed = finish(&gate, &other, &begin(&gate, &other).await, &signed).await;
    crossed.problem(401, "unauthenticated");
    let tokens = finish(&gate, &waiting, &begun, &signed).await.expect(200);
    let proven = Caller::new(&gate.url, tokens["access_token"].as_str());
    let me = proven.get("/api/v1/auth/me").await.expect(200);
    assert_eq!(me["session"]["assurance_level"], 2);
    for held in [&waiting, &other] {
        finish(&gate, held, &begun, &signed).await.problem(401, "unauthenticated");
    }

    // The second page was begun when there was no factor; by now another asks for more.
    browser.click("#passkey button");
    browser.wait("h1:has-text('Denied by policy')");
    let third = page(&proven, "phone").await;
    assert_eq!(browser.go(&third), 200);
    browser.click("#passkey button");
    browser.wait("#passkey .fault:has-text('enrolled already')");
    let listed = proven.get("/api/v1/auth/factors").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["name"], "laptop");

    let asked = proven.act("/api/v1/auth/elevate/passkey").await.expect(200);
    let signed = browser.call(SIGN, &asked["options"]);
    let passkey = json!({ "ceremony": asked["ceremony"], "credential": signed });
    let elevate = json!({ "password": WORDS, "passkey": passkey });
    let elevated = proven.post("/api/v1/auth/elevate", &elevate).await.expect(200);
    proven.post("/api/v1/auth/elevate", &elevate).await.problem(401, "unauthenticated");
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    let path = format!("/api/v1/auth/factors/{}", listed["items"][0]["id"].as_str().unwrap());
    elevated.delete(&path).await.expect(204);
}

#[tokio::test]
async fn a_browser_signs_in_with_a_passkey_that_it_enrolled_on_the_page() {
    let gate = gate();
    register(&gate, "alice").await;
    let mut browser = Chromium::open(&gate);
    browser.plug_in(Verifies::Yes);
    let password = |browser: &mut Chromium| {
        assert_eq!(browser.go("/oauth/sign-in"), 200);
        browser.fill("#username", "alice");
        browser.fill("#password", WORDS);
        browser.click("button[type=submit]");
    };
    password(&mut browser);
    browser.wait("#add-passkey");
    browser.fill("#name", "laptop");
    browser.click("#add-passkey button");
    browser.wait("#passkey button");
    browser.click("#passkey button");
    browser.wait("#recovery-codes");
    assert_eq!(browser.go("/oauth/account"), 200);
    browser.click("#sign-out button");
    browser.wait("#username");

    password(&mut browser);
    browser.wait("#passkey button");
    browser.click("#passkey button");
    browser.wait("#add-passkey");
    assert_eq!(browser.texts("main strong"), ["alice"]);
    assert_eq!(browser.complaints(), Vec::<String>::new());
    let listed = json!({ "username": "alice", "password": WORDS });
    let held = gate.anyone().post("/api/v1/auth/login", &listed).await.problem(401, "mfa_required");
    assert_eq!(held["second_factors"], json!(["passkey", "recovery_code"]));
}

#[tokio::test]
async fn a_key_that_does_not_know_its_user_is_not_enrolled() {
    let gate = gate();
    register(&gate, "alice").await;
    let alice = sign_in(&gate, "alice").await;
    let mut browser = Chromium::open(&gate);
    browser.plug_in(Verifies::No);
    assert_eq!(browser.go(&page(&alice, "laptop").await), 200);
    browser.click("#passkey button");
    browser.wait("#passkey .fault:has-text('not used')");
    assert_eq!(browser.complaints(), Vec::<String>::new());
    // A session that has ended enrols nothing, whatever it began.
    let path = page(&alice, "laptop").await;
    alice.act("/api/v1/auth/logout").await.expect(204);
    browser.plug_in(Verifies::Yes);
    assert_eq!(browser.go(&path), 200);
    browser.click("#passkey button");
    browser.wait("h1:has-text('Authentication is needed')");
}

#[tokio::test]
async fn a_passkey_of_nothing_and_a_name_of_nothing_are_refused() {
    let gate = gate();
    register(&gate, "alice").await;
    let alice = sign_in(&gate, "alice").await;
    for name in ["", "  ", "a\u{7}b", &"x".repeat(65)] {
        let refused = alice.post(PASSKEYS, &json!({ "name": name })).await;
        assert_eq!(refused.problem(422, "invalid")["errors"][0]["pointer"], "/name");
    }
    let begun = alice.post(PASSKEYS, &json!({ "name": "laptop" })).await.expect(200);
    for (ceremony, pointer) in [(&begun["ceremony"], "/credential"), (&json!("gwo_x"), "/ceremony")]
    {
        let body = json!({ "ceremony": ceremony, "credential": samples::passkey() });
        let refused = alice.post(&format!("{PASSKEYS}/finish"), &body).await;
        assert_eq!(refused.problem(422, "invalid")["errors"][0]["pointer"], pointer);
    }
    let waiting = json!({ "mfa_token": "gwo_x" });
    let nothing = gate.anyone().post("/api/v1/auth/mfa/passkey", &waiting).await;
    nothing.problem(401, "unauthenticated");
    alice.act("/api/v1/auth/elevate/passkey").await.problem(409, "conflict");
    let by_address = Gate::start();
    register(&by_address, "alice").await;
    let alice = sign_in(&by_address, "alice").await;
    let refused = alice.post(PASSKEYS, &json!({ "name": "laptop" })).await;
    let detail = refused.problem(409, "conflict")["detail"].clone();
    assert!(detail.as_str().unwrap().contains("public_url"), "{detail}");
}
