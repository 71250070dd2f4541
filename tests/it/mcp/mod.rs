//! The MCP server: who sees and calls what, in both eras of the protocol.

mod approvals;
mod attacks;
mod calls;
mod conformance;
mod listing;
mod peers;
mod sessions;
mod taken_back;
mod tokens;

use std::sync::atomic::{AtomicI64, Ordering};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::browser::query;
use crate::harness::client::Client;
use crate::harness::peer::Peer;
use crate::harness::{ADMIN, Answer, Browser, Caller, Gate, PASSWORD, Setup, Upstream, send};

const NEW: &str = "2026-07-28";
const OLD: &str = "2025-11-25";
const ACCEPT: &str = "application/json, text/event-stream";

/// A client that says with every request all there is to say.
struct Mcp {
    caller: Caller,
    ids: AtomicI64,
}

impl Mcp {
    fn of(caller: &Caller) -> Mcp {
        Mcp { caller: caller.clone(), ids: AtomicI64::new(1) }
    }

    /// A request of the new era.
    fn request(&self, method: &str, params: &Value) -> RequestBuilder {
        self.request_of(&json!({}), method, params)
    }

    /// The same of a client that can do this.
    fn request_of(&self, can: &Value, method: &str, params: &Value) -> RequestBuilder {
        let mut params = params.clone();
        let meta = params.as_object_mut().unwrap().entry("_meta").or_insert_with(|| json!({}));
        meta["io.modelcontextprotocol/protocolVersion"] = NEW.into();
        meta["io.modelcontextprotocol/clientCapabilities"] = can.clone();
        let id = self.ids.fetch_add(1, Ordering::SeqCst);
        let request = self.raw(&message(Some(id), method, &params));
        let request = request.header("mcp-protocol-version", NEW).header("mcp-method", method);
        match params["name"].as_str() {
            Some(name) => request.header("mcp-name", name),
            None => request,
        }
    }

    fn raw(&self, body: &Value) -> RequestBuilder {
        self.caller.request(Method::POST, "/mcp").header("accept", ACCEPT).json(body)
    }

    async fn ask(&self, method: &str, params: &Value) -> Value {
        send(self.request(method, params)).await.expect(200)
    }

    async fn list(&self) -> Value {
        self.ask("tools/list", &json!({})).await["result"].clone()
    }

    async fn call(&self, name: &str, arguments: &Value) -> Value {
        self.call_with(name, arguments, &json!({})).await
    }

    async fn call_with(&self, name: &str, arguments: &Value, meta: &Value) -> Value {
        let params = json!({ "name": name, "arguments": arguments, "_meta": meta });
        self.ask("tools/call", &params).await["result"].clone()
    }
}

/// A client that begins with `initialize`.
struct Old {
    mcp: Mcp,
    session: String,
}

impl Old {
    async fn begin(caller: &Caller) -> Old {
        let mcp = Mcp::of(caller);
        let answer = send(mcp.raw(&message(Some(0), "initialize", &hello()))).await;
        assert_eq!(answer.expect(200)["result"]["protocolVersion"], OLD);
        let session = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let old = Old { mcp, session };
        let ready = message(None, "notifications/initialized", &json!({}));
        assert_eq!(send(old.request(&ready)).await.status, 202);
        old
    }

    fn request(&self, body: &Value) -> RequestBuilder {
        let request = self.mcp.raw(body).header("mcp-session-id", &self.session);
        request.header("mcp-protocol-version", OLD)
    }

    async fn ask(&self, id: i64, method: &str, params: &Value) -> Answer {
        send(self.request(&message(Some(id), method, params))).await
    }
}

fn hello() -> Value {
    json!({
        "protocolVersion": OLD, "capabilities": {},
        "clientInfo": { "name": "a test", "version": "1" },
    })
}

fn message(id: Option<i64>, method: &str, params: &Value) -> Value {
    let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
    if let Some(id) = id {
        message["id"] = id.into();
    }
    message
}

/// A server whose tools may be on this machine.
fn setup() -> Setup {
    Setup::new().with("probe.allow_private_networks", "true")
}

/// An HTTP tool that agents may call.
fn tool(name: &str, endpoint: &str, more: &Value) -> Value {
    let mut tool = json!({
        "tool_type": "http", "name": name, "endpoint": endpoint,
        "scopes": ["call"], "required_scopes": ["agent:calc"],
        "input_schema": {
            "type": "object",
            "properties": { "id": { "type": "string" }, "amount": { "type": "integer" } },
            "additionalProperties": false,
        },
    });
    tool.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    tool
}

/// A token for the MCP server, with these scopes or all that there are.
async fn token_for_mcp(gate: &Gate, agent: &Value, scope: Option<&str>) -> Caller {
    let resource = format!("{}/mcp", gate.url);
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", agent["client_id"].as_str().unwrap()),
        ("client_secret", agent["client_secret"].as_str().unwrap()),
        ("resource", &resource),
    ];
    form.extend(scope.map(|it| ("scope", it)));
    let tokens = gate.anyone().form("/oauth/token", &form).await.expect(200);
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

/// The administrator's token that a client was given for this resource, with these scopes.
async fn token_of_person(gate: &Gate, client: &Client, resource: &str, scope: &str) -> Caller {
    let asks = client.asks(&[("resource", resource), ("scope", scope)]);
    let mut browser = Browser::at(gate);
    let page = browser.sign_in_for(&asks, ADMIN, PASSWORD).await;
    // Who has allowed it before is not asked again.
    let back = match page.onward() {
        Some(back) => back,
        None => {
            let form = page.form("/oauth/consent").with("decision", "allow");
            browser.submit(&form).await.onward().unwrap()
        }
    };
    let tokens = client.redeem(&query(&back)["code"], &[]).await.expect(200);
    Caller::new(&gate.url, tokens["access_token"].as_str())
}

/// A gate, what stands behind it, its administrator, an agent and its MCP client.
struct Scene {
    gate: Gate,
    upstream: Upstream,
    admin: Caller,
    agent: Value,
    mcp: Mcp,
}

impl Scene {
    async fn open() -> Scene {
        Scene::on(setup()).await
    }

    async fn on(setup: Setup) -> Scene {
        let (gate, upstream) = (setup.start(), Upstream::open().await);
        let admin = gate.admin().await;
        let (agent, _) = gate.agent("lingua", "agent").await;
        let mcp = Mcp::of(&token_for_mcp(&gate, &agent, None).await);
        Scene { gate, upstream, admin, agent, mcp }
    }

    async fn add(&self, name: &str, path: &str, more: &Value) -> Value {
        let tool = tool(name, &self.upstream.url(path), more);
        self.admin.post("/api/v1/tools", &tool).await.expect(201)
    }

    /// Registers the MCP server with the tools of the conformance suite, as `suite`, for as long as
    /// it is held.
    async fn suite_tools(&self) -> Peer {
        let mut behind = Peer::python("mcp_suite_tools.py", &[]);
        let server = json!({
            "tool_type": "remote", "name": "suite", "server_url": behind.says()["url"],
            "scopes": ["use"], "required_scopes": [],
        });
        self.admin.post("/api/v1/tools", &server).await.expect(201);
        behind
    }

    /// What the audit holds of this event, newest first.
    async fn entries(&self, event: &str) -> Vec<Value> {
        let found = self.admin.get(&format!("/api/v1/audit-events?action={event}")).await;
        let found = found.expect(200);
        found["items"].as_array().unwrap().iter().map(|it| it["entry"].clone()).collect()
    }
}
