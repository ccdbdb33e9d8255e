"""When and how a failed turn is retried.

Nothing is retried unless the caller asks for it: an agent that is run again does its work again,
costs again, and may act twice.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar, cast

import msgspec

from signedin.model.errors import (
    ErrorKind,
    InvalidOptionError,
    RateLimitedError,
    SignedinError,
    TimeoutExceededError,
)
from signedin.model.events import CommandEvent, Event, FileChangeEvent, ToolEvent
from signedin.model.naming import Named

T = TypeVar("T")

LONGEST_WAIT = 300.0
"""Seconds. If a provider asks for a longer pause, the turn is not retried."""

UNKNOWN_SECONDS = 300.0
"""How long a plan is taken as used up whose vendor does not report when it resets."""

LONGEST_SECONDS = 32 * 86_400.0
"""No window of a plan is longer than a month; what is later is a mistake."""

_OPTIONS = {
    "max_retries": "max_retries",
    "retry_backoff_s": "backoff",
    "retry_backoff_max_s": "backoff_max",
    "retry_jitter_s": "jitter",
    "retry_on_timeout": "on_timeout",
}


class Retry(msgspec.Struct, metaclass=Named, frozen=True):
    """How often, and after how long, a failed turn is retried.

    Attributes:
        max_retries: How often after the first try.
        backoff: Seconds before the first retry, doubled before each further one.
        backoff_max: Seconds at which the doubling ends.
        jitter: Up to this many seconds come on top at random, so that clients that failed together
            do not return together.
        on_timeout: Whether a turn in which nothing happened for ``idle_timeout`` is retried.

    Raises:
        InvalidOptionError: A value cannot be used.
    """

    max_retries: int
    backoff: float = 1.0
    backoff_max: float = 8.0
    jitter: float = 0.25
    on_timeout: bool = False

    def __post_init__(self) -> None:
        """Checks the values, which annotations do not enforce."""
        retries = cast("object", self.max_retries)
        if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
            raise InvalidOptionError(f"max_retries must be a whole number from 0, not {retries!r}")
        for name in ("backoff", "backoff_max", "jitter"):
            value: object = getattr(self, name)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not 0 <= cast("float", value) < math.inf:
                raise InvalidOptionError(f"{name} must be a number of seconds, not {value!r}")
        if not isinstance(cast("object", self.on_timeout), bool):
            raise InvalidOptionError(f"on_timeout must be True or False, not {self.on_timeout!r}")

    @staticmethod
    def from_provider_options(
        options: Mapping[str, object],
    ) -> tuple[Retry | None, dict[str, object]]:
        """Takes the retry options out of ``provider_options``.

        They are ``max_retries`` (0 if only others are given), ``retry_backoff_s``,
        ``retry_backoff_max_s``, ``retry_jitter_s`` and ``retry_on_timeout``.

        Returns:
            What they say, ``None`` if none is given, and the other options.

        Raises:
            InvalidOptionError: A value cannot be used.
        """
        rest = {name: value for name, value in options.items() if name not in _OPTIONS}
        given = {_OPTIONS[name]: value for name, value in options.items() if name in _OPTIONS}
        if not given:
            return None, rest
        try:
            return Retry(**cast("dict[str, Any]", {"max_retries": 0, **given})), rest
        except InvalidOptionError as error:
            raise InvalidOptionError(f"provider_options: {error.message}") from None

    def delay(self, attempt: int, error: BaseException | None = None) -> float:
        """Returns the seconds to wait before a retry.

        Args:
            attempt: The retry about to be made, counted from 1.
            error: Why it is made; if the provider said how long to wait, that is the delay, up to
                `LONGEST_WAIT`.
        """
        wait = min(self.backoff * 2.0 ** min(attempt - 1, 60), self.backoff_max)
        if isinstance(error, RateLimitedError) and error.retry_after is not None:
            wait = max(wait, min(error.retry_after, LONGEST_WAIT))
        return wait + _random_up_to(self.jitter)


def is_retryable(error: BaseException, retry: Retry) -> bool:
    """Whether the same turn may go well if it is run again.

    True for what passes by itself: overload, network, a provider's server errors, a crashed
    process, a rate limit that ends soon; and for a timeout if ``retry`` says so. Never for a login,
    a plan that is used up, an option, a permission or an answer of the wrong shape.
    """
    if isinstance(error, TimeoutExceededError):
        return retry.on_timeout
    if isinstance(error, RateLimitedError) and (error.retry_after or 0) > LONGEST_WAIT:
        return False
    return isinstance(error, SignedinError) and error.transient


def bounded_reset(resets_at: float, now: float) -> float:
    """Returns when a plan is tried again: when it resets, but neither before now nor much later.

    Args:
        resets_at: What the vendor reports, in Unix seconds; later than `LONGEST_SECONDS` from now
            is a mistake, which is tried again after `UNKNOWN_SECONDS`.
        now: In Unix seconds.
    """
    return max(resets_at, now) if resets_at <= now + LONGEST_SECONDS else now + UNKNOWN_SECONDS


def has_acted(events: Iterable[Event]) -> bool:
    """Whether the agent has begun to do something that running the turn again would do twice."""
    return any(isinstance(event, CommandEvent | FileChangeEvent | ToolEvent) for event in events)


def retry_on_overload(
    operation: Callable[[], T],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> T:
    """Calls a function, and calls it again after a while if the provider is overloaded.

    Args:
        operation: What to call; it should be something that may be done twice.
        max_attempts: Calls in all, 1 or more.
        initial_delay_s: Seconds before the second call, doubled before each further one.
        max_delay_s: Seconds at which the doubling ends.
        jitter_ratio: Each wait is made longer or shorter by up to this part of it.

    Raises:
        InvalidOptionError: ``max_attempts`` is less than 1.
        SignedinError: What the last call raised; any error but an overload is raised at once.
    """
    for delay in _overload_delays(max_attempts, initial_delay_s, max_delay_s, jitter_ratio):
        try:
            return operation()
        except SignedinError as error:
            if error.kind is not ErrorKind.OVERLOADED:
                raise
        time.sleep(delay)
    return operation()


async def async_retry_on_overload(
    operation: Callable[[], Awaitable[T]],
    *,
    max_attempts: int = 3,
    initial_delay_s: float = 0.25,
    max_delay_s: float = 2.0,
    jitter_ratio: float = 0.2,
) -> T:
    """Does the same for an async function; see `retry_on_overload`."""
    for delay in _overload_delays(max_attempts, initial_delay_s, max_delay_s, jitter_ratio):
        try:
            return await operation()
        except SignedinError as error:
            if error.kind is not ErrorKind.OVERLOADED:
                raise
        await asyncio.sleep(delay)
    return await operation()


def _overload_delays(
    max_attempts: int, initial_delay_s: float, max_delay_s: float, jitter_ratio: float
) -> Iterator[float]:
    if max_attempts < 1:
        raise InvalidOptionError(f"max_attempts must be 1 or more, not {max_attempts!r}")
    for attempt in range(max_attempts - 1):
        wait = min(initial_delay_s * 2.0 ** min(attempt, 60), max_delay_s)
        yield wait * (1 - jitter_ratio) + _random_up_to(2 * wait * jitter_ratio)


def _random_up_to(seconds: float) -> float:
    return random.uniform(0, seconds)  # noqa: S311 - spreads retries, keeps no secret
