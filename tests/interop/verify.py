"""Checks Gatewright credentials with biscuit-python, as a tool written in Python would.

Reads cases as JSON lines and answers each with one JSON line. A case has `token`, `key_id`, `public_key`
(hexadecimal), `issuer`, `tool`, `scope`, `now` (RFC 3339), and may have `tool_digest`, `context`
(more for the map of `ctx`), `holders` and `revoked`. The answer is `{"ok": true, "credential_id": …}` or
`{"ok": false, "error": …}`.
"""

import base64
import json
import sys
from datetime import datetime, timedelta

from biscuit_auth import AuthorizerBuilder, Biscuit, PublicKey, Rule

TOKEN_BYTES_MAX = 8 * 1024
BLOCKS_MAX = 16
POLICY = "allow if request($tool, $scope), right($tool, $scope); deny if true;"


def authorizer(case, biscuit):
    now = datetime.fromisoformat(case["now"].replace("Z", "+00:00"))
    context = {"clock.now": int(now.timestamp() * 1000), **case.get("context", {})}
    builder = AuthorizerBuilder(
        "time({now}); request({tool}, {scope});" + POLICY,
        {"now": now, "tool": case["tool"], "scope": case["scope"]},
    )
    # A flat map of text, integers and flags is written alike in JSON and in Datalog.
    builder.add_code(f"ctx({json.dumps(context)});")
    for key in case.get("holders", []):
        builder.add_code("holder_proved({key});", {"key": key})
    limits = builder.limits()
    limits.max_time = timedelta(milliseconds=500)
    builder.set_limits(limits)
    return builder.build(biscuit)


def root_key(case, key_id):
    expect("root key", key_id, case["key_id"])
    return PublicKey(f"ed25519/{case['public_key']}")


def stated(authorizer, name):
    facts = authorizer.query(Rule(f"stated($it) <- {name}($it)"))
    if len(facts) != 1:
        raise ValueError(f"`{name}` is stated {len(facts)} times")
    return facts[0].terms[0]


def expect(name, actual, expected):
    if actual != expected:
        raise ValueError(f"{name}: {actual!r} is not {expected!r}")


def verify(case):
    token = case["token"]
    size = len(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    if size > TOKEN_BYTES_MAX:
        raise ValueError("limits: too large")
    biscuit = Biscuit.from_base64(token, lambda key_id: root_key(case, key_id))
    if biscuit.block_count() > BLOCKS_MAX:
        raise ValueError("limits: too many blocks")
    if "check if time(" not in biscuit.block_source(0):
        raise ValueError("malformed: no expiry")

    engine = authorizer(case, biscuit)
    expect("version", stated(engine, "gatewright"), 1)
    expect("issuer", stated(engine, "issuer"), case["issuer"])
    expect("tool", stated(engine, "tool"), case["tool"])
    if "tool_digest" in case:
        expect("digest", stated(engine, "tool_digest"), case["tool_digest"])
    credential = stated(engine, "credential")
    revoked = set(case.get("revoked", []))
    if credential in revoked or revoked & set(biscuit.revocation_ids):
        raise ValueError("revoked")
    engine.authorize()
    return credential


for line in sys.stdin:
    try:
        answer = {"ok": True, "credential_id": verify(json.loads(line))}
    except Exception as error:
        answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
