//! The official conformance suite. What it asks of servers in general applies; what it asks of tools
//! of its own is answered by such tools behind the gateway; what is left does not apply to a server
//! that has tools and nothing else, and is listed here with the reason.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{NEW, OLD, Scene};
use crate::harness::PASSWORD;
use crate::harness::peer::Peer;

/// There are tools here: no prompts, no resources, nothing to complete, no log to set a level of.
const TOOLS_ONLY: &[&str] = &[
    "completion-complete",
    "logging-set-level",
    "prompts-get-embedded-resource",
    "prompts-get-simple",
    "prompts-get-with-args",
    "prompts-get-with-image",
    "prompts-list",
    "resources-list",
    "resources-read-binary",
    "resources-read-text",
    "resources-subscribe",
    "resources-templates-read",
    "resources-unsubscribe",
    "tools-call-with-logging",
];

/// A tool behind the gateway cannot ask its caller's model or person for anything: that the suite's
/// tools would like to, is refused by the gateway.
const NO_QUESTIONS_BACK: &[&str] = &[
    "elicitation-sep1034-defaults",
    "elicitation-sep1330-enums",
    "tools-call-elicitation",
    "tools-call-sampling",
    "input-required-result-basic-elicitation",
    "input-required-result-basic-list-roots",
    "input-required-result-basic-sampling",
    "input-required-result-capability-check",
    "input-required-result-multi-round",
    "input-required-result-multiple-input-requests",
    "input-required-result-non-tool-request",
    "input-required-result-request-state",
    "input-required-result-result-type",
    "input-required-result-tampered-state",
];

/// An extension that is not offered.
const NO_TASKS: &str = "tasks-";

/// Checks that do not apply, of scenarios that do.
const PARTS: &[(&str, &[&str])] = &[
    // Lists of what there is not.
    (
        "caching",
        &[
            "sep-2549-prompts-list-caching-hints",
            "sep-2549-resources-list-caching-hints",
            "sep-2549-resources-templates-list-caching-hints",
        ],
    ),
    // Tools that ask back, or that log.
    (
        "server-stateless",
        &[
            "sep-2575-server-rejects-undeclared-capability",
            "sep-2575-missing-capability-http-400",
            "sep-2575-http-server-no-independent-requests-on-stream",
            "sep-2575-server-no-log-without-loglevel",
        ],
    ),
];

/// What is wholly good with 2025-11-25.
const OLD_APPLY: &[&str] = &[
    "dns-rebinding-protection",
    "json-schema-2020-12",
    "ping",
    "server-initialize",
    "server-session-lifecycle",
    "server-sse-multiple-streams",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-error",
    "tools-call-image",
    "tools-call-mixed-content",
    "tools-call-simple-text",
    "tools-call-with-progress",
    "tools-list",
];

/// The same with 2026-07-28.
const NEW_APPLY: &[&str] = &[
    "dns-rebinding-protection",
    "http-custom-header-server-validation",
    "http-header-validation",
    "input-required-result-ignore-extra-params",
    "input-required-result-missing-input-response",
    "input-required-result-unsupported-methods",
    "input-required-result-validate-input",
    "json-schema-2020-12",
    "sep-2164-resource-not-found",
    "server-sse-multiple-streams",
    "tools-call-audio",
    "tools-call-embedded-resource",
    "tools-call-error",
    "tools-call-image",
    "tools-call-mixed-content",
    "tools-call-simple-text",
    "tools-call-with-progress",
    "tools-list",
];

/// What failed although it applies.
fn wrong(failed: &BTreeMap<String, Vec<String>>) -> Vec<(&str, &str)> {
    let applies = |scenario: &str| {
        !scenario.starts_with(NO_TASKS)
            && !TOOLS_ONLY.contains(&scenario)
            && !NO_QUESTIONS_BACK.contains(&scenario)
    };
    let parts = |scenario: &str| {
        PARTS.iter().find(|(it, _)| *it == scenario).map_or(&[][..], |(_, checks)| checks)
    };
    let checks =
        failed.iter().filter(|(scenario, _)| applies(scenario)).flat_map(|(scenario, bad)| {
            bad.iter().map(move |check| (scenario.as_str(), check.as_str()))
        });
    checks
        .filter(|(scenario, check)| {
            !parts(scenario).iter().any(|it| check.split(": ").next() == Some(it))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_finds_nothing_wrong_with_what_there_is() {
    let scene = Scene::open().await;
    let _behind = scene.suite_tools().await;
    let tools = scene.admin.get("/api/v1/tools?page_size=200").await.expect(200);
    for tool in tools["items"].as_array().unwrap() {
        // The suite knows its tools by names that no server stands before.
        if let Some(name) = tool["name"].as_str().unwrap().strip_prefix("suite__") {
            let path = format!("/api/v1/tools/{}", tool["id"].as_str().unwrap());
            scene.admin.patch(&path, &json!({ "name": name })).await.expect(200);
        }
    }
    let schema: Value =
        serde_json::from_str(include_str!("../../interop/mcp_schema.json")).unwrap();
    let plain = json!({ "required_scopes": [], "input_schema": schema, "description": "Strict." });
    scene.add("json_schema_2020_12_tool", "/", &plain).await;
    let marked = json!({
        "type": "object",
        "properties": {
            "region": { "type": "string", "x-mcp-header": "Region" },
            "query": { "type": "string" },
        },
        "required": ["region", "query"],
    });
    let marked = json!({ "required_scopes": [], "input_schema": marked, "description": "SQL." });
    scene.add("spanner", "/", &marked).await;
    let key = json!({ "name": "mine", "scopes": [] });
    let key = scene.admin.elevated(PASSWORD).await.post("/api/v1/api-keys", &key).await.expect(201);
    let key = key["key"].as_str().unwrap();
    for (revision, applicable) in [(OLD, OLD_APPLY), (NEW, NEW_APPLY)] {
        let said = Peer::newer_node("mcp_suite.mjs", &[&scene.gate.url, key, revision]).says();
        let failed: BTreeMap<String, Vec<String>> =
            serde_json::from_value(said["failed"].clone()).unwrap();
        assert_eq!(wrong(&failed), [], "{revision}");
        let good = failed.iter().filter(|(_, bad)| bad.is_empty()).map(|(it, _)| it.as_str());
        let good: BTreeSet<&str> = good.collect();
        let missing: Vec<_> = applicable.iter().filter(|it| !good.contains(**it)).collect();
        assert!(missing.is_empty(), "{revision}: {missing:?} of {good:?}");
    }
}
