//! What tools were: their definitions as they were pinned, kept for as long as the tool is.

use std::sync::Arc;

use uuid::Uuid;

use super::definition::Definition;
use super::tool::Tool;
use crate::Result;
use crate::authz::Warrant;
use crate::store::{Database, Row, Statement};

/// A definition that a tool has, or had.
#[derive(Clone, Debug)]
pub struct Version {
    /// Counts the changes of the tool; unique in it.
    pub number: i64,
    pub digest: String,
    pub definition: Definition,
    /// The decision that made it.
    pub decision: Option<Uuid>,
    pub created_at: i64,
}

/// Writes down the definition that a tool has from now on.
pub(super) fn made(warrant: &Warrant, tool: &Tool) -> Result<Statement> {
    statement(tool, Some(warrant.decision()), tool.updated_at)
}

/// Writes down the definition that a tool had before versions were kept, if nobody has.
pub(super) fn recalled(tool: &Tool) -> Result<Statement> {
    statement(tool, None, tool.created_at)
}

fn statement(tool: &Tool, decision: Option<Uuid>, created_at: i64) -> Result<Statement> {
    let definition = serde_json::to_string(&tool.definition).map_err(anyhow::Error::from)?;
    let insert = Statement::new(
        "INSERT INTO tool_versions
            (tool_id, number, version, digest, definition, decision_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tool_id, number) DO NOTHING",
    );
    Ok(insert
        .bind(tool.id)
        .bind(tool.pinned)
        .bind(tool.definition.version.as_str())
        .bind(tool.digest())
        .bind(definition)
        .bind(decision)
        .bind(created_at))
}

/// Does away with what was kept of a tool.
pub(super) fn forgotten(tool: Uuid) -> [Statement; 2] {
    [
        Statement::new("DELETE FROM tool_versions WHERE tool_id = $1").bind(tool),
        Statement::new("DELETE FROM tool_probes WHERE tool_id = $1").bind(tool),
    ]
}

/// Reads what is kept of tools: their versions, and the probes of their servers.
pub struct History {
    pub(super) db: Arc<dyn Database>,
}

impl History {
    pub fn new(db: Arc<dyn Database>) -> History {
        History { db }
    }

    /// The versions of a tool, newest first, from before `number` on.
    pub async fn versions(
        &self,
        _: &Warrant,
        tool: &Tool,
        before: Option<i64>,
        count: usize,
    ) -> Result<Vec<Version>> {
        let rows = self
            .db
            .query(
                "SELECT number, digest, definition, decision_id, created_at FROM tool_versions
                 WHERE tool_id = $1 AND number < $2 ORDER BY number DESC LIMIT $3",
                vec![
                    tool.id.into(),
                    before.unwrap_or(i64::MAX).into(),
                    i64::try_from(count).unwrap_or(i64::MAX).into(),
                ],
            )
            .await?;
        let mut versions: Vec<Version> = rows.iter().map(read).collect::<Result<_>>()?;
        // The definition of a tool that was there before versions were kept.
        let is_first = before.is_none_or(|it| it > tool.pinned);
        if is_first && !versions.iter().any(|it| it.number >= tool.pinned) {
            versions.insert(0, current(tool));
        }
        Ok(versions)
    }

    /// The version that goes by this word: its own, of which the newest counts, or its number.
    pub async fn version(&self, _: &Warrant, tool: &Tool, word: &str) -> Result<Option<Version>> {
        let rows = self
            .db
            .query(
                "SELECT number, digest, definition, decision_id, created_at FROM tool_versions
                 WHERE tool_id = $1 AND version = $2 ORDER BY number DESC LIMIT 1",
                vec![tool.id.into(), word.into()],
            )
            .await?;
        if let Some(row) = rows.first() {
            return Ok(Some(read(row)?));
        }
        let Ok(number) = word.parse::<i64>() else { return Ok(None) };
        let rows = self
            .db
            .query(
                "SELECT number, digest, definition, decision_id, created_at FROM tool_versions
                 WHERE tool_id = $1 AND number = $2",
                vec![tool.id.into(), number.into()],
            )
            .await?;
        rows.first().map(read).transpose()
    }
}

fn current(tool: &Tool) -> Version {
    Version {
        number: tool.pinned,
        digest: tool.digest().to_owned(),
        definition: tool.definition.clone(),
        decision: None,
        created_at: tool.created_at,
    }
}

fn read(row: &Row) -> Result<Version> {
    Ok(Version {
        number: row.int(0)?,
        digest: row.text(1)?.to_owned(),
        definition: serde_json::from_str(row.text(2)?).map_err(anyhow::Error::from)?,
        decision: row.opt_uuid(3)?,
        created_at: row.int(4)?,
    })
}
