//! A PostgreSQL cluster of the test run's own, thrown away when the run ends.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A running cluster. Its keeper ends it when the pipe to the keeper's input is closed, that is
/// with this process: a static is never dropped, and a process may be killed.
struct Cluster {
    programs: PathBuf,
    socket_dir: String,
    databases: AtomicU32,
    _keeper: Child,
}

/// The URL of a new, empty database in the run's cluster, which the first call starts.
pub fn fresh_database() -> String {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(start);
    let name = format!("test_{}", cluster.databases.fetch_add(1, Ordering::Relaxed));
    let made = Command::new(cluster.programs.join("createdb"))
        .args(["-h", &cluster.socket_dir, "-U", "app", &name])
        .output()
        .unwrap();
    assert!(made.status.success(), "no database: {}", String::from_utf8_lossy(&made.stderr));
    format!("postgres://app@{}/{name}", cluster.socket_dir.replace('/', "%2F"))
}

fn start() -> Cluster {
    let programs = programs();
    assert!(programs.is_some(), "no PostgreSQL on this machine: run scripts/test, which brings it");
    let programs = programs.unwrap();
    let mut keeper = Command::new("bash")
        .args(["-c", include_str!("postgres.sh"), "postgres.sh"])
        .arg(&programs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut said).unwrap();
    let socket_dir = said.trim().strip_prefix("ready ");
    assert!(socket_dir.is_some(), "PostgreSQL did not start, see above: `{said}`");
    Cluster {
        programs,
        socket_dir: socket_dir.unwrap().to_owned(),
        databases: AtomicU32::new(0),
        _keeper: keeper,
    }
}

/// The folder of the newest server's programs.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut packaged: Vec<PathBuf> = versions.map(|it| it.path().join("bin")).collect();
    packaged.sort_by_key(|it| version(it));
    let folders = packaged.into_iter().rev().chain(on_path);
    let mut found = folders.filter_map(|it| it.join("initdb").canonicalize().ok());
    found.next()?.parent().map(Path::to_owned)
}

fn version(programs: &Path) -> Option<u32> {
    programs.parent()?.file_name()?.to_str()?.parse().ok()
}

#[tokio::test]
async fn each_database_is_new_and_takes_statements() {
    for _ in 0..2 {
        let url = fresh_database();
        let (client, connection) =
            tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("CREATE TABLE seen (id TEXT PRIMARY KEY)").await.unwrap();
        client.execute("INSERT INTO seen (id) VALUES ($1)", &[&"a"]).await.unwrap();
        let row = client.query_one("SELECT count(*) FROM seen", &[]).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), 1);
    }
}
