//! The client itself: every transport and both eras, against a server of another make.

use std::sync::Arc;
use std::time::Duration;

use gatewright::authz::Warrant;
use gatewright::clock::Clock;
use gatewright::gateway::mcp::{Call, Client, Dialect, Limits, Preference, Target, Transport};
use gatewright::net::outbound::{Outbound, Reach};
use gatewright::settings;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::harness::mcp_server::McpServer;

const LIMITS: Limits =
    Limits { time_max: Duration::from_secs(8), bytes_max: 1_000_000, tools_max: 100 };

fn client() -> Client {
    let clock = Clock::system();
    let outbound = Outbound::new(&settings::Outbound::default(), clock.clone()).unwrap();
    Client::new(Arc::new(outbound), clock)
}

#[expect(clippy::disallowed_methods, reason = "a test calls on nobody's behalf")]
fn warrant() -> Warrant {
    Warrant::system("test", &Clock::system())
}

fn target(server: &McpServer, known: Option<Dialect>) -> Target {
    Target {
        url: server.url.parse().unwrap(),
        reach: Reach::Configured,
        preference: Preference::Auto,
        headers: http::HeaderMap::new(),
        known,
    }
}

fn call<'a>(name: &'a str, arguments: &Value) -> Call<'a> {
    let arguments = arguments.as_object().unwrap().clone();
    Call { name, arguments, schema: None, meta: Map::new(), progress: None, scrubber: None }
}

#[tokio::test]
async fn real_servers_of_both_eras_and_transports_are_probed_and_called() {
    for (mode, transport, protocol) in [
        ("streamable", Transport::StreamableHttp, "2026-07-28"),
        ("older", Transport::StreamableHttp, "2025-11-25"),
        ("sse", Transport::Sse, "2025-11-25"),
    ] {
        let (server, client, warrant) = (McpServer::start(mode), client(), warrant());
        let probe = client.probe(&warrant, &target(&server, None), LIMITS).await;
        let why = probe.failure.as_ref().map(ToString::to_string);
        assert_eq!(why, None, "{mode}");
        let dialect = probe.dialect.unwrap();
        assert_eq!((dialect.transport, dialect.protocol.as_str()), (transport, protocol), "{mode}");
        assert_eq!(probe.server_info.unwrap().name, "weather-station", "{mode}");
        let mut names: Vec<_> = probe.tools.iter().map(|it| it.name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["add", "count.up", "fail", "forecast", "sleep"], "{mode}");

        for known in [None, Some(dialect)] {
            let target = target(&server, known);
            let ask = async |it: Call<'_>| {
                client.call_tool(&warrant, &target, it, LIMITS, &CancellationToken::new()).await
            };
            let called = ask(call("forecast", &json!({ "city": "Paris" }))).await;
            let called = called.unwrap_or_else(|it| panic!("{mode}: {it:?}"));
            assert_eq!(called.result["content"][0]["text"], "sunny in Paris", "{mode}");
            let called = ask(call("add", &json!({ "a": 2, "b": 3 }))).await.unwrap();
            assert_eq!(called.result["structuredContent"]["result"], 5, "{mode}");
            let called = ask(call("fail", &json!({}))).await.unwrap();
            assert!(called.is_error, "{mode}");

            let (sink, mut reports) = mpsc::channel(10);
            let meta = Map::from_iter([("progressToken".to_owned(), json!(7))]);
            let it = Call { meta, progress: Some(sink), ..call("count.up", &json!({})) };
            assert_eq!(ask(it).await.unwrap().result["content"][0]["text"], "counted", "{mode}");
            let mut done = Vec::new();
            while let Some(report) = reports.recv().await {
                done.push(report.progress);
            }
            assert_eq!(done, [1.0, 2.0, 3.0], "{mode}");

            let short = Limits { time_max: Duration::from_millis(300), ..LIMITS };
            let slow = call("sleep", &json!({ "seconds": 30 }));
            let token = CancellationToken::new();
            let failed = client.call_tool(&warrant, &target, slow, short, &token).await;
            assert_eq!(failed.unwrap_err().failure.code(), "timed_out", "{mode}");
        }
    }
}
