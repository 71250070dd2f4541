//! Whether a schema says all that another says, and in the same sense.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::load::SourceFile;
use super::super::typed::core_of;

/// What is declared, by namespace, kind and name.
type Declared = BTreeMap<[String; 3], Value>;

/// Whatever `active` declares, `candidate` declares alike, apart from the calls of tools: another
/// schema speaks of other entities than there are. What is declared besides matters to no request that
/// there was before: nothing that was there refers to it, and no name may hide another.
///
/// # Errors
/// What is declared otherwise.
pub(super) fn only_adds(active: &[SourceFile], candidate: &[SourceFile]) -> Result<(), String> {
    let (old, new) = (declared(active)?, declared(candidate)?);
    match old.iter().find(|(place, it)| new.get(*place) != Some(*it)) {
        Some((place, _)) => Err(format!("the schema says something else of {}", shown(place))),
        None => Ok(()),
    }
}

fn declared(files: &[SourceFile]) -> Result<Declared, String> {
    let mut all = Declared::new();
    for file in core_of(files)? {
        for (namespace, kinds) in file.as_object().into_iter().flatten() {
            for (kind, them) in kinds.as_object().into_iter().flatten() {
                // Those of the namespace, which say nothing to Cedar.
                if kind == "annotations" {
                    continue;
                }
                for (name, it) in them.as_object().into_iter().flatten() {
                    all.insert([namespace.clone(), kind.clone(), name.clone()], it.clone());
                }
            }
        }
    }
    Ok(all)
}

fn shown([namespace, kind, name]: &[String; 3]) -> String {
    let name = match (kind.as_str(), namespace.is_empty()) {
        ("actions", _) => return format!("the action `{name}`"),
        (_, true) => name.clone(),
        (_, false) => format!("{namespace}::{name}"),
    };
    format!("`{name}`")
}
