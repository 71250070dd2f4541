//! Versions, and the sessions of the older ones.

use reqwest::Method;
use serde_json::json;

use super::{ACCEPT, Mcp, NEW, OLD, Old, Scene, hello, message, token_for_mcp};
use crate::harness::send;

#[tokio::test]
async fn both_eras_are_spoken_and_nothing_else() {
    let scene = Scene::open().await;
    let found = scene.mcp.ask("server/discover", &json!({})).await["result"].clone();
    let versions = found["supportedVersions"].as_array().unwrap();
    assert!(versions.contains(&json!(NEW)) && versions.contains(&json!(OLD)), "{found}");
    assert_eq!(found["capabilities"], json!({ "tools": {} }));

    // Who asks for what is not known yet gets the newest that begins with `initialize`.
    for (asked, given) in [(OLD, OLD), ("2025-06-18", "2025-06-18"), ("2099-01-01", OLD)] {
        let mut params = hello();
        params["protocolVersion"] = asked.into();
        let answer = send(scene.mcp.raw(&message(Some(1), "initialize", &params))).await;
        assert_eq!(answer.expect(200)["result"]["protocolVersion"], given, "{asked}");
    }
    let unknown = scene.mcp.request("tools/list", &json!({}));
    let mut unknown = unknown.build().unwrap();
    unknown.headers_mut().insert("mcp-protocol-version", "2099-01-01".parse().unwrap());
    let answer = reqwest::Client::new().execute(unknown).await.unwrap();
    assert_eq!(answer.status(), 400);

    // What the headers say is what the message says, for whoever stands in between reads them alone.
    for (header, value) in [("mcp-method", "tools/call"), ("mcp-protocol-version", OLD)] {
        let mut request = scene.mcp.request("tools/list", &json!({})).build().unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        let answer = reqwest::Client::new().execute(request).await.unwrap();
        let status = answer.status();
        let said: serde_json::Value = answer.json().await.unwrap();
        assert_eq!((status.as_u16(), &said["error"]["code"]), (400, &json!(-32020)), "{header}");
    }
    for method in ["prompts/list", "resources/list", "completion/complete", "nothing"] {
        let answer = send(scene.mcp.request(method, &json!({}))).await;
        assert_eq!(answer.expect(404)["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test]
async fn a_session_is_its_callers_own_and_holds_nothing() {
    let scene = Scene::open().await;
    scene.add("orders", "/", &json!({})).await;
    let old = Old::begin(&scene.mcp.caller).await;
    old.ask(1, "ping", &json!({})).await.expect(200);
    let params = json!({ "name": "orders", "arguments": {} });
    assert_eq!(old.ask(2, "tools/call", &params).await.expect(200)["result"]["isError"], false);

    // A new token of the same agent goes on with it; anybody else is told to begin anew.
    let again = Mcp::of(&token_for_mcp(&scene.gate, &scene.agent, None).await);
    let again = Old { mcp: again, session: old.session.clone() };
    again.ask(3, "ping", &json!({})).await.expect(200);
    let (other, _) = scene.gate.agent("other", "agent").await;
    let other = Mcp::of(&token_for_mcp(&scene.gate, &other, None).await);
    let stolen = Old { mcp: other, session: old.session.clone() };
    let forged = Old { mcp: Mcp::of(&scene.mcp.caller), session: "A".repeat(64) };
    for thief in [&stolen, &forged] {
        for (method, params) in [("ping", &json!({})), ("tools/call", &params)] {
            let answer = thief.ask(4, method, params).await;
            assert_eq!(answer.expect(404)["id"], 4, "{method}");
        }
        let ready = message(None, "notifications/initialized", &json!({}));
        assert_eq!(send(thief.request(&ready)).await.status, 404);
    }
    assert_eq!(scene.upstream.calls(), 1);

    // There is nothing to listen to, and nothing to end.
    for method in [Method::GET, Method::DELETE] {
        let request = scene.mcp.caller.request(method, "/mcp").header("accept", ACCEPT);
        let answer = send(request.header("mcp-session-id", &old.session)).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.headers["allow"]),
            (405, &"POST".parse().unwrap())
        );
    }
    // In the new era there are none.
    let request = scene.mcp.request("tools/list", &json!({})).header("mcp-session-id", "x");
    let answer = send(request).await;
    answer.expect(200);
    assert!(!answer.headers.contains_key("mcp-session-id"));
}
