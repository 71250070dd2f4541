//! The audit shown to an outsider who holds its public key and an older checkpoint: whatever was done
//! to it in between is found.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ed25519_dalek::SigningKey;
use gatewright::audit::checkpoint::Signer;
use gatewright::audit::tree::{Edge, leaf};
use gatewright::audit::verify::{Report, verify};
use gatewright::store::Sqlite;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rusqlite::types::Value;
use rusqlite::{Connection, params};
use tempfile::TempDir;

use crate::harness::traffic::{agent_at_work, lives};
use crate::harness::{Gate, samples};

const EDITS: usize = 500;
/// The stopped server's database, in its folder.
const WHOLE: &str = "whole.db";
/// The file beside a copy that holds the older checkpoint.
const OLDER: &str = "older.txt";

/// A stopped server's audit, and what an outsider kept of it.
struct Kept {
    gate: Gate,
    key: String,
    older: String,
}

async fn kept() -> Kept {
    let mut gate = Gate::start();
    lives(&gate).await;
    let admin = gate.admin().await;
    let tool = admin.post("/api/v1/tools", &samples::translate("translate")).await.expect(201);
    let (_, agent) = gate.agent("lingua", "translator").await;
    agent_at_work(&gate, &agent, &tool, 30).await;
    let older = gate.anyone().get("/api/v1/audit/checkpoint").await.text;
    agent_at_work(&gate, &agent, &tool, 40).await;
    let key = gate.anyone().get("/.well-known/audit-key.json").await.expect(200);
    let key = key["verifier_key"].as_str().unwrap().to_owned();
    assert!(gate.stop().success());
    // One file, without a write-ahead log beside it.
    let db = Connection::open(gate.folder.path().join("gatewright.db")).unwrap();
    let whole = gate.folder.path().join(WHOLE).display().to_string();
    db.execute("VACUUM INTO ?1", [whole]).unwrap();
    Kept { gate, key, older }
}

/// A copy of the audit, to be tampered with.
struct Copy {
    path: PathBuf,
    db: Connection,
    size: i64,
    _folder: TempDir,
}

impl Kept {
    fn copy(&self) -> Copy {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy.db");
        std::fs::copy(self.gate.folder.path().join(WHOLE), &path).unwrap();
        std::fs::write(folder.path().join(OLDER), &self.older).unwrap();
        let db = Connection::open(&path).unwrap();
        // What is lost of a copy is made again.
        db.execute_batch("PRAGMA synchronous = OFF").unwrap();
        let size = db.query_row("SELECT COUNT(*) FROM audit", [], |it| it.get(0)).unwrap();
        Copy { path, db, size, _folder: folder }
    }

    async fn verify(&self, path: &Path) -> anyhow::Result<Report> {
        verify(&Sqlite::open(path).unwrap(), &self.key, Some(&self.older)).await
    }
}

/// One way to tamper.
type Edit = fn(&Copy, &mut StdRng);

const EDITS_KNOWN: &[(&str, Edit)] = &[
    ("a flipped bit of a text", flip_text),
    ("a flipped bit of a hash", flip_leaf),
    ("another word in a column", reword),
    ("a deleted entry", |it, rng| it.delete(rng.random_range(0..it.size))),
    ("a deleted entry, the rest moved up", |it, rng| {
        let gone = rng.random_range(0..it.size);
        it.delete(gone);
        it.shift(gone, -1);
    }),
    ("the last entries deleted", |it, rng| it.cut(rng.random_range(0..it.size))),
    ("two entries exchanged", exchange),
    ("a forged entry with its right hash", insert),
    ("a forged text with its right hash", |it, rng| forge(it, rng.random_range(0..it.size))),
    ("cut short and rebuilt without the key", |it, rng| {
        it.cut(rng.random_range(0..it.size));
        it.rebuild();
    }),
    ("changed and rebuilt without the key", |it, rng| {
        forge(it, rng.random_range(0..it.size));
        it.rebuild();
    }),
    ("an older head put back", older_head),
    ("changed and rebuilt with another key", |it, rng| {
        forge(it, rng.random_range(0..it.size));
        let edge = it.rebuild();
        it.sign(&edge, rng.random());
    }),
    ("the head's own columns", head_columns),
    ("a tile", |it, rng| {
        it.run("UPDATE audit_tiles SET hash = ?1", [Value::Blob(rng.random::<[u8; 32]>().into())])
    }),
    ("an entry before the first", |it, _| it.copy_of(0, -1)),
    ("an entry beyond the last", |it, _| it.copy_of(it.size - 1, it.size)),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_edit_is_found_and_nothing_else() {
    let kept = Arc::new(kept().await);
    let good = kept.copy();
    let report = kept.verify(&good.path).await.unwrap();
    assert!(report.holds(), "{:?}", report.faults);
    assert_eq!(report.entries, good.size as u64);
    assert!(report.entries > 256, "there is a tile");

    let next = Arc::new(AtomicUsize::new(0));
    let worker = |kept: Arc<Kept>, next: Arc<AtomicUsize>| async move {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= EDITS {
                return;
            }
            let (what, edit) = EDITS_KNOWN[n % EDITS_KNOWN.len()];
            let copy = kept.copy();
            edit(&copy, &mut StdRng::seed_from_u64(n as u64));
            let Copy { path, db, _folder, .. } = copy;
            drop(db);
            let report = kept.verify(&path).await.unwrap();
            assert!(!report.holds(), "edit {n} was not found: {what}");
        }
    };
    let workers = [(); 2].map(|()| tokio::spawn(worker(kept.clone(), next.clone())));
    for it in workers {
        it.await.unwrap();
    }
}

