//! Secrets on their way into a call: they reach the tool, and nobody else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{registered, scene, tool};

const SECRET: &str = "s3same-0pen-canary";

/// What the tool was sent, as it repeats it, with every secret taken out again.
async fn heard(agent: &crate::harness::Caller, path: &str) -> Value {
    agent.post(path, &json!({ "arguments": {} })).await.expect(200)["result"]["body"].clone()
}

#[tokio::test]
async fn each_way_to_prove_oneself_reaches_the_tool() {
    let (gate, upstream, admin, agent) = scene().await;
    let table = [
        (
            json!({ "auth_method": "api_key", "auth_config": { "in": "header", "name": "X-Key" },
                    "secrets": { "api_key": SECRET } }),
            ("x-key", SECRET.to_owned()),
        ),
        (
            json!({ "auth_method": "bearer", "secrets": { "token": SECRET } }),
            ("authorization", format!("Bearer {SECRET}")),
        ),
        (
            json!({ "auth_method": "basic", "auth_config": { "username": "gate" },
                    "secrets": { "password": SECRET } }),
            (
                "authorization",
                format!("Basic {}", BASE64_STANDARD.encode(format!("gate:{SECRET}"))),
            ),
        ),
    ];
    for (index, (auth, (header, value))) in table.into_iter().enumerate() {
        let path =
            registered(&admin, &tool(&format!("t{index}"), &upstream.url("/x"), &auth)).await;
        let told = heard(&agent, &path).await.to_string();
        assert!(!told.contains(SECRET) && told.contains("********"), "{told}");
        assert_eq!(upstream.last()["headers"][header], value);
        let shown = admin.get(path.trim_end_matches("/invoke")).await.expect(200);
        assert!(!shown.to_string().contains(SECRET), "{shown}");
        let (_, masked) = shown["secrets"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(masked, "********");
    }
    let query = json!({ "auth_method": "api_key", "auth_config": { "in": "query", "name": "key" },
                        "secrets": { "api_key": SECRET } });
    let path = registered(&admin, &tool("asked", &upstream.url("/x?a=1"), &query)).await;
    let told = heard(&agent, &path).await;
    assert_eq!(told["path"], "/x?a=1&key=********");
    assert_eq!(upstream.last()["path"], format!("/x?a=1&key={SECRET}"));

    let audit = admin.get("/api/v1/audit-events?page_size=200").await.expect(200).to_string();
    let log = gate.log().join("\n");
    let figures = gate.anyone().get("/metrics").await.text;
    for (place, text) in [("the audit", audit), ("the log", log), ("the figures", figures)] {
        assert!(!text.contains(SECRET), "{place} holds a secret");
    }
}

#[tokio::test]
async fn a_machine_token_is_got_once_and_again_when_it_is_not_taken() {
    let (_gate, upstream, admin, agent) = scene().await;
    let oauth = json!({
        "auth_method": "oauth2",
        "auth_config": { "token_url": upstream.url("/token"), "client_id": "gate", "scopes": ["a", "b"] },
        "secrets": { "client_secret": SECRET },
    });
    let path = registered(&admin, &tool("good", &upstream.url("/x"), &oauth)).await;
    for _ in 0..3 {
        let told = heard(&agent, &path).await;
        assert_eq!(told["headers"]["authorization"], "Bearer ********", "{told}");
        assert_eq!(upstream.last()["headers"]["authorization"], "Bearer machine-token-1");
    }
    assert_eq!(upstream.calls(), 4);
    let strict = registered(&admin, &tool("strict", &upstream.url("/status/401"), &oauth)).await;
    for _ in 0..2 {
        let ask = json!({ "arguments": {} });
        agent.post(&strict, &ask).await.problem(502, "upstream_refused");
    }
    assert_eq!(upstream.calls(), 8, "a token that is not taken is asked for anew");
}

#[tokio::test]
async fn what_is_needed_is_asked_for_and_what_is_shown_is_no_secret() {
    let (_gate, upstream, admin, agent) = scene().await;
    let lacking = tool("t", &upstream.url("/x"), &json!({ "auth_method": "bearer" }));
    let problem = admin.post("/api/v1/tools", &lacking).await.problem(422, "invalid");
    assert_eq!(problem["errors"][0]["pointer"], "/secrets/token", "{problem}");
    let given = json!({ "auth_method": "bearer", "secrets": { "token": SECRET } });
    let path = registered(&admin, &tool("t", &upstream.url("/x"), &given)).await;
    let one = path.trim_end_matches("/invoke");
    // What was shown may be sent back, and changes nothing.
    let same = json!({ "secrets": { "token": "********" }, "description": "d" });
    admin.patch(one, &same).await.expect(200);
    heard(&agent, &path).await;
    assert_eq!(upstream.last()["headers"]["authorization"], format!("Bearer {SECRET}"));
    let other = json!({ "secrets": { "token": "an0ther-value" } });
    admin.patch(one, &other).await.expect(200);
    heard(&agent, &path).await;
    assert_eq!(upstream.last()["headers"]["authorization"], "Bearer an0ther-value");
    let gone = json!({ "secrets": { "token": null } });
    admin.patch(one, &gone).await.problem(422, "invalid");
    for bad in [
        json!({ "auth_method": "magic" }),
        json!({ "auth_method": "basic", "auth_config": {} }),
        json!({ "auth_method": "basic", "auth_config": { "username": "a:b" } }),
        json!({ "auth_method": "vault", "auth_config": { "path": "database/creds/reader" } }),
        json!({ "endpoint": "https://user:pass@a.example/" }),
        json!({ "server_url": "https://a.example/" }),
        json!({ "secrets": { "header:X-Key": "x" } }),
    ] {
        admin.patch(one, &bad).await.problem(422, "invalid");
    }
    heard(&agent, &path).await;
    assert_eq!(upstream.last()["headers"]["authorization"], "Bearer an0ther-value");
}
