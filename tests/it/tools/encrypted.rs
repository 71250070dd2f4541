//! A tool server behind TLS.

use std::fs;
use std::net::SocketAddr;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::json;

use super::{ToolServer, credential, gate};

#[tokio::test]
async fn a_tool_server_speaks_tls_where_it_has_a_certificate() {
    let (gate, agent) = gate().await;
    let names = vec!["127.0.0.1".to_owned(), "tools.example".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let at = |name: &str| gate.folder.path().join(name).display().to_string();
    fs::write(at("tools.crt"), cert.pem()).unwrap();
    fs::write(at("tools.key"), signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (at("tools.crt"), at("tools.key"));
    let words = ["calculator", "--cert-file", &certificate, "--key-file", &key];
    let server = ToolServer::start(
        &gate,
        &[&words[..], &["--public-url", "https://tools.example"]].concat(),
    );
    let (token, _) = credential(&agent, "calculator__calculate", &["call"]).await;
    let address: SocketAddr = server.url.strip_prefix("http://").unwrap().parse().unwrap();
    let http = reqwest::Client::builder()
        .no_proxy()
        .resolve("tools.example", address)
        .tls_certs_only([reqwest::Certificate::from_pem(cert.pem().as_bytes()).unwrap()])
        .build()
        .unwrap();
    let params = json!({ "name": "calculate", "arguments": { "expression": "6*7" } });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    for host in ["127.0.0.1", "tools.example"] {
        let url = format!("https://{host}:{}/mcp", address.port());
        let request = http.post(url).bearer_auth(&token).json(&call);
        let request = request.header("accept", "application/json, text/event-stream");
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("42"));
    }
    assert!(reqwest::get(format!("{}/livez", server.url)).await.is_err(), "nothing in the clear");
}
