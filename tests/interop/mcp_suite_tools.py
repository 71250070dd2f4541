"""An MCP server, made with the official Python SDK, with the tools that the conformance suite calls.

    mcp_suite_tools.py

Prints its address, and serves until its input ends.
"""

import asyncio
import base64
import json
import socket
import sys
import threading
import time

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    AudioContent,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

server = MCPServer("suite")
BYTES = base64.b64encode(b"not empty").decode()
image = ImageContent(type="image", data=BYTES, mime_type="image/png")
audio = AudioContent(type="audio", data=BYTES, mime_type="audio/wav")
text = TextContent(type="text", text="This is a simple text response for testing.")
resource = EmbeddedResource(
    type="resource",
    resource=TextResourceContents(
        uri="test://embedded-resource", mime_type="text/plain", text="An embedded resource."
    ),
)

for name, content in {
    "test_simple_text": [text],
    "test_image_content": [image],
    "test_audio_content": [audio],
    "test_embedded_resource": [resource],
    "test_multiple_content_types": [text, image, resource],
}.items():

    server.add_tool(
        # The call binds what the loop goes on to change.
        (lambda it: lambda: it)(content),
        name=name,
        description=name,
        structured_output=False,
    )


@server.tool(structured_output=False)
def test_error_handling():
    """Fails."""
    raise ValueError("This tool intentionally returns an error for testing")


@server.tool(structured_output=False)
async def test_tool_with_progress(context: Context):
    """Reports progress."""
    for step in (0, 50, 100):
        await context.report_progress(step, 100, f"Completed step {step} of 100")
    return "done"


@server.tool(structured_output=False)
async def steady(context: Context, steps: int):
    """Reports progress, step by step."""
    for step in range(steps):
        await context.report_progress(step + 1, steps)
        await asyncio.sleep(0.05)
    return "steady"


listener = socket.socket()
listener.bind(("127.0.0.1", 0))
config = uvicorn.Config(server.streamable_http_app(), log_level="error")
running = uvicorn.Server(config)
threading.Thread(target=lambda: running.run(sockets=[listener]), daemon=True).start()
while not running.started:
    time.sleep(0.01)
print(json.dumps({"url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"}), flush=True)
sys.stdin.read()
