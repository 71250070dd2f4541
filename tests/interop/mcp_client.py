"""What the official MCP SDK makes of us, from a 401 on: the resource's metadata, the server's
metadata, a client that is registered or told of by a document, PKCE, a token, a refresh.

    python mcp_client.py URL REDIRECT_URI [CLIENT_METADATA_URL]

Prints the address to send the person to, reads the address that the person is sent back to, and
prints what came of it.
"""

import asyncio
import json
import sys
from urllib.parse import parse_qs, urlparse

import httpx2
from mcp.client.auth import OAuthClientProvider
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientMetadata


class Memory:
    """Keeps what the SDK wants kept."""

    tokens = None
    client = None

    async def get_tokens(self):
        return self.tokens

    async def set_tokens(self, tokens):
        self.tokens = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client):
        self.client = client


async def ask(address):
    print(json.dumps({"asks": address}), flush=True)


async def answered():
    line = await asyncio.to_thread(sys.stdin.readline)
    query = parse_qs(urlparse(json.loads(line)["answer"]).query)
    return AuthorizationCodeResult(
        code=query["code"][0], state=query["state"][0], iss=query["iss"][0]
    )


async def main(url, redirect_uri, client_metadata_url=None):
    memory, seen = Memory(), []
    metadata = OAuthClientMetadata(
        client_name="An MCP client",
        redirect_uris=[redirect_uri],
        grant_types=["authorization_code", "refresh_token"],
        response_types=["code"],
        token_endpoint_auth_method="none",
    )

    async def note(response):
        seen.append([response.request.method, response.request.url.path, response.status_code])

    provider = OAuthClientProvider(
        server_url=f"{url}/api/v1/auth/me",
        client_metadata=metadata,
        storage=memory,
        redirect_handler=ask,
        callback_handler=answered,
        client_metadata_url=client_metadata_url,
    )
    async with httpx2.AsyncClient(auth=provider, event_hooks={"response": [note]}) as http:
        me = (await http.get(f"{url}/api/v1/auth/me")).json()
        provider.context.token_expiry_time = 1
        again = (await http.get(f"{url}/api/v1/auth/me")).json()
    said = {
        "name": me["name"],
        "again": again["name"],
        "scopes": me["scopes"],
        "client_id": memory.client.client_id,
        "seen": seen,
    }
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
