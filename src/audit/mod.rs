//! The tamper-evident record: every decision and every act is one leaf of one Merkle tree.

pub mod checkpoint;
pub mod entry;
mod head;
pub mod ledger;
pub mod past;
pub mod proof;
pub mod query;
pub mod tree;
pub mod verify;

pub use entry::{Actor, Decision, Entry, Outcome, Target};
pub use ledger::Ledger;
