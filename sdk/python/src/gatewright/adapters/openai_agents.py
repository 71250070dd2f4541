"""Tools of Gatewright for the OpenAI Agents SDK.

agent = Agent(name="…", tools=[agents_tool(gate, gate.tool("translate"))])
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..gate import Gate, Tool
from ..steps import GatewrightError

if TYPE_CHECKING:
    from agents import FunctionTool


def agents_tool(gate: Gate, tool: Tool) -> FunctionTool:
    """A function tool that is called through Gatewright. A refusal is told to the model, as is
    what would help."""
    from agents import FunctionTool

    async def invoke(_: Any, arguments: str) -> str:
        try:
            result = await gate.ainvoke(tool, json.loads(arguments or "{}"))
        except GatewrightError as error:
            return json.dumps({"refused": error.problem or str(error)})
        return json.dumps(result)

    return FunctionTool(
        name=tool.name,
        description=tool.description,
        params_json_schema=dict(tool.input_schema),
        on_invoke_tool=invoke,
        # Schemas of others need not have the form that strict mode wants.
        strict_json_schema=False,
    )
