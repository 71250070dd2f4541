//! Signed tree heads: C2SP checkpoints in signed notes (Ed25519).

use anyhow::{Context as _, anyhow};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use ed25519_dalek::SigningKey;
use signed_note::{Note, StandardSigner, StandardVerifier, VerifierList, key_id};
use tlog_tiles::Checkpoint;

use super::tree::{Edge, Hash};

/// The algorithm byte of Ed25519 in signed notes.
const ED25519: u8 = 1;

/// Signs tree heads under the log's name.
pub struct Signer {
    origin: String,
    signer: StandardSigner,
    /// The algorithm byte and the public key.
    public: Vec<u8>,
    public_key: String,
}

impl Signer {
    /// `origin` names the log: the public URL without its scheme, as C2SP asks.
    pub fn new(origin: &str, key: &SigningKey) -> anyhow::Result<Signer> {
        let public = [&[ED25519], key.verifying_key().as_bytes().as_slice()].concat();
        let public_key = verifier_key(origin, &public);
        let id = key_id(origin, &public);
        let secret = [&[ED25519], key.to_bytes().as_slice()].concat();
        let encoded = format!("PRIVATE+KEY+{origin}+{id:08x}+{}", BASE64_STANDARD.encode(secret));
        let signer = StandardSigner::new(&encoded)
            .map_err(|_| anyhow!("`{origin}` cannot name a log: no spaces and no `+`"))?;
        Ok(Signer { origin: origin.to_owned(), signer, public, public_key })
    }

    /// The verifier key in signed-note form: `name+id+base64`.
    pub fn public_key(&self) -> &str {
        &self.public_key
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The signed head of this tree.
    pub fn sign(&self, edge: &Edge) -> anyhow::Result<String> {
        let checkpoint = Checkpoint::new(&self.origin, edge.size(), edge.root(), "")
            .map_err(|error| anyhow!("{error}"))?;
        let mut note = Note::new(&checkpoint.to_bytes(), &[]).context("checkpoint text")?;
        note.add_sigs(&[&self.signer]).context("signing a checkpoint")?;
        Ok(String::from_utf8(note.to_bytes())?)
    }

    /// Opens a checkpoint that this key signed, under whatever name the log had then.
    pub fn recognise(&self, note: &str) -> anyhow::Result<Head> {
        open(note, &self.public_key_of(note))
    }

    /// The verifier key under the name that the log has in this note: a public URL may change.
    pub fn public_key_of(&self, note: &str) -> String {
        verifier_key(note.lines().next().unwrap_or_default(), &self.public)
    }
}

/// A key in signed-note form: `name+id+base64`.
fn verifier_key(origin: &str, public: &[u8]) -> String {
    format!("{origin}+{:08x}+{}", key_id(origin, public), BASE64_STANDARD.encode(public))
}

/// A tree head whose signature was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    pub size: u64,
    pub root: Hash,
}

/// Opens a signed checkpoint with the log's verifier key.
pub fn open(note: &str, public_key: &str) -> anyhow::Result<Head> {
    let verifier = StandardVerifier::new(public_key)
        .context("the public key is not a signed-note verifier key (name+id+base64)")?;
    let name = public_key.split('+').next().unwrap_or_default().to_owned();
    let note = Note::from_bytes(note.as_bytes()).context("not a signed note")?;
    note.verify(&VerifierList::new(vec![Box::new(verifier)]))
        .context("the checkpoint's signature is not by this key")?;
    let checkpoint =
        Checkpoint::from_bytes(note.text()).map_err(|_| anyhow!("not a checkpoint"))?;
    anyhow::ensure!(
        checkpoint.origin() == name,
        "the checkpoint is of the log `{}`, not of `{name}`",
        checkpoint.origin()
    );
    Ok(Head { size: checkpoint.size(), root: *checkpoint.hash() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::tree::leaf;

    fn signer(seed: u8) -> Signer {
        Signer::new("gate.example.com/audit", &SigningKey::from_bytes(&[seed; 32])).unwrap()
    }

    #[test]
    fn a_signed_head_opens_with_its_own_key_only() {
        let mut edge = Edge::default();
        edge.append(leaf("x"));
        let note = signer(1).sign(&edge).unwrap();
        let head = open(&note, signer(1).public_key()).unwrap();
        assert_eq!(head, Head { size: 1, root: edge.root() });
        assert!(open(&note, signer(2).public_key()).is_err());
        assert!(open(&note.replacen("\n1\n", "\n2\n", 1), signer(1).public_key()).is_err());
    }
}
