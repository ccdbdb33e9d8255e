"""Prompts that agents work on, whether a client waits for the answer or asks for it later."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Literal, Self, TypeAlias

import msgspec

from signedin.integrations.mcp.asking import Entered, Form
from signedin.model.errors import InvalidOptionError, SignedinError
from signedin.model.results import RunResult

PATIENCE = 600.0
"""Seconds that a client's user has for an answer; after that it is declined."""

_STORED = 200
"""How many jobs that have ended can still be asked for."""

_log = logging.getLogger("signedin")

Run: TypeAlias = Callable[["Job"], Awaitable[RunResult[object]]]
Status: TypeAlias = Literal["running", "waiting", "done", "failed", "stopped"]


class Asked(msgspec.Struct, frozen=True, eq=False):
    """A form, its name within its job, and what becomes of it."""

    key: str
    form: Form
    answer: asyncio.Future[Entered]


class Job:
    """A prompt that an agent works on.

    Attributes:
        id: Names it; cannot be guessed.
        provider: Who works on it.
        can_ask: Whether its client can ask its user.
        session_id: The conversation it is in, once that is known.
        result: What the agent returned.
        error: Why it failed.
        unseen: What the next who follows has to ask.
    """

    def __init__(self, provider: str, session_id: str | None, *, can_ask: bool) -> None:
        self.id = secrets.token_urlsafe(12)
        self.provider = provider
        self.session_id = session_id
        self.can_ask = can_ask
        self.result: RunResult[object] | None = None
        self.error: SignedinError | None = None
        self.unseen: list[Asked] = []
        self._task: asyncio.Task[None] | None = None
        self._lines: list[str] = []
        self._asked: dict[str, Asked] = {}
        self._news = asyncio.Event()

    @property
    def runs(self) -> bool:
        """Whether somebody works on it."""
        return self._task is not None and not self._task.done()

    @property
    def status(self) -> Status:
        """How far it is; ``waiting`` is for the client's user."""
        if self.runs:
            return "waiting" if self._asked else "running"
        if self.result is not None:
            return "done"
        return "failed" if self.error is not None else "stopped"

    def report(self, line: str) -> None:
        """Says what happens, to who follows."""
        self._lines.append(line)
        self._news.set()

    async def ask(self, form: Form) -> Entered:
        """Returns what the client's user enters, ``None`` if they decline or do not react."""
        future: asyncio.Future[Entered] = asyncio.get_running_loop().create_future()
        asked = self._asked[key] = Asked(key := secrets.token_urlsafe(6), form, future)
        self.unseen.append(asked)
        self._news.set()
        try:
            async with asyncio.timeout(PATIENCE):
                return await future
        except TimeoutError:
            return None
        finally:
            del self._asked[key]

    def answer(self, key: str, entered: Entered) -> None:
        """Answers a form, unless it is too late."""
        asked = self._asked.get(key)
        if asked is not None and not asked.answer.done():
            asked.answer.set_result(entered)

    async def news(self) -> tuple[list[str], list[Asked]]:
        """Waits until something happens; returns it, and what is to be asked."""
        self._news.clear()
        if self.runs and not self._lines and not self.unseen:
            await self._news.wait()
        lines, asked = self._lines, [each for each in self.unseen if not each.answer.done()]
        self._lines, self.unseen = [], []
        return lines, asked

    def begin(self, group: asyncio.TaskGroup, run: Run) -> None:
        """Begins to work on it."""
        self._task = group.create_task(self._work(run))
        self._task.add_done_callback(lambda _: self._news.set())

    def cancel(self) -> None:
        """Stops it."""
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        """Stops it."""
        self.cancel()
        if self._task is not None:
            await asyncio.wait({self._task})

    async def _work(self, run: Run) -> None:
        try:
            self.result = await run(self)
        except SignedinError as error:
            self.error = error
        except Exception as error:
            _log.exception("a prompt for %s failed", self.provider)
            self.error = SignedinError(f"signedin failed: {error!r}")


class Jobs:
    """The jobs of a server; leaving its ``with`` block stops them."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._group = asyncio.TaskGroup()

    def start(self, job: Job, run: Run) -> Job:
        """Begins to work on a job."""
        over = [name for name, each in self._jobs.items() if not each.runs]
        for name in over[: max(0, len(over) - _STORED)]:
            del self._jobs[name]
        self._jobs[job.id] = job
        job.begin(self._group, run)
        return job

    def find(self, name: str) -> Job:
        """Returns a job.

        Raises:
            InvalidOptionError: There is none of that name.
        """
        if name not in self._jobs:
            raise InvalidOptionError(f"this server has no job {name!r}; start returns their names")
        return self._jobs[name]

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for job in self._jobs.values():
            job.cancel()
        await self._group.__aexit__(None, None, None)
