//! Where the tree stands: the stored head, believed as far as it is signed and no further.

use super::checkpoint::Signer;
use super::tree::Edge;
use crate::store::{Database, Error, Result, Row, Statement};

/// A tree and the signed note that vouches for it.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    pub edge: Edge,
    pub checkpoint: String,
}

impl Standing {
    /// Reads the stored head.
    pub async fn load(db: &dyn Database, signer: &Signer) -> Result<Standing> {
        let rows = db.query("SELECT edge, checkpoint FROM audit_head WHERE id = 1", vec![]).await?;
        let row = rows.first().ok_or(Error::Damaged("the audit has no head"))?;
        Standing::default().follow(row, signer)
    }

    /// What stands in the row of [`lock`], another replica's commits included.
    ///
    /// Whoever can write to the store but has no key could otherwise have us sign a rewritten past:
    /// we would continue it, and our next signature would cover it.
    pub fn follow(&self, row: &Row, signer: &Signer) -> Result<Standing> {
        let checkpoint = row.text(1)?;
        if checkpoint == self.checkpoint {
            return Ok(self.clone());
        }
        let head = signer
            .recognise(checkpoint)
            .map_err(|_| Error::Damaged("the audit's head is not signed with this server's key"))?;
        if head.size < self.edge.size() {
            return Err(Error::Damaged("the audit's head went back to an older one"));
        }
        let edge = Edge::from_bytes(head.size, row.bytes(0)?)
            .filter(|it| it.root() == head.root)
            .ok_or(Error::Damaged("the audit's edge is not that of its signed head"))?;
        Ok(Standing { edge, checkpoint: checkpoint.to_owned() })
    }
}

/// Makes commits serial, over all replicas: the row stays locked until the transaction ends.
pub fn lock() -> Statement {
    Statement::new("UPDATE audit_head SET size = size WHERE id = 1 RETURNING edge, checkpoint")
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::audit::tree::leaf;
    use crate::store::Value;

    fn signer(origin: &str, seed: u8) -> Signer {
        Signer::new(origin, &SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    fn edge(entries: u64) -> Edge {
        let mut edge = Edge::default();
        for n in 0..entries {
            edge.append(leaf(&n.to_string()));
        }
        edge
    }

    fn row(edge: &Edge, checkpoint: String) -> Row {
        Row::from(vec![Value::Bytes(edge.to_bytes()), Value::Text(checkpoint)])
    }

    #[test]
    fn a_head_is_followed_only_where_our_key_vouches_for_its_edge() {
        let ours = signer("gate.example/audit", 1);
        let signed = |entries| ours.sign(&edge(entries)).unwrap();
        let start = Standing::default();
        let known = start.follow(&row(&edge(5), signed(5)), &ours).unwrap();
        assert_eq!(known.edge, edge(5));
        assert_eq!(known.follow(&row(&edge(9), signed(9)), &ours).unwrap().edge, edge(9));
        // What we know ourselves need not be read from where others may write.
        assert_eq!(known.follow(&row(&edge(4), signed(5)), &ours).unwrap().edge, edge(5));

        let theirs = signer("gate.example/audit", 2).sign(&edge(9)).unwrap();
        for (what, row) in [
            ("another key", row(&edge(9), theirs)),
            ("a rewritten tree", row(&edge(8), signed(9))),
            ("an older head", row(&edge(4), signed(4))),
            ("no head", row(&edge(0), String::new())),
        ] {
            assert!(known.follow(&row, &ours).is_err(), "{what}");
        }
    }

    #[test]
    fn a_log_that_was_renamed_is_still_ours() {
        let note = signer("old.example/audit", 1).sign(&edge(3)).unwrap();
        let renamed = signer("new.example/audit", 1);
        let followed = Standing::default().follow(&row(&edge(3), note), &renamed).unwrap();
        assert_eq!(followed.edge.size(), 3);
    }
}
