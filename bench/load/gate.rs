//! The Gatewright under load: its release binary with the starter policies, as an operator runs it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::Client;
use serde_json::{Value, json};

use crate::pin::Camps;
use crate::process::Process;
use crate::wire::request;

/// Policies allow 100 uses a minute to each pair of agent and tool: so many that no quota is met.
const AGENTS: usize = 40;
const TOOLS: usize = 40;
const PASSWORD: &str = "Adm1n-of-the-bench";
pub const ASK: &str = r#"{"scopes":["read","translate"],"ttl_seconds":600}"#;

/// Where the audit and everything else goes.
#[derive(Clone, Copy, Debug)]
pub enum Store {
    Disk,
    Memory,
}

pub struct Gate {
    pub process: Process,
    /// `GET /api/v1/tools/{id}` by an agent: the cheapest guarded decision.
    pub decide: Vec<Vec<u8>>,
    /// `POST /api/v1/tools/{id}/access` by an agent.
    pub vend: Vec<Vec<u8>>,
}

impl Gate {
    /// A server with enough agents and tools that no quota is met.
    pub fn populated(camps: &Camps, folder: &Path, store: Store) -> Gate {
        let folder = folder.join(format!("{store:?}").to_lowercase());
        std::fs::create_dir(&folder).unwrap();
        let process = start(camps, &folder, store);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let (tokens, tools) = runtime.block_on(populate(process.address, AGENTS, TOOLS));
        let (mut decide, mut vend) = (Vec::new(), Vec::new());
        for tool in &tools {
            for token in &tokens {
                decide.push(request("GET", &format!("/api/v1/tools/{tool}"), token, ""));
                vend.push(request("POST", &format!("/api/v1/tools/{tool}/access"), token, ASK));
            }
        }
        Gate { process, decide, vend }
    }

    /// Makes a store in `folder` with one tool and one agent, and stops.
    pub fn found(camps: &Camps, folder: &Path) {
        let process = start(camps, folder, Store::Disk);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(populate(process.address, 1, 1));
    }
}

/// Where a server in `folder` keeps everything.
pub fn store_file(folder: &Path) -> PathBuf {
    folder.join("gatewright.db")
}

/// Starts a server on what is in `folder`.
pub fn start(camps: &Camps, folder: &Path, store: Store) -> Process {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let binary = std::env::var_os("GATEWRIGHT_BIN")
        .unwrap_or_else(|| env!("CARGO_BIN_EXE_gatewright").into());
    let database = match store {
        Store::Disk => format!("sqlite:{}", store_file(folder).display()),
        Store::Memory => "sqlite::memory:".to_owned(),
    };
    let mut command = Command::new(binary);
    command.arg("serve").current_dir(folder).env_clear();
    for (name, value) in [
        ("LISTEN", "127.0.0.1:0".to_owned()),
        ("DATABASE__URL", database),
        ("POLICY__DIR", root.join("policies").display().to_string()),
        ("POLICY__SCHEMA_DIR", root.join("schemas").display().to_string()),
        ("AUTH__KEY_FILE", folder.join("access.key").display().to_string()),
        ("CREDENTIALS__KEY_FILE", folder.join("credentials.key").display().to_string()),
        ("AUDIT__KEY_FILE", folder.join("audit.key").display().to_string()),
        ("AUTH__BOOTSTRAP_ADMIN_USERNAME", "admin".to_owned()),
        ("AUTH__BOOTSTRAP_ADMIN_PASSWORD", PASSWORD.to_owned()),
        ("RATE_LIMITS__LOGIN_IP", "100000/minute".to_owned()),
        ("LOG__FORMAT", "json".to_owned()),
    ] {
        command.env(format!("GATEWRIGHT_{name}"), value);
    }
    Process::start(camps, command, &folder.join("server.log"), serving)
}

fn serving(line: &str) -> Option<SocketAddr> {
    let event: Value = serde_json::from_str(line).ok()?;
    if event["message"] != "serving" {
        return None;
    }
    event["address"].as_str()?.parse().ok()
}

/// Registers agents and tools: the agents' tokens, the tools' ids.
async fn populate(address: SocketAddr, agents: usize, tools: usize) -> (Vec<String>, Vec<String>) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = Client::builder().no_proxy().build().unwrap();
    let url = |path: &str| format!("http://{address}{path}");
    let login = json!({ "username": "admin", "password": PASSWORD });
    let signed_in = answer(http.post(url("/api/v1/auth/login")).json(&login)).await;
    let admin = text(&signed_in["access_token"]);
    let mut ids = Vec::new();
    for at in 0..tools {
        let post = http.post(url("/api/v1/tools")).bearer_auth(&admin).json(&definition(at));
        ids.push(text(&answer(post).await["id"]));
    }
    let mut tokens = Vec::new();
    for at in 0..agents {
        let body = json!({ "name": format!("agent-{at}"), "role": "translator" });
        let post = http.post(url("/api/v1/register/machine")).bearer_auth(&admin).json(&body);
        let agent = answer(post).await;
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", text(&agent["client_id"])),
            ("client_secret", text(&agent["client_secret"])),
        ];
        let token = answer(http.post(url("/oauth/token")).form(&form)).await;
        tokens.push(text(&token["access_token"]));
    }
    (tokens, ids)
}

async fn answer(request: reqwest::RequestBuilder) -> Value {
    let answer = request.send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{status}: {body}");
    serde_json::from_str(&body).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn definition(at: usize) -> Value {
    json!({
        "tool_type": "function",
        "name": format!("translate_{at}"),
        "description": "Translates a text into another language",
        "tags": ["translation"],
        "scopes": ["read", "translate"],
        "required_scopes": ["agent:translate"],
        "input_schema": { "type": "object", "properties": { "text": { "type": "string" } } },
    })
}
