//! What a publisher sends: a new tool, or changes to one.

use std::collections::{BTreeMap, BTreeSet};

use http::HeaderValue;
use schemars::JsonSchema;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{
    Auth, Builtin, Connection, HttpMethod, HttpTool, Masked, Place, Remote, ToolType, Transport,
};
use super::definition::{Definition, RiskLevel, dollars};
use crate::error::FieldFault;
use crate::secrets::{Change, SecretName};
use crate::{Error, Result};

const TTL_SECONDS_DEFAULT: u32 = 3_600;
/// What a static header is called among the secrets of its tool.
pub const HEADER: &str = "header:";

/// Declares what both bodies may hold besides what a new tool must.
macro_rules! bodies {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)*) => {
        /// A new tool.
        #[derive(Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct NewTool {
            pub tool_type: ToolType,
            /// Unique without regard to case.
            #[schemars(regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"), length(max = 64))]
            pub name: String,
            /// What a credential for this tool may carry: the tool's own words.
            pub scopes: BTreeSet<String>,
            /// Which of those that Gatewright runs itself; for the type `builtin`.
            pub builtin: Option<Builtin>,
            $($(#[$meta])* pub $field: Option<$type>,)*
        }

        /// What `PATCH` may change; what is left out stays as it is.
        #[derive(Debug, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct ToolPatch {
            pub name: Option<String>,
            pub scopes: Option<BTreeSet<String>>,
            $($(#[$meta])* pub $field: Option<$type>,)*
        }

        impl NewTool {
            fn into_patch(self) -> (ToolType, Option<Builtin>, ToolPatch) {
                let patch = ToolPatch {
                    name: Some(self.name),
                    scopes: Some(self.scopes),
                    $($field: self.$field,)*
                };
                (self.tool_type, self.builtin, patch)
            }
        }
    };
}

bodies! {
    display_name: String,
    description: String,
    version: String,
    /// JSON Schema 2020-12 of the arguments, complete in itself. Remote and built-in tools bring
    /// their own.
    input_schema: Value,
    /// Policies know a tag as the tool set of the same name.
    tags: BTreeSet<String>,
    risk_level: RiskLevel,
    /// Whether a call has effects that a person must confirm.
    consequential: bool,
    /// What its callers' access tokens must hold.
    required_scopes: BTreeSet<String>,
    #[schemars(range(min = 1, max = 86400))]
    max_ttl_seconds: u32,
    /// US dollars that one use costs, to the millionth.
    #[serde(default, deserialize_with = "dollars::optional")]
    #[schemars(with = "Option<f64>", range(min = 0, max = 1000))]
    cost_per_call: i64,
    /// Where the MCP server answers; for the type `remote`.
    server_url: String,
    transport_preference: Transport,
    /// Headers that every request to the server carries. Their values are never shown again; what
    /// is left out stays, and null takes a header away.
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    static_headers: BTreeMap<String, Option<SecretString>>,
    /// Whether a call needs a secret that its user has stored for this server.
    requires_per_user_auth: bool,
    /// An URL whose path may name arguments in braces; for the type `http`.
    endpoint: String,
    method: HttpMethod,
    /// Where arguments go that the path does not name.
    argument_in: BTreeMap<String, Place>,
    /// How Gatewright proves itself to the tool: `none`, `api_key`, `bearer`, `basic`, `oauth2`,
    /// `vault` or `biscuit`.
    auth_method: String,
    auth_config: Value,
    /// Secrets by name, write-only: `api_key`, `token`, `password` or `client_secret`, as
    /// `auth_method` needs. What is left out stays, and null takes a secret away.
    #[schemars(with = "Option<BTreeMap<String, Option<String>>>")]
    secrets: BTreeMap<String, Option<SecretString>>,
}

impl NewTool {
    /// The tool that is asked for, and the secrets that came with it.
    ///
    /// # Errors
    /// Everything that cannot be accepted, at once.
    pub fn definition(self) -> Result<(Definition, Change)> {
        let (tool_type, builtin, mut patch) = self.into_patch();
        let connection = begun(tool_type, builtin, &patch)?;
        let input_schema = match &connection {
            Connection::Builtin { builtin } => builtin.input_schema(),
            Connection::Remote(_) => json!({ "type": "object" }),
            Connection::Function | Connection::Http(_) => patch
                .input_schema
                .take()
                .ok_or_else(|| Error::field("/input_schema", "missing field `input_schema`"))?,
        };
        let blank = blank(connection, input_schema);
        let definition = patch.apply(&blank)?;
        let change = patch.change(&BTreeSet::new())?;
        Ok((definition, change))
    }
}

/// A tool of which nothing optional is said yet.
fn blank(connection: Connection, input_schema: Value) -> Definition {
    Definition {
        connection,
        input_schema,
        name: String::new(),
        display_name: String::new(),
        description: String::new(),
        version: "1.0.0".into(),
        tags: BTreeSet::new(),
        risk_level: RiskLevel::Low,
        consequential: false,
        scopes: BTreeSet::new(),
        required_scopes: BTreeSet::new(),
        max_ttl_seconds: TTL_SECONDS_DEFAULT,
        cost_per_call: 0,
    }
}

/// Refuses a tool that lacks a secret it cannot be called without.
pub(super) fn complete(definition: &Definition, secrets: &BTreeSet<SecretName>) -> Result<()> {
    let needed = definition.connection.auth().secrets().iter();
    Error::check(needed.map(|name| {
        (!secrets.iter().any(|it| it.as_str() == *name)).then(|| FieldFault {
            pointer: format!("/secrets/{name}"),
            detail: "is needed by `auth_method`".into(),
        })
    }))
}

/// A connection of the type asked for, before anything optional is said about it.
fn begun(tool_type: ToolType, builtin: Option<Builtin>, patch: &ToolPatch) -> Result<Connection> {
    if builtin.is_some() && tool_type != ToolType::Builtin {
        return Err(not_of("builtin", tool_type));
    }
    let needed = |field: &Option<String>, name: &str| {
        let missing = || Error::field(&format!("/{name}"), format!("missing field `{name}`"));
        field.clone().ok_or_else(missing)
    };
    Ok(match tool_type {
        ToolType::Function => Connection::Function,
        ToolType::Remote => Connection::Remote(Remote {
            server_url: needed(&patch.server_url, "server_url")?,
            transport_preference: Transport::default(),
            static_headers: BTreeMap::new(),
            requires_per_user_auth: false,
            auth: Auth::None,
            member: None,
        }),
        ToolType::Http => Connection::Http(HttpTool {
            endpoint: needed(&patch.endpoint, "endpoint")?,
            method: HttpMethod::default(),
            argument_in: BTreeMap::new(),
            auth: Auth::None,
        }),
        ToolType::Builtin => Connection::Builtin {
            builtin: builtin.ok_or_else(|| Error::field("/builtin", "missing field `builtin`"))?,
        },
    })
}

fn not_of(field: &str, tool_type: ToolType) -> Error {
    let name = json!(tool_type);
    let name = name.as_str().unwrap_or_default();
    Error::field(&format!("/{field}"), format!("a tool of the type `{name}` has no `{field}`"))
}

impl ToolPatch {
    /// The server that this says how to reach, and nothing else about it.
    ///
    /// # Errors
    /// Everything that cannot be accepted, at once.
    pub fn server(self) -> Result<(Remote, Change)> {
        let connection = begun(ToolType::Remote, None, &self)?;
        let patch = ToolPatch {
            name: Some("server".into()),
            scopes: Some(BTreeSet::from(["use".to_owned()])),
            ..self
        };
        let blank = blank(connection, json!({ "type": "object" }));
        let (definition, change) = (patch.apply(&blank)?, patch.change(&BTreeSet::new())?);
        match definition.connection {
            Connection::Remote(it) => Ok((it, change)),
            _ => Err(Error::internal("a server became something else")),
        }
    }

    /// The definition with the changes in it, checked as a whole.
    pub fn apply(&self, to: &Definition) -> Result<Definition> {
        fn or<T: Clone>(new: &Option<T>, old: &T) -> T {
            new.as_ref().unwrap_or(old).clone()
        }
        self.fitting(to)?;
        let next = Definition {
            connection: self.connection(&to.connection)?,
            name: or(&self.name, &to.name),
            display_name: or(&self.display_name, &to.display_name),
            description: or(&self.description, &to.description),
            version: or(&self.version, &to.version),
            input_schema: or(&self.input_schema, &to.input_schema),
            tags: or(&self.tags, &to.tags),
            risk_level: or(&self.risk_level, &to.risk_level),
            consequential: or(&self.consequential, &to.consequential),
            scopes: or(&self.scopes, &to.scopes),
            required_scopes: or(&self.required_scopes, &to.required_scopes),
            max_ttl_seconds: or(&self.max_ttl_seconds, &to.max_ttl_seconds),
            cost_per_call: or(&self.cost_per_call, &to.cost_per_call),
        };
        next.checked()
    }

    /// Refuses what a tool of this type has none of, every field at once.
    fn fitting(&self, to: &Definition) -> Result<()> {
        let tool_type = to.connection.tool_type();
        let is_member = to.connection.server().is_some();
        let (remote, http) = (tool_type == ToolType::Remote, tool_type == ToolType::Http);
        let given = [
            ("input_schema", self.input_schema.is_some(), tool_type == ToolType::Function || http),
            ("server_url", self.server_url.is_some(), remote && !is_member),
            ("transport_preference", self.transport_preference.is_some(), remote && !is_member),
            ("static_headers", self.static_headers.is_some(), remote && !is_member),
            ("requires_per_user_auth", self.requires_per_user_auth.is_some(), remote && !is_member),
            ("endpoint", self.endpoint.is_some(), http),
            ("method", self.method.is_some(), http),
            ("argument_in", self.argument_in.is_some(), http),
            ("auth_method", self.auth_method.is_some(), http || (remote && !is_member)),
            ("auth_config", self.auth_config.is_some(), http || (remote && !is_member)),
            ("secrets", self.secrets.is_some(), tool_type != ToolType::Function && !is_member),
        ];
        Error::check(given.into_iter().map(|(field, given, fits)| {
            let of = if is_member { "a tool of a server" } else { "a tool of this type" };
            (given && !fits).then(|| FieldFault {
                pointer: format!("/{field}"),
                detail: format!("{of} has no `{field}` of its own"),
            })
        }))
    }

    fn connection(&self, to: &Connection) -> Result<Connection> {
        let mut next = to.clone();
        match &mut next {
            Connection::Function | Connection::Builtin { .. } => {}
            Connection::Remote(it) => {
                set(&mut it.server_url, &self.server_url);
                let moved = Connection::Remote(it.clone()).leads_elsewhere(to);
                if moved {
                    it.static_headers.clear();
                }
                set(&mut it.transport_preference, &self.transport_preference);
                set(&mut it.requires_per_user_auth, &self.requires_per_user_auth);
                for (name, value) in self.static_headers.iter().flatten() {
                    match value {
                        Some(_) => it.static_headers.insert(name.clone(), Masked),
                        None => it.static_headers.remove(name),
                    };
                }
                it.auth = self.auth(&it.auth)?;
            }
            Connection::Http(it) => {
                set(&mut it.endpoint, &self.endpoint);
                set(&mut it.method, &self.method);
                set(&mut it.argument_in, &self.argument_in);
                it.auth = self.auth(&it.auth)?;
            }
        }
        Ok(next)
    }

    fn auth(&self, to: &Auth) -> Result<Auth> {
        if self.auth_method.is_none() && self.auth_config.is_none() {
            return Ok(to.clone());
        }
        let mut tagged = json!(to);
        if let (Some(method), Some(tagged)) = (&self.auth_method, tagged.as_object_mut()) {
            if tagged.get("auth_method").and_then(Value::as_str) != Some(method) {
                tagged.remove("auth_config");
            }
            tagged.insert("auth_method".into(), method.as_str().into());
        }
        if let (Some(config), Some(tagged)) = (&self.auth_config, tagged.as_object_mut()) {
            let nothing = config.is_null() || config.as_object().is_some_and(|it| it.is_empty());
            if !nothing {
                tagged.insert("auth_config".into(), config.clone());
            }
        }
        serde_json::from_value(tagged).map_err(|error| {
            let sentence = error.to_string();
            let method = sentence.contains("unknown variant") && sentence.contains("`vault`");
            Error::field(if method { "/auth_method" } else { "/auth_config" }, sentence)
        })
    }

    /// What becomes of the tool's secrets, of which there are `known`.
    ///
    /// # Errors
    /// Every name and value that cannot be kept.
    pub fn change(&self, known: &BTreeSet<SecretName>) -> Result<Change> {
        let secrets = self.secrets.clone().unwrap_or_default();
        let headers = self.static_headers.clone().unwrap_or_default();
        Error::check(secrets.keys().map(|name| {
            name.starts_with(HEADER).then(|| FieldFault {
                pointer: format!("/secrets/{name}"),
                detail: "is the name of a header: send it in `static_headers`".into(),
            })
        }))?;
        Error::check(headers.iter().map(|(name, value)| {
            let text = value.as_ref().map(|it| it.expose_secret()).unwrap_or_default();
            HeaderValue::from_str(text).is_err().then(|| FieldFault {
                pointer: format!("/static_headers/{name}"),
                detail: "cannot be the value of a header".into(),
            })
        }))?;
        let headers = headers.into_iter().map(|(name, it)| (format!("{HEADER}{name}"), it));
        let secrets = Change::merge("/secrets", secrets, known)?;
        Ok(secrets.and(Change::merge("/static_headers", headers.collect(), known)?))
    }
}

fn set<T: Clone>(to: &mut T, new: &Option<T>) {
    if let Some(new) = new {
        to.clone_from(new);
    }
}
