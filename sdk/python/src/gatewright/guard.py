"""What a tool checks its callers with: a verifier that brings keys and revocations itself."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import httpx

from .account import Account, utc_now
from .feed import FeedError, RevocationList
from .keys import KeySet
from .refusal import Reason, Refusal, limits
from .request import Request
from .steps import GatewrightError, Steps, arun, get, post, run
from .verifier import FEED_AGE_MAX, Signed, Verified, Verifier

KEYS_EVERY = timedelta(minutes=5)
"""How often the root keys are fetched anew."""

KEYS_AGE_MAX = timedelta(hours=1)
"""How long they may be relied on while Gatewright cannot be reached."""

FEED_EVERY = timedelta(seconds=30)
"""How often the revocation feed is asked for what is new."""

_RETRY = timedelta(seconds=2)
_TIMEOUT = 5.0
_OPENED_MAX = 1024

_log = logging.getLogger(__name__)


class Guard:
    """Guards one tool. Keys and revocations are fetched when they are due; without them, within
    the ages allowed, nothing passes."""

    def __init__(
        self,
        url: str,
        tool: str,
        *,
        tool_digest: str | None = None,
        issuer: str | None = None,
        max_feed_age: timedelta | None = FEED_AGE_MAX,
        account: Account | None = None,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Trusts the Gatewright at `url`. Its credentials name `issuer`, the same unless it is
        given. With an `account`, credentials that only Gatewright can decide on are shown to it;
        else they are refused with `online_only`."""
        self.url = url.rstrip("/")
        self.tool = tool
        self._issuer = self.url if issuer is None else issuer
        self._digest = tool_digest
        self._max_feed_age = max_feed_age
        self._account = account
        self._client = client
        self._async_client = async_client
        self.now = now
        self._lock, self._async_lock = Lock(), asyncio.Lock()
        self._verifier: Verifier | None = None
        self._keys: KeySet | None = None
        self._document: Any = None
        self._keys_at = self._keys_due = self._feed_due = datetime.fromtimestamp(0, UTC)
        self._revocations = RevocationList()
        self._opened: OrderedDict[bytes, Signed] = OrderedDict()

    def check(self, token: str, request: Request) -> Verified:
        """Whether `token` admits `request` now; raises Refusal when it does not."""
        if self._client is None:
            self._client = httpx.Client(timeout=_TIMEOUT)
        with self._lock:
            run(self._refresh(), self._client)
        return run(self._decide(token, request), self._client)

    async def acheck(self, token: str, request: Request) -> Verified:
        """The same, without blocking."""
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(timeout=_TIMEOUT)
        async with self._async_lock:
            await arun(self._refresh(), self._async_client)
        return await arun(self._decide(token, request), self._async_client)

    def _decide(self, token: str, request: Request) -> Steps[Verified]:
        now = self.now()
        if self._verifier is None or now - self._keys_at > KEYS_AGE_MAX:
            raise limits("the root keys of Gatewright are not at hand")
        signed = self._open(self._verifier, token, now)
        verified = self._verifier.admit(signed, request, self._revocations, now)
        if signed.online_only and self._account is not None:
            yield from self._ask(self._account, token, request)
        return verified

    def _open(self, verifier: Verifier, token: str, now: datetime) -> Signed:
        """Signatures are checked once, as long as the root keys stay the same."""
        mark = hashlib.sha256(token.encode()).digest()
        signed = self._opened.get(mark)
        if signed is None:
            signed = verifier.open(token, now)
            self._opened[mark] = signed
            while len(self._opened) > _OPENED_MAX:
                self._opened.popitem(last=False)
        return signed

    def _ask(self, account: Account, token: str, request: Request) -> Steps[None]:
        """Has Gatewright decide as well."""
        question = {
            "token": token,
            "tool": self.tool,
            "scope": request.scope,
            "arguments": request.arguments,
        }
        try:
            access = yield from account.token()
            told = yield post(f"{self.url}/api/v1/credentials/validate", question, access)
            answer = told.json()
        except GatewrightError as error:
            account.forget(error)
            raise limits("Gatewright could not be asked") from error
        if answer["valid"] is not True:
            known = answer["reason"] if answer["reason"] in list(Reason) else Reason.CHECK
            raise Refusal(Reason(known), answer["detail"], answer.get("credential_id"))

    def _refresh(self) -> Steps[None]:
        """Fetches what is due. What cannot be fetched stays as old as it is."""
        now = self.now()
        if self._keys_due <= now:
            self._keys_due = now + _RETRY
            try:
                yield from self._fetch_keys(now)
            except (GatewrightError, ValueError) as cause:
                _log.warning("the root keys of %s cannot be fetched: %s", self.url, cause)
        if self._keys is not None and self._feed_due <= now:
            self._feed_due = now + _RETRY
            try:
                yield from self._fetch_feed(self._keys, now)
            except (GatewrightError, FeedError) as cause:
                _log.warning("the revocations of %s cannot be fetched: %s", self.url, cause)

    def _fetch_keys(self, now: datetime) -> Steps[None]:
        told = yield get(f"{self.url}/.well-known/biscuit-keys.json")
        document = told.json()
        if document != self._document:
            self._keys = KeySet(document)
            self._document = document
            self._opened.clear()
            self._verifier = Verifier(
                self._keys,
                self.tool,
                tool_digest=self._digest,
                issuer=self._issuer,
                max_feed_age=self._max_feed_age,
                asks_gatewright=self._account is not None,
            )
        self._keys_at = now
        self._keys_due = now + KEYS_EVERY

    def _fetch_feed(self, keys: KeySet, now: datetime) -> Steps[None]:
        known = self._revocations
        more = True
        while more:
            query = {"since": known.cursor} if known.cursor else {}
            told = yield get(f"{self.url}/api/v1/revocations", None, **query)
            try:
                more = known.apply(told.json(), keys, now)
            except FeedError as error:
                if error.fault == "gap":
                    # Where it stands is no more where the issuer goes on from: begin anew.
                    self._revocations = RevocationList()
                raise
        self._feed_due = now + FEED_EVERY
