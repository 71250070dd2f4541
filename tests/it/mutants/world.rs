//! A server with something of everything, and a good request for each of its routes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::damage::Request;
use crate::harness::server::{ADMIN, PASSWORD};
use crate::harness::{Caller, Gate, Holder, samples};

/// The last words of paths that take no body.
const WITHOUT_BODY: &[&str] = &[
    "suspend",
    "resume",
    "activate",
    "deactivate",
    "forward-auth",
    "reprobe",
    "accept",
    "rollback",
    "disable",
    "enable",
    "logout",
    "recovery-codes",
    "check",
    "replay",
    "shadow",
];

/// What the samples speak of.
pub struct World {
    pub gate: Gate,
    admin: Caller,
    pub agent: Caller,
    /// The agent's registration.
    pub asks: Value,
    ids: BTreeMap<&'static str, String>,
    secrets: BTreeMap<&'static str, String>,
}

impl World {
    pub async fn new() -> World {
        let gate = Gate::start();
        let admin = gate.admin().await;
        let text = |it: &Value, key: &str| it[key].as_str().unwrap().to_owned();
        let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
        let victim = json!({ "username": "victim", "password": "A-fine-pass-phrase-1" });
        let user = admin.post("/api/v1/users", &victim).await.expect(201);
        let (victim, _) = gate.agent("victim-agent", "agent").await;
        let (asks, agent) = gate.agent("lingua", "translator").await;
        let path = format!("/api/v1/tools/{}/access", text(&tool, "id"));
        let access = agent.post(&path, &json!({ "scopes": ["read"] })).await.expect(201);
        let login = json!({ "username": ADMIN, "password": PASSWORD });
        let pair = gate.anyone().post("/api/v1/auth/login", &login).await.expect(200);
        let key = json!({ "name": "ci", "principal": victim["client_id"], "scopes": [] });
        let elevated = admin.elevated(PASSWORD).await;
        let key = elevated.post("/api/v1/api-keys", &key).await.expect(201);
        let uma = gate.user_with_factor("uma", "user").await;
        let path = format!("/api/v1/users/{}/mandates", uma.id().await);
        let mandate = samples::mandate("lingua", "translation", &["read"]);
        let mandate = uma.post(&path, &mandate).await.expect(201);
        let risky = samples::risky("pay", "https://pay.example/");
        let risky = admin.post("/api/v1/tools", &risky).await.expect(201);
        let path = format!("/api/v1/tools/{}/invoke", text(&risky, "id"));
        let waiting = agent.post(&path, &json!({ "arguments": {} })).await.expect(202);
        let bundles = admin.get("/api/v1/bundles").await.expect(200);
        let grant = samples::grant("Agent:lingua", "Tool:translate");
        let grant = admin.post("/api/v1/grants", &grant).await.expect(201);
        let ids = [
            ("{grant}", text(&grant, "id")),
            ("{mandate}", text(&mandate, "id")),
            ("{approval}", text(&waiting["approval"], "id")),
            ("{decision}", text(&access, "decision_id")),
            ("{key}", text(&key, "id")),
            ("{tool}", text(&tool, "id")),
            ("{user}", text(&user, "id")),
            ("{agent}", text(&victim, "client_id")),
            ("{credential}", text(&access["credential"], "credential_id")),
            ("{bundle}", text(&bundles["items"][0], "id")),
            ("{policy}", "use.translators".to_owned()),
            ("{version}", "1.0.0".to_owned()),
            ("{role}", "user".to_owned()),
            ("{file}", "index.html".to_owned()),
            ("{issuer}", "company".to_owned()),
            ("{factor}", "019aa111-0000-7000-8000-000000000000".to_owned()),
        ];
        let secrets = [
            ("refresh_token", text(&pair, "refresh_token")),
            ("client_id", text(&asks, "client_id")),
            ("client_secret", text(&asks, "client_secret")),
            ("token", text(&access["credential"], "token")),
        ];
        World { gate, admin, agent, asks, ids: ids.into(), secrets: secrets.into() }
    }

