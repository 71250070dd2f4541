//! The mutants of a policy: its text with one small thing changed.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::coverage::on_a_line;
use super::moved;
use crate::policy::anatomy::{Anatomy, Node, Sort, tokens};

/// A policy with one thing changed.
#[derive(Debug)]
pub(super) struct Mutant {
    /// Where the change is, in bytes of the policy's text.
    pub(super) at: usize,
    /// What it was and what it is now, on one line: `a < b → a <= b`.
    pub(super) change: String,
    /// The whole text with the change; None for a policy that is gone.
    pub(super) text: Option<String>,
    /// It may apply where the policy never was in scope.
    pub(super) widened: bool,
}

impl Mutant {
    /// Nothing in the place of a policy.
    pub(super) fn dropped() -> Mutant {
        Mutant { at: 0, change: "dropped".to_owned(), text: None, widened: false }
    }
}

/// The words of the scope, and what each begins with.
const SCOPE: [&str; 3] = ["principal", "action", "resource"];

/// Comparisons, and those that differ from them in the boundary only.
const BOUNDARIES: [(&str, &str); 8] = [
    ("<", "<="),
    ("<=", "<"),
    (">", ">="),
    (">=", ">"),
    ("lessThan", "lessThanOrEqual"),
    ("lessThanOrEqual", "lessThan"),
    ("greaterThan", "greaterThanOrEqual"),
    ("greaterThanOrEqual", "greaterThan"),
];

/// The mutants of `text`, a policy or template.
pub(super) fn mutants(text: &str, anatomy: &Anatomy) -> Vec<Mutant> {
    let mut made = Made { text, known: BTreeSet::new(), mutants: Vec::new() };
    made.mutants.push(Mutant::dropped());
    made.effect(&anatomy.effect);
    for (range, word) in anatomy.scope.iter().zip(SCOPE) {
        made.replace(range.clone(), word, range.clone());
        if let Some(it) = made.mutants.last_mut().filter(|it| it.at == range.start) {
            it.widened = true;
        }
    }
    for clause in &anatomy.clauses {
        made.operators(&clause.condition);
    }
    for leaf in anatomy.conditions() {
        made.leaf(leaf);
    }
    made.mutants
}

struct Made<'a> {
    text: &'a str,
    /// Two changes may come to the same text.
    known: BTreeSet<String>,
    mutants: Vec<Mutant>,
}

impl Made<'_> {
    /// `new` in place of what stands at `at`; `shown` is what a report shows of it.
    fn replace(&mut self, at: Range<usize>, new: &str, shown: Range<usize>) {
        let with = |from: usize, to: usize| {
            let before = self.text.get(from..at.start)?;
            Some(format!("{before}{new}{}", self.text.get(at.end..to)?))
        };
        let (Some(text), Some(after), Some(before)) =
            (with(0, self.text.len()), with(shown.start, shown.end), self.text.get(shown))
        else {
            return;
        };
        if text == self.text || !self.known.insert(text.clone()) {
            return;
        }
        let change = format!("{} → {}", on_a_line(before), on_a_line(&after));
        let at = at.start;
        self.mutants.push(Mutant { at, change, text: Some(text), widened: false });
    }

    fn effect(&mut self, at: &Range<usize>) {
        let other = if self.text.get(at.clone()) == Some("permit") { "forbid" } else { "permit" };
        self.replace(at.clone(), other, at.clone());
    }

    fn operators(&mut self, condition: &Node) {
        let mut found = Vec::new();
        condition.operators(&mut |left, operator, right| {
            found.push((operator.clone(), left.whole.start..right.whole.end));
        });
        for (operator, shown) in found {
            let other = if self.text.get(operator.clone()) == Some("&&") { "||" } else { "&&" };
            self.replace(operator, other, shown);
        }
    }

    fn leaf(&mut self, leaf: &Node) {
        let Some(text) = self.text.get(leaf.at.clone()) else { return };
        let at = || leaf.at.clone();
        self.replace(at(), &format!("!({text})"), at());
        let tokens = tokens(text);
        for (place, token) in tokens.iter().enumerate() {
            let here = leaf.at.start + token.at.start..leaf.at.start + token.at.end;
            let is_function = |name: &str| {
                token.sort == Sort::Text
                    && place >= 2
                    && tokens.get(place - 2).is_some_and(|it| it.text == name)
            };
            if token.text == "has" {
                self.replace(at(), "true", at());
            }
            if let Some((_, other)) = BOUNDARIES.iter().find(|(it, _)| *it == token.text) {
                self.replace(here.clone(), other, at());
            }
            let number = token.text.starts_with(|it: char| it.is_ascii_digit());
            let sort = match (number, is_function("duration"), is_function("decimal")) {
                (true, _, _) => moved::long(token.text),
                (_, true, _) => moved::duration(token.text),
                (_, _, true) => moved::decimal(token.text),
                _ => None,
            };
            for new in sort.into_iter().flatten() {
                self.replace(here.clone(), &new, at());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(text: &str) -> Vec<String> {
        let anatomy = Anatomy::of(text).unwrap();
        mutants(text, &anatomy).into_iter().map(|it| it.change).collect()
    }

    #[test]
    fn every_part_is_changed_once() {
        let text = "permit (principal in A::\"b\", action, resource)\n\
                    when { context has a &&\n  (context.a < 3 || !context.b) };";
        assert_eq!(
            changes(text),
            [
                "dropped",
                "permit → forbid",
                "principal in A::\"b\" → principal",
                "context has a && (context.a < 3 || !context.b) → \
                 context has a || (context.a < 3 || !context.b)",
                "context.a < 3 || !context.b → context.a < 3 && !context.b",
                "context has a → !(context has a)",
                "context has a → true",
                "context.a < 3 → !(context.a < 3)",
                "context.a < 3 → context.a <= 3",
                "context.a < 3 → context.a < 4",
                "context.a < 3 → context.a < 2",
                "context.b → !(context.b)",
            ]
        );
    }

    #[test]
    fn numbers_move_by_their_smallest_step() {
        let text = "permit (principal, action, resource) when { context.a > duration(\"1m\") && \
                    context.b.lessThan(decimal(\"10.00\")) };";
        let all = changes(text);
        for expected in [
            "context.a > duration(\"1m\") → context.a > duration(\"61s\")",
            "context.a > duration(\"1m\") → context.a > duration(\"59s\")",
            "context.b.lessThan(decimal(\"10.00\")) → context.b.lessThan(decimal(\"10.0001\"))",
            "context.b.lessThan(decimal(\"10.00\")) → context.b.lessThan(decimal(\"9.9999\"))",
            "context.b.lessThan(decimal(\"10.00\")) → context.b.lessThanOrEqual(decimal(\"10.00\"))",
        ] {
            assert!(all.iter().any(|it| it == expected), "{expected} is not in {all:#?}");
        }
    }
}
