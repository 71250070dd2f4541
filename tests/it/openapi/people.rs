//! The walk through what people do for themselves: signing in, factors, clients.

use serde_json::json;

use super::ORIGIN;
use super::machines::principal_changes;
use super::witness::Witness;
use crate::federation::{Company, ENTRANCE};
use crate::harness::address::by_address;
use crate::harness::authenticator::Authenticator;
use crate::harness::client::{CALLBACK, Client};
use crate::harness::enrolled::{App, WORDS, held, register, sign_in, strict};
use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::{Browser, Caller, Gate, Setup};

pub(super) async fn people_sign_in(gate: &Gate, witness: &mut Witness) -> Caller {
    let anyone = gate.anyone();
    let login = json!({ "username": ADMIN, "password": PASSWORD });
    let path = "/api/v1/auth/login";
    let pair = witness.saw("post", path, &anyone.post(path, &login).await);
    let wrong = json!({ "username": ADMIN, "password": "wrong" });
    witness.saw("post", path, &anyone.post(path, &wrong).await);
    witness.saw("post", path, &anyone.post(path, &json!({ "username": 1 })).await);
    let path = "/api/v1/auth/mfa";
    let late = json!({ "mfa_token": "gwo_none", "otp": "123456" });
    witness.saw("post", path, &anyone.post(path, &late).await);
    let path = "/api/v1/auth/refresh";
    let again = json!({ "refresh_token": pair["refresh_token"] });
    let pair = witness.saw("post", path, &anyone.post(path, &again).await);
    let admin = Caller::new(&gate.url, pair["access_token"].as_str());
    witness.saw("get", "/api/v1/auth/me", &admin.get("/api/v1/auth/me").await);
    witness.saw("get", "/api/v1/auth/me", &anyone.get("/api/v1/auth/me").await);
    admin
}

pub(super) async fn people(witness: &mut Witness, admin: &Caller) {
    let path = "/api/v1/register/user";
    let body = json!({ "username": "dora", "password": "A-fine-pass-phrase-1" });
    let dora = witness.saw("post", path, &admin.post(path, &body).await);
    witness.saw("post", path, &admin.post(path, &body).await);
    let path = "/api/v1/auth/login";
    let waiting = witness.saw("post", path, &admin.post(path, &body).await);
    let code = &dora["mfa_setup"]["recovery_codes"][0];
    let proof = json!({ "mfa_token": waiting["mfa_token"], "otp": code });
    let path = "/api/v1/auth/mfa";
    witness.saw("post", path, &admin.post(path, &proof).await);
    let path = "/api/v1/users";
    let body = json!({ "username": "carol", "password": "A-fine-pass-phrase-1" });
    let user = witness.saw("post", path, &admin.post(path, &body).await);
    witness.saw("post", path, &admin.post(path, &body).await);
    witness.saw("get", path, &admin.get(path).await);
    let one = format!("{path}/{}", user["id"].as_str().unwrap());
    witness.saw("get", "/api/v1/users/{user}", &admin.get(&one).await);
    principal_changes(witness, admin, "/api/v1/users/{user}", &one, "auditor").await;
}

pub(super) async fn clients(gate: &Gate, witness: &mut Witness) {
    for path in ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"]
    {
        witness.saw("get", path, &gate.anyone().get(path).await);
    }
    let path = "/oauth/register";
    let document = json!({
        "client_name": "An app",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    });
    witness.saw("post", path, &gate.anyone().post(path, &document).await);
    witness.saw("post", path, &gate.anyone().post(path, &json!({})).await);
    let client = Client::public(gate).await;
    let mut browser = Browser::at(gate);
    witness.saw("get", "/oauth/style.css", &browser.get("/oauth/style.css").await);
    witness.saw("get", "/oauth/sign-in", &browser.get("/oauth/sign-in").await);
    witness.saw("get", "/oauth/authorize", &browser.get("/oauth/authorize").await);
    let page = browser.get(&client.asks(&[])).await;
    witness.saw("get", "/oauth/authorize", &page);
    let form = page.form("/oauth/sign-in").with("username", ADMIN).with("password", PASSWORD);
    let onward = browser.submit(&form).await;
    witness.saw("post", "/oauth/sign-in", &onward);
    let page = browser.get(&onward.onward().unwrap()).await;
    let answer = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    witness.saw("post", "/oauth/consent", &answer);
    let answer = client.redeem(&answer.sent_back()["code"], &[]).await;
    witness.saw("post", "/oauth/token", &answer);
    let account = browser.get("/oauth/account").await;
    witness.saw("get", "/oauth/account", &account);
    let out = browser.submit(&account.form("/oauth/sign-out")).await;
    witness.saw("post", "/oauth/sign-out", &out);
    let body = json!({ "username": "dorothea", "password": "A-fine-pass-phrase-1" });
    let setup = gate.anyone().post("/api/v1/register/user", &body).await.expect(201);
    let mut browser = Browser::at(gate);
    let form = browser.get("/oauth/sign-in").await.form("/oauth/sign-in");
    let form = form.with("username", "dorothea").with("password", "A-fine-pass-phrase-1");
    let page = browser.submit(&form).await;
    let code = setup["mfa_setup"]["recovery_codes"][0].as_str().unwrap();
    let form = page.form("/oauth/second-factor").with("otp", code);
    witness.saw("post", "/oauth/second-factor", &browser.submit(&form).await);
}

