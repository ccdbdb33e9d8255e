"""Who watches turns: the ledger, integrations that report them, the command line.

A watcher does not hold a turn up, and it may fail, a turn may not: see `log_failure`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol, TypeAlias

import msgspec

from signedin.model.errors import SignedinError
from signedin.model.events import AnyEvent
from signedin.model.options import TurnOptions
from signedin.model.redact import redact

if TYPE_CHECKING:
    from signedin.model.turn_recorder import TurnRecorder

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
        interrupt: Asks the agent to stop; see `AsyncTurn.interrupt`.
    """

    provider: str
    transport: str
    options: TurnOptions
    prompt: str
    interrupt: Callable[[], Awaitable[None]]


class TurnWatcher(Protocol):
    """Follows one turn."""

    def see(self, events: Sequence[AnyEvent]) -> None:
        """Takes what has happened, deltas included."""
        ...

    def end(self, record: TurnRecorder, error: SignedinError | None) -> None:
        """Takes the end of the turn; ``error`` says why it is not complete."""
        ...


Watch: TypeAlias = Callable[[BeginningTurn], TurnWatcher]
"""Called at the beginning of a turn, in the context in which the turn is then started."""

watches: tuple[Watch, ...] = ()
"""Those of every turn of this process."""


def trace_variables() -> dict[str, str]:
    """Returns `TRACE` as the environment variables in which programs expect it."""
    return {name.upper(): value for name, value in TRACE.get().items()}


def log_failure(error: Exception) -> None:
    """Logs what a watcher has raised."""
    _log.warning("watching a turn failed: %s", redact(repr(error)))
