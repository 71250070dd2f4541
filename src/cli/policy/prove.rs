//! `gatewright policy prove`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::folders::Folders;
use super::sarif;
use crate::cli::exit;
use crate::cli::out::say;
use crate::policy::invariants::{Searched, Violation, broken_promises, search};
use crate::policy::prove::{
    BUDGET, Comparison, Findings, Proof, ProvenInvariant, compare_within, findings, invariants,
};
use crate::policy::{Bundle, Fault};

#[derive(Debug, Args)]
pub struct ProveArgs {
    #[command(flatten)]
    folders: Folders,
    /// Compare with the policies of this folder: what would these allow that those do not?
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// The schema of those, if it is another
    #[arg(long, value_name = "DIR", requires = "against")]
    against_schema_dir: Option<PathBuf>,
    /// How long each part may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = BUDGET.as_secs())]
    seconds: u64,
    /// How to write what was found
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
    /// SARIF 2.1.0, as code scanning takes it
    Sarif,
}

/// Everything that was found.
#[derive(Debug, Serialize)]
struct Report {
    digest: String,
    /// What a search found, which needs no solver.
    violations: Vec<Violation>,
    broken_promises: Vec<Violation>,
    /// How far the search went.
    searched: Extent,
    invariants: Vec<ProvenInvariant>,
    policies: Findings,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
}

/// How many invariants and promises were searched, and which of them not to the end.
#[derive(Debug, Serialize)]
struct Extent {
    of: usize,
    cut_off: Vec<&'static str>,
}

/// Proves what can be proved, and says what cannot.
///
/// # Errors
/// Every fault of either bundle.
pub async fn prove(args: &ProveArgs) -> Result<ExitCode, Vec<Fault>> {
    let candidate = Arc::new(args.folders.bundle()?);
    let other = args.against.as_ref().map(|dir| {
        let schema_dir = args.against_schema_dir.as_ref().unwrap_or(&args.folders.schema_dir);
        Bundle::load(schema_dir, dir).map(Arc::new)
    });
    let other = other.transpose()?;
    let budget = Duration::from_secs(args.seconds);
    let comparison = match other {
        Some(other) => Some(compare_within(other, candidate.clone(), budget).await),
        None => None,
    };
    let (found, promises) = (search(&candidate, &[]), broken_promises(&candidate));
    let report = Report {
        digest: candidate.digest().to_owned(),
        searched: Extent::of(&found, &promises),
        violations: found.violations,
        broken_promises: promises.violations,
        invariants: invariants(candidate.clone(), Vec::new(), budget).await,
        policies: findings(candidate.clone(), budget).await,
        comparison,
    };
    match args.output {
        Output::Json => say(&serde_json::to_string_pretty(&report).unwrap_or_default()),
        Output::Text => say(&report.text()),
        Output::Sarif => say(&format!("{:#}", sarif::log(&report.findings(&candidate)))),
    }
    Ok(ExitCode::from(if report.is_refuted() { exit::FAILED } else { exit::DONE }))
}

impl Extent {
    fn of(found: &Searched, promises: &Searched) -> Extent {
        let cut_off = found.cut_off.iter().chain(&promises.cut_off).copied().collect();
        Extent { of: found.of + promises.of, cut_off }
    }
}

impl Report {
    /// What is wrong, and what nobody knows, at the policies that it is about.
    fn findings(&self, bundle: &Bundle) -> Vec<Fault> {
        let found = self.violations.iter().chain(&self.broken_promises);
        let shown = |it: &str| found.clone().any(|found| found.invariant == it);
        let promises: Vec<&str> = self.promises().collect();
        let mut all: Vec<Fault> = found
            .clone()
            .map(|it| {
                let by = it.policy.as_deref();
                let fault = Fault::invariant(bundle, it.invariant, &it.counterexample, by);
                fault.only_told_if(promises.contains(&it.invariant))
            })
            .collect();
        for it in self.invariants.iter().filter(|it| !shown(it.invariant)) {
            all.extend(match &it.proof {
                Proof::Proven => None,
                Proof::Refuted { counterexample } => {
                    let by = counterexample.by.first().map(String::as_str);
                    let fault = Fault::invariant(bundle, it.invariant, counterexample, by);
                    Some(fault.only_told_if(it.promise))
                }
                Proof::NotProved { why } => {
                    let cut_off = self.searched.cut_off.contains(&it.invariant);
                    cut_off.then(|| Fault::unproved(it.invariant, &self.extent(), why))
                }
            });
        }
        all
    }

