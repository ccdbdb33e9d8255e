"""Claude Code driven by the official SDK: it begins the conversation and calls what is its own.

The SDK gets what belongs to the control protocol, through a transport of ours; it calls the
caller's hooks and MCP servers. Other questions are answered here, as without it, and messages go to
the turn as they are, since the SDK leaves out parts of them. Seen with claude-agent-sdk 0.2.186.
"""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Literal

import msgspec
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, Transport

from signedin.model.errors import (
    ProtocolError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.providers.claude.control import START_SECONDS, ControlListener, ControlPeer
from signedin.providers.claude.messages import UNREADABLE, ControlAnswer, Message
from signedin.providers.claude.tool_server import SERVER
from signedin.wire.jsonl import encode_line
from signedin.wire.process import Process

_log = logging.getLogger("signedin.claude")


class SdkPeer(ControlPeer):
    """The control protocol as the SDK speaks it.

    Args:
        process: The running process.
        listener: Receives the messages.
        options: The SDK's options.
    """

    def __init__(
        self, process: Process, listener: ControlListener, options: ClaudeAgentOptions
    ) -> None:
        super().__init__(process, listener)
        self._wire = _SdkTransport(process)
        self._closed: asyncio.Future[SignedinError] = asyncio.get_running_loop().create_future()
        self._client = ClaudeSDKClient(
            dataclasses.replace(
                options,
                # The command line has these; here they would only be warned of.
                allowed_tools=[],
                permission_mode=None,
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
        with suppress(*UNREADABLE):
            msgspec.json.decode(message.response, type=ControlAnswer)
            if self._hand_on(line):
                return
        _log.warning("an answer of claude was not passed to the SDK, which could not read it")

    def take_request(self, message: Message, line: bytes) -> None:
        """Asks the SDK about the caller's hooks and servers; other questions are answered here."""
        with suppress(*UNREADABLE):
            asked = msgspec.json.decode(message.request, type=_SdkRequest)
            if asked.server_name != SERVER and self._hand_on(line):
                return
        super().take_request(message, line)

    def take_cancel(self, message: Message, line: bytes) -> None:
        """Takes a question back from the SDK."""
        super().take_cancel(message, line)
        self._hand_on(line)

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

    def _hand_on(self, line: bytes) -> bool:
        """Gives the SDK a message that it can read; with any other it would stop reading."""
        try:
            self._wire.feed(msgspec.json.decode(line, type=dict[str, Any]))
        except UNREADABLE:
            return False
        return True


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


class _SdkRequest(msgspec.Struct, frozen=True):
    """A question that the SDK can answer."""

    subtype: Literal["hook_callback", "mcp_message"]
    server_name: str = ""
