"""One turn with an ACP agent."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec

from signedin.model.approvals import Host
from signedin.model.errors import (
    ErrorKind,
    SignedinError,
    UnsupportedOptionError,
)
from signedin.model.events import DoneEvent, Event, not_understood
from signedin.model.options import TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.failure import failure_event
from signedin.providers.acp.mcp import names_of
from signedin.providers.acp.normalise import Notices, TokenCounts, TurnNormaliser
from signedin.providers.acp.process import ACPAgent
from signedin.providers.acp.prompts import text_block
from signedin.providers.acp.questions import Granted, RequestHandler
from signedin.providers.acp.terminals import Terminals
from signedin.providers.shared.turn_queue import STOP_SECONDS, TurnQueue
from signedin.safety.sandbox.confinement import Confinement
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import JsonRpcError

_log = logging.getLogger("signedin.acp")


class ACPTurn:
    """A running turn: stores its events until they are taken.

    Args:
        agent: The agent.
        session_id: The session.
        name: Name of the provider, for messages.
        login: The command that signs in.
        failures: Stop reasons that the agent uses for failures.
        options: The options of the turn.
        host: Decides approvals.
        env: Environment of the commands the client runs on the agent's behalf.
        granted: What was allowed for the whole session.
        limits: The sandbox of the agent.
        on_end: Called when the turn is closed.
    """

    def __init__(
        self,
        agent: ACPAgent,
        session_id: str,
        *,
        name: str,
        login: str,
        failures: Mapping[str, ErrorKind],
        has_notices: bool,
        counts: TokenCounts | None,
        options: TurnOptions,
        host: Host,
        env: Mapping[str, str],
        granted: set[Granted],
        limits: Confinement | None,
        on_end: Callable[[], None],
    ) -> None:
        self._agent = agent
        self._session_id = session_id
        self._name = name
        self._login = login
        self._on_end = on_end
        self._counts = counts
        terminals = Terminals(agent.start_command)
        names = names_of(options)
        self._normaliser = TurnNormaliser(
            str(options.cwd), names, failures, terminals, Notices(login) if has_notices else None
        )
        self._request_handler = RequestHandler(
            options,
            host,
            self._normaliser,
            terminals,
            env=env,
            granted=granted,
            limits=limits,
            emit=self._emit,
        )
        self._queue: TurnQueue[Event] = TurnQueue(agent.gate)
        self._ended = asyncio.Event()
        self._interrupted = False
        self._given_up = False
        self._stopping: asyncio.Task[None] | None = None
        self._prompting: asyncio.Task[None] | None = None

    @property
    def id(self) -> str | None:
        """The protocol has no ids for turns."""
        return None

    def start(self, opening: Event, blocks: Sequence[Mapping[str, object]]) -> None:
        """Sends the prompt."""
        self._emit([opening])
        self._prompting = asyncio.get_running_loop().create_task(self._prompt(blocks))

    async def next_events(self) -> Sequence[Event]:
        """Waits for events; see `ProviderTurn.next_events`."""
        return await self._queue.take()

    async def steer(self, text: str) -> None:
        """Not supported: the protocol cannot add to a running prompt."""
        del text
        raise UnsupportedOptionError(
            self._name, "steer", "interrupt the turn and send another prompt"
        )

    async def interrupt(self) -> None:
        """Asks the agent to stop; open permission requests are answered with "cancelled"."""
        self._interrupted = True
        self._request_handler.stop()
        await asyncio.sleep(0)  # behind the prompt, which a task of its own sends
        await self._agent.cancel(self._session_id)

    async def aclose(self) -> None:
        """Cancels the turn if it still runs, and waits until the agent has ended it."""
        if self._prompting is not None:
            if not self._ended.is_set():
                await self._stop()
            self._prompting.cancel()
            await asyncio.wait({self._prompting})
        if self._stopping is not None:
            await asyncio.wait({self._stopping})
        await self._request_handler.aclose()
        self._queue.close()
        self._on_end()

    def on_update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        """Receives an update of the session."""
        if self._ended.is_set():
            return
        try:
            self._queue.put(self._normaliser.update(update, params, line))
        except Exception as error:
            self._queue.fail(not_understood(self._name, update.session_update, error))

    def wake(self) -> None:
        """Wakes the consumer if there are events."""
        self._queue.wake()

    async def on_request(self, request: IncomingRequest) -> object:
        """Answers a request of the agent."""
        answer = await self._request_handler.answer(request)
        if self._request_handler.stop_wanted and not self._interrupted:
            await self.interrupt()
            self._stopping = asyncio.get_running_loop().create_task(self._stop())
        return answer

    async def _prompt(self, blocks: Sequence[Mapping[str, object]]) -> None:
        try:
            self._queue.put(await self._run(blocks))
        except SignedinError as error:
            if self._given_up:
                self._queue.put([DoneEvent(reason="interrupted", timestamp=time.time())])
            else:
                self._queue.fail(error)
        except Exception as error:  # otherwise the consumer would wait for ever
            self._queue.fail(not_understood(self._name, "the end of the turn", error))
        finally:
            self._ended.set()
            self.wake()

    async def _run(self, blocks: Sequence[Mapping[str, object]]) -> list[Event]:
        try:
            result, raw = await self._answer(blocks)
            # A refusal has no room for a reason.
            while (notes := self._request_handler.take_notes()) and not self._interrupted:
                self._normaliser.prompted_again(result)
                result, raw = await self._answer([text_block(notes)])
        except JsonRpcError as error:
            if self._interrupted:
                return [DoneEvent(reason="interrupted", timestamp=time.time())]
            return self._normaliser.failed(failure_event(error, login=self._login))
        if self._interrupted and not self._normaliser.has_spoken:
            # opencode, stopped before it begins, ends the turn as it did the one before (1.18).
            result = acp.PromptResult(stop_reason="cancelled")
        return self._normaliser.end(result, raw)

    async def _answer(
        self, blocks: Sequence[Mapping[str, object]]
    ) -> tuple[acp.PromptResult, msgspec.Raw]:
        result, raw = await self._agent.prompt(self._session_id, blocks)
        return self._counts.of_prompt(result) if self._counts else result, raw

    async def _stop(self) -> None:
        """Ends the turn; with its agent if that does not stop, and the next one starts another."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                if not self._interrupted:
                    await self.interrupt()
                await self._ended.wait()
        except (SignedinError, TimeoutError) as error:
            _log.warning("%s did not stop a turn (%s); ending it", self._name, error)
            self._given_up = True
            await self._agent.aclose()

    def _emit(self, events: Sequence[Event]) -> None:
        if not self._ended.is_set():
            self._queue.put(events)
            self.wake()
