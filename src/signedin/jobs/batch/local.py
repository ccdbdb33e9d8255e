"""Answers rows in this process, with the client the batch was made by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from signedin.jobs.batch.journal import Claimed
from signedin.jobs.batch.runner import OnChanges, OnSession
from signedin.jobs.worktree import AsyncWorktree
from signedin.model.errors import ErrorKind, SignedinError, WorktreeError, add_words
from signedin.model.events import Event, SessionEvent
from signedin.model.options import TurnOptions
from signedin.model.results import RunResult

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient

_CONTINUE = """\
You were interrupted while you worked on the task below. Look at how far you got, and continue \
there without doing anything twice. Then give the final answer, also if you had given it already.

{prompt}"""


class LocalExecutor:
    """Answers rows with a client.

    Args:
        client: The client.
        options: What its turns are asked for.
        worktree: Whether each row works in a worktree of its own.
    """

    memory: int | None = None

    def __init__(self, client: AsyncClient, options: TurnOptions, *, worktree: bool) -> None:
        self._client = client
        self._options = options
        self._worktree = worktree

    async def answer(
        self, row: Claimed, prompt: str, on_session: OnSession, on_changes: OnChanges
    ) -> RunResult[object]:
        """Runs a row; see `Executor.answer`."""
        if not self._worktree:
            return await self._answered(row, prompt, self._options, on_session)
        async with AsyncWorktree(self._options.cwd) as tree:
            options = msgspec.structs.replace(self._options, cwd=tree.path)
            try:
                result = await self._answered(row, prompt, options, on_session)
            except Exception as error:
                try:
                    await _store(tree, on_changes)
                except SignedinError as failure:
                    add_words(error, failure.message)
                raise
            try:
                await _store(tree, on_changes)
            except WorktreeError as error:
                error.result = result
                raise
            return result

    async def _answered(
        self, row: Claimed, prompt: str, options: TurnOptions, on_session: OnSession
    ) -> RunResult[object]:

        async def on_events(events: Sequence[Event]) -> None:
            for event in events:  # a turn may move to another provider's conversation
                if isinstance(event, SessionEvent):
                    await on_session(event.session_id)

        if row.session is not None:
            continued = _CONTINUE.format(prompt=prompt)
            try:
                return await self._client.run_with(continued, options, row.session, on_events)
            except SignedinError as error:
                if not _is_unknown(error):
                    raise
        return await self._client.run_with(prompt, options, on_events=on_events)


async def _store(tree: AsyncWorktree, on_changes: OnChanges) -> None:
    """Stores what was changed in a worktree, or where it is left."""
    try:
        changes = await tree.changes()
    except WorktreeError:
        await on_changes(tree.keep())
        raise
    try:
        await on_changes(changes)
    except BaseException:
        tree.keep()
        raise


def _is_unknown(error: SignedinError) -> bool:
    """Whether there is no such conversation: its process died before the vendor stored anything."""
    events = error.result.events if error.result else ()
    has_begun = any(isinstance(event, SessionEvent) for event in events)
    return error.kind is ErrorKind.INVALID_OPTION and not has_begun
