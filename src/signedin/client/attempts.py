"""Running a prompt to its end: attempts after transient failures, answers sent back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import msgspec

from signedin.client.turn import add_result
from signedin.model.errors import (
    CommandExecutionError,
    InvalidOptionError,
    OutputError,
    SignedinError,
)
from signedin.model.events import AnyEvent, DoneEvent, Event, OnEvents, RetryEvent, SessionEvent
from signedin.model.options import TurnOptions
from signedin.model.results import RunResult
from signedin.runtime.aio import run_callback, running_loop

if TYPE_CHECKING:
    from signedin.client.session import AsyncSession
    from signedin.model.retry import Retry


async def run_to_end(
    begin: Callable[[], AbstractAsyncContextManager[AsyncSession]],
    prompt: str,
    options: TurnOptions,
    *,
    on_events: OnEvents | None = None,
    roll_back: Callable[[], Awaitable[None]] | None = None,
) -> RunResult[object]:
    """Runs a prompt.

    A transient failure is retried if ``options.retry`` says so and the agent has not begun to
    act. An answer that does not fit ``options.output`` is sent back with the reasons. All of it
    together has ``options.timeout``.

    Args:
        begin: Gives the session for one attempt.
        prompt: What to ask.
        options: Everything else.
        on_events: Called with the events of all turns, and before each further one.
        roll_back: Takes a failed turn out of the conversation, where all attempts are in the same.

    Raises:
        SignedinError: The last attempt's error; notes on it describe the earlier ones, and
            ``error.result`` has what all of them gave.
        OutputError: The answer still does not fit.
    """
    if on_events is not None and not callable(on_events):
        raise InvalidOptionError(f"on_events must be a function, not {on_events!r}")
    run = _Run(running_loop().time(), options, on_events)
    while True:
        try:
            async with begin() as session:
                return run.completed(await run.fitting_result(session, prompt))
        except BaseException as error:
            if not await run.prepare_retry(error, roll_back):
                raise


class _Run:
    """What has happened in a run so far.

    Args:
        started: When, in the time of the event loop.
        options: How it was asked for.
        on_events: Called with the events of its turns.
    """

    def __init__(self, started: float, options: TurnOptions, on_events: OnEvents | None) -> None:
        self._started = started
        self._deadline = None if options.timeout is None else started + options.timeout
        self._options = options
        self._on_events = on_events
        self._escaped: BaseException | None = None
        self._attempts: list[RunResult[object]] = []
        self._retries: list[RetryEvent] = []
        self._repairs = 0

    async def fitting_result(self, session: AsyncSession, prompt: str) -> RunResult[object]:
        """Runs a turn, and further ones as long as its answer does not fit and may be repaired."""
        self._repairs = 0
        while True:
            try:
                turn = session.turn(prompt, self._options, self._deadline)
                return await (turn.follow(self._report) if self._on_events else turn.result())
            except OutputError as error:
                output = self._options.output
                if error.result is None or output is None or error is self._escaped:
                    raise
                if self._repairs >= self._options.output_retries:
                    raise
                self._repairs += 1
                event = _retry_event(error.message, self._repairs, 0.0)
                self._attempts.append(_with_event(error.result, event))
                prompt = output.repair_prompt(error)
            await self._report([event])

    def completed(self, *last: RunResult[object]) -> RunResult[object]:
        """Returns the last turn's result with what led to it."""
        if not self._attempts and not self._retries:
            return last[0]
        joined = _joined([*self._attempts, *last])
        elapsed = running_loop().time() - self._started
        return msgspec.structs.replace(joined, elapsed=elapsed, retries=len(self._retries))

    async def prepare_retry(
        self, error: BaseException, roll_back: Callable[[], Awaitable[None]] | None
    ) -> bool:
        """Waits until a failed attempt may be repeated.

        Returns:
            Whether it may be. If not, its error has what all attempts gave.

        Raises:
            BaseException: The caller's function has raised it; or it is the error, if the failed
                turn cannot be rolled back.
        """
        delay = self._delay_before_retry(error, in_conversation=roll_back is not None)
        if delay is None or not isinstance(error, SignedinError):
            self._finish(error, getattr(error, "result", None))
            return False
        event = _retry_event(error.message, len(self._retries) + 1, delay)
        self._retries.append(event)
        if error.result is not None:
            self._attempts.append(_with_event(error.result, event))
        try:
            await self._report([event])
            await asyncio.sleep(delay)
            if roll_back is not None:
                await roll_back()
        except BaseException as refusal:
            if refusal is self._escaped or not isinstance(refusal, SignedinError):
                self._finish(refusal)
                raise
            error.add_note(f"it is not retried: {refusal}")
            self._finish(error)
            raise error from refusal
        return True

    def _finish(self, error: BaseException, last: RunResult[object] | None = None) -> None:
        """Puts what all attempts gave into the error that ends the run."""
        notes = [f"attempt {event.attempt} failed: {event.text}" for event in self._retries]
        for note in notes:
            error.add_note(note)
        if isinstance(error, CommandExecutionError):
            error.details = "\n".join(notes)
        if self._attempts or last:
            add_result(error, self.completed(*([last] if last else [])))

    def _delay_before_retry(self, error: BaseException, *, in_conversation: bool) -> float | None:
        """Returns how long to wait after a failed attempt, ``None`` if it must not be repeated.

        Within a conversation the repair of an answer is not retried: its first turn is not
        a failure that could be taken back.
        """
        if error is self._escaped or (in_conversation and self._repairs):
            return None
        delay = _delay_before_retry(error, len(self._retries) + 1, self._options.retry)
        return None if delay is None or self._too_late_for(delay) else delay

    async def _report(self, events: Sequence[AnyEvent]) -> None:
        """Calls the caller's function, if there is one; what it raises ends the run."""
        if self._on_events is not None:
            try:
                await run_callback(self._on_events, events)
            except BaseException as error:
                self._escaped = error
                raise

    def _too_late_for(self, delay: float) -> bool:
        return self._deadline is not None and running_loop().time() + delay >= self._deadline


