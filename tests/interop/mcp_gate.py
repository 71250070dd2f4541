"""What the official MCP SDK for Python makes of the MCP server: it signs in by itself, lists and
calls tools, and asks its person for more where a call lacks a scope.

    python mcp_gate.py URL REDIRECT_URI MODE

MODE is `legacy` (2025-11-25), `2026-07-28` or `auto`. Prints the addresses to send the person to,
reads for each the address that the person is sent back to, and prints what came of it.
"""

import asyncio
import json
import logging
import sys

import httpx2
from mcp import Client
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientMetadata
from mcp_client import Memory, answered, ask


async def main(url, redirect_uri, mode):
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    provider = OAuthClientProvider(
        server_url=url,
        client_metadata=OAuthClientMetadata(
            client_name="An MCP client",
            redirect_uris=[redirect_uri],
            grant_types=["authorization_code", "refresh_token"],
            response_types=["code"],
            token_endpoint_auth_method="none",
        ),
        storage=Memory(),
        redirect_handler=ask,
        callback_handler=answered,
    )
    reports = []

    async def progress(reached, total, said):
        reports.append([reached, total, said])

    async with httpx2.AsyncClient(auth=provider, timeout=20) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            listed = await client.list_tools()
            orders = await client.call_tool("orders", {"amount": 3}, meta={"com.example/own": 1})
            refused = await client.call_tool("pay", {"amount": 3})
            letters = await client.call_tool("letters", {})
            steady = await client.call_tool(
                "suite__steady", {"steps": 4}, progress_callback=progress
            )
            try:
                await client.call_tool("nothing", {})
                unknown = None
            except Exception as error:
                unknown = error.error.code
            said = {
                "version": client.session.protocol_version,
                "tools": [tool.name for tool in listed.tools],
                "orders": json.loads(orders.content[0].text)["body"],
                "refused": [refused.is_error, refused.structured_content["fix"][0]["kind"]],
                "letters": letters.is_error,
                "steady": steady.content[0].text,
                "progress": reports,
                "unknown": unknown,
            }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