#[tokio::test]
async fn the_command_line_says_by_its_exit_whether_the_audit_holds() {
    let kept = kept().await;
    let verify = |copy: &Copy| {
        let mut command = kept.gate.command(&["audit", "verify", "--public-key", &kept.key]);
        command.arg("--checkpoint").arg(copy.path.with_file_name(OLDER));
        command.env("GATEWRIGHT_DATABASE__URL", format!("sqlite:{}", copy.path.display()));
        let output = command.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), said)
    };
    let good = verify(&kept.copy());
    assert_eq!(good.0, Some(0), "{}", good.1);
    for (what, edit) in EDITS_KNOWN {
        let copy = kept.copy();
        edit(&copy, &mut StdRng::seed_from_u64(1));
        let (code, said) = verify(&copy);
        assert_eq!(code, Some(1), "{what}: {said}");
        assert!(said.contains("NOT as they were written"), "{what}: {said}");
    }
}

impl Copy {
    fn run(&self, sql: &str, params: impl rusqlite::Params) {
        assert!(self.db.execute(sql, params).unwrap() > 0, "{sql} changed nothing");
    }

    fn bytes(&self, column: &str, seq: i64) -> Vec<u8> {
        let sql = format!("SELECT CAST({column} AS BLOB) FROM audit WHERE seq = ?1");
        self.db.query_row(&sql, [seq], |it| it.get(0)).unwrap()
    }

    fn delete(&self, seq: i64) {
        self.run("DELETE FROM audit WHERE seq = ?1", [seq]);
    }

    fn cut(&self, from: i64) {
        self.run("DELETE FROM audit WHERE seq >= ?1", [from]);
    }

    /// Moves the entries behind `seq` by so many places.
    fn shift(&self, seq: i64, by: i64) {
        // By way of places that nobody has, because each row must be alone in its place.
        let away = "UPDATE audit SET seq = -1000000 - seq WHERE seq > ?1";
        self.db.execute(away, [seq]).unwrap();
        let back = "UPDATE audit SET seq = -(seq + 1000000) + ?1 WHERE seq < -1000";
        self.db.execute(back, [by]).unwrap();
    }

    /// Puts a copy of an entry, under another id, in this free place.
    fn copy_of(&self, seq: i64, place: i64) {
        self.run(
            "INSERT INTO audit SELECT ?2, 'another', at, actor_id, actor_name, event, target_id,
                                      outcome, body, leaf FROM audit WHERE seq = ?1",
            [seq, place],
        );
    }

    /// Makes the tree fit the entries again, as far as that can be done without a key.
    fn rebuild(&self) -> Edge {
        let mut select = self.db.prepare("SELECT body FROM audit ORDER BY seq").unwrap();
        let bodies = select.query_map([], |it| it.get::<_, String>(0)).unwrap();
        self.db.execute("DELETE FROM audit_tiles", []).unwrap();
        let mut edge = Edge::default();
        for body in bodies.map(Result::unwrap) {
            for tile in edge.append(leaf(&body)) {
                let row = params![tile.level, tile.index as i64, tile.hash.0];
                self.run("INSERT INTO audit_tiles VALUES (?1, ?2, ?3)", row);
            }
        }
        let head = params![edge.size() as i64, edge.to_bytes()];
        self.run("UPDATE audit_head SET size = ?1, edge = ?2", head);
        edge
    }

