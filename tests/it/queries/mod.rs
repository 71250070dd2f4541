//! Questions about decisions: AuthZEN 1.0, and `gatewright can`.

mod bundle;
mod certification;
mod evaluation;
