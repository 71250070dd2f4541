//! The boolean structure of a clause: what is joined by `&&`, `||`, `!` and `if`, down to
//! conditions that are made of no others.

use std::ops::Range;

use super::tokens::Token;

/// What ends a condition within another.
const ENDS: [&str; 9] = ["&&", "||", ")", "}", "]", ",", "then", "else", ";"];

/// An expression that is true or false.
#[derive(Debug)]
pub(in crate::policy) struct Node {
    /// In bytes of the policy's text, brackets around it left out.
    pub(in crate::policy) at: Range<usize>,
    /// The same with the brackets.
    pub(in crate::policy) whole: Range<usize>,
    pub(in crate::policy) shape: Shape,
}

#[derive(Debug)]
pub(in crate::policy) enum Shape {
    /// Joined by operators, which stand at these places.
    All(Vec<Node>, Vec<Range<usize>>),
    Any(Vec<Node>, Vec<Range<usize>>),
    Not(Box<Node>),
    /// `if`, `then`, `else`.
    If(Box<[Node; 3]>),
    /// Made of no others.
    Leaf,
}

impl Node {
    fn new(at: Range<usize>, shape: Shape) -> Node {
        Node { whole: at.clone(), at, shape }
    }

    pub(super) fn leaves<'a>(&'a self, into: &mut Vec<&'a Node>) {
        match &self.shape {
            Shape::All(parts, _) | Shape::Any(parts, _) => {
                parts.iter().for_each(|it| it.leaves(into));
            }
            Shape::Not(it) => it.leaves(into),
            Shape::If(parts) => parts.iter().for_each(|it| it.leaves(into)),
            Shape::Leaf => into.push(self),
        }
    }

    /// Calls `seen` for every operator that joins two parts, with the parts beside it.
    pub(in crate::policy) fn operators<'a>(
        &'a self,
        seen: &mut dyn FnMut(&'a Node, &Range<usize>, &'a Node),
    ) {
        match &self.shape {
            Shape::All(parts, operators) | Shape::Any(parts, operators) => {
                for (pair, operator) in parts.windows(2).zip(operators) {
                    if let [left, right] = pair {
                        seen(left, operator, right);
                    }
                }
                parts.iter().for_each(|it| it.operators(seen));
            }
            Shape::Not(it) => it.operators(seen),
            Shape::If(parts) => parts.iter().for_each(|it| it.operators(seen)),
            Shape::Leaf => {}
        }
    }
}

/// Reads tokens from one place on.
pub(super) struct Reader<'a> {
    tokens: &'a [Token<'a>],
    next: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(tokens: &'a [Token<'a>], next: usize) -> Reader<'a> {
        Reader { tokens, next }
    }

    fn text(&self) -> Option<&'a str> {
        self.tokens.get(self.next).map(|it| it.text)
    }

    pub(super) fn is_at(&self, text: &str) -> bool {
        self.text() == Some(text)
    }

    /// Passes `text`, and says where it stands.
    pub(super) fn expect(&mut self, text: &str) -> Option<Range<usize>> {
        let token = self.tokens.get(self.next).filter(|it| it.text == text)?;
        self.next += 1;
        Some(token.at.clone())
    }

    /// Passes everything before the first of `ends` that stands in no bracket.
    pub(super) fn until(&mut self, ends: &[&str]) -> Option<Range<usize>> {
        let start = self.tokens.get(self.next)?.at.start;
        let (mut end, mut depth) = (start, 0_usize);
        while let Some(token) = self.tokens.get(self.next) {
            if depth == 0 && ends.contains(&token.text) {
                return (end > start).then_some(start..end);
            }
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.checked_sub(1)?,
                _ => {}
            }
            end = token.at.end;
            self.next += 1;
        }
        None
    }

    pub(super) fn expression(&mut self) -> Option<Node> {
        if !self.is_at("if") {
            return self
                .joined("||", Shape::Any, |it| it.joined("&&", Shape::All, Reader::operand));
        }
        let start = self.expect("if")?.start;
        let condition = self.expression()?;
        self.expect("then")?;
        let yes = self.expression()?;
        self.expect("else")?;
        let no = self.expression()?;
        let at = start..no.whole.end;
        Some(Node::new(at, Shape::If(Box::new([condition, yes, no]))))
    }

    fn joined(
        &mut self,
        operator: &str,
        shape: fn(Vec<Node>, Vec<Range<usize>>) -> Shape,
        part: impl Fn(&mut Self) -> Option<Node>,
    ) -> Option<Node> {
        let first = part(self)?;
        let (mut parts, mut operators) = (vec![first], Vec::new());
        while self.is_at(operator) {
            operators.push(self.expect(operator)?);
            parts.push(part(self)?);
        }
        if operators.is_empty() {
            return parts.pop();
        }
        let at = parts.first()?.whole.start..parts.last()?.whole.end;
        Some(Node::new(at, shape(parts, operators)))
    }

    /// What stands between `&&` and `||`: something in brackets, its negation, or a leaf.
    fn operand(&mut self) -> Option<Node> {
        let begin = self.next;
        if self.is_at("!")
            && let Some(node) = self.negation()
            && self.is_ended()
        {
            return Some(node);
        }
        self.next = begin;
        if self.is_at("(")
            && let Some(node) = self.bracket()
            && self.is_ended()
        {
            return Some(node);
        }
        self.next = begin;
        let at = self.until(&ENDS)?;
        Some(Node::new(at, Shape::Leaf))
    }

    fn negation(&mut self) -> Option<Node> {
        let start = self.expect("!")?.start;
        let of = self.operand()?;
        // `!a == b` compares: it is no negation of `a == b`.
        let at = start..of.whole.end;
        (!self.compares(&at)).then(|| Node::new(at, Shape::Not(Box::new(of))))
    }

    fn bracket(&mut self) -> Option<Node> {
        let start = self.expect("(")?.start;
        let inner = self.expression()?;
        let end = self.expect(")")?.end;
        Some(Node { whole: start..end, ..inner })
    }

    fn is_ended(&self) -> bool {
        self.text().is_none_or(|it| ENDS.contains(&it))
    }

    /// Whether a comparison stands in no bracket within `range`.
    fn compares(&self, range: &Range<usize>) -> bool {
        const COMPARISONS: [&str; 10] =
            ["==", "!=", "<", "<=", ">", ">=", "in", "has", "like", "is"];
        let mut depth = 0_usize;
        let mut within = self.tokens.iter().filter(|it| range.contains(&it.at.start));
        within.any(|it| {
            match it.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && COMPARISONS.contains(&it.text)
        })
    }
}
