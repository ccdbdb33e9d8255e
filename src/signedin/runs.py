"""Running a prompt to its end: attempts after transient failures, answers sent back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

import msgspec

from signedin.errors import OutputError, SignedinError
from signedin.events import DoneEvent, Event, RetryEvent, SessionEvent
from signedin.options import TurnOptions
from signedin.results import RunResult

if TYPE_CHECKING:
    from signedin.retry import Retry


class Attempt(Protocol):
    """What a run needs of a turn."""

    async def result(self) -> RunResult[object]:
        """Waits for its end."""
        ...


class Conversation(Protocol):
    """What a run needs of a session."""

    def turn(self, prompt: str, options: TurnOptions) -> Attempt:
        """Makes a turn with complete options."""
        ...


async def run_to_end(
    begin: Callable[[], AbstractAsyncContextManager[Conversation]],
    prompt: str,
    options: TurnOptions,
    on_retry: Callable[[RetryEvent], None] | None = None,
) -> RunResult[object]:
    """Runs a prompt.

    A transient failure is tried again if ``options.retry`` says so and the agent has not begun to
    act. An answer that does not fit ``options.output`` is sent back with the reasons.

    Args:
        begin: Gives the conversation for one attempt.
        prompt: What to ask.
        options: Everything else.
        on_retry: Told of each further turn before it begins.

    Raises:
        SignedinError: The last attempt's error; notes on it tell of the earlier ones.
        OutputError: The answer still does not fit.
    """
    retries: list[RetryEvent] = []
    while True:
        try:
            async with begin() as conversation:
                result = await _fitting_result(conversation, prompt, options, on_retry)
        except SignedinError as error:
            delay = _delay_before_retry(error, len(retries) + 1, options.retry)
            if delay is None:
                for event in retries:
                    error.add_note(f"attempt {event.attempt} failed: {event.text}")
                raise
            retries.append(_retry_event(error.message, len(retries) + 1, delay))
            if on_retry is not None:
                on_retry(retries[-1])
            await asyncio.sleep(delay)
        else:
            events = _as_of_one_turn([*retries, *result.events])
            return msgspec.structs.replace(result, retries=len(retries), events=events)


async def _fitting_result(
    conversation: Conversation,
    prompt: str,
    options: TurnOptions,
    on_retry: Callable[[RetryEvent], None] | None,
) -> RunResult[object]:
    """Runs a turn, and further ones as long as its answer does not fit and may be mended."""
    earlier: list[RunResult[object]] = []
    while True:
        try:
            result = await conversation.turn(prompt, options).result()
        except OutputError as error:
            if error.result is None or options.output is None:
                raise
            if len(earlier) >= options.output_retries:
                error.result = _joined([*earlier, error.result])
                raise
            number = len(earlier) + 1
            event = _retry_event(error.message, number, 0.0)
            earlier.append(_with_event(error.result, event))
            if on_retry is not None:
                on_retry(event)
            prompt = options.output.repair_prompt(error)
        else:
            return _joined([*earlier, result])


def _delay_before_retry(error: SignedinError, attempt: int, retry: Retry | None) -> float | None:
    """Seconds to wait before a failed run is tried again; ``None`` if it must not be."""
    if retry is None or attempt > retry.max_retries:
        return None
    from signedin.retry import has_acted, is_retryable  # noqa: PLC0415 - only if asked for

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
        elapsed=sum(result.elapsed for result in results),
    )


def _as_of_one_turn(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events of several turns with what those of one promise: a single beginning and end."""
    told = list(events)
    beginnings = [event for event in told if isinstance(event, SessionEvent)]
    ends = [event for event in told if isinstance(event, DoneEvent)]
    between = (event for event in told if not isinstance(event, SessionEvent | DoneEvent))
    return (*beginnings[:1], *between, *ends[-1:])
