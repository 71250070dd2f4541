//! What came of the rows, as JUnit XML: what continuous integration shows.

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::policy::table::Ran;

/// One suite per table, one case per row. No times: the same rows give the same file.
pub(super) fn xml(ran: &[Ran]) -> Result<String, SerializeError> {
    let mut report = Report::new("gatewright policy test");
    for rows in ran.chunk_by(|a, b| a.file == b.file) {
        let file = rows.first().map_or("", |it| it.file.as_str());
        let mut suite = TestSuite::new(file);
        suite.add_test_cases(rows.iter().map(case));
        report.add_test_suite(suite);
    }
    report.to_string()
}

fn case(row: &Ran) -> TestCase {
    let status = match &row.fault {
        None => TestCaseStatus::success(),
        Some(fault) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(fault.problem.as_str()).set_description(fault.to_string());
            status
        }
    };
    let mut case = TestCase::new(row.name.as_str(), status);
    case.set_classname(row.file.as_str());
    case
}
