"""Credentials for one tool: fetched, kept, renewed before they expire, narrowed for each use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .account import Account, utc_now
from .attenuate import Narrowing, attenuate
from .dpop import DpopKey
from .keys import KeySet, instant
from .steps import GatewrightError, Steps, get, post

EARLY = timedelta(seconds=30)
"""How long before its end a credential is renewed, or half its life if that is less."""


@dataclass(frozen=True, slots=True)
class Credential:
    """A vended credential. Whoever has an unbound token may use it."""

    token: str
    credential_id: str
    decision_id: str
    scopes: frozenset[str]
    expires_at: datetime
    renew_at: datetime

    def __repr__(self) -> str:
        return f"<Credential {self.credential_id} until {self.expires_at.isoformat()}>"


class Credentials:
    """The credentials of an account for one tool."""

    def __init__(
        self,
        account: Account,
        tool: str,
        scopes: Iterable[str],
        *,
        ttl_seconds: int | None = None,
        constraints: Sequence[Mapping[str, Any]] = (),
        on_behalf_of: str | None = None,
        key: DpopKey | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """For `tool`, by name or id. `constraints` are conditions on arguments, as in the API;
        `on_behalf_of` is the id of the user to act for; with a `key` they are bound to it."""
        self._account = account
        self._key = key
        self._now = now
        asked = {
            "tool": tool,
            "scopes": sorted(set(scopes)),
            "ttl_seconds": ttl_seconds,
            "constraints": list(constraints) or None,
            "on_behalf_of": on_behalf_of,
            "holder_key": key.thumbprint if key is not None else None,
        }
        self._asked = {name: it for name, it in asked.items() if it is not None}
        self._kept: Credential | None = None
        self._renewing_since: datetime | None = None
        self._keys: KeySet | None = None

    def obtain(self) -> Steps[Credential]:
        """The credential that is kept, or a new one when that ends soon."""
        kept, now = self._kept, self._now()
        if kept is not None and (now < kept.renew_at or self._is_renewing(kept, now)):
            return kept
        self._renewing_since = now
        try:
            try:
                self._kept = yield from self._fetch()
            except GatewrightError as error:
                if not self._account.forget(error):
                    raise
                self._kept = yield from self._fetch()
        finally:
            self._renewing_since = None
        return self._kept

    def token(self, narrowing: Narrowing | None = None) -> Steps[str]:
        """The token to send, narrowed for this use."""
        credential = yield from self.obtain()
        if narrowing is None:
            return credential.token
        if self._keys is None:
            told = yield get(f"{self._account.url}/.well-known/biscuit-keys.json")
            self._keys = KeySet(told.json())
        return attenuate(credential.token, narrowing, self._keys)

    def headers(
        self, method: str, url: str, narrowing: Narrowing | None = None
    ) -> Steps[dict[str, str]]:
        """What to send with one request of the tool at `url`."""
        token = yield from self.token(narrowing)
        if self._key is None:
            return {"authorization": f"Bearer {token}"}
        proof = self._key.proof(method, url, token, self._now())
        return {"authorization": f"DPoP {token}", "dpop": proof}

    def forget(self) -> None:
        """Drops the credential that is kept, because the tool takes it no more."""
        self._kept = None

    def _is_renewing(self, kept: Credential, now: datetime) -> bool:
        """Whether someone renews it already, and it is good until that is done."""
        since = self._renewing_since
        return since is not None and now < kept.expires_at and now - since < EARLY

    def _fetch(self) -> Steps[Credential]:
        access = yield from self._account.token()
        asked_at = self._now()
        told = yield post(f"{self._account.url}/api/v1/credentials", self._asked, access)
        answer = told.json()
        it = answer["credential"]
        expires_at = instant(it["expires_at"])
        early = min(EARLY, (expires_at - asked_at) / 2)
        return Credential(
            token=it["token"],
            credential_id=it["credential_id"],
            decision_id=answer["decision_id"],
            scopes=frozenset(it["scopes"]),
            expires_at=expires_at,
            renew_at=expires_at - early,
        )
