//! Where a request comes from, and who is believed about it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{CREDENTIALS, denied, entry, tool};
use crate::harness::{Answer, Caller, Gate, Setup, send, server};

fn setup() -> Setup {
    Setup::new()
        .with("risk.blocked_networks", "203.0.113.0/24, 2001:db8:bad::/48")
        .with("risk.zones.vpn", "198.51.100.0/24, 2001:db8:7::/48")
}

fn behind_a_proxy() -> Setup {
    setup().with("risk.trust_proxy_headers", "true").with("risk.trusted_proxies", "127.0.0.1")
}

async fn post(caller: &Caller, path: &str, from: &str, body: &Value) -> Answer {
    let request = caller.request(Method::POST, path).header("x-forwarded-for", from);
    send(request.json(body)).await
}

async fn ask(caller: &Caller, tool: &str, from: &str) -> Answer {
    let body = json!({ "tool": tool, "scopes": ["evaluate"] });
    post(caller, CREDENTIALS, from, &body).await
}

async fn login(gate: &Gate, from: &str) -> Answer {
    let body = json!({ "username": server::ADMIN, "password": server::PASSWORD });
    post(&gate.anyone(), "/api/v1/auth/login", from, &body).await
}

#[tokio::test]
async fn nobody_does_anything_from_a_blocked_network() {
    let gate = behind_a_proxy().start();
    let admin = gate.admin().await;
    tool(&admin, "calc", json!({})).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    for from in [
        "203.0.113.7",
        "66.249.66.1",
        "::ffff:203.0.113.7",
        "::ffff:66.249.66.1",
        "2001:db8:bad::1",
        "192.0.2.1, 203.0.113.7",
        "192.0.2.1, 203.0.113.7, 127.0.0.1",
    ] {
        let refused = login(&gate, from).await.json();
        assert_eq!(refused["reasons"][0], "guard.net.blocked", "{refused}");
        // Where nothing may be seen, the tool is hidden rather than refused.
        ask(&robot, "calc", from).await.problem(404, "not_found");
    }
    for from in [
        "192.0.2.1",
        "203.0.114.7",
        // What stands left of an address that is no proxy, anybody may have written.
        "203.0.113.7, 192.0.2.1",
        "66.249.66.1, 192.0.2.1, 127.0.0.1",
    ] {
        login(&gate, from).await.expect(200);
        ask(&robot, "calc", from).await.expect(201);
    }
}

#[tokio::test]
async fn a_header_counts_only_from_a_trusted_proxy() {
    let strangers = setup().with("risk.trust_proxy_headers", "true");
    let strangers = strangers.with("risk.trusted_proxies", "192.0.2.0/24");
    for setup in [setup(), strangers] {
        let gate = setup.start();
        let admin = gate.admin().await;
        tool(&admin, "intranet", json!({ "tags": ["corp-only"] })).await;
        let (_, robot) = gate.agent("robot", "agent").await;
        login(&gate, "203.0.113.7").await.expect(200);
        let refused = ask(&robot, "intranet", "10.0.0.1").await;
        denied(&refused, &["limit.location.corp-only"], &["network"]);
        assert_eq!(entry(&admin, &refused).await["facts"]["net"]["ip"], "127.0.0.1");
    }
}

#[tokio::test]
async fn an_internal_tool_is_used_from_inside() {
    let gate = behind_a_proxy().start();
    let admin = gate.admin().await;
    tool(&admin, "intranet", json!({ "tags": ["corp-only"] })).await;
    tool(&admin, "archive", json!({ "tags": ["eu-only"] })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    for from in ["192.0.2.1", "11.0.0.1", "fe00::1", "198.51.101.1", "2001:db8:8::1"] {
        let refused = ask(&robot, "intranet", from).await;
        let detail = denied(&refused, &["limit.location.corp-only"], &["network"]);
        assert_eq!(detail, "ask from the network `vpn`");
        assert_eq!(entry(&admin, &refused).await["facts"]["net"]["ip"], from);
    }
    for from in ["10.255.0.1", "fd12::1", "::ffff:10.0.0.1"] {
        ask(&robot, "intranet", from).await.expect(201);
    }
    for from in ["198.51.100.200", "2001:db8:7::1"] {
        let vended = ask(&robot, "intranet", from).await;
        vended.expect(201);
        assert_eq!(entry(&admin, &vended).await["facts"]["net"]["zones"], json!(["vpn"]));
    }
    // The country is not known, which counts as outside; no network would change that.
    denied(&ask(&robot, "archive", "10.0.0.1").await, &["limit.location.country"], &[]);
}
