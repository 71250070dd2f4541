"""What the official MCP SDK for Python does with a call that waits for a person.

    python mcp_approval.py URL TOKEN

Prints the address that the person is to be sent to, reads what the person says (`accept`, `decline`
or `cancel`), and prints what came of the call.
"""

import asyncio
import json
import sys

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import ElicitResult


async def main(url, token):
    rounds = []

    async def elicit(context, params):
        rounds.append(params.url)
        print(json.dumps({"asks": params.url}), flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        return ElicitResult(action=json.loads(line)["answer"])

    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode="2026-07-28", elicitation_callback=elicit) as client:
            result = await client.call_tool("pay", {"amount": 5})
    print(json.dumps({"error": result.is_error, "rounds": len(rounds)}), flush=True)


asyncio.run(main(*sys.argv[1:]))
