//! The running server at its edges: hostile connections, foreign names and pages, the end.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::{Method, header};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::harness::server::{ADMIN, PASSWORD, signal, until};
use crate::harness::wire::{address, request};
use crate::harness::{Caller, Gate, Setup, Wire, samples, send};

/// How many hostile connections of each kind.
const EACH: usize = 50;

/// The server's own limits come to nine seconds; the rest is for a busy machine.
const GONE_TIME_MAX: Duration = Duration::from_secs(20);

/// One way to hold a connection: what to send at first, and which bytes now and then.
struct Kind {
    name: &'static str,
    opening: &'static str,
    drip: Option<&'static str>,
}

const KINDS: [Kind; 6] = [
    Kind { name: "silent", opening: "", drip: None },
    Kind { name: "half a preface", opening: "PRI * HTTP/2", drip: None },
    Kind { name: "part of a request line", opening: "GET /liv", drip: None },
    Kind {
        name: "dribbled header",
        opening: "GET /livez HTTP/1.1\r\nhost: localhost\r\nx: ",
        drip: Some("x"),
    },
    Kind {
        name: "dribbled body",
        opening: "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99999\r\n\r\n",
        drip: Some("x"),
    },
    Kind {
        name: "idle after a request",
        opening: "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n",
        drip: None,
    },
];

/// Holds a connection until the server ends it.
async fn attack(url: &str, kind: &Kind) {
    let mut wire = Wire::open(url).await;
    wire.send(kind.opening.as_bytes()).await.unwrap();
    let gone = async {
        let Some(drip) = kind.drip else { return wire.ended().await };
        let mut tick = interval(Duration::from_millis(100));
        while wire.send(drip.as_bytes()).await.is_ok() {
            tick.tick().await;
        }
    };
    assert!(timeout(GONE_TIME_MAX, gone).await.is_ok(), "still there: {}", kind.name);
}

#[tokio::test]
async fn hostile_connections_go_and_honest_callers_do_not_notice() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let over = CancellationToken::new();
    let attacks = async {
        let each = KINDS.iter().flat_map(|it| std::iter::repeat_n(it, EACH));
        join_all(each.map(|it| attack(&gate.url, it))).await;
        over.cancel();
    };
    let vend = async {
        let mut count = 0;
        while !over.is_cancelled() {
            let answer = agent.post(&path, &json!({ "scopes": ["read"] })).await;
            // As often as the policies let one agent ask.
            assert!([201, 429].contains(&answer.status.as_u16()), "{}", answer.text);
            agent.get("/api/v1/auth/me").await.expect(200);
            count += 1;
        }
        count
    };
    let newcomers = async {
        let mut count = 0;
        while !over.is_cancelled() {
            gate.anyone().get("/readyz").await.expect(200);
            count += 1;
        }
        count
    };
    let ((), vended, asked) = tokio::join!(attacks, vend, newcomers);
    assert!(vended > 0 && asked > 0, "{vended} {asked}");
}

#[tokio::test]
async fn a_server_that_is_told_to_end_finishes_what_it_began() {
    let mut gate = Gate::start();
    let tokens = json!({ "username": ADMIN, "password": PASSWORD }).to_string();
    let whole = request(
        "POST /api/v1/auth/login",
        "content-type: application/json\r\nexpect: 100-continue\r\n",
        tokens.as_bytes(),
    );
    let (head, content) = whole.split_at(whole.len() - tokens.len());
    let mut idle = Wire::open(&gate.url).await;
    idle.ask(&request("GET /livez", "", b"")).await;
    let mut busy = Wire::open(&gate.url).await;
    // The server asks for the content only when somebody is there to read it.
    assert_eq!(busy.ask(head).await.status, 100);
    busy.send(&content[..5]).await.unwrap();

    signal(gate.pid(), "TERM");
    idle.ended().await;
    while TcpStream::connect(address(&gate.url)).await.is_ok() {}
    busy.send(&content[5..]).await.unwrap();
    let said = busy.answer().await.expect("the request was under way");
    assert_eq!(said.status, 200, "{}", said.text());
    assert_eq!(said.header("connection"), Some("close"));
    busy.ended().await;
    assert_eq!(gate.stop().code(), Some(0));
    until(Duration::from_secs(10), || {
        gate.log().iter().any(|it| it.contains("\"stopped\"")).then_some(())
    });
}

