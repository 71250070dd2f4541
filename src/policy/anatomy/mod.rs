//! Where the parts of a policy stand in its text: scope, clauses, and the conditions within them.
//!
//! Cedar's syntax tree has no places. Reports have to show them, and whatever is tried in place of
//! a part goes through Cedar's own parser again, so a part taken wrongly is refused, not believed.

mod condition;
mod tokens;

use std::ops::Range;

pub(super) use self::condition::{Node, Shape};
pub(super) use self::tokens::{Sort, Token, tokens};

use self::condition::Reader;

/// The parts of one policy or template, as byte ranges of its text.
#[derive(Debug)]
pub(super) struct Anatomy {
    /// `permit` or `forbid`.
    pub(super) effect: Range<usize>,
    /// `principal in …`, `action == …`, `resource is …`.
    pub(super) scope: [Range<usize>; 3],
    pub(super) clauses: Vec<Clause>,
}

/// One `when` or `unless`.
#[derive(Debug)]
pub(super) struct Clause {
    /// True for `when`.
    pub(super) holds: bool,
    pub(super) condition: Node,
}

impl Anatomy {
    /// The parts of `text`, one policy or template that Cedar has parsed; None when they cannot be
    /// told.
    pub(super) fn of(text: &str) -> Option<Anatomy> {
        let tokens = tokens(text);
        let head = tokens.iter().position(|it| {
            it.sort == Sort::Word && matches!(it.text, "permit" | "forbid") && !annotates(it, text)
        })?;
        let effect = tokens.get(head)?.at.clone();
        let mut reader = Reader::new(&tokens, head + 1);
        reader.expect("(")?;
        let principal = reader.until(&[","])?;
        reader.expect(",")?;
        let action = reader.until(&[","])?;
        reader.expect(",")?;
        let resource = reader.until(&[")", ","])?;
        if reader.is_at(",") {
            reader.expect(",")?;
        }
        reader.expect(")")?;
        let mut clauses = Vec::new();
        while !reader.is_at(";") {
            let holds = reader.is_at("when");
            reader.expect(if holds { "when" } else { "unless" })?;
            reader.expect("{")?;
            let condition = reader.expression()?;
            reader.expect("}")?;
            clauses.push(Clause { holds, condition });
        }
        Some(Anatomy { effect, scope: [principal, action, resource], clauses })
    }

    /// Every condition that is not made of others, in the order in which they stand.
    pub(super) fn conditions(&self) -> Vec<&Node> {
        let mut all = Vec::new();
        for clause in &self.clauses {
            clause.condition.leaves(&mut all);
        }
        all
    }
}

/// Whether the word is the name of an annotation.
fn annotates(word: &Token<'_>, text: &str) -> bool {
    text.get(..word.at.start).is_some_and(|it| it.trim_end().ends_with('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"@id("x") @permit("no")
        permit (principal is A in B::"c", action in [Action::"a", Action::"b"], resource)
        when { context has a && (context.a == 1 || !(context.b < 2 && f(a, b && c))) }
        // unless { never }
        unless { if context.c then !context.d else [1, 2].contains(3) };"#;

    fn conditions(text: &str) -> Vec<&str> {
        let anatomy = Anatomy::of(text).unwrap();
        anatomy.conditions().iter().map(|it| &text[it.at.clone()]).collect()
    }

    #[test]
    fn every_part_is_where_it_stands() {
        let anatomy = Anatomy::of(POLICY).unwrap();
        assert_eq!(&POLICY[anatomy.effect.clone()], "permit");
        assert_eq!(
            anatomy.scope.clone().map(|it| &POLICY[it]),
            [r#"principal is A in B::"c""#, r#"action in [Action::"a", Action::"b"]"#, "resource"]
        );
        assert_eq!(anatomy.clauses.iter().map(|it| it.holds).collect::<Vec<_>>(), [true, false]);
        assert_eq!(
            conditions(POLICY),
            [
                "context has a",
                "context.a == 1",
                "context.b < 2",
                "f(a, b && c)",
                "context.c",
                "context.d",
                "[1, 2].contains(3)"
            ]
        );
    }

    #[test]
    fn what_only_looks_like_a_part_is_none() {
        let text = "permit (principal, action, resource,) when { !a == (b && c) } when { (a).b };";
        assert_eq!(conditions(text), ["!a == (b && c)", "(a).b"]);
        assert!(Anatomy::of("permit (principal, action").is_none());
    }

    #[test]
    fn every_starter_policy_is_understood() {
        for (id, meta) in crate::policy::Bundle::starter().unwrap().metas() {
            assert!(Anatomy::of(&meta.text).is_some(), "`{id}`");
        }
    }
}
