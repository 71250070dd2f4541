"""An agent's or a tool's own account at Gatewright, and the access tokens it gets by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from .steps import GatewrightError, Steps, form

# A token is renewed this long before it ends.
_EARLY = timedelta(seconds=30)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Account:
    """Client credentials (RFC 6749 section 4.4), or a token of another kind."""

    def __init__(
        self,
        url: str,
        client_id: str | None = None,
        client_secret: str | None = None,
        *,
        access_token: str | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """A machine of the Gatewright at `url`; or whoever has this access token or API key."""
        if (access_token is None) == (client_id is None or client_secret is None):
            raise ValueError("give either client_id and client_secret, or access_token")
        self.url = url.rstrip("/")
        self._client = (client_id, client_secret)
        self._token = access_token
        self._renew_at: datetime | None = None
        self._now = now

    def token(self) -> Steps[str]:
        """An access token that is good for a while yet."""
        due = self._renew_at is not None and self._now() >= self._renew_at
        if self._token is not None and not due:
            return self._token
        client_id, client_secret = self._client
        members = {
            "grant_type": "client_credentials",
            "client_id": client_id or "",
            "client_secret": client_secret or "",
        }
        told = yield form(f"{self.url}/oauth/token", members)
        answer = told.json()
        lifetime = timedelta(seconds=float(answer["expires_in"]))
        self._renew_at = self._now() + max(lifetime - _EARLY, lifetime / 2)
        self._token = str(answer["access_token"])
        return self._token

    def forget(self, error: GatewrightError) -> bool:
        """Drops the token when Gatewright takes it no more; True when asking again may help."""
        renewable = self._renew_at is not None and error.status == 401
        if renewable:
            self._token, self._renew_at = None, None
        return renewable

    def __repr__(self) -> str:
        return f"<Account at {self.url}>"
