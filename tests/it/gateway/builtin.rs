//! The tools that the server runs itself, against services that speak as the real ones do.

use serde_json::{Value, json};

use super::{entries, registered, setup};
use crate::harness::service::Service;
use crate::harness::{Caller, Gate, Setup};

const OLLAMA: &[&str] = &[
    "{\"model\":\"tiny\",\"created_at\":\"2026-01-01T00:00:00Z\",\"response\":\"It is\",\"do",
    "ne\":false}\n{\"model\":\"tiny\",\"response\":\" 4",
    "2.\",\"done\":false}\n",
    "{\"model\":\"tiny\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\",\
     \"prompt_eval_count\":11,\"eval_count\":4}\n",
];
const OPENAI: &[&str] = &[
    ": ready\n\ndata: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\
     \"content\":\"It\"},\"finish_reason\":null}]}\r\n\r\nda",
    "ta: {\"model\":\"m-1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" is 42.\"},\
     \"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"model\":\"m-1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\
     \"completion_tokens\":5}}\n\ndata: [DONE]\n\n",
];

fn tool(builtin: &str, secrets: &Value) -> Value {
    json!({
        "tool_type": "builtin", "builtin": builtin, "name": builtin,
        "scopes": ["call"], "required_scopes": ["agent:calc"], "secrets": secrets,
    })
}

/// A gate, an administrator's and an agent's callers, and the path that calls the tool.
async fn scene(setup: Setup, builtin: &str, secrets: Value) -> (Gate, Caller, Caller, String) {
    let gate = setup.start();
    let admin = gate.admin().await;
    let (_, agent) = gate.agent("lingua", "agent").await;
    let path = registered(&admin, &tool(builtin, &secrets)).await;
    (gate, admin, agent, path)
}

fn with_ollama(service: &Service) -> Setup {
    let setup = setup().with("gateway.ollama_url", &service.url());
    setup.with("gateway.ollama_model", "tiny")
}

#[tokio::test]
async fn ollama_is_asked_and_heard_to_the_end() {
    let service = Service::open().await;
    service.lay("/api/generate", 200, "application/x-ndjson", OLLAMA);
    let (_gate, admin, agent, path) = scene(with_ollama(&service), "llm", json!({})).await;
    let ask = json!({ "arguments": { "prompt": "What is 6*7?" } });
    let answer = agent.post(&path, &ask).await.expect(200);
    assert_eq!(
        answer["result"],
        json!({
            "text": "It is 42.", "model": "tiny", "finish_reason": "stop",
            "prompt_tokens": 11, "completion_tokens": 4,
        })
    );
    let heard = &service.heard()[0];
    let asked = json!({ "model": "tiny", "prompt": "What is 6*7?", "stream": true });
    assert_eq!((&heard["method"], &heard["body"]), (&json!("POST"), &asked));
    assert_eq!(heard["headers"]["authorization"], json!(null), "nobody's token goes along");
    let decision = answer["decision_id"].as_str().unwrap();
    let [result] = &entries(&admin, decision).await[..] else { panic!("not one result") };
    assert_eq!(result["entry"]["details"]["model"], "tiny", "{result}");
    let wrong = json!({ "arguments": { "prompt": "", "model": "other" } });
    agent.post(&path, &wrong).await.problem(422, "invalid");

    service.lay(
        "/api/generate",
        404,
        "application/json",
        &["{\"error\":\"model 'tiny' not found\"}"],
    );
    let problem = agent.post(&path, &ask).await.problem(502, "upstream_refused");
    assert_eq!(problem["upstream"], json!({ "error": "model 'tiny' not found" }), "{problem}");
    service.lay("/api/generate", 200, "application/x-ndjson", &OLLAMA[..2]);
    let problem = agent.post(&path, &ask).await.problem(502, "upstream_refused");
    assert!(problem["detail"].as_str().unwrap().contains("unreadable"), "{problem}");
    service.lay("/api/generate", 200, "application/x-ndjson", &OLLAMA[..3]);
    let problem = agent.post(&path, &ask).await.problem(502, "upstream_refused");
    assert!(problem["detail"].as_str().unwrap().contains("broke off"), "{problem}");
    let endless = "{\"response\":\"and so on \",\"done\":false}\n".repeat(40_000);
    service.lay("/api/generate", 200, "application/x-ndjson", &[&endless]);
    agent.post(&path, &ask).await.problem(502, "upstream_too_large");
}

