//! Figures beside their goals, printed when all measuring is done.

use super::figures::Figures;
use super::report::{self, Goal};

#[derive(Default)]
pub struct Verdicts(Vec<(String, Figures, Goal)>);

impl Verdicts {
    /// Keeps a figure of all rounds.
    pub fn add(&mut self, what: &str, rounds: Figures, goal: Goal) {
        self.0.push((what.to_owned(), rounds, goal));
    }

    pub fn print(&self) {
        report::heading("Beside the goals");
        report::columns(&["", "median", "middle half", "goal", ""]);
        for (what, rounds, goal) in &self.0 {
            report::beside(what, rounds, goal);
        }
    }
}
