//! Things to ask about, and a request for each route.

use gatewright::http::Route;
use serde_json::{Value, json};

use super::{EXECUTE, line};
use crate::harness::{Caller, Gate, Holder, samples};

/// Things to ask about, one of each kind.
pub(super) struct Things {
    pub(super) user: String,
    pub(super) agent: String,
    pub(super) tool: String,
    pub(super) credential: String,
    pub(super) token: String,
    pub(super) key: String,
    pub(super) mandate: String,
    pub(super) approval: String,
    pub(super) bundle: String,
    pub(super) grant: String,
    pub(super) decision: String,
}

impl Things {
    pub(super) async fn make(gate: &Gate) -> (Things, Value) {
        let admin = gate.admin().await;
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let body = json!({ "username": "somebody", "password": "A-fine-pass-phrase-1" });
        let user = text(&admin.post("/api/v1/users", &body).await.expect(201)["id"]);
        let mut tool = samples::calculate("calc");
        tool["tags"] = json!(["calculators"]);
        let tool = admin.post("/api/v1/tools", &tool).await.expect(201);
        let (agent, caller) = gate.agent("reckoner", "agent").await;
        let path = format!("/api/v1/tools/{}/access", text(&tool["id"]));
        let vended = caller.post(&path, &json!({ "scopes": ["evaluate"] })).await.expect(201);
        let key = json!({ "name": "ci", "principal": agent["client_id"], "scopes": [] });
        let elevated = admin.elevated(crate::harness::server::PASSWORD).await;
        let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
        let uma = gate.user_with_factor("uma", "user").await;
        let path = format!("/api/v1/users/{}/mandates", uma.id().await);
        let mandate = samples::mandate("reckoner", "calculators", &["evaluate"]);
        let mandate = uma.post(&path, &mandate).await.expect(201);
        let approval = waiting(gate, &admin).await;
        let grant = samples::grant("Group:breakglass", "Tool:calc");
        let grant = admin.post("/api/v1/grants", &grant).await.expect(201);
        let bundles = admin.get("/api/v1/bundles").await.expect(200);
        let things = Things {
            grant: text(&grant["id"]),
            bundle: text(&bundles["items"][0]["id"]),
            approval: text(&approval["approval"]["id"]),
            decision: text(&vended["decision_id"]),
            mandate: text(&mandate["id"]),
            key: text(&key["id"]),
            user,
            agent: text(&agent["client_id"]),
            tool: text(&tool["id"]),
            credential: text(&vended["credential"]["credential_id"]),
            token: text(&vended["credential"]["token"]),
        };
        (things, agent)
    }

    /// A request that only policy can have anything against.
    pub(super) fn request(&self, caller: &Caller, route: &Route) -> reqwest::RequestBuilder {
        let mut path = route.path.to_owned();
        for (name, value) in [
            ("user", &*self.user),
            ("agent", &self.agent),
            ("tool", &self.tool),
            ("credential", &self.credential),
            ("key", &self.key),
            ("mandate", &self.mandate),
            ("approval", &self.approval),
            ("bundle", &self.bundle),
            ("policy", "use.translators"),
            ("grant", &self.grant),
            ("decision", &self.decision),
            ("role", "auditor"),
            ("version", "1.0.0"),
            ("factor", "019aa111-0000-7000-8000-000000000000"),
        ] {
            path = path.replace(&format!("{{{name}}}"), value);
        }
        assert!(!path.contains('{'), "what to put into {path}?");
        match route.path {
            "/api/v1/audit/proof" => path.push_str("?seq=0"),
            "/api/v1/audit/consistency" => path.push_str("?from=1"),
            _ => {}
        }
        let request = caller.request(route.method.clone(), &path);
        match self.body(&line(route)) {
            Some(body) => request.json(&body),
            None => request,
        }
    }

