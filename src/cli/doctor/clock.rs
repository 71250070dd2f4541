//! The clock, against others: that of the store, of its file system, and of what was written last.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Finding;
use super::store::Standing;
use crate::clock::{Clock, instant};
use crate::settings::{DatabaseUrl, Settings};
use crate::store::Database;

const OF: &str = "clock";
/// Microseconds; tokens and credentials are checked by other machines' clocks.
const OFF_MAX: i64 = 5_000_000;
const MICROS: i64 = 1_000_000;

pub async fn examine(settings: &Settings, store: Option<&Standing>, clock: &Clock) -> Finding {
    let mend = "set the clock of this machine, and keep it set (NTP)";
    let now = clock.micros();
    if let Some(newest) = store.and_then(|it| it.newest).filter(|it| it - now > OFF_MAX) {
        let said =
            format!("shows {}, and the store has entries of {}", instant(now), instant(newest));
        return Finding::broken(OF, said, mend);
    }
    let (other, shows) = match (&settings.database.url, store) {
        (DatabaseUrl::Postgres(_), Some(it)) => ("the database's", of_postgres(&*it.db).await),
        (DatabaseUrl::SqliteFile(path), _) => ("the file system's", of_files(path)),
        _ => ("another", None),
    };
    let Some(shows) = shows else {
        return Finding::well(OF, format!("{}, with no other clock to compare", instant(now)));
    };
    // Asking took a while: what counts is the nearest that it can have been.
    let off = shows.clamp(now, clock.micros()) - shows;
    if off.abs() > OFF_MAX {
        let said = format!("shows {}, and {other} {}", instant(now), instant(shows));
        return Finding::broken(OF, said, mend);
    }
    Finding::well(OF, format!("agrees with {other}"))
}

async fn of_postgres(db: &dyn Database) -> Option<i64> {
    let sql = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)";
    db.query(sql, vec![]).await.ok()?.first()?.int(0).ok()
}

/// What the file system that holds the store writes on a file that is made now. It shows whole
/// ticks of its clock, so it may lag a little behind.
fn of_files(store: &Path) -> Option<i64> {
    let folder = store.parent().filter(|it| !it.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).ok()?;
    let made = file.as_file().metadata().ok()?;
    Some(made.mtime() * MICROS + made.mtime_nsec() / 1000)
}
