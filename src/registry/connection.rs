//! How a tool is reached.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use crate::secrets::MASK;

/// How a tool is reached. `tool_type` tells which; what else there is, is the type's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "tool_type", rename_all = "snake_case")]
pub enum Connection {
    /// The agent runs it itself; Gatewright holds its schema and vends its credential.
    Function,
    /// An MCP server, or one tool of it.
    Remote(Remote),
    /// One operation of an HTTP API.
    Http(HttpTool),
    /// Gatewright runs it.
    Builtin { builtin: Builtin },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolType {
    /// The agent runs it itself; Gatewright holds its schema and vends its credential.
    Function,
    /// An MCP server, or one tool of it.
    Remote,
    /// One operation of an HTTP API.
    Http,
    /// Gatewright runs it.
    Builtin,
}

/// An MCP server, or one tool of one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Remote {
    pub server_url: String,
    #[serde(default)]
    pub transport_preference: Transport,
    /// Headers that every request carries; their values are secrets.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub static_headers: BTreeMap<String, Masked>,
    /// Whether a call needs a secret that its user has stored for this server.
    #[serde(default)]
    pub requires_per_user_auth: bool,
    #[serde(flatten)]
    pub auth: Auth,
    /// Set for a tool of a server: which server, and what the tool is called there.
    #[serde(default, flatten, skip_serializing_if = "Option::is_none")]
    pub member: Option<Member>,
}

/// The place of a tool on its server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// The id of the tool that stands for the server.
    pub server: Uuid,
    /// The tool's name there.
    pub remote_name: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    #[default]
    Auto,
    StreamableHttp,
    /// HTTP with server-sent events, as of 2024-11-05.
    Sse,
}

/// One operation of an HTTP API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HttpTool {
    /// An URL whose path may name arguments in braces: `https://api.example/users/{id}`.
    pub endpoint: String,
    #[serde(default)]
    pub method: HttpMethod,
    /// Where arguments go that the path does not name. The others go into the query of `GET`,
    /// `HEAD` and `DELETE`, and into a JSON object otherwise.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub argument_in: BTreeMap<String, Place>,
    #[serde(flatten)]
    pub auth: Auth,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    Get,
    Head,
    #[default]
    Post,
    Put,
    Patch,
    Delete,
}

/// Where in a request an argument goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    Query,
    Header,
    /// A member of the JSON object that is the body.
    Json,
    /// The whole body, as JSON.
    Body,
}

/// How Gatewright proves itself to a tool. Secrets are named, and kept elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "auth_method", content = "auth_config", rename_all = "snake_case")]
pub enum Auth {
    #[default]
    None,
    /// The secret `api_key`, in a header or a query parameter.
    ApiKey(KeyPlace),
    /// The secret `token`, as `Authorization: Bearer`.
    Bearer,
    /// The secret `password` (RFC 7617).
    Basic(Username),
    /// A token by client credentials (RFC 6749 section 4.4), with the secret `client_secret`.
    Oauth2(ClientCredentials),
    /// Values leased from a dynamic engine of Vault for the one call.
    Vault(Lease),
    /// A fresh credential of Gatewright's own, for this call and its caller.
    Biscuit,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPlace {
    #[serde(rename = "in")]
    pub place: KeyIn,
    /// Of the header or the parameter.
    pub name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyIn {
    Header,
    Query,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Username {
    pub username: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCredentials {
    pub token_url: String,
    pub client_id: String,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Such as `database/creds/reader`.
    pub path: String,
    /// The headers that carry the leased values: header to name of the value. A value named
    /// `username` beside one named `password` may go as `Authorization: Basic` by `basic`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Whether `username` and `password` go as `Authorization: Basic`.
    #[serde(default)]
    pub basic: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    Llm,
    WebSearch,
    SandboxPython,
}

/// Stands where a secret is: there is one, and this is all there is to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Masked;

impl Connection {
    pub fn tool_type(&self) -> ToolType {
        match self {
            Connection::Function => ToolType::Function,
            Connection::Remote(_) => ToolType::Remote,
            Connection::Http(_) => ToolType::Http,
            Connection::Builtin { .. } => ToolType::Builtin,
        }
    }

    /// The server that this is a tool of.
    pub fn server(&self) -> Option<Uuid> {
        self.member().map(|it| it.server)
    }

    pub fn member(&self) -> Option<&Member> {
        match self {
            Connection::Remote(it) => it.member.as_ref(),
            _ => None,
        }
    }

    /// Whether it leads somewhere that `before` did not: what was kept for those it led to is not
    /// for whoever is there.
    pub fn leads_elsewhere(&self, before: &Connection) -> bool {
        !self.origins().is_subset(&before.origins())
    }

    /// Whom secrets are sent to.
    fn origins(&self) -> BTreeSet<String> {
        let url = match self {
            Connection::Remote(it) => Some(&it.server_url),
            Connection::Http(it) => Some(&it.endpoint),
            Connection::Function | Connection::Builtin { .. } => None,
        };
        let token_url = match self.auth() {
            Auth::Oauth2(it) => Some(&it.token_url),
            _ => None,
        };
        let origin = |it: &String| match Url::parse(it) {
            Ok(url) => url.origin().ascii_serialization(),
            Err(_) => it.clone(),
        };
        url.into_iter().chain(token_url).map(origin).collect()
    }

    /// Whether this stands for a whole MCP server, whose tools are tools of their own.
    pub fn is_server(&self) -> bool {
        matches!(self, Connection::Remote(Remote { member: None, .. }))
    }

    /// How Gatewright proves itself.
    pub fn auth(&self) -> &Auth {
        match self {
            Connection::Remote(it) => &it.auth,
            Connection::Http(it) => &it.auth,
            Connection::Function | Connection::Builtin { .. } => &Auth::None,
        }
    }
}

impl Auth {
    /// The secrets that it cannot do without.
    pub fn secrets(&self) -> &'static [&'static str] {
        match self {
            Auth::None | Auth::Vault(_) | Auth::Biscuit => &[],
            Auth::ApiKey(_) => &["api_key"],
            Auth::Bearer => &["token"],
            Auth::Basic(_) => &["password"],
            Auth::Oauth2(_) => &["client_secret"],
        }
    }
}

impl HttpMethod {
    /// Whether arguments without a place go into the query.
    pub fn asks_by_query(self) -> bool {
        matches!(self, HttpMethod::Get | HttpMethod::Head | HttpMethod::Delete)
    }
}

impl From<HttpMethod> for http::Method {
    fn from(it: HttpMethod) -> http::Method {
        match it {
            HttpMethod::Get => http::Method::GET,
            HttpMethod::Head => http::Method::HEAD,
            HttpMethod::Post => http::Method::POST,
            HttpMethod::Put => http::Method::PUT,
            HttpMethod::Patch => http::Method::PATCH,
            HttpMethod::Delete => http::Method::DELETE,
        }
    }
}

impl Serialize for Masked {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Masked {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Masked)
    }
}

impl JsonSchema for Masked {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Masked".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "const": MASK })
    }
}

impl Builtin {
    /// The arguments that it takes.
    pub fn input_schema(self) -> serde_json::Value {
        let (name, about) = match self {
            Builtin::Llm => ("prompt", "What to say to the model."),
            Builtin::WebSearch => ("query", "What to look for."),
            Builtin::SandboxPython => ("code", "Python source; what it prints is the result."),
        };
        serde_json::json!({
            "type": "object",
            "properties": { name: { "type": "string", "minLength": 1, "description": about } },
            "required": [name],
            "additionalProperties": false,
        })
    }
}
