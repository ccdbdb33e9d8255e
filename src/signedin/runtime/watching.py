"""Who watches the turns of this process, such as an integration that reports them; nobody at first.

A watcher may fail, a turn may not: see `log_failure`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import Protocol

import msgspec

from signedin.model.errors import SignedinError
from signedin.model.events import AnyEvent
from signedin.model.options import TurnOptions
from signedin.model.redact import redact
from signedin.model.results import RunResult

_log = logging.getLogger("signedin")

NO_TRACE: Mapping[str, str] = MappingProxyType({})
TRACE: ContextVar[Mapping[str, str]] = ContextVar("signedin_trace", default=NO_TRACE)
"""The trace of the turn that is being started, as W3C headers: ``traceparent``, ``tracestate``. The
watcher sets it; transports pass it on to agents that take one."""


class BeginningTurn(msgspec.Struct, frozen=True):
    """A turn that is about to be started.

    Attributes:
        provider: Who is asked; of several, their names with commas between them.
        transport: How the provider is driven.
        options: How it is asked.
        prompt: What is asked, empty if no prompt begins the turn.
    """

    provider: str
    transport: str
    options: TurnOptions
    prompt: str


class TurnWatcher(Protocol):
    """Follows one turn."""

    def see(self, events: Sequence[AnyEvent]) -> None:
        """Takes what has happened, deltas included."""
        ...

    def end(self, result: RunResult[object], error: SignedinError | None) -> None:
        """Takes the end of the turn; ``error`` says why it is not complete."""
        ...


watch: Callable[[BeginningTurn], TurnWatcher] | None = None
"""Called at the beginning of each turn, in the context in which the turn is then started."""


def trace_variables() -> dict[str, str]:
    """Returns `TRACE` as the environment variables in which programs expect it."""
    return {name.upper(): value for name, value in TRACE.get().items()}


def log_failure(error: Exception) -> None:
    """Logs what a watcher has raised."""
    _log.warning("watching a turn failed: %s", redact(repr(error)))