    /// A request that this route takes.
    pub fn sample(&self, method: &str, template: &str) -> Request {
        let segment = |it: &str| self.ids.get(it).cloned().unwrap_or_else(|| it.to_owned());
        let path: Vec<String> = template.split('/').map(segment).collect();
        let content = self.content(method, template);
        let mut headers = vec![("x-request-id", "mutant".to_owned())];
        if let Some((kind, _)) = content {
            headers.push(("content-type", kind.to_owned()));
        }
        Request {
            method: method.to_owned(),
            path: path.join("/"),
            query: match template {
                "/api/v1/forward-auth" => "tool=translate&scope=read".to_owned(),
                _ => String::new(),
            },
            headers,
            content: content.map(|(_, it)| it.into_bytes()).unwrap_or_default(),
        }
    }

    /// What forms hold.
    fn form(&self, method: &str, template: &str) -> Option<String> {
        let (id, word) = (&self.secrets["client_id"], &self.secrets["client_secret"]);
        let text = match template.strip_prefix("/oauth/")? {
            "passkey" => format!("ceremony=gwo_none&credential={}", samples::passkey()),
            "introspect" | "revoke" => {
                format!("token=gwr_none&client_id={id}&client_secret={word}")
            }
            "token" => format!(
                "grant_type=client_credentials&client_id={id}&client_secret={word}&scope=agent:calc"
            ),
            "sign-in" | "second-factor" | "consent" | "sign-out" | "account/passkey" => {
                "seal=AAAA&request=client_id%3Dx&username=admin&password=x&otp=123456\
                 &mfa_token=gwo_none&decision=allow&scope=read%3Apublic"
                    .to_owned()
            }
            _ => return None,
        };
        (method == "POST").then_some(text)
    }

    /// Requests about who somebody is.
    fn of_identity(&self, method: &str, template: &str) -> Option<Value> {
        let secret = |it: &str| self.secrets[it].clone();
        Some(match (method, template) {
            ("POST", "/api/v1/auth/login") => json!({ "username": ADMIN, "password": PASSWORD }),
            ("POST", "/api/v1/auth/mfa") => json!({ "mfa_token": "gwo_none", "otp": "123456" }),
            ("POST", "/api/v1/auth/factors/totp") => json!({ "name": "phone" }),
            ("POST", "/api/v1/auth/mfa/passkey") => json!({ "mfa_token": "gwo_none" }),
            ("POST", "/api/v1/auth/mfa/passkey/finish") => {
                json!({ "mfa_token": "gwo_none", "ceremony": "gwo_none", "credential": samples::signed() })
            }
            ("POST", "/api/v1/auth/factors/totp/{factor}/confirm") => json!({ "otp": "123456" }),
            ("POST", "/api/v1/auth/factors/passkeys") => json!({ "name": "laptop" }),
            ("POST", "/api/v1/auth/factors/passkeys/finish") => {
                json!({ "ceremony": "gwo_none", "credential": samples::passkey() })
            }
            ("POST", "/api/v1/register/user") => {
                json!({ "username": "dora", "password": "A-fine-pass-phrase-3", "role": "user" })
            }
            ("POST", "/api/v1/auth/refresh") => json!({ "refresh_token": secret("refresh_token") }),
            ("POST", "/api/v1/auth/elevate") => json!({ "password": PASSWORD }),
            ("POST", "/api/v1/users") => {
                json!({ "username": "carol", "password": "A-fine-pass-phrase-2", "role": "user" })
            }
            ("POST", "/api/v1/register/machine") => {
                json!({ "name": "scout", "role": "agent", "owner": self.ids["{user}"] })
            }
            ("POST", "/api/v1/api-keys") => {
                json!({ "name": "mutant", "principal": self.ids["{agent}"], "scopes": ["agent:calc"],
                        "expires_at": "2100-01-01T00:00:00Z" })
            }
            ("POST", "/api/v1/api-keys/{key}/rotate") => json!({ "overlap_seconds": 60 }),
            ("POST", "/api/v1/users/{user}/mandates") => {
                samples::mandate("lingua", "translation", &["read"])
            }
            _ => return None,
        })
    }

