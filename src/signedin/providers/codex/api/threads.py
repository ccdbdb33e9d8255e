"""A thread of the typed Codex client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias, Unpack

from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.connection import SharedServer
from signedin.providers.codex.api.inputs import Input, input_parts
from signedin.providers.codex.api.keywords import TurnSettings, sandbox_policy, wire_params
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.router import RoutedTurn
from signedin.providers.codex.api.turns import AsyncTurnHandle
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.running_turn import ThreadOpened, session_event

TurnParams: TypeAlias = p.TurnStartParams | Mapping[str, object]


class AsyncThread:
    """One conversation; made by `AsyncCodex.thread_start` and its like.

    If the server has crashed since, the next turn resumes the thread on a new one.

    Attributes:
        id: The thread's id, which resumes it.
        opened: The server's answer when it was opened: model, folder, sandbox, who approves and
            more. ``None`` for an unarchived thread before its first turn.
    """

    def __init__(
        self,
        connection: SharedServer,
        thread_id: str,
        opened: ThreadOpened | None = None,
        server: AppServer | None = None,
    ) -> None:
        self.id = thread_id
        self.opened = opened
        self._connection = connection
        self._loaded_in: AppServer | None = server

    async def run(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> TurnResult:
        """Runs a turn to its end.

        Args:
            prompt: What to ask.
            params: Everything that is not a keyword here: a `TurnStartParams`, or a mapping in the
                wire's form.
            **settings: See `TurnSettings`.

        Raises:
            SessionBusyError: The thread has a running turn.
            JsonRpcError: The server refused the turn.
            SignedinError: The turn has failed; ``error.result`` has what was received.
        """
        handle = await self.turn(prompt, params=params, **settings)
        return await handle.run()

    async def turn(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> AsyncTurnHandle:
        """Begins a turn; takes the arguments of `run`.

        Raises:
            SessionBusyError: The thread has a running turn.
            JsonRpcError: The server refused the turn.
        """
        keywords: dict[str, object] = {
            **settings,
            "thread_id": self.id,
            "input": input_parts(prompt),
        }
        keywords["sandbox_policy"] = sandbox_policy(keywords.pop("sandbox", None))
        wire = wire_params(p.TurnStartParams, params, keywords)
        server, opened = await self._load()

        async def begin(turn: RoutedTurn) -> str:
            return (await turn.ask("turn/start", wire, p.TurnStartResponse)).turn.id

        return await self._start(server, opened, begin)

    async def compact(self) -> TurnResult:
        """Replaces the conversation by a summary of it, in a turn of its own.

        Raises:
            SessionBusyError: The thread has a running turn.
            SignedinError: The turn has failed.
        """
        server, opened = await self._load()

        async def begin(turn: RoutedTurn) -> None:
            params = p.ThreadCompactStartParams(thread_id=self.id)
            await turn.ask("thread/compact/start", params, p.ThreadCompactStartResponse)

        return await (await self._start(server, opened, begin)).run()

    async def read(self, *, include_turns: bool = False) -> p.ThreadReadResponse:
        """Returns what is stored of the thread.

        Args:
            include_turns: Whether to include all its turns. For long threads request
                ``thread/turns/list``, which gives pages.
        """
        params = p.ThreadReadParams(thread_id=self.id, include_turns=include_turns)
        return await self._connection.call("thread/read", params, p.ThreadReadResponse)

    async def set_name(self, name: str) -> None:
        """Names the thread."""
        params = p.ThreadSetNameParams(thread_id=self.id, name=name)
        await self._connection.call("thread/name/set", params, p.ThreadSetNameResponse)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    async def _start(
        self,
        server: AppServer,
        opened: ThreadOpened,
        begin: Callable[[RoutedTurn], Awaitable[str | None]],
    ) -> AsyncTurnHandle:
        router = self._connection.router
        return AsyncTurnHandle(await router.start(server, session_event(opened), begin), router)

    async def _load(self) -> tuple[AppServer, ThreadOpened]:
        """Returns a server that has loaded the thread, and its answer."""
        server = await self._connection.server()
        if self.opened is None or server is not self._loaded_in:
            wire = {"threadId": self.id, "excludeTurns": True}
            self.opened = await self._connection.trust.resume(server, wire)
            self._loaded_in = server
        return server, self.opened
