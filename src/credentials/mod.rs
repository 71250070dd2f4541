//! Credentials: Biscuits that carry one decision, minted here and verified anywhere.

pub mod attenuate;
pub mod inspect;
pub mod keys;
pub mod mint;
pub mod verify;

#[cfg(test)]
pub(crate) mod fixture;
