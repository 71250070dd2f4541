//! The API document: sound by another's judgement, shown without the network, and true.

use std::collections::BTreeSet;
use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use gatewright::http::routes;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::approvals::{BOOTSTRAP, registered};
use crate::federation::{Company, ENTRANCE};
use crate::harness::address::by_address;
use crate::harness::authenticator::Authenticator;
use crate::harness::client::{CALLBACK, Client};
use crate::harness::enrolled::{App, WORDS, held, register, sign_in, strict};
use crate::harness::mcp_server::McpServer;
use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::{Answer, Browser, Caller, Gate, Holder, Setup, Upstream, samples, send};

/// A name of the server, which passkeys need.
const ORIGIN: &str = "http://gate.example";

fn tools() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from)
}

/// What openapi-spec-validator complains of.
fn complaints(document: &str) -> (Option<i32>, String) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = tools().join("venv/bin/python");
    let child = Command::new(&python)
        .arg(root.join("tests/interop/openapi.py"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    assert!(child.is_ok(), "cannot run `{}`: run scripts/test, which lays it", python.display());
    let mut child = child.unwrap();
    child.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("No module"), "run scripts/test, which lays the validator: {said}");
    (output.status.code(), said)
}

#[tokio::test]
async fn the_document_is_sound_by_an_independent_validator() {
    let gate = Gate::start();
    let document = gate.anyone().get("/openapi.json").await;
    assert_eq!(document.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(complaints(&document.text), (Some(0), String::new()));
    let mut broken = document.json();
    broken["paths"]["/livez"]["get"]["responses"] = json!("none");
    assert_eq!(complaints(&broken.to_string()).0, Some(1), "the validator validates");

    let document = document.json();
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = &document["paths"][route.path][route.method.as_str().to_lowercase()];
        let id = operation["operationId"].as_str().unwrap_or_default().to_owned();
        assert!(!id.is_empty() && ids.insert(id), "{} {}", route.method, route.path);
    }
    let names = document["components"]["schemas"].as_object().unwrap();
    let numbered = names.keys().filter(|it| it.ends_with(|it: char| it.is_ascii_digit()));
    assert_eq!(numbered.count(), 0, "two types of one name: {names:?}");
}