    #[expect(clippy::too_many_lines, reason = "a table: one request a route")]
    fn content(&self, method: &str, template: &str) -> Option<(&'static str, String)> {
        if let Some(form) = self.form(method, template) {
            return Some(("application/x-www-form-urlencoded", form));
        }
        let last = template.rsplit('/').next().unwrap();
        let secret = |it: &str| self.secrets[it].clone();
        if let Some(body) = self.of_identity(method, template) {
            return Some(("application/json", body.to_string()));
        }
        let body = match (method, template) {
            ("POST", "/api/v1/tools") => samples::translate("mutant"),
            ("PATCH", "/api/v1/tools/{tool}") => {
                json!({ "description": "Another", "tags": ["a"], "cost_per_call": 0.5 })
            }
            ("POST", "/api/v1/tools/import") => samples::api("imported"),
            ("POST", "/api/v1/tools/remote/test-connection") => {
                json!({ "server_url": "https://127.0.0.1/mcp", "transport_preference": "auto" })
            }
            ("POST", "/api/v1/tools/{tool}/versions") => {
                json!({ "version": "1.1.0", "description": "Another" })
            }
            ("POST", "/api/v1/tools/{tool}/access") => {
                json!({ "scopes": ["read"], "ttl_seconds": 60 })
            }
            ("PUT", "/api/v1/tools/{tool}/account") => {
                json!({ "token": "t", "headers": { "X-Tenant": "a" } })
            }
            ("POST", "/api/v1/tools/{tool}/invoke") => {
                json!({ "arguments": { "text": "a" }, "confirm_consequential": true })
            }
            ("POST", "/api/v1/agent/execute") => {
                json!({ "prompt": "a", "custom_actions": { "translate": { "text": "a" } },
                        "confirm_consequential": true })
            }
            ("POST", "/api/v1/credentials") => {
                json!({ "tool": "translate", "scopes": ["read"], "holder_key": "k".repeat(43) })
            }
            ("POST", "/api/v1/credentials/validate") => {
                let arguments = json!({ "text": "a", "n": [1, { "m": null }] });
                json!({ "token": secret("token"), "tool": "translate", "scope": "read", "arguments": arguments })
            }
            ("POST", "/api/v1/grants") => samples::grant("Agent:lingua", "ToolSet:other"),
            ("POST", "/mcp") => json!({
                "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": "translate", "arguments": { "text": "a" } },
            }),
            ("POST", "/oauth/register") => json!({
                "client_name": "An app",
                "redirect_uris": ["https://client.example/callback"],
                "token_endpoint_auth_method": "none",
            }),
            ("PUT", "/api/v1/agents/{agent}/keys") => Holder::ed25519(1).jwks("one"),
            ("POST", "/api/v1/agents/{agent}/secret") => json!({ "overlap_seconds": 60 }),
            ("POST", path) if samples::question(&format!("POST {path}")).is_some() => {
                samples::question(&format!("POST {path}")).unwrap()
            }
            ("POST", "/access/v1/requests") => samples::access_request(
                &self.secrets["client_id"],
                &self.ids["{tool}"],
                "019aa111-0000-7000-8000-000000000000",
            ),
            ("POST", _) if ["approve", "deny", "cancel"].contains(&last) => {
                json!({ "reason": "so" })
            }
            ("POST", "/api/v1/auth/elevate/passkey") => return None,
            ("POST" | "PUT", "/api/v1/policies" | "/api/v1/policies/{policy}") => {
                json!({ "text": samples::POLICY, "note": "why" })
            }
            ("POST", "/api/v1/bundles") => {
                json!({ "files": { "policies/90-ours.cedar": samples::POLICY }, "note": "why" })
            }
            ("POST", "/api/v1/bundles/{bundle}/review") => {
                json!({ "verdict": "yes", "reason": "so" })
            }
            ("GET" | "PUT" | "DELETE", _) => return None,
            _ if WITHOUT_BODY.contains(&last) => return None,
            _ => panic!("say here what a good request for {method} {template} is"),
        };
        Some(("application/json", body.to_string()))
    }

    /// How many there are of what lists show.
    pub async fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for list in ["tools", "users", "agents", "credentials", "api-keys", "bundles", "grants"] {
            counts.insert(list.to_owned(), self.list(list).await.len());
        }
        counts
    }

    pub async fn list(&self, list: &str) -> Vec<Value> {
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("/api/v1/{list}?page_size=200&page_token={token}");
            let page = self.admin.get(&path).await.expect(200);
            all.extend(page["items"].as_array().unwrap().iter().cloned());
            token = page["next_page_token"].as_str().unwrap().to_owned();
            if token.is_empty() {
                return all;
            }
        }
    }
}
