//! `gatewright policy test`.

use super::folders::Folders;
use crate::policy::{Bundle, Fault, table::Table};

pub fn test(folders: &Folders) -> Result<String, Vec<Fault>> {
    let mut sources = folders.sources()?;
    let Some(tests) = sources.tests.take() else {
        return Ok("there are no tables in tests/: nothing was tested".into());
    };
    let bundle = Bundle::from_sources(sources)?;
    let table = Table::read(&tests, &bundle)?;
    let faults = table.run(&bundle);
    if !faults.is_empty() {
        return Err(faults);
    }
    let unnoticed = table.unnoticed(&bundle);
    let rows = table.len();
    Ok(match unnoticed.as_slice() {
        [] => format!("{rows} rows pass; dropping any one policy fails at least one of them"),
        some => format!("{rows} rows pass; no row would miss: {}", some.join(", ")),
    })
}
