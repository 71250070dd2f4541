"""Proof of possession (RFC 9449): made by the holder of a key, checked by the tool."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from .refusal import Reason, Refusal

SKEW_MAX = timedelta(seconds=60)
"""How far a proof's time may be from the tool's, either way."""

_PROOF_CHARS_MAX = 4 * 1024
_ID_CHARS_MAX = 256
_USED_MAX = 100_000


class DpopKey:
    """A key pair (P-256) whose possession is proved. It lives as long as this object."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        numbers = self._key.public_key().public_numbers()
        self._jwk = {
            "crv": "P-256",
            "kty": "EC",
            "x": _base64(numbers.x.to_bytes(32, "big")),
            "y": _base64(numbers.y.to_bytes(32, "big")),
        }
        self.thumbprint = thumbprint(self._jwk)
        """What a credential is bound to: the `holder_key` of the API (RFC 7638)."""

    def proof(self, method: str, url: str, token: str, now: datetime) -> str:
        """The `DPoP` header for one request that carries `token`."""
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self._jwk}
        claims = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": _without_query(url),
            "iat": int(now.timestamp()),
            "ath": _digest(token),
        }
        signed = f"{_json(header)}.{_json(claims)}"
        der = self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(der)
        return f"{signed}.{_base64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


class DpopProofs:
    """Checks proofs at a tool, and that none is shown twice. One for the whole process; several
    processes behind one address each take a proof once."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], datetime] = {}
        self._lock = Lock()

    def check(self, proof: str, method: str, url: str, token: str, now: datetime) -> str:
        """The thumbprint of the key that made this proof for this very request; Refusal else."""
        try:
            key, claims = _verified(proof)
            made_at = claims["iat"]
            if not isinstance(made_at, int) or abs(now.timestamp() - made_at) > SKEW_MAX.seconds:
                raise _bad("was not made just now")
            if claims["htm"] != method or not _same(claims["htu"], url):
                raise _bad("was made for another request")
            if claims["ath"] != _digest(token):
                raise _bad("was made for another credential")
            proof_id = claims["jti"]
            if not isinstance(proof_id, str) or not 0 < len(proof_id) <= _ID_CHARS_MAX:
                raise _bad("has no id")
        except (KeyError, TypeError, ValueError, AttributeError, InvalidSignature) as cause:
            raise _bad("is none") from cause
        self._spend((key, proof_id), now)
        return key

    def _spend(self, use: tuple[str, str], now: datetime) -> None:
        with self._lock:
            if len(self._used) >= _USED_MAX:
                self._used = {it: until for it, until in self._used.items() if until >= now}
            if len(self._used) >= _USED_MAX:
                raise Refusal(Reason.LIMITS, "the memory of used proofs is full")
            if self._used.get(use, now - SKEW_MAX) >= now:
                raise _bad("was used before")
            self._used[use] = now + 2 * SKEW_MAX


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """The SHA-256 thumbprint of a public key (RFC 7638)."""
    members = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}[jwk["kty"]]
    canonical = json.dumps({it: jwk[it] for it in members}, separators=(",", ":"))
    return _base64(hashlib.sha256(canonical.encode()).digest())


def _verified(proof: str) -> tuple[str, dict[str, Any]]:
    """Whose proof it is, and what it says."""
    if len(proof) > _PROOF_CHARS_MAX:
        raise ValueError("too long")
    head, body, signature = proof.split(".")
    header = json.loads(_bytes(head))
    jwk = header["jwk"]
    if header["typ"] != "dpop+jwt" or "crit" in header or "d" in jwk:
        raise ValueError("not a proof")
    signed, sent = f"{head}.{body}".encode(), _bytes(signature)
    match header["alg"], jwk["kty"], jwk["crv"]:
        case "ES256", "EC", "P-256":
            numbers = ec.EllipticCurvePublicNumbers(
                int.from_bytes(_bytes(jwk["x"]), "big"),
                int.from_bytes(_bytes(jwk["y"]), "big"),
                ec.SECP256R1(),
            )
            if len(sent) != 64:
                raise ValueError("no signature")
            der = utils.encode_dss_signature(
                int.from_bytes(sent[:32], "big"), int.from_bytes(sent[32:], "big")
            )
            numbers.public_key().verify(der, signed, ec.ECDSA(hashes.SHA256()))
        case "EdDSA" | "Ed25519", "OKP", "Ed25519":
            Ed25519PublicKey.from_public_bytes(_bytes(jwk["x"])).verify(sent, signed)
        case _:
            raise ValueError("an algorithm that is not taken")
    claims = json.loads(_bytes(body))
    return thumbprint(jwk), claims


def _same(htu: str, url: str) -> bool:
    """Whether both name one resource, apart from query and fragment (RFC 3986 section 6.2)."""
    return _normal(htu) == _normal(url)


def _normal(url: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, parts.path or "/"


def _without_query(url: str) -> str:
    return url.split("?")[0].split("#")[0]


def _digest(token: str) -> str:
    return _base64(hashlib.sha256(token.encode()).digest())


def _json(it: Mapping[str, Any]) -> str:
    return _base64(json.dumps(it, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    if set(text) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"):
        raise ValueError("no base64url")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _bad(what: str) -> Refusal:
    return Refusal(Reason.HOLDER, f"the DPoP proof {what}")
