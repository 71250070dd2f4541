//! The main job over HTTP, on both databases.

use serde_json::json;

use crate::harness::{Gate, Setup, samples};

/// A server on each database.
fn gates() -> [Gate; 2] {
    [Setup::new().start(), Setup::on_postgres().start()]
}

#[tokio::test]
async fn an_allowed_agent_gets_a_credential_and_the_audit_holds_the_decision() {
    for gate in gates() {
        let admin = gate.admin().await;
        let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
        let (_, agent) = gate.agent("lingua", "translator").await;
        let path = format!("/api/v1/tools/{}/access", tool["id"].as_str().unwrap());
        let ask = json!({ "scopes": ["read", "translate"], "ttl_seconds": 600 });
        let access = agent.post(&path, &ask).await.expect(201);

        let decision = access["decision_id"].as_str().unwrap();
        let found = admin.get(&format!("/api/v1/audit-events?decision_id={decision}")).await;
        let entry = &found.expect(200)["items"][0]["entry"];
        assert_eq!(entry["event"], "credential.issue");
        assert_eq!(entry["reasons"], json!(["use.translators"]));

        let token = access["credential"]["token"].as_str().unwrap();
        let question = json!({ "token": token, "tool": "translate", "scope": "read" });
        let valid = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
        assert_eq!(valid["valid"], true, "{valid}");

        let id = access["credential"]["credential_id"].as_str().unwrap();
        agent.delete(&format!("/api/v1/credentials/{id}")).await.expect(204);
        let valid = admin.post("/api/v1/credentials/validate", &question).await.expect(200);
        assert_eq!(valid["reason"], "revoked", "{valid}");
        let feed = gate.anyone().get("/api/v1/revocations").await.expect(200);
        assert_eq!(feed["credential_ids"], json!([id]));
    }
}
