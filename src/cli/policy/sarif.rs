//! Findings as SARIF 2.1.0 (OASIS), which code scanning shows beside the lines.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use crate::policy::{Fault, Severity};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What a path may hold as it is (RFC 3986, section 3.3).
const ESCAPED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Every rule that a finding may break, with what it says.
const RULES: &[(&str, &str)] = &[
    ("annotations", "A policy is named by an @id of its own, and its @fix is one that there is."),
    ("bundle", "The files of a bundle are there, can be read, and are within bounds."),
    ("explained", "A policy has a @title that says what it grants or why it denies."),
    ("invariants", "Nobody is locked out of the rules, and nobody raises themselves."),
    ("matches-nothing", "What a policy is about exists."),
    ("monotone", "A larger counter or a longer lifetime never turns a denial into an allow."),
    ("root-tier-only", "Who may change policies is said in the root tier."),
    ("schema", "The schema can be read, and holds together."),
    ("scoped-permit", "A permit names a principal, an action or a resource."),
    ("shadowed-permit", "A permit allows what no other permit allows."),
    ("stale-types", "The types of a tool's arguments are those that it is registered with."),
    ("syntax", "Policies are written in Cedar."),
    ("tests", "The decision tables hold."),
    ("total-guard-rails", "Nothing in a forbid can fail: Cedar skips a policy that does."),
    ("total-permits", "Nothing in a permit can fail: all would be denied that it is asked about."),
    ("typed-calls", "What is said of calls is said of all of them."),
    ("unknown-literal", "What a condition names exists."),
    ("unknown-tool", "A tool whose arguments are looked at is registered, or its types are kept."),
    ("unknown-zone", "A time zone is one of the IANA database, and a literal."),
    (
        "validation",
        "Policies fit the schema: every attribute is there, and of the type it is used as.",
    ),
];

/// A log of one run with these findings.
pub fn log(findings: &[Fault]) -> Value {
    let results: Vec<Value> = findings.iter().map(result).collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "gatewright",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules(findings),
            } },
            "columnKind": "unicodeCodePoints",
            "invocations": [{ "executionSuccessful": true }],
            "results": results,
        }],
    })
}

/// Those of the list, and what else was broken.
fn rules(findings: &[Fault]) -> Vec<Value> {
    let listed = |id: &str| RULES.iter().any(|(it, _)| *it == id);
    let mut others: Vec<&str> =
        findings.iter().map(|it| it.rule).filter(|it| !listed(it)).collect();
    others.sort_unstable();
    others.dedup();
    let told =
        RULES.iter().map(|(id, text)| json!({ "id": id, "shortDescription": { "text": text } }));
    told.chain(others.into_iter().map(|id| json!({ "id": id }))).collect()
}

fn result(fault: &Fault) -> Value {
    let level = match fault.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let policy = fault.policy.as_ref().map(|it| format!("{it}: ")).unwrap_or_default();
    let fix = fault.fix.as_ref().map(|it| format!("; {it}")).unwrap_or_default();
    let mut location = json!({ "artifactLocation": { "uri": uri(&fault.file) } });
    if fault.line > 0
        && let Some(it) = location.as_object_mut()
    {
        let region = json!({ "startLine": fault.line, "startColumn": fault.column.max(1) });
        it.insert("region".to_owned(), region);
    }
    json!({
        "ruleId": fault.rule,
        "level": level,
        "message": { "text": format!("{policy}{}{fix}", fault.problem) },
        "locations": [{ "physicalLocation": location }],
        "properties": { "policy": fault.policy, "fix": fault.fix },
    })
}

/// A path as a relative reference from where the command runs, or as a file URL.
fn uri(path: &str) -> String {
    let escaped = utf8_percent_encode(path.trim_start_matches("./"), ESCAPED);
    match path.starts_with('/') {
        true => format!("file://{escaped}"),
        false => escaped.to_string(),
    }
}
