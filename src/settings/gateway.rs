//! Settings of calls that go through the gateway to a tool.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// Calls of tools through Gatewright.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// A call of a tool that takes longer is given up, in seconds.
    #[schemars(range(min = 1, max = 600))]
    pub timeout_seconds: u32,
    /// An answer of a tool that is larger is refused, in bytes.
    #[schemars(range(min = 1024, max = 16777216))]
    pub response_bytes_max: u32,
    /// Python (3.8 or later) that runs code for agents, shut off from this host. Without one, no
    /// code is run. `gatewright doctor` says whether this host can do it.
    #[schemars(example = &"/usr/bin/python3")]
    pub sandbox: Option<PathBuf>,
    /// Code that runs longer is ended, in seconds; its processor time is limited alike.
    #[schemars(range(min = 1, max = 600))]
    pub sandbox_timeout_seconds: u32,
    /// Memory that code may ask for, in MiB.
    #[schemars(range(min = 64, max = 65536))]
    pub sandbox_memory_mib: u32,
    /// What code may keep in files while it runs, in MiB; they lie in memory as well.
    #[schemars(range(min = 1, max = 4096))]
    pub sandbox_scratch_mib: u32,
    /// Code that prints more is ended, in KiB.
    #[schemars(range(min = 1, max = 16384))]
    pub sandbox_output_kib: u32,
    /// How many codes may run at a time; more are refused.
    #[schemars(range(min = 1, max = 256))]
    pub sandbox_runs_max: u32,
    /// Where Ollama answers: what the built-in tool `llm` asks. Plain http only on this machine, or
    /// where `outbound.internal_origins` says so.
    #[schemars(with = "Option<String>", example = &"http://127.0.0.1:11434")]
    pub ollama_url: Option<Url>,
    /// The model that Ollama runs.
    #[schemars(example = &"llama3.1:8b")]
    pub ollama_model: Option<String>,
    /// Where a service like OpenAI's answers, up to `/v1/chat/completions`, in place of Ollama. Its
    /// key is the secret `api_key` of the tool.
    #[schemars(with = "Option<String>", example = &"https://api.openai.com")]
    pub openai_url: Option<Url>,
    /// The model that the service runs.
    #[schemars(example = &"gpt-4o-mini")]
    pub openai_model: Option<String>,
    /// Where the search engine answers that the built-in tool `web_search` asks.
    #[schemars(with = "Option<String>", example = &"https://searx.example")]
    pub search_url: Option<Url>,
    /// How it is asked. The key for Brave is the secret `api_key` of the tool.
    pub search_kind: SearchKind,
}

/// Search engines, by how they are asked: SearXNG with its JSON format switched on, and Brave's API
/// or one like it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SearchKind {
    #[default]
    Searxng,
    Brave,
}

/// Which tool each action of `/api/v1/agent/execute` is, by name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Actions {
    /// What `web_query` is given to, as `query`.
    pub web_search: String,
    /// What `calculator_expression` is given to, as `expression`.
    pub calculator: String,
    /// What `db_keyword` is given to, as `query`.
    pub external_db: String,
    /// What `prompt` is given to, as `prompt`.
    pub llm: String,
    /// What `python_code` is given to, as `code`.
    pub sandbox_python: String,
}

impl Default for Actions {
    fn default() -> Actions {
        Actions {
            web_search: "web_search".into(),
            calculator: "calculator__calculate".into(),
            external_db: "records__search".into(),
            llm: "llm".into(),
            sandbox_python: "sandbox_python".into(),
        }
    }
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway {
            timeout_seconds: 30,
            response_bytes_max: 1024 * 1024,
            ollama_url: None,
            ollama_model: None,
            openai_url: None,
            openai_model: None,
            search_url: None,
            search_kind: SearchKind::default(),
            sandbox: None,
            sandbox_timeout_seconds: 10,
            sandbox_memory_mib: 256,
            sandbox_scratch_mib: 16,
            sandbox_output_kib: 64,
            sandbox_runs_max: 4,
        }
    }
}

/// Looking at the MCP servers that tools are on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Probe {
    /// A server that takes longer to tell what it is and which tools it has fails its probe, in
    /// seconds.
    #[schemars(range(min = 1, max = 60))]
    pub timeout_seconds: u32,
    /// How long a probe is believed, in seconds; tools whose server was not probed since cannot be
    /// used. Servers are probed again by themselves before.
    #[schemars(range(min = 2, max = 31536000))]
    pub stale_after_seconds: u32,
    /// Whether tools may be reached at private and loopback addresses, and by plain http there;
    /// never at metadata or link-local ones.
    pub allow_private_networks: bool,
}

impl Default for Probe {
    fn default() -> Probe {
        Probe { timeout_seconds: 5, stale_after_seconds: 86_400, allow_private_networks: false }
    }
}
