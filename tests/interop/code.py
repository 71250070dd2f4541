"""What authlib makes of us: a code with PKCE, a refresh, a revocation, and a machine's own token.

    python code.py URL CLIENT SECRET REDIRECT_URI AGENT AGENT_SECRET

Prints the address to send the person to, reads the address that the person is sent back to, and
prints what came of it.
"""

import json
import os
import sys

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session

url, client, secret, redirect_uri, agent, agent_secret = sys.argv[1:]
server = requests.get(f"{url}/.well-known/oauth-authorization-server", timeout=10).json()
me = f"{url}/api/v1/auth/me"

session = OAuth2Session(
    client,
    secret,
    scope="read:public read:profile",
    redirect_uri=redirect_uri,
    code_challenge_method="S256",
    token_endpoint_auth_method="client_secret_basic",
    token_endpoint=server["token_endpoint"],
)
verifier = generate_token(64)
asks, state = session.create_authorization_url(
    server["authorization_endpoint"], code_verifier=verifier
)
print(json.dumps({"asks": asks}), flush=True)
answer = json.loads(sys.stdin.readline())["answer"]
token = session.fetch_token(
    server["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier
)
said = {"scope": token["scope"], "name": session.get(me).json()["name"]}
session.refresh_token(server["token_endpoint"], refresh_token=token["refresh_token"])
said["refreshed"] = session.get(me).status_code
session.revoke_token(
    server["revocation_endpoint"],
    token=session.token["refresh_token"],
    token_type_hint="refresh_token",
)
bearer = {"authorization": f"Bearer {session.token['access_token']}"}
said["revoked"] = requests.get(me, headers=bearer, timeout=10).status_code

machine = OAuth2Session(agent, agent_secret, token_endpoint_auth_method="client_secret_post")
machine.fetch_token(server["token_endpoint"], grant_type="client_credentials")
said["machine"] = machine.get(me).json()["name"]
print(json.dumps(said), flush=True)
