"""What the official MCP SDK makes of a tool server that takes our credentials.

    python mcp_tools.py URL TOKEN auto|legacy '[["tool", {"argument": 1}]]'

Prints the server, the tools, and what came of each call.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


async def main(url, token, mode, calls):
    refused = []

    async def note(response):
        if response.status_code >= 400:
            refused.append(response.status_code)

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, event_hooks={"response": [note]}) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            listed = await client.list_tools()
            called = []
            for name, arguments in json.loads(calls):
                refused.clear()
                try:
                    result = await client.call_tool(name, arguments)
                except Exception as error:
                    called.append({"raised": str(error), "refused": (refused or [None])[0]})
                    continue
                called.append(
                    {
                        "error": result.is_error,
                        "text": result.content[0].text,
                        "structured": result.structured_content,
                    }
                )
            said = {
                "protocol": client.protocol_version,
                "server": client.server_info.name,
                "tools": [it.name for it in listed.tools],
                "called": called,
            }
    print(json.dumps(said), flush=True)


asyncio.run(main(*sys.argv[1:]))
