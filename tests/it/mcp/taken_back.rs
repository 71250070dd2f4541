//! Calls that their clients do not want any more.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Old, Scene, message};
use crate::harness::mcp_server::McpServer;
use crate::harness::send;

/// Long enough for a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

impl Scene {
    /// The entries of calls that have ended, once there are so many.
    async fn ended(&self, count: usize) -> Vec<Value> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let entries = self.entries("tool.result").await;
            if entries.len() >= count {
                return entries;
            }
            assert!(Instant::now() < deadline, "fewer than {count} calls have ended");
        }
    }

    /// Waits until so many calls have reached what stands behind the gate.
    async fn reached(&self, count: usize) {
        let deadline = Instant::now() + DEADLINE;
        while self.upstream.calls() < count {
            assert!(Instant::now() < deadline, "fewer than {count} calls have arrived");
            tokio::task::yield_now().await;
        }
    }
}

fn take_back(id: i64) -> Value {
    message(None, "notifications/cancelled", &json!({ "requestId": id, "reason": "no more" }))
}

#[tokio::test]
async fn an_older_client_takes_its_own_calls_back_and_no_others() {
    let scene = Scene::open().await;
    scene.add("slow", "/never", &json!({})).await;
    let old = Old::begin(&scene.mcp.caller).await;
    let twin = Old::begin(&scene.mcp.caller).await;
    let params = json!({ "name": "slow", "arguments": {} });
    let call = old.ask(5, "tools/call", &params);
    let others = async {
        scene.reached(1).await;
        // The same number, asked again, would make it unclear which of the two is meant.
        let again = old.ask(5, "tools/call", &params).await.expect(200);
        assert_eq!(again["error"]["code"], -32600, "{again}");
        for (client, id) in [(&twin, 5), (&old, 6)] {
            assert_eq!(send(client.request(&take_back(id))).await.status, 202);
        }
        let sessionless = scene.mcp.raw(&take_back(5)).header("mcp-protocol-version", super::OLD);
        assert_eq!(send(sessionless).await.status, 202);
        assert!(scene.entries("tool.result").await.is_empty(), "it is still under way");
        assert_eq!(send(old.request(&take_back(5))).await.status, 202);
    };
    let (answer, ()) = tokio::join!(call, others);
    let result = answer.expect(200)["result"].clone();
    assert_eq!(result["structuredContent"]["code"], "cancelled", "{result}");
    let [ended] = &scene.ended(1).await[..] else { panic!("more than one") };
    assert_eq!(
        (&ended["outcome"], &ended["details"]["failure"]),
        (&json!("failed"), &json!("cancelled"))
    );
    assert_eq!(scene.upstream.calls(), 1, "nothing is sent again");
}

#[tokio::test]
async fn who_goes_away_in_the_new_era_takes_the_call_back() {
    let scene = Scene::open().await;
    scene.add("slow", "/never", &json!({})).await;
    let params = json!({ "name": "slow", "arguments": {}, "_meta": { "progressToken": 1 } });
    let call = scene.mcp.request("tools/call", &params).send();
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = scene.reached(1) => {}
    }
    let [ended] = &scene.ended(1).await[..] else { panic!("more than one") };
    assert_eq!(
        (&ended["outcome"], &ended["details"]["failure"]),
        (&json!("failed"), &json!("cancelled"))
    );
    // In the older one the way may have broken, and the answer is wanted all the same.
    let old = Old::begin(&scene.mcp.caller).await;
    scene.add("quick", "/", &json!({})).await;
    let params = json!({ "name": "quick", "arguments": {} });
    let request = message(Some(9), "tools/call", &params);
    tokio::select! {
        biased;
        _ = old.request(&request).send() => {}
        () = scene.reached(2) => {}
    }
    assert_eq!(scene.ended(2).await[0]["outcome"], "success");
}

#[tokio::test]
async fn what_was_taken_back_is_taken_back_from_the_server_behind_too() {
    let scene = Scene::open().await;
    let mut station = McpServer::start("streamable");
    let server = json!({
        "tool_type": "remote", "name": "weather", "server_url": station.url,
        "scopes": ["use"], "required_scopes": ["agent:calc"],
    });
    scene.admin.post("/api/v1/tools", &server).await.expect(201);
    let params = json!({ "name": "weather__sleep", "arguments": { "seconds": 25 } });
    station.heard();
    let call = scene.mcp.request("tools/call", &params).send();
    let arrived = async {
        let deadline = Instant::now() + DEADLINE;
        while !station.heard().iter().any(|it| it["mcp-method"] == "tools/call") {
            assert!(Instant::now() < deadline, "the call has not arrived");
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = arrived => {}
    }
    let [ended] = &scene.ended(1).await[..] else { panic!("more than one") };
    assert_eq!(ended["details"]["failure"], "cancelled", "{ended}");
}

#[tokio::test]
async fn who_goes_away_from_a_stream_takes_the_call_back_in_the_new_era_alone() {
    let scene = Scene::open().await;
    let _behind = scene.suite_tools().await;
    let params = |steps: u32| {
        json!({
            "name": "suite__steady", "arguments": { "steps": steps },
            "_meta": { "progressToken": "mine" },
        })
    };
    let mut answer = scene.mcp.request("tools/call", &params(600)).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert!(answer.chunk().await.unwrap().is_some());
    drop(answer);
    let [ended] = &scene.ended(1).await[..] else { panic!("more than one") };
    assert_eq!(ended["details"]["failure"], "cancelled", "{ended}");

    let old = Old::begin(&scene.mcp.caller).await;
    let asked = message(Some(1), "tools/call", &params(10));
    let mut answer = old.request(&asked).send().await.unwrap();
    assert!(answer.chunk().await.unwrap().is_some());
    drop(answer);
    assert_eq!(scene.ended(2).await[0]["outcome"], "success");
}
