"""Claude Code driven by the official SDK: it begins the conversation and answers the questions.

The SDK gets what belongs to the control protocol, through a transport of ours; it calls the
caller's hooks, asks for permissions and serves the tools. Messages go to the turn as they are,
since the SDK leaves out parts of them. Seen with claude-agent-sdk 0.2.186.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec
from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    PermissionResultAllow,
    PermissionResultDeny,
    SdkMcpTool,
    ToolAnnotations,
    ToolPermissionContext,
    Transport,
    create_sdk_mcp_server,
)
from claude_agent_sdk.types import McpServerConfig, PermissionUpdate

from signedin import __version__
from signedin.model.errors import (
    ProtocolError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.providers.claude.control import START_SECONDS, ControlListener, ControlPeer
from signedin.providers.claude.launch import Launch
from signedin.providers.claude.messages import UNREADABLE, CanUseTool, ControlAnswer, Message
from signedin.providers.claude.tool_server import SERVER, CallTool, Listing, shown
from signedin.wire.jsonl import encode_line
from signedin.wire.process import Process

if TYPE_CHECKING:
    from signedin.tools.tool import ToolResult

_log = logging.getLogger("signedin.claude")
_PermissionResult = PermissionResultAllow | PermissionResultDeny


class SdkListener(ControlListener, Protocol):
    """Receives what Claude Code sends, and calls the tools."""

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls a Python tool."""
        ...


