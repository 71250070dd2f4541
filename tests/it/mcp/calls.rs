//! Calls: the same decision, the same record and the same refusals as by the API.

use serde_json::{Value, json};

use super::{Mcp, Old, Scene, token_for_mcp, token_of_person};
use crate::harness::client::Client;
use crate::harness::mcp_server::McpServer;
use crate::harness::{PASSWORD, samples, send};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_call_goes_the_way_that_all_calls_go() {
    let scene = Scene::open().await;
    let tool = scene.add("orders", "/orders/{id}?v=1", &json!({ "cost_per_call": 0.25 })).await;
    let arguments = json!({ "id": "a/b", "amount": 3 });
    let meta = json!({ "traceparent": TRACE, "com.example/unknown": [1] });
    let result = scene.mcp.call_with("orders", &arguments, &meta).await;
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(result["isError"], false);
    let heard = &result["structuredContent"]["body"];
    assert_eq!((&heard["method"], &heard["path"]), (&json!("POST"), &json!("/orders/a%2Fb?v=1")));
    assert_eq!(heard["headers"]["traceparent"], TRACE);
    assert_eq!(heard["headers"]["authorization"], json!(null), "{heard}");
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, *heard);
    assert_eq!(result["_meta"]["gatewright/cost"], 0.25);
    assert_eq!(result["_meta"]["gatewright/usage"]["calls_today"], 1);

    let decision = &result["_meta"]["gatewright/decision_id"];
    let [ended] = &scene.entries("tool.result").await[..] else { panic!("not one result") };
    assert_eq!((&ended["details"]["decision"], &ended["outcome"]), (decision, &json!("success")));
    let [invoked] = &scene.entries("tool.invoke").await[..] else { panic!("not one decision") };
    assert_eq!((&invoked["id"], &invoked["decision"]), (decision, &json!("allow")));
    assert_eq!(
        (&invoked["target"]["id"], &invoked["request"]["route"]),
        (&tool["id"], &json!("/mcp"))
    );

    let old = Old::begin(&scene.mcp.caller).await;
    let params = json!({ "name": "ORDERS", "arguments": arguments });
    let request = super::message(Some(7), "tools/call", &params);
    let answer = send(old.request(&request).header("traceparent", TRACE)).await.expect(200);
    let heard = &answer["result"]["structuredContent"]["body"];
    assert_eq!((&answer["id"], &heard["headers"]["traceparent"]), (&json!(7), &json!(TRACE)));
    assert_eq!(answer["result"].get("resultType"), None);
    assert_eq!(answer["result"]["_meta"]["gatewright/usage"]["calls_today"], 2);
}

#[tokio::test]
async fn a_refusal_says_what_a_problem_document_says() {
    let scene = Scene::open().await;
    scene.add("orders", "/", &json!({})).await;
    scene.add("heavy", "/", &json!({ "risk_level": "high" })).await;
    let hidden = scene.add("hidden", "/", &json!({})).await;
    let path = format!("/api/v1/tools/{}/deactivate", hidden["id"].as_str().unwrap());
    scene.admin.act(&path).await.expect(200);
    scene.add("broken", "/status/500", &json!({})).await;
    scene.admin.post("/api/v1/tools", &samples::calculate("own")).await.expect(201);

    let refused = scene.mcp.call("heavy", &json!({})).await;
    let said = &refused["structuredContent"];
    assert_eq!((&refused["isError"], &said["code"]), (&json!(true), &json!("denied")), "{refused}");
    assert_eq!(said["fix"], json!([]), "nothing that this agent could do: {said}");
    assert!(!said["reasons"].as_array().unwrap().is_empty());
    assert_eq!(said["decision_id"], refused["_meta"]["gatewright/decision_id"]);
    let [entry] = &scene.entries("tool.invoke").await[..] else { panic!("not one decision") };
    assert_eq!((&entry["id"], &entry["decision"]), (&said["decision_id"], &json!("deny")));
    let text = refused["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("Denied by policy: "), "{text}");

    let refused = scene.mcp.call("orders", &json!({ "id": 7, "other": 1 })).await;
    let said = &refused["structuredContent"];
    assert_eq!((&refused["isError"], &said["code"]), (&json!(true), &json!("invalid")));
    let pointers = said["errors"].as_array().unwrap();
    assert!(pointers.iter().any(|it| it["pointer"] == "/arguments/id"), "{said}");
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("/arguments/id"));
    let refused = scene.mcp.call("own", &json!({})).await;
    assert_eq!(refused["structuredContent"]["code"], "conflict", "{refused}");
    assert_eq!(scene.upstream.calls(), 0);
    let refused = scene.mcp.call("broken", &json!({})).await;
    assert_eq!(refused["structuredContent"]["code"], "upstream_refused", "{refused}");
    assert_eq!(refused["structuredContent"]["upstream"]["why"], "so");

    // What may not be seen is refused like what is not there.
    let params = |name: &str| json!({ "name": name, "arguments": {} });
    let hidden = scene.mcp.ask("tools/call", &params("hidden")).await;
    let nothing = scene.mcp.ask("tools/call", &params("nothing")).await;
    for answer in [&hidden, &nothing] {
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        assert_eq!(answer["error"]["data"]["code"], "not_found");
    }
    assert_eq!(hidden["error"]["message"], nothing["error"]["message"]);
}

