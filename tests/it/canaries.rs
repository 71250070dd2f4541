//! Secrets planted everywhere, looked for everywhere else: log, figures, errors, audit, database.

use std::fs;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use reqwest::{Method, header};
use serde_json::{Value, json};
use totp_rs::Secret;

use crate::harness::client::Client;
use crate::harness::enrolled::{enrol, prove};
use crate::harness::server::{ADMIN, PASSWORD, until};
use crate::harness::{Browser, Caller, Gate, Setup, samples, send};

/// What nobody may find, by name.
#[derive(Default)]
struct Planted(Vec<(String, Vec<u8>)>);

impl Planted {
    /// As it is, and as it looks within JSON, in base64 and in hexadecimal.
    fn plant(&mut self, name: &str, secret: &[u8]) {
        assert!(secret.len() >= 8, "{name} is too short to be looked for");
        self.0.push((name.to_owned(), secret.to_vec()));
        let text = BASE64_STANDARD.encode(secret);
        self.0.push((format!("{name} in base64"), text.trim_end_matches('=').into()));
        self.0.push((format!("{name} in hexadecimal"), hex::encode(secret).into_bytes()));
    }

    #[track_caller]
    fn absent_from(&self, what: &str, bytes: &[u8]) {
        assert!(!bytes.is_empty(), "nothing to look through: {what}");
        for (name, secret) in &self.0 {
            let found = bytes.windows(secret.len()).position(|it| it == secret);
            let around = found.map(|at| {
                let from = at.saturating_sub(120);
                String::from_utf8_lossy(&bytes[from..(at + 20).min(bytes.len())]).into_owned()
            });
            assert_eq!(around, None, "{what} holds the {name}");
        }
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap()
}

/// The key files: as text, and as the bytes that the text stands for.
fn plant_keys(planted: &mut Planted, folder: &Path) {
    for name in ["access.key", "factors.key", "credentials.key", "audit.key", "secrets.key"] {
        let content = fs::read_to_string(folder.join(name)).unwrap();
        let private = content.split_whitespace().filter(|it| it.len() == 64);
        for word in private {
            planted.0.push((name.to_owned(), word.as_bytes().to_vec()));
            planted.plant(name, &hex::decode(word).unwrap());
        }
        assert!(planted.0.iter().any(|it| it.0 == name), "{content}");
    }
}

/// Somebody enrols an app, mistypes a code, and signs in with a recovery code.
async fn second_factor(gate: &Gate, planted: &mut Planted, user: &Value) {
    let anyone = gate.anyone();
    let tokens = anyone.post("/api/v1/auth/login", user).await.expect(200);
    let enrolled = enrol(gate, &Caller::new(&gate.url, tokens["access_token"].as_str())).await;
    planted.plant("secret of an app", enrolled.app.secret.as_bytes());
    let secret = Secret::try_from_base32(&enrolled.app.secret).unwrap();
    planted.plant("secret of an app, decoded", secret.as_ref());
    for code in &enrolled.recovery_codes {
        planted.plant("recovery code", code.as_bytes());
        planted.plant("recovery code, ungrouped", code.replace('-', "").as_bytes());
    }
    let elsewhere = anyone.request(Method::POST, "/api/v1/auth/login");
    let elsewhere = elsewhere.header(header::USER_AGENT, "Another/1.0").json(user);
    let held = send(elsewhere).await.problem(401, "mfa_required");
    planted.plant("token of a sign-in that waits", text(&held, "mfa_token").as_bytes());
    prove(&anyone, &held, &enrolled.app.wrong_code()).await.problem(401, "unauthenticated");
    prove(&anyone, &held, &enrolled.recovery_codes[0]).await.expect(200);
}

/// Requests that go wrong with a secret in their hands; what was answered.
async fn mistakes(gate: &Gate, admin: &Caller, planted: &mut Planted) -> Vec<String> {
    let anyone = gate.anyone();
    let mut canaries = (0..).map(|it| format!("canary-{it}-6f1d0b7c"));
    let mut canary = || {
        let it = canaries.next().unwrap();
        planted.plant(&it, it.as_bytes());
        it
    };
    let mut answers = Vec::new();
    for body in [
        json!({ "username": ADMIN, "password": canary() }),
        // People type their password where their name belongs.
        json!({ "username": canary(), "password": canary() }),
        json!({ "username": ADMIN, "password": [canary()] }),
        json!({ "username": ADMIN, "password": { canary(): canary() } }),
        json!({ "username": ADMIN, "password": format!("{}\u{0}", canary()) }),
    ] {
        answers.push(anyone.post("/api/v1/auth/login", &body).await);
    }
    let path = "/api/v1/auth/login";
    let broken = format!("{{\"username\": \"admin\", \"password\": \"{}", canary());
    let post = anyone.request(Method::POST, path);
    answers.push(send(post.header(header::CONTENT_TYPE, "application/json").body(broken)).await);
    let plain = anyone.request(Method::POST, path).body(canary());
    answers.push(send(plain).await);
    let query = format!("/api/v1/auth/me?token={}", canary());
    answers.push(admin.get(&query).await);
    answers.push(anyone.get(&format!("/api/v1/{}", canary())).await);
    let refresh = json!({ "refresh_token": canary() });
    answers.push(anyone.post("/api/v1/auth/refresh", &refresh).await);
    answers.push(admin.post("/api/v1/auth/elevate", &json!({ "password": canary() })).await);
    for token in [canary(), format!("{}.{}.{}", canary(), canary(), canary())] {
        answers.push(Caller::new(&gate.url, Some(&token)).get("/api/v1/tools").await);
    }
    let basic = BASE64_STANDARD.encode(format!("{}:{}", canary(), canary()));
    for value in [format!("Basic {basic}"), format!("DPoP {}", canary())] {
        let form = [("grant_type", "client_credentials")];
        let post = anyone.request(Method::POST, "/oauth/token").form(&form);
        answers.push(send(post.header(header::AUTHORIZATION, value)).await);
    }
    let id = canary();
    let form = [("grant_type", "client_credentials"), ("client_id", &*id), ("client_secret", &*id)];
    answers.push(anyone.form("/oauth/token", &form).await);
    let short = json!({ "username": "dave", "password": &canary()[..7] });
    answers.push(admin.post("/api/v1/users", &short).await);
    let taken = json!({ "username": ADMIN, "password": canary() });
    answers.push(admin.post("/api/v1/users", &taken).await);
    let question = json!({ "token": canary(), "tool": "translate", "scope": "read" });
    let answer = admin.post("/api/v1/credentials/validate", &question).await;
    assert_eq!(answer.expect(200)["valid"], false);
    let mut texts: Vec<String> = answers
        .iter()
        .inspect(|it| assert!((400..500).contains(&it.status.as_u16()), "{}", it.text))
        .map(|it| format!("{:?}{}", it.headers, it.text))
        .collect();
    texts.push(answer.text);
    texts
}

/// A machine's secrets, and those of a key that stands for it; gives the machine.
async fn machine(gate: &Gate, admin: &Caller, elevated: &Caller, planted: &mut Planted) -> Caller {
    let (registered, agent) = gate.agent_of(admin, "lingua", "translator").await;
    planted.plant("client secret", text(&registered, "client_secret").as_bytes());
    planted.plant("machine's token", agent.token.as_ref().unwrap().as_bytes());
    let rotate = format!("/api/v1/agents/{}/secret", text(&registered, "client_id"));
    let secret = elevated.post(&rotate, &json!({ "overlap_seconds": 60 })).await.expect(200);
    planted.plant("rotated client secret", text(&secret, "client_secret").as_bytes());
    let key = json!({ "name": "ci", "principal": registered["client_id"], "scopes": [] });
    let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
    planted.plant("rotated API key", text(&key, "key").as_bytes());
    let rotate = format!("/api/v1/api-keys/{}/rotate", text(&key, "id"));
    let key = elevated.post(&rotate, &json!({ "overlap_seconds": 60 })).await.expect(200);
    planted.plant("API key", text(&key, "key").as_bytes());
    let by_key = Caller::new(&gate.url, key["key"].as_str());
    by_key.get("/api/v1/auth/me").await.expect(200);
    by_key.get("/api/v1/tools?page_size=0").await.problem(422, "invalid");
    agent
}

#[tokio::test]
async fn no_secret_is_found_where_it_does_not_belong() {
    let mut planted = Planted::default();
    let bootstrap = "Boot-canary-51c7e2-pass";
    let setup =
        Setup::new().with("log.level", "trace").with("auth.bootstrap_admin_password", bootstrap);
    let mut gate = setup.start();
    planted.plant("bootstrap password", bootstrap.as_bytes());
    plant_keys(&mut planted, gate.folder.path());

    let login = json!({ "username": ADMIN, "password": bootstrap });
    let pair = gate.anyone().post("/api/v1/auth/login", &login).await.expect(200);
    let old = text(&pair, "refresh_token");
    let again = json!({ "refresh_token": old });
    let pair = gate.anyone().post("/api/v1/auth/refresh", &again).await.expect(200);
    planted.plant("spent refresh token", old.as_bytes());
    planted.plant("refresh token", text(&pair, "refresh_token").as_bytes());
    planted.plant("access token", text(&pair, "access_token").as_bytes());
    let admin = Caller::new(&gate.url, pair["access_token"].as_str());
    let password = "User-canary-8e02fd-pass";
    let user = json!({ "username": "carol", "password": password });
    admin.post("/api/v1/users", &user).await.expect(201);
    planted.plant("password", password.as_bytes());
    second_factor(&gate, &mut planted, &user).await;
    let elevated = json!({ "password": bootstrap });
    let elevated = admin.post("/api/v1/auth/elevate", &elevated).await.expect(200);
    planted.plant("elevated token", text(&elevated, "access_token").as_bytes());

    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    let agent = machine(&gate, &admin, &elevated, &mut planted).await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let path = format!("/api/v1/tools/{}/access", text(&tool, "id"));
    let access = agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
    let token = text(&access["credential"], "token");
    planted.plant("credential", token.as_bytes());
    planted.0.push(("credential's bytes".into(), BASE64_URL_SAFE.decode(token).unwrap()));
    let question = json!({ "token": token, "tool": "translate", "scope": "read" });
    admin.post("/api/v1/credentials/validate", &question).await.expect(200);

    by_browser(&gate, bootstrap, &mut planted).await;
    let errors = mistakes(&gate, &admin, &mut planted).await;
    // The old refresh token once more: the whole family ends.
    let reused = gate.anyone().post("/api/v1/auth/refresh", &again).await;
    let other = gate.sign_in(ADMIN, bootstrap).await;
    planted.plant("later access token", other.token.as_ref().unwrap().as_bytes());

    for error in errors.iter().chain([&reused.text]) {
        planted.absent_from("an error", error.as_bytes());
    }
    planted.absent_from("/metrics", gate.anyone().get("/metrics").await.text.as_bytes());
    let (mut entries, mut page_token) = (String::new(), String::new());
    loop {
        let path = format!("/api/v1/audit-events?page_size=200&page_token={page_token}");
        let page = other.get(&path).await;
        page_token = text(&page.expect(200), "next_page_token").to_owned();
        entries += &page.text;
        if page_token.is_empty() {
            break;
        }
    }
    assert!(entries.contains("credential.issue"), "{entries}");
    planted.absent_from("the audit", entries.as_bytes());
    let folder = gate.folder.path().to_owned();
    for name in ["gatewright.db", "gatewright.db-wal"] {
        planted.absent_from(name, &fs::read(folder.join(name)).unwrap());
    }
    gate.stop();
    planted.absent_from("the database", &fs::read(folder.join("gatewright.db")).unwrap());
    let log = until(Duration::from_secs(10), || {
        Some(gate.log().join("\n")).filter(|it| it.contains("\"stopped\""))
    });
    planted.absent_from("the log", log.as_bytes());
}

/// A client gets a token by way of a browser: cookies, seals, codes, secrets and tokens.
async fn by_browser(gate: &Gate, password: &str, planted: &mut Planted) {
    let client = Client::confidential(gate).await;
    planted.plant("OAuth client's secret", client.secret.as_ref().unwrap().as_bytes());
    let mut browser = Browser::at(gate);
    let page = browser.sign_in_for(&client.asks(&[]), ADMIN, password).await;
    planted.plant("cookie", browser.cookies["gatewright"].as_bytes());
    let form = page.form("/oauth/consent").with("decision", "allow");
    planted.plant("seal", form.get("seal").as_bytes());
    let sent = browser.submit(&form).await.sent_back();
    planted.plant("code", sent["code"].as_bytes());
    let tokens = client.redeem(&sent["code"], &[]).await.expect(200);
    planted.plant("client's access token", text(&tokens, "access_token").as_bytes());
    planted.plant("client's refresh token", text(&tokens, "refresh_token").as_bytes());
    client.redeem(&sent["code"], &[]).await.expect(400);
}

#[tokio::test]
async fn the_hunt_finds_what_is_there() {
    let mut planted = Planted::default();
    planted.plant("word", PASSWORD.as_bytes());
    for text in [
        format!("a {PASSWORD} b"),
        format!("a {} b", BASE64_STANDARD.encode(PASSWORD)),
        format!("a {} b", hex::encode(PASSWORD)),
    ] {
        let hunt = std::panic::catch_unwind(|| planted.absent_from("text", text.as_bytes()));
        assert!(hunt.is_err(), "{text}");
    }
}