#[tokio::test]
async fn under_load_every_answered_request_is_answered_whole() {
    let mut gate = Gate::start();
    let admin = gate.admin().await;
    let token = admin.token.as_deref().unwrap();
    let list = request("GET /api/v1/tools", &format!("authorization: Bearer {token}\r\n"), b"");
    let (pid, url) = (gate.pid(), gate.url.clone());
    let ask = async |number: usize| {
        let mut wire = Wire::open(&url).await;
        for count in 0.. {
            if number == 0 && count == 20 {
                signal(pid, "TERM");
            }
            if wire.send(&list).await.is_err() {
                return count;
            }
            let Some(said) = wire.answer().await else { return count };
            assert_eq!(said.status, 200, "{}", said.text());
            if said.header("connection") == Some("close") {
                return count + 1;
            }
        }
        0
    };
    let counts = join_all((0..8).map(ask)).await;
    assert!(counts.iter().all(|it| *it > 0), "{counts:?}");
    assert_eq!(gate.stop().code(), Some(0));
}

#[tokio::test]
async fn other_signals_do_not_matter() {
    let mut gate = Gate::start();
    for name in ["HUP", "USR1", "USR2", "WINCH", "CONT", "URG", "PIPE"] {
        signal(gate.pid(), name);
        gate.anyone().get("/livez").await.expect(200);
    }
    signal(gate.pid(), "INT");
    assert_eq!(gate.stop().code(), Some(0));
}

#[tokio::test]
async fn only_our_names_are_answered_to() {
    let gate = Setup::new().with("public_url", "http://gate.example").start();
    let url = listening(&gate);
    let mut wire = Wire::open(&url).await;
    for (host, status) in [
        ("gate.example", 200),
        ("GATE.EXAMPLE", 200),
        ("localhost", 200),
        ("127.0.0.1:9", 200),
        ("[::1]", 200),
        ("evil.example", 421),
        ("gate.example.evil.example", 421),
        ("evil.example\r\nhost: gate.example", 421),
        ("gate.example, evil.example", 421),
        ("user@gate.example", 421),
        ("", 421),
    ] {
        let request = format!("GET /livez HTTP/1.1\r\nhost: {host}\r\nx-request-id: r-1\r\n\r\n");
        let said = wire.ask(request.as_bytes()).await;
        assert_eq!(said.status, status, "{host}");
        assert_eq!(said.header("x-request-id"), Some("r-1"), "{host}");
        assert_eq!(said.header("cache-control"), Some("no-store"), "{host}");
        assert_eq!(said.header("x-content-type-options"), Some("nosniff"), "{host}");
        if status == 421 {
            let problem: Value = serde_json::from_slice(&said.body).unwrap();
            assert_eq!(
                (&problem["code"], &problem["instance"]),
                (&json!("wrong_host"), &json!("r-1"))
            );
        }
    }
    let none = wire.ask(b"GET /livez HTTP/1.1\r\n\r\n").await;
    assert!([400, 421].contains(&none.status));
    let figures = Caller::new(&url, None).get("/metrics").await.text;
    assert!(figures.contains(r#"route="door",status="421""#), "{figures}");
    until(Duration::from_secs(10), || {
        gate.log().iter().any(|it| it.contains("\"door\"") && it.contains("421")).then_some(())
    });
}

/// Where a server listens, whatever its public URL.
fn listening(gate: &Gate) -> String {
    let address = gate.log().iter().find_map(|it| {
        let event: Value = serde_json::from_str(it).ok()?;
        Some(event["address"].as_str()?.to_owned())
    });
    format!("http://{}", address.unwrap())
}

#[tokio::test]
async fn only_trusted_pages_may_change_things_and_read_answers() {
    const CONSOLE: &str = "https://console.example";
    let gate = Setup::new().with("cors.allowed_origins", CONSOLE).start();
    let admin = gate.admin().await;
    let own = gate.url.clone();
    let allowed = "access-control-allow-origin";
    for (origin, trusted) in [
        (CONSOLE, true),
        (&own, true),
        ("https://evil.example", false),
        ("https://console.example.evil.example", false),
        ("http://console.example", false),
        ("https://console.example:8443", false),
        ("null", false),
        ("*", false),
    ] {
        let from =
            |method: Method, path| admin.request(method, path).header(header::ORIGIN, origin);
        let answer = send(from(Method::POST, "/api/v1/tools").json(&json!({}))).await;
        match trusted {
            true => answer.problem(422, "invalid"),
            false => answer.problem(403, "wrong_origin"),
        };
        let read = send(from(Method::GET, "/api/v1/auth/me")).await;
        assert_eq!(read.status, 200);
        for answer in [&answer, &read] {
            let told = answer.headers.get(allowed).map(|it| it.to_str().unwrap());
            assert_eq!(told, trusted.then_some(origin), "{origin}");
            assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        }
        let preflight = from(Method::OPTIONS, "/api/v1/tools")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let preflight = send(preflight).await;
        assert_eq!(preflight.status, if trusted { 204 } else { 405 }, "{origin}");
        assert_eq!(preflight.headers.contains_key(allowed), trusted, "{origin}");
        if trusted {
            let methods = preflight.headers["access-control-allow-methods"].to_str().unwrap();
            let headers = preflight.headers["access-control-allow-headers"].to_str().unwrap();
            assert!(methods.contains("PATCH") && headers.contains("authorization"));
            assert_eq!(preflight.headers["vary"], "origin");
        }
    }
}

#[tokio::test]
async fn a_request_ends_where_everyone_thinks_it_ends() {
    let gate = Gate::start();
    let smuggled = "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for framing in [
        "content-length: 4\r\ncontent-length: 50\r\n",
        "content-length: 4, 50\r\n",
        "content-length: +4\r\n",
        "content-length: 0x4\r\n",
        "content-length: -1\r\n",
        "content-length: 18446744073709551616\r\n",
        "content-length: 4 4\r\n",
        "transfer-encoding: gzip\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding : chunked\r\n",
        " transfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\n folded: x\r\n",
        "x: y\rtransfer-encoding: chunked\r\n",
    ] {
        let bytes =
            format!("POST /livez HTTP/1.1\r\nhost: localhost\r\n{framing}\r\nabcd{smuggled}");
        let mut wire = Wire::open(&gate.url).await;
        assert_eq!(wire.ask(bytes.as_bytes()).await.status, 400, "{framing}");
        assert!(wire.answer().await.is_none(), "{framing}");
    }
    // Both frames: chunks count (RFC 9112 section 6.3), and nothing after them is a request.
    for framing in [
        "content-length: 4\r\ntransfer-encoding: chunked\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 4\r\n",
    ] {
        let bytes = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\n{framing}\r\n0\r\n\r\n{smuggled}"
        );
        let mut wire = Wire::open(&gate.url).await;
        let said = wire.ask(bytes.as_bytes()).await;
        assert!([400, 415].contains(&said.status), "{framing}: {said:?}");
        assert!(wire.answer().await.is_none(), "{framing}");
    }
    for chunks in ["zz\r\nabcd\r\n0\r\n\r\n", "-1\r\n", "4\nabcd", "fffffffffffffffff\r\nabcd\r\n"]
    {
        let bytes = format!(
            "POST /api/v1/auth/login HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n\
             {chunks}{smuggled}"
        );
        let mut wire = Wire::open(&gate.url).await;
        let said = wire.ask(bytes.as_bytes()).await;
        assert_eq!(said.status, 400, "{chunks}: {said:?}");
        assert!(wire.answer().await.is_none(), "{chunks}");
    }
}

