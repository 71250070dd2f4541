//! Where on earth a request comes from.

use std::process::Stdio;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{CREDENTIALS, denied, entry, tool};
use crate::harness::places::{self, record};
use crate::harness::server::until;
use crate::harness::{Answer, Caller, Gate, Setup, send};

async fn ask(caller: &Caller, from: &str) -> Answer {
    let request = caller.request(Method::POST, CREDENTIALS).header("x-forwarded-for", from);
    send(request.json(&json!({ "tool": "archive", "scopes": ["evaluate"] }))).await
}

/// Waits until the server says something.
fn said(gate: &Gate, what: &str) {
    until(Duration::from_secs(10), || gate.log().iter().any(|it| it.contains(what)).then_some(()));
}

#[tokio::test]
async fn the_country_is_what_the_geoip_file_says_by_now() {
    let setup = Setup::new()
        .with("risk.trust_proxy_headers", "true")
        .with("risk.trusted_proxies", "127.0.0.1");
    let file = setup.folder.path().join("places.mmdb");
    let before = json!({
        "192.0.2.0/24": record("DE", 52.5, 13.4),
        "2001:db8:1::/48": record("fr", 48.9, 2.4),
        "198.51.100.0/24": record("US", 40.7, -74.0),
        "203.0.113.0/24": { "country": { "names": { "en": "nowhere" } } },
    });
    places::write(&file, &before);
    let gate = setup.with("risk.geoip_db", file.to_str().unwrap()).start();
    let admin = gate.admin().await;
    tool(&admin, "archive", json!({ "tags": ["eu-only"] })).await;
    let (_, robot) = gate.agent("robot", "agent").await;
    for (from, country) in
        [("192.0.2.9", "DE"), ("2001:db8:1::7", "FR"), ("::ffff:192.0.2.1", "DE")]
    {
        let vended = ask(&robot, from).await;
        vended.expect(201);
        assert_eq!(entry(&admin, &vended).await["facts"]["net"]["country"], country);
    }
    for (from, country) in [
        ("198.51.100.1", json!("US")),
        ("203.0.113.1", json!(null)),
        ("10.0.0.1", json!(null)),
        ("2001:db8:2::1", json!(null)),
    ] {
        let refused = ask(&robot, from).await;
        denied(&refused, &["limit.location.country"], &[]);
        assert_eq!(entry(&admin, &refused).await["facts"]["net"]["country"], country, "{from}");
    }

    // Damaged, the file changes nothing; another one takes its place.
    std::fs::write(&file, "half a file").unwrap();
    said(&gate, "GeoIP file not reloaded");
    ask(&robot, "192.0.2.9").await.expect(201);
    places::write(&file, &json!({ "192.0.2.0/24": record("US", 40.7, -74.0) }));
    said(&gate, "GeoIP file reloaded");
    denied(&ask(&robot, "192.0.2.9").await, &["limit.location.country"], &[]);
}

#[test]
fn a_geoip_file_that_cannot_be_used_stops_the_start() {
    let setup = Setup::new();
    let at = |name: &str| setup.folder.path().join(name);
    std::fs::write(at("page.mmdb"), "<html>").unwrap();
    let networks = json!({ "192.0.2.0/24": { "autonomous_system_number": 64500 } });
    places::write(&at("asn.mmdb"), &networks);
    for (name, problem) in [
        ("absent.mmdb", "cannot read the GeoIP file"),
        ("page.mmdb", "is no MaxMind DB file"),
        ("asn.mmdb", "knows no countries"),
    ] {
        let mut serve = setup.command(&["serve"]);
        serve.env("GATEWRIGHT_RISK__GEOIP_DB", at(name)).stdout(Stdio::null());
        let output = serve.output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{said}");
        assert!(said.contains(problem) && said.contains(name), "{said}");
    }
}
