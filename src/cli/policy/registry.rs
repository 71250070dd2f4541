//! What a server knows that policies may speak of, asked over its API.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use reqwest::Url;
use serde_json::Value;

use crate::authz::uid::Kind;
use crate::cli::api::{Api, Failure};
use crate::cli::token::fetch::url;
use crate::policy::{KnownTool, Landscape};

#[derive(Debug, Args)]
pub struct Registry {
    /// A server whose tools and principals policies speak of; it is asked as whoever the token
    /// stands for, and tells what that may see
    #[arg(long, value_parser = url)]
    url: Option<Url>,
    /// File that holds an access token or an API key; without it, the variable GATEWRIGHT_TOKEN
    #[arg(long, value_name = "FILE", requires = "url")]
    token_file: Option<PathBuf>,
}

impl Registry {
    /// What there is; none where no server is named.
    ///
    /// # Errors
    /// The server cannot be asked, or does not list its tools.
    pub async fn landscape(&self) -> Result<Option<Arc<dyn Landscape>>, Failure> {
        let Some(url) = &self.url else { return Ok(None) };
        told_by(&Api::at(url, self.token_file.as_deref())?).await.map(Some)
    }
}

/// What a server tells whoever asks it.
///
/// # Errors
/// As [`Registry::landscape`].
pub async fn told_by(api: &Api) -> Result<Arc<dyn Landscape>, Failure> {
    let mut told = Told::default();
    for tool in api.list("/api/v1/tools", "").await? {
        told.take(&tool);
    }
    for (kind, path, name) in
        [(Kind::Agent, "/api/v1/agents", "name"), (Kind::User, "/api/v1/users", "username")]
    {
        match api.list(path, "").await {
            Ok(members) => told.take_all(kind, &members, name),
            // Who may not see them cannot tell what is missing.
            Err(Failure::Refused { status: 403 | 404, .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Arc::new(told))
}

/// What a server told.
#[derive(Default)]
struct Told {
    /// By name, without regard to case.
    tools: BTreeMap<String, KnownTool>,
    ids: BTreeMap<&'static str, BTreeSet<String>>,
    /// Ids by the names that people know: agents' and users'.
    names: BTreeMap<(&'static str, String), String>,
}

impl Told {
    fn take(&mut self, tool: &Value) {
        let text = |key: &str| tool.get(key).and_then(Value::as_str).unwrap_or_default();
        let (id, name, kind) = (text("id"), text("name"), text("tool_type"));
        self.add(Kind::Tool, id);
        for (kind, key) in
            [(Kind::ToolSet, "tags"), (Kind::Scope, "scopes"), (Kind::Scope, "required_scopes")]
        {
            let words = tool.get(key).and_then(Value::as_array).into_iter().flatten();
            words.filter_map(Value::as_str).for_each(|it| self.add(kind, it));
        }
        // All tools of a server are a set by its name.
        if kind == "remote" {
            self.add(Kind::ToolSet, &name.to_lowercase());
        }
        let known = KnownTool {
            id: id.to_owned(),
            name: name.to_owned(),
            input_schema: Arc::new(tool.get("input_schema").cloned().unwrap_or_default()),
            is_called_here: kind != "function",
        };
        self.tools.insert(name.to_lowercase(), known);
    }

    fn take_all(&mut self, kind: Kind, members: &[Value], name: &str) {
        self.ids.entry(kind.name()).or_default();
        for it in members {
            let text = |key: &str| it.get(key).and_then(Value::as_str).unwrap_or_default();
            self.add(kind, text("id"));
            self.names.insert((kind.name(), text(name).to_lowercase()), text("id").to_owned());
        }
    }

    fn add(&mut self, kind: Kind, id: &str) {
        self.ids.entry(kind.name()).or_default().insert(id.to_owned());
    }
}

impl Landscape for Told {
    fn tool(&self, name: &str) -> Option<KnownTool> {
        self.tools.get(&name.to_lowercase()).cloned()
    }

    fn tool_names(&self) -> Vec<String> {
        self.tools.values().map(|it| it.name.clone()).collect()
    }

    fn ids(&self, kind: Kind) -> Option<BTreeSet<String>> {
        match kind {
            // A server without tools has none of these.
            Kind::Tool | Kind::ToolSet | Kind::Scope => {
                Some(self.ids.get(kind.name()).cloned().unwrap_or_default())
            }
            _ => self.ids.get(kind.name()).cloned(),
        }
    }

    fn named(&self, kind: Kind, name: &str) -> Option<String> {
        match kind {
            Kind::Tool => self.tool(name).map(|it| it.id),
            _ => self.names.get(&(kind.name(), name.to_lowercase())).cloned(),
        }
    }
}
