"""Tools called through Gatewright, which decides, adds the secrets, and writes it down."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .account import Account
from .steps import GatewrightError, Steps, arun, get, post, run

_TIMEOUT = 120.0


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the account may discover."""

    id: str
    name: str
    description: str
    input_schema: Mapping[str, Any]


class Gate:
    """The tools of an account."""

    def __init__(
        self,
        account: Account,
        *,
        client: httpx.Client | None = None,
        async_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._account = account
        self._client = client
        self._async_client = async_client

    def tool(self, name: str) -> Tool:
        """The tool of this name; KeyError when there is none that the account may discover."""
        return run(self._find(name), self._sync())

    async def atool(self, name: str) -> Tool:
        return await arun(self._find(name), self._unblocking())

    def invoke(self, tool: Tool, arguments: Mapping[str, Any], *, confirmed: bool = False) -> Any:
        """What the tool answers to a call with these arguments; `confirmed` says that a person
        wants its effects. Raises GatewrightError, whose `problem` says what would help."""
        return run(self._invoke(tool, arguments, confirmed), self._sync())

    async def ainvoke(
        self, tool: Tool, arguments: Mapping[str, Any], *, confirmed: bool = False
    ) -> Any:
        return await arun(self._invoke(tool, arguments, confirmed), self._unblocking())

    def _find(self, name: str) -> Steps[Tool]:
        token = ""
        while True:
            access = yield from self._account.token()
            query = {"q": name, "page_size": "200"}
            if token:
                query["page_token"] = token
            told = yield get(f"{self._account.url}/api/v1/tools", access, **query)
            page = told.json()
            for it in page["items"]:
                if it["name"] == name:
                    described = it.get("description") or it.get("display_name") or name
                    return Tool(it["id"], name, described, it["input_schema"])
            token = page["next_page_token"]
            if not token:
                raise KeyError(name)

    def _invoke(self, tool: Tool, arguments: Mapping[str, Any], confirmed: bool) -> Steps[Any]:
        body = {"arguments": dict(arguments), "confirm_consequential": confirmed}
        # The same key when it is sent a second time, so that it is not done twice.
        key = str(uuid.uuid4())
        url = f"{self._account.url}/api/v1/tools/{tool.id}/invoke"
        while True:
            access = yield from self._account.token()
            told = yield post(url, body, access, **{"idempotency-key": key})
            try:
                return told.json()["result"]
            except GatewrightError as error:
                if not self._account.forget(error):
                    raise

    def _sync(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(timeout=_TIMEOUT)
        return self._client

    def _unblocking(self) -> httpx.AsyncClient:
        if self._async_client is None:
            self._async_client = httpx.AsyncClient(timeout=_TIMEOUT)
        return self._async_client
