//! `gatewright policy check`.

use super::super::out::complain;
use super::folders::Folders;
use crate::policy::Fault;

pub fn check(folders: &Folders) -> Result<String, Vec<Fault>> {
    let bundle = folders.bundle()?;
    for warning in bundle.warnings() {
        complain(&format!("warning: {warning}"));
    }
    Ok(format!(
        "{} policies and templates are sound; digest {}",
        bundle.metas().len(),
        bundle.digest()
    ))
}
