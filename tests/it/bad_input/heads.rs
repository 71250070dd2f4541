//! Targets, methods, queries and headers.

use serde_json::Value;

use super::{alone, as_json, furnished, state};
use crate::harness::wire::request;
use crate::harness::{Gate, Setup, Wire};

#[tokio::test]
async fn queries_are_read_to_the_end_on_both_databases() {
    for setup in [Setup::new(), Setup::on_postgres()] {
        let (_gate, admin, id) = furnished(setup).await;
        let before = state(&admin).await;
        let long = "x".repeat(60_000);
        let rows = [
            ("/api/v1/tools?risk=low".to_owned(), "?risk"),
            ("/api/v1/tools?tag=a&tag=b".into(), "?tag"),
            ("/api/v1/tools?page_size=0".into(), "?page_size"),
            ("/api/v1/tools?page_size=201".into(), "?page_size"),
            ("/api/v1/tools?page_size=1e2".into(), "?page_size"),
            ("/api/v1/tools?page_size=-1".into(), "?page_size"),
            ("/api/v1/tools?page=0".into(), "?page"),
            ("/api/v1/tools?page=18446744073709551615".into(), "?page"),
            ("/api/v1/tools?risk_level=none".into(), "?risk_level"),
            ("/api/v1/tools?is_active=1".into(), "?is_active"),
            ("/api/v1/tools?owner=me".into(), "?owner"),
            ("/api/v1/users?page_token=%ff".into(), "?page_token"),
            ("/api/v1/credentials?tool=translate".into(), "?tool"),
            ("/api/v1/audit-events?page_token=x".into(), "?page_token"),
            ("/api/v1/audit-events?from_timestamp=yesterday".into(), "?from_timestamp"),
            ("/api/v1/audit-events?page=10001".into(), "?page"),
            ("/api/v1/audit-events?q=a%00b".into(), "?q"),
            ("/api/v1/audit-events?actor=%00".into(), "?actor"),
            (format!("/api/v1/audit-events?q={long}"), "?q"),
            ("/api/v1/audit/proof".into(), "?seq"),
            ("/api/v1/audit/proof?seq=18446744073709551615".into(), "?seq"),
            ("/api/v1/audit/proof?seq=99999999999999999999".into(), "?seq"),
            ("/api/v1/audit/consistency?from=0".into(), "?from"),
            ("/api/v1/audit/consistency?from=2&to=1".into(), "?from"),
            ("/api/v1/audit/consistency?from=1&to=9223372036854775808".into(), "?from"),
            (format!("/api/v1/tools/{id}?verbose"), "?verbose"),
            ("/api/v1/auth/me?as=root".into(), "?as"),
            ("/api/v1/revocations?sinse=0".into(), "?sinse"),
            ("/api/v1/revocations?since=%00".into(), "?since"),
        ];
        for (path, pointer) in rows {
            let shown: String = path.chars().take(80).collect();
            let answer = admin.get(&path).await;
            assert_eq!(answer.status, 422, "{shown}: {}", answer.text);
            assert_eq!(answer.problem(422, "invalid")["errors"][0]["pointer"], pointer, "{shown}");
        }
        for path in [format!("/api/v1/tools/{id}/activate?force"), "/api/v1/auth/logout?all".into()]
        {
            admin.act(&path).await.problem(422, "invalid");
        }
        admin.get("/api/v1/revocations?since=-1").await.problem(400, "malformed");
        assert_eq!(state(&admin).await, before);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_methods_are_known() {
    let (gate, admin, id) = furnished(Setup::new()).await;
    let before = state(&admin).await;
    let absent = "01a200c5-03db-78dd-9b3b-70d589a3da1c";
    for kind in ["tools", "users", "agents", "credentials"] {
        for id in [absent, "1", "..", "%2e%2e", "%00", "a%2Fb", "%ff", "' OR 1=1 --", &id[1..]] {
            let wire = format!("GET /api/v1/{kind}/{}", id.replace(' ', "%20"));
            let said = alone(&gate, &request(&wire, &as_json(&admin), b"")).await;
            assert_eq!((said.status, said.code().as_str()), (404, "not_found"), "{wire}");
        }
    }
    for path in [
        "//",
        "//livez",
        "/livez/",
        "/LIVEZ",
        "/%6civez",
        "/./livez",
        "/api/../livez",
        "/%2e%2e/livez",
        "/..%2flivez",
        "/%00",
        "/livez%00",
        "/livez;a=b",
        "/livez%3f",
        "/docs/..%2f..%2fCargo.toml",
        "/docs/%2e%2e/%2e%2e/etc/passwd",
        "/docs/",
        "/api/v1/tools/",
        "/api/v1//tools",
        "/\u{7f}",
        "/%",
        "/%zz",
        "/{tool}",
        "/api/v1/tools/%7btool%7d",
        "/\\..\\livez",
        "/~root",
    ] {
        let said = alone(&gate, &request(&format!("GET {path}"), &as_json(&admin), b"")).await;
        // What is no path at all is refused by the parser of HTTP.
        assert!([400, 404].contains(&said.status), "{path}: {said:?}");
        assert!(said.status == 400 || said.code() == "not_found", "{path}: {said:?}");
    }
    for (method, path, allow) in [
        ("DELETE", "/livez", "GET, HEAD"),
        ("BREW", "/api/v1/tools", "POST, GET, HEAD"),
        ("PROPFIND", "/api/v1/tools", "POST, GET, HEAD"),
        ("TRACE", "/api/v1/auth/login", "POST"),
        ("OPTIONS", "/api/v1/auth/login", "POST"),
        ("get", "/livez", "GET, HEAD"),
        ("PUT", &format!("/api/v1/tools/{id}"), "GET, HEAD, PATCH, DELETE"),
    ] {
        let said = alone(&gate, &request(&format!("{method} {path}"), "", b"")).await;
        assert_eq!(
            (said.status, said.header("allow")),
            (405, Some(&*allow.to_lowercase())),
            "{method}"
        );
    }
    assert_eq!(state(&admin).await, before);
}

#[tokio::test]
async fn odd_request_targets_are_answered() {
    let gate = Gate::start();
    let host = gate.url.strip_prefix("http://").unwrap();
    let ask = async |line: String| alone(&gate, &request(&line, "", b"")).await;
    assert_eq!(ask("GET http://localhost/livez".into()).await.status, 200, "absolute form");
    for line in [
        "GET http://evil.example/livez".to_owned(),
        format!("GET http://user@{host}/livez"),
        "CONNECT evil.example:443".into(),
        "CONNECT localhost:443".into(),
    ] {
        assert!([400, 404, 405, 421].contains(&ask(line.clone()).await.status), "{line}");
    }
    assert!([404, 405].contains(&ask("OPTIONS *".into()).await.status));
    assert_eq!(ask("GET livez".into()).await.status, 421, "a host, says RFC 9112 section 3.2.3");
    for line in ["GET", "GET /livez HTTP/9.9\r\nx: y\r\n\r\nGET /livez", "\0\0\0"] {
        let said = alone(&gate, &request(line, "", b"")).await;
        assert_eq!(said.status, 400, "{line}");
    }
    let old = b"GET /livez HTTP/1.0\r\nhost: localhost\r\n\r\n";
    assert_eq!(alone(&gate, old).await.status, 200);
    let mut wire = Wire::open(&gate.url).await;
    wire.send(&request("HEAD /livez", "", b"")).await.unwrap();
    wire.finish().await;
    gate.anyone().get("/livez").await.expect(200);
}

#[tokio::test]
async fn headers_are_bounded() {
    let gate = Gate::start();
    let line = "GET /livez";
    for (what, headers) in [
        ("one of 100 kB", format!("x-long: {}\r\n", "x".repeat(100_000))),
        ("10,000", "x: y\r\n".repeat(10_000)),
        ("101", "x: y\r\n".repeat(101)),
        ("a cookie of 70 kB", format!("cookie: {}\r\n", "a=b; ".repeat(14_000))),
    ] {
        let said = alone(&gate, &request(line, &headers, b"")).await;
        assert_eq!(said.status, 431, "{what}");
    }
    let long = format!("GET /{}", "x".repeat(100_000));
    let said = alone(&gate, &request(&long, "", b"")).await;
    assert!([414, 431].contains(&said.status), "{said:?}");
    for broken in ["no colon\r\n", " : x\r\n", "x\0: y\r\n", "x: \0\r\n", "x : y\r\n", ": y\r\n"] {
        let said = alone(&gate, &request(line, broken, b"")).await;
        assert_eq!(said.status, 400, "{broken:?}");
    }
    let said = alone(&gate, &request(line, &"x: y\r\n".repeat(90), b"")).await;
    assert_eq!(said.status, 200);
}

#[tokio::test]
async fn a_request_id_is_repeated_only_when_it_is_harmless() {
    let gate = Gate::start();
    let mut wire = Wire::open(&gate.url).await;
    let mut told = async |line: &str, id: &str| {
        let said = wire.ask(&request(line, &format!("x-request-id: {id}\r\n"), b"")).await;
        let id = said.header("x-request-id").unwrap().to_owned();
        if said.status >= 400 {
            let body: Value = serde_json::from_slice(&said.body).unwrap();
            assert_eq!(body["instance"].as_str().unwrap().to_lowercase(), id);
        }
        id
    };
    for line in ["GET /livez", "GET /nowhere", "DELETE /livez", "GET /api/v1/tools"] {
        for good in ["r-1", "01a200c5-03db-78dd-9b3b-70d589a3da1c", "a:b_c.d"] {
            assert_eq!(told(line, good).await, good);
        }
        for bad in ["", "a b", "\"}{\"", "<script>", "a\tb", "\u{e4}", &"x".repeat(129)] {
            assert_ne!(told(line, bad).await, bad.trim(), "{line}");
        }
        assert_ne!(told(line, "one\r\nx-request-id: two").await, "one", "{line}");
    }
    assert!(gate.log().iter().all(|it| serde_json::from_str::<Value>(it).is_ok()));
}
