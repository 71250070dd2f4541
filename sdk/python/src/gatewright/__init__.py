"""Gatewright for Python: credentials checked at tools, and fetched and narrowed by agents."""

from .account import Account
from .attenuate import AttenuateError, Narrowing, attenuate
from .auth import GatewrightAuth
from .credentials import Credential, Credentials
from .dpop import DpopKey, DpopProofs
from .feed import FeedError, RevocationList
from .gate import Gate, Tool
from .guard import Guard
from .keys import KeySet
from .refusal import Reason, Refusal
from .request import Request
from .steps import GatewrightError
from .verifier import Signed, Verified, Verifier

__all__ = [
    "Account",
    "AttenuateError",
    "Credential",
    "Credentials",
    "DpopKey",
    "DpopProofs",
    "FeedError",
    "Gate",
    "GatewrightAuth",
    "GatewrightError",
    "Guard",
    "KeySet",
    "Narrowing",
    "Reason",
    "Refusal",
    "Request",
    "RevocationList",
    "Signed",
    "Tool",
    "Verified",
    "Verifier",
    "attenuate",
]
