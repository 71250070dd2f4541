//! The registry: what may be registered, who sees it, and who changes it.

mod changes;
mod definitions;
mod discovery;
mod import;

use std::collections::BTreeSet;

use serde_json::Value;

const TOOLS: &str = "/api/v1/tools";

fn path(tool: &Value) -> String {
    format!("{TOOLS}/{}", tool["id"].as_str().unwrap())
}

/// Where the faults of a problem document are.
fn pointers(problem: &Value) -> BTreeSet<&str> {
    let errors = problem["errors"].as_array().unwrap();
    errors.iter().map(|it| it["pointer"].as_str().unwrap()).collect()
}

/// The names on a page, in its order.
fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect()
}
