"""The jobs that are functions, without ``await``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from signedin.client.async_client import AsyncClient
from signedin.client.blocking import Client
from signedin.jobs.best_of import (
    CHECK_SECONDS,
    Candidate,
    Review,
    async_best_of,
    async_review,
)
from signedin.jobs.blocking import BestOf, Worktree
from signedin.jobs.changes import Changes
from signedin.model.choices import Permissions
from signedin.model.options import StrPath
from signedin.model.results import RunResult
from signedin.runtime.background_loop import call

BlockingContestant: TypeAlias = "str | tuple[str, Mapping[str, object]] | Client"


def worktree(
    repository: StrPath = ".",
    *,
    base: str = "HEAD",
    include: Sequence[str] = (),
    setup: str | Sequence[str] | None = None,
) -> Worktree:
    """Returns a copy of a repository for a ``with`` block; see `AsyncWorktree`."""
    return Worktree(repository, base=base, include=include, setup=setup)


def best_of(
    contestants: Sequence[BlockingContestant],
    prompt: str,
    *,
    cwd: StrPath = ".",
    base: str = "HEAD",
    include: Sequence[str] = (),
    setup: str | Sequence[str] | None = None,
    check: str | Sequence[str] | None = None,
    check_timeout: float | None = CHECK_SECONDS,
    judge: Client | None = None,
    permissions: Permissions = "workspace-write",
) -> BestOf:
    """Runs the same prompt with several agents, each in a worktree; see `async_best_of`."""
    made = call(
        lambda: async_best_of(
            [_async_of(each) if isinstance(each, Client) else each for each in contestants]
            if not isinstance(contestants, str)
            else contestants,
            prompt,
            cwd=cwd,
            base=base,
            include=include,
            setup=setup,
            check=check,
            check_timeout=check_timeout,
            judge=None if judge is None else _async_of(judge),
            permissions=permissions,
        )
    )
    return BestOf(made, (contestants, judge))


def review(candidate: Candidate | Changes, by: Client, *, prompt: str = "") -> RunResult[Review]:
    """Asks an agent to review changes; see `async_review`."""
    return call(lambda: async_review(candidate, _async_of(by), prompt=prompt))


def _async_of(client: Client) -> AsyncClient:
    """Returns what a client calls in the background loop, where the jobs run as well."""
    return client._async  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
