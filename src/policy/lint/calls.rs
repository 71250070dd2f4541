//! The rule that what is said of calls is said of all of them.

use super::super::syntax::Written;
use super::Finding;
use crate::authz::uid::action;

/// A tool that some policy names is called under an action of its own: a rule about `invoke` would
/// cover the others alone, and that is not what anybody means.
pub(super) fn check(policy: &Written, findings: &mut Vec<Finding>) {
    if policy.literals.contains(&action("invoke")) {
        let problem = "`invoke` is not every call: a tool that a policy names is called by an action of its own";
        let fix = "say `action in Gatewright::Action::\"call\"`";
        let finding = Finding::error("typed-calls", policy, problem, fix);
        findings.push(finding.about("\"invoke\"".to_owned()));
    }
}
