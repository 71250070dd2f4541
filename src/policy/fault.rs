//! What is wrong with a bundle, where, and what would mend it.

use std::fmt;
use std::path::Path;

use miette::Diagnostic;
use serde::Serialize;

use super::bundle::Bundle;
use super::load::SourceFile;

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Refuses the bundle.
    #[default]
    Error,
    /// Is told, and refuses nothing.
    Warning,
}

/// One fault of a bundle, for the person who writes it.
///
/// It shows itself as compilers do:
/// `policies/10-guardrails.cedar:12:3: guard.x: attribute … not found; did you mean …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    pub severity: Severity,
    /// What is broken, in a word: `syntax`, `validation`, `unknown-zone`.
    pub rule: &'static str,
    /// The path as the person knows it.
    pub file: String,
    /// From 1; 0 when the fault is that of the whole file or directory.
    pub line: usize,
    /// In characters, from 1; 0 as `line`.
    pub column: usize,
    /// The `@id` of the policy, where one is at fault.
    pub policy: Option<String>,
    pub problem: String,
    pub fix: Option<String>,
}

impl Fault {
    /// A fault of `file` (or a directory) as a whole.
    pub(super) fn whole(file: impl Into<String>, problem: impl Into<String>) -> Fault {
        Fault {
            severity: Severity::Error,
            rule: "bundle",
            file: file.into(),
            line: 0,
            column: 0,
            policy: None,
            problem: problem.into(),
            fix: None,
        }
    }

    /// What keeps the store from saying which arguments tools take.
    pub fn of_store(problem: &str) -> Fault {
        Fault::whole("policies", format!("the tools that they name cannot be read: {problem}"))
    }

    /// An invariant that `bundle` breaks, at the policy that breaks it, if one does.
    pub fn invariant(
        bundle: &Bundle,
        sentence: &str,
        shown: &impl fmt::Display,
        policy: Option<&str>,
    ) -> Fault {
        let problem = format!("{sentence}: {shown}");
        let place = policy.and_then(|id| Some((id, bundle.place(id)?)));
        let fault = match place {
            Some((id, (file, offset))) => Fault::at(file, offset, problem).of_policy(id),
            None => Fault::whole("policies", problem),
        };
        fault.ruled("invariants").fixed_by("no bundle may do that; narrow the policy")
    }

    /// An invariant whose search was cut off, and that was not proved.
    pub fn unproved(sentence: &str, extent: &str, why: &str) -> Fault {
        let problem = format!("{sentence}: {extent}, this one was cut off; not proved: {why}");
        Fault { severity: Severity::Warning, ..Fault::whole("policies", problem) }
            .ruled("invariants")
    }

    /// Why a run of the decision tables in `folder` says nothing of the policies there.
    pub fn untested(folder: &Path, why: &str) -> Fault {
        Fault::whole(folder.display().to_string(), format!("{why}: nothing was tested"))
    }

    /// The same as a warning, where it refuses nothing.
    pub fn only_told_if(self, tolerated: bool) -> Fault {
        match tolerated {
            true => Fault { severity: Severity::Warning, ..self },
            false => self,
        }
    }

    /// A fault at byte `offset` of `file`.
    pub(super) fn at(file: &SourceFile, offset: usize, problem: impl Into<String>) -> Fault {
        let (line, column) = position(&file.text, offset);
        Fault { line, column, ..Fault::whole(&file.path, problem) }
    }

    /// What Cedar found in `file`, at the place and with the help it gives.
    pub(super) fn found(file: &SourceFile, diagnostic: &dyn Diagnostic) -> Fault {
        let offset = diagnostic.labels().and_then(|mut it| it.next()).map(|it| it.offset());
        let mut fault = match offset {
            Some(offset) => Fault::at(file, offset, diagnostic.to_string()),
            None => Fault::whole(&file.path, diagnostic.to_string()),
        };
        fault.fix = diagnostic.help().map(|it| it.to_string());
        fault
    }

    pub(super) fn of_policy(mut self, id: &str) -> Fault {
        // Cedar begins its message with the policy, which stands before it already.
        let said = format!("for policy `{id}`");
        let rest =
            self.problem.strip_prefix(&said).map(|it| it.trim_start_matches([',', ':', ' ']));
        if let Some(rest) = rest {
            self.problem = rest.to_owned();
        }
        self.policy = Some(id.to_owned());
        self
    }

    /// The same, as a breach of `rule`.
    pub(super) fn ruled(self, rule: &'static str) -> Fault {
        Fault { rule, ..self }
    }

    pub(super) fn fixed_by(mut self, fix: impl Into<String>) -> Fault {
        self.fix = Some(fix.into());
        self
    }
}

/// Whether as much is wrong at the same places. An example of what is wrong may be another one each
/// time that somebody looks for it.
pub(super) fn stand_alike(some: &[Fault], others: &[Fault]) -> bool {
    let place = |it: &Fault| (it.rule, it.file.clone(), it.line, it.column, it.policy.clone());
    let places = |all: &[Fault]| {
        let mut places: Vec<_> = all.iter().map(place).collect();
        places.sort_unstable();
        places
    };
    places(some) == places(others)
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        if self.severity == Severity::Warning {
            f.write_str(": warning")?;
        }
        if let Some(policy) = &self.policy {
            write!(f, ": {policy}")?;
        }
        write!(f, ": {}", self.problem)?;
        match &self.fix {
            Some(fix) => write!(f, "; {fix}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Fault {}

/// Line and column of byte `offset`, both from 1.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |it| it + 1);
    let column = before.get(line_start..).map_or(0, |it| it.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}
