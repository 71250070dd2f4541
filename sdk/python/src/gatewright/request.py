"""What the verifier knows of one use of a credential: the scope, the proven keys, the call.

Arguments become entries of one map, `ctx({…})`, by JSON pointer (RFC 6901) under a name that says
their type and scale. No entry is ever rounded: a number that does not fit its name stands there as
text, and every check that looks at it refuses.

| JSON    | entry                                                                     |
|---------|---------------------------------------------------------------------------|
| `"de"`  | `call.text/lang` = `"de"`                                                 |
| `true`  | `call.flag/dry_run` = `true`                                              |
| `400`   | `call.number/amount` = 400 and `call.decimal/amount` = 4000000            |
| `400.5` | `call.number/amount` = `"400.5"` and `call.decimal/amount` = 4005000      |
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

LEAVES_MAX = 512
"""The most leaves that the arguments of one call may have."""

DEPTH_MAX = 32
"""The deepest nesting of arguments."""

DECIMAL_SCALE = 10_000
"""Decimals keep four digits, as Cedar's do."""

# Every integer up to here is its own double.
_EXACT_DOUBLE_MAX = 2**53

Entry = str | int | bool


class Request:
    """One use of a credential, as the tool observes it."""

    def __init__(
        self,
        scope: str,
        arguments: Any = None,
        *,
        proved: Iterable[str] = (),
        address: str | None = None,
        country: str | None = None,
        local_time: tuple[str, int] | None = None,
    ) -> None:
        """A use of `scope`, with the `arguments` of the call, usually one JSON object.

        `proved` are the RFC 7638 thumbprints of keys that the caller proved by DPoP (RFC 9449).
        `address` is the caller's; `country` its ISO 3166-1 alpha-2 code; `local_time` the weekday
        and the milliseconds since midnight in the organization's home zone. Raises ValueError for
        arguments too large to look at.
        """
        self.scope = scope
        self.arguments = arguments
        self.proved = frozenset(proved)
        self._leaves = 0
        self._entries: dict[str, Entry] = {}
        if arguments is not None:
            self._flatten("", arguments, 0)
        if address is not None:
            self._observe_address(ip_address(address))
        if country is not None:
            self._entries["net.country"] = country
        if local_time is not None:
            weekday, since_midnight = local_time
            self._entries["clock.local.weekday"] = weekday
            self._entries["clock.local.time"] = since_midnight

    def context(self, now: datetime) -> dict[str, Entry]:
        """The map that `ctx` carries at `now`."""
        milliseconds = int(now.timestamp()) * 1000 + now.microsecond // 1000
        return {**self._entries, "clock.now": milliseconds}

    def extent(self) -> tuple[int, int]:
        """How many entries the map has, and its longest text in bytes: what a check may cost."""
        texts = (len(it.encode()) for it in self._entries.values() if isinstance(it, str))
        return 1 + len(self._entries), max(texts, default=0)

    def _observe_address(self, address: IPv4Address | IPv6Address) -> None:
        if isinstance(address, IPv6Address):
            if address.ipv4_mapped is None:
                return
            address = address.ipv4_mapped
        self._entries["net.ip4"] = int(address)

    def _flatten(self, pointer: str, value: Any, depth: int) -> None:
        if depth > DEPTH_MAX:
            raise ValueError(f"the arguments are nested deeper than {DEPTH_MAX} levels")
        if value is None:
            return
        if isinstance(value, bool):
            self._leaf({f"call.flag{pointer}": value})
        elif isinstance(value, str):
            self._leaf({f"call.text{pointer}": value})
        elif isinstance(value, int | float):
            number, decimal = whole(value), scaled(value)
            self._leaf(
                {
                    f"call.number{pointer}": str(value) if number is None else number,
                    f"call.decimal{pointer}": str(value) if decimal is None else decimal,
                }
            )
        elif isinstance(value, dict):
            for name, it in value.items():
                self._flatten(f"{pointer}/{escape(str(name))}", it, depth + 1)
        elif isinstance(value, list | tuple):
            for index, it in enumerate(value):
                self._flatten(f"{pointer}/{index}", it, depth + 1)
        else:
            raise ValueError(f"a {type(value).__name__} is no JSON value")

    def _leaf(self, entries: dict[str, Entry]) -> None:
        self._leaves += 1
        if self._leaves > LEAVES_MAX:
            raise ValueError(f"the arguments have more than {LEAVES_MAX} values")
        self._entries.update(entries)


def escape(name: str) -> str:
    """A member name as a step of a JSON pointer (RFC 6901, section 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def whole(number: float) -> int | None:
    """The number as an integer, if it is one that fits."""
    if isinstance(number, float):
        if not number.is_integer() or abs(number) >= _EXACT_DOUBLE_MAX:
            return None
        return int(number)
    return number if -(2**63) <= number < 2**63 else None


def scaled(number: float) -> int | None:
    """The number times `DECIMAL_SCALE`, if that is an integer that fits."""
    integer = whole(number)
    if integer is not None:
        return _fitting(integer * DECIMAL_SCALE)
    written = str(number)
    sign, digits = (-1, written[1:]) if written.startswith("-") else (1, written)
    before, point, after = digits.partition(".")
    if not point or len(after) > 4 or not (before + after).isdecimal():
        return None
    return _fitting(sign * (int(before) * DECIMAL_SCALE + int(after.ljust(4, "0"))))


def _fitting(number: int) -> int | None:
    return number if -(2**63) <= number < 2**63 else None
