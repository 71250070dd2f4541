//! What hostile clients send.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ACCEPT, Mcp, Old, Scene, message, setup};
use crate::harness::{Caller, PASSWORD, policies, send};

fn raw(caller: &Caller, body: String) -> reqwest::RequestBuilder {
    let request = caller.request(Method::POST, "/mcp").header("accept", ACCEPT);
    request.header("content-type", "application/json").body(body)
}

#[tokio::test]
async fn what_is_no_single_message_is_refused() {
    let scene = Scene::open().await;
    scene.add("orders", "/", &json!({})).await;
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"orders"}}"#;
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"orders"}}"#;
    let two_names =
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","name":"orders"}}"#;
    for (body, code) in [
        (String::new(), -32700),
        ("{".into(), -32700),
        (format!("{call} {call}"), -32700),
        (format!("{{\"a\":{}", "[".repeat(100_000)), -32700),
        ("\u{0}".into(), -32700),
        ("[]".into(), -32600),
        (format!("[{}]", vec![call; 500].join(",")), -32600),
        ("null".into(), -32600),
        (twice.into(), -32600),
        (two_names.into(), -32600),
        (call.replace("2.0", "1.0"), -32600),
        (call.replace("\"id\":1", "\"id\":null"), -32600),
        (call.replace("\"id\":1", "\"id\":{}"), -32600),
        (call.replace("\"id\":1", &format!("\"id\":\"{}\"", "x".repeat(1000))), -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.into(), -32600),
    ] {
        let answer = send(raw(&scene.mcp.caller, body.clone())).await;
        let short: String = body.chars().take(60).collect();
        assert_eq!(answer.expect(400)["error"]["code"], code, "{short}");
    }
    let huge = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, "x".repeat(300_000));
    send(raw(&scene.mcp.caller, huge)).await.problem(413, "too_large");
    let form = scene.mcp.caller.request(Method::POST, "/mcp").body(call).header("accept", ACCEPT);
    send(form).await.problem(415, "unsupported_media_type");
    let page = raw(&scene.mcp.caller, call.into()).header("origin", "https://evil.example");
    send(page).await.problem(403, "wrong_origin");
    // Without an id nobody asks for an answer, and nothing is done.
    let told = raw(&scene.mcp.caller, call.replace("\"id\":1,", ""));
    assert_eq!(send(told).await.status, 202);
    assert_eq!(scene.upstream.calls(), 0);
}

#[tokio::test]
async fn what_the_parameters_cannot_mean_is_refused() {
    let scene = Scene::open().await;
    scene.add("orders", "/", &json!({})).await;
    let tool = scene.admin.get("/api/v1/tools?q=orders").await.expect(200);
    let id = tool["items"][0]["id"].as_str().unwrap();
    for params in [
        json!({}),
        json!({ "name": 7 }),
        json!({ "name": "orders", "arguments": [] }),
        json!({ "name": "orders", "arguments": "x" }),
        json!({ "name": null }),
    ] {
        let answer = send(scene.mcp.raw(&message(Some(1), "tools/call", &params))).await;
        assert_eq!(answer.json()["error"]["code"], -32602, "{params}: {}", answer.text);
    }
    // A tool goes by its name, and by nothing that looks like it.
    for name in ["", " orders", "orders ", "orders\u{0}", "оrders", "orders__", "__orders", id] {
        let params = json!({ "name": name, "arguments": {} });
        let answer = send(scene.mcp.raw(&message(Some(1), "tools/call", &params))).await;
        assert_eq!(answer.expect(200)["error"]["data"]["code"], "not_found", "{name:?}");
    }
    // What stands in between reads the header, and what is called is what the header says.
    let request = scene.mcp.request("tools/call", &json!({ "name": "orders", "arguments": {} }));
    let mut request = request.build().unwrap();
    request.headers_mut().insert("mcp-name", "harmless".parse().unwrap());
    let answer = reqwest::Client::new().execute(request).await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(scene.upstream.calls(), 0);
}

#[tokio::test]
async fn policies_that_permit_nothing_leave_nothing_to_see_or_to_call() {
    let setup = policies::own(setup());
    let folder = setup.folder.path().to_owned();
    let mut scene = Scene::on(setup).await;
    scene.add("orders", "/", &json!({})).await;
    let key = json!({ "name": "mine", "scopes": [] });
    let key = scene.admin.elevated(PASSWORD).await.post("/api/v1/api-keys", &key).await.expect(201);
    policies::replace(
        &folder,
        r#"@id("only.sign-in") @title("Everybody signs in")
           permit (principal, action == Gatewright::Action::"sign_in", resource);
           @id("only.govern") @title("Policy admins can still mend it")
           permit (
             principal in Gatewright::Role::"policy_admin",
             action in [Gatewright::Action::"elevate", Gatewright::Action::"enroll_factor",
                        Gatewright::Action::"grant_role"],
             resource
           );"#,
    );
    scene.gate.restart();
    let mcp = Mcp::of(&Caller::new(&scene.gate.url, key["key"].as_str()));
    let listed = mcp.list().await;
    assert_eq!(listed["tools"], json!([]));
    let called = mcp.ask("tools/call", &json!({ "name": "orders", "arguments": {} })).await;
    assert_eq!(called["error"]["data"]["code"], "not_found", "{called}");
    assert_eq!(scene.upstream.calls(), 0);
}

#[tokio::test]
async fn many_at_once_are_kept_apart() {
    let scene = Scene::open().await;
    scene.add("orders", "/orders/{id}", &json!({})).await;
    let old = Old::begin(&scene.mcp.caller).await;
    let calls = (0..40).map(|number| {
        let (old, mcp) = (&old, &scene.mcp);
        async move {
            let arguments = json!({ "id": format!("n{number}") });
            let result: Value = match number % 2 {
                0 => mcp.call("orders", &arguments).await,
                _ => {
                    let params = json!({ "name": "orders", "arguments": arguments });
                    let answer = old.ask(number, "tools/call", &params).await.expect(200);
                    assert_eq!(answer["id"], number);
                    answer["result"].clone()
                }
            };
            let path = format!("/orders/n{number}");
            assert_eq!(result["structuredContent"]["body"]["path"], path, "{result}");
        }
    });
    join_all(calls).await;
    assert_eq!(scene.upstream.calls(), 40);
}
