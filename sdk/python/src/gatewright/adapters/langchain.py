"""Tools of Gatewright for LangChain.

tools = [langchain_tool(gate, gate.tool("translate"))]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..gate import Gate, Tool
from ..steps import GatewrightError

if TYPE_CHECKING:
    from langchain_core.tools import StructuredTool


def langchain_tool(gate: Gate, tool: Tool) -> StructuredTool:
    """A structured tool that is called through Gatewright. A refusal is a ToolException, which
    LangChain tells the model."""
    from langchain_core.tools import StructuredTool, ToolException

    def invoke(**arguments: Any) -> Any:
        try:
            return gate.invoke(tool, arguments)
        except GatewrightError as error:
            raise ToolException(str(error)) from error

    async def ainvoke(**arguments: Any) -> Any:
        try:
            return await gate.ainvoke(tool, arguments)
        except GatewrightError as error:
            raise ToolException(str(error)) from error

    return StructuredTool.from_function(
        func=invoke,
        coroutine=ainvoke,
        name=tool.name,
        description=tool.description,
        args_schema=dict(tool.input_schema),
        handle_tool_error=True,
    )
