//! What the tests stand on.

pub mod address;
pub mod browser;
pub mod caller;
pub mod client;
pub mod factor;
pub mod places;
pub mod policies;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod samples;
pub mod server;
pub mod stores;
pub mod traffic;
pub mod wire;

pub use browser::Browser;
pub use caller::{Answer, Caller, send};
pub use server::{ADMIN, Gate, PASSWORD, Setup};
pub use wire::Wire;
