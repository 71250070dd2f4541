//! Prints figures as Markdown, so that a run can be pasted where it is talked about.

use super::figures::Figures;

/// What a ratio should be.
#[derive(Clone, Copy, Debug)]
pub enum Goal {
    AtMost(f64),
    AtLeast(f64),
    /// Only to look at.
    None,
}

impl Goal {
    fn words(self) -> String {
        match self {
            Goal::AtMost(it) => format!("≤ {it}"),
            Goal::AtLeast(it) => format!("≥ {it}"),
            Goal::None => "–".to_owned(),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        let met = match self {
            Goal::AtMost(it) => value <= it,
            Goal::AtLeast(it) => value >= it,
            Goal::None => return "–",
        };
        if met { "met" } else { "**missed**" }
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

/// One ratio against its goal: the median over all rounds, and between what the middle half lie.
pub fn ratio(what: &str, rounds: &Figures, goal: Goal) {
    let (low, high) = rounds.middle();
    let median = rounds.median();
    let spread = format!("{low:.2} to {high:.2}");
    row(&[
        what.to_owned(),
        format!("{median:.2}"),
        spread,
        goal.words(),
        goal.verdict(median).into(),
    ]);
}