#[tokio::test]
async fn what_the_client_says_stands_beside_what_the_model_says() {
    let scene = Scene::open().await;
    let pay = json!({ "consequential": true, "required_scopes": [] });
    scene.add("pay", "/", &pay).await;
    scene.add("orders", "/", &json!({})).await;
    let key = json!({ "name": "mine", "scopes": [] });
    let key = scene.admin.elevated(PASSWORD).await.post("/api/v1/api-keys", &key).await;
    let person = crate::harness::Caller::new(&scene.gate.url, key.expect(201)["key"].as_str());
    let person = Mcp::of(&person);
    let refused = person.call("pay", &json!({ "amount": 1 })).await;
    assert_eq!(refused["structuredContent"]["fix"][0]["kind"], "confirm", "{refused}");
    let confirmed = json!({ "gatewright/confirm_consequential": true });
    let paid = person.call_with("pay", &json!({ "amount": 1 }), &confirmed).await;
    assert_eq!(paid["isError"], false, "{paid}");
    assert_eq!(scene.upstream.calls(), 1);

    let once = json!({ "gatewright/idempotency_key": "once" });
    let first = scene.mcp.call_with("orders", &json!({ "amount": 1 }), &once).await;
    let again = scene.mcp.call_with("orders", &json!({ "amount": 1 }), &once).await;
    assert_eq!(first["structuredContent"], again["structuredContent"]);
    let other = scene.mcp.call_with("orders", &json!({ "amount": 2 }), &once).await;
    assert_eq!(other["structuredContent"]["code"], "conflict", "{other}");
    assert_eq!(scene.upstream.calls(), 2);
    for meta in [
        json!({ "gatewright/confirm": true }),
        json!({ "gatewright/idempotency_key": "" }),
        json!({ "gatewright/on_behalf_of": "ann" }),
    ] {
        let refused = scene.mcp.call_with("orders", &json!({}), &meta).await;
        assert_eq!(refused["structuredContent"]["code"], "invalid", "{meta}: {refused}");
    }
    assert_eq!(scene.upstream.calls(), 2);
}

