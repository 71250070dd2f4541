"""The vectors that every verifier of Gatewright credentials is held against."""

from __future__ import annotations

import json
import os
import unittest
from datetime import datetime
from pathlib import Path
from typing import Any

from biscuit_auth import UnverifiedBiscuit

from gatewright.attenuate import AttenuateError, Narrowing, attenuate
from gatewright.feed import FeedError, RevocationList
from gatewright.keys import KeySet, instant
from gatewright.refusal import Refusal
from gatewright.request import Request
from gatewright.verifier import FEED_AGE_MAX, Verifier

HERE = Path(__file__).resolve().parents[3] / "tests/vectors/credentials.json"
VECTORS = json.loads(Path(os.environ.get("GATEWRIGHT_VECTORS", HERE)).read_text())
KEYS = KeySet(VECTORS["keys"])


def revocations(pages: list[Any], now: datetime) -> RevocationList:
    known = RevocationList()
    for page in pages:
        known.apply(page, KEYS, now)
    return known


def answer(case: dict[str, Any]) -> dict[str, Any]:
    now = instant(case["now"])
    verifier = Verifier(
        KEYS,
        case["tool"],
        tool_digest=case["tool_digest"],
        issuer=case["issuer"],
        max_feed_age=None if case.get("any_feed_age") else FEED_AGE_MAX,
        asks_gatewright=case.get("asks_gatewright", False),
    )
    local_time = case.get("local_time")
    request = Request(
        case["scope"],
        case.get("arguments"),
        proved=case.get("proved", ()),
        address=case.get("address"),
        country=case.get("country"),
        local_time=tuple(local_time) if local_time else None,
    )
    known = revocations(case["feed"], now) if "feed" in case else None
    try:
        it = verifier.verify(case["token"], request, known, now)
    except Refusal as refusal:
        return {"valid": False, "reason": str(refusal.reason)}
    return {
        "valid": True,
        "credential_id": it.credential_id,
        "decision_id": it.decision_id,
        "agent": it.agent,
        "agent_name": it.agent_name,
        "on_behalf_of": it.on_behalf_of,
        "scopes": sorted(it.scopes),
        "expires_at": it.expires_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "holder": it.holder,
        "revocation_ids": list(it.revocation_ids),
        "feed_age_seconds": None if it.feed_age is None else int(it.feed_age.total_seconds()),
    }


class Vectors(unittest.TestCase):
    def test_every_credential_is_judged_as_expected(self) -> None:
        for case in VECTORS["verify"]:
            with self.subTest(case["name"]):
                told, expected = answer(case), case["expected"]
                self.assertEqual({name: told.get(name) for name in expected}, expected)
        self.assertGreater(len(VECTORS["verify"]), 80)

    def test_every_feed_is_judged_as_expected(self) -> None:
        for case in VECTORS["feeds"]:
            with self.subTest(case["name"]):
                now = instant(case["now"])
                try:
                    age = revocations(case["pages"], now).age(now)
                    told: dict[str, Any] = {
                        "age_seconds": None if age is None else int(age.total_seconds())
                    }
                except FeedError as error:
                    told = {"fault": error.fault}
                self.assertEqual(told, case["expected"])

    def test_every_narrowing_is_written_as_expected(self) -> None:
        for case in VECTORS["attenuate"]:
            with self.subTest(case["name"]):
                given = dict(case["narrowing"])
                if "expires_at" in given:
                    given["expires_at"] = instant(given["expires_at"])
                try:
                    narrowed = attenuate(case["token"], Narrowing(**given), KEYS)
                    source = UnverifiedBiscuit.from_base64(narrowed).block_source(1)
                    told = {"checks": [it.rstrip(";") for it in source.strip().split("\n")]}
                except AttenuateError as error:
                    told = {"fault": error.fault}
                self.assertEqual(told, case["expected"])


if __name__ == "__main__":
    unittest.main()