def _delay_before_retry(error: BaseException, attempt: int, retry: Retry | None) -> float | None:
    """Seconds to wait before a failed run is retried; ``None`` if it must not be."""
    if retry is None or attempt > retry.max_retries or not isinstance(error, SignedinError):
        return None
    from signedin.model.retry import has_acted, is_retryable  # noqa: PLC0415 - only if asked for

    acted = error.result is not None and has_acted(error.result.events)
    return retry.delay(attempt, error) if is_retryable(error, retry) and not acted else None


def _retry_event(reason: str, attempt: int, delay: float) -> RetryEvent:
    return RetryEvent(text=reason, attempt=attempt, delay=delay, timestamp=time.time())


def _with_event(result: RunResult[object], event: RetryEvent) -> RunResult[object]:
    return msgspec.structs.replace(result, events=(*result.events, event))


def _joined(results: list[RunResult[object]]) -> RunResult[object]:
    """One result for the turns of a run: the answer of the last, the costs of all."""
    last = results[-1]
    used = [result.usage for result in results if result.usage is not None]
    total = used[0] if used else None
    for usage in used[1:]:
        total = total + usage if total else usage
    return msgspec.structs.replace(
        last,
        events=_as_of_one_turn(event for result in results for event in result.events),
        usage=total,
        fallbacks=tuple(each for result in results for each in result.fallbacks),
        agents=tuple(each for result in results for each in result.agents),
    )


def _as_of_one_turn(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events of several turns as those of one: with a single beginning and end."""
    listed = list(events)
    beginnings = [event for event in listed if isinstance(event, SessionEvent)]
    ends = [event for event in listed if isinstance(event, DoneEvent)]
    between = (event for event in listed if not isinstance(event, SessionEvent | DoneEvent))
    return (*beginnings[-1:], *between, *ends[-1:])
