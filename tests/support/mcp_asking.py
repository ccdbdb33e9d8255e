"""An MCP server whose tools ask the user, made with the official library.

It asks as the protocol of its client has it: by a request, or by an answer that wants input.
"""

import json
from typing import Annotated, Literal

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, MCPServer, Resolve
from pydantic import BaseModel, Field

server = MCPServer("asking")


class Form(BaseModel):
    @classmethod
    def model_json_schema(cls, *args, **keywords) -> dict[str, object]:
        """Has no title: codex 0.163 and 0.169 cancel a form that has one, and ask nobody."""
        schema = super().model_json_schema(*args, **keywords)
        return {name: value for name, value in schema.items() if name != "title"}


class Order(Form):
    name: str = Field(description="For the label.", min_length=2)
    count: int = Field(title="How many", ge=1, le=9)
    size: Literal["small", "large"]
    gift: bool | None = None


class Nothing(Form):
    pass


def ask_order() -> Elicit[Order]:
    return Elicit("What shall it be?", Order)


def ask_nothing() -> Elicit[Nothing]:
    return Elicit("Go ahead?", Nothing)


def reported(result) -> str:
    data = getattr(result, "data", None)
    return json.dumps([result.action, data.model_dump(exclude_none=True) if data else None])


@server.tool()
def order(outcome: Annotated[ElicitationResult[Order], Resolve(ask_order)]) -> str:
    """Orders something."""
    return reported(outcome)


@server.tool()
def confirm(outcome: Annotated[ElicitationResult[Nothing], Resolve(ask_nothing)]) -> str:
    """Goes ahead."""
    return reported(outcome)


@server.tool()
async def visit(context: Context) -> str:
    """Opens a page."""
    return reported(await context.elicit_url("Sign in there.", "https://example.com/in", "v1"))


server.run("stdio")
