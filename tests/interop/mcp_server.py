"""An MCP server made with the official Python SDK, which does what its reader says.

    mcp_server.py streamable|older|sse

Prints its address; then reads a line of JSON for each change of its tools, and answers each:
{"describe": TEXT} · {"add": NAME} · {"remove": NAME} · {"require": TOKEN} · {"heard": true}
"""

import asyncio
import json
import socket
import sys
import threading

import uvicorn
from mcp.server.mcpserver import Context, MCPServer

mode = sys.argv[1]
server = MCPServer("weather-station")
state = {"token": None, "heard": []}


def forecast(city: str) -> str:
    return f"sunny in {city}"


def describe(text: str) -> None:
    if any(it.name == "forecast" for it in server._tool_manager.list_tools()):
        server.remove_tool("forecast")
    server.add_tool(forecast, description=text)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool(name="count.up")
async def count_up(context: Context) -> str:
    """Reports progress."""
    for step in range(3):
        await context.report_progress(step + 1, 3)
    return "counted"


@server.tool()
async def fail() -> str:
    """Fails."""
    raise ValueError("it did not work")


@server.tool()
async def sleep(seconds: float) -> str:
    """Takes its time."""
    await asyncio.sleep(seconds)
    return "slept"


describe("What the weather will be.")
app = server.sse_app() if mode == "sse" else server.streamable_http_app()


async def outer(scope, receive, send):
    """Refuses what a server of 2025-11-25 would, and whoever has not the token."""
    if scope["type"] == "http":
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        state["heard"].append(headers)
        refused = None
        if mode == "older" and headers.get("mcp-protocol-version") == "2026-07-28":
            refused = 400
        if state["token"] and headers.get("authorization") != f"Bearer {state['token']}":
            refused = 401
        if refused:
            await send({"type": "http.response.start", "status": refused, "headers": []})
            return await send({"type": "http.response.body", "body": b"no"})
    await app(scope, receive, send)


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
port = listener.getsockname()[1]
config = uvicorn.Config(outer, log_level="error", timeout_graceful_shutdown=1)
threading.Thread(
    target=lambda: uvicorn.Server(config).run(sockets=[listener]), daemon=True
).start()
path = "sse" if mode == "sse" else "mcp"
print(json.dumps({"url": f"http://127.0.0.1:{port}/{path}"}), flush=True)

for line in sys.stdin:
    command = json.loads(line)
    answer = {}
    if "describe" in command:
        describe(command["describe"])
    if "add" in command:
        server.add_tool(forecast, name=command["add"], description="Another.")
    if "remove" in command:
        server.remove_tool(command["remove"])
    if "require" in command:
        state["token"] = command["require"]
    if "heard" in command:
        answer["heard"], state["heard"] = state["heard"], []
    print(json.dumps(answer), flush=True)