    /// Signs the head under the log's name with a key of one's own.
    fn sign(&self, edge: &Edge, seed: [u8; 32]) {
        let note: String =
            self.db.query_row("SELECT checkpoint FROM audit_head", [], |it| it.get(0)).unwrap();
        let origin = note.lines().next().unwrap();
        let signer = Signer::new(origin, &SigningKey::from_bytes(&seed)).unwrap();
        self.run("UPDATE audit_head SET checkpoint = ?1", [signer.sign(edge).unwrap()]);
    }
}

fn flip(bytes: &mut [u8], rng: &mut StdRng) {
    let at = rng.random_range(0..bytes.len());
    bytes[at] ^= 1 << rng.random_range(0..8);
}

fn flip_text(it: &Copy, rng: &mut StdRng) {
    let seq = rng.random_range(0..it.size);
    let mut body = it.bytes("body", seq);
    flip(&mut body, rng);
    it.run("UPDATE audit SET body = CAST(?2 AS TEXT) WHERE seq = ?1", params![seq, body]);
}

fn flip_leaf(it: &Copy, rng: &mut StdRng) {
    let seq = rng.random_range(0..it.size);
    let mut hash = it.bytes("leaf", seq);
    flip(&mut hash, rng);
    it.run("UPDATE audit SET leaf = ?2 WHERE seq = ?1", params![seq, hash]);
}

fn reword(it: &Copy, rng: &mut StdRng) {
    let columns = [
        "seq = 'x'",
        "id = 'x'",
        "at = at + 1",
        "actor_id = 'x'",
        "actor_name = 'x'",
        "event = event || '.'",
        "target_id = ''",
        "outcome = 'failed'",
        "leaf = NULL",
        "body = x'00'",
    ];
    let change = columns[rng.random_range(0..columns.len())];
    let sql = format!("UPDATE OR IGNORE audit SET {change} WHERE seq = ?1");
    let seq = rng.random_range(0..it.size);
    if it.db.execute(&sql, [seq]).unwrap() == 0 {
        it.delete(seq);
    }
}

fn exchange(it: &Copy, rng: &mut StdRng) {
    let a = rng.random_range(0..it.size);
    let b = (a + rng.random_range(1..it.size)) % it.size;
    for (from, to) in [(a, -1), (b, a), (-1, b)] {
        it.run("UPDATE audit SET seq = ?2 WHERE seq = ?1", [from, to]);
    }
}

fn insert(it: &Copy, rng: &mut StdRng) {
    let place = rng.random_range(0..it.size);
    it.shift(place, 1);
    it.copy_of(place, place + 1);
    forge(it, place + 1);
}

/// Rewrites an entry so that its row is right in itself.
fn forge(it: &Copy, seq: i64) {
    let body = String::from_utf8(it.bytes("body", seq)).unwrap();
    let mut entry: serde_json::Value = serde_json::from_str(&body).unwrap();
    let id = uuid::Uuid::from_u128(seq as u128).to_string();
    entry["id"] = id.clone().into();
    entry["actor"]["name"] = "somebody else".into();
    let body = entry.to_string();
    let row = params![seq, id, body, leaf(&body).0];
    let sql = "UPDATE audit SET id = ?2, actor_name = 'somebody else', body = ?3, leaf = ?4
               WHERE seq = ?1";
    it.run(sql, row);
}

/// Puts back what the head said when it was younger, which is signed by the right key.
fn older_head(it: &Copy, _: &mut StdRng) {
    let older = std::fs::read_to_string(it.path.with_file_name(OLDER)).unwrap();
    it.run("UPDATE audit_head SET checkpoint = ?1", [older]);
}

fn head_columns(it: &Copy, rng: &mut StdRng) {
    let changes = [
        "size = size - 1",
        "edge = x'00'",
        "checkpoint = ''",
        "checkpoint = replace(checkpoint, 'audit', 'log')",
        "id = 2",
    ];
    let change = changes[rng.random_range(0..changes.len())];
    it.run(&format!("UPDATE audit_head SET {change}"), []);
}
