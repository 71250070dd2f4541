//! What a bundle is checked for, in which order, and where a check ends.

use std::thread;

use super::super::bounds;
use super::super::fault::Fault;
use super::super::load::Sources;

/// On a thread of its own, whose stack is large enough for whatever is within bounds.
pub(in crate::policy) fn apart<T: Send, E: From<Vec<Fault>> + Send>(
    work: impl FnOnce() -> Result<T, E> + Send,
) -> Result<T, E> {
    let stopped = |it: &dyn std::fmt::Display| {
        E::from(vec![Fault::whole("policies", format!("the check did not end: {it}"))])
    };
    let thread = thread::Builder::new().name("policy-check".to_owned());
    let thread = thread.stack_size(bounds::STACK_BYTES);
    thread::scope(|scope| match thread.spawn_scoped(scope, work) {
        Ok(thread) => thread.join().unwrap_or_else(|_| Err(stopped(&"it panicked"))),
        Err(error) => Err(stopped(&error)),
    })
}

/// What a bundle is checked for, in this order. A step that finds faults is the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::policy) enum Step {
    Parse,
    Validation,
    Lint,
    Tests,
}

impl Step {
    pub(super) fn failed(self, faults: Vec<Fault>) -> Failed {
        Failed { step: self, faults }
    }
}

/// Where a check ended, and on what.
#[derive(Debug)]
pub(in crate::policy) struct Failed {
    pub(in crate::policy) step: Step,
    pub(in crate::policy) faults: Vec<Fault>,
}

/// What stops a check before there is anything to validate.
impl From<Vec<Fault>> for Failed {
    fn from(faults: Vec<Fault>) -> Failed {
        Step::Parse.failed(faults)
    }
}

/// Refuses sources that are too much to read.
pub(in crate::policy) fn bounded(sources: &Sources) -> Result<(), Vec<Fault>> {
    clean(bounds::check(sources))
}

pub(super) fn clean(faults: Vec<Fault>) -> Result<(), Vec<Fault>> {
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

pub(super) fn whole(error: &dyn std::error::Error) -> Vec<Fault> {
    vec![Fault::whole("policies", error.to_string())]
}
