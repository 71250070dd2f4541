//! `gatewright policy diff`: two bundles, policy by policy, and by what they allow.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde::Serialize;
use uuid::Uuid;

use super::folders::Folders;
use super::lifecycle::{PATH, active};
use super::registry;
use crate::cli::api::{Api, ApiArgs, Failure, end};
use crate::cli::exit;
use crate::cli::out::{complain, say};
use crate::policy::bundles::{self, Broken, Compared};
use crate::policy::prove::{Comparison, compare};
use crate::policy::{Bundle, Fault, Sources};

/// The bundle that decides on the server.
const ACTIVE: &str = "active";

#[derive(Debug, Args)]
pub struct Diff {
    /// What was before: a folder that holds `policies` and `schemas`, the id of a bundle on the
    /// server, or `active`
    #[arg(default_value = ACTIVE)]
    before: String,
    /// What comes after; left out, the folders of `--dir` and `--schema-dir`
    after: Option<String>,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    api: ApiArgs,
}

/// What differs.
#[derive(Debug, Serialize)]
struct Differences {
    before: String,
    after: String,
    added: Vec<String>,
    removed: Vec<String>,
    changed: Vec<Changed>,
    /// Files that are no policies: schema, links, history and tests.
    files: Vec<String>,
    /// The same, with what became of each.
    file_changes: Vec<FileChange>,
    comparison: Compared,
}

#[derive(Debug, Serialize)]
struct FileChange {
    file: String,
    /// `added`, `removed` or `changed`.
    change: &'static str,
}

#[derive(Debug, Serialize)]
struct Changed {
    policy: String,
    before: String,
    after: String,
}

pub async fn run(args: Diff) -> anyhow::Result<ExitCode> {
    let (before, after) = match both(&args).await {
        Ok((Ok(before), Ok(after))) => (before, after),
        Ok((before, after)) => {
            for broken in [before.err(), after.err()].into_iter().flatten() {
                complain(&broken.to_string());
            }
            return Ok(ExitCode::from(exit::FAILED));
        }
        Err(failure) => return Ok(end(Err(failure))),
    };
    let comparison = compare(before.clone(), after.clone()).await;
    let allowed = told(&comparison);
    let found = Differences::between(&before, &after, comparison.into());
    match args.api.is_for_people() {
        true => say((found.shown() + &allowed).trim_end()),
        false => say(&serde_json::to_string_pretty(&found)?),
    }
    Ok(ExitCode::SUCCESS)
}

type Read = Result<Arc<Bundle>, Broken>;

async fn both(args: &Diff) -> Result<(Read, Read), Failure> {
    let before = read(&args.before, args).await?;
    let after = match &args.after {
        Some(it) => read(it, args).await?,
        None => working(args).await?,
    };
    Ok((before, after))
}

/// What lies in the folders at hand. Tools have the types that the server says, where one is asked
/// anyway.
async fn working(args: &Diff) -> Result<Read, Failure> {
    let sources = args.folders.sources();
    if !is_on_server(&args.before) {
        return Ok(build(sources));
    }
    let landscape = registry::told_by(&Api::open(&args.api).await?).await?;
    let built = sources.and_then(|it| Bundle::surveyed_untested(it, &*landscape));
    Ok(built.map(Arc::new).map_err(Broken))
}

fn is_on_server(what: &str) -> bool {
    what == ACTIVE || what.parse::<Uuid>().is_ok()
}

/// A folder is read without any server.
async fn read(what: &str, args: &Diff) -> Result<Read, Failure> {
    let folder = PathBuf::from(what);
    if !is_on_server(what) {
        return match folder.is_dir() {
            true => Ok(build(sources_below(&folder))),
            false => {
                Err(anyhow!("`{what}` is no folder, no id of a bundle, and not `active`").into())
            }
        };
    }
    let api = Api::open(&args.api).await?;
    let id = if what == ACTIVE { active(&api).await? } else { what.to_owned() };
    let bundle = api.get(&format!("{PATH}/{id}")).await?;
    let files = serde_json::from_value(bundle["files"].clone())
        .map_err(|_| anyhow!("the server did not answer with the files of the bundle"))?;
    Ok(build(bundles::sources(&files)))
}

