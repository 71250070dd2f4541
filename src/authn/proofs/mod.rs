//! Proofs made with a private key: what a caller signs itself, verified by rules of our own.

mod assertion;
mod dpop;
mod jwk;
mod jws;
mod nonce;
mod replay;
#[cfg(test)]
mod tests;

pub use assertion::{Assertion, BadAssertion, CLIENT_ASSERTION_TYPE, ProvenClient};
pub use dpop::{BadProof, Dpop, KeyProof};
pub use jwk::{BadKey, KeySet, PublicKey};
pub use jws::{ALGORITHMS, BadJws, Claims, Unverified};
use nonce::Nonces;
pub use replay::Refused;
use replay::{ReplayMemory, Use};
