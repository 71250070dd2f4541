//! Inclusion and consistency proofs (RFC 6962 section 2.1), read from leaves and tiles.

use std::collections::HashMap;

use tlog_tiles::{HashReader, prove_record, prove_tree, split_stored_hash_index};

use super::query::{Audit, ProveConsistency, ProveEntry};
use super::tree::{Edge, Hash, TILE_HEIGHT};
use crate::authz::Permit;
use crate::{Error, Result};

/// That one entry is in the tree of one head.
#[derive(Debug)]
pub struct InclusionProof {
    pub seq: u64,
    pub leaf: Hash,
    pub tree_size: u64,
    pub hashes: Vec<Hash>,
    pub checkpoint: String,
}

/// That the tree of one head begins with the tree of another.
#[derive(Debug)]
pub struct ConsistencyProof {
    pub from: u64,
    pub to: u64,
    pub hashes: Vec<Hash>,
    pub checkpoint: String,
}

impl Audit {
    /// The proof for one entry, in the tree of the latest head.
    pub async fn prove_entry(&self, permit: &Permit<ProveEntry>) -> Result<InclusionProof> {
        let seq = permit.action().seq;
        let (size, checkpoint) = self.head().await?;
        if seq >= size {
            return Err(Error::field("?seq", format!("there are {size} entries, from 0 on")));
        }
        let hashes = self.prove(|reader| prove_record(size, seq, reader)).await?;
        let leaf = self.hashes(0, seq, 1).await?.first().copied();
        let leaf = leaf.ok_or_else(|| Error::internal("an entry without its leaf"))?;
        Ok(InclusionProof { seq, leaf, tree_size: size, hashes, checkpoint })
    }

    /// The proof from an older size of the tree to a newer one, the latest when none is named.
    pub async fn prove_consistency(
        &self,
        permit: &Permit<ProveConsistency>,
    ) -> Result<ConsistencyProof> {
        let (size, checkpoint) = self.head().await?;
        let from = permit.action().from;
        let to = permit.action().to.unwrap_or(size);
        if from == 0 || from > to || to > size {
            let rule = format!("must be 1 <= from <= to <= {size}");
            return Err(Error::field("?from", rule));
        }
        let hashes = self.prove(|reader| prove_tree(to, from, reader)).await?;
        Ok(ConsistencyProof { from, to, hashes, checkpoint })
    }

    async fn head(&self) -> Result<(u64, String)> {
        let rows =
            self.db.query("SELECT size, checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
        let row = rows.first().ok_or_else(|| Error::internal("the audit has no head"))?;
        Ok((row.int(0)?.unsigned_abs(), row.text(1)?.to_owned()))
    }

    /// Asks once to learn which hashes are needed, fetches them, and asks again.
    async fn prove(
        &self,
        proof: impl Fn(&Known) -> Result<Vec<Hash>, tlog_tiles::Error> + Send,
    ) -> Result<Vec<Hash>> {
        let wanted = Wanted::default();
        // The dry run's answer is made of zeros and thrown away.
        proof(&Known::Dry(&wanted)).map_err(anyhow::Error::from)?;
        let mut known = HashMap::new();
        for index in wanted.0.into_inner() {
            let (height, n) = split_stored_hash_index(index);
            known.insert(index, self.subtree(height, n).await?);
        }
        Ok(proof(&Known::Fetched(&known)).map_err(anyhow::Error::from)?)
    }

    /// The root of the complete subtree `n` of 2^height leaves.
    async fn subtree(&self, height: u8, n: u64) -> Result<Hash> {
        let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let count = 1u64 << above;
        let hashes = self.hashes(level, n * count, count).await?;
        if hashes.len() as u64 != count {
            return Err(Error::internal("a subtree of the audit lacks hashes"));
        }
        let mut edge = Edge::default();
        for hash in hashes {
            edge.append(hash);
        }
        Ok(edge.root())
    }

    /// A run of leaves (level 0) or of tile roots.
    async fn hashes(&self, level: u8, from: u64, count: u64) -> Result<Vec<Hash>> {
        let (from, to) = (from as i64, from.saturating_add(count) as i64);
        let rows = match level {
            0 => {
                self.db
                    .query(
                        "SELECT leaf FROM audit WHERE seq >= $1 AND seq < $2 ORDER BY seq",
                        vec![from.into(), to.into()],
                    )
                    .await?
            }
            level => {
                self.db
                    .query(
                        "SELECT hash FROM audit_tiles
                         WHERE level = $1 AND idx >= $2 AND idx < $3 ORDER BY idx",
                        vec![i64::from(level).into(), from.into(), to.into()],
                    )
                    .await?
            }
        };
        let hash = |bytes: &[u8]| bytes.try_into().map(Hash).ok();
        rows.iter()
            .map(|row| hash(row.bytes(0)?).ok_or_else(|| Error::internal("a hash is cut short")))
            .collect()
    }
}

#[derive(Default)]
struct Wanted(std::cell::RefCell<Vec<u64>>);

enum Known<'a> {
    Dry(&'a Wanted),
    Fetched(&'a HashMap<u64, Hash>),
}

impl HashReader for Known<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog_tiles::Error> {
        match self {
            Known::Dry(wanted) => {
                wanted.0.borrow_mut().extend(indexes);
                Ok(vec![Hash::default(); indexes.len()])
            }
            Known::Fetched(known) => indexes
                .iter()
                .map(|index| known.get(index).copied().ok_or(tlog_tiles::Error::InvalidProof))
                .collect(),
        }
    }
}
