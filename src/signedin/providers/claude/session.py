"""Conversations with Claude Code."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

import msgspec

from signedin.model.approvals import Host
from signedin.model.errors import (
    InvalidOptionError,
    SessionBusyError,
    SignedinError,
    TransportClosedError,
    UnsupportedOptionError,
)
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.base import ProviderConfig, ProviderSession, SessionRequest
from signedin.providers.claude.launch import Launch, resume_arguments
from signedin.providers.claude.pool import WarmPool
from signedin.providers.claude.process import ClaudeProcess
from signedin.providers.claude.prompt import message_with, user_message
from signedin.providers.claude.turn import ClaudeTurn
from signedin.runtime.aio import finish

_LOOK_AGAIN = 0.02
"""Seconds between two looks at what is stored: a file does not report that it has grown."""

_LOOKS = 100
"""How often it is looked at; 2.1.197 stores an answer 0.03 s after it gave it, 2.1.330 at once."""

_log = logging.getLogger("signedin.claude")


class ClaudeSession(ProviderSession):
    """A conversation in a process of its own.

    If the process has ended, or a turn asks for what is fixed when it starts, such as another
    model, the next turn continues the conversation in another process.

    Args:
        pool: Where processes come from and go to.
        launch_for: Returns how to start one for the options of a turn.
        request: How the conversation begins.
        home: Where Claude Code stores conversations.
        config: Says whether that is recorded, or replayed.
    """

    provider = "claude"

    def __init__(
        self,
        pool: WarmPool,
        launch_for: Callable[[TurnOptions], Launch],
        request: SessionRequest,
        home: Path,
        config: ProviderConfig,
    ) -> None:
        self._config = config
        self._pool = pool
        self._launch_for = launch_for
        self._request = request
        self._home = home
        self._id = None if request.fork else request.resume
        self._asked = ""
        self._latest = ""
        self._resume_at: str | None = None
        self._branched = False
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
        return await self._started_turn(user_message(prompt, options.images), options, host)

    async def start_compaction(self, options: TurnOptions, host: Host) -> ClaudeTurn:
        """Replaces the conversation by a summary of it.

        Raises:
            SignedinError: It has no turn yet.
            UnsupportedOptionError: Images were given, which no summary takes.
        """
        if options.images:
            raise UnsupportedOptionError(
                "claude", "images", "images are not supported by compact()"
            )
        if self._begun is None:
            raise SignedinError("an empty session cannot be compacted; run a turn first")
        return await self._started_turn(message_with("/compact"), options, host)

    async def roll_back(self) -> None:
        """Removes the last turn: the next one continues from the answer before its prompt.

        The files that it has changed stay as they are.

        Raises:
            SessionBusyError: A turn of it is still running.
            UnsupportedOptionError: It is not stored.
        """
        self._check_idle()
        self._check_stored("retry")
        if self._id is None:
            return  # nothing of it was stored
        await self._end_process()
        from signedin.providers.claude.store import answer_before  # noqa: PLC0415 - seldom needed

        find = partial(answer_before, self._home, self._id, self._asked)
        self._resume_at = await asyncio.to_thread(
            self._config.recall, "answer before", cast("type[str | None]", str | None), find
        )
        if self._resume_at is None:
            self._id = None
            self._request = msgspec.structs.replace(self._request, resume=None, fork=False)

    async def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first, from Claude Code's store.

        Raises:
            UnsupportedOptionError: It is not stored.
        """
        self._check_stored("history")
        if (begun := self._begun) is None:
            return []
        await self._until_stored(begun)
        from signedin.providers.claude.store import read_history  # noqa: PLC0415 - seldom needed

        find = partial(read_history, self._home, begun)
        return await asyncio.to_thread(self._config.recall, "history", list[PastTurn], find)

    async def _until_stored(self, begun: str) -> None:
        """Waits until the store has the last message, which Claude Code writes a little later."""
        from signedin.providers.claude.store import is_stored  # noqa: PLC0415 - seldom needed

        if self._config.replays:
            return
        for _ in range(_LOOKS):
            if await asyncio.to_thread(is_stored, self._home, begun, self._latest):
                return
            await asyncio.sleep(_LOOK_AGAIN)
        if self._turn is None:
            await self._end_process()  # which writes what it still has to write

    @property
    def _begun(self) -> str | None:
        """The conversation that has turns: for a new fork, the original."""
        return self.id or self._request.resume

    async def rename(self, name: str) -> None:
        """Names the conversation; its process is ended, since only then the name is stored.

        Raises:
            SessionBusyError: A turn of it is still running.
            SignedinError: It has no turn yet.
            UnsupportedOptionError: It is not stored.
        """
        if self._id is None:
            raise SignedinError("an empty session cannot be renamed; run a turn first")
        self._check_idle()
        self._check_stored("rename")
        process = await self._process_for(self._request.options)
        await process.ask("rename_session", {"title": name})
        await self._end_process()

    async def _started_turn(
        self, message: dict[str, object], options: TurnOptions, host: Host
    ) -> ClaudeTurn:
        try:
            return await self._prompted(message, options, host)
        except TransportClosedError as error:
            # It died while it waited for a prompt, which it therefore has not read.
            _log.info("claude is started again: %s", error)
        return await self._prompted(message, options, host)

    async def aclose(self) -> None:
        """Gives the process back; the conversation is in Claude Code's store."""
        if self._branched:
            # Only when it ends it stores where the conversation continues (2.1.197, 2.1.330).
            await self._end_process()
        process, self._process = self._process, None
        if process is not None:
            process.conversation = self.id
            self._pool.put(process)

    async def _prompted(
        self, message: dict[str, object], options: TurnOptions, host: Host
    ) -> ClaudeTurn:
        process = await self._process_for(options)
        turn = self._turn = ClaudeTurn(process, host, self._turn_ended)
        try:
            await turn.start(message)
            self._asked = self._latest = str(message["uuid"])
            self._resume_at = None
        except BaseException:
            await finish(turn.aclose())
            raise
        return turn

    async def _process_for(self, options: TurnOptions) -> ClaudeProcess:
        launch = self._launch_for(options)
        process, ephemeral = self._process, self._request.options.ephemeral
        if (
            process is not None
            and process.closed is None
            and process.launch.can_become(launch)
            and (ephemeral or not process.grown)
        ):
            await process.become(launch)
            return process
        if ephemeral and process is not None and process.used:
            raise _lost(process)
        await self._end_process()
        if process is not None and process.launch.model is not None and launch.model is None:
            # A resumed conversation has its own model, which another turn had chosen.
            named = msgspec.structs.replace(launch, model=process.launch.model)
            self._process = await self._started(named)
            await self._process.become(launch)
        else:
            self._process = await self._started(launch)
        return self._process

    def _check_idle(self) -> None:
        if self._turn is not None:
            raise SessionBusyError(f"session {self.id} is busy with a turn; wait for it")

    def _check_stored(self, what: str) -> None:
        if self._request.options.ephemeral:
            raise UnsupportedOptionError("claude", what, "an ephemeral session is not stored")

    async def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.aclose()

    async def _started(self, launch: Launch) -> ClaudeProcess:
        self._branched = self._branched or self._resume_at is not None
        if self._begun is not None:
            await self._pool.let_go(self._begun)
        if self._id is not None:
            return await self._pool.start(launch, resume_arguments(self._id, at=self._resume_at))
        if self._request.resume is not None:
            return await self._pool.start(launch, resume_arguments(self._request.resume, fork=True))
        return await self._pool.take(launch)

    def _turn_ended(self) -> None:
        self._id = self.id
        self._latest = (self._turn.last_said if self._turn else None) or self._latest
        self._turn = None


def _lost(process: ClaudeProcess) -> SignedinError:
    """The reason an ephemeral conversation cannot continue: no other process has it."""
    if process.closed is None:
        return InvalidOptionError(
            "an ephemeral session of claude lives in one process: only model and effort may change "
            "between its turns. Pass the others to session(), or omit ephemeral="
        )
    return SignedinError(
        "the process of an ephemeral claude session has ended, and the conversation with it; begin "
        "another session"
    )
