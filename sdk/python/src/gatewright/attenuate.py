"""Narrows a credential offline: appends one block that can only refuse, never allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from biscuit_auth import (
    Biscuit,
    BiscuitValidationError,
    BlockBuilder,
    PublicKey,
    UnverifiedBiscuit,
)

from . import _blocks
from ._wire import Message
from .keys import KeySet
from .refusal import Reason, Refusal
from .request import DECIMAL_SCALE, scaled, whole

_COMPARISONS = ("equal", "one_of", "at_most", "at_least", "prefix")


class AttenuateError(ValueError):
    """Why a credential was not narrowed: `nothing`, `no_scopes`, `not_granted`, `number`,
    `value`, `sealed`, `too_many_blocks` or `too_large`."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Narrowing:
    """What the holder gives up. Everything left out stays as it was."""

    # Only these scopes.
    scopes: Iterable[str] | None = None
    # Not after this instant, cut to the second before it.
    expires_at: datetime | None = None
    # Only calls whose arguments pass all of these, in the words of the API: a `pointer`, and one of
    # `equal`, `one_of`, `at_most`, `at_least`, `prefix`. A call without that argument fails.
    constraints: Sequence[Mapping[str, Any]] = ()
    # Only for who proves the key with this RFC 7638 thumbprint, besides any that is needed already.
    holder_key: str | None = None


def attenuate(token: str, narrowing: Narrowing, keys: KeySet) -> str:
    """Appends one block to `token`, which one of the issuer's root `keys` signed.

    Raises Refusal for what is no token of theirs, and AttenuateError."""
    data = _blocks.decode(token)
    blocks = _blocks.read(data)
    if len(blocks) >= _blocks.BLOCKS_MAX:
        detail = f"the credential has {_blocks.BLOCKS_MAX} blocks, verifiers take no more"
        raise AttenuateError("too_many_blocks", detail)
    if narrowing.scopes is not None:
        _expect_granted(blocks[0], set(narrowing.scopes))
    checks = list(_checks(narrowing))
    if not checks:
        raise AttenuateError("nothing", "nothing to narrow to was named")
    if Message(data).required(4).has(2):
        raise AttenuateError("sealed", "the credential is sealed: its holder gave up narrowing it")
    block = BlockBuilder("; ".join(checks) + ";")
    narrowed = _signed(data, keys).append(block).to_base64()
    size = len(narrowed.rstrip("=")) * 3 // 4
    if size > _blocks.TOKEN_BYTES_MAX:
        detail = f"the credential would have {size} bytes, verifiers take {_blocks.TOKEN_BYTES_MAX}"
        raise AttenuateError("too_large", detail)
    return narrowed


def _signed(data: bytes, keys: KeySet) -> Biscuit:
    """The token as the library appends to it: it wants the signatures checked before."""
    unverified = UnverifiedBiscuit.from_base64(_blocks.encode(data))
    key = keys.named(unverified.root_key_id())
    if key is None:
        raise Refusal(Reason.SIGNATURE, "the token's root key is not among those published")
    try:
        return unverified.verify(PublicKey(f"ed25519/{key.public_key}"))
    except BiscuitValidationError as cause:
        raise Refusal(Reason.SIGNATURE, "the signatures of the token do not hold") from cause


def _expect_granted(authority: _blocks.Block, scopes: set[str]) -> None:
    """A scope that the token lacks could be asked for without harm, and without use: say so."""
    if not scopes:
        raise AttenuateError("no_scopes", "a credential without scopes would allow nothing")
    rights = {
        authority.text(terms[1])
        for name, terms in authority.stated()
        if name == "right" and len(terms) == 2
    }
    for scope in sorted(scopes - rights):
        raise AttenuateError("not_granted", f"the credential does not grant `{scope}`")


def _checks(narrowing: Narrowing) -> Iterable[str]:
    if narrowing.expires_at is not None:
        at = narrowing.expires_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield f"check if time($now), $now < {at}"
    if narrowing.scopes is not None:
        asked = (f"request($tool, {_text(it)})" for it in sorted(set(narrowing.scopes)))
        yield "check if " + " or ".join(asked)
    for constraint in narrowing.constraints:
        conditions = (f"ctx($c), {it}" for it in _alternatives(constraint))
        yield "check if " + " or ".join(conditions)
    if narrowing.holder_key is not None:
        yield f"check if holder_proved({_text(narrowing.holder_key)})"


def _alternatives(constraint: Mapping[str, Any]) -> list[str]:
    """Expressions over `$c`, one of which must hold."""
    given = [it for it in _COMPARISONS if it in constraint]
    pointer = constraint.get("pointer")
    if len(given) != 1 or not isinstance(pointer, str):
        detail = f"a constraint has a `pointer` and one of {', '.join(_COMPARISONS)}"
        raise AttenuateError("value", detail)
    limit = constraint[given[0]]
    match given[0]:
        case "equal":
            return [_equal(pointer, limit)]
        case "one_of" if not limit:
            raise AttenuateError("nothing", "none of no values can be given")
        case "one_of":
            return [_equal(pointer, it) for it in limit]
        case "at_most":
            return _bound(pointer, limit, "<=", lambda it: it // DECIMAL_SCALE)
        case "at_least":
            return _bound(pointer, limit, ">=", lambda it: -(-it // DECIMAL_SCALE))
        case _:
            name = _text(f"call.text{pointer}")
            if not isinstance(limit, str):
                raise AttenuateError("value", "a prefix is text")
            return [f"$c.get({name}) != null && ($c.get({name}).starts_with({_text(limit)}))"]


def _equal(pointer: str, expected: Any) -> str:
    """False, not an error, when there is no such argument or it has another type."""
    if isinstance(expected, bool):
        kind, term = "call.flag", "true" if expected else "false"
    elif isinstance(expected, str):
        kind, term = "call.text", _text(expected)
    elif isinstance(expected, int | float):
        integer = whole(expected)
        kind = "call.decimal" if integer is None else "call.number"
        term = str(_exact(expected) if integer is None else integer)
    else:
        detail = "only text, a number, true or false can be compared with"
        raise AttenuateError("value", detail)
    return f"$c.get({_text(kind + pointer)}) == {term}"


def _bound(
    pointer: str, limit: float, comparison: str, stricter: Callable[[int], int]
) -> list[str]:
    """A bound on `call.decimal`, which every number has; or on `call.number` where a verifier
    supplies no more than that, with the bound rounded to the stricter side."""
    exact = _exact(limit)
    decimal, number = _text(f"call.decimal{pointer}"), _text(f"call.number{pointer}")
    present = f"$c.get({decimal}) != null && ($c.get({decimal}) {comparison} {exact})"
    rounded = f"$c.get({number}) != null && ($c.get({number}) {comparison} {stricter(exact)})"
    return [present, f"$c.get({decimal}) == null && ({rounded})"]


def _exact(number: Any) -> int:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise AttenuateError("number", "a bound is a number")
    exact = scaled(number)
    if exact is None:
        detail = f"`{number}` has more than four decimals or too many digits"
        raise AttenuateError("number", detail)
    return exact


def _text(text: str) -> str:
    """A string of Datalog. Its escapes are those two alone."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
