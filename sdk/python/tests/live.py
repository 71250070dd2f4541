"""The SDK against a running Gatewright: a guarded application, an agent, adapters.

Reads one JSON object from standard input: `url`, `admin` (an access token), `client_id`,
`client_secret`. A function tool `translate` with the scopes `read` and `translate` is there, and
the agent may use it. Prints one JSON object with what came of each scene.
"""

import asyncio
import json
import sys
import threading
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import httpx2
import uvicorn
from fastapi import Depends, FastAPI
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server import MCPServer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gatewright import (
    Account,
    Credentials,
    DpopKey,
    Gate,
    GatewrightAuth,
    GatewrightError,
    Guard,
    Narrowing,
    Verified,
)
from gatewright.adapters.langchain import langchain_tool
from gatewright.adapters.mcp import mcp_auth
from gatewright.adapters.openai_agents import agents_tool
from gatewright.asgi import Door, GatewrightMiddleware

GIVEN = json.load(sys.stdin)
URL = GIVEN["url"]


class Clock:
    """The time, and how much later a scene says it is."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


# Of the tool, and of the agent.
CLOCK, WATCH = Clock(), Clock()


def account() -> Account:
    return Account(URL, GIVEN["client_id"], GIVEN["client_secret"], now=WATCH)


def fastapi_application(guard: Guard) -> FastAPI:
    app, door = FastAPI(), Door(guard)
    may_read = Depends(door.requires("read"))
    may_translate = Depends(door.requires("translate", reads_arguments=True))

    @app.get("/read")
    async def read(by: Annotated[Verified, may_read]) -> dict[str, Any]:
        return {"agent": by.agent_name, "scopes": sorted(by.scopes), "id": by.credential_id}

    @app.post("/translate")
    async def translate(arguments: dict[str, Any], by: Annotated[Verified, may_translate]) -> Any:
        return {"text": arguments["text"].upper(), "for": by.agent_name}

    return app


def starlette_application(guard: Guard) -> Any:
    async def home(request: Request) -> JSONResponse:
        by = request.scope.get("gatewright")
        body = (await request.body()).decode()
        return JSONResponse({"agent": by and by.agent_name, "body": body})

    app = Starlette(routes=[Route("/{path:path}", home, methods=["GET", "POST"])])

    def scope(asgi: Any) -> str | None:
        return None if asgi["path"] == "/health" else "translate"

    app.add_middleware(GatewrightMiddleware, guard=guard, scope=scope, reads_arguments=True)
    return app


class Served:
    """An application on a port of its own."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, port=0, log_level="error")
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        while not self.server.started:
            self.thread.join(0.01)
        port = self.server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"


def admin() -> httpx.Client:
    return httpx.Client(base_url=URL, headers={"authorization": f"Bearer {GIVEN['admin']}"})


def registered(definition: dict[str, Any]) -> dict[str, Any]:
    answer = admin().post("/api/v1/tools", json=definition)
    assert answer.status_code == 201, answer.text
    return answer.json()


def answer(response: httpx.Response) -> dict[str, Any]:
    return {
        "status": response.status_code,
        "challenge": response.headers.get("www-authenticate"),
        "body": response.json(),
    }


def at_a_tool() -> dict[str, Any]:
    """FastAPI, asked by an agent with `GatewrightAuth`."""
    served = Served(fastapi_application(Guard(URL, "translate", now=CLOCK)))
    credentials = Credentials(account(), "translate", ["read", "translate"], now=WATCH)
    http = httpx.Client(base_url=served.url, auth=GatewrightAuth(credentials))
    seen: dict[str, Any] = {"read": answer(http.get("/read"))}
    seen["translate"] = answer(http.post("/translate", json={"text": "hello"}))
    seen["again"] = answer(http.get("/read"))
    seen["nobody"] = answer(httpx.get(f"{served.url}/read"))
    seen["forged"] = answer(
        httpx.get(f"{served.url}/read", headers={"authorization": "Bearer AAAA"})
    )

    only_read = Narrowing(scopes=["read"], expires_at=CLOCK() + timedelta(minutes=1))
    narrowed = httpx.Client(base_url=served.url, auth=GatewrightAuth(credentials, only_read))
    seen["narrowed"] = answer(narrowed.get("/read"))
    seen["narrowed away"] = answer(narrowed.post("/translate", json={"text": "hello"}))
    greeting = Narrowing(constraints=[{"pointer": "/text", "prefix": "hel"}])
    constrained = httpx.Client(
        base_url=served.url, auth=GatewrightAuth(credentials, lambda _: greeting)
    )
    seen["constrained"] = answer(constrained.post("/translate", json={"text": "hello"}))
    seen["outside"] = answer(constrained.post("/translate", json={"text": "bye"}))

    first = seen["read"]["body"]["id"]
    assert admin().delete(f"/api/v1/credentials/{first}").status_code == 204
    CLOCK.ahead += timedelta(seconds=31)
    sent = http.get("/read")
    seen["revoked, so fetched anew"] = answer(sent)
    WATCH.ahead = timedelta(seconds=860)
    seen["still good"] = answer(http.get("/read"))
    WATCH.ahead = timedelta(seconds=880)
    seen["renewed early"] = answer(http.get("/read"))
    CLOCK.ahead = WATCH.ahead = timedelta(0)
    return seen


