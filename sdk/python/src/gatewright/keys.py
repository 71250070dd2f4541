"""The issuer's published root keys: how they are written down and which one a token needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .refusal import Reason, Refusal, malformed

CLOCK_SKEW = timedelta(seconds=60)
"""How far a verifier's clock may run behind the issuer's before a fresh key looks premature."""

ALGORITHM = "ed25519"
"""The only kind of root key: secp256r1 signatures can be altered by anyone and stay valid."""


@dataclass(frozen=True, slots=True)
class RootKey:
    key_id: int
    # 32 bytes in hexadecimal.
    public_key: str
    not_before: datetime
    # When the last credential that it signed will have expired; None while it signs.
    not_after: datetime | None


class KeySet:
    """The document at `/.well-known/biscuit-keys.json`."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Raises ValueError when the document is none. Keys of other kinds are passed over."""
        try:
            self.issuer = str(document["issuer"])
            keys = [_read(it) for it in document["keys"] if it["algorithm"] == ALGORITHM]
        except (KeyError, TypeError, AttributeError) as cause:
            raise ValueError("this is no document of root keys") from cause
        self._keys = {it.key_id: it for it in keys}

    def choose(self, key_id: int | None, now: datetime) -> RootKey:
        """The key with this id, if it may be relied on at `now`."""
        if key_id is None:
            raise malformed("the token does not name its root key")
        key = self._keys.get(key_id)
        if key is None:
            raise Refusal(Reason.SIGNATURE, f"no root key {key_id} is published")
        over = key.not_after is not None and now >= key.not_after
        if key.not_before - now > CLOCK_SKEW or over:
            raise Refusal(Reason.SIGNATURE, f"root key {key_id} is out of date")
        return key

    def named(self, key_id: int | None) -> RootKey | None:
        """The key with this id, at whatever time."""
        return None if key_id is None else self._keys.get(key_id)


def instant(text: str) -> datetime:
    """An instant as the documents write it (RFC 3339)."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"`{text}` does not say in which zone")
    return at


def _read(it: Mapping[str, Any]) -> RootKey:
    if len(bytes.fromhex(it["public_key"])) != 32:
        raise ValueError(f"root key {it['key_id']} is not 32 bytes in hexadecimal")
    end = it["not_after"]
    return RootKey(
        key_id=int(it["key_id"]),
        public_key=it["public_key"],
        not_before=instant(it["not_before"]),
        not_after=None if end is None else instant(end),
    )
