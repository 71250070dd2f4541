"""Every altered credential is refused with a reason, or means exactly what it meant."""

from __future__ import annotations

import base64
import json
import os
import random
import unittest
from collections.abc import Iterator
from pathlib import Path

from gatewright import KeySet, Reason, Refusal, Request, Verified, Verifier
from gatewright.keys import instant

HERE = Path(__file__).resolve().parents[3] / "tests/vectors/credentials.json"
VECTORS = json.loads(Path(os.environ.get("GATEWRIGHT_VECTORS", HERE)).read_text())
NAMES = ("a fresh credential", "fewer scopes: the one kept", "narrowed and sealed")
CASES = [it for it in VECTORS["verify"] if it["name"] in NAMES]


def verify(case: dict[str, str], token: str, scope: str = "read") -> Verified | Reason:
    verifier = Verifier(KeySet(VECTORS["keys"]), case["tool"], tool_digest=case["tool_digest"])
    try:
        return verifier.verify(token, Request(scope), None, instant(case["now"]))
    except Refusal as refusal:
        return refusal.reason


def altered(data: bytes) -> Iterator[bytes]:
    """One bit in each byte, and a hundred times some bytes anywhere."""
    for at in range(len(data)):
        yield data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :]
    dice = random.Random(7)
    for _ in range(100):
        changed = bytearray(data)
        for _ in range(dice.randint(1, 6)):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        yield bytes(changed)


class Tampering(unittest.TestCase):
    def test_of_bytes(self) -> None:
        self.assertEqual(len(CASES), len(NAMES))
        for case in CASES:
            original = verify(case, case["token"])
            self.assertIsInstance(original, Verified)
            for data in altered(base64.urlsafe_b64decode(case["token"])):
                token = base64.urlsafe_b64encode(data).decode()
                told = verify(case, token)
                if isinstance(told, Verified):
                    self.assertEqual(told, original, token)
                self.assertIsInstance(verify(case, token, "admin"), Reason, token)

    def test_of_length(self) -> None:
        case = CASES[0]
        original = verify(case, case["token"])
        for length in range(len(case["token"])):
            told = verify(case, case["token"][:length])
            self.assertTrue(isinstance(told, Reason) or told == original, length)
        for more in ("A", "AAAA", "=", " ", "\n", "\0"):
            self.assertIsInstance(verify(case, case["token"].rstrip("=") + more + "A"), Reason)


if __name__ == "__main__":
    unittest.main()
