//! What would be decided: questions about decisions, as AuthZEN 1.0 puts them. They are decided by
//! the bundle that decides requests, on the same facts, counters and grants; nothing is used up.

mod candidates;
mod circumstances;
mod decide;
mod inquiry;
mod mapped;
pub mod model;
mod names;
mod overlay;
pub mod page;
mod particulars;
mod right;
mod scopes;
mod search;

pub use self::inquiry::{Inquiry, Question};
pub use self::names::Names;
pub use self::right::{QueryAccess, SearchAccess};
pub use self::search::{Conditional, Found};