#[tokio::test]
async fn a_service_like_openais_gets_its_key_and_nobody_else_does() {
    const KEY: &str = "sk-canary-of-the-tests";
    let service = Service::open().await;
    service.lay("/base/v1/chat/completions", 200, "text/event-stream", OPENAI);
    let setup = setup().with("gateway.openai_url", &format!("{}/base/", service.url()));
    let setup = setup.with("gateway.openai_model", "m-1");
    let (gate, _, agent, path) = scene(setup, "llm", json!({ "api_key": KEY })).await;
    let ask = json!({ "arguments": { "prompt": "What is 6*7?" } });
    let answer = agent.post(&path, &ask).await.expect(200);
    assert_eq!(answer["result"]["text"], "It is 42.");
    assert_eq!(answer["result"]["completion_tokens"], 5);
    let heard = &service.heard()[0];
    assert_eq!(heard["headers"]["authorization"], format!("Bearer {KEY}"));
    assert_eq!(heard["body"]["messages"], json!([{ "role": "user", "content": "What is 6*7?" }]));
    assert_eq!(heard["body"]["stream"], true);

    let repeats = format!("{{\"error\":{{\"message\":\"the key {KEY} is no good\"}}}}");
    service.lay("/base/v1/chat/completions", 401, "application/json", &[&repeats]);
    let refused = agent.post(&path, &ask).await;
    let problem = refused.problem(502, "upstream_refused");
    assert!(problem["detail"].as_str().unwrap().contains("`api_key`"), "{problem}");
    let says = format!(
        "data: {{\"choices\":[{{\"delta\":{{\"content\":\"{KEY}\"}},\"finish_reason\":\"stop\"}}]}}\n\n"
    );
    service.lay("/base/v1/chat/completions", 200, "text/event-stream", &[&says]);
    let said = agent.post(&path, &ask).await;
    said.expect(200);
    for told in [&refused.text, &said.text, &gate.log().join("\n")] {
        assert!(!told.contains(KEY), "{told}");
    }
}

#[tokio::test]
async fn the_web_is_searched_by_either_engine() {
    let service = Service::open().await;
    let hit = "{\"url\":\"https://one.example/\",\"title\":\"One\",\"content\":\"first\"}";
    let searxng = format!("{{\"query\":\"rust\",\"results\":[{hit}],\"answers\":[]}}");
    service.lay("/search", 200, "application/json", &[&searxng]);
    let (_gate, _, agent, path) =
        scene(setup().with("gateway.search_url", &service.url()), "web_search", json!({})).await;
    let ask = json!({ "arguments": { "query": "rust & co" } });
    let found = [json!({ "title": "One", "url": "https://one.example/", "snippet": "first" })];
    let answer = agent.post(&path, &ask).await.expect(200);
    assert_eq!(answer["result"], json!({ "query": "rust & co", "results": found }));
    assert_eq!(service.heard()[0]["path"], "/search?q=rust+%26+co&format=json");
    // SearXNG refuses JSON unless its operator lets it be.
    service.lay("/search", 403, "text/html", &["<!doctype html>"]);
    agent.post(&path, &ask).await.problem(502, "upstream_refused");

    let brave = hit.replace("content", "description");
    let brave = format!("{{\"type\":\"search\",\"web\":{{\"results\":[{brave}]}}}}");
    service.lay("/res/v1/web/search", 200, "application/json", &[&brave]);
    let engine = || {
        let setup = setup().with("gateway.search_url", &service.url());
        setup.with("gateway.search_kind", "brave")
    };
    let (_gate, _, agent, path) =
        scene(engine(), "web_search", json!({ "api_key": "BSA-of-the-tests" })).await;
    let answer = agent.post(&path, &ask).await.expect(200);
    assert_eq!(answer["result"]["results"], json!(found));
    let heard = service.heard().pop().unwrap();
    assert_eq!(heard["headers"]["x-subscription-token"], "BSA-of-the-tests");
    let before = service.heard().len();
    let (_gate, _, agent, path) = scene(engine(), "web_search", json!({})).await;
    let problem = agent.post(&path, &ask).await.problem(503, "upstream_not_ready");
    assert!(problem["detail"].as_str().unwrap().contains("`api_key`"), "{problem}");
    assert_eq!(service.heard().len(), before);
}

#[tokio::test]
async fn what_is_not_set_up_says_which_settings_are_missing() {
    let (gate, admin, agent, llm) = scene(setup(), "llm", json!({})).await;
    let search = registered(&admin, &tool("web_search", &json!({}))).await;
    for (path, argument, settings) in [
        (&llm, "prompt", ["gateway.ollama_url", "gateway.openai_model"]),
        (&search, "query", ["gateway.search_url", "gateway.search_kind"]),
    ] {
        let ask = json!({ "arguments": { argument: "x" } });
        let problem = agent.post(path, &ask).await.problem(503, "upstream_not_ready");
        for setting in settings {
            assert!(problem["detail"].as_str().unwrap().contains(setting), "{problem}");
        }
    }
    drop(gate);
    for (settings, told) in [
        (&[("gateway.ollama_url", "http://127.0.0.1:11434")][..], "gateway.ollama_model"),
        (&[("gateway.openai_model", "m-1")], "gateway.openai_url"),
        (&[("gateway.search_url", "http://search.example")], "outbound.internal_origins"),
        (&[("gateway.search_url", "ftp://search.example")], "gateway.search_url"),
        (&[("gateway.search_url", "https://169.254.169.254")], "gateway.search_url"),
        (&[("gateway.search_kind", "bing")], "gateway.search_kind"),
        (
            &[
                ("gateway.ollama_url", "http://127.0.0.1:1"),
                ("gateway.ollama_model", "a"),
                ("gateway.openai_url", "https://api.example"),
                ("gateway.openai_model", "b"),
            ],
            "second language model",
        ),
    ] {
        let setup = settings.iter().fold(Setup::new(), |it, (key, value)| it.with(key, value));
        let ran = setup.command(&["serve"]).output().unwrap();
        let complaint = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{settings:?}: {complaint}");
        assert!(complaint.contains(told), "{settings:?}: {complaint}");
    }
}
