//! Looking at servers: who may, how often, and where.

use serde_json::{Value, json};

use super::{gate, path, server, setup, tool};
use crate::harness::Setup;
use crate::harness::mcp_server::McpServer;

/// Hosts that nobody reaches who may not reach private networks.
const CLOSED: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "localhost",
    "a.localhost",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[::127.0.0.1]",
    "0.0.0.0",
    "[::]",
    "127.0.0.1.",
    "①②⑦.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "[fd00::1]",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[fe80::1]",
    "[::ffff:169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[fd00:ec2::254]",
    "100.100.100.200",
    "224.0.0.1",
    "255.255.255.255",
    "metadata",
    "[2001:db8::1]",
];
const TEST: &str = "/api/v1/tools/remote/test-connection";

#[tokio::test]
async fn a_test_tells_what_there_is_and_registers_nothing() {
    let (gate, station) = (gate(), McpServer::start("sse"));
    let admin = gate.admin().await;
    let found = admin.post(TEST, &json!({ "server_url": station.url })).await.expect(200);
    assert_eq!((&found["ok"], &found["detected_transport"]), (&json!(true), &json!("sse")));
    assert_eq!(found["tools"].as_array().unwrap().len(), 5);
    assert!(found["response_time_ms"].is_u64() && found["probe_valid_until"].is_string());
    let body = json!({ "server_url": station.url, "transport_preference": "streamable_http" });
    let found = admin.post(TEST, &body).await.expect(200);
    assert_eq!((&found["ok"], &found["probe_valid_until"]), (&json!(false), &Value::Null));
    assert!(found["error"].as_str().unwrap().contains("answers 405"), "{found}");
    assert_eq!(admin.get("/api/v1/tools").await.expect(200)["items"], json!([]));
    let user = gate.user("uma", "user").await;
    user.post(TEST, &json!({ "server_url": station.url })).await.problem(403, "denied");
}

#[tokio::test]
async fn probes_are_kept_and_shown_to_those_who_manage_the_server() {
    let (gate, mut station) = (gate(), McpServer::start("streamable"));
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &server("weather", &station.url)).await.expect(201);
    let found = admin.act(&path(&made, "/reprobe")).await.expect(200);
    assert_eq!((&found["ok"], &found["tools"][0]["name"].is_string()), (&json!(true), &true));
    station.tell(&json!({ "require": "sesame" }));
    let member = tool(&admin, "weather__add").await;
    let found = admin.act(&path(&member, "/reprobe")).await.expect(200);
    assert_eq!((&found["ok"], &found["requires_auth"]), (&json!(true), &json!(true)));
    let place = station.url.clone();
    drop(station);
    let found = admin.act(&path(&made, "/reprobe")).await.expect(200);
    assert_eq!(found["ok"], false, "{place}: {found}");

    let probes = admin.get(&path(&made, "/probes?page_size=3")).await.expect(200);
    let ok = |it: &Value| {
        it["items"].as_array().unwrap().iter().map(|it| it["ok"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(ok(&probes), [json!(false), json!(true), json!(true)]);
    let rest =
        format!("/probes?page_size=3&page_token={}", probes["next_page_token"].as_str().unwrap());
    let rest = admin.get(&path(&made, &rest)).await.expect(200);
    assert_eq!((ok(&rest), &rest["next_page_token"]), (vec![json!(true)], &json!("")));
    assert_eq!(tool(&admin, "weather__add").await["state"], "active", "nothing is known to differ");

    let user = gate.user("uma", "user").await;
    user.get(&path(&made, "/probes")).await.problem(403, "denied");
    user.act(&path(&made, "/reprobe")).await.problem(403, "denied");
    let function = crate::harness::samples::calculate("calc");
    let function = admin.post("/api/v1/tools", &function).await.expect(201);
    admin.act(&path(&function, "/reprobe")).await.problem(409, "conflict");
}

#[tokio::test]
async fn nobody_looks_more_often_than_allowed() {
    let gate = Setup::new().with("rate_limits.probe_user", "3/minute").start();
    let admin = gate.admin().await;
    let body = json!({ "server_url": "https://127.0.0.1/mcp" });
    for _ in 0..3 {
        admin.post(TEST, &body).await.expect(200);
    }
    let refused = admin.post(TEST, &body).await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.problem(429, "too_many");
    let made = admin.post("/api/v1/tools", &server("weather", "https://127.0.0.1/mcp")).await;
    made.problem(429, "too_many");
}

#[tokio::test]
async fn no_spelling_of_an_address_is_reached_that_may_not_be() {
    let (closed, open) = (
        Setup::new()
            .with("rate_limits.probe_user", "1000/minute")
            .with("rate_limits.probe_ip", "1000/minute")
            .start(),
        setup().start(),
    );
    let mut station = McpServer::start("streamable");
    station.heard();
    let port = station.url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let admin = closed.admin().await;
    let ok = async |by: &crate::harness::Caller, url: &str| {
        by.post(TEST, &json!({ "server_url": url })).await.expect(200)
    };
    for host in CLOSED {
        for scheme in ["https", "http"] {
            let found = ok(&admin, &format!("{scheme}://{host}:{port}/mcp")).await;
            assert_eq!(found["ok"], false, "{scheme} {host}: {found}");
            let error = found["error"].as_str().unwrap();
            assert!(
                error.contains("is not called") || error.contains("no address"),
                "{host}: {error}"
            );
        }
    }
    for url in
        ["ftp://one.example/", "file:///etc/passwd", "https://u:p@one.example/", "nothing", ""]
    {
        admin.post(TEST, &json!({ "server_url": url })).await.problem(422, "invalid");
    }
    assert!(station.heard().is_empty(), "nobody was asked");

    let admin = open.admin().await;
    for host in ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]"] {
        let found = ok(&admin, &format!("http://{host}:{port}/mcp")).await;
        let reached = found["ok"] == true || found["error"].as_str().unwrap().contains("answers 4");
        assert!(reached, "{host}: {found}");
    }
    for host in
        ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0.0.0.0", "[64:ff9b::127.0.0.1]"]
    {
        let found = ok(&admin, &format!("http://{host}:{port}/mcp")).await;
        assert!(found["error"].as_str().unwrap().contains("is not called"), "{host}: {found}");
    }
}