/// As `gatewright init` lays them.
fn sources_below(folder: &Path) -> Result<Sources, Vec<Fault>> {
    Sources::read(&folder.join("schemas"), &folder.join("policies"))
}

/// Without its tables: they say nothing about what differs.
fn build(sources: Result<Sources, Vec<Fault>>) -> Read {
    sources.and_then(Bundle::tested_before).map(Arc::new).map_err(Broken)
}

impl Differences {
    fn between(before: &Bundle, after: &Bundle, comparison: Compared) -> Differences {
        let (old, new) = (before.metas(), after.metas());
        let without = |these: &BTreeMap<String, _>, id: &&String| !these.contains_key(*id);
        let changed = new.iter().filter_map(|(id, after)| {
            let before = old.get(id).filter(|it| it.text != after.text)?;
            let (policy, before, after) = (id.clone(), before.text.clone(), after.text.clone());
            Some(Changed { policy, before, after })
        });
        let file_changes = other_files(before, after);
        Differences {
            before: before.digest().to_owned(),
            after: after.digest().to_owned(),
            added: new.keys().filter(|id| without(old, id)).cloned().collect(),
            removed: old.keys().filter(|id| without(new, id)).cloned().collect(),
            changed: changed.collect(),
            files: file_changes.iter().map(|it| it.file.clone()).collect(),
            file_changes,
            comparison,
        }
    }

    fn shown(&self) -> String {
        let mut out = format!("{} → {}\n", self.before, self.after);
        let mut list = |word: &str, ids: &[String]| {
            for id in ids {
                out.push_str(&format!("{word} {id}\n"));
            }
        };
        list("added   ", &self.added);
        list("removed ", &self.removed);
        for FileChange { file, change } in &self.file_changes {
            out.push_str(&format!("file     {file} ({change})\n"));
        }
        for it in &self.changed {
            out.push_str(&format!("changed  {}\n", it.policy));
            for (mark, text) in [('-', &it.before), ('+', &it.after)] {
                out.extend(text.lines().map(|line| format!("  {mark} {line}\n")));
            }
        }
        if self.added.is_empty() && self.removed.is_empty() && self.changed.is_empty() {
            out.push_str("no policy differs\n");
        }
        out
    }
}

/// What becomes of requests, with one for each kind that is decided otherwise.
fn told(comparison: &Comparison) -> String {
    let (widens, narrows, notes) = match comparison {
        Comparison::Proved { widens, narrows, notes } => (widens, narrows, notes),
        Comparison::NotProved { why } => return format!("not proved: {why}\n"),
    };
    let mut out = match (widens.as_slice(), narrows.as_slice()) {
        ([], []) => "equivalent: both decide every request alike (proved)\n".to_owned(),
        ([], _) => "opens nothing (proved)\n".to_owned(),
        (_, []) => "closes nothing (proved)\n".to_owned(),
        _ => String::new(),
    };
    for (word, examples) in [("opens", widens), ("closes", narrows)] {
        for it in examples {
            let shown = it.to_string().replace('\n', "\n  ");
            out.push_str(&format!("{word}:\n  {shown}\n"));
        }
    }
    out.extend(notes.iter().map(|it| format!("note: {it}\n")));
    out
}

/// Files that differ and hold no policies.
fn other_files(before: &Bundle, after: &Bundle) -> Vec<FileChange> {
    let of = |it: &Bundle| {
        let mut files = bundles::files(it.sources());
        files.retain(|path, _| !path.ends_with(".cedar"));
        files
    };
    let (old, new) = (of(before), of(after));
    let all: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let change = |file: &String| match (old.get(file), new.get(file)) {
        (None, _) => Some("added"),
        (_, None) => Some("removed"),
        (before, after) => (before != after).then_some("changed"),
    };
    let changes = all.into_iter().map(|it| (it, change(it)));
    changes
        .filter_map(|(it, change)| Some(FileChange { file: it.clone(), change: change? }))
        .collect()
}
