"""What the blocks of a token say, read from the very bytes that are signed.

Biscuit's own reader offers blocks as Datalog text or as an engine to query. Neither tells a fact of
the issuer from one that a holder added, nor what a check is about.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from ._wire import Message
from .refusal import limits, malformed

TOKEN_BYTES_MAX = 8 * 1024
"""The largest token in bytes, before base64."""

BLOCKS_MAX = 16
"""The most blocks: the issuer's and fifteen of the holders."""

# The same for every biscuit (specification, symbol table).
_COMMON = (
    "read write resource operation right time role owner tenant namespace user team service "
    "admin email group member ip_address client client_ip domain path version cluster node "
    "hostname nonce query"
).split()
_OWN_SYMBOLS_FROM = 1024

# `check if`, `check all`, `reject if`.
ONE, ALL, REJECT = 0, 1, 2

LESS_THAN, LESS_OR_EQUAL, REGEX, ADD, UNION, GET = 0, 2, 8, 9, 16, 27


class Term(NamedTuple):
    kind: Literal[
        "variable", "integer", "string", "date", "bytes", "bool", "set", "null", "array", "map"
    ]
    # The number of a variable, string or date; integer; flag.
    value: int = 0
    items: tuple[Term, ...] = ()


class Predicate(NamedTuple):
    name: int
    terms: tuple[Term, ...]


class Op(NamedTuple):
    kind: Literal["value", "unary", "binary", "closure"]
    term: Term | None = None
    operator: int = 0
    has_params: bool = False
    ops: tuple[Op, ...] = ()


class Query(NamedTuple):
    head: Predicate
    body: tuple[Predicate, ...]
    expressions: tuple[tuple[Op, ...], ...]
    # Whether it says itself whose facts it trusts.
    trusts: bool


class Check(NamedTuple):
    queries: tuple[Query, ...]
    kind: int


@dataclass(slots=True)
class Block:
    facts: list[Predicate]
    rules: list[Query]
    checks: list[Check]
    trusts: bool
    # The symbols that its names are written in; those of the chain are shared.
    symbols: list[str] = field(default_factory=list)

    def symbol(self, number: int) -> str:
        """The string behind a symbol; empty when the token has none, which no format here uses."""
        if number >= _OWN_SYMBOLS_FROM:
            at = number - _OWN_SYMBOLS_FROM
            return self.symbols[at] if at < len(self.symbols) else ""
        return _COMMON[number] if number < len(_COMMON) else ""

    def named(self, predicate: Predicate) -> tuple[str, tuple[Term, ...]]:
        return self.symbol(predicate.name), predicate.terms

    def text(self, term: Term) -> str | None:
        return self.symbol(term.value) if term.kind == "string" else None

    def stated(self) -> Iterator[tuple[str, tuple[Term, ...]]]:
        return (self.named(it) for it in self.facts)


def decode(token: str) -> bytes:
    """The bytes behind the text of a token, if they are few enough.

    Base64 spells each byte string in one way only; padding may be left out.
    """
    if len(token) > -(-TOKEN_BYTES_MAX // 3) * 4:
        raise limits(f"the token is larger than {TOKEN_BYTES_MAX} bytes")
    bare = re.fullmatch(r"([A-Za-z0-9_-]*)(={0,2})", token)
    if bare is None or "\n" in token or (bare[2] and len(token) % 4):
        raise malformed("the token is not URL-safe base64")
    text = bare[1]
    try:
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as cause:
        raise malformed("the token is not URL-safe base64") from cause
    if encode(data) != text:
        raise malformed("the token is not URL-safe base64")
    if len(data) > TOKEN_BYTES_MAX:
        raise limits(f"the token is larger than {TOKEN_BYTES_MAX} bytes")
    return data


def encode(data: bytes) -> str:
    """URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read(data: bytes) -> list[Block]:
    """Every block of a token, the issuer's first. Nothing in it may be believed yet."""
    container = Message(data)
    container.required(4)
    signed = [container.required(2)]
    if len(container.byte_strings(3)) >= BLOCKS_MAX:
        raise limits(f"the token has more than {BLOCKS_MAX} blocks")
    signed.extend(container.messages(3))
    shared: list[str] = []
    blocks = []
    for it in signed:
        content = it.data(1)
        if content is None:
            raise malformed("a block of the token is missing")
        message = Message(content)
        block = _block(message)
        own = message.texts(1)
        if it.has(4):
            block.symbols = own
        else:
            shared.extend(own)
            block.symbols = shared
        blocks.append(block)
    return blocks


def _block(it: Message) -> Block:
    return Block(
        facts=[_predicate(fact.required(1)) for fact in it.messages(4)],
        rules=[_query(rule) for rule in it.messages(5)],
        checks=[_check(check) for check in it.messages(6)],
        trusts=it.has(7),
    )


def _check(it: Message) -> Check:
    return Check(tuple(_query(query) for query in it.messages(1)), it.number(2) or ONE)


def _query(it: Message) -> Query:
    return Query(
        head=_predicate(it.required(1)),
        body=tuple(_predicate(part) for part in it.messages(2)),
        expressions=tuple(_ops(part, 1) for part in it.messages(3)),
        trusts=it.has(4),
    )


def _predicate(it: Message) -> Predicate:
    return Predicate(it.required_number(1), tuple(_term(term) for term in it.messages(2)))


def _only(it: Message, numbers: range) -> int | None:
    """The one member of a `oneof` that is there."""
    there = [number for number in numbers if it.has(number)]
    if len(there) > 1:
        raise malformed("a part of the token stands there twice")
    return there[0] if there else None


def _term(it: Message) -> Term:
    match _only(it, range(1, 11)):
        case 1:
            return Term("variable", it.required_number(1))
        case 2:
            value = it.required_number(2)
            return Term("integer", value - (1 << 64) if value >> 63 else value)
        case 3:
            return Term("string", it.required_number(3))
        case 4:
            return Term("date", it.required_number(4))
        case 5:
            return Term("bytes")
        case 6:
            return Term("bool", it.required_number(6))
        case 7:
            return Term("set", 0, tuple(_term(item) for item in it.required(7).messages(1)))
        case 9:
            return Term("array", 0, tuple(_term(item) for item in it.required(9).messages(1)))
        case 10:
            entries = it.required(10).messages(1)
            return Term("map", 0, tuple(_term(entry.required(2)) for entry in entries))
        case 8:
            return Term("null")
        case _:
            raise malformed("a term of the token is empty")


def _ops(it: Message, number: int) -> tuple[Op, ...]:
    return tuple(_op(op) for op in it.messages(number))


def _op(it: Message) -> Op:
    match _only(it, range(1, 5)):
        case 1:
            return Op("value", term=_term(it.required(1)))
        case 2:
            return Op("unary", operator=it.required(2).required_number(1))
        case 3:
            return Op("binary", operator=it.required(3).required_number(1))
        case 4:
            closure = it.required(4)
            return Op("closure", has_params=closure.has(1), ops=_ops(closure, 2))
        case _:
            raise malformed("an operation of the token is empty")
