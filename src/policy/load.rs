//! Reading a bundle's files: everything below two directories, within bounds.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::bounds::{FILE_BYTES_MAX, FILES_MAX};
use super::bundle::{apart, bounded};
use super::check::parse_policies;
use super::fault::Fault;
use super::syntax::written;
use super::typed::named;

const DEPTH_MAX: usize = 8;
/// Of the policy directory.
pub(super) const LINKS: &str = "links.toml";
pub(super) const HISTORY: &str = "history.toml";
pub(super) const ENTITIES: &str = "entities.json";
const TESTS: &str = "tests";

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

/// The decision tables and the world they are about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tests {
    /// By name.
    pub tables: Vec<SourceFile>,
    /// By name.
    pub fixtures: Vec<SourceFile>,
}

/// What a bundle is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// `*.cedarschema`, by name.
    pub schema: Vec<SourceFile>,
    /// `*.cedar`, by name.
    pub policies: Vec<SourceFile>,
    /// `links.toml` of the policy directory, if it is there: templates with their slots filled.
    pub links: Option<SourceFile>,
    /// `history.toml` of the policy directory, if it is there: what policies may know of the past.
    pub history: Option<SourceFile>,
    /// `entities.json` of the policy directory, if it is there: things of other types than those
    /// that Gatewright keeps itself.
    pub entities: Option<SourceFile>,
    /// What lies in `tests/` of the policy directory, if there is a table.
    pub tests: Option<Tests>,
}

impl SourceFile {
    /// A file that lies below `directory`.
    pub fn new(directory: &str, name: &str, text: impl Into<String>) -> SourceFile {
        SourceFile { name: name.to_owned(), path: format!("{directory}/{name}"), text: text.into() }
    }
}

impl SourceFile {
    /// The paths of all policy files below `directory`, by name.
    ///
    /// # Errors
    /// As [`Sources::read`].
    pub fn policies_below(directory: &Path) -> Result<Vec<PathBuf>, Vec<Fault>> {
        let mut faults = Vec::new();
        let files = read_all(directory, "cedar", &mut faults);
        match faults.is_empty() {
            true => Ok(files.into_iter().map(|it| it.path.into()).collect()),
            false => Err(faults),
        }
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
        let mut taken = |read: Result<Option<SourceFile>, Fault>| {
            read.unwrap_or_else(|fault| {
                faults.push(fault);
                None
            })
        };
        let links = taken(read_if_there(policy_dir, LINKS));
        let history = taken(read_if_there(policy_dir, HISTORY));
        let entities = taken(read_if_there(policy_dir, ENTITIES));
        let tests = read_tests(policy_dir).unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        match faults.is_empty() {
            true => Ok(Sources { schema, policies, links, history, entities, tests }),
            false => Err(faults),
        }
    }

    /// Whether some policy may name the call of a tool, whose types somebody must know then.
    pub fn may_name_calls(&self) -> bool {
        self.policies.iter().any(|it| it.text.contains("\"call:"))
    }

    /// The tools that policies name the calls of.
    ///
    /// # Errors
    /// Policies that cannot be read.
    pub fn named_tools(&self) -> Result<Vec<String>, Vec<Fault>> {
        bounded(self)?;
        apart(|| {
            let parsed = parse_policies(&self.policies)?;
            let written = written(&parsed.policies)
                .map_err(|it| vec![Fault::whole("policies", it.to_string())])?;
            Ok(named(&written).into_keys().collect())
        })
    }

    /// Every file, with the word for its kind.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &SourceFile)> {
        let of = |kind: &'static str| move |file| (kind, file);
        let tests = self.tests.iter();
        (self.schema.iter().map(of("schema")))
            .chain(self.policies.iter().map(of("policy")))
            .chain(self.links.iter().map(of("links")))
            .chain(self.history.iter().map(of("history")))
            .chain(self.entities.iter().map(of("entities")))
            .chain(tests.clone().flat_map(|it| &it.fixtures).map(of("fixture")))
            .chain(tests.flat_map(|it| &it.tables).map(of("test")))
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
    let folder = policy_dir.join(TESTS);
    if !folder.is_dir() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for extension in ["json", "toml"] {
        let mut walk = Walk { root: policy_dir, extension, files: Vec::new() };
        walk.descend(&folder, 0)?;
        files.append(&mut walk.files);
    }
    Ok(Tests::of(files))
}

impl Tests {
    /// Sorts `files` into tables and fixtures; none without a table.
    pub fn of(mut files: Vec<SourceFile>) -> Option<Tests> {
        files.sort_by(|a, b| a.name.cmp(&b.name));
        let (fixtures, tables): (Vec<_>, Vec<_>) = files.into_iter().partition(|it| {
            it.name.starts_with("tests/fixtures/") || it.name.starts_with("tests/fixtures.")
        });
        (!tables.is_empty()).then_some(Tests { tables, fixtures })
    }
}

fn read_if_there(root: &Path, name: &str) -> Result<Option<SourceFile>, Fault> {
    let path = root.join(name);
    if path.exists() { read_one(root, &path).map(Some) } else { Ok(None) }
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