def bound() -> dict[str, Any]:
    """A credential that is bound to a key."""
    served = Served(fastapi_application(Guard(URL, "translate")))
    key = DpopKey()
    credentials = Credentials(account(), "translate", ["read"], key=key)
    http = httpx.Client(base_url=served.url, auth=GatewrightAuth(credentials))
    sent = http.get("/read?x=1")
    headers = {it: sent.request.headers[it] for it in ("authorization", "dpop")}
    alone = {"authorization": headers["authorization"].replace("DPoP", "Bearer")}
    return {
        "proved": answer(sent),
        "proved again": answer(http.get("/read")),
        "replayed": answer(httpx.get(f"{served.url}/read", headers=headers)),
        "stolen": answer(httpx.get(f"{served.url}/read", headers=alone)),
    }


async def in_starlette() -> dict[str, Any]:
    """The middleware, in the process, asked without blocking."""
    app = starlette_application(Guard(URL, "translate"))
    auth = GatewrightAuth(Credentials(account(), "translate", ["translate"]))
    inside = {"all://tool.test": httpx.ASGITransport(app)}
    async with httpx.AsyncClient(mounts=inside, auth=auth) as http:
        home = answer(await http.post("http://tool.test/", json={"text": "x"}))
        broken = answer(await http.post("http://tool.test/", content=b"{"))
    async with httpx.AsyncClient(mounts=inside) as http:
        health = answer(await http.get("http://tool.test/health"))
        nobody = answer(await http.get("http://tool.test/"))
    return {"home": home, "broken": broken, "health": health, "nobody": nobody}


async def by_mcp() -> dict[str, Any]:
    """An MCP server behind the middleware, and the official client with `mcp_auth`."""
    server = MCPServer("translator")

    @server.tool()
    def shout(text: str) -> str:
        return text.upper()

    app = server.streamable_http_app()
    app.add_middleware(GatewrightMiddleware, guard=Guard(URL, "translate"), scope="translate")
    served = Served(app)
    credentials = Credentials(account(), "translate", ["translate"])
    async with httpx2.AsyncClient(auth=mcp_auth(credentials)) as http:
        transport = streamable_http_client(f"{served.url}/mcp", http_client=http)
        async with Client(transport) as client:
            listed = [it.name for it in (await client.list_tools()).tools]
            told = await client.call_tool("shout", {"text": "hello"})
    nobody = httpx.post(f"{served.url}/mcp", json={})
    return {"tools": listed, "said": told.content[0].text, "nobody": nobody.status_code}


async def in_frameworks() -> dict[str, Any]:
    """An HTTP tool that Gatewright calls with a credential of its own; LangChain, OpenAI Agents."""
    served = Served(fastapi_application(Guard(URL, "shout")))
    text = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    registered(
        {
            "tool_type": "http",
            "name": "shout",
            "description": "Says it louder",
            "endpoint": f"{served.url}/translate",
            "auth_method": "biscuit",
            "tags": ["translation"],
            "scopes": ["read", "translate"],
            "required_scopes": ["agent:translate"],
            "input_schema": text,
        }
    )
    gate = Gate(account())
    tool = gate.tool("shout")
    seen: dict[str, Any] = {"direct": gate.invoke(tool, {"text": "a"})}
    try:
        gate.invoke(tool, {"text": 1})
    except GatewrightError as error:
        seen["refused"] = error.code
    try:
        gate.tool("shou")
    except KeyError:
        seen["unknown"] = True
    chained = langchain_tool(gate, tool)
    seen["langchain"] = chained.invoke({"text": "b"})
    seen["langchain, unblocked"] = await chained.ainvoke({"text": "c"})
    seen["langchain, refused"] = chained.invoke({"text": 1})
    agents = agents_tool(gate, tool)
    seen["agents"] = json.loads(await agents.on_invoke_tool(None, '{"text": "d"}'))
    refused = json.loads(await agents.on_invoke_tool(None, '{"text": 1}'))
    seen["agents, refused"] = refused["refused"]["code"]
    return seen


def without_gatewright() -> dict[str, Any]:
    """Nobody is there: nothing passes, and that is said as what it is."""
    app = fastapi_application(Guard("http://127.0.0.1:9", "translate"))
    served = Served(app)
    response = httpx.get(f"{served.url}/read", headers={"authorization": "Bearer AAAA"})
    return {"status": response.status_code, "retry": response.headers.get("retry-after")}


async def main() -> None:
    scenes = {
        "tool": at_a_tool(),
        "bound": bound(),
        "starlette": await in_starlette(),
        "mcp": await by_mcp(),
        "frameworks": await in_frameworks(),
        "alone": without_gatewright(),
    }
    print(json.dumps(scenes))


asyncio.run(main())
