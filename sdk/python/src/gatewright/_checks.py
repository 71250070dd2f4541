"""What a check is about, told from its shape, so that a failed one becomes the right refusal."""

from __future__ import annotations

from ._blocks import LESS_OR_EQUAL, LESS_THAN, ONE, REJECT, Block, Check, Op, Predicate, Query
from .refusal import Reason

ALL_SCOPES = "all"


def expiry(block: Block, check: Check) -> int | None:
    """The date of an expiry check, in seconds since 1970: `check if time($t), $t < date`.

    None for any other check, and for one that trusts facts from outside the chain.
    """
    if len(check.queries) != 1 or check.kind == REJECT or block.trusts:
        return None
    (query,) = check.queries
    if query.trusts or len(query.body) != 1:
        return None
    name, terms = block.named(query.body[0])
    if name != "time" or len(terms) != 1 or terms[0].kind != "variable":
        return None
    dates = [_before(it, terms[0].value) for it in query.expressions]
    return min((it for it in dates if it is not None), default=None)


def _before(ops: tuple[Op, ...], variable: int) -> int | None:
    if [it.kind for it in ops] != ["value", "value", "binary"]:
        return None
    left, right, comparison = ops
    if left.term is None or right.term is None:
        return None
    if comparison.operator not in (LESS_THAN, LESS_OR_EQUAL) or right.term.kind != "date":
        return None
    same = left.term.kind == "variable" and left.term.value == variable
    return right.term.value if same else None


def subject(block: Block, check: Check, tool: str) -> Reason:
    """The reason to give when this check fails for a call of `tool`."""

    def asks(name: str) -> bool:
        return any(_mentions(block, query, name) for query in check.queries)

    if asks("time"):
        return Reason.EXPIRED
    if asks("request"):
        possible = any(_fits_tool(block, query, tool) for query in check.queries)
        return Reason.SCOPE if possible else Reason.WRONG_TOOL
    if asks("holder_proved"):
        return Reason.HOLDER
    return Reason.ARGUMENT if asks("ctx") else Reason.CHECK


def scopes(block: Block, check: Check, tool: str) -> set[str] | str | None:
    """Which of the granted scopes a check lets through: `ALL_SCOPES`, some, or None when it has
    to be run to know. Reads the forms that the issuer and `attenuate` write."""
    if not any(_mentions(block, query, "request") for query in check.queries):
        return ALL_SCOPES
    if check.kind != ONE:
        return None
    only: set[str] = set()
    for query in check.queries:
        if query.expressions or query.trusts:
            return None
        if len(query.body) == 1 and _fits_tool(block, query, tool):
            terms = query.body[0].terms
            scope = block.text(terms[1]) if len(terms) == 2 else None
            if scope is None:
                return None
            only.add(scope)
        elif len(query.body) == 2 and _is_granted(block, query.body[0], query.body[1]):
            return ALL_SCOPES
        elif len(query.body) != 1:
            return None
    return only


def _is_granted(block: Block, asked: Predicate, granted: Predicate) -> bool:
    """`request($tool, $scope), right($tool, $scope)`."""
    names = (block.symbol(asked.name), block.symbol(granted.name))
    free = all(it.kind == "variable" for it in asked.terms)
    return names == ("request", "right") and asked.terms == granted.terms and free


def _mentions(block: Block, query: Query, name: str) -> bool:
    return any(block.symbol(it.name) == name for it in query.body)


def _fits_tool(block: Block, query: Query, tool: str) -> bool:
    """Whether no `request` of this query insists on another tool."""
    for part in query.body:
        name, terms = block.named(part)
        if name == "request" and len(terms) == 2 and block.text(terms[0]) not in (None, tool):
            return False
    return True
