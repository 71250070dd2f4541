//! Policies as data: read, checked and held as one immutable bundle, swapped whole.

mod anatomy;
mod bounds;
mod bundle;
pub mod bundles;
mod check;
mod cores;
mod entities;
mod fault;
mod format;
mod forms;
mod history;
pub mod invariants;
mod landscape;
mod links;
mod lint;
mod load;
mod meta;
pub mod prove;
mod reads;
mod references;
pub mod rehearsal;
pub mod replay;
pub mod residue;
pub mod shadow;
mod slice;
mod starter;
pub mod suggest;
mod syntax;
pub mod table;
pub mod typed;
pub mod vocabulary;
mod watch;

#[cfg(test)]
mod tests;

pub use self::bundle::Bundle;
pub use self::fault::{Fault, Severity};
pub use self::format::formatted;
pub use self::forms::{Form, Unfit};
pub use self::history::{Count, Counted, Declared, Ending, Fact, Per, Untold};
pub use self::landscape::{KnownTool, Landscape, meant};
pub use self::links::{Link, Ungrantable};
pub use self::load::{SourceFile, Sources, Tests};
pub use self::meta::{Fix, Meta, Tier};
pub use self::reads::{Reads, milliseconds};
pub use self::slice::{Narrow, Sight};
pub use self::starter::FILES as STARTER_FILES;
pub use self::syntax::children;
pub use self::watch::watch;