#[tokio::test]
async fn the_page_comes_from_this_server_alone() {
    let gate = Gate::start();
    let anyone = gate.anyone();
    let index = anyone.get("/docs").await;
    assert_eq!(index.status, StatusCode::TEMPORARY_REDIRECT);
    let page = anyone.get(index.headers[header::LOCATION].to_str().unwrap()).await;
    assert_eq!(page.headers[header::CONTENT_TYPE], "text/html");
    let mut files = BTreeSet::from(["swagger-initializer.js".to_owned()]);
    for mark in ["src=\"", "href=\""] {
        for rest in page.text.split(mark).skip(1) {
            let url = rest.split('"').next().unwrap();
            assert!(!url.contains("//"), "{url}");
            files.insert(url.trim_start_matches("./").to_owned());
        }
    }
    assert!(files.len() > 3, "{files:?}");
    for file in &files {
        let path = format!("/docs/{file}");
        let answer = anyone.request(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{path}: {policy}");
        assert!(policy.contains("connect-src 'self'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        if file.ends_with(".css") || file.contains("initializer") {
            let text = answer.text().await.unwrap();
            for sign in ["url(http", "url(//", "@import", "https://"] {
                assert!(!text.contains(sign), "{path}: {sign}");
            }
        }
    }
    // The policy would stop a script in the page itself.
    assert!(page.text.split("<script").skip(1).all(|it| it.contains("src=")), "{}", page.text);
    assert!(page.headers.contains_key("content-security-policy"));
    anyone.get("/docs/nothing.js").await.problem(404, "not_found");
}

/// Holds answers against the document, and remembers which operations it has seen.
struct Witness {
    document: Value,
    seen: BTreeSet<(String, String)>,
}

impl Witness {
    async fn new(gate: &Gate) -> Witness {
        let document = gate.anyone().get("/openapi.json").await.expect(200);
        Witness { document, seen: BTreeSet::new() }
    }

    /// The answer must be one that the operation announces, and of the shape announced.
    #[track_caller]
    fn saw(&mut self, method: &str, template: &str, answer: &Answer) -> Value {
        let what = format!("{method} {template} {}: {}", answer.status, answer.text);
        let operation = &self.document["paths"][template][method];
        let responses = operation["responses"].as_object().unwrap_or_else(|| panic!("{what}"));
        let told = match responses.get(answer.status.as_str()) {
            Some(it) => it,
            None if answer.status.as_u16() >= 400 => {
                &self.document["components"]["responses"]["Problem"]
            }
            None => panic!("not announced: {what}"),
        };
        if answer.status.is_success() || answer.status.is_redirection() {
            self.seen.insert((method.to_owned(), template.to_owned()));
        }
        let Some(content) = told["content"].as_object() else {
            assert_eq!(answer.text, "", "{what}");
            return Value::Null;
        };
        let (announced, schema) = content.iter().next().unwrap();
        let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
        if announced.starts_with("text/") {
            assert!(kind.starts_with(announced), "{what}: {kind}");
            return Value::Null;
        }
        assert_eq!(kind, announced, "{what}");
        self.check(&schema["schema"], &answer.json(), &what);
        answer.json()
    }

    /// Nothing is there that is not announced, either.
    #[track_caller]
    fn check(&self, schema: &Value, body: &Value, what: &str) {
        let mut whole = json!({ "allOf": [schema], "components": self.document["components"] });
        if schema.get("$ref").is_some() {
            whole["unevaluatedProperties"] = json!(false);
        }
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let faults: Vec<String> = validator.iter_errors(body).map(|it| it.to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}\n{what}");
    }

    /// Every operation has been seen to do what it is for.
    fn has_seen_all(&self) {
        for route in routes() {
            let it = (route.method.as_str().to_lowercase(), route.path.to_owned());
            assert!(self.seen.contains(&it), "add a step to the walk: {it:?}");
        }
    }
}

#[tokio::test]
async fn every_answer_is_as_the_document_says() {
    let setup = Setup::new().with("probe.allow_private_networks", "true");
    let gate = setup.with("auth.bootstrap_token", BOOTSTRAP).start();
    let mut witness = Witness::new(&gate).await;
    let anyone = gate.anyone();
    for path in [
        "/livez",
        "/readyz",
        "/health",
        "/metrics",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
        "/.well-known/biscuit-keys.json",
        "/.well-known/audit-key.json",
    ] {
        witness.saw("get", path, &anyone.get(path).await);
    }
    witness.saw("get", "/docs/{file}", &anyone.get("/docs/index.html").await);
    let admin = people_sign_in(&gate, &mut witness).await;
    second_factors(&mut witness).await;
    people(&mut witness, &admin).await;
    clients(&gate, &mut witness).await;
    federation(&mut witness).await;
    let agent = machines(&gate, &mut witness, &admin).await;
    let tool = registry(&mut witness, &admin).await;
    vending(&mut witness, &admin, &agent, &tool).await;
    calls(&mut witness, &admin).await;
    mcp(&gate, &mut witness).await;
    servers(&mut witness, &admin).await;
    granting(&gate, &mut witness).await;
    human_in_the_loop(&gate, &mut witness).await;
    questions(&mut witness, &admin).await;
    delegation(&gate, &mut witness, &agent).await;
    decided(&mut witness, &admin).await;
    policies(&gate, &mut witness, &admin).await;
    audit(&gate, &mut witness, &admin).await;
    endings(&gate, &mut witness, &admin, &tool).await;
    witness.has_seen_all();
}

async fn people_sign_in(gate: &Gate, witness: &mut Witness) -> Caller {
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

async fn people(witness: &mut Witness, admin: &Caller) {
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

async fn clients(gate: &Gate, witness: &mut Witness) {
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

async fn federation(witness: &mut Witness) {
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

async fn second_factors(witness: &mut Witness) {
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

async fn principal_changes(
    witness: &mut Witness,
    admin: &Caller,
    template: &str,
    path: &str,
    role: &str,
) {
    let roles = format!("{template}/roles/{{role}}");
    witness.saw("put", &roles, &admin.put(&format!("{path}/roles/{role}")).await);
    witness.saw("delete", &roles, &admin.delete(&format!("{path}/roles/{role}")).await);
    for verb in ["suspend", "resume"] {
        let answer = admin.act(&format!("{path}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
}

async fn machines(gate: &Gate, witness: &mut Witness, admin: &Caller) -> Caller {
    let path = "/api/v1/register/machine";
    let body = json!({ "name": "lingua", "role": "translator" });
    let agent = witness.saw("post", path, &admin.post(path, &body).await);
    witness.saw("get", "/api/v1/agents", &admin.get("/api/v1/agents").await);
    let id = agent["client_id"].as_str().unwrap();
    let one = format!("/api/v1/agents/{id}");
    witness.saw("get", "/api/v1/agents/{agent}", &admin.get(&one).await);
    principal_changes(witness, admin, "/api/v1/agents/{agent}", &one, "agent").await;
    let secret = agent["client_secret"].as_str().unwrap();
    let mut form =
        [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
    let tokens =
        witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[2].1 = "wrong";
    witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[0].1 = "password";
    witness.saw("post", "/oauth/token", &gate.anyone().form("/oauth/token", &form).await);
    form[2].1 = secret;
    form[0] = ("token", tokens["access_token"].as_str().unwrap());
    let path = "/oauth/introspect";
    let told = witness.saw("post", path, &gate.anyone().form(path, &form).await);
    assert_eq!(told["active"], true, "{told}");
    form[0].1 = "none";
    for path in [path, "/oauth/revoke"] {
        witness.saw("post", path, &gate.anyone().form(path, &form).await);
        witness.saw("post", path, &gate.anyone().form(path, &form[..1]).await);
    }
    let again = json!({ "password": PASSWORD });
    let elevated = admin.post("/api/v1/auth/elevate", &again).await.expect(200);
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    let keys = elevated.request(Method::PUT, &format!("{one}/keys"));
    let keys = send(keys.json(&Holder::ed25519(1).jwks("one"))).await;
    witness.saw("put", "/api/v1/agents/{agent}/keys", &keys);
    let overlap = json!({ "overlap_seconds": 60 });
    let rotated = elevated.post(&format!("{one}/secret"), &overlap).await;
    witness.saw("post", "/api/v1/agents/{agent}/secret", &rotated);
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

async fn registry(witness: &mut Witness, admin: &Caller) -> String {
    let path = "/api/v1/tools";
    let tool = witness.saw("post", path, &admin.post(path, &samples::translate("translate")).await);
    witness.saw("post", path, &admin.post(path, &json!({ "name": "x" })).await);
    witness.saw("get", path, &admin.get(path).await);
    let id = tool["id"].as_str().unwrap().to_owned();
    let (template, one) = ("/api/v1/tools/{tool}", format!("{path}/{id}"));
    witness.saw("get", template, &admin.get(&one).await);
    witness.saw("patch", template, &admin.patch(&one, &json!({ "description": "New" })).await);
    for verb in ["deactivate", "activate"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    id
}

async fn mcp(gate: &Gate, witness: &mut Witness) {
    let path = "/.well-known/oauth-protected-resource/mcp";
    witness.saw("get", path, &gate.anyone().get(path).await);
    let (agent, _) = gate.agent("talker", "agent").await;
    let resource = format!("{}/mcp", gate.url);
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("resource", &resource),
    ];
    let token = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let caller = Caller::new(&gate.url, token["access_token"].as_str());
    let asked = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let request = caller.request(Method::POST, "/mcp").json(&asked);
    let request = request.header("accept", "application/json, text/event-stream");
    witness.saw("post", "/mcp", &send(request).await);
}

async fn servers(witness: &mut Witness, admin: &Caller) {
    let path = "/api/v1/tools/import";
    for document in [samples::api("imported"), samples::api("imported"), json!({})] {
        witness.saw("post", path, &admin.post(path, &document).await);
    }
    let mut station = McpServer::start("streamable");
    let (all, template) = ("/api/v1/tools", "/api/v1/tools/{tool}");
    let test = "/api/v1/tools/remote/test-connection";
    let known = json!({ "server_url": station.url });
    witness.saw("post", test, &admin.post(test, &known).await);
    let nobody = json!({ "server_url": "http://127.0.0.1:1/" });
    witness.saw("post", test, &admin.post(test, &nobody).await);
    let server = json!({
        "tool_type": "remote", "name": "weather", "server_url": station.url, "scopes": ["use"],
        "static_headers": { "X-Key": "word" },
    });
    let server = witness.saw("post", all, &admin.post(all, &server).await);
    let one = format!("{all}/{}", server["id"].as_str().unwrap());
    witness.saw("get", template, &admin.get(&one).await);
    let each = json!({ "requires_per_user_auth": true });
    witness.saw("patch", template, &admin.patch(&one, &each).await);
    let account = admin.request(Method::PUT, &format!("{one}/account"));
    let account = send(account.json(&json!({ "token": "mine" }))).await;
    account.expect(204);
    witness.saw("put", &format!("{template}/account"), &account);
    station.tell(&json!({ "describe": "Something else." }));
    let path = format!("{template}/reprobe");
    let found = witness.saw("post", &path, &admin.act(&format!("{one}/reprobe")).await);
    assert_eq!(found["quarantined"], json!(["weather__forecast"]), "{found}");
    let path = format!("{template}/probes");
    witness.saw("get", &path, &admin.get(&format!("{one}/probes")).await);
    let tools = witness.saw("get", all, &admin.get(all).await);
    let member = tools["items"].as_array().unwrap().iter();
    let member = member.clone().find(|it| it["name"] == "weather__forecast").unwrap();
    let member = format!("{all}/{}", member["id"].as_str().unwrap());
    witness.saw("get", template, &admin.get(&member).await);
    for _ in 0..2 {
        let answer = admin.act(&format!("{member}/accept")).await;
        witness.saw("post", &format!("{template}/accept"), &answer);
    }
    let path = format!("{template}/versions");
    let version = json!({ "version": "2.0.0", "risk_level": "medium" });
    witness.saw("post", &path, &admin.post(&format!("{member}/versions"), &version).await);
    witness.saw("get", &path, &admin.get(&format!("{member}/versions")).await);
    let path = format!("{path}/{{version}}/rollback");
    witness.saw("post", &path, &admin.act(&format!("{member}/versions/1.0.0/rollback")).await);
}

async fn calls(witness: &mut Witness, admin: &Caller) {
    let upstream = Upstream::open().await;
    let tool = json!({
        "tool_type": "http", "name": "orders", "endpoint": upstream.url("/{id}"), "scopes": ["call"],
        "input_schema": { "type": "object", "properties": { "id": { "type": "string" } } },
        "auth_method": "bearer", "secrets": { "token": "s3cret" },
    });
    let tool = witness.saw("post", "/api/v1/tools", &admin.post("/api/v1/tools", &tool).await);
    let one = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
    witness.saw("get", "/api/v1/tools/{tool}", &admin.get(&one).await);
    for (id, status) in [("x", 200), ("status/500", 200), ("..", 502)] {
        let answer =
            admin.post(&format!("{one}/invoke"), &json!({ "arguments": { "id": id } })).await;
        answer.expect(status);
        witness.saw("post", "/api/v1/tools/{tool}/invoke", &answer);
    }
    let template = "/api/v1/tools/{tool}/account";
    witness.saw("delete", template, &admin.delete(&format!("{one}/account")).await);
}

async fn granting(gate: &Gate, witness: &mut Witness) {
    let admin = gate.admin().await;
    gate.agent("favoured", "agent").await;
    let list = "/api/v1/grants";
    let body = samples::grant("Agent:favoured", "ToolSet:favours");
    let made = witness.saw("post", list, &admin.post(list, &body).await);
    witness.saw("post", list, &admin.post(list, &json!({})).await);
    witness.saw("get", list, &admin.get(list).await);
    let one = format!("{list}/{}", made["id"].as_str().unwrap());
    witness.saw("get", "/api/v1/grants/{grant}", &admin.get(&one).await);
    witness.saw("delete", "/api/v1/grants/{grant}", &admin.delete(&one).await);
}

async fn questions(witness: &mut Witness, admin: &Caller) {
    let path = "/.well-known/authzen-configuration";
    witness.saw("get", path, &admin.get(path).await);
    for of in ["evaluation", "evaluations", "search/subject", "search/resource", "search/action"] {
        let path = format!("/access/v1/{of}");
        let mut body = samples::question(&format!("POST {path}")).unwrap();
        witness.saw("post", &path, &admin.post(&path, &body).await);
        body["context"] = json!({ "ip": "10.0.0.1", "mood": "good" });
        witness.saw("post", &path, &admin.post(&path, &body).await);
        witness.saw("post", &path, &admin.post(&path, &json!({})).await);
    }
}

async fn human_in_the_loop(gate: &Gate, witness: &mut Witness) {
    let erin = gate.user_with_factor("erin", "tool_publisher").await;
    let risky = samples::risky("pay", "https://pay.example/");
    let tool = erin.post("/api/v1/tools", &risky).await.expect(201)["id"].clone();
    let tool = tool.as_str().unwrap();
    let (asks, agent) = gate.agent("poly", "translator").await;
    let invoke = format!("/api/v1/tools/{tool}/invoke");
    let mut waiting = Vec::new();
    for n in 0..4 {
        let answer = agent.post(&invoke, &json!({ "arguments": { "n": n } })).await;
        waiting.push(witness.saw("post", "/api/v1/tools/{tool}/invoke", &answer));
    }
    let list = "/api/v1/approvals";
    let one = |n: usize| format!("{list}/{}", waiting[n]["approval"]["id"].as_str().unwrap());
    witness.saw("get", list, &agent.get(list).await);
    witness.saw("get", &format!("{list}/{{approval}}"), &agent.get(&one(0)).await);
    for (n, by, verb) in [(0, &erin, "approve"), (1, &erin, "deny"), (2, &agent, "cancel")] {
        let answer = by.post(&format!("{}/{verb}", one(n)), &json!({ "reason": "so" })).await;
        witness.saw("post", &format!("{list}/{{approval}}/{verb}"), &answer);
    }
    let events = erin.request(Method::GET, "/api/v1/approvals/events").send().await.unwrap();
    let (status, headers) = (events.status(), events.headers().clone());
    let begun = Answer { status, headers, text: String::new() };
    witness.saw("get", "/api/v1/approvals/events", &begun);

    let path = "/access/v1/requests";
    let refusal = waiting[3]["decision_id"].as_str().unwrap();
    let mut request = samples::access_request(asks["client_id"].as_str().unwrap(), tool, refusal);
    request["context"]["arguments"] = json!({ "n": 3 });
    let task = witness.saw("post", path, &agent.post(path, &request).await);
    witness.saw("post", path, &agent.post(path, &json!({})).await);
    let one = format!("{path}/{}", task["task"]["id"].as_str().unwrap());
    let template = "/access/v1/requests/{approval}";
    witness.saw("get", template, &agent.get(&one).await);
    for _ in 0..2 {
        let answer = agent.act(&format!("{one}/cancel")).await;
        witness.saw("post", &format!("{template}/cancel"), &answer);
    }
}

async fn delegation(gate: &Gate, witness: &mut Witness, agent: &Caller) {
    let uma = gate.user_with_factor("uma", "user").await;
    let template = "/api/v1/users/{user}/mandates";
    let path = format!("/api/v1/users/{}/mandates", uma.id().await);
    let mandate = samples::mandate("lingua", "translation", &["agent:translate", "read"]);
    let given = witness.saw("post", template, &uma.post(&path, &mandate).await);
    witness.saw("post", template, &uma.post(&path, &json!({})).await);
    witness.saw("get", template, &uma.get(&path).await);
    let ask = json!({ "tool": "translate", "scopes": ["read"], "on_behalf_of": uma.id().await });
    let path = "/api/v1/credentials";
    let access = witness.saw("post", path, &agent.post(path, &ask).await);
    let one = format!("{path}/{}", access["credential"]["credential_id"].as_str().unwrap());
    witness.saw("get", "/api/v1/credentials/{credential}", &uma.get(&one).await);
    let one = format!("/api/v1/mandates/{}", given["id"].as_str().unwrap());
    for _ in 0..2 {
        witness.saw("get", "/api/v1/mandates/{mandate}", &uma.get(&one).await);
        witness.saw("delete", "/api/v1/mandates/{mandate}", &uma.delete(&one).await);
    }
}

async fn vending(witness: &mut Witness, admin: &Caller, agent: &Caller, tool: &str) {
    let path = format!("/api/v1/tools/{tool}/access");
    let template = "/api/v1/tools/{tool}/access";
    let ask = json!({ "scopes": ["read"] });
    let access = witness.saw("post", template, &agent.post(&path, &ask).await);
    let long = json!({ "scopes": ["read"], "ttl_seconds": 86_400 });
    let denied = witness.saw("post", template, &agent.post(&path, &long).await);
    assert!(denied["fix"].is_array(), "{denied}");
    let template = "/api/v1/tools/{tool}/invoke";
    let call = format!("/api/v1/tools/{tool}/invoke");
    witness.saw("post", template, &agent.post(&call, &json!({ "arguments": {} })).await);
    let path = "/api/v1/agent/actions";
    witness.saw("get", path, &agent.get(path).await);
    let path = "/api/v1/agent/execute";
    let several = json!({ "prompt": "a", "custom_actions": { "translate": { "text": "a" } } });
    witness.saw("post", path, &agent.post(path, &several).await);
    witness.saw("post", path, &agent.post(path, &json!({})).await);
    let path = "/api/v1/credentials";
    let by_name = json!({ "tool": "translate", "scopes": ["read"] });
    witness.saw("post", path, &agent.post(path, &by_name).await);
    witness.saw("get", path, &agent.get(path).await);
    let mut holder = agent.clone();
    holder.token = access["credential"]["token"].as_str().map(str::to_owned);
    let (template, asked) =
        ("/api/v1/forward-auth", "/api/v1/forward-auth?tool=translate&scope=read");
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let answer = send(holder.request(method.clone(), asked)).await;
        answer.expect(200);
        witness.saw(&method.as_str().to_lowercase(), template, &answer);
    }
    let id = access["credential"]["credential_id"].as_str().unwrap();
    let (template, one) = ("/api/v1/credentials/{credential}", format!("{path}/{id}"));
    witness.saw("get", template, &agent.get(&one).await);
    let path = "/api/v1/credentials/validate";
    let token = &access["credential"]["token"];
    let question = json!({ "token": token, "tool": "translate", "scope": "read" });
    let valid = witness.saw("post", path, &admin.post(path, &question).await);
    assert_eq!(valid["valid"], true, "{valid}");
    witness.saw("delete", template, &agent.delete(&one).await);
    witness.saw("get", template, &agent.get(&one).await);
    for question in [question, json!({ "token": "none", "tool": "translate", "scope": "read" })] {
        let invalid = witness.saw("post", path, &admin.post(path, &question).await);
        assert_eq!(invalid["valid"], false, "{invalid}");
    }
}

async fn policies(gate: &Gate, witness: &mut Witness, admin: &Caller) {
    let (policies, bundles) = ("/api/v1/policies", "/api/v1/bundles");
    for path in [policies, bundles, "/api/v1/schema"] {
        witness.saw("get", path, &admin.get(path).await);
    }
    let (template, one) = ("/api/v1/policies/{policy}", format!("{policies}/use.translators"));
    witness.saw("get", template, &admin.get(&one).await);
    let body = json!({ "text": samples::POLICY });
    let put = admin.request(Method::PUT, &one).json(&body);
    witness.saw("put", template, &send(put).await);
    witness.saw("delete", template, &admin.delete(&one).await);
    let body = json!({ "text": samples::POLICY.replace("use.translators", "ours.abacus") });
    let added = witness.saw("post", policies, &admin.post(policies, &body).await);
    assert_eq!(added["state"], "checked", "{added}");
    let body = json!({ "files": { "policies/90-ours.cedar": samples::POLICY } });
    let made = witness.saw("post", bundles, &admin.post(bundles, &body).await);
    witness.saw("post", bundles, &admin.post(bundles, &body).await);
    let (template, one) =
        ("/api/v1/bundles/{bundle}", format!("{bundles}/{}", made["id"].as_str().unwrap()));
    witness.saw("get", template, &admin.get(&one).await);
    for verb in ["check", "activate", "rollback"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    rehearsal(witness, admin, template, &one).await;
    let body = json!({ "verdict": "yes", "reason": "so" });
    // Nobody reviews what they wrote.
    let one = format!("{bundles}/{}", added["id"].as_str().unwrap());
    rehearsal(witness, admin, template, &one).await;
    let rita = registered(gate, "rita", "policy_admin").await;
    let rolf = registered(gate, "rolf", "policy_admin").await;
    for reviewer in [admin, &rita, &rolf] {
        let answer = reviewer.post(&format!("{one}/review"), &body).await;
        witness.saw("post", &format!("{template}/review"), &answer);
    }
    let before = active(admin, bundles).await;
    let sara = registered(gate, "sara", "policy_admin").await;
    let activated = sara.act(&format!("{one}/activate")).await;
    activated.expect(200);
    witness.saw("post", &format!("{template}/activate"), &activated);
    let back = sara.act(&format!("{bundles}/{before}/rollback")).await;
    witness.saw("post", &format!("{template}/rollback"), &back);
}

/// Some decision, and why it is what it is.
async fn decided(witness: &mut Witness, admin: &Caller) {
    let events = admin.get("/api/v1/audit-events?page_size=50").await.expect(200);
    let mut events = events["items"].as_array().unwrap().iter();
    let event = events.find(|it| it["entry"]["asked"].is_object()).unwrap();
    let one = format!("/api/v1/decisions/{}", event["entry"]["id"].as_str().unwrap());
    let template = "/api/v1/decisions/{decision}";
    witness.saw("get", template, &admin.get(&one).await);
    let explained = admin.get(&format!("{one}/explain")).await;
    witness.saw("get", &format!("{template}/explain"), &explained);
}

/// The id of the bundle that decides.
async fn active(by: &Caller, bundles: &str) -> String {
    let all = by.get(bundles).await.expect(200);
    let mut all = all["items"].as_array().unwrap().iter();
    all.find(|it| it["state"] == "active").unwrap()["id"].as_str().unwrap().to_owned()
}

async fn rehearsal(witness: &mut Witness, admin: &Caller, template: &str, one: &str) {
    for verb in ["replay", "shadow"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    let shadow = "/api/v1/shadow";
    witness.saw("get", shadow, &admin.get(shadow).await);
    witness.saw("delete", shadow, &admin.delete(shadow).await);
    witness.saw("get", shadow, &admin.get(shadow).await);
    let agents = admin.get("/api/v1/agents").await.expect(200);
    let agent = agents["items"][0]["id"].as_str().unwrap();
    let template = "/api/v1/agents/{agent}/suggestion";
    let answer = admin.get(&format!("/api/v1/agents/{agent}/suggestion?since=1h")).await;
    witness.saw("get", template, &answer);
}

async fn audit(gate: &Gate, witness: &mut Witness, admin: &Caller) {
    let anyone = gate.anyone();
    let path = "/api/v1/revocations";
    let feed = witness.saw("get", path, &anyone.get(path).await);
    assert!(!feed["credential_ids"].as_array().unwrap().is_empty(), "{feed}");
    let path = "/api/v1/audit/checkpoint";
    witness.saw("get", path, &anyone.get(path).await);
    let path = "/api/v1/audit-events";
    witness.saw("get", path, &admin.get(&format!("{path}?page_size=3")).await);
    let path = "/api/v1/audit/proof";
    witness.saw("get", path, &admin.get(&format!("{path}?seq=0")).await);
    witness.saw("get", path, &admin.get(path).await);
    let path = "/api/v1/audit/consistency";
    witness.saw("get", path, &admin.get(&format!("{path}?from=1")).await);
}

async fn keys(witness: &mut Witness, admin: &Caller) {
    let path = "/api/v1/api-keys";
    let expires_at = "2100-01-01T00:00:00Z";
    let body = json!({ "name": "ci", "scopes": ["read:public"], "expires_at": expires_at });
    let made = witness.saw("post", path, &admin.post(path, &body).await);
    let wrong = json!({ "name": "ci", "scopes": ["agent:calc"] });
    witness.saw("post", path, &admin.post(path, &wrong).await);
    witness.saw("get", path, &admin.get(path).await);
    let (template, one) =
        ("/api/v1/api-keys/{key}", format!("{path}/{}", made["id"].as_str().unwrap()));
    witness.saw("get", template, &admin.get(&one).await);
    let overlap = json!({ "overlap_seconds": 60 });
    let rotated = admin.post(&format!("{one}/rotate"), &overlap).await;
    witness.saw("post", "/api/v1/api-keys/{key}/rotate", &rotated);
    for verb in ["disable", "enable"] {
        let answer = admin.act(&format!("{one}/{verb}")).await;
        witness.saw("post", &format!("{template}/{verb}"), &answer);
    }
    witness.saw("delete", template, &admin.delete(&one).await);
}

async fn endings(gate: &Gate, witness: &mut Witness, admin: &Caller, tool: &str) {
    let path = "/api/v1/auth/elevate";
    let proof = json!({ "password": PASSWORD });
    let elevated = witness.saw("post", path, &admin.post(path, &proof).await);
    let elevated = Caller::new(&gate.url, elevated["access_token"].as_str());
    keys(witness, &elevated).await;
    let (template, one) = ("/api/v1/tools/{tool}", format!("/api/v1/tools/{tool}"));
    let stale = elevated.request(Method::DELETE, &one).header(header::IF_MATCH, "\"0\"");
    witness.saw("delete", template, &send(stale).await);
    witness.saw("delete", template, &elevated.delete(&one).await);
    witness.saw("delete", template, &elevated.delete(&one).await);
    witness.saw("post", "/api/v1/auth/logout", &admin.act("/api/v1/auth/logout").await);
}