    fn body(&self, line: &str) -> Option<Value> {
        let password = "A-fine-pass-phrase-2";
        Some(match line {
            "POST /api/v1/auth/elevate" => json!({ "password": crate::harness::server::PASSWORD }),
            "POST /api/v1/auth/factors/totp" => json!({}),
            "POST /api/v1/auth/factors/totp/{factor}/confirm" => json!({ "otp": "123456" }),
            "POST /api/v1/auth/factors/passkeys" => json!({ "name": "laptop" }),
            "POST /api/v1/auth/factors/passkeys/finish" => {
                json!({ "ceremony": "gwo_none", "credential": samples::passkey() })
            }
            "POST /api/v1/users" => json!({ "username": "newcomer", "password": password }),
            "POST /api/v1/register/machine" => json!({ "name": "newcomer", "role": "agent" }),
            "PUT /api/v1/agents/{agent}/keys" => Holder::ed25519(1).jwks("one"),
            "POST /api/v1/api-keys" => json!({ "name": "another", "scopes": [] }),
            "POST /api/v1/users/{user}/mandates" => {
                samples::mandate(&self.agent, "calculators", &["evaluate"])
            }
            "POST /api/v1/tools" => samples::calculate("another"),
            "POST /api/v1/tools/import" => samples::api("imported"),
            "POST /api/v1/tools/remote/test-connection" => {
                json!({ "server_url": "https://127.0.0.1/mcp" })
            }
            "POST /api/v1/tools/{tool}/versions" => json!({ "version": "2.0.0" }),
            "PATCH /api/v1/tools/{tool}" => json!({ "description": "changed" }),
            "POST /api/v1/tools/{tool}/access" => json!({ "scopes": ["evaluate"] }),
            _ if samples::question(line).is_some() => samples::question(line)?,
            "POST /access/v1/requests" => samples::access_request(
                &self.agent,
                &self.tool,
                "019aa111-0000-7000-8000-000000000000",
            ),
            "PUT /api/v1/tools/{tool}/account" => json!({ "token": "t" }),
            "POST /api/v1/tools/{tool}/invoke" => json!({ "arguments": {} }),
            "POST /mcp" => json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
            "POST /api/v1/policies" => json!({ "text": samples::POLICY }),
            "PUT /api/v1/policies/{policy}" => json!({ "text": samples::POLICY }),
            "POST /api/v1/bundles" => {
                json!({ "files": { "policies/90-ours.cedar": samples::POLICY } })
            }
            "POST /api/v1/bundles/{bundle}/review" => json!({ "verdict": "yes", "reason": "so" }),
            "POST /api/v1/grants" => samples::grant("Role:agent", &format!("Tool:{}", self.tool)),
            EXECUTE => json!({ "custom_actions": { "calc": {} } }),
            "POST /api/v1/credentials" => json!({ "tool": self.tool, "scopes": ["evaluate"] }),
            "POST /api/v1/credentials/validate" => {
                json!({ "token": self.token, "tool": "calc", "scope": "evaluate" })
            }
            _ => return None,
        })
    }

    /// All of them as they are now.
    pub(super) async fn state(&self, admin: &Caller) -> Vec<Value> {
        let mut found = Vec::new();
        for path in [
            format!("/api/v1/users/{}", self.user),
            format!("/api/v1/agents/{}", self.agent),
            format!("/api/v1/tools/{}", self.tool),
            format!("/api/v1/credentials/{}", self.credential),
            format!("/api/v1/api-keys/{}", self.key),
            format!("/api/v1/mandates/{}", self.mandate),
            format!("/api/v1/approvals/{}", self.approval),
            format!("/api/v1/grants/{}", self.grant),
            "/api/v1/users".into(),
            "/api/v1/agents".into(),
            "/api/v1/tools".into(),
            "/api/v1/credentials".into(),
            "/api/v1/api-keys".into(),
        ] {
            found.push(admin.get(&path).await.expect(200));
        }
        found
    }
}

/// A call that waits for a person.
async fn waiting(gate: &Gate, admin: &Caller) -> Value {
    let tool = admin.post("/api/v1/tools", &samples::risky("pay", "https://pay.example/")).await;
    let path = format!("/api/v1/tools/{}/invoke", tool.expect(201)["id"].as_str().unwrap());
    let (_, asks) = gate.agent("lingua", "translator").await;
    asks.post(&path, &json!({ "arguments": {} })).await.expect(202)
}
