//! Checking the whole audit from outside: with the public key, and an older checkpoint if one is
//! at hand. Trusts nothing that the database says about itself.

use serde::Serialize;

use super::checkpoint::{self, Head};
use super::entry::Entry;
use super::tree::{Edge, Hash, Tile, leaf};
use crate::store::{Database, Row};

const BATCH: u64 = 10_000;
/// How often the head is read again when a server appends meanwhile.
const ROUNDS_MAX: usize = 3;

/// What a verification found.
#[derive(Debug, Serialize)]
pub struct Report {
    pub entries: u64,
    pub root: String,
    /// What is wrong, first things first; empty when the audit is as it was written.
    pub faults: Vec<String>,
}

impl Report {
    pub fn holds(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Recomputes the tree from the entries and holds it against the signed head and `older`, a
/// checkpoint that somebody kept elsewhere.
pub async fn verify(
    db: &dyn Database,
    public_key: &str,
    older: Option<&str>,
) -> anyhow::Result<Report> {
    // First, because a wrong key or a checkpoint of another log is the asker's mistake.
    let older = older.map(|it| checkpoint::open(it, public_key)).transpose()?;
    let mut walk = Walk::new(older);
    let faults = match walk.all(db, public_key).await? {
        Some(fault) => vec![fault],
        None => walk.against_older().into_iter().collect(),
    };
    Ok(Report { entries: walk.edge.size(), root: hex::encode(walk.edge.root().0), faults })
}

/// The stored head: what is signed, and what is said beside it.
struct Stored {
    head: Head,
    size: i64,
    edge: Vec<u8>,
}

/// A way through the entries from the first on, growing the tree.
struct Walk {
    edge: Edge,
    tiles: Vec<Tile>,
    older: Option<Head>,
    /// The root at the older checkpoint's size, once that is reached.
    older_root: Option<Hash>,
}

impl Walk {
    fn new(older: Option<Head>) -> Walk {
        let edge = Edge::default();
        let older_root = older.as_ref().filter(|it| it.size == 0).map(|_| edge.root());
        Walk { edge, tiles: Vec::new(), older, older_root }
    }

    /// Walks to the signed head and tells the first fault. A server may append meanwhile: entries
    /// beyond the head are none of its if the head does not follow.
    async fn all(&mut self, db: &dyn Database, public_key: &str) -> anyhow::Result<Option<String>> {
        for _ in 0..ROUNDS_MAX {
            let stored = match stored_head(db, public_key).await? {
                Ok(it) => it,
                Err(fault) => return Ok(Some(fault)),
            };
            if let Some(fault) = self.to(db, stored.head.size).await? {
                return Ok(Some(fault));
            }
            if let Some(fault) = self.against_head(&stored).or(self.against_tiles(db).await?) {
                return Ok(Some(fault));
            }
            if rows(db, self.edge.size(), 1).await?.is_empty() {
                return Ok(None);
            }
            if let Ok(next) = stored_head(db, public_key).await?
                && next.head.size > stored.head.size
            {
                continue;
            }
            let size = self.edge.size();
            return Ok(Some(format!("there are entries beyond the {size} of the signed head")));
        }
        Ok(None)
    }

    /// Walks on until the tree has `size` entries.
    async fn to(&mut self, db: &dyn Database, size: u64) -> anyhow::Result<Option<String>> {
        while self.edge.size() < size {
            let place = self.edge.size();
            let rows = rows(db, place, BATCH.min(size - place)).await?;
            if rows.is_empty() {
                return Ok(Some(format!(
                    "there are {place} entries, the signed head speaks of {size}"
                )));
            }
            for row in &rows {
                if let Some(fault) = check(row, self.edge.size()) {
                    return Ok(Some(fault));
                }
                self.tiles.extend(self.edge.append(leaf(row.text(8)?)));
                if self.older.as_ref().is_some_and(|it| it.size == self.edge.size()) {
                    self.older_root = Some(self.edge.root());
                }
            }
        }
        Ok(None)
    }

    fn against_head(&self, stored: &Stored) -> Option<String> {
        if self.edge.root() != stored.head.root {
            return Some("the entries are not those of the signed head".into());
        }
        let same = stored.size == self.edge.size() as i64 && stored.edge == self.edge.to_bytes();
        (!same).then(|| "the head is stored with other words than it is signed with".into())
    }

    /// Proofs are made of tiles.
    async fn against_tiles(&self, db: &dyn Database) -> anyhow::Result<Option<String>> {
        for tile in &self.tiles {
            let rows = db
                .query(
                    "SELECT hash FROM audit_tiles WHERE level = $1 AND idx = $2",
                    vec![i64::from(tile.level).into(), (tile.index as i64).into()],
                )
                .await?;
            if rows.first().and_then(|it| it.bytes(0).ok()) != Some(&tile.hash.0) {
                let Tile { level, index, .. } = tile;
                return Ok(Some(format!("tile {level}/{index} is not that of its entries")));
            }
        }
        Ok(None)
    }

    fn against_older(&self) -> Option<String> {
        let older = self.older.as_ref()?;
        match self.older_root {
            None => Some(format!(
                "there are {} entries, the older checkpoint speaks of {}",
                self.edge.size(),
                older.size
            )),
            Some(root) => (root != older.root).then(|| {
                format!("the first {} entries are not those of the older checkpoint", older.size)
            }),
        }
    }
}

/// Entries in the order of their places, from `place` on; before the first of all there is none.
async fn rows(db: &dyn Database, place: u64, count: u64) -> anyhow::Result<Vec<Row>> {
    let from = if place == 0 { i64::MIN } else { place as i64 };
    let rows = db
        .query(
            "SELECT seq, id, at, actor_id, actor_name, event, target_id, outcome, body, leaf
             FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2",
            vec![from.into(), (count as i64).into()],
        )
        .await?;
    Ok(rows)
}

/// The head, if this key signed it; else what is wrong with it.
async fn stored_head(
    db: &dyn Database,
    public_key: &str,
) -> anyhow::Result<Result<Stored, String>> {
    let rows =
        db.query("SELECT size, edge, checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
    let Some(row) = rows.first() else {
        return Ok(Err("the audit has no head".into()));
    };
    // A new store holds an empty text where bytes come later.
    let size = row.int(0).unwrap_or(-1);
    let edge = row.bytes(1).unwrap_or_default().to_vec();
    let note = row.text(2).unwrap_or_default();
    if size == 0 && note.is_empty() {
        let head = Head { size: 0, root: Edge::default().root() };
        return Ok(Ok(Stored { head, size, edge }));
    }
    Ok(match checkpoint::open(note, public_key) {
        Ok(head) => Ok(Stored { head, size, edge }),
        Err(error) => Err(format!("the head is not signed by this key: {error:#}")),
    })
}

/// What is wrong with one row: its place, its hash, or a column that says other than the entry.
fn check(row: &Row, place: u64) -> Option<String> {
    let seq = match row.int(0) {
        Ok(seq) if seq == place as i64 => seq,
        Ok(seq) => return Some(format!("entry {place} is missing: the next one is {seq}")),
        Err(_) => return Some(format!("entry {place} is missing: the next one has no number")),
    };
    let faulty = |what: &str| Some(format!("entry {seq}: {what}"));
    let Ok(body) = row.text(8) else { return faulty("has no text") };
    if row.bytes(9).ok() != Some(&leaf(body).0) {
        return faulty("does not have the hash that was written with it");
    }
    let Ok(entry) = serde_json::from_str::<Entry>(body) else {
        return faulty("cannot be read");
    };
    let columns = [
        (1, entry.id.to_string()),
        (3, entry.actor.id),
        (4, entry.actor.name),
        (5, entry.event),
        (6, entry.target.id),
        (7, entry.outcome.as_str().to_owned()),
    ];
    let same = columns.iter().all(|(index, said)| row.text(*index).ok() == Some(said));
    if !same || row.int(2).ok() != Some(entry.at.as_microsecond()) {
        return faulty("is filed under other words than it says");
    }
    None
}
