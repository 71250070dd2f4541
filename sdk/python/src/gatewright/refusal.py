"""Why a credential was refused: one word for programs, one sentence for people."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """The word that a verifier answers with. New ones may be added, none is ever renamed."""

    EXPIRED = "expired"
    WRONG_TOOL = "wrong_tool"
    SCOPE = "scope"
    ARGUMENT = "argument"
    HOLDER = "holder"
    REVOKED = "revoked"
    SIGNATURE = "signature"
    MALFORMED = "malformed"
    LIMITS = "limits"
    FEED_STALE = "feed_stale"
    VERSION = "version"
    ISSUER = "issuer"
    DIGEST = "digest"
    ONLINE_ONLY = "online_only"
    CHECK = "check"


class Refusal(Exception):
    """A refused credential. Never carries the token."""

    def __init__(self, reason: Reason, detail: str, credential_id: str | None = None) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        # Which credential it was, once its signature was found good.
        self.credential_id = credential_id

    @property
    def could_not_verify(self) -> bool:
        """Whether the same call may succeed without another credential: answer 503, not 401."""
        return self.reason in (Reason.LIMITS, Reason.FEED_STALE)

    @property
    def status(self) -> int:
        """The HTTP status to answer: 503, 401 for a bad credential, 403 for a good one's bounds."""
        if self.could_not_verify:
            return 503
        return 403 if self.reason in _BOUNDS else 401


# The credential is good, and not for this.
_BOUNDS = frozenset(
    {Reason.WRONG_TOOL, Reason.SCOPE, Reason.ARGUMENT, Reason.CHECK, Reason.ONLINE_ONLY}
)


def malformed(detail: str) -> Refusal:
    return Refusal(Reason.MALFORMED, detail)


def limits(detail: str) -> Refusal:
    return Refusal(Reason.LIMITS, detail)
