//! Checking the whole audit from outside: with the public key, and an older checkpoint if one is
//! at hand. Trusts nothing that the database says about itself.

use serde::Serialize;

use super::checkpoint::{self, Head};
use super::entry::Entry;
use super::tree::{Edge, leaf};
use crate::store::{Database, Row};

const BATCH: i64 = 10_000;

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
    let mut faults = Vec::new();
    let head = stored_head(db, public_key, &mut faults).await?;
    let mut edge = Edge::default();
    let mut older_root = older.as_ref().filter(|it| it.size == 0).map(|_| edge.root());
    loop {
        let rows = db
            .query(
                "SELECT seq, id, at, actor_id, actor_name, event, target_id, outcome, body, leaf
                 FROM audit WHERE seq >= $1 ORDER BY seq LIMIT $2",
                vec![(edge.size() as i64).into(), BATCH.into()],
            )
            .await?;
        for row in &rows {
            if let Some(fault) = check(row, edge.size()) {
                faults.push(fault);
                return Ok(report(&edge, faults));
            }
            edge.append(leaf(row.text(8)?));
            if older.as_ref().is_some_and(|it| it.size == edge.size()) {
                older_root = Some(edge.root());
            }
        }
        if (rows.len() as i64) < BATCH {
            break;
        }
    }
    faults.extend(head.and_then(|it| against_head(&edge, &it)));
    faults.extend(older.and_then(|it| against_older(&edge, &it, older_root)));
    Ok(report(&edge, faults))
}

fn report(edge: &Edge, faults: Vec<String>) -> Report {
    Report { entries: edge.size(), root: hex::encode(edge.root().0), faults }
}

async fn stored_head(
    db: &dyn Database,
    public_key: &str,
    faults: &mut Vec<String>,
) -> anyhow::Result<Option<Head>> {
    let rows = db.query("SELECT size, checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
    let Some(row) = rows.first() else {
        faults.push("the audit has no head".into());
        return Ok(None);
    };
    if row.int(0)? == 0 && row.text(1)?.is_empty() {
        return Ok(Some(Head { size: 0, root: Edge::default().root() }));
    }
    match checkpoint::open(row.text(1)?, public_key) {
        Ok(head) => Ok(Some(head)),
        Err(error) => {
            faults.push(format!("the head is not signed by this key: {error:#}"));
            Ok(None)
        }
    }
}

/// What is wrong with one row: its place, its hash, or a column that says other than the entry.
fn check(row: &Row, place: u64) -> Option<String> {
    let seq = row.int(0).ok()?;
    if seq != place as i64 {
        return Some(format!("entry {place} is missing: the next one is {seq}"));
    }
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

fn against_head(edge: &Edge, head: &Head) -> Option<String> {
    if edge.size() != head.size {
        return Some(format!(
            "there are {} entries, the signed head speaks of {}",
            edge.size(),
            head.size
        ));
    }
    (edge.root() != head.root).then(|| "the entries are not those of the signed head".into())
}

fn against_older(edge: &Edge, older: &Head, root: Option<super::tree::Hash>) -> Option<String> {
    match root {
        None => Some(format!(
            "there are {} entries, the older checkpoint speaks of {}",
            edge.size(),
            older.size
        )),
        Some(root) => (root != older.root).then(|| {
            format!("the first {} entries are not those of the older checkpoint", older.size)
        }),
    }
}