class SdkPeer(ControlPeer):
    """The control protocol as the SDK speaks it.

    Args:
        process: The running process.
        listener: Receives the messages.
        launch: How the process was started.
        options: The SDK's options.
    """

    def __init__(
        self, process: Process, listener: SdkListener, launch: Launch, options: ClaudeAgentOptions
    ) -> None:
        super().__init__(process, listener)
        self._listener = listener
        self._wire = _SdkTransport(process)
        self._asked: dict[str, msgspec.Raw] = {}
        self._closed: asyncio.Future[SignedinError] = asyncio.get_running_loop().create_future()
        own = cast("dict[str, McpServerConfig]", options.mcp_servers)
        tools = _tool_server(launch.tools, listener.call_tool) if launch.tools else {}
        self._client = ClaudeSDKClient(
            dataclasses.replace(
                options,
                mcp_servers={**own, **tools},
                # The command line has these; here they would only be warned of.
                allowed_tools=[],
                permission_mode=None,
                can_use_tool=self._may_use,
                permission_prompt_tool_name=None,
            ),
            self._wire,
        )

    async def initialize(self, fields: Mapping[str, object]) -> msgspec.Raw:
        """Asks the SDK to begin the conversation, and adds to its request."""
        self._wire.added = fields
        connecting = asyncio.get_running_loop().create_task(self._client.connect())
        try:
            done, _ = await asyncio.wait(
                {connecting, self._closed},
                timeout=START_SECONDS,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            if not connecting.done():
                connecting.cancel()
                await asyncio.wait({connecting})
        if self._closed.done():
            raise self._closed.result()
        if not done:
            raise TimeoutExceededError(
                f"claude did not answer the SDK's 'initialize' within {START_SECONDS:g} s"
            )
        try:
            connecting.result()
        except Exception as error:  # the SDK raises bare ones for what Claude Code refuses
            raise ProtocolError(f"the Claude Agent SDK could not begin: {error}") from error
        return msgspec.Raw(msgspec.json.encode(await self._client.get_server_info()))

    def take_answer(self, message: Message, line: bytes) -> None:
        """Takes an answer to us or to the SDK."""
        super().take_answer(message, line)
        if not self._hand_on(line, message.response, ControlAnswer):
            _log.warning("an answer of claude was not passed to the SDK, which could not read it")

    def take_request(self, message: Message, line: bytes) -> None:
        """Asks the SDK to answer a question; one that it could not read is answered here."""
        with suppress(*UNREADABLE):
            asked = msgspec.json.decode(message.request, type=CanUseTool)
            self._asked[asked.tool_use_id] = message.request
        if not self._hand_on(line, message.request, _PermissionRequest):
            # Also a question of an MCP server, which the SDK has no handler for.
            super().take_request(message, line)

    def take_cancel(self, message: Message, line: bytes) -> None:
        """Takes a question back from the SDK."""
        super().take_cancel(message, line)
        self._hand_on(line, message.response, object)

    def close(self, error: SignedinError) -> None:
        """Reports to everyone waiting that nothing more will come."""
        if not self._closed.done():
            self._closed.set_result(error)
        self._wire.feed(None)
        super().close(error)

    async def aclose(self) -> None:
        """Stops the SDK, and reading."""
        await self._client.disconnect()
        await super().aclose()

    def _hand_on(self, line: bytes, part: msgspec.Raw, kind: type) -> bool:
        """Gives the SDK a message that it can read; with any other it would stop reading."""
        try:
            msgspec.json.decode(part, type=kind)
            self._wire.feed(msgspec.json.decode(line, type=dict[str, Any]))
        except UNREADABLE:
            return False
        return True

    async def _may_use(
        self, name: str, arguments: dict[str, Any], context: ToolPermissionContext
    ) -> _PermissionResult:
        del arguments  # the question has them
        question = self._asked.pop(context.tool_use_id or "", None)
        if question is None:
            raise ProtocolError(f"claude asked for {name!r} without saying for which call")
        answer = msgspec.convert(await self._listener.on_request(question), _Answer)
        if answer.behavior == "deny":
            return PermissionResultDeny(message=answer.message, interrupt=answer.interrupt)
        updates = [PermissionUpdate.from_dict(update) for update in answer.updated_permissions]
        return PermissionResultAllow(
            updated_input=answer.updated_input, updated_permissions=updates or None
        )


class _SdkTransport(Transport):
    """What the SDK reads and writes: the control protocol of a process that runs already.

    Attributes:
        added: Fields for the ``initialize`` request that the SDK would put on the command line.
    """

    def __init__(self, process: Process) -> None:
        self.added: Mapping[str, object] = {}
        self._process = process
        self._messages: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()

    def feed(self, message: dict[str, Any] | None) -> None:
        """Adds a message for the SDK, ``None`` for their end."""
        self._messages.put_nowait(message)

    async def connect(self) -> None:
        """Does nothing: the process runs."""

    async def write(self, data: str) -> None:
        """Sends a message. One that is no longer read is dropped."""
        message: dict[str, Any] = msgspec.json.decode(data)
        if message.get("request", {}).get("subtype") == "initialize":
            message["request"] |= self.added
        with suppress(TransportClosedError):
            await self._process.write(encode_line(message))

    async def read_messages(self) -> AsyncIterator[dict[str, Any]]:
        """Iterates over the messages for the SDK."""
        while (message := await self._messages.get()) is not None:
            yield message

    async def close(self) -> None:
        """Does nothing: the owner of the process ends it."""

    def is_ready(self) -> bool:
        """Returns whether messages can be sent."""
        return self._process.returncode is None

    async def end_input(self) -> None:
        """Does nothing: the owner of the process ends it."""


class _PermissionRequest(msgspec.Struct, frozen=True):
    """A question that the SDK can answer."""

    subtype: Literal["can_use_tool", "hook_callback", "mcp_message"]


class _Answer(msgspec.Struct, frozen=True, rename="camel"):
    behavior: str
    message: str = ""
    interrupt: bool = False
    updated_input: dict[str, Any] | None = None
    updated_permissions: list[dict[str, Any]] = []


def _tool_server(tools: tuple[Listing, ...], call_tool: CallTool) -> dict[str, McpServerConfig]:
    served = [_tool(tool, call_tool) for tool in tools]
    return {SERVER: create_sdk_mcp_server(SERVER, __version__, served)}


def _tool(listed: Listing, call_tool: CallTool) -> SdkMcpTool[Any]:
    tool = msgspec.convert(listed, _Listed)

    async def handler(arguments: dict[str, Any]) -> dict[str, Any]:
        result = shown(await call_tool(tool.name, arguments))
        return {"content": result["content"], "is_error": result["isError"]}

    annotations = ToolAnnotations.model_validate(tool.annotations)
    return SdkMcpTool(tool.name, tool.description, tool.input_schema, handler, annotations)


class _Listed(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    description: str
    input_schema: dict[str, Any]
    annotations: dict[str, bool]
