//! Decisions as those see them whom they concern, and as auditors do.

use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};

use super::Scene;
use crate::harness::server::WORDS;
use crate::harness::{Caller, send};

fn path(id: &str) -> String {
    format!("/api/v1/decisions/{id}")
}

/// A decision about an agent's call that somebody must approve: its id.
async fn waiting(it: &Scene, agent: &Caller) -> String {
    let pay = json!({ "consequential": true, "tags": ["translation"] });
    let tool = it.tool("pay", pay).await;
    let ask = json!({ "arguments": { "to": "bob" } });
    let answer = agent.post(&format!("{tool}/invoke"), &ask).await.expect(202);
    answer["decision_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn whom_it_concerns_sees_what_is_theirs_and_auditors_see_all() {
    let it = Scene::new().await;
    let (_, agent) = it.gate.agent("lingua", "translator").await;
    let (_, other) = it.gate.agent("other", "agent").await;
    let uma = it.gate.user("uma", "user").await;
    let decision = waiting(&it, &agent).await;

    let own = agent.get(&path(&decision)).await.expect(200);
    assert_eq!((&own["decision"], &own["event"]), (&json!("deny"), &json!("tool.invoke")));
    assert_eq!(own["policies"][0]["id"], "hitl.agent.approval", "{own}");
    assert_eq!(own["facts"]["particulars"]["call"]["arguments"]["to"], "bob");
    assert_eq!((&own["asked"], &own["target"]["name"]), (&Value::Null, &json!("pay")));
    let told = agent.get(&format!("{}/explain", path(&decision))).await.expect(200);
    let policy = &told["explanation"]["policies"][0];
    assert_eq!(told["explanation"]["fix"][0]["kind"], "approval", "{told}");
    assert_eq!((&policy["conditions"], &policy["file"]), (&Value::Null, &Value::Null));
    let seen: Vec<&str> = policy["values"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["path"].as_str().unwrap())
        .collect();
    assert!(seen.contains(&"resource.consequential"), "it may see the tool: {seen:?}");

    // Nobody else, and nothing else of this id.
    for stranger in [&other, &uma] {
        stranger.get(&path(&decision)).await.problem(404, "not_found");
        stranger.get(&format!("{}/explain", path(&decision))).await.problem(404, "not_found");
    }
    let absent = "019aa111-0000-7000-8000-000000000000";
    it.admin.get(&path(absent)).await.problem(404, "not_found");

    let body = json!({ "username": "ada", "password": WORDS, "role": "auditor" });
    it.admin
        .elevated(crate::harness::PASSWORD)
        .await
        .post("/api/v1/users", &body)
        .await
        .expect(201);
    let ada = it.gate.sign_in("ada", WORDS).await;
    let all = ada.get(&path(&decision)).await.expect(200);
    assert_eq!(all["asked"]["action"], "invoke", "{all}");
    let told = ada.get(&format!("{}/explain", path(&decision))).await.expect(200);
    let policy = &told["explanation"]["policies"][0];
    assert_eq!(policy["file"], "50-human-in-the-loop.cedar", "{told}");
    assert_eq!(told["bundle"], told["explained_by"]);
    let conditions = policy["conditions"].as_array().unwrap();
    let first = &conditions[0];
    assert_eq!((&first["clause"], &first["holds"]), (&json!("when"), &json!(true)), "{first}");
    assert_eq!(first["text"], "resource.consequential");
    assert_eq!(first["values"][0], json!({ "path": "resource.consequential", "value": true }));
    assert!(conditions.iter().any(|it| it["holds"].is_null()), "{conditions:?}");
}

#[tokio::test]
async fn an_explanation_is_read_as_text_on_the_command_line_and_without_a_server() {
    let it = Scene::new().await;
    let (_, agent) = it.gate.agent("lingua", "translator").await;
    let decision = waiting(&it, &agent).await;
    let request = agent.request(Method::GET, &format!("{}/explain", path(&decision)));
    let text = send(request.header("accept", "text/plain")).await;
    assert!(text.headers["content-type"].to_str().unwrap().starts_with("text/plain"));
    assert!(text.text.contains("denied by:\n  forbid hitl.agent.approval"), "{}", text.text);
    assert!(
        text.text.contains("with this: somebody must approve exactly this call"),
        "{}",
        text.text
    );

    let run = |words: &[&str]| {
        let mut command: Command = it.gate.command(&[&["policy", "explain"], words].concat());
        command.env("GATEWRIGHT_URL", &it.gate.url);
        command.env("GATEWRIGHT_TOKEN", it.admin.token.as_deref().unwrap());
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, out, err) = run(&[&decision]);
    assert!(code == 0 && out.contains("50-human-in-the-loop.cedar:"), "{out}{err}");
    let (_, out, _) = run(&[&decision, "--output", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["explanation"]["fix"][0]["kind"], "approval", "{told}");
    let (code, _, _) = run(&["019aa111-0000-7000-8000-000000000000"]);
    assert_eq!(code, 1);

    let listed = it.admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
    let file = it.gate.folder.path().join("entry.json");
    std::fs::write(&file, listed.expect(200)["items"][0].to_string()).unwrap();
    let schemas = format!("{}/schemas", env!("CARGO_MANIFEST_DIR"));
    let file = file.to_str().unwrap();
    let (code, out, err) = run(&["--entry", file, "--dir", "policies", "--schema-dir", &schemas]);
    assert!(code == 0 && out.contains("context has approval: does not hold"), "{out}{err}");
    assert!(!out.contains("another bundle"), "{out}");
    let old = json!({ "id": decision, "at": "2026-01-01T00:00:00Z", "event": "tool.invoke" });
    std::fs::write(file, old.to_string()).unwrap();
    let (code, _, err) = run(&["--entry", file, "--dir", "policies", "--schema-dir", &schemas]);
    assert!(code == 1 && err.contains("is no entry of the audit"), "{err}");
}
