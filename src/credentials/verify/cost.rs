//! An upper bound on what the checks of a token can cost, taken before any of them runs.
//!
//! The engine looks at its time limit only between checks. One check over a dozen facts joined
//! ten times, or a closure in a closure in a closure, fits into 300 bytes and runs for years. So
//! tokens that holders added to are weighed first; the issuer's own block is taken as it is.

use std::collections::HashMap;

use biscuit_auth::format::schema::{Op, OpBinary, Predicate, Rule, Term, op, op_binary, term};

use super::blocks::{Block, Blocks};
use super::engine::{FACTS_MAX, ITERATIONS_MAX};
use super::refusal::{Reason, Refusal};
use super::request::Request;

/// The dearest token that is still looked at, in steps of the engine of some 10 to 50 ns.
const COST_MAX: u64 = 10_000_000;

/// A pattern is compiled at each match, which may take some 10 ms however short it is.
const PATTERN_COST: u64 = COST_MAX / 8;

/// Bytes of text that are compared in one step.
const TEXT_STEP: u64 = 64;

/// Bytes of text that are copied in one step.
const SUM_STEP: u64 = 8;

/// `limits` when running the checks of this token so many times could keep the verifier busy for
/// too long.
pub(crate) fn affordable(blocks: &Blocks, request: &Request, runs: usize) -> Result<(), Refusal> {
    if blocks.len() == 1 {
        return Ok(());
    }
    let weights = Weights::of(blocks, request);
    let total = blocks.iter().fold(0u64, |sum, it| sum.saturating_add(weights.block(it)));
    if total.saturating_mul(runs as u64) > COST_MAX {
        return Err(Refusal::new(Reason::Limits, "the checks of the token are too costly"));
    }
    Ok(())
}

/// The sizes that costs grow with, over the whole token and what the verifier adds to it.
struct Weights<'a> {
    facts_by_name: HashMap<&'a str, u64>,
    facts: u64,
    /// The size of the largest fact or literal, which is what a variable can stand for.
    largest: u64,
    /// Operations in the whole token that join two sets into a larger one.
    unions: u64,
    longest_text: u64,
}

impl<'a> Weights<'a> {
    fn of(blocks: &'a Blocks, request: &Request) -> Weights<'a> {
        let (entries, longest) = request.extent();
        let proved = request.proved.len() as u64;
        let mut weights = Weights {
            facts_by_name: HashMap::from([
                ("time", 1),
                ("request", 1),
                ("ctx", 1),
                ("holder_proved", proved),
            ]),
            facts: 3 + proved,
            largest: 1 + 2 * entries as u64,
            unions: 0,
            longest_text: longest as u64,
        };
        for block in blocks.iter() {
            weights.count(block);
        }
        weights
    }

    fn count(&mut self, block: Block<'a>) {
        self.longest_text = self.longest_text.max(block.longest_symbol() as u64);
        for (name, terms) in block.facts() {
            *self.facts_by_name.entry(name).or_default() += 1;
            self.facts += 1;
            self.largest = self.largest.max(terms.iter().map(size).max().unwrap_or_default());
        }
        for rule in &block.content.rules {
            // What a rule makes cannot be foretold: as many facts as the engine allows.
            self.facts_by_name.insert(block.symbol(rule.head.name), FACTS_MAX);
            self.facts = FACTS_MAX;
        }
        let queries = block.checks().iter().flat_map(|it| &it.queries);
        for query in queries.chain(&block.content.rules) {
            query.expressions.iter().for_each(|it| self.count_ops(&it.ops));
        }
    }

    fn count_ops(&mut self, ops: &[Op]) {
        for op in ops {
            match &op.content {
                Some(op::Content::Value(it)) => self.largest = self.largest.max(size(it)),
                Some(op::Content::Closure(it)) => self.count_ops(&it.ops),
                Some(op::Content::Binary(it)) if it.kind == op_binary::Kind::Union as i32 => {
                    self.unions += 1;
                }
                _ => {}
            }
        }
    }

    /// The most members that any collection can have.
    fn members(&self) -> u64 {
        self.largest.saturating_mul(1 + self.unions)
    }

    fn block(&self, block: Block<'_>) -> u64 {
        let checks = block.checks().iter().flat_map(|it| &it.queries);
        let checks = checks.fold(0u64, |sum, it| sum.saturating_add(self.query(block, it)));
        let rules = block.content.rules.iter();
        let rules = rules.fold(0u64, |sum, it| sum.saturating_add(self.query(block, it)));
        checks.saturating_add(rules.saturating_mul(ITERATIONS_MAX))
    }

    /// Every combination of facts that the body allows, each looking through all facts once per
    /// predicate and then through the expressions.
    fn query(&self, block: Block<'_>, query: &Rule) -> u64 {
        let matches = |it: &Predicate| {
            self.facts_by_name.get(block.symbol(it.name)).copied().unwrap_or_default().max(1)
        };
        let combinations =
            query.body.iter().fold(1u64, |product, it| product.saturating_mul(matches(it)));
        let search = self.facts.saturating_mul(query.body.len() as u64);
        let expressions = query.expressions.iter();
        let each = expressions.fold(search, |sum, it| sum.saturating_add(self.ops(&it.ops)));
        combinations.saturating_mul(each)
    }

    fn ops(&self, ops: &[Op]) -> u64 {
        ops.iter().fold(0u64, |sum, it| sum.saturating_add(self.op(it, ops.len() as u64)))
    }

    fn op(&self, op: &Op, siblings: u64) -> u64 {
        match &op.content {
            Some(op::Content::Value(it)) => match it.content {
                Some(term::Content::Variable(_)) => self.largest,
                _ => size(it),
            },
            Some(op::Content::Binary(it)) => self.binary(it, siblings),
            Some(op::Content::Closure(it)) => {
                let times = if it.params.is_empty() { 1 } else { self.members() };
                let inner = self.ops(&it.ops);
                inner.saturating_mul(times).saturating_add(literals(&it.ops))
            }
            Some(op::Content::Unary(_)) | None => 1,
        }
    }

    fn binary(&self, op: &OpBinary, siblings: u64) -> u64 {
        let text = 1 + self.longest_text / TEXT_STEP;
        if op.kind == op_binary::Kind::Regex as i32 {
            PATTERN_COST.saturating_add(text)
        } else if op.kind == op_binary::Kind::Add as i32 {
            // Sums of text grow with every operand, and each one stays in memory: count bytes.
            (1 + self.longest_text / SUM_STEP).saturating_mul(siblings)
        } else if op.kind == op_binary::Kind::Get as i32 {
            1
        } else {
            text.saturating_add(self.members())
        }
    }
}

/// A term and all that is in it.
fn size(term: &Term) -> u64 {
    let within = |it: &[Term]| it.iter().map(size).sum::<u64>();
    1 + match &term.content {
        Some(term::Content::Set(it)) => within(&it.set),
        Some(term::Content::Array(it)) => within(&it.array),
        Some(term::Content::Map(it)) => it.entries.iter().map(|it| 1 + size(&it.value)).sum(),
        _ => 0,
    }
}

/// Operations and the terms in them, closures included.
fn literals(ops: &[Op]) -> u64 {
    let each = ops.iter().map(|it| match &it.content {
        Some(op::Content::Value(it)) => size(it),
        Some(op::Content::Closure(it)) => 1 + literals(&it.ops),
        Some(op::Content::Unary(_) | op::Content::Binary(_)) | None => 1,
    });
    each.sum()
}