pub(super) async fn federation(witness: &mut Witness) {
    let company = Company::start().await;
    let (start, callback) =
        ("/oauth/federation/{issuer}/start", "/oauth/federation/{issuer}/callback");
    let mut browser = Browser::at(&company.gate);
    let back = company.sent_back(&mut browser, ENTRANCE).await;
    for path in [ENTRANCE.to_owned(), ENTRANCE.replace("company", "nobody")] {
        witness.saw("get", start, &browser.get(&path).await);
    }
    for _ in 0..2 {
        witness.saw("get", callback, &browser.get(&back).await);
    }
}

pub(super) async fn second_factors(witness: &mut Witness) {
    let mut gate = strict(Setup::new().with("public_url", ORIGIN));
    by_address(&mut gate);
    register(&gate, "alice").await;
    let mut browser = Browser::at(&gate);
    let account = browser.sign_in_for("/oauth/account", "alice", WORDS).await;
    let form = account.form("/oauth/account/passkey").with("name", "key");
    witness.saw("post", "/oauth/account/passkey", &browser.submit(&form).await);
    let alice = sign_in(&gate, "alice").await;
    let path = "/api/v1/auth/factors/passkeys";
    let begun = witness.saw("post", path, &alice.post(path, &json!({ "name": "key" })).await);
    let page = alice.get(begun["page"].as_str().unwrap().strip_prefix(ORIGIN).unwrap()).await;
    witness.saw("get", "/oauth/passkey", &page);
    witness.saw("get", "/oauth/passkey.js", &alice.get("/oauth/passkey.js").await);
    let key = Authenticator::new(ORIGIN);
    let made =
        json!({ "ceremony": begun["ceremony"], "credential": key.create(&begun["options"]) });
    let path = "/api/v1/auth/factors/passkeys/finish";
    let enrolled = witness.saw("post", path, &alice.post(path, &made).await);
    let alice = Caller::new(&gate.url, enrolled["access_token"].as_str());
    let other = json!({ "name": "other" });
    let begun = alice.post("/api/v1/auth/factors/passkeys", &other).await.expect(200);
    let mut other = Authenticator::new(ORIGIN);
    other.id = [7; 16];
    let other = other.create(&begun["options"]).to_string();
    let form = [("ceremony", begun["ceremony"].as_str().unwrap()), ("credential", &other)];
    witness.saw("post", "/oauth/passkey", &gate.anyone().form("/oauth/passkey", &form).await);

    let waiting = held(&gate.anyone(), "alice").await;
    let path = "/api/v1/auth/mfa/passkey";
    let asks = json!({ "mfa_token": waiting["mfa_token"] });
    let begun = witness.saw("post", path, &alice.post(path, &asks).await);
    let signed = key.get(&begun["options"]);
    let proof = json!({
        "mfa_token": waiting["mfa_token"], "ceremony": begun["ceremony"], "credential": signed,
    });
    let path = "/api/v1/auth/mfa/passkey/finish";
    witness.saw("post", path, &alice.post(path, &proof).await);
    witness.saw("post", path, &alice.post(path, &proof).await);

    let path = "/api/v1/auth/factors/totp";
    let app = witness.saw("post", path, &alice.post(path, &json!({ "name": "phone" })).await);
    let code = json!({ "otp": App::scan(&app).code() });
    let confirm = format!("{path}/{}/confirm", app["id"].as_str().unwrap());
    let template = "/api/v1/auth/factors/totp/{factor}/confirm";
    witness.saw("post", template, &alice.post(&confirm, &json!({ "otp": "1" })).await);
    witness.saw("post", template, &alice.post(&confirm, &code).await);
    let path = "/api/v1/auth/elevate/passkey";
    let begun = witness.saw("post", path, &alice.act(path).await);
    let passkey =
        json!({ "ceremony": begun["ceremony"], "credential": key.get(&begun["options"]) });
    let elevate = json!({ "password": WORDS, "passkey": passkey });
    let elevated = alice.post("/api/v1/auth/elevate", &elevate).await.expect(200);
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    let path = "/api/v1/auth/factors/recovery-codes";
    witness.saw("post", path, &elevated.act(path).await);
    let path = "/api/v1/auth/factors";
    witness.saw("get", path, &alice.get(path).await);
    let one = format!("{path}/{}", app["id"].as_str().unwrap());
    witness.saw("delete", "/api/v1/auth/factors/{factor}", &elevated.delete(&one).await);
}
