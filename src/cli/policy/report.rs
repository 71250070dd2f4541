//! A bundle and what was found about it, for people.

#![expect(clippy::indexing_slicing, reason = "indexing a JSON value gives null, never a panic")]

use std::fmt::Write as _;

use serde_json::Value;

const STEPS: &[&str] = &["parse", "validation", "lint", "tests", "invariants"];

/// What people need to know of a bundle as the API shows it.
pub fn shown(bundle: &Value) -> String {
    let mut out = String::new();
    let mut line = |text: String| {
        let _ = writeln!(out, "{text}");
    };
    line(format!("bundle {} is {}", text(&bundle["id"]), text(&bundle["state"])));
    line(format!("  digest  {}", text(&bundle["digest"])));
    line(format!("  author  {}", text(&bundle["author"]["name"])));
    if !bundle["note"].is_null() {
        line(format!("  note    {}", text(&bundle["note"])));
    }
    let report = &bundle["report"];
    for step in STEPS.iter().filter(|_| report.is_object()) {
        line(format!("  {step:11} {}", text(&report[*step]["status"])));
        for fault in all(&report[*step]["faults"]) {
            line(format!("    {}", told(fault)));
        }
        for it in all(&report[*step]["violations"]) {
            let example = text(&it["shown"]).replace('\n', "\n      ");
            line(format!("    {}\n      {example}", text(&it["invariant"])));
        }
        for it in searched(&report[*step]["searched"]) {
            line(format!("    {it}"));
        }
    }
    if report.is_object() {
        line(format!("  comparison  {}", compared(&report["comparison"])));
    }
    line(match bundle["flips"].as_i64() {
        Some(i64::MAX) => {
            "  replay      unknown: too many recorded decisions could not be asked again".to_owned()
        }
        Some(flips) => format!("  replay      would turn {flips} recorded decision(s)"),
        None => "  replay      not replayed".to_owned(),
    });
    for it in all(&bundle["reviews"]) {
        let (who, said) = (text(&it["reviewer"]["name"]), text(&it["verdict"]));
        let discount = match it["discount"].as_str() {
            Some(why) => format!(" (does not count: {})", why.replace('_', " ")),
            None => String::new(),
        };
        line(format!("  {who} says {said}: {}{discount}", text(&it["reason"])));
    }
    out
}

/// How far the invariants were looked into.
fn searched(it: &Value) -> Vec<String> {
    if !it.is_object() {
        return Vec::new();
    }
    let (of, to_the_end) = (text(&it["of"]), text(&it["to_the_end"]));
    let (proved, open) = (all(&it["proved"]).count(), all(&it["not_proved"]));
    let mut lines = vec![format!("searched {to_the_end} of {of} to the end, proved {proved} more")];
    lines.extend(
        open.map(|it| format!("not proved: {}: {}", text(&it["invariant"]), text(&it["why"]))),
    );
    lines
}

/// A fault as compilers show it.
fn told(fault: &Value) -> String {
    let mut out = text(&fault["file"]);
    if let (Some(line), Some(column)) = (fault["line"].as_u64(), fault["column"].as_u64()) {
        let _ = write!(out, ":{line}:{column}");
    }
    for part in [&fault["policy"], &fault["problem"]].into_iter().filter(|it| !it.is_null()) {
        let _ = write!(out, ": {}", text(part));
    }
    match fault["fix"].as_str() {
        Some(fix) => format!("{out}; {fix}"),
        None => out,
    }
}

fn compared(it: &Value) -> String {
    match it["status"].as_str() {
        Some("proved") => {
            let notes: String = all(&it["notes"]).map(|it| format!("; {}", text(it))).collect();
            let (more, less) = (all(&it["widens"]).count(), all(&it["narrows"]).count());
            let told = match (more, less) {
                (0, 0) => "proved: it allows exactly what the active one allows".to_owned(),
                (0, _) => "proved: it allows nothing that the active one does not".to_owned(),
                _ => format!("proved: it allows more, as {more} example(s) show"),
            };
            told + &notes
        }
        Some("not_proved") => format!("not proved: {}", text(&it["why"])),
        _ => "not made".to_owned(),
    }
}

fn all(it: &Value) -> impl Iterator<Item = &Value> {
    it.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    match value {
        Value::String(it) => it.chars().filter(|it| *it == '\n' || !it.is_control()).collect(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
