//! The policies that a process brings with it when it starts.

use std::fmt;
use std::sync::Arc;

use super::Origin;
use crate::policy::{Bundle, Fault};

/// A bundle, or what is wrong with it, and where it comes from.
#[derive(Debug)]
pub struct Offer {
    pub(super) origin: Origin,
    pub(super) bundle: Result<Arc<Bundle>, Vec<Fault>>,
}

impl Offer {
    /// What was read from two directories.
    pub fn directory(read: Result<Bundle, Vec<Fault>>) -> Offer {
        Offer { origin: Origin::Directory, bundle: read.map(Arc::new) }
    }

    /// The digest of what is offered, where it is good.
    pub fn digest(&self) -> Option<&str> {
        self.bundle.as_ref().ok().map(|it| it.digest())
    }

    /// What is offered.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn bundle(&self) -> Result<&Arc<Bundle>, Broken> {
        self.bundle.as_ref().map_err(|it| Broken(it.clone()))
    }
}

impl From<Arc<Bundle>> for Offer {
    fn from(bundle: Arc<Bundle>) -> Offer {
        Offer { origin: Origin::Starter, bundle: Ok(bundle) }
    }
}

/// Policies that decide nothing, and why.
#[derive(Debug)]
pub struct Broken(pub Vec<Fault>);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            writeln!(f, "{fault}")?;
        }
        let count = self.0.len();
        write!(f, "the policies have {count} fault(s); nothing is decided by broken policies")
    }
}

impl std::error::Error for Broken {}
