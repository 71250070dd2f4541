"""What the issuer says in the authority block, taken literally and exactly once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from . import _checks
from ._blocks import Block, Term
from .refusal import Reason, Refusal, malformed

_T = TypeVar("_T")

FORMAT = 1
"""The credential format that this verifier knows, the `1` in `gatewright(1)`."""

_TEXTS = {
    *("issuer", "credential", "decision", "agent", "agent_name", "on_behalf_of"),
    *("tool", "tool_digest", "holder"),
}


@dataclass(frozen=True, slots=True)
class Claims:
    """The authority block. Only its facts are here: holders' blocks may claim anything."""

    issuer: str
    credential_id: str
    decision_id: str
    agent: str
    agent_name: str
    on_behalf_of: str | None
    tool: str
    tool_digest: str
    # Scopes that `right` grants on that tool.
    rights: frozenset[str]
    holder: str | None
    online_only: bool
    # The issuer's expiry or an earlier one that a holder set.
    expires_at: datetime


def read(blocks: list[Block]) -> Claims:
    authority = blocks[0]
    texts: dict[str, str] = {}
    numbers: dict[str, int] = {}
    rights: list[tuple[str, str]] = []
    for name, terms in authority.stated():
        if name in _TEXTS:
            _once(texts, name, authority.text(terms[0]) if len(terms) == 1 else None)
        elif name == "gatewright":
            _once(numbers, name, _only(terms, "integer"))
        elif name == "online_only":
            _once(numbers, name, _only(terms, "bool"))
        elif name == "right":
            rights.append(_right(authority, terms))
        # A later minor format may say more. What restricts comes as a check or a new version.
    _expect_format(numbers.get("gatewright"))
    expires_at = _earliest_expiry(blocks)
    tool = _required(texts, "tool")
    return Claims(
        issuer=_required(texts, "issuer"),
        credential_id=_required(texts, "credential"),
        decision_id=_required(texts, "decision"),
        agent=_required(texts, "agent"),
        agent_name=_required(texts, "agent_name"),
        on_behalf_of=texts.get("on_behalf_of"),
        tool=tool,
        tool_digest=_required(texts, "tool_digest"),
        rights=frozenset(scope for on, scope in rights if on == tool),
        holder=texts.get("holder"),
        online_only=bool(numbers.get("online_only", 0)),
        expires_at=expires_at,
    )


def _expect_format(stated: int | None) -> None:
    if stated is None:
        raise Refusal(Reason.VERSION, "the token does not state a format")
    if stated != FORMAT:
        raise Refusal(Reason.VERSION, f"format {stated} is not known here")


def _earliest_expiry(blocks: list[Block]) -> datetime:
    """The issuer must set an expiry; holders may only bring it forward."""
    dates = [[_checks.expiry(block, it) for it in block.checks] for block in blocks]
    if not any(it is not None for it in dates[0]):
        raise malformed("the token has no expiry check")
    earliest = min(it for of_block in dates for it in of_block if it is not None)
    try:
        return datetime.fromtimestamp(earliest, UTC)
    except (OverflowError, ValueError, OSError) as cause:
        raise malformed("the expiry is not a date") from cause


def _right(block: Block, terms: tuple[Term, ...]) -> tuple[str, str]:
    tool, scope = (block.text(it) for it in terms) if len(terms) == 2 else (None, None)
    if tool is None or scope is None:
        raise _misshapen("right")
    return tool, scope


def _only(terms: tuple[Term, ...], kind: str) -> int | None:
    return terms[0].value if len(terms) == 1 and terms[0].kind == kind else None


def _once(place: dict[str, _T], name: str, value: _T | None) -> None:
    if value is None:
        raise _misshapen(name)
    if name in place:
        raise malformed(f"the token states `{name}` twice")
    place[name] = value


def _required(texts: dict[str, str], name: str) -> str:
    if name not in texts:
        raise malformed(f"the token does not state `{name}`")
    return texts[name]


def _misshapen(name: str) -> Refusal:
    return malformed(f"the token states `{name}` in an unknown form")
