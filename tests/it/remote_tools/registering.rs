//! Registering servers: nothing is stored that was not looked at.

use serde_json::json;

use super::{gate, path, server, setup, tool};
use crate::harness::mcp_server::McpServer;

#[tokio::test]
async fn a_server_brings_its_tools_along() {
    let (gate, station) = (gate(), McpServer::start("streamable"));
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &server("weather", &station.url)).await.expect(201);
    assert_eq!(made["probe"]["ok"], true, "{made}");
    assert_eq!(made["probe"]["detected_transport"], "streamable_http");
    assert_eq!(made["probe"]["protocol"], "2026-07-28");
    assert_eq!(made["probe"]["tool_count"], 5);
    assert!(made["probe_valid_until"].is_string());
    let forecast = tool(&admin, "weather__forecast").await;
    assert_eq!(forecast["server"], made["id"]);
    assert_eq!(forecast["remote_name"], "forecast");
    assert_eq!(forecast["description"], "What the weather will be.");
    assert_eq!(forecast["input_schema"]["required"], json!(["city"]));
    assert_eq!(forecast["state"], "active");
    for key in ["scopes", "required_scopes", "tags", "risk_level", "owner"] {
        assert_eq!(forecast[key], made[key], "{key}");
    }
    assert_ne!(forecast["digest"], made["digest"]);
    assert_eq!(tool(&admin, "weather__count_up").await["remote_name"], "count.up");

    let again = admin.post("/api/v1/tools", &server("weather", &station.url)).await;
    again.problem(409, "conflict");
    admin.act(&path(&made, "/deactivate")).await.expect(200);
    assert_eq!(tool(&admin, "weather__forecast").await["is_active"], false);
}

#[tokio::test]
async fn what_cannot_be_used_is_not_registered() {
    let gate = setup().with("probe.timeout_seconds", "1").start();
    let admin = gate.admin().await;
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let page = format!("{}/livez", gate.url);
    for (url, why) in [
        (format!("http://{nobody}/mcp"), "cannot be reached"),
        (page, "answers 405"),
        ("http://169.254.169.254/mcp".into(), "is not called"),
    ] {
        let answer = admin.post("/api/v1/tools", &server("weather", &url)).await;
        let problem = answer.problem(422, "probe_failed");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    }
    let all = admin.get("/api/v1/tools").await.expect(200);
    assert_eq!(all["items"], json!([]));
}

#[tokio::test]
async fn a_change_that_leads_nowhere_is_undone() {
    let (gate, station) = (gate(), McpServer::start("older"));
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &server("weather", &station.url)).await.expect(201);
    assert_eq!(made["probe"]["protocol"], "2025-11-25");
    let before = admin.get(&path(&made, "")).await.expect(200);
    let elsewhere = json!({ "server_url": format!("{}/nothing", gate.url), "risk_level": "high" });
    admin.patch(&path(&made, ""), &elsewhere).await.problem(422, "probe_failed");
    assert_eq!(admin.get(&path(&made, "")).await.expect(200), before);

    let mut other = McpServer::start("sse");
    other.tell(&json!({ "describe": "Something else." }));
    let moved = json!({ "server_url": other.url });
    let moved = admin.patch(&path(&made, ""), &moved).await.expect(200);
    assert_eq!(moved["probe"]["detected_transport"], "sse");
    let forecast = tool(&admin, "weather__forecast").await;
    assert_eq!(forecast["state"], "quarantined", "it is not what it was: {forecast}");
    let add = tool(&admin, "weather__add").await;
    assert_eq!((&add["state"], &add["server_url"]), (&json!("active"), &json!(other.url)));
}

#[tokio::test]
async fn a_server_that_wants_credentials_is_registered_and_says_so() {
    let (gate, mut station) = (gate(), McpServer::start("streamable"));
    station.tell(&json!({ "require": "sesame" }));
    let admin = gate.admin().await;
    let made = admin.post("/api/v1/tools", &server("weather", &station.url)).await.expect(201);
    assert_eq!(
        (&made["probe"]["requires_auth"], &made["probe"]["tool_count"]),
        (&json!(true), &json!(0))
    );

    station.heard();
    let mut known = server("station", &station.url);
    known["static_headers"] = json!({ "Authorization": "Bearer sesame", "X-Key": "word" });
    let made = admin.post("/api/v1/tools", &known).await.expect(201);
    assert_eq!(
        (&made["probe"]["requires_auth"], &made["probe"]["tool_count"]),
        (&json!(false), &json!(5))
    );
    assert_eq!(made["static_headers"]["X-Key"], "********");
    assert!(station.heard().iter().all(|it| it["x-key"] == "word"));
    assert!(!gate.log().iter().any(|it| it.contains("sesame")));
}
