//! The shipped bundle, held against its table, and against every way of getting it wrong.

mod bounds;
mod faults;
mod links;
mod lint;
mod registry;
mod slices;
mod starter;
mod tables;
mod typed;
mod watch;

pub(super) use self::registry::Registered;
use super::load::{SourceFile, Sources};
use super::{Bundle, Fault};

/// The starter bundle's sources without its table: checking is quicker.
pub(super) fn sources() -> Sources {
    Sources { tests: None, ..Sources::starter() }
}

/// The starter bundle with one more file.
fn with(text: &str) -> Result<Bundle, Vec<Fault>> {
    let mut sources = sources();
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", text));
    Bundle::from_sources(sources)
}

/// The same with this registry at hand.
fn surveyed(text: &str) -> Result<Bundle, Vec<Fault>> {
    let mut sources = sources();
    sources.policies.push(SourceFile::new("policies", "90-ours.cedar", text));
    Bundle::surveyed(sources, &Registered)
}

/// The faults as a person reads them, one a line.
pub(super) fn shown(result: Result<Bundle, Vec<Fault>>) -> String {
    let faults = result.err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}
