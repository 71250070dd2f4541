//! What is kept of looking at a server, and of tools that changed behind our back.

use rmcp::model::Implementation;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::drift::Change;
use super::tool::State;
use super::versions::History;
use crate::Result;
use crate::authz::Warrant;
use crate::gateway::mcp::{Dialect, ListedTool, Transport};
use crate::store::Statement;

/// How many probes of one server are kept.
const KEPT_MAX: i64 = 100;

/// A look at a server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    pub id: Uuid,
    /// When: microseconds.
    pub at: i64,
    pub ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dialect: Option<Dialect>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_info: Option<Implementation>,
    pub requires_auth: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_metadata: Option<String>,
    pub response_time_ms: u64,
    /// How many tools there were.
    pub tool_count: usize,
    /// Until when it is believed: microseconds; none of one that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What a probe says that the registry goes by.
#[derive(Clone, Debug)]
pub struct Found {
    pub probed: Probed,
    /// None where the server does not list its tools to whoever has no credentials.
    pub tools: Option<Vec<ListedTool>>,
}

/// Why a tool was taken out of use, and what it would be if it were taken for good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Microseconds.
    pub since: i64,
    /// The state that it had.
    pub before: State,
    pub diff: Vec<Change>,
    /// How its server describes it now; none when it has it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<ListedTool>,
}

/// A look at a server, as the API shows it.
#[derive(Serialize, JsonSchema)]
pub struct ProbeView {
    pub at: jiff::Timestamp,
    pub ok: bool,
    pub detected_transport: Option<Transport>,
    /// The version of MCP that the server speaks.
    pub protocol: Option<String>,
    /// The server's own name and version.
    pub server: Option<String>,
    /// Whether it asks for credentials, or for others than it got.
    pub requires_auth: bool,
    /// Where it says how to get them (RFC 9728).
    pub resource_metadata: Option<String>,
    pub response_time_ms: u64,
    pub tool_count: usize,
    /// Until when the probe is believed; afterwards the server's tools cannot be used.
    pub probe_valid_until: Option<jiff::Timestamp>,
    /// What was wrong.
    pub error: Option<String>,
}

impl From<&Probed> for ProbeView {
    fn from(it: &Probed) -> ProbeView {
        let name = |it: &Implementation| format!("{} {}", it.name, it.version).trim().to_owned();
        ProbeView {
            at: crate::clock::instant(it.at),
            ok: it.ok,
            detected_transport: it.dialect.as_ref().map(|it| it.transport),
            protocol: it.dialect.as_ref().map(|it| it.protocol.to_string()),
            server: it.server_info.as_ref().map(name),
            requires_auth: it.requires_auth,
            resource_metadata: it.resource_metadata.clone(),
            response_time_ms: it.response_time_ms,
            tool_count: it.tool_count,
            probe_valid_until: it.valid_until.map(crate::clock::instant),
            error: it.error.clone(),
        }
    }
}

/// Writes a probe down, and does away with the oldest.
pub(super) fn kept(tool: Uuid, probed: &Probed) -> Result<[Statement; 2]> {
    let body = serde_json::to_string(probed).map_err(anyhow::Error::from)?;
    Ok([
        Statement::new("INSERT INTO tool_probes (id, tool_id, body) VALUES ($1, $2, $3)")
            .bind(probed.id)
            .bind(tool)
            .bind(body),
        Statement::new(
            "DELETE FROM tool_probes WHERE tool_id = $1 AND id <
                (SELECT id FROM tool_probes WHERE tool_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
        )
        .bind(tool)
        .bind(KEPT_MAX - 1),
    ])
}

impl History {
    /// The probes of a server, newest first, from before `before` on.
    pub async fn probes(
        &self,
        _: &Warrant,
        server: Uuid,
        before: Option<Uuid>,
        count: usize,
    ) -> Result<Vec<Probed>> {
        let before = before.unwrap_or(Uuid::max());
        let rows = self
            .db
            .query(
                "SELECT body FROM tool_probes WHERE tool_id = $1 AND id < $2
                 ORDER BY id DESC LIMIT $3",
                vec![server.into(), before.into(), i64::try_from(count).unwrap_or(i64::MAX).into()],
            )
            .await?;
        let read = |row: &crate::store::Row| {
            Ok(serde_json::from_str(row.text(0)?).map_err(anyhow::Error::from)?)
        };
        rows.iter().map(read).collect()
    }
}
