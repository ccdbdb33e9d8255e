"""Conversations with Claude Code."""

from __future__ import annotations

import logging
from collections.abc import Callable

from signedin.aio import finish
from signedin.approvals import Host
from signedin.errors import TransportClosedError
from signedin.options import TurnOptions
from signedin.providers.base import ProviderSession, SessionRequest
from signedin.providers.claude.config import Launch, resume_arguments
from signedin.providers.claude.pool import WarmPool
from signedin.providers.claude.process import ClaudeProcess
from signedin.providers.claude.prompt import user_message
from signedin.providers.claude.turn import ClaudeTurn

_log = logging.getLogger("signedin.claude")


class ClaudeSession(ProviderSession):
    """A conversation in a process of its own.

    If the process has ended, or a turn asks for what is fixed when it starts, such as another
    model, the next turn continues the conversation in another process.

    Args:
        pool: Where processes come from and go to.
        launch_for: Returns how to start one for the options of a turn.
        request: How the conversation begins.
    """

    provider = "claude"

    def __init__(
        self, pool: WarmPool, launch_for: Callable[[TurnOptions], Launch], request: SessionRequest
    ) -> None:
        self._pool = pool
        self._launch_for = launch_for
        self._request = request
        self._id = None if request.fork else request.resume
        self._process: ClaudeProcess | None = None
        self._turn: ClaudeTurn | None = None

    @property
    def id(self) -> str | None:
        """The session's id; that of a new one is known once its first turn has begun."""
        return (self._turn.session_id if self._turn else None) or self._id

    async def open(self) -> None:
        """Starts the process, without waiting for it.

        Raises:
            SignedinError: An option cannot be used, or the system refused.
        """
        await self._process_for(self._request.options)

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ClaudeTurn:
        """Sends a prompt."""
        message = user_message(prompt, options.images)
        try:
            return await self._prompted(message, options, host)
        except TransportClosedError as error:
            # It died while it waited for a prompt, which it therefore has not read.
            _log.info("claude is started anew: %s", error)
        return await self._prompted(message, options, host)

    async def aclose(self) -> None:
        """Gives the process back; the conversation is in Claude Code's store."""
        process, self._process = self._process, None
        if process is not None:
            self._pool.put(process)

    async def _prompted(
        self, message: dict[str, object], options: TurnOptions, host: Host
    ) -> ClaudeTurn:
        process = await self._process_for(options)
        turn = self._turn = ClaudeTurn(process, host, self._turn_ended)
        try:
            await turn.start(message)
        except BaseException:
            await finish(turn.aclose())
            raise
        return turn

    async def _process_for(self, options: TurnOptions) -> ClaudeProcess:
        launch = self._launch_for(options)
        process = self._process
        if process is not None and process.closed is None and process.launch == launch:
            return process
        self._process = None
        if process is not None:
            await process.aclose()
        self._process = await self._started(launch)
        return self._process

    async def _started(self, launch: Launch) -> ClaudeProcess:
        if self._id is not None:
            return await self._pool.start(launch, resume_arguments(self._id))
        if self._request.resume is not None:
            return await self._pool.start(launch, resume_arguments(self._request.resume, fork=True))
        return await self._pool.take(launch)

    def _turn_ended(self) -> None:
        self._id = self.id
        self._turn = None
