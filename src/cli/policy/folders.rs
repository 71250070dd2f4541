//! Where a bundle lies on disk.

use std::path::PathBuf;

use clap::Args;

use crate::policy::{Bundle, Fault, Sources};

#[derive(Clone, Debug, Args)]
pub struct Folders {
    /// The folder of the policies
    #[arg(long, default_value = "policies")]
    pub dir: PathBuf,
    /// The folder of the schema
    #[arg(long, default_value = "schemas")]
    pub schema_dir: PathBuf,
}

impl Folders {
    /// What lies there, unchecked.
    pub fn sources(&self) -> Result<Sources, Vec<Fault>> {
        Sources::read(&self.schema_dir, &self.dir)
    }

    /// The bundle, checked, its decision tables included.
    pub fn bundle(&self) -> Result<Bundle, Vec<Fault>> {
        Bundle::load(&self.schema_dir, &self.dir)
    }
}
