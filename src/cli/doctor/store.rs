//! The store: there, reachable, up to date, its owner's alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use super::Finding;
use crate::settings::DatabaseUrl;
use crate::store::{self, Database};

const OF: &str = "store";
const GROUP_AND_OTHERS: u32 = 0o077;

/// A store that answers.
pub struct Standing {
    pub db: Arc<dyn Database>,
    /// Whether a server has written to it.
    pub used: bool,
    /// When its newest entry was written; microseconds since the epoch.
    pub newest: Option<i64>,
}

/// What is to be said of the store; and the store, where its schema is the one that is needed.
pub async fn examine(url: &DatabaseUrl) -> (Finding, Option<Standing>) {
    let name = match url {
        DatabaseUrl::SqliteMemory => {
            let mend = "set `database.url`, unless this is for trying out";
            return (Finding::weak(OF, "in memory, gone when the server stops", mend), None);
        }
        // Opening would make it.
        DatabaseUrl::SqliteFile(path) if !path.exists() => {
            let said = format!("`{}` is not there yet", path.display());
            return (Finding::weak(OF, said, "`gatewright migrate`, or the first start"), None);
        }
        DatabaseUrl::SqliteFile(path) => format!("SQLite `{}`", path.display()),
        DatabaseUrl::Postgres(_) => "PostgreSQL".to_owned(),
    };
    let standing = match look(url).await {
        Ok(it) => it,
        Err(finding) => return (finding, None),
    };
    let said = format!("{name}, schema {}", store::newest_schema());
    let finding = match url {
        DatabaseUrl::SqliteFile(path) if is_exposed(path) => {
            let mend = format!("`chmod 600 {0} {0}-*`", path.display());
            Finding::weak(OF, format!("{said}, may be read by others than its owner"), mend)
        }
        _ => Finding::well(OF, said),
    };
    (finding, Some(standing))
}

async fn look(url: &DatabaseUrl) -> Result<Standing, Finding> {
    let unreachable = |error: &dyn std::fmt::Display| {
        let mend = "start the database, or correct `database.url`";
        Finding::broken(OF, format!("does not answer: {error}"), mend)
    };
    let db = store::open(url).map_err(|error| unreachable(&format!("{error:#}")))?;
    db.query("SELECT 1", vec![]).await.map_err(|error| unreachable(&error))?;
    let schema = store::schema(&*db).await.unwrap_or(0);
    let newest = store::newest_schema();
    if schema < newest {
        let said = format!("its schema is {schema}, and this program needs {newest}");
        return Err(Finding::broken(OF, said, "`gatewright migrate`, or start the server"));
    }
    if schema > newest {
        let said = format!("its schema is {schema}, and this program knows {newest} at most");
        return Err(Finding::broken(OF, said, "run the newer program that made it"));
    }
    let rows = db.query("SELECT MAX(at) FROM audit", vec![]).await;
    let newest = rows.and_then(|rows| rows.first().map_or(Ok(None), |it| it.opt_int(0)));
    let newest = newest.map_err(|error| unreachable(&error))?;
    Ok(Standing { db, used: newest.is_some(), newest })
}

fn is_exposed(path: &Path) -> bool {
    path.metadata().is_ok_and(|it| it.permissions().mode() & GROUP_AND_OTHERS != 0)
}
