"""Many prompts, a few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from signedin.model.errors import InvalidOptionError, SignedinError, UsageLimitError
from signedin.model.results import Outcome, RunResult

Run = Callable[[str], Awaitable[RunResult[object]]]


async def map_prompts(
    run: Run, prompts: Iterable[str], concurrency: int, *, ordered: bool
) -> AsyncGenerator[Outcome[object], None]:
    """Runs prompts and yields their outcomes; see `AsyncClient.map`.

    At most ``concurrency`` prompts are under way or finished and not yet taken, so a slow consumer
    holds back the runs rather than filling memory. What ``prompts`` raises is raised once those
    that were begun have ended.
    """
    if isinstance(concurrency, bool) or concurrency < 1:
        raise InvalidOptionError(f"concurrency must be a whole number from 1, not {concurrency!r}")
    run = _until_used_up(run)
    waiting = _Waiting(prompts)
    running: dict[int, asyncio.Task[Outcome[object]]] = {}
    try:
        _start_more(run, waiting, running, concurrency)
        while running:
            index = next(iter(running)) if ordered else await _first_finished(running)
            yield await running.pop(index)
            _start_more(run, waiting, running, concurrency)
    finally:
        for task in running.values():
            task.cancel()
        await asyncio.gather(*running.values(), return_exceptions=True)
    if waiting.failure is not None:
        raise waiting.failure


class _Waiting:
    """Prompts that were not begun yet, up to where their iterable fails."""

    def __init__(self, prompts: Iterable[str]) -> None:
        self._prompts = enumerate(prompts)
        self.failure: BaseException | None = None

    def next(self) -> tuple[int, str] | None:
        if self.failure is None:
            try:
                return next(self._prompts, None)
            except BaseException as error:
                self.failure = error
        return None


def _until_used_up(run: Run) -> Run:
    """Sends nothing more once the plan is used up: every prompt would be refused alike."""
    used_up: UsageLimitError | None = None

    async def run_or_refuse(prompt: str) -> RunResult[object]:
        nonlocal used_up
        if used_up is not None:
            message = f"not sent, because the plan is used up: {used_up.message}"
            raise UsageLimitError(message, resets_at=used_up.resets_at, plan=used_up.plan)
        try:
            return await run(prompt)
        except UsageLimitError as error:
            used_up = error
            raise

    return run_or_refuse


def _start_more(
    run: Run,
    waiting: _Waiting,
    running: dict[int, asyncio.Task[Outcome[object]]],
    concurrency: int,
) -> None:
    while len(running) < concurrency and (entry := waiting.next()) is not None:
        index, prompt = entry
        running[index] = asyncio.create_task(_outcome(run, index, prompt))


async def _first_finished(running: dict[int, asyncio.Task[Outcome[object]]]) -> int:
    await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)
    return next(index for index, task in running.items() if task.done())


async def _outcome(run: Run, index: int, prompt: str) -> Outcome[object]:
    try:
        return Outcome(index=index, prompt=prompt, result=await run(prompt))
    except SignedinError as error:
        return Outcome(index=index, prompt=prompt, error=error)
