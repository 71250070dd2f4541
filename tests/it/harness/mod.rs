//! What the tests stand on.

pub mod caller;
pub mod postgres;
pub mod proxy;
pub mod samples;
pub mod server;
pub mod stores;
pub mod traffic;

pub use caller::{Answer, Caller, send};
pub use server::{ADMIN, Gate, PASSWORD, Setup};
