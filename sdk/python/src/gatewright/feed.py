"""The revocation feed: signed pages from the issuer, merged into one list that knows its age."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .keys import CLOCK_SKEW, KeySet, instant
from .refusal import Refusal

# Keeps a signature over a page from being one over anything else that the root key signs.
_DOMAIN = b"gatewright revocation feed 1"

IDS_MAX = 1_000_000
"""The most ids that one list holds."""


class FeedError(Exception):
    """Why a page was not taken: `key`, `signature`, `future`, `gap`, `too_large` or `malformed`."""

    def __init__(self, fault: str, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


class RevocationList:
    """Everything known to be revoked."""

    def __init__(self) -> None:
        self._credentials: set[str] = set()
        self._blocks: set[str] = set()
        self._cursor = ""
        # The list holds all that was revoked before this instant.
        self._as_of: datetime | None = None

    @property
    def cursor(self) -> str:
        """Where to ask on from; empty at the beginning."""
        return self._cursor

    def apply(self, page: Mapping[str, Any], keys: KeySet, now: datetime) -> bool:
        """Merges the next page, as `GET /api/v1/revocations` answers it; True when more follow.

        Raises FeedError when the issuer did not sign it, or when it does not continue where the
        list stands: else what was revoked in between would be missing and nobody would know.
        """
        issued_at = _check(page, keys, now)
        since = page.get("since", "")
        if since not in ("", self._cursor):
            raise FeedError("gap", "the page does not continue the list")
        credentials, blocks = page["credential_ids"], page["revocation_ids"]
        more = len(credentials) + len(blocks)
        if len(self._credentials) + len(self._blocks) + more > IDS_MAX:
            raise FeedError("too_large", f"the feed has more than {IDS_MAX} ids")
        self._credentials.update(credentials)
        self._blocks.update(it.lower() for it in blocks)
        self._cursor = page["cursor"]
        if page.get("more", False):
            return True
        self._as_of = issued_at if self._as_of is None else max(self._as_of, issued_at)
        return False

    def age(self, now: datetime) -> timedelta | None:
        """How old the list is at `now`; None while it is still incomplete."""
        return None if self._as_of is None else max(now - self._as_of, timedelta(0))

    def has(self, credential_id: str, revocation_ids: Iterable[str]) -> bool:
        """Whether the credential, or one of its blocks, was revoked."""
        return credential_id in self._credentials or not self._blocks.isdisjoint(revocation_ids)


def _check(page: Mapping[str, Any], keys: KeySet, now: datetime) -> datetime:
    try:
        signed = _signed_bytes(page, keys.issuer)
        signature = bytes.fromhex(page["signature"])
        issued_at = instant(page["issued_at"])
    except (KeyError, TypeError, ValueError, AttributeError) as cause:
        raise FeedError("malformed", "this is no page of a revocation feed") from cause
    try:
        key = keys.choose(page["key_id"], now)
    except Refusal as cause:
        raise FeedError("key", "the page's root key is not to be relied on") from cause
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key.public_key)).verify(signature, signed)
    except (InvalidSignature, ValueError) as cause:
        raise FeedError("signature", "the page was not signed by the issuer") from cause
    if issued_at - now > CLOCK_SKEW:
        raise FeedError("future", "the page is dated in the future")
    return issued_at


def _signed_bytes(page: Mapping[str, Any], issuer: str) -> bytes:
    """What the root key signs: each piece preceded by its length, lists by their number of
    entries, as unsigned 64-bit big-endian; numbers and instants as in the JSON."""
    lists = page["credential_ids"], page["revocation_ids"]
    if not all(isinstance(it, list) for it in lists) or not re.fullmatch(
        r"[0-9TZ:.\-]+", page["issued_at"]
    ):
        raise ValueError("a member of the page is of another type")
    more = page.get("more", False)
    pieces = [
        issuer,
        str(page["key_id"]),
        page.get("since", ""),
        page["cursor"],
        page["issued_at"],
        "true" if more is True else "false",
    ]
    signed = _piece(_DOMAIN) + b"".join(_piece(it.encode()) for it in pieces)
    for entries in lists:
        signed += len(entries).to_bytes(8, "big") + b"".join(_piece(it.encode()) for it in entries)
    return signed


def _piece(data: bytes) -> bytes:
    return len(data).to_bytes(8, "big") + data