#[tokio::test]
async fn answers_that_carry_tokens_are_kept_by_nobody() {
    let gate = Gate::start();
    let admin = gate.admin().await;
    let login = json!({ "username": ADMIN, "password": PASSWORD });
    let pair = gate.anyone().post("/api/v1/auth/login", &login).await;
    let refresh = json!({ "refresh_token": pair.expect(200)["refresh_token"] });
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let machine = json!({ "name": "lingua", "role": "translator" });
    let registered = admin.post("/api/v1/register/machine", &machine).await;
    let agent = gate.machine(&registered.expect(201)).await;
    let access = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
    let answers = [
        pair,
        gate.anyone().post("/api/v1/auth/refresh", &refresh).await,
        admin.post("/api/v1/auth/elevate", &json!({ "password": PASSWORD })).await,
        agent.post(&access, &json!({ "scopes": ["read"] })).await,
        registered,
        admin.get("/api/v1/credentials").await,
    ];
    for answer in answers {
        assert!(answer.status.is_success(), "{}", answer.text);
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{}", answer.text);
    }
}

#[tokio::test]
async fn a_head_is_a_get_without_its_content() {
    let gate = Gate::start();
    let mut wire = Wire::open(&gate.url).await;
    for path in ["/livez", "/openapi.json", "/.well-known/jwks.json", "/nowhere", "/api/v1/tools"] {
        let get = wire.ask(&request(&format!("GET {path}"), "", b"")).await;
        let head = wire.ask(&request(&format!("HEAD {path}"), "", b"")).await;
        assert_eq!((head.status, head.body.len()), (get.status, 0), "{path}");
        for name in ["content-type", "content-length", "www-authenticate"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
    }
}
