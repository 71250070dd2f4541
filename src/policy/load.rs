//! Reading a bundle's files: everything below two directories, within bounds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::bounds::{FILE_BYTES_MAX, FILES_MAX};
use super::fault::Fault;

const DEPTH_MAX: usize = 8;

/// One file of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Relative to its directory, with `/` between the parts: what is hashed and shown in
    /// metadata.
    pub name: String,
    /// As faults show it.
    pub path: String,
    pub text: String,
}

/// The decision table and the world it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    pub table: SourceFile,
    pub world: SourceFile,
}

/// What a bundle is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `*.cedarschema`, by name.
    pub schema: Vec<SourceFile>,
    /// `*.cedar`, by name.
    pub policies: Vec<SourceFile>,
    /// `tests/table.json` and `tests/world.json` of the policy directory, if they are there.
    pub tests: Option<Tests>,
}

impl SourceFile {
    /// A file that lies below `directory`.
    pub fn new(directory: &str, name: &str, text: impl Into<String>) -> SourceFile {
        SourceFile { name: name.to_owned(), path: format!("{directory}/{name}"), text: text.into() }
    }
}

impl Sources {
    /// Reads both directories and everything below them. Hidden entries are left out: Kubernetes
    /// keeps its copies in them.
    ///
    /// # Errors
    /// A directory that is missing or empty of policies, a file that cannot be read, is no UTF-8
    /// or is out of bounds. A policy directory that is not there never means "no rules".
    pub fn read(schema_dir: &Path, policy_dir: &Path) -> Result<Sources, Vec<Fault>> {
        let mut faults = Vec::new();
        let schema = read_all(schema_dir, "cedarschema", &mut faults);
        let policies = read_all(policy_dir, "cedar", &mut faults);
        let tests = read_tests(policy_dir).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if faults.is_empty() { Ok(Sources { schema, policies, tests }) } else { Err(faults) }
    }
}

fn read_all(directory: &Path, extension: &str, faults: &mut Vec<Fault>) -> Vec<SourceFile> {
    let mut walk = Walk { root: directory, extension, files: Vec::new() };
    if let Err(fault) = walk.descend(directory, 0) {
        faults.push(fault);
    } else if walk.files.is_empty() {
        faults.push(
            Fault::whole(shown(directory), format!("no `*.{extension}` file"))
                .fixed_by("`gatewright init` writes the starter files"),
        );
    }
    walk.files.sort_by(|a, b| a.name.cmp(&b.name));
    walk.files
}

struct Walk<'a> {
    root: &'a Path,
    extension: &'a str,
    files: Vec<SourceFile>,
}

impl Walk<'_> {
    fn descend(&mut self, directory: &Path, depth: usize) -> Result<(), Fault> {
        if depth > DEPTH_MAX {
            return Err(Fault::whole(shown(directory), format!("deeper than {DEPTH_MAX} levels")));
        }
        for entry in fs::read_dir(directory).map_err(|it| unreadable(directory, &it))? {
            let path = entry.map_err(|it| unreadable(directory, &it))?.path();
            if path.file_name().is_some_and(|it| it.to_string_lossy().starts_with('.')) {
                continue;
            }
            let about = fs::metadata(&path).map_err(|it| unreadable(&path, &it))?;
            if about.is_dir() {
                self.descend(&path, depth + 1)?;
            } else if about.is_file() && path.extension().is_some_and(|it| it == self.extension) {
                self.take(&path)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &Path) -> Result<(), Fault> {
        if self.files.len() == FILES_MAX {
            return Err(Fault::whole(shown(self.root), format!("more than {FILES_MAX} files")));
        }
        self.files.push(read_one(self.root, path)?);
        Ok(())
    }
}

fn read_tests(policy_dir: &Path) -> Result<Option<Tests>, Fault> {
    let table = policy_dir.join("tests/table.json");
    if !table.exists() {
        return Ok(None);
    }
    Ok(Some(Tests {
        table: read_one(policy_dir, &table)?,
        world: read_one(policy_dir, &policy_dir.join("tests/world.json"))?,
    }))
}

fn read_one(root: &Path, path: &Path) -> Result<SourceFile, Fault> {
    let mut text = String::new();
    File::open(path)
        .and_then(|it| it.take(FILE_BYTES_MAX as u64 + 1).read_to_string(&mut text))
        .map_err(|it| unreadable(path, &it))?;
    if text.len() > FILE_BYTES_MAX {
        return Err(Fault::whole(shown(path), format!("larger than {FILE_BYTES_MAX} bytes"))
            .fixed_by("split it"));
    }
    let name = path.strip_prefix(root).unwrap_or(path);
    let name: Vec<_> = name.iter().map(|it| it.to_string_lossy()).collect();
    Ok(SourceFile { name: name.join("/"), path: shown(path), text })
}

fn unreadable(path: &Path, error: &io::Error) -> Fault {
    Fault::whole(shown(path), format!("cannot be read: {error}"))
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
