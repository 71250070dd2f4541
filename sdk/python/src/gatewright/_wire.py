"""Protocol buffers, as far as a Biscuit needs them: fields by number, each read once."""

from __future__ import annotations

from collections.abc import Iterator

from .refusal import malformed

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

# What the biscuit library allows.
DEPTH_MAX = 100

Value = int | bytes


class Message:
    """The fields of one message.

    Where a field may stand once, a second one is refused: libraries differ in which they take.
    """

    __slots__ = ("_depth", "_fields")

    def __init__(self, data: bytes, depth: int = 0) -> None:
        if depth > DEPTH_MAX:
            raise malformed("the token is nested too deeply")
        self._depth = depth
        self._fields: dict[int, list[Value]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def numbers(self) -> set[int]:
        return set(self._fields)

    def has(self, number: int) -> bool:
        return number in self._fields

    def _one(self, number: int) -> Value | None:
        values = self._fields.get(number)
        if values is None:
            return None
        if len(values) > 1:
            raise malformed("a part of the token stands there twice")
        return values[0]

    def number(self, number: int) -> int | None:
        value = self._one(number)
        if isinstance(value, bytes):
            raise malformed("a part of the token is of another type")
        return value

    def data(self, number: int) -> bytes | None:
        value = self._one(number)
        if isinstance(value, int):
            raise malformed("a part of the token is of another type")
        return value

    def message(self, number: int) -> Message | None:
        data = self.data(number)
        return None if data is None else Message(data, self._depth + 1)

    def required(self, number: int) -> Message:
        message = self.message(number)
        if message is None:
            raise malformed("a part of the token is missing")
        return message

    def required_number(self, number: int) -> int:
        value = self.number(number)
        if value is None:
            raise malformed("a part of the token is missing")
        return value

    def messages(self, number: int) -> list[Message]:
        return [Message(data, self._depth + 1) for data in self.byte_strings(number)]

    def byte_strings(self, number: int) -> list[bytes]:
        values = self._fields.get(number, [])
        strings = [it for it in values if isinstance(it, bytes)]
        if len(strings) != len(values):
            raise malformed("a part of the token is of another type")
        return strings

    def texts(self, number: int) -> list[str]:
        try:
            return [it.decode() for it in self.byte_strings(number)]
        except UnicodeDecodeError as cause:
            raise malformed("a text in the token is not UTF-8") from cause


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0 or key >> 32:
            raise malformed("the token is not a biscuit")
        if kind == VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == BYTES:
            length, at = _varint(data, at)
        elif kind == FIXED64:
            length = 8
        elif kind == FIXED32:
            length = 4
        else:
            raise malformed("the token is not a biscuit")
        if length > len(data) - at:
            raise malformed("the token is cut off")
        yield number, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise malformed("the token is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, at
    raise malformed("a number in the token is too large")
