"""Batches without ``await``.

Generated from the asynchronous classes: python scripts/generate_blocking.py
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic

from signedin.jobs.batch.batch import AsyncBatch, FailedRows
from signedin.jobs.batch.dask import DaskExecutor
from signedin.jobs.batch.reports import BatchRecord, BatchStatus, RowOutcome
from signedin.model.results import OutputT_co
from signedin.runtime.background_loop import call
from signedin.runtime.handles import Handle, each_of


class Batch(Handle[AsyncBatch[OutputT_co]], Generic[OutputT_co]):
    """Rows and the journal of what became of them; made by `Client.batch`."""

    def run(self, *, executor: DaskExecutor | None = None) -> Iterator[RowOutcome[OutputT_co]]:
        """Runs the rows that are not answered yet, a few at a time.

        Leaving the loop early stops what is running; a later run continues there.

        Args:
            executor: Runs them elsewhere than in this process.

        Returns:
            How each of them ended, as they end. What waits comes when it has been answered.

        Raises:
            UsageLimitError: The plan is used up, with ``on_limit="stop"``.
            BudgetExceededError: A budget of the batch or its client is used up. What was not sent
                is pending; what was stopped is sent again, or continues.
            InvalidOptionError: A row cannot be used, or something cannot be sent to ``executor``.
            SignedinError: The batch is running already; the journal cannot be written; or no row
                could be answered, because nobody is signed in. Rows that were running then have
                ended before, and nothing of them is lost.
        """
        return each_of(self._async.run(executor=executor), self._owner)

    def stop(self) -> None:
        """Has a run end once the rows that are running have ended."""
        call(self._async.stop)

    def status(self) -> BatchStatus:
        """Returns how far the batch is, in whichever process it is running."""
        return self._async.status()

    def records(self) -> Iterator[BatchRecord[OutputT_co]]:
        """Iterates over the rows as the journal has them, in their order.

        Raises:
            OutputError: An answer that fitted ``output=`` does not any more.
        """
        return self._async.records()

    def failed(self) -> FailedRows:
        """Returns the rows that failed."""
        return self._async.failed()

    def apply(self, record: BatchRecord) -> tuple[str, ...]:
        """Merges what a row has changed in its worktree into the repository.

        Returns:
            The paths of the files that are different now.

        Raises:
            WorktreeError: The row has no changes.
            ChangeConflictError: The same was changed there meanwhile; nothing was applied.
        """
        return call(lambda: self._async.apply(record))

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")
