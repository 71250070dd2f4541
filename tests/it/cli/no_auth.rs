//! `dev --no-auth`: the one way to a server that asks nobody who they are, and it says so.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use reqwest::{Method, header};
use serde_json::json;

use super::{Running, gatewright, run};
use crate::harness::{Answer, Caller, Setup, send};

const DEADLINE: Duration = Duration::from_secs(60);
const ME: &str = "/api/v1/auth/me";

/// A server that asks nobody, where it is, and what it logs.
fn open(folder: &std::path::Path) -> (Running, String, mpsc::Receiver<String>) {
    let child = gatewright(folder, &["dev", "--no-auth", "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut dev = Running(child);
    let lines = |pipe: Box<dyn std::io::Read + Send>| {
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        told
    };
    let said = lines(Box::new(dev.0.stdout.take().unwrap()));
    let log = lines(Box::new(dev.0.stderr.take().unwrap()));
    let mut url = None;
    loop {
        let line = said.recv_timeout(DEADLINE).unwrap();
        let page = line.trim_start().strip_prefix("page").map(|it| it.trim().to_owned());
        url = url.or(page.and_then(|it| it.strip_suffix("/docs").map(str::to_owned)));
        if line.contains("Authentication is DISABLED") {
            return (dev, url.unwrap(), log);
        }
    }
}

fn says_so(answer: &Answer) -> bool {
    answer.headers.get("x-gatewright-auth").is_some_and(|it| it == "disabled")
}

#[tokio::test]
async fn a_server_that_asks_nobody_says_so_in_every_answer_and_in_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let (_dev, url, log) = open(folder.path());
    let anyone = Caller::new(&url, None);
    let me = anyone.get(ME).await;
    assert_eq!(me.expect(200)["name"], "admin");
    assert!(says_so(&me));
    let id = anyone.get("/api/v1/tools").await.expect(200)["items"][0]["id"].clone();
    let path = format!("/api/v1/tools/{}", id.as_str().unwrap());
    let deleted = anyone.delete(&path).await;
    deleted.expect(204);
    assert!(says_so(&deleted), "as if elevated");

    let elsewhere = anyone.request(Method::GET, "/livez").header(header::HOST, "evil.example");
    let foreign = anyone.request(Method::POST, "/api/v1/tools");
    let foreign = foreign.header(header::ORIGIN, "http://evil.example").json(&json!({}));
    for (answer, status) in [
        (anyone.get("/nowhere").await, 404),
        (anyone.get("/livez").await, 200),
        (send(elsewhere).await, 421),
        (send(foreign).await, 403),
        // Whoever shows something is asked what it is.
        (Caller::new(&url, Some("gwk_x")).get(ME).await, 401),
    ] {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert!(says_so(&answer), "{status}");
    }
    let mut confessions = 0;
    while confessions < 8 {
        let line = log.recv_timeout(DEADLINE).unwrap();
        confessions += usize::from(line.contains("authentication is disabled"));
    }
}

#[test]
fn nothing_else_leads_there() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let words = ["dev", "--no-auth", "--listen", "0.0.0.0:0"];
    assert!(run(at, &words).expect(1).err.contains("loopback"));
    for switch in ["--no-auth", "--auth-disabled", "--auth-enabled=false"] {
        let ran = run(at, &["serve", switch]);
        assert!([Some(1), Some(2)].contains(&ran.code), "{switch}: {}", ran.err);
    }
    for variable in ["GATEWRIGHT_NO_AUTH", "GATEWRIGHT_AUTH__ENABLED", "GATEWRIGHT_AUTH__NO_AUTH"] {
        let setup = Setup::new();
        let output = setup.command(&["serve"]).env(variable, "true").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{variable}: {said}");
        assert!(said.contains(variable), "{said}");
    }
}

#[tokio::test]
async fn a_server_that_knows_nobody_lets_nobody_in() {
    for setup in [
        Setup::new()
            .without("auth.bootstrap_admin_username")
            .without("auth.bootstrap_admin_password"),
        Setup::new().with("environment", "development"),
    ] {
        let gate = setup.start();
        for value in
            [None, Some("Bearer "), Some("Bearer null"), Some("Bearer undefined"), Some("")]
        {
            let request = gate.anyone().request(Method::GET, ME);
            let request = match value {
                Some(value) => request.header(header::AUTHORIZATION, value),
                None => request,
            };
            let answer = send(request).await;
            answer.problem(401, "unauthenticated");
            assert!(!says_so(&answer));
        }
    }
}
