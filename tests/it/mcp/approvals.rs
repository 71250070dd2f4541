//! Calls that wait for a person's yes.

use serde_json::{Value, json};

use super::{Mcp, Old, Scene, setup, token_for_mcp};
use crate::approvals::{BOOTSTRAP, decide, registered};
use crate::harness::peer::Peer;
use crate::harness::{Caller, samples, send};

/// A tool that waits for a person, an agent that calls it, and a person who decides.
struct Waiting {
    scene: Scene,
    mcp: Mcp,
    erin: Caller,
}

impl Waiting {
    async fn open() -> Waiting {
        let scene = Scene::on(setup().with("auth.bootstrap_token", BOOTSTRAP)).await;
        let tool = samples::risky("pay", &scene.upstream.url("/pay"));
        scene.admin.post("/api/v1/tools", &tool).await.expect(201);
        let (agent, _) = scene.gate.agent("reader", "translator").await;
        let mcp = Mcp::of(&token_for_mcp(&scene.gate, &agent, None).await);
        let erin = registered(&scene.gate, "erin", "approver").await;
        Waiting { scene, mcp, erin }
    }

    /// Calls as a client that can send its person to an address.
    async fn call(&self, params: &Value) -> Value {
        let can = json!({ "elicitation": { "url": {} } });
        send(self.mcp.request_of(&can, "tools/call", params)).await.expect(200)
    }

    async fn approve(&self, id: &Value) {
        decide(&self.erin, &json!({ "id": id }), "approve").await.expect(200);
    }
}

#[tokio::test]
async fn a_client_is_sent_to_the_approval_and_comes_back_with_it() {
    let it = Waiting::open().await;
    let arguments = json!({ "amount": 5 });
    let asked = it.call(&json!({ "name": "pay", "arguments": arguments })).await["result"].clone();
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let id = asked["_meta"]["gatewright/approval_id"].clone();
    let ask = &asked["inputRequests"]["approval"];
    assert_eq!(
        (&ask["method"], &ask["params"]["mode"]),
        (&json!("elicitation/create"), &json!("url"))
    );
    let url = format!("{}/api/v1/approvals/{}", it.scene.gate.url, id.as_str().unwrap());
    assert_eq!(ask["params"]["url"], url);
    let again = json!({
        "name": "pay", "arguments": arguments, "requestState": asked["requestState"],
        "inputResponses": { "approval": { "action": "accept" } },
    });
    // Not before somebody has decided, and not for anything else or for anybody else.
    assert_eq!(it.call(&again).await["result"]["resultType"], "input_required");
    it.approve(&id).await;
    let mut other = again.clone();
    other["arguments"] = json!({ "amount": 6 });
    let refused = it.call(&other).await["result"].clone();
    assert_eq!(
        (&refused["isError"], &refused["structuredContent"]["code"]),
        (&json!(true), &json!("conflict")),
        "{refused}"
    );
    let (thief, _) = it.scene.gate.agent("thief", "translator").await;
    let thief = Mcp::of(&token_for_mcp(&it.scene.gate, &thief, None).await);
    let stolen = thief.ask("tools/call", &again).await["result"].clone();
    assert_eq!(
        (&stolen["isError"], &stolen["structuredContent"]["code"]),
        (&json!(true), &json!("invalid")),
        "{stolen}"
    );
    let mut forged = again.clone();
    forged["requestState"] = json!("x");
    assert_eq!(it.call(&forged).await["result"]["structuredContent"]["code"], "invalid");
    assert_eq!(it.scene.upstream.calls(), 0);

    let done = it.call(&again).await["result"].clone();
    assert_eq!(
        (&done["resultType"], &done["isError"]),
        (&json!("complete"), &json!(false)),
        "{done}"
    );
    assert_eq!(done["structuredContent"]["body"]["body"], arguments.to_string());
    // A yes is used up.
    let used = it.call(&again).await["result"].clone();
    assert_eq!(used["structuredContent"]["code"], "conflict", "{used}");
    assert_eq!(it.scene.upstream.calls(), 1);
}

#[tokio::test]
async fn a_client_that_cannot_be_sent_anywhere_is_told_and_may_just_ask_again() {
    let it = Waiting::open().await;
    let old = Old::begin(&it.mcp.caller).await;
    let params = json!({ "name": "pay", "arguments": { "amount": 5 } });
    let waits = old.ask(1, "tools/call", &params).await.expect(200)["result"].clone();
    let approval = &waits["structuredContent"]["approval"];
    assert_eq!(
        (&waits["isError"], &approval["state"]),
        (&json!(true), &json!("pending")),
        "{waits}"
    );
    assert_eq!(waits["_meta"]["gatewright/approval_id"], approval["id"]);
    assert!(waits["content"][0]["text"].as_str().unwrap().contains("A person must approve"));
    let same = it.mcp.call("pay", &json!({ "amount": 5 })).await;
    assert_eq!(same["structuredContent"]["approval"]["id"], approval["id"], "asked for once");
    let declined = json!({
        "name": "pay", "arguments": { "amount": 5 }, "requestState": approval["id"],
        "inputResponses": { "approval": { "action": "decline" } },
    });
    assert_eq!(it.call(&declined).await["result"]["isError"], true, "nobody is asked twice");

    it.approve(&approval["id"]).await;
    let done = old.ask(2, "tools/call", &params).await.expect(200)["result"].clone();
    assert_eq!(done["isError"], false, "{done}");
    let waits = old.ask(3, "tools/call", &params).await.expect(200)["result"].clone();
    let next = &waits["structuredContent"]["approval"];
    assert_ne!(next["id"], approval["id"], "one yes is one call: {waits}");
    // By its name, for clients that know it.
    it.approve(&next["id"]).await;
    let named = json!({
        "name": "pay", "arguments": { "amount": 5 },
        "_meta": { "gatewright/approval_id": next["id"] },
    });
    assert_eq!(old.ask(4, "tools/call", &named).await.expect(200)["result"]["isError"], false);
    assert_eq!(it.scene.upstream.calls(), 2);
}

// The program is waited for, and what it calls must answer meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_python_sdk_sends_its_person_to_the_approval_and_calls_again() {
    let it = Waiting::open().await;
    let url = format!("{}/mcp", it.scene.gate.url);
    let token = it.mcp.caller.token.clone().unwrap();
    let mut peer = Peer::python("mcp_approval.py", &[&url, &token]);
    let asks = peer.says()["asks"].as_str().unwrap().to_owned();
    it.approve(&json!(asks.rsplit('/').next().unwrap())).await;
    peer.told("accept");
    let said = peer.says();
    assert_eq!((&said["error"], &said["rounds"]), (&json!(false), &json!(1)), "{said}");
    assert_eq!(it.scene.upstream.calls(), 1);
}
