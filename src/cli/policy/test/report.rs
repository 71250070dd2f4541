//! What came of a run, for people and for programs.

use serde_json::{Value, json};

use super::super::super::out::{complain, say};
use crate::policy::Fault;
use crate::policy::table::{Coverage, Mutation, Ran};

#[derive(Default)]
pub(super) struct Report {
    /// What is wrong besides rows that fail: with nothing tested, nothing passes.
    pub(super) unfit: Vec<Fault>,
    pub(super) ran: Vec<Ran>,
    /// Policies that could be dropped without any row failing, where that was looked for.
    pub(super) unnoticed: Option<Vec<String>>,
    pub(super) coverage: Option<Coverage>,
    pub(super) min_coverage: Option<f64>,
    pub(super) mutation: Option<Mutation>,
}

impl Report {
    pub(super) fn is_passed(&self) -> bool {
        self.faults().next().is_none()
            && !self.is_below()
            && self.mutation.as_ref().is_none_or(|it| it.survivors.is_empty())
    }

    fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.unfit.iter().chain(self.ran.iter().filter_map(|it| it.fault.as_ref()))
    }

    fn is_below(&self) -> bool {
        let (coverage, least) = (self.coverage.as_ref(), self.min_coverage);
        coverage.zip(least).is_some_and(|(coverage, least)| coverage.percent < least)
    }

    /// Findings to standard output; what is wrong, with its place, to standard error.
    pub(super) fn tell(&self) {
        self.faults().for_each(|it| complain(&it.to_string()));
        let (rows, failed) = (self.ran.len(), self.faults().count());
        match failed {
            0 => say(&format!("{rows} rows pass")),
            _ if rows == 0 => complain(&format!("{failed} fault(s)")),
            _ => complain(&format!("{failed} fault(s) in {rows} rows")),
        }
        match self.unnoticed.as_deref() {
            None => {}
            Some([]) => say("dropping any one policy fails at least one of them"),
            Some(some) => say(&format!("no row would miss: {}", some.join(", "))),
        }
        if let Some(it) = &self.coverage {
            self.tell_coverage(it);
        }
        if let Some(it) = &self.mutation {
            tell_mutation(it);
        }
    }

    fn tell_coverage(&self, coverage: &Coverage) {
        for gap in coverage.gaps() {
            say(&gap.to_string());
        }
        say(&format!("coverage {:.1} %", coverage.percent));
        if let Some(least) = self.min_coverage.filter(|_| self.is_below()) {
            complain(&format!("the coverage is below {least} %"));
        }
    }

    pub(super) fn json(&self) -> Value {
        let fault = |it: &Fault| json!({ "file": it.file, "line": it.line, "column": it.column, "problem": it.problem });
        let mut report = json!({
            "passed": self.is_passed(),
            "rows": self.ran.len(),
            "failures": self.faults().map(fault).collect::<Vec<_>>(),
        });
        let parts = [
            ("unnoticed", self.unnoticed.as_ref().map(|it| json!(it))),
            ("coverage", self.coverage.as_ref().map(|it| json!(it))),
            ("mutation", self.mutation.as_ref().map(|it| json!(it))),
        ];
        if let Value::Object(report) = &mut report {
            for (name, part) in parts {
                report.extend(part.map(|it| (name.to_owned(), it)));
            }
        }
        report
    }
}

fn tell_mutation(it: &Mutation) {
    for survivor in &it.survivors {
        complain(&survivor.fault().to_string());
    }
    for stale in &it.stale {
        say(&format!("accepted, but no survivor: {stale}"));
    }
    let Mutation { mutants, killed, accepted, percent, survivors, .. } = it;
    say(&format!(
        "{killed} of {mutants} mutants killed, {accepted} accepted, {} survive: {percent:.1} %",
        survivors.len()
    ));
}
