"""The ledger: one row for each turn of all providers, with what it has used.

Turns hand their records to a thread, which writes them. It knows no content, path or prompt. It may
fail, a turn may not: what cannot be written is dropped, and each client logs that once.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from signedin.ledger.file import Row, ledger_file, open_ledger, write_rows
from signedin.model import events as e
from signedin.model.capabilities import Capabilities
from signedin.model.errors import ErrorKind
from signedin.model.results import RunResult
from signedin.model.turn_recorder import TurnRecorder
from signedin.runtime.aio import aside

if TYPE_CHECKING:
    from signedin.providers.base import ProviderConfig

_log = logging.getLogger("signedin")

_IDLE_SECONDS = 1.0
"""How long the thread waits for another turn before it ends."""


class Ledger:
    """Takes the turns of one client.

    Args:
        accounts: What the client knows of its account, and what is reported there, by provider.
    """

    def __init__(self, accounts: Mapping[str, tuple[ProviderConfig, Capabilities]]) -> None:
        self._accounts = accounts
        self._file = ledger_file()
        self._warned = False

    def add(self, recorder: TurnRecorder) -> None:
        """Takes a turn that has ended."""
        _writer_of(self._file).add(_Ended(self, recorder, time.time()))

    async def aclose(self) -> None:
        """Waits until everything is written."""
        await written(self._file)

    def rows(self, recorder: TurnRecorder, ended: float) -> list[Row]:
        """Returns what is written about a turn: a row for each provider that had a part in it."""
        parts = [part for part in recorder.parts() if part.provider in self._accounts]
        return [self._row(part, ended) for part in parts if _was_asked(part)]

    def _row(self, result: RunResult[object], ended: float) -> Row:
        config, capabilities = self._accounts[result.provider]
        usage = result.usage or e.Usage()
        return Row(
            ended=ended,
            day=time.strftime("%Y-%m-%d", time.localtime(ended)),
            provider=result.provider,
            transport=result.transport,
            account=config.account or "",
            model=result.model or "",
            session=result.session_id,
            reason=result.reason,
            payer=_payer(config, result.events),
            seconds=result.elapsed,
            input=usage.input_tokens,
            cached=usage.cached_input_tokens,
            cache_write=usage.cache_write_tokens,
            output=usage.output_tokens,
            reasoning=usage.reasoning_tokens,
            model_calls=_model_calls(result.events) if capabilities.usage_during else None,
            tool_calls=sum(map(_is_call, result.events)),
            vendor_usd=usage.reported_usd,
        )

    def warn(self, error: Exception) -> None:
        """Logs, once, that turns are missing in the ledger."""
        if not self._warned:
            self._warned = True
            _log.warning("turns are not written to the ledger %s: %s", self._file, error)


async def written(file: Path) -> None:
    """Waits until everything is written that this process has for a ledger."""
    writer = _writer_of(file)
    if writer.running:
        await aside(writer.finish)


class _Ended(NamedTuple):
    ledger: Ledger
    recorder: TurnRecorder
    at: float

    def rows(self) -> list[Row]:
        return self.ledger.rows(self.recorder, self.at)


class _Writer:
    """Writes to one file, in a thread that exists while there is something to write."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed = threading.Condition()
        self._waiting: list[_Ended] = []
        self._thread: threading.Thread | None = None
        self._finishing = False

    @property
    def running(self) -> bool:
        """Whether there may be something that is not written yet."""
        return self._thread is not None

    def add(self, turn: _Ended) -> None:
        with self._changed:
            self._waiting.append(turn)
            if self._thread is not None:
                self._changed.notify()
                return
            self._thread = threading.Thread(target=self._run, name="signedin ledger", daemon=True)
            thread = self._thread
        try:
            thread.start()
        except RuntimeError:  # the interpreter is exiting
            self._finishing = True
            self._run()

    def finish(self) -> None:
        """Waits until everything is written."""
        with self._changed:
            thread, self._finishing = self._thread, self._thread is not None
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        taken: list[_Ended] = []
        try:
            with closing(open_ledger(self._file)) as database:
                while taken := self._take():
                    write_rows(database, [row for each in taken for row in each.rows()])
        except Exception as error:
            taken = taken or self._take_waiting()
            while taken:  # who waits for this thread finds the warnings logged
                for each in taken:
                    each.ledger.warn(error)
                taken = self._take_waiting()

    def _take(self) -> list[_Ended]:
        """Waits for turns; returns none when the thread has to end."""
        with self._changed:
            if not self._waiting and not self._finishing:
                self._changed.wait(_IDLE_SECONDS)
            return self._take_waiting()

    def _take_waiting(self) -> list[_Ended]:
        with self._changed:
            taken, self._waiting = self._waiting, []
            if not taken:
                self._thread, self._finishing = None, False
            return taken


_writers: dict[Path, _Writer] = {}


def _writer_of(file: Path) -> _Writer:
    return _writers.get(file) or _writers.setdefault(file, _Writer(file))


@atexit.register
def _finish_all() -> None:
    for writer in list(_writers.values()):
        writer.finish()


if hasattr(os, "register_at_fork"):
    # A thread does not exist in a forked child, but locks that it held stay locked there: of a
    # module that it was importing, for one. The child's own writers begin when it needs them.
    os.register_at_fork(before=_finish_all, after_in_child=_writers.clear)


def _was_asked(part: RunResult[object]) -> bool:
    """Whether a model may have been asked, which it is not without a login."""
    usage = part.usage or e.Usage()
    errors = [event.error for event in part.events if isinstance(event, e.ErrorEvent)]
    return errors[-1:] != [ErrorKind.AUTH_REQUIRED] or usage.input_tokens + usage.output_tokens > 0


def _is_call(event: e.Event) -> bool:
    is_action = isinstance(event, e.CommandEvent | e.FileChangeEvent | e.ToolEvent)
    return is_action and event.status not in {"started", "output"}


def _payer(config: ProviderConfig, events: Sequence[e.Event]) -> str:
    if config.billing is not None:
        return config.billing
    # Only a turn that a plan pays for reports what is left of one.
    has_plan = any(isinstance(event, e.RateLimitEvent) for event in events)
    return "subscription" if has_plan else "unknown"


def _model_calls(events: Sequence[e.Event]) -> int:
    """Counts the reports of tokens, of which some come twice."""
    reports = [event.usage for event in events if isinstance(event, e.UsageEvent)]
    tokens = [(usage.input_tokens, usage.output_tokens) for usage in reports]
    return sum(one != before for before, one in zip([None, *tokens], tokens, strict=False))
