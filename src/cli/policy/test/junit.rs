//! What came of a run, as JUnit XML: what continuous integration shows.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use super::report;
use crate::policy::Fault;

/// One suite per table, one case per row; before them one per file that is at fault otherwise, so that
/// a run that tested nothing does not look like one that found nothing. No times: the same rows give
/// the same file.
pub(super) fn xml(run: &report::Report) -> Result<String, SerializeError> {
    let mut report = Report::new("gatewright policy test");
    for faults in run.unfit.chunk_by(|a, b| a.file == b.file) {
        let file = faults.first().map_or("", |it| it.file.as_str());
        let mut suite = TestSuite::new(file);
        suite.add_test_cases(faults.iter().map(|it| case(file, &it.problem, Some(it))));
        report.add_test_suite(suite);
    }
    for rows in run.ran.chunk_by(|a, b| a.file == b.file) {
        let file = rows.first().map_or("", |it| it.file.as_str());
        let mut suite = TestSuite::new(file);
        suite.add_test_cases(rows.iter().map(|it| case(file, &it.name, it.fault.as_ref())));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(file: &str, name: &str, fault: Option<&Fault>) -> TestCase {
    let status = match fault {
        None => TestCaseStatus::success(),
        Some(fault) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(fault.problem.as_str()).set_description(fault.to_string());
            status
        }
    };
    let mut case = TestCase::new(name, status);
    case.set_classname(file);
    case
}
