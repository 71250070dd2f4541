//! What the operator watches: figures, health, the log.

use std::collections::BTreeSet;
use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use gatewright::http::{Kind, routes};
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::server::until;
use crate::harness::wire::request;
use crate::harness::{Caller, Gate, Setup, Wire, samples, send};

/// `promtool`, where scripts/test puts it or where the system has it.
fn promtool() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join(".tools");
    let tools = env::var_os("GATEWRIGHT_TOOLS").map_or_else(default, PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([tools.join("bin")]);
    let mut found = folders.map(|it| it.join("promtool")).filter(|it| it.is_file());
    let found = found.next();
    assert!(found.is_some(), "no promtool on this machine: run scripts/test, which brings it");
    found.unwrap()
}

/// What `promtool check metrics` says, with its exit code.
fn checked(figures: &str) -> (Option<i32>, String) {
    let mut child = Command::new(promtool())
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(figures.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

async fn figures(gate: &Gate) -> String {
    let answer = gate.anyone().get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "text/plain; version=0.0.4; charset=utf-8");
    answer.text
}

/// The sum over all series of this name whose labels hold all of `labels`.
fn sum(figures: &str, name: &str, labels: &[&str]) -> f64 {
    let of_name = figures.lines().filter(|it| {
        let rest = it.strip_prefix(name);
        rest.is_some_and(|it| it.starts_with('{') || it.starts_with(' '))
    });
    let these = of_name.filter(|it| labels.iter().all(|label| it.contains(label)));
    these.map(|it| it.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

/// A server through which everything has gone once: asked, allowed, denied, vended, verified,
/// revoked, refused for its quota.
async fn busy() -> (Gate, Caller) {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let access = agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
    let second = agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
    let long = json!({ "scopes": ["read"], "ttl_seconds": 86_400 });
    agent.post(&path, &long).await.problem(403, "denied");
    let token = &access["credential"]["token"];
    let question = json!({ "token": token, "tool": "translate", "scope": "read" });
    admin.post("/api/v1/credentials/validate", &question).await.expect(200);
    gate.anyone().get("/api/v1/tools").await.problem(401, "unauthenticated");
    assert_eq!(sum(&figures(&gate).await, "gatewright_credentials_live", &[]), 2.0);
    let id = second["credential"]["credential_id"].as_str().unwrap();
    agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
    (gate, agent)
}

#[tokio::test]
async fn figures_tell_what_happened_in_a_form_that_prometheus_takes() {
    let (gate, _) = busy().await;
    let figures = figures(&gate).await;
    assert_eq!(checked(&figures), (Some(0), String::new()), "{figures}");
    let broken = figures
        .replace("# TYPE gatewright_panics_total counter", "# TYPE gatewright_panics_total gauge");
    assert_ne!(checked(&broken).0, Some(0), "promtool checks");
    let vend = "action=\"request_credential\"";
    for (name, labels, count) in [
        ("gatewright_http_requests_total", &["/access", "status=\"201\"", "POST"][..], 2.0),
        ("gatewright_http_requests_total", &["/access", "status=\"403\"", "POST"], 1.0),
        ("gatewright_http_request_duration_seconds_count", &["/access"], 3.0),
        ("gatewright_decisions_total", &[vend, "outcome=\"allow\""], 2.0),
        ("gatewright_decisions_total", &[vend, "outcome=\"deny\""], 1.0),
        ("gatewright_decision_duration_seconds_count", &[vend], 3.0),
        ("gatewright_credential_issue_duration_seconds_count", &[], 2.0),
        ("gatewright_credential_verify_duration_seconds_count", &["outcome=\"valid\""], 1.0),
        ("gatewright_credentials_live", &[], 1.0),
        ("gatewright_unauthenticated_total", &[], 1.0),
        ("gatewright_panics_total", &[], 0.0),
        ("gatewright_policy_evaluation_errors_total", &[], 0.0),
    ] {
        assert_eq!(sum(&figures, name, labels), count, "{name} {labels:?}\n{figures}");
    }
    for name in ["gatewright_store_commit_duration_seconds", "gatewright_store_commit_entries"] {
        assert!(sum(&figures, &format!("{name}_count"), &[]) > 5.0, "{name}\n{figures}");
        assert!(sum(&figures, &format!("{name}_sum"), &[]) > 0.0, "{name}\n{figures}");
    }
}

#[tokio::test]
async fn a_quota_that_is_used_up_is_counted() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let ask = json!({ "scopes": ["read"], "ttl_seconds": 60 });
    let mut refused = None;
    for _ in 0..500 {
        let answer = agent.post(&path, &ask).await;
        if answer.status != 201 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("a quota").problem(429, "quota_exceeded");
    assert!(refused["fix"].to_string().contains("wait"), "{refused}");
    let figures = figures(&gate).await;
    let refusals = "gatewright_quota_refusals_total";
    assert_eq!(sum(&figures, refusals, &["action=\"request_credential\""]), 1.0, "{figures}");
}

/// Every label of every series: name and value.
fn labels(figures: &str) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for line in figures.lines().filter(|it| !it.starts_with('#')) {
        let Some((_, rest)) = line.split_once('{') else { continue };
        let (inner, _) = rest.rsplit_once("} ").unwrap();
        for pair in inner.split("\",") {
            let (name, value) = pair.split_once("=\"").unwrap();
            all.insert((name.to_owned(), value.trim_end_matches('"').to_owned()));
        }
    }
    all
}

#[tokio::test]
async fn nobody_can_invent_a_label() {
    let (gate, agent) = busy().await;
    let known: BTreeSet<&str> = routes().iter().map(|it| it.path).collect();
    let mut wire = Wire::open(&gate.url).await;
    let token = format!("authorization: Bearer {}\r\n", agent.token.as_deref().unwrap());
    for number in 0..50 {
        for line in [
            format!("GET /invented-{number}"),
            format!("INVENTED{number} /livez"),
            format!("GET /api/v1/tools/invented-{number}"),
            format!("GET /api/v1/tools?q=invented-{number}"),
            format!("PUT /api/v1/users/{number}/roles/invented-{number}"),
        ] {
            let said = wire.ask(&request(&line, &token, b"")).await;
            assert!(said.status < 500, "{said:?}");
        }
        let host = format!("GET /livez HTTP/1.1\r\nhost: invented-{number}\r\n\r\n");
        assert_eq!(wire.ask(host.as_bytes()).await.status, 421);
    }
    let actions: BTreeSet<&str> = routes()
        .iter()
        .filter_map(|it| match it.kind {
            Kind::Guarded(action) => Some(action),
            Kind::Identified | Kind::Public => None,
        })
        .chain(["sign_in", "elevate", "introspect_credential", "present_credential", "hold_scope"])
        .collect();
    let figures = figures(&gate).await;
    assert!(!figures.contains("invented") && !figures.contains("INVENTED"), "{figures}");
    for (name, value) in labels(&figures) {
        let bounded = match name.as_str() {
            "route" => {
                known.contains(&*value)
                    || ["unknown", "other_method", "door", "preflight"].contains(&&*value)
            }
            "action" => actions.contains(&*value),
            "method" => ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"]
                .contains(&&*value),
            "status" => value.parse().is_ok_and(|it: u16| (100..600).contains(&it)),
            "outcome" | "cause" => value.bytes().all(|it| it.is_ascii_lowercase() || it == b'_'),
            // The active bundle's: one at a time.
            "digest" => value.len() == 64 && value.bytes().all(|it| it.is_ascii_hexdigit()),
            "result" => ["same", "opened", "closed", "skipped"].contains(&&*value),
            "risk" => ["low", "medium", "high"].contains(&&*value),
            "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
            _ => false,
        };
        assert!(bounded, "{name}={value}");
    }
}

#[tokio::test]
async fn figures_have_an_address_of_their_own_where_that_is_set() {
    let gate = Setup::new().with("metrics.listen", "0.0.0.0:0").start();
    gate.anyone().get("/metrics").await.problem(404, "not_found");
    let own = gate.log().iter().find_map(|it| {
        let event: Value = serde_json::from_str(it).ok()?;
        Some(event["figures"].as_str()?.replace("0.0.0.0", "127.0.0.1"))
    });
    let url = format!("http://{}", own.unwrap());
    let own = Caller::new(&url, None);
    let figures = own.get("/metrics").await;
    assert_eq!(figures.status, 200);
    assert_eq!(checked(&figures.text), (Some(0), String::new()));
    own.get("/api/v1/tools").await.problem(404, "not_found");
    own.get("/livez").await.problem(404, "not_found");
    own.act("/metrics").await.problem(405, "method_not_allowed");
    let mut wire = Wire::open(&url).await;
    for (host, status) in [("10.1.2.3:9464", 200), ("[2001:db8::1]", 200), ("evil.example", 421)] {
        let scrape = format!("GET /metrics HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(wire.ask(scrape.as_bytes()).await.status, status, "{host}");
    }
}

#[tokio::test]
async fn health_is_told_in_three_ways() {
    let gate = Gate::start();
    assert_eq!(gate.anyone().get("/livez").await.expect(200), json!({ "status": "ok" }));
    for path in ["/readyz", "/health"] {
        let ready = gate.anyone().get(path).await.expect(200);
        let checks = json!({
            "audit_writer": "ok", "policy_bundle": "ok", "secret_store": "ok", "store": "ok",
        });
        assert_eq!(ready, json!({ "status": "ok", "checks": checks }), "{path}");
    }
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn every_line_of_the_log_is_json_and_names_its_request() {
    let gate = Setup::new().with("log.level", "trace").start();
    let admin = gate.admin().await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    for (id, traceparent) in [("with", &*parent), ("without", ""), ("wrong", "00-abc-def-01")] {
        let ask = admin.request(Method::GET, "/api/v1/auth/me").header("x-request-id", id);
        send(ask.header("traceparent", traceparent)).await.expect(200);
    }
    let ask = admin.request(Method::GET, "/nowhere").header("user-agent", "a\"b\\c");
    send(ask.header("traceparent", &parent).header("x-request-id", "absent")).await;
    let line = |id: &str| {
        until(Duration::from_secs(10), || {
            gate.log().iter().find_map(|it| {
                let event: Value = serde_json::from_str(it).unwrap();
                (event["message"] == "answered" && event["request_id"] == id).then_some(event)
            })
        })
    };
    assert_eq!(line("with")["trace_id"], TRACE);
    assert_eq!(line("with")["route"], "/api/v1/auth/me");
    assert_eq!(line("absent")["trace_id"], TRACE);
    assert_eq!(line("absent")["status"], 404);
    for id in ["without", "wrong"] {
        assert!(line(id).get("trace_id").is_none(), "{}", line(id));
    }
    for line in gate.log() {
        let event: Value = serde_json::from_str(&line).unwrap();
        for field in ["timestamp", "level", "target"] {
            assert!(event[field].is_string(), "{line}");
        }
        if event["message"] == "answered" {
            assert!(event["request_id"].is_string() && event["status"].is_u64(), "{line}");
        }
    }
}
