//! The right edge of the Merkle tree (RFC 6962 hashing): all that appending a leaf needs to know.

use tlog_tiles::{EMPTY_HASH, node_hash, record_hash};
pub use tlog_tiles::{HASH_SIZE, Hash};

/// Tiles are 2^8 leaves wide, as in the C2SP tile format.
pub const TILE_HEIGHT: u8 = 8;

/// The hash of an entry as it is written down.
pub fn leaf(body: &str) -> Hash {
    record_hash(body.as_bytes())
}

/// The roots of the complete subtrees that a tree of `size` leaves falls into, left to right.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    size: u64,
    roots: Vec<Hash>,
}

/// A subtree of 256^level leaves that has just become complete.
#[derive(Debug, PartialEq)]
pub struct Tile {
    pub level: u8,
    pub index: u64,
    pub hash: Hash,
}

impl Edge {
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf and tells which tiles it completed.
    pub fn append(&mut self, leaf: Hash) -> Vec<Tile> {
        let mut tiles = Vec::new();
        let mut hash = leaf;
        let mut height = 0u8;
        let mut index = self.size;
        // Each trailing one bit of the old size is a complete subtree that this leaf doubles.
        while index & 1 == 1 {
            if let Some(left) = self.roots.pop() {
                hash = node_hash(left, hash);
            }
            height += 1;
            index >>= 1;
            if height.is_multiple_of(TILE_HEIGHT) {
                tiles.push(Tile { level: height / TILE_HEIGHT, index, hash });
            }
        }
        self.roots.push(hash);
        self.size += 1;
        tiles
    }

    /// The root of the whole tree.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev().copied();
        let Some(last) = roots.next() else { return EMPTY_HASH };
        roots.fold(last, |right, left| node_hash(left, right))
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.roots.iter().flat_map(|it| it.0).collect()
    }

    /// Reads back what [`Edge::to_bytes`] gave; none when it cannot be the edge of such a tree.
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Edge> {
        let (roots, rest) = bytes.as_chunks::<HASH_SIZE>();
        let fits = rest.is_empty() && roots.len() == size.count_ones() as usize;
        fits.then(|| Edge { size, roots: roots.iter().copied().map(Hash).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962 section 2.1, word for word: the slow oracle.
    fn naive(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_HASH,
            [one] => *one,
            many => {
                let split = many.len().next_power_of_two() / 2;
                node_hash(naive(&many[..split]), naive(&many[split..]))
            }
        }
    }

    fn leaves(n: usize) -> Vec<Hash> {
        (0..n).map(|i| leaf(&format!("entry {i}"))).collect()
    }

    #[test]
    fn root_equals_the_definition_at_every_size() {
        let all = leaves(300);
        let mut edge = Edge::default();
        for n in 0..all.len() {
            assert_eq!(edge.root(), naive(&all[..n]), "size {n}");
            let back = Edge::from_bytes(edge.size(), &edge.to_bytes()).unwrap();
            assert_eq!(back, edge);
            edge.append(all[n]);
        }
    }

    #[test]
    fn a_tile_is_given_when_its_last_leaf_arrives() {
        let all = leaves(513);
        let mut edge = Edge::default();
        let tiles: Vec<(usize, Tile)> = (0..513)
            .flat_map(|n| edge.append(all[n]).into_iter().map(move |tile| (n, tile)))
            .collect();
        assert_eq!(tiles.len(), 2);
        assert_eq!(tiles[0].0, 255);
        assert_eq!(tiles[0].1, Tile { level: 1, index: 0, hash: naive(&all[..256]) });
        assert_eq!(tiles[1].1, Tile { level: 1, index: 1, hash: naive(&all[256..512]) });
    }

    #[test]
    fn an_edge_of_another_size_is_not_read() {
        let mut edge = Edge::default();
        edge.append(leaf("a"));
        assert!(Edge::from_bytes(3, &edge.to_bytes()).is_none());
        assert!(Edge::from_bytes(1, &edge.to_bytes()[1..]).is_none());
    }
}
