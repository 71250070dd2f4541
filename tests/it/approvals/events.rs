//! Server-sent events of approvals.

use std::time::Duration;

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Scene, decide, registered};
use crate::harness::{Caller, Setup};

const EVENTS: &str = "/api/v1/approvals/events";

/// A stream of events that is read as it comes.
struct Stream {
    response: reqwest::Response,
    read: String,
}

impl Stream {
    async fn open(by: &Caller) -> Stream {
        let response = by.request(Method::GET, EVENTS).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
        Stream { response, read: String::new() }
    }

    /// The next event; none when the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some((event, rest)) = self.read.split_once("\n\n") {
                let data = event.lines().find_map(|it| it.strip_prefix("data:"));
                let data = data.map(|it| serde_json::from_str(it).unwrap());
                self.read = rest.to_owned();
                if data.is_some() {
                    return data;
                }
                continue;
            }
            let chunk = tokio::time::timeout(Duration::from_secs(20), self.response.chunk()).await;
            // A server that was stopped may cut what it was saying.
            let chunk = chunk.expect("nothing came in time").ok().flatten()?;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn expect(&mut self, approval: &Value, state: &str) {
        let event = self.next().await.unwrap();
        assert_eq!((&event["id"], &event["state"]), (&approval["id"], &json!(state)), "{event}");
        assert!(event.get("arguments").is_none(), "{event}");
    }
}

#[tokio::test]
async fn whoever_may_see_an_approval_is_told_as_it_comes_and_changes() {
    for settings in [Setup::new(), Setup::on_postgres()] {
        let mut it = Scene::on(settings).await;
        let first = it.ask(&json!({ "n": 1 })).await;
        let (_, poly) = it.gate.agent("poly", "translator").await;
        let (mut erin, mut agent) = (Stream::open(&it.erin).await, Stream::open(&it.agent).await);
        let mut other = Stream::open(&poly).await;
        erin.expect(&first, "pending").await;
        agent.expect(&first, "pending").await;
        decide(&it.erin, &first, "approve").await.expect(200);
        // What was found already may be told again, in the state that it was in.
        let told = agent.next().await.unwrap();
        if told["state"] == "pending" {
            agent.expect(&first, "approved").await;
        }
        let invoke = format!("{}/invoke", it.tool_path());
        let own = poly.post(&invoke, &json!({ "arguments": {} })).await.expect(202);
        // The first that poly hears of is its own.
        other.expect(&own["approval"], "pending").await;

        assert!(it.gate.stop().success());
        while erin.next().await.is_some() {}
        while other.next().await.is_some() {}
    }
}

#[tokio::test]
async fn whoever_is_suspended_hears_no_more_and_seats_are_few() {
    let it = Scene::new().await;
    let frank = registered(&it.gate, "frank", "approver").await;
    let mut streams = Vec::new();
    for _ in 0..4 {
        streams.push(Stream::open(&frank).await);
    }
    frank.get(EVENTS).await.problem(429, "too_many");
    drop(streams.pop());
    let deadline = std::time::Instant::now() + super::TIME_MAX;
    let mut stream = loop {
        let response = frank.request(Method::GET, EVENTS).send().await.unwrap();
        if response.status() == 200 {
            break Stream { response, read: String::new() };
        }
        assert!(std::time::Instant::now() < deadline, "the seat was not free again");
    };
    it.admin.act(&format!("/api/v1/users/{}/suspend", frank.id().await)).await.expect(200);
    it.ask(&json!({ "n": 1 })).await;
    assert_eq!(stream.next().await, None);
}
