"""The official MCP client, with a credential on each request.

auth = mcp_auth(credentials)
async with httpx2.AsyncClient(auth=auth) as http:
    async with Client(streamable_http_client(url, http_client=http)) as client:
        await client.call_tool("translate", {"text": "…"})
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..attenuate import Narrowing
from ..auth import CredentialFlow, Narrow
from ..credentials import Credentials

if TYPE_CHECKING:
    import httpx2


def mcp_auth(credentials: Credentials, narrow: Narrowing | Narrow | None = None) -> httpx2.Auth:
    """What `GatewrightAuth` is for httpx, for the HTTP client that MCP's is made on."""
    import httpx2

    class McpAuth(CredentialFlow, httpx2.Auth):
        pass

    return McpAuth(credentials, narrow)
