//! The tools that `dev` and `demo` begin with: samples, and the actions of agents.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use url::Url;

use super::client::Client;
use crate::clock::Clock;
use crate::settings::{Origin, Settings};
use crate::tools::calculator::Calculator;
use crate::tools::records::Records;
use crate::tools::{Options, Provider, Seat, ToolServer};

const MAX_FEED_AGE: SignedDuration = SignedDuration::from_secs(60);

/// Ports for the tool servers of the actions, taken before the gateway starts, which must know them.
pub struct Seats {
    calculator: Seat,
    records: Seat,
}

/// The tool servers of the actions, in this process.
pub struct Sampled {
    calculator: ToolServer,
    records: ToolServer,
}

impl Seats {
    pub fn take() -> anyhow::Result<Seats> {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Ok(Seats { calculator: Seat::take(anywhere)?, records: Seat::take(anywhere)? })
    }

    /// Lets the gateway call them, and nothing else on this machine.
    pub fn allow(&self, settings: &mut Settings) {
        let origins = [&self.calculator, &self.records]
            .map(|it| Origin::of_listener(&http::uri::Scheme::HTTP, it.address));
        settings.outbound.internal_origins.extend(origins);
    }

    /// Starts the servers, for credentials of the gateway at this URL.
    pub async fn serve(self, gateway: &str, clock: &Clock) -> anyhow::Result<Sampled> {
        let gateway: Url = gateway.parse()?;
        let start = async |seat, name: &str, provider: Arc<dyn Provider>| {
            let options = Options {
                hosts: Vec::new(),
                public_url: None,
                tls: None,
                gateway: gateway.clone(),
                ca_file: None,
                issuer: None,
                name: name.to_owned(),
                scopes: vec!["call".to_owned()],
                max_feed_age: MAX_FEED_AGE,
            };
            ToolServer::start(seat, provider, options, clock.clone()).await
        };
        let records = Records::sample(clock)?;
        Ok(Sampled {
            calculator: start(self.calculator, "calculator", Arc::new(Calculator)).await?,
            records: start(self.records, "records", Arc::new(records)).await?,
        })
    }
}

impl Sampled {
    /// Registers the tools of all actions, each with the scope that it needs.
    pub async fn register(&self, admin: &Client) -> anyhow::Result<()> {
        let server = |name: &str, about: &str, needs: &str, at: SocketAddr| {
            json!({
                "tool_type": "remote",
                "name": name,
                "description": about,
                "server_url": format!("http://{at}/mcp"),
                "auth_method": "biscuit",
                "scopes": ["call"],
                "required_scopes": [needs],
            })
        };
        let (calculator, records) = (self.calculator.address, self.records.address);
        for tool in [
            server("calculator", "Computes arithmetic exactly", "agent:calc", calculator),
            server("records", "Searches a knowledge base", "agent:db_read", records),
            builtin("web_search", "Searches the web", "agent:web_search"),
            builtin("llm", "Asks a language model", "agent:llm"),
            sandbox(),
        ] {
            admin.post("/api/v1/tools", &tool).await?.ok()?;
        }
        Ok(())
    }

    pub async fn stop(self) {
        tokio::join!(self.calculator.stop(), self.records.stop());
    }
}

fn builtin(name: &str, about: &str, needs: &str) -> Value {
    json!({
        "tool_type": "builtin",
        "builtin": name,
        "name": name,
        "description": about,
        "scopes": ["call"],
        "required_scopes": [needs],
    })
}

/// Whoever runs code does something that cannot be foreseen: it takes an approval.
fn sandbox() -> Value {
    let mut tool =
        builtin("sandbox_python", "Runs Python without network and files", "agent:code_exec");
    if let Some(tool) = tool.as_object_mut() {
        tool.insert("risk_level".to_owned(), "high".into());
        tool.insert("consequential".to_owned(), true.into());
    }
    tool
}

/// Translation, which role `translator` may use.
pub fn translate() -> Value {
    json!({
        "tool_type": "function",
        "name": "translate",
        "display_name": "Translate",
        "description": "Translates a text into another language",
        "tags": ["translation"],
        "risk_level": "low",
        "scopes": ["read", "translate"],
        "required_scopes": ["agent:translate"],
        "max_ttl_seconds": 3600,
        "input_schema": {
            "type": "object",
            "properties": { "text": { "type": "string" }, "to": { "type": "string" } },
            "required": ["text", "to"],
            "additionalProperties": false
        }
    })
}

/// A tool with consequences.
pub fn transfer() -> Value {
    json!({
        "tool_type": "function",
        "name": "transfer_money",
        "description": "Moves money between accounts",
        "risk_level": "high",
        "consequential": true,
        "scopes": ["pay"],
        "required_scopes": ["agent:execute"],
        "max_ttl_seconds": 300,
        "input_schema": {
            "type": "object",
            "properties": { "amount": { "type": "number" }, "to": { "type": "string" } },
            "required": ["amount", "to"]
        }
    })
}
