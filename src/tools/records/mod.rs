//! Full-text search over records that the operator loads from a file: CSV, or JSON a line.

mod index;
mod load;
mod provider;
mod query;
#[cfg(test)]
mod tests;

pub use index::{Found, Index};
pub use load::{BadData, Format, load};
pub use provider::Records;
