//! Other people's clients: what they ask is answered by a person with a browser, as ever.

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::documents::Documents;
use crate::harness::peer::Peer;
use crate::harness::{ADMIN, Browser, Gate, Setup};

#[tokio::test]
async fn authlib_gets_a_token_refreshes_and_revokes_it() {
    let gate = Gate::start();
    let callback = "https://client.example/callback";
    let client = Client::confidential(&gate).await;
    // Its first use is authlib's: another program would have to prove a key.
    let body = json!({ "name": "reckoner", "role": "agent" });
    let agent = gate.admin().await.post("/api/v1/register/machine", &body).await.expect(201);
    let text = |name: &str| agent[name].as_str().unwrap();
    let (id, secret) = (client.id.as_str(), client.secret.as_deref().unwrap());
    let machine = [text("client_id"), text("client_secret")];
    let peer =
        Peer::python("code.py", &[&[&*gate.url, id, secret, callback], &machine[..]].concat());
    let said = peer.with(&gate).await;
    assert_eq!(
        said,
        json!({
            "scope": "read:profile read:public",
            "name": ADMIN,
            "refreshed": 200,
            "revoked": 401,
            "machine": "reckoner",
        })
    );
}

#[tokio::test]
async fn oauth4webapi_registers_binds_its_token_to_a_key_and_minds_the_issuer() {
    let gate = Gate::start();
    let peer = Peer::node("node", "code.mjs", &[&gate.url, "https://client.example/callback"]);
    let said = peer.with(&gate).await;
    assert_eq!(
        said,
        json!({
            "refused": [true, true, true],
            "name": ADMIN,
            "refreshed": ADMIN,
            "token_type": "dpop",
            "scope": "read:profile read:public",
        })
    );
}

#[tokio::test]
async fn the_mcp_sdk_finds_its_way_from_a_refusal_to_a_token() {
    let gate = Gate::start();
    let peer = Peer::python("mcp_client.py", &[&gate.url, "http://localhost:3030/callback"]);
    let said = peer.with(&gate).await;
    assert_eq!((&said["name"], &said["again"]), (&json!(ADMIN), &json!(ADMIN)));
    assert_eq!(said["scopes"], json!(["read:profile", "read:public"]), "as the metadata says");
    assert_eq!(
        said["seen"],
        json!([
            ["GET", "/api/v1/auth/me", 401],
            ["GET", "/.well-known/oauth-protected-resource", 200],
            ["GET", "/.well-known/oauth-authorization-server", 200],
            ["POST", "/oauth/register", 201],
            ["POST", "/oauth/token", 200],
            ["GET", "/api/v1/auth/me", 200],
            ["POST", "/oauth/token", 200],
            ["GET", "/api/v1/auth/me", 200],
        ])
    );
}

#[tokio::test]
async fn the_mcp_sdk_needs_no_registration_where_a_document_tells_of_it() {
    let callback = "http://127.0.0.1:3030/callback";
    let documents = Documents::start().await;
    let id = documents.url("/client.json");
    documents.put(
        "/client.json",
        &json!({
            "client_id": id,
            "client_name": "A client that nobody registered",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        }),
    );
    let setup = Setup::new().with("outbound.internal_origins", &documents.origin);
    let ca = setup.folder.path().join("ca.pem");
    std::fs::write(&ca, &documents.authority).unwrap();
    let gate = setup.with("outbound.ca_file", ca.to_str().unwrap()).start();
    let mut browser = Browser::at(&gate);

    let mut peer = Peer::python("mcp_client.py", &[&gate.url, callback, &id]);
    let asks = peer.says()["asks"].as_str().unwrap().to_owned();
    let page = browser.sign_in_for(&asks, ADMIN, crate::harness::PASSWORD).await;
    for told in ["A client that nobody registered", "localhost", "a program on this computer"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let answer = browser.submit(&page.form("/oauth/consent").with("decision", "allow")).await;
    peer.told(&answer.onward().unwrap());
    let said = peer.says();
    assert_eq!((&said["name"], &said["client_id"]), (&json!(ADMIN), &json!(id)));
    let seen = said["seen"].to_string();
    assert!(!seen.contains("/oauth/register"), "{seen}");
    assert_eq!(documents.asked(), 1, "kept while it is fresh");
}
