"""What is asked of Gatewright, apart from how it is sent: the same steps run on any HTTP client.

A generator yields an `Ask`, is sent what was `Told`, and returns what came of it.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request to Gatewright."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""


@dataclass(frozen=True, slots=True)
class Told:
    """What Gatewright answered."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        """The answer; raises GatewrightError for one that is none, or a refusal."""
        try:
            body = json.loads(self.content or b"null")
        except ValueError:
            body = None
        if 200 <= self.status < 300 and body is not None:
            return body
        problem = body if isinstance(body, dict) else {}
        raise GatewrightError(self.status, problem)


Steps = Generator[Ask, Told, T]


class GatewrightError(Exception):
    """Gatewright refused, or could not answer. `problem` is its problem document (RFC 9457), or
    OAuth's own form; it says why, and what would help."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        said = (
            problem.get("detail") or problem.get("error_description") or "no answer of Gatewright"
        )
        super().__init__(f"{status}: {said}")
        self.status = status
        self.problem = problem
        self.code: str = problem.get("code") or problem.get("error") or "unknown"
        self.decision_id: str | None = problem.get("decision_id")


def get(url: str, token: str | None = None, **query: str) -> Ask:
    asked = f"{url}?{urlencode(query)}" if query else url
    return Ask("GET", asked, _authorized(token))


def post(url: str, body: Any, token: str | None = None, **headers: str) -> Ask:
    sent = {"content-type": "application/json", **_authorized(token), **headers}
    return Ask("POST", url, sent, json.dumps(body).encode())


def form(url: str, members: Mapping[str, str]) -> Ask:
    headers = {**_authorized(None), "content-type": "application/x-www-form-urlencoded"}
    return Ask("POST", url, headers, urlencode(members).encode())


def _authorized(token: str | None) -> dict[str, str]:
    # Always the same, whichever client sends it: Gatewright knows its machines by it.
    accepted = {"accept": "application/json", "user-agent": "gatewright-python/0.1.0"}
    return accepted if token is None else {**accepted, "authorization": f"Bearer {token}"}


def run(steps: Steps[T], client: httpx.Client) -> T:
    """Runs the steps, one request after the other."""
    try:
        ask = next(steps)
        while True:
            try:
                sent = client.build_request(ask.method, ask.url, **_parts(ask))
                it = client.send(sent)
            except httpx.HTTPError as cause:
                ask = steps.throw(_unreachable(cause))
            else:
                ask = steps.send(Told(it.status_code, it.headers, it.content))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def arun(steps: Steps[T], client: httpx.AsyncClient) -> T:
    """The same, without blocking."""
    try:
        ask = next(steps)
        while True:
            try:
                sent = client.build_request(ask.method, ask.url, **_parts(ask))
                it = await client.send(sent)
            except httpx.HTTPError as cause:
                ask = steps.throw(_unreachable(cause))
            else:
                ask = steps.send(Told(it.status_code, it.headers, it.content))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


def _parts(ask: Ask) -> dict[str, Any]:
    return {"headers": dict(ask.headers), "content": ask.content or None}


def _unreachable(cause: Exception) -> GatewrightError:
    detail = "Gatewright cannot be reached"
    error = GatewrightError(503, {"code": "unreachable", "detail": detail})
    error.__cause__ = cause
    return error
