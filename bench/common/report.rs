//! Prints figures as Markdown, so that a run can be pasted where it is talked about.

use std::ops::RangeInclusive;

use super::figures::Figures;

/// Where a figure should lie: a range from 0, or one without end. None is only to look at.
pub type Goal = Option<RangeInclusive<f64>>;

fn words(goal: &Goal) -> String {
    match goal {
        Some(it) if it.end().is_infinite() => format!("≥ {}", it.start()),
        Some(it) => format!("≤ {}", it.end()),
        None => "–".to_owned(),
    }
}

fn verdict(goal: &Goal, value: f64) -> &'static str {
    match goal {
        Some(it) if it.contains(&value) => "met",
        Some(_) => "**missed**",
        None => "–",
    }
}

pub fn heading(text: &str) {
    println!("\n## {text}\n");
}

pub fn columns(names: &[&str]) {
    println!("| {} |", names.join(" | "));
    println!("|{}|", vec!["---"; names.len()].join("|"));
}

pub fn row(cells: &[String]) {
    println!("| {} |", cells.join(" | "));
}

/// A figure beside its goal: the median over all rounds, and between what the middle half lie.
pub fn beside(what: &str, rounds: &Figures, goal: &Goal) {
    let (low, high) = rounds.middle();
    let median = rounds.median();
    let spread = format!("{low:.2} to {high:.2}");
    row(&[
        what.to_owned(),
        format!("{median:.2}"),
        spread,
        words(goal),
        verdict(goal, median).to_owned(),
    ]);
}
