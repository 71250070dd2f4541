//! Clients that make themselves known, and what they can learn before.

use serde_json::{Value, json};

use crate::harness::client::{CALLBACK, assert_refused};
use crate::harness::{Caller, Gate, Setup, policies, samples};

#[tokio::test]
async fn a_client_registers_and_is_told_what_is_kept_of_it() {
    let gate = Gate::start();
    let document = json!({
        "client_name": "An app",
        "redirect_uris": [CALLBACK, "http://127.0.0.1/callback", "com.example.app:/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "read:public",
        "logo_uri": "javascript:alert(1)",
        "software_id": "4NRB1-0XZABZI9E6-5SM3R",
    });
    let answer = gate.anyone().post("/oauth/register", &document).await;
    let made = answer.expect(201);
    assert_eq!(answer.headers["cache-control"], "no-store");
    for name in ["client_name", "redirect_uris", "grant_types", "response_types", "scope"] {
        assert_eq!(made[name], document[name], "{name}");
    }
    assert_eq!(made["token_endpoint_auth_method"], "client_secret_basic", "RFC 7591's default");
    assert!(made["client_secret"].as_str().unwrap().starts_with("gws_"));
    assert_eq!(made["client_secret_expires_at"], 0);
    assert!(made["client_id_issued_at"].as_i64().unwrap() > 1_700_000_000);
    assert_eq!(made.get("logo_uri"), None);

    let public = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let made = gate.anyone().post("/oauth/register", &public).await.expect(201);
    assert_eq!(made.get("client_secret"), None);
    let events = gate.admin().await.get("/api/v1/audit-events?action=client.create").await;
    let event = &events.expect(200)["items"][0]["entry"];
    assert_eq!(event["actor"]["name"], "guest");
    assert_eq!(event["details"]["client"], made["client_id"]);
}

#[tokio::test]
async fn a_bad_registration_is_refused_and_says_why() {
    let gate = Gate::start();
    let with = |name: &str, value: Value| {
        let mut document = json!({ "redirect_uris": [CALLBACK] });
        document[name] = value;
        document
    };
    for (document, error, about) in [
        (json!({}), "invalid_redirect_uri", "redirect_uris"),
        (with("redirect_uris", json!(["http://client.example/"])), "invalid_redirect_uri", "http"),
        (with("redirect_uris", json!(["https://*.example/"])), "invalid_redirect_uri", "wildcard"),
        (with("redirect_uris", json!(["myapp:/x"])), "invalid_redirect_uri", "scheme"),
        (with("client_name", json!("a\u{202E}b")), "invalid_client_metadata", "client_name"),
        (with("grant_types", json!(["password"])), "invalid_client_metadata", "grant_types"),
        (with("response_types", json!(["token"])), "invalid_client_metadata", "response_types"),
        (
            with("token_endpoint_auth_method", json!("tls_client_auth")),
            "invalid_client_metadata",
            "private_key_jwt",
        ),
        (json!([]), "invalid_client_metadata", "form"),
    ] {
        let answer = gate.anyone().post("/oauth/register", &document).await;
        assert_refused(&answer, 400, error);
        let told = answer.json()["error_description"].to_string();
        assert!(told.contains(about), "{document}: {told}");
    }
}

#[tokio::test]
async fn who_may_register_clients_is_policys_to_say() {
    let setup = policies::own(Setup::new());
    policies::put(
        setup.folder.path(),
        "90-clients.cedar",
        r#"@id("clients.by.admins") @title("Admins register clients")
           forbid (principal, action == Gatewright::Action::"register_client", resource)
           unless { principal in Gatewright::Role::"admin" };"#,
    );
    let gate = setup.start();
    let document = json!({ "redirect_uris": [CALLBACK] });
    let denied = gate.anyone().post("/oauth/register", &document).await.problem(403, "denied");
    assert_eq!(denied["reasons"], json!(["clients.by.admins"]));
    gate.admin().await.post("/oauth/register", &document).await.expect(201);
    let mut forged = gate.anyone();
    forged.token = Some("forged".into());
    forged.post("/oauth/register", &document).await.problem(401, "unauthenticated");
}

#[tokio::test]
async fn strangers_register_no_faster_than_they_sign_in() {
    let gate = Setup::new().with("rate_limits.login_ip", "3/minute").start();
    let document = json!({ "redirect_uris": [CALLBACK] });
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(gate.anyone().post("/oauth/register", &document).await.status.as_u16());
    }
    assert_eq!(answers, [201, 201, 201, 429]);
}

#[tokio::test]
async fn the_metadata_tells_of_what_is_there_and_of_nothing_else() {
    let gate = Gate::start();
    let anyone = gate.anyone();
    let server = anyone.get("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(server["issuer"], gate.url);
    let document = anyone.get("/openapi.json").await.expect(200);
    for (name, value) in server.as_object().unwrap() {
        let Some(path) = value.as_str().and_then(|it| it.strip_prefix(&gate.url)) else { continue };
        let known = path.is_empty() || document["paths"].get(path).is_some();
        assert!(known, "{name}: {value}");
    }
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(server["response_types_supported"], json!(["code"]));
    assert_eq!(server["authorization_response_iss_parameter_supported"], true);
    assert_eq!(server["client_id_metadata_document_supported"], true);
    for grant in server["grant_types_supported"].as_array().unwrap() {
        let form = [("grant_type", grant.as_str().unwrap())];
        let refused = anyone.form("/oauth/token", &form).await.json();
        assert_ne!(refused["error"], "unsupported_grant_type", "{grant}");
    }
    let form = [("grant_type", "password")];
    assert_refused(&anyone.form("/oauth/token", &form).await, 400, "unsupported_grant_type");

    let resource = anyone.get("/.well-known/oauth-protected-resource").await.expect(200);
    assert_eq!(resource["resource"], gate.url);
    assert_eq!(resource["authorization_servers"], json!([gate.url]));
    anyone.get("/.well-known/oauth-protected-resource/api").await.problem(404, "not_found");
    let refused = anyone.get("/api/v1/auth/me").await;
    refused.problem(401, "unauthenticated");
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    let at = format!("{}/.well-known/oauth-protected-resource", gate.url);
    assert_eq!(challenge, format!("Bearer realm=\"gatewright\", resource_metadata=\"{at}\""));
}

#[tokio::test]
async fn a_token_that_lacks_scopes_is_told_which() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    admin.post("/api/v1/tools", &samples::calculate("calc")).await.expect(201);
    let (agent, _) = gate.agent("reckoner", "agent").await;
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("scope", "read:context"),
    ];
    let tokens = gate.anyone().form("/oauth/token", &form).await.expect(200);
    let narrow = Caller::new(&gate.url, tokens["access_token"].as_str());
    let ask = json!({ "tool": "calc", "scopes": ["evaluate"] });
    let denied = narrow.post("/api/v1/credentials", &ask).await;
    assert_eq!(denied.problem(403, "denied")["fix"][0]["kind"], "scopes");
    let challenge = denied.headers["www-authenticate"].to_str().unwrap();
    assert!(
        challenge.contains("error=\"insufficient_scope\", scope=\"agent:calc\""),
        "{challenge}"
    );
    let other = narrow.get("/api/v1/audit-events").await;
    assert_eq!(other.headers.get("www-authenticate"), None, "no scope would help");
}
