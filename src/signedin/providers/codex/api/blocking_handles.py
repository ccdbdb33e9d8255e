"""Threads, turns and login attempts without ``await``, over the background event loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Unpack

from signedin.providers.codex import protocol as p
from signedin.providers.codex.account import login
from signedin.providers.codex.api.inputs import Input
from signedin.providers.codex.api.keywords import TurnSettings
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.api.record import TurnResult
from signedin.providers.codex.api.threads import AsyncThread, TurnParams
from signedin.providers.codex.api.turns import AsyncTurnHandle
from signedin.providers.codex.app_server.running_turn import ThreadOpened
from signedin.runtime.background_loop import call
from signedin.runtime.batches import Batches


class TurnHandle(Batches[Notification]):
    """A running turn: to be streamed, steered, interrupted or run to its end.

    Leaving a stream early interrupts the turn on the server. Inside a ``with`` block
    iteration can be paused and resumed, and leaving the block early interrupts the turn.
    """

    def __init__(self, turn: AsyncTurnHandle, owner: object) -> None:
        super().__init__(turn, owner)
        self._turn = turn

    @property
    def id(self) -> str:
        """The server's id of the turn."""
        return self._turn.id

    @property
    def thread_id(self) -> str:
        """The thread the turn belongs to."""
        return self._turn.thread_id

    @property
    def result(self) -> TurnResult:
        """Its result so far, also after a failure."""
        return self._turn.result

    def stream(self) -> Iterator[Notification]:
        """Iterates over what the server reports about this turn; see `AsyncTurnHandle.stream`."""
        return self._iterate()

    def stream_text(self) -> Iterator[str]:
        """Iterates over the pieces of the agent's messages; see `stream`."""
        for notification in self._iterate():
            if isinstance(notification.params, p.AgentMessageDeltaNotification):
                yield notification.params.delta

    def run(self) -> TurnResult:
        """Waits for the end of the turn; see `AsyncTurnHandle.run`."""
        return call(self._turn.run)

    def steer(self, prompt: Input, /) -> None:
        """Adds to the prompt while the agent works."""
        call(lambda: self._turn.steer(prompt))

    def interrupt(self) -> None:
        """Stops the turn and the commands it runs; does nothing if it has ended."""
        call(self._turn.interrupt)


class Thread:
    """One conversation; made by `Codex.thread_start` and its like. See `AsyncThread`."""

    def __init__(self, thread: AsyncThread, owner: object) -> None:
        self._thread = thread
        self._owner = owner  # a client without references is closed

    @property
    def id(self) -> str:
        """Resumes the thread."""
        return self._thread.id

    @property
    def opened(self) -> ThreadOpened | None:
        """The server's answer when the thread was opened; see `AsyncThread`."""
        return self._thread.opened

    def run(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> TurnResult:
        """Runs a turn to its end; see `AsyncThread.run`."""
        return call(lambda: self._thread.run(prompt, params=params, **settings))

    def turn(
        self,
        prompt: Input,
        /,
        *,
        params: TurnParams | None = None,
        **settings: Unpack[TurnSettings],
    ) -> TurnHandle:
        """Begins a turn; see `AsyncThread.turn`."""
        turn = call(lambda: self._thread.turn(prompt, params=params, **settings))
        return TurnHandle(turn, self._owner)

    def compact(self) -> TurnResult:
        """Replaces the conversation by a summary of it; see `AsyncThread.compact`."""
        return call(self._thread.compact)

    def read(self, *, include_turns: bool = False) -> p.ThreadReadResponse:
        """Returns what is stored of the thread; see `AsyncThread.read`."""
        return call(lambda: self._thread.read(include_turns=include_turns))

    def set_name(self, name: str) -> None:
        """Names the thread."""
        call(lambda: self._thread.set_name(name))

    def __repr__(self) -> str:
        return f"Thread({self.id!r})"


class _LoginAttempt:
    def __init__(
        self, attempt: login.AsyncChatgptLogin | login.AsyncDeviceCodeLogin, owner: object
    ) -> None:
        self.login_id = attempt.login_id
        self._attempt = attempt
        self._owner = owner  # a client without references is closed

    def wait(self, timeout: float | None = None) -> p.AccountLoginCompletedNotification:
        """Waits until the attempt has ended; see `AsyncChatgptLogin.wait`."""
        return call(lambda: self._attempt.wait(timeout))

    def cancel(self) -> p.CancelLoginAccountResponse:
        """Cancels the attempt; see `AsyncChatgptLogin.cancel`."""
        return call(self._attempt.cancel)


class ChatgptLogin(_LoginAttempt):
    """A sign-in with ChatGPT in a browser on this machine.

    Attributes:
        login_id: The server's id of the attempt.
        auth_url: The page to open.
    """

    def __init__(self, attempt: login.AsyncChatgptLogin, owner: object) -> None:
        super().__init__(attempt, owner)
        self.auth_url = attempt.auth_url


class DeviceCodeLogin(_LoginAttempt):
    """A sign-in with ChatGPT on any device, with a code.

    Attributes:
        login_id: The server's id of the attempt.
        verification_url: The page to open.
        user_code: What to type there. Whoever types it signs in this machine: never type a code
            that somebody else sent.
    """

    def __init__(self, attempt: login.AsyncDeviceCodeLogin, owner: object) -> None:
        super().__init__(attempt, owner)
        self.verification_url = attempt.verification_url
        self.user_code = attempt.user_code
