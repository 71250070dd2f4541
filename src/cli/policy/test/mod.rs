//! `gatewright policy test`.

mod junit;
mod report;

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::Context as _;
use clap::Args;
use notify::RecursiveMode;
use regex::Regex;

use super::super::exit;
use super::super::out::{complain, say};
use super::folders::Folders;
use crate::policy::table::Table;
use crate::policy::{Bundle, Fault, Sources};
use crate::watch::{Pace, Watch};

use self::report::Report;

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    folders: Folders,
    /// Run only the rows whose `FILE: NAME` contains this text, or matches it as a regular expression
    #[arg(long, value_name = "TEXT|REGEX")]
    filter: Option<String>,
    /// Run again whenever a file changes, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Write what came of each row to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Tell which policies and conditions the rows do not see both ways
    #[arg(long)]
    coverage: bool,
    /// Fail below this coverage
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Change each policy, or each whose @id begins with PREFIX, in every small way there is; fail on
    /// a change that no row notices
    #[arg(long, value_name = "PREFIX", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    mutate: Option<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Runs the tables once, or until somebody ends it.
pub fn run(args: TestArgs) -> anyhow::Result<ExitCode> {
    if args.watch { watch(args) } else { args.once(args.folders.sources()) }
}

fn watch(args: TestArgs) -> anyhow::Result<ExitCode> {
    let Folders { dir, schema_dir } = args.folders.clone();
    let mut seen = None;
    let mut look = move || {
        let read = args.folders.sources();
        if seen.as_ref() == Some(&read) {
            return;
        }
        seen = Some(read.clone());
        // Whatever is wrong now may be mended by the next edit.
        if let Err(error) = args.once(read) {
            complain(&format!("{error:#}"));
        }
        complain("waits for the next change; Ctrl-C ends it");
    };
    look();
    let directories = [&dir, &schema_dir].map(|it| (it.as_path(), RecursiveMode::Recursive));
    let _watch = Watch::start("policy-test", &directories, Pace::default(), look)
        .context("the folders cannot be watched")?;
    loop {
        thread::park();
    }
}

impl TestArgs {
    fn once(&self, sources: Result<Sources, Vec<Fault>>) -> anyhow::Result<ExitCode> {
        let report = match sources.and_then(|it| self.read(it)) {
            Ok((bundle, table)) => self.report(&bundle, &table)?,
            Err(unfit) => Report { unfit, ..Report::default() },
        };
        if let Some(path) = &self.junit {
            let text = junit::xml(&report)?;
            std::fs::write(path, text)
                .with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        match self.output {
            Output::Text => report.tell(),
            Output::Json => say(&report.json().to_string()),
        }
        Ok(if report.is_passed() { ExitCode::SUCCESS } else { ExitCode::from(exit::FAILED) })
    }

    /// The bundle, and of its tables the rows that are chosen.
    fn read(&self, mut sources: Sources) -> Result<(Bundle, Table), Vec<Fault>> {
        let tests = sources.tests.take();
        let bundle = Bundle::from_sources(sources)?;
        let Some(tests) = tests else {
            return Err(vec![self.untested("there are no tables in `tests/`")]);
        };
        let table = self.chosen(Table::read(&tests, &bundle)?);
        match (table.is_empty(), &self.filter) {
            (false, _) => Ok((bundle, table)),
            (true, None) => Err(vec![self.untested("the tables in `tests/` have no rows")]),
            (true, Some(_)) => Err(vec![self.untested("no row is chosen")]),
        }
    }

    fn untested(&self, why: &str) -> Fault {
        Fault::untested(&self.folders.dir, why)
    }

    fn chosen(&self, table: Table) -> Table {
        let Some(filter) = &self.filter else { return table };
        let regex = Regex::new(filter).ok();
        table.filtered(|it| {
            it.contains(filter) || regex.as_ref().is_some_and(|regex| regex.is_match(it))
        })
    }

    fn report(&self, bundle: &Bundle, table: &Table) -> anyhow::Result<Report> {
        let ran = table.run(bundle);
        let is_passed = ran.iter().all(|it| it.fault.is_none());
        let wants_coverage = self.coverage || self.min_coverage.is_some();
        // A row that fails as it is notices nothing.
        let mutation = (self.mutate.as_ref().filter(|_| is_passed))
            .map(|prefix| table.mutate(bundle, prefix, &progress))
            .transpose()?;
        let is_in_vain = mutation.as_ref().is_some_and(|it| it.mutants == 0);
        let in_vain = self.mutate.iter().filter(|_| is_in_vain);
        Ok(Report {
            unfit: in_vain.map(|prefix| self.no_mutant(prefix)).collect(),
            // Of some rows only it would mean nothing, and mutants drop each policy, too.
            unnoticed: (is_passed && self.filter.is_none() && self.mutate.is_none())
                .then(|| table.unnoticed(bundle))
                .transpose()?,
            coverage: wants_coverage.then(|| table.coverage(bundle)),
            min_coverage: self.min_coverage,
            mutation,
            ran,
        })
    }

    fn no_mutant(&self, prefix: &str) -> Fault {
        self.untested(&format!("no policy begins with `{prefix}` that could be changed"))
    }
}

/// Tells of every tenth part that is done.
fn progress(done: usize, of: usize) {
    if done * 10 / of > (done - 1) * 10 / of {
        complain(&format!("{done} of {of} mutants"));
    }
}

fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(it) if (0.0..=100.0).contains(&it) => Ok(it),
        _ => Err("not between 0 and 100".to_owned()),
    }
}
