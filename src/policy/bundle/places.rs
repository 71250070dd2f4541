//! Where policies stand: a problem is told at the line that it is about.

use std::collections::BTreeMap;

use miette::Diagnostic;

use super::super::fault::Fault;
use super::super::lint;
use super::super::load::{SourceFile, Sources};
use super::super::meta::Meta;

/// Where policies stand.
pub(super) struct Places<'a> {
    pub(super) sources: &'a Sources,
    pub(super) meta: &'a BTreeMap<String, Meta>,
}

impl Places<'_> {
    fn file_and_meta(&self, id: &str) -> Option<(&SourceFile, &Meta)> {
        let meta = self.meta.get(id)?;
        let mut files = self.sources.policies.iter().chain(&self.sources.links);
        Some((files.find(|it| it.name == meta.file)?, meta))
    }

    pub(super) fn found(&self, id: &str, diagnostic: &dyn Diagnostic) -> Fault {
        match self.file_and_meta(id) {
            Some((file, _)) => Fault::found(file, diagnostic).of_policy(id),
            None => Fault::whole("policies", diagnostic.to_string()).of_policy(id),
        }
        .ruled("validation")
    }

    /// A problem of a policy, at the place of the words that it is about.
    pub(super) fn of(&self, id: &str, words: Option<&str>, problem: String) -> Fault {
        let fault = match self.file_and_meta(id) {
            Some((file, meta)) => {
                let start = file.text.find(&meta.text);
                let within = words.and_then(|it| meta.text.find(it));
                match (start, within) {
                    (Some(start), Some(within)) => Fault::at(file, start + within, problem),
                    _ => Fault { line: meta.line, column: 1, ..Fault::whole(&file.path, problem) },
                }
            }
            None => Fault::whole("policies", problem),
        };
        fault.of_policy(id)
    }

    pub(super) fn finding(&self, finding: &lint::Finding) -> Fault {
        let problem = format!("{} [{}]", finding.problem, finding.rule);
        let fault = self.of(&finding.policy, finding.words.as_deref(), problem);
        let fault = Fault { severity: finding.severity, ..fault.ruled(finding.rule) };
        fault.fixed_by(&*finding.fix)
    }
}