/// A client that holds a person's token can ask that person for more; who has signed in by a
/// program of theirs cannot.
#[tokio::test]
async fn a_client_of_oauth_is_challenged_for_the_scopes_that_a_call_lacks() {
    let scene = Scene::open().await;
    let more = json!({ "required_scopes": ["write:profile"] });
    scene.add("letters", "/", &more).await;
    let client = Client::confidential(&scene.gate).await;
    let resource = format!("{}/mcp", scene.gate.url);
    let person = token_of_person(&scene.gate, &client, &resource, "read:public").await;
    let person = Mcp::of(&person);
    let params = json!({ "name": "letters", "arguments": {} });
    let answer = send(person.request("tools/call", &params)).await;
    let said = answer.expect(403);
    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
    for part in [
        "Bearer ",
        "error=\"insufficient_scope\"",
        "scope=\"write:profile\"",
        &format!(
            "resource_metadata=\"{}/.well-known/oauth-protected-resource/mcp\"",
            scene.gate.url
        ),
    ] {
        assert!(challenge.contains(part), "{part}: {challenge}");
    }
    assert_eq!(said["error"]["data"]["code"], "denied", "{said}");
    let person = token_of_person(&scene.gate, &client, &resource, "write:profile").await;
    let person = Mcp::of(&person);
    assert_eq!(person.call("letters", &json!({})).await["isError"], false);

    scene.add("sums", "/", &json!({ "required_scopes": ["agent:calc"] })).await;
    let narrow = token_for_mcp(&scene.gate, &scene.agent, Some("agent:db_read")).await;
    let params = json!({ "name": "sums", "arguments": {} });
    let answer = send(Mcp::of(&narrow).request("tools/call", &params)).await;
    let refused = answer.expect(200)["result"].clone();
    assert_eq!(refused["structuredContent"]["fix"][0]["kind"], "scopes", "{refused}");
}

#[tokio::test]
async fn what_a_server_answers_passes_as_it_came_with_its_progress_before_it() {
    let scene = Scene::open().await;
    let mut station = McpServer::start("streamable");
    let server = json!({
        "tool_type": "remote", "name": "weather", "server_url": station.url,
        "scopes": ["use"], "required_scopes": ["agent:calc"],
    });
    scene.admin.post("/api/v1/tools", &server).await.expect(201);
    let names: Vec<String> = scene.mcp.list().await["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(
        names.contains(&"weather__add".into()) && !names.contains(&"weather".into()),
        "{names:?}"
    );

    let sum = scene.mcp.call("weather__add", &json!({ "a": 2, "b": 3 })).await;
    assert_eq!((&sum["structuredContent"]["result"], &sum["isError"]), (&json!(5), &json!(false)));
    assert_eq!(sum["content"], json!([{ "type": "text", "text": "5" }]));
    assert!(sum["_meta"]["gatewright/decision_id"].is_string(), "{sum}");
    let failed = scene.mcp.call("weather__fail", &json!({})).await;
    assert_eq!(failed["isError"], true);
    assert_eq!(failed["content"][0]["text"], "Error executing tool fail", "{failed}");
    // Whose server it is, is ours to say of this hop.
    assert!(!failed.to_string().contains("weather-station"), "{failed}");

    // Events, of which the last is the answer, in both eras.
    let params = json!({ "name": "weather__count_up", "_meta": { "progressToken": "mine" } });
    let old = Old::begin(&scene.mcp.caller).await;
    let asked = super::message(Some(3), "tools/call", &params);
    for request in [scene.mcp.request("tools/call", &params), old.request(&asked)] {
        let answer = send(request).await;
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(answer.headers["x-accel-buffering"], "no");
        let events: Vec<Value> = answer
            .text
            .lines()
            .filter_map(|it| serde_json::from_str(it.strip_prefix("data:")?).ok())
            .collect();
        let (last, before) = events.split_last().unwrap();
        assert_eq!(last["result"]["content"][0]["text"], "counted", "{}", answer.text);
        assert!(!before.is_empty());
        for report in before {
            assert_eq!(report["method"], "notifications/progress");
            assert_eq!(report["params"]["progressToken"], "mine");
        }
    }
    // Without a token nothing is reported, and the answer is one message.
    let params = json!({ "name": "weather__count_up" });
    let answer = send(scene.mcp.request("tools/call", &params)).await;
    assert_eq!(answer.expect(200)["result"]["content"][0]["text"], "counted");

    // The caller's own token goes no further than here; its trace does.
    station.heard();
    let meta = json!({ "traceparent": TRACE, "com.example/own": 1 });
    scene.mcp.call_with("weather__add", &json!({ "a": 1, "b": 1 }), &meta).await;
    let heard = json!(station.heard()).to_string();
    assert!(!heard.contains(scene.mcp.caller.token.as_deref().unwrap()), "{heard}");
}
