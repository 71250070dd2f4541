//! `gatewright policy check`.

use super::folders::Folders;
use crate::policy::Fault;

pub fn check(folders: &Folders) -> Result<String, Vec<Fault>> {
    let bundle = folders.bundle()?;
    Ok(format!(
        "{} policies and templates are sound; digest {}",
        bundle.metas().len(),
        bundle.digest()
    ))
}
