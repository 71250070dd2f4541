"""An upper bound on what the checks of a token can cost, taken before any of them runs.

The engine looks at its time limit only between checks. One check over a dozen facts joined ten
times, or a closure in a closure in a closure, fits into 300 bytes and runs for years. So tokens
that holders added to are weighed first; the issuer's own block is taken as it is.
"""

from __future__ import annotations

from ._blocks import ADD, GET, REGEX, UNION, Block, Op, Query, Term
from .refusal import limits

FACTS_MAX = 1000
ITERATIONS_MAX = 100

# The dearest token that is still looked at, in steps of the engine of some 10 to 50 ns.
COST_MAX = 10_000_000
# A pattern is compiled at each match, which may take some 10 ms however short it is.
PATTERN_COST = COST_MAX // 8
# Bytes of text that are compared, and that are copied, in one step.
TEXT_STEP, SUM_STEP = 64, 8


def expect_affordable(
    blocks: list[Block], entries: int, longest: int, proved: int, runs: int
) -> None:
    """Refuses with `limits` when running the checks so many times could take too long.

    `entries` and `longest` are the size of what the verifier knows of the call, and its longest
    text in bytes; `proved` is how many keys were proved.
    """
    if len(blocks) == 1:
        return
    weights = _Weights(blocks, entries, longest, proved)
    if sum(weights.block(it) for it in blocks) * runs > COST_MAX:
        raise limits("the checks of the token are too costly")


class _Weights:
    """The sizes that costs grow with, over the whole token and what the verifier adds to it."""

    def __init__(self, blocks: list[Block], entries: int, longest: int, proved: int) -> None:
        self.facts_by_name = {"time": 1, "request": 1, "ctx": 1, "holder_proved": proved}
        self.facts = 3 + proved
        # The size of the largest fact or literal, which is what a variable can stand for.
        self.largest = 1 + 2 * entries
        # Operations in the whole token that join two sets into a larger one.
        self.unions = 0
        self.longest_text = longest
        for block in blocks:
            self._count(block)

    def _count(self, block: Block) -> None:
        lengths = (len(it.encode()) for it in block.symbols)
        self.longest_text = max(self.longest_text, max(lengths, default=0))
        for name, terms in block.stated():
            self.facts_by_name[name] = self.facts_by_name.get(name, 0) + 1
            self.facts += 1
            self.largest = max(self.largest, max(map(_size, terms), default=0))
        for rule in block.rules:
            # What a rule makes cannot be foretold: as many facts as the engine allows.
            self.facts_by_name[block.symbol(rule.head.name)] = FACTS_MAX
            self.facts = FACTS_MAX
        queries = [query for check in block.checks for query in check.queries]
        for query in [*queries, *block.rules]:
            for ops in query.expressions:
                self._count_ops(ops)

    def _count_ops(self, ops: tuple[Op, ...]) -> None:
        for op in ops:
            if op.term is not None:
                self.largest = max(self.largest, _size(op.term))
            elif op.kind == "closure":
                self._count_ops(op.ops)
            elif op.kind == "binary" and op.operator == UNION:
                self.unions += 1

    def _members(self) -> int:
        """The most members that any collection can have."""
        return self.largest * (1 + self.unions)

    def block(self, block: Block) -> int:
        checks = sum(self._query(block, it) for check in block.checks for it in check.queries)
        return checks + sum(self._query(block, it) for it in block.rules) * ITERATIONS_MAX

    def _query(self, block: Block, query: Query) -> int:
        """Every combination of facts that the body allows, each looking through all facts once
        per predicate and then through the expressions."""
        combinations = 1
        for it in query.body:
            combinations *= max(1, self.facts_by_name.get(block.symbol(it.name), 0))
        each = self.facts * len(query.body) + sum(map(self._ops, query.expressions))
        return combinations * each

    def _ops(self, ops: tuple[Op, ...]) -> int:
        return sum(self._op(it, len(ops)) for it in ops)

    def _op(self, op: Op, siblings: int) -> int:
        if op.term is not None:
            return self.largest if op.term.kind == "variable" else _size(op.term)
        if op.kind == "binary":
            return self._binary(op.operator, siblings)
        if op.kind == "closure":
            times = self._members() if op.has_params else 1
            return self._ops(op.ops) * times + _literals(op.ops)
        return 1

    def _binary(self, operator: int, siblings: int) -> int:
        text = 1 + self.longest_text // TEXT_STEP
        if operator == REGEX:
            return PATTERN_COST + text
        if operator == ADD:
            # Sums of text grow with every operand, and each one stays in memory: count bytes.
            return (1 + self.longest_text // SUM_STEP) * siblings
        return 1 if operator == GET else text + self._members()


def _size(term: Term) -> int:
    """A term and all that is in it; the keys of a map, too."""
    keys = len(term.items) if term.kind == "map" else 0
    return 1 + keys + sum(map(_size, term.items))


def _literals(ops: tuple[Op, ...]) -> int:
    """Operations and the terms in them, closures included."""
    total = 0
    for op in ops:
        if op.term is not None:
            total += _size(op.term)
        else:
            total += 1 + (_literals(op.ops) if op.kind == "closure" else 0)
    return total