    /// `searched 12 of 17 to the end`.
    fn extent(&self) -> String {
        let Extent { of, cut_off } = &self.searched;
        format!("searched {} of {of} to the end", of.saturating_sub(cut_off.len()))
    }

    fn promises(&self) -> impl Iterator<Item = &'static str> {
        self.invariants.iter().filter(|it| it.promise).map(|it| it.invariant)
    }

    /// Whether an invariant is broken; a promise may be.
    fn is_refuted(&self) -> bool {
        let refuted = |it: &ProvenInvariant| matches!(it.proof, Proof::Refuted { .. });
        !self.violations.is_empty() || self.invariants.iter().any(|it| !it.promise && refuted(it))
    }

    fn text(&self) -> String {
        let mut lines = Vec::new();
        for it in &self.invariants {
            let kind = if it.promise { "promise" } else { "invariant" };
            lines.push(match &it.proof {
                Proof::Proven => format!("PROVEN      {kind}: {}", it.invariant),
                Proof::Refuted { counterexample } => {
                    format!("REFUTED     {kind}: {}\n{}", it.invariant, within(counterexample))
                }
                Proof::NotProved { why } => self.searched(it, why),
            });
        }
        lines.push(format!("SEARCHED    {}", self.extent()));
        self.policies.tell(&mut lines);
        if let Some(comparison) = &self.comparison {
            comparison.tell(&mut lines);
        }
        lines.join("\n")
    }

    /// What the search knows of an invariant that was not proved.
    fn searched(&self, it: &ProvenInvariant, why: &str) -> String {
        let found = self.violations.iter().chain(&self.broken_promises);
        let kind = if it.promise { "promise" } else { "invariant" };
        match found.into_iter().find(|found| found.invariant == it.invariant) {
            Some(found) => {
                format!("REFUTED     {kind}: {}\n{}", it.invariant, within(&found.counterexample))
            }
            None => {
                let search = match self.searched.cut_off.contains(&it.invariant) {
                    true => "a search found nothing against it, and was cut off",
                    false => "a search found nothing against it",
                };
                format!("NOT PROVED  {kind}: {}\n  {search}; not proved: {why}", it.invariant)
            }
        }
    }
}

impl Findings {
    fn tell(&self, lines: &mut Vec<String>) {
        let mut list = |what: &str, ids: &[String]| {
            lines.extend(ids.iter().map(|it| format!("{what:<12}{it}")));
        };
        list("DEAD", &self.dead);
        list("SHADOWED", &self.shadowed);
        list("OVERRIDDEN", &self.overridden);
        for it in &self.failing {
            lines.push(format!("FAILS       {} on {}: it would not forbid", it.policy, it.kind));
        }
        match &self.not_proved {
            Some(why) => {
                lines.push(format!("NOT PROVED  which policies never apply\n  not proved: {why}"))
            }
            None if self.dead.is_empty()
                && self.shadowed.is_empty()
                && self.overridden.is_empty() =>
            {
                lines.push(
                    "PROVEN      every policy applies to some request that no other decides alike"
                        .to_owned(),
                );
            }
            None => {}
        }
    }
}

impl Comparison {
    fn tell(&self, lines: &mut Vec<String>) {
        match self {
            Comparison::NotProved { why } => {
                lines.push(format!("NOT PROVED  how the two differ\n  not proved: {why}"));
            }
            Comparison::Proved { widens, narrows, notes } => {
                if widens.is_empty() && narrows.is_empty() {
                    lines.push("EQUIVALENT  both decide every request alike".to_owned());
                }
                lines.extend(
                    widens.iter().map(|it| format!("WIDENS      {}", within(it).trim_start())),
                );
                lines.extend(
                    narrows.iter().map(|it| format!("NARROWS     {}", within(it).trim_start())),
                );
                lines.extend(notes.iter().map(|it| format!("NOTE        {it}")));
            }
        }
    }
}

/// A request, indented.
fn within(counterexample: &impl std::fmt::Display) -> String {
    counterexample.to_string().lines().map(|it| format!("  {it}")).collect::<Vec<_>>().join("\n")
}
