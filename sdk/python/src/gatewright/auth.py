"""`httpx.Auth` that sends a credential with each request of a tool."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import httpx

from .attenuate import Narrowing
from .credentials import Credentials
from .steps import Steps, Told

Narrow = Callable[[Any], Narrowing | None]


class CredentialFlow:
    """The flow, for httpx and for libraries that are made like it."""

    def __init__(self, credentials: Credentials, narrow: Narrowing | Narrow | None = None) -> None:
        """Sends `credentials`, each narrowed as `narrow` says, or what it says of a request."""
        self._credentials = credentials
        self._narrow = narrow

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        flow = self._flow(request)
        sent, ours = next(flow)
        try:
            while True:
                response = yield sent
                if ours:
                    response.read()
                sent, ours = flow.send(response)
        except StopIteration:
            return

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        flow = self._flow(request)
        sent, ours = next(flow)
        try:
            while True:
                response = yield sent
                if ours:
                    await response.aread()
                sent, ours = flow.send(response)
        except StopIteration:
            return

    def _flow(self, request: Any) -> Generator[tuple[Any, bool], Any, None]:
        """Requests to send, and whether each is Gatewright's own, whose answer is read."""
        yield from self._authorize(request)
        response = yield request, False
        # A revoked credential is told only by the tool: once, another one may help.
        challenge = response.headers.get("www-authenticate", "")
        if response.status_code == 401 and "invalid_token" in challenge and _repeatable(request):
            self._credentials.forget()
            yield from self._authorize(request)
            yield request, False

    def _authorize(self, request: Any) -> Generator[tuple[Any, bool], Any, None]:
        narrowing = self._narrow(request) if callable(self._narrow) else self._narrow
        steps: Steps[dict[str, str]] = self._credentials.headers(
            request.method, str(request.url), narrowing
        )
        try:
            ask = next(steps)
            while True:
                sent = type(request)(
                    ask.method, ask.url, headers=dict(ask.headers), content=ask.content
                )
                told = yield sent, True
                ask = steps.send(Told(told.status_code, told.headers, told.content))
        except StopIteration as end:
            for name, value in end.value.items():
                request.headers[name] = value


class GatewrightAuth(CredentialFlow, httpx.Auth):
    """`httpx.Client(auth=GatewrightAuth(credentials))`, and the same with `AsyncClient`."""


def _repeatable(request: Any) -> bool:
    """Whether the body is at hand, to be sent a second time."""
    try:
        return isinstance(request.content, bytes)
    except Exception:
        return False
