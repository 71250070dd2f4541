"""Guards Starlette and FastAPI applications: as a middleware, or route by route."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from .dpop import DpopProofs
from .guard import Guard
from .refusal import Reason, Refusal
from .request import Request
from .verifier import Verified

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_BYTES_MAX = 1024 * 1024
"""The largest body that is read to look at its arguments."""

RETRY_SECONDS = "2"
"""How long a caller is told to wait when its credential could not be verified."""


class GatewrightMiddleware:
    """Lets only requests through whose credential admits `scope` on the guarded tool.

        app.add_middleware(GatewrightMiddleware, guard=guard, scope="read")

    What was found is at `request.scope["gatewright"]`, a `Verified`.
    """

    def __init__(
        self,
        app: App,
        *,
        guard: Guard,
        scope: str | Callable[[Scope], str | None],
        reads_arguments: bool = False,
        public_url: str | None = None,
        sees_callers: bool = False,
    ) -> None:
        """`scope` may be told for each request (an ASGI scope); None lets it through unguarded.
        With `reads_arguments` the JSON body is held against the credential's conditions. Behind a
        proxy, `public_url` is where callers reach the application, which DPoP proofs name.
        `sees_callers` says that the peer is the caller and no proxy."""
        self._app = app
        self._scope = scope
        self._reads_arguments = reads_arguments
        self._door = Door(guard, public_url=public_url, sees_callers=sees_callers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        asked = self._scope(scope) if callable(self._scope) else self._scope
        if asked is None:
            await self._app(scope, receive, send)
            return
        try:
            # A socket has no answer to refuse it by; what is guarded here is HTTP alone.
            if scope["type"] != "http":
                raise Refusal(Reason.MALFORMED, "credentials are shown over HTTP alone")
            arguments = None
            if self._reads_arguments:
                body, receive = await _body(receive)
                arguments = json.loads(body) if body else None
            scope["gatewright"] = await self._door.admit(scope, asked, arguments)
        except ValueError:
            await _answer(send, 400, {"title": "The body is no JSON"}, None)
            return
        except Refusal as refusal:
            if scope["type"] == "http":
                await _answer(send, refusal.status, problem(refusal), challenge(refusal, scope))
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        await self._app(scope, receive, send)


class Door:
    """Route by route, for FastAPI and Starlette:

    door = Door(guard)

    @app.post("/translate")
    async def translate(by: Annotated[Verified, Depends(door.requires("translate"))]): ...
    """

    def __init__(
        self, guard: Guard, *, public_url: str | None = None, sees_callers: bool = False
    ) -> None:
        """As of `GatewrightMiddleware`."""
        self._guard = guard
        self._public_url = public_url.rstrip("/") if public_url else None
        self._sees_callers = sees_callers
        self._proofs = DpopProofs()

    def requires(
        self, scope: str, *, reads_arguments: bool = False
    ) -> Callable[..., Awaitable[Verified]]:
        """A dependency that gives the credential, or answers why not."""
        from starlette.exceptions import HTTPException
        from starlette.requests import Request as HttpRequest

        async def admitted(request: HttpRequest) -> Verified:
            try:
                arguments = await request.json() if reads_arguments else None
            except ValueError as cause:
                raise HTTPException(400, "the body is no JSON") from cause
            try:
                return await self.admit(request.scope, scope, arguments)
            except Refusal as refusal:
                headers = {"www-authenticate": challenge(refusal, request.scope)}
                if refusal.could_not_verify:
                    headers = {"retry-after": RETRY_SECONDS}
                raise HTTPException(refusal.status, str(refusal), headers) from refusal

        # Postponed annotations are looked up among the globals of this module.
        admitted.__annotations__ = {"request": HttpRequest, "return": Verified}
        return admitted

    async def admit(self, asgi: Scope, scope: str, arguments: Any) -> Verified:
        """The credential that admits this request; raises Refusal."""
        scheme, token = _token(asgi)
        proved: tuple[str, ...] = ()
        if scheme == "dpop":
            proof, url = _header(asgi, b"dpop") or "", self._url(asgi)
            proved = (self._proofs.check(proof, asgi["method"], url, token, self._guard.now()),)
        client = asgi.get("client") if self._sees_callers else None
        try:
            address = client[0] if client else None
            request = Request(scope, arguments, proved=proved, address=address)
        except ValueError as cause:
            raise Refusal(Reason.ARGUMENT, str(cause)) from cause
        return await self._guard.acheck(token, request)

    def _url(self, asgi: Scope) -> str:
        path: str = (asgi.get("raw_path") or asgi["path"].encode()).decode("ascii", "replace")
        if self._public_url is not None:
            return self._public_url + path
        return f"{asgi['scheme']}://{_header(asgi, b'host') or ''}{path}"


def problem(refusal: Refusal) -> dict[str, Any]:
    """The refusal as a problem document (RFC 9457)."""
    return {
        "title": "The credential does not admit this call",
        "status": refusal.status,
        "code": str(refusal.reason),
        "detail": refusal.detail,
    }


def challenge(refusal: Refusal, asgi: Scope) -> str:
    """What to send as `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1)."""
    if _header(asgi, b"authorization") is None:
        return 'Bearer realm="gatewright"'
    scheme = "DPoP" if refusal.reason == Reason.HOLDER else "Bearer"
    error = "insufficient_scope" if refusal.status == 403 else "invalid_token"
    return f'{scheme} realm="gatewright", error="{error}", error_description="{refusal.reason}"'


def _token(asgi: Scope) -> tuple[str, str]:
    """The one token of the request, and how it is sent."""
    scheme, _, token = (_header(asgi, b"authorization") or "").partition(" ")
    if scheme.lower() not in ("bearer", "dpop") or not token.strip():
        raise Refusal(Reason.MALFORMED, "send a credential as `Authorization: Bearer` or `DPoP`")
    return scheme.lower(), token.strip()


def _header(asgi: Scope, name: bytes) -> str | None:
    """A header that is there once. Two are as bad as none."""
    headers: Iterable[tuple[bytes, bytes]] = asgi["headers"]
    values = [value for it, value in headers if it.lower() == name]
    return values[0].decode("latin-1") if len(values) == 1 else None


async def _body(receive: Receive) -> tuple[bytes, Receive]:
    """The body, and a channel on which the application reads it again."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > BODY_BYTES_MAX:
            raise Refusal(Reason.LIMITS, "the body is too large to look at")
    unread = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return unread.pop() if unread else await receive()

    return body, again


async def _answer(
    send: Send, status: int, document: dict[str, Any], challenged: str | None
) -> None:
    headers = [(b"content-type", b"application/problem+json")]
    if status == 503:
        headers.append((b"retry-after", RETRY_SECONDS.encode()))
    elif challenged is not None:
        headers.append((b"www-authenticate", challenged.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})
