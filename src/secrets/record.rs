//! What the store knows of the values at one path: their names, and where they are.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::path::SecretPath;
use super::sealed::Envelope;
use super::values::SecretName;
use crate::store::{self, Row, Statement};

/// The record at `$1`, for [`Record::from_row`].
pub const AT: &str = "SELECT tool_id, user_id, names, master, data_key, body, write_id, revision
    FROM secrets WHERE path = $1";
/// A hundred records that a master key other than `$1` wraps.
pub const WRAPPED_OTHERWISE: &str = "SELECT tool_id, user_id, names, master, data_key, body,
    write_id, revision FROM secrets WHERE master <> $1 ORDER BY path LIMIT 100";

pub struct Record {
    pub path: SecretPath,
    pub names: BTreeSet<SecretName>,
    pub kept: Kept,
    pub revision: i64,
}

/// Where values are.
pub enum Kept {
    Sealed {
        master: String,
        envelope: Envelope,
    },
    /// In Vault, at [`place`].
    Vault(Uuid),
}

/// Where one write of values is in Vault, below the prefix. The path is part of it, so that a row
/// that is moved to another path finds nothing.
pub fn place(path: SecretPath, write: Uuid) -> String {
    format!("{path}/{write}")
}

impl Record {
    pub fn from_row(row: &Row) -> store::Result<Record> {
        let tool = row.uuid(0)?;
        let path = match row.opt_uuid(1)? {
            Some(user) => SecretPath::of_user(user, tool),
            None => SecretPath::tool(tool),
        };
        let kept = match row.opt_uuid(6)? {
            Some(write) => Kept::Vault(write),
            None => Kept::Sealed {
                master: row.text(3)?.to_owned(),
                envelope: Envelope { data_key: row.bytes(4)?.into(), body: row.bytes(5)?.into() },
            },
        };
        Ok(Record { path, names: row.json(2)?, kept, revision: row.int(7)? })
    }

    /// What puts other values in the place of these; a conflict when another write came first.
    pub fn update(&self, names: &BTreeSet<SecretName>, kept: Kept, now: i64) -> Vec<Statement> {
        let update = Statement::new(
            "UPDATE secrets SET names = $3, master = $4, data_key = $5, body = $6, write_id = $7,
                                updated_at = $8, revision = revision + 1
             WHERE path = $1 AND revision = $2",
        )
        .bind(self.path.to_string())
        .bind(self.revision)
        .bind(listed(names));
        let update = kept.bound(update).bind(now).expect_rows(1);
        self.left(now).into_iter().chain([update]).collect()
    }

    /// What removes it; a conflict when another write came first.
    pub fn delete(&self, now: i64) -> Vec<Statement> {
        let delete = Statement::new("DELETE FROM secrets WHERE path = $1 AND revision = $2")
            .bind(self.path.to_string())
            .bind(self.revision)
            .expect_rows(1);
        self.left(now).into_iter().chain([delete]).collect()
    }

    /// Whether nothing but the key that wraps it changes: a data key under another master key. A
    /// write that came first has used the right one already.
    pub fn rewrap(&self, master: &str, data_key: Vec<u8>) -> Statement {
        Statement::new(
            "UPDATE secrets SET master = $3, data_key = $4 WHERE path = $1 AND revision = $2",
        )
        .bind(self.path.to_string())
        .bind(self.revision)
        .bind(master)
        .bind(data_key)
    }

    /// What is in Vault is deleted there after the commit, by whoever sweeps.
    fn left(&self, now: i64) -> Option<Statement> {
        let Kept::Vault(write) = self.kept else { return None };
        let leave = Statement::new("INSERT INTO secret_leftovers (place, left_at) VALUES ($1, $2)")
            .bind(place(self.path, write))
            .bind(now);
        Some(leave)
    }
}

impl Kept {
    fn bound(self, statement: Statement) -> Statement {
        let (sealed, write) = match self {
            Kept::Sealed { master, envelope } => (Some((master, envelope)), None),
            Kept::Vault(write) => (None, Some(write)),
        };
        let (master, envelope) = sealed.unzip();
        let (data_key, body) = envelope.map(|it| (it.data_key, it.body)).unzip();
        statement.bind(master).bind(data_key).bind(body).bind(write)
    }
}

/// What puts the first values at a path; a conflict when another write came first.
pub fn insert(
    path: SecretPath,
    names: &BTreeSet<SecretName>,
    kept: Kept,
    now: i64,
) -> Vec<Statement> {
    let insert = Statement::new(
        "INSERT INTO secrets (path, tool_id, user_id, names, master, data_key, body, write_id,
                              created_at, updated_at, revision)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, 1)",
    )
    .bind(path.to_string())
    .bind(path.tool_id())
    .bind(path.user_id())
    .bind(listed(names));
    vec![kept.bound(insert).bind(now).expect_rows(1)]
}

/// What forgets everything that is kept for a tool, users' own included.
pub fn forget_tool(tool: Uuid, now: i64) -> Vec<Statement> {
    let leave = Statement::new(
        "INSERT INTO secret_leftovers (place, left_at)
         SELECT path || '/' || write_id, CAST($2 AS BIGINT) FROM secrets
         WHERE tool_id = $1 AND write_id IS NOT NULL",
    );
    let delete = Statement::new("DELETE FROM secrets WHERE tool_id = $1");
    vec![leave.bind(tool).bind(now), delete.bind(tool)]
}

/// What forgets the accounts that users have stored with a tool.
pub fn forget_accounts(tool: Uuid, now: i64) -> Vec<Statement> {
    let leave = Statement::new(
        "INSERT INTO secret_leftovers (place, left_at)
         SELECT path || '/' || write_id, CAST($2 AS BIGINT) FROM secrets
         WHERE tool_id = $1 AND user_id IS NOT NULL AND write_id IS NOT NULL",
    );
    let delete = Statement::new("DELETE FROM secrets WHERE tool_id = $1 AND user_id IS NOT NULL");
    vec![leave.bind(tool).bind(now), delete.bind(tool)]
}

fn listed(names: &BTreeSet<SecretName>) -> String {
    let names: serde_json::Value = names.iter().map(SecretName::as_str).collect();
    names.to_string()
}
