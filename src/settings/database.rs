//! Where everything is kept: SQLite or PostgreSQL.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const DEFAULT: &str = "sqlite:gatewright.db";

/// Where everything is kept.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH`, `sqlite::memory:` (gone when the server stops), or
    /// `postgres://USER:PASSWORD@HOST:PORT/NAME`.
    #[schemars(schema_with = "url_schema")]
    pub url: DatabaseUrl,
}

/// A parsed `database.url`. A PostgreSQL URL may hold a password, so it never prints.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub enum DatabaseUrl {
    SqliteMemory,
    SqliteFile(PathBuf),
    /// Text that `tokio_postgres::Config` parses.
    Postgres(SecretString),
}

/// Why a text is no database URL; never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDatabaseUrl {
    #[error("starts with neither `sqlite:` nor `postgres://`")]
    Scheme,
    #[error("names no file after `sqlite:`")]
    NoFile,
    #[error("is a PostgreSQL URL that does not parse")]
    Postgres,
}

impl DatabaseUrl {
    /// Whether there can be anything in it: a file that is not there holds nothing.
    pub fn may_be_there(&self) -> bool {
        match self {
            DatabaseUrl::SqliteMemory => false,
            DatabaseUrl::SqliteFile(path) => path.exists(),
            DatabaseUrl::Postgres(_) => true,
        }
    }
}

impl FromStr for DatabaseUrl {
    type Err = NoDatabaseUrl;

    fn from_str(text: &str) -> Result<DatabaseUrl, NoDatabaseUrl> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            return match path {
                "" => Err(NoDatabaseUrl::NoFile),
                ":memory:" => Ok(DatabaseUrl::SqliteMemory),
                path => Ok(DatabaseUrl::SqliteFile(PathBuf::from(path))),
            };
        }
        if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
            return Err(NoDatabaseUrl::Scheme);
        }
        match tokio_postgres::Config::from_str(text) {
            Ok(it) if !it.get_hosts().is_empty() => Ok(DatabaseUrl::Postgres(text.into())),
            _ => Err(NoDatabaseUrl::Postgres),
        }
    }
}

impl Default for DatabaseUrl {
    fn default() -> DatabaseUrl {
        DatabaseUrl::SqliteFile(PathBuf::from(DEFAULT.trim_start_matches("sqlite:")))
    }
}

impl TryFrom<String> for DatabaseUrl {
    type Error = NoDatabaseUrl;

    fn try_from(text: String) -> Result<DatabaseUrl, NoDatabaseUrl> {
        text.parse()
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DatabaseUrl::SqliteMemory => out.write_str("sqlite::memory:"),
            DatabaseUrl::SqliteFile(path) => write!(out, "sqlite:{}", path.display()),
            DatabaseUrl::Postgres(_) => out.write_str("postgres://[REDACTED]"),
        }
    }
}

impl PartialEq for DatabaseUrl {
    fn eq(&self, other: &DatabaseUrl) -> bool {
        match (self, other) {
            (DatabaseUrl::SqliteMemory, DatabaseUrl::SqliteMemory) => true,
            (DatabaseUrl::SqliteFile(a), DatabaseUrl::SqliteFile(b)) => a == b,
            (DatabaseUrl::Postgres(a), DatabaseUrl::Postgres(b)) => {
                a.expose_secret() == b.expose_secret()
            }
            _ => false,
        }
    }
}

fn url_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "writeOnly": true, "default": DEFAULT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_databases_and_memory_are_told_apart() {
        let file = |path: &str| DatabaseUrl::SqliteFile(PathBuf::from(path));
        let server = "postgres://app:word@db.example:5432/gate";
        for (text, url) in [
            ("sqlite:gate.db", Ok(file("gate.db"))),
            ("sqlite:/var/lib/gate.db", Ok(file("/var/lib/gate.db"))),
            ("sqlite::memory:", Ok(DatabaseUrl::SqliteMemory)),
            (server, Ok(DatabaseUrl::Postgres(server.into()))),
            ("sqlite:", Err(NoDatabaseUrl::NoFile)),
            ("mysql://db.example", Err(NoDatabaseUrl::Scheme)),
            ("host=db.example", Err(NoDatabaseUrl::Scheme)),
            ("postgres://", Err(NoDatabaseUrl::Postgres)),
            ("postgres://db.example:port", Err(NoDatabaseUrl::Postgres)),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>(), url, "{text}");
        }
    }
}
