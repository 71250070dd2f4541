"""Checks a credential offline: what a tool needs, and nothing of the network.

It reads no clock, file or socket: keys, revocations and the time are handed to it. `Guard` brings
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from biscuit_auth import (
    AuthorizationError,
    AuthorizerBuilder,
    Biscuit,
    Fact,
    PublicKey,
    UnverifiedBiscuit,
)

from . import _blocks, _checks, _claims, _cost
from ._blocks import Block
from ._claims import Claims
from .feed import RevocationList
from .keys import KeySet
from .refusal import Reason, Refusal, limits, malformed
from .request import Request

FEED_AGE_MAX = timedelta(minutes=5)
"""How old the revocation feed may be, unless the verifier is told otherwise."""

# Time on the wall: on a busy machine it mostly measures how long a thread waits for its turn. What
# a token may cost is weighed before; this is for what the weighing missed.
RUN_TIME_MAX = timedelta(seconds=10)

_POLICIES = "allow if request($tool, $scope), right($tool, $scope); deny if true;"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FAILED_CHECK = re.compile(r"Check n°(\d+) in block n°(\d+): ")

# In the order in which a caller can mend them.
_MENDING = [Reason.EXPIRED, Reason.WRONG_TOOL, Reason.HOLDER, Reason.SCOPE, Reason.ARGUMENT]
_NARROWED = {
    Reason.EXPIRED: "the credential was narrowed to an earlier time",
    Reason.WRONG_TOOL: "the credential was narrowed to another tool",
    Reason.SCOPE: "the credential was narrowed to other scopes",
    Reason.HOLDER: "the credential was narrowed to a key that was not proved",
    Reason.ARGUMENT: "the credential does not admit these arguments",
}

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Verified:
    """A credential that admits the call it was shown for."""

    credential_id: str
    decision_id: str
    agent: str
    agent_name: str
    on_behalf_of: str | None
    # What it admits on this tool, now, with these arguments, after every narrowing.
    scopes: frozenset[str]
    expires_at: datetime
    # The key thumbprint that the issuer bound it to.
    holder: str | None
    # One per block, in hexadecimal, the issuer's first.
    revocation_ids: tuple[str, ...]
    # How old the revocation list was; None when there was none.
    feed_age: timedelta | None


class Signed:
    """A credential that the issuer signed, and nobody altered. Whether it admits a call is still
    open. May be kept until it expires, to skip the signatures when the same token comes again."""

    __slots__ = ("_biscuit", "_blocks", "_claims", "revocation_ids")

    def __init__(self, biscuit: Biscuit, blocks: list[Block], claims: Claims) -> None:
        self._biscuit = biscuit
        self._blocks = blocks
        self._claims = claims
        self.revocation_ids = tuple(biscuit.revocation_ids)

    @property
    def credential_id(self) -> str:
        return self._claims.credential_id

    @property
    def tool(self) -> str:
        return self._claims.tool

    @property
    def expires_at(self) -> datetime:
        return self._claims.expires_at

    @property
    def online_only(self) -> bool:
        """Whether only Gatewright itself can decide on its use."""
        return self._claims.online_only

    def __repr__(self) -> str:
        # The token itself holds the key to append to it, so it is as secret here as anywhere.
        return f"<Signed {self.credential_id}>"


class Verifier:
    """Checks credentials for one tool."""

    def __init__(
        self,
        keys: KeySet,
        tool: str,
        *,
        tool_digest: str | None = None,
        issuer: str | None = None,
        max_feed_age: timedelta | None = FEED_AGE_MAX,
        asks_gatewright: bool = False,
    ) -> None:
        """A verifier for `tool`, of its definition `tool_digest`, or of any when that is None.

        `issuer` is the one that the keys document names unless it is given. `max_feed_age` None
        accepts a revocation list of any age. `asks_gatewright` lets `online_only` credentials
        through, because the caller goes on to ask Gatewright.
        """
        self._keys = keys
        self._tool = tool
        self._digest = tool_digest
        self._issuer = keys.issuer if issuer is None else issuer
        self._max_feed_age = max_feed_age
        self._asks_gatewright = asks_gatewright

    def verify(
        self,
        token: str,
        request: Request,
        revocations: RevocationList | None,
        now: datetime,
    ) -> Verified:
        """Whether `token` admits `request` at `now`; raises Refusal when it does not.

        Without `revocations` revoked credentials pass until they expire.
        """
        return self.admit(self.open(token, now), request, revocations, now)

    def open(self, token: str, now: datetime) -> Signed:
        """Reads a token and checks every signature in it, and that this issuer made it."""
        data = _blocks.decode(token)
        blocks = _blocks.read(data)
        unverified = _library(
            lambda: UnverifiedBiscuit.from_base64(_blocks.encode(data)),
            lambda: malformed("the token is not a biscuit"),
        )
        key = self._keys.choose(unverified.root_key_id(), now)
        biscuit = _library(
            lambda: unverified.verify(PublicKey(f"ed25519/{key.public_key}")),
            lambda: Refusal(Reason.SIGNATURE, "the signatures of the token do not hold"),
        )
        claims = _claims.read(blocks)
        if claims.issuer != self._issuer:
            detail = "the token was issued by someone else"
            raise Refusal(Reason.ISSUER, detail, claims.credential_id)
        return Signed(biscuit, blocks, claims)

    def admit(
        self,
        signed: Signed,
        request: Request,
        revocations: RevocationList | None,
        now: datetime,
    ) -> Verified:
        """Whether a credential that was opened before admits `request` at `now`."""
        claims = signed._claims
        if now < _EPOCH:
            raise limits("the clock is wrong")
        try:
            feed_age = self._not_revoked(signed, revocations, now)
            self._expect_for_this(claims, request, now)
            scopes = self._scopes(signed, request, now)
        except Refusal as refusal:
            refusal.credential_id = claims.credential_id
            raise
        return Verified(
            credential_id=claims.credential_id,
            decision_id=claims.decision_id,
            agent=claims.agent,
            agent_name=claims.agent_name,
            on_behalf_of=claims.on_behalf_of,
            scopes=frozenset(scopes),
            expires_at=claims.expires_at,
            holder=claims.holder,
            revocation_ids=signed.revocation_ids,
            feed_age=feed_age,
        )

    def _not_revoked(
        self, signed: Signed, revocations: RevocationList | None, now: datetime
    ) -> timedelta | None:
        """The age of the list, if nothing of this credential is on it and it is young enough."""
        if revocations is None:
            return None
        if revocations.has(signed.credential_id, signed.revocation_ids):
            raise Refusal(Reason.REVOKED, "the credential was revoked")
        age = revocations.age(now)
        if self._max_feed_age is None:
            return age
        if age is None:
            raise Refusal(Reason.FEED_STALE, "the revocation feed is incomplete")
        if age > self._max_feed_age:
            detail = f"the revocation feed is {int(age.total_seconds())} seconds old"
            raise Refusal(Reason.FEED_STALE, detail)
        return age

    def _expect_for_this(self, claims: Claims, request: Request, now: datetime) -> None:
        """The refusals that the issuer's own words decide, in the order in which a caller can
        mend them."""
        if claims.online_only and not self._asks_gatewright:
            raise Refusal(Reason.ONLINE_ONLY, "only Gatewright can decide this call")
        if claims.tool != self._tool:
            raise Refusal(Reason.WRONG_TOOL, f"the credential is for the tool `{claims.tool}`")
        if self._digest is not None and self._digest != claims.tool_digest:
            raise Refusal(Reason.DIGEST, "the tool's definition has changed")
        if now >= claims.expires_at:
            at = claims.expires_at.isoformat()
            raise Refusal(Reason.EXPIRED, f"the credential expired at {at}")
        if claims.holder is not None and claims.holder not in request.proved:
            raise Refusal(Reason.HOLDER, "the holder's key was not proved")
        if request.scope not in claims.rights:
            raise Refusal(Reason.SCOPE, f"the credential does not grant `{request.scope}`")

    def _scopes(self, signed: Signed, request: Request, now: datetime) -> set[str]:
        """The scopes that pass every check, if the one asked for is among them."""
        rights = signed._claims.rights
        clear = self._clear_scopes(signed)
        runs = 1 if clear is not None else len(rights)
        entries, longest = request.extent()
        proved = len(request.proved)
        _cost.expect_affordable(signed._blocks, entries, longest, proved, runs)
        self._run(signed, request, request.scope, now)
        scopes = clear or set()
        # Also when a holder's block made it pass in a way that its shape does not show.
        scopes.add(request.scope)
        if runs > 1:
            for other in rights - {request.scope}:
                try:
                    self._run(signed, request, other, now)
                    scopes.add(other)
                except Refusal as refusal:
                    if refusal.could_not_verify:
                        raise
        return scopes

    def _clear_scopes(self, signed: Signed) -> set[str] | None:
        """The granted scopes that no check takes away, as far as the form of the checks tells."""
        scopes = set(signed._claims.rights)
        for block in signed._blocks:
            if block.rules or block.trusts:
                return None
            for check in block.checks:
                passing = _checks.scopes(block, check, self._tool)
                if passing is None:
                    return None
                if isinstance(passing, set):
                    scopes &= passing
        return scopes

    def _run(self, signed: Signed, request: Request, scope: str, now: datetime) -> None:
        """Runs every check of every block."""

        def build() -> Callable[[], int]:
            builder = AuthorizerBuilder(
                "time({now}); request({tool}, {scope}); ctx({context});" + _POLICIES,
                {
                    "now": now.replace(microsecond=0),
                    "tool": self._tool,
                    "scope": scope,
                    "context": request.context(now),
                },
            )
            for key in request.proved:
                builder.add_fact(Fact("holder_proved({key})", {"key": key}))
            limited = builder.limits()  # type: ignore[attr-defined]
            limited.max_facts = _cost.FACTS_MAX
            limited.max_iterations = _cost.ITERATIONS_MAX
            limited.max_time = RUN_TIME_MAX
            builder.set_limits(limited)  # type: ignore[attr-defined]
            return builder.build(signed._biscuit).authorize

        contradiction = malformed("the token contradicts itself")
        authorize = _library(build, lambda: contradiction)
        try:
            _library(authorize, lambda: malformed("the token cannot be evaluated"))
        except Refusal as refusal:
            if isinstance(refusal.__cause__, AuthorizationError):
                raise self._explained(signed, str(refusal.__cause__)) from refusal.__cause__
            raise

    def _explained(self, signed: Signed, message: str) -> Refusal:
        """The first thing that a caller could mend, among all that failed."""
        if message.startswith("Reached Datalog execution limits"):
            return limits("verification took too long")
        # Comparing a value with one of another type, say.
        if message.startswith("Datalog  execution failure"):
            return Refusal(Reason.ARGUMENT, "a check cannot be applied to this call")
        if not message.startswith("authorization failed"):
            return malformed("the token cannot be evaluated")
        reasons = set()
        # A text in a holder's check may look like the head of another: then this holder is told
        # another reason for the same refusal.
        for check, block in _FAILED_CHECK.findall(message):
            if int(block) < len(signed._blocks):
                failed = signed._blocks[int(block)]
                if int(check) < len(failed.checks):
                    reasons.add(_checks.subject(failed, failed.checks[int(check)], self._tool))
        for reason in _MENDING:
            if reason in reasons or (not reasons and reason == Reason.SCOPE):
                return Refusal(reason, _NARROWED[reason])
        return Refusal(Reason.CHECK, "a check that a holder added does not pass")


def _library(call: Callable[[], _T], refusal: Callable[[], Refusal]) -> _T:
    """What the biscuit library gives. Whatever goes wrong in it, a panic too, is a refusal."""
    try:
        return call()
    except Exception as cause:
        raise refusal() from cause
    except BaseException as cause:
        if type(cause).__name__ != "PanicException":
            raise
        raise refusal() from cause
