"""A batch: many rows that are each answered once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Generic, cast, get_args

import msgspec

from signedin.client.budgets import turn_meter
from signedin.jobs.batch.dask import DaskExecutor
from signedin.jobs.batch.journal import opened, prepare, read_records, read_status
from signedin.jobs.batch.local import LocalExecutor
from signedin.jobs.batch.pace import Concurrency, Pace
from signedin.jobs.batch.reports import BatchRecord, BatchStatus, RowOutcome
from signedin.jobs.batch.rows import Row, RowReader, Template
from signedin.jobs.batch.runner import BatchRun, Executor, JournalThread, Plan
from signedin.jobs.changes import apply_changes
from signedin.jobs.worktree import AsyncWorktree
from signedin.model.choices import OnBatchLimit, OnCrash
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError, WorktreeError
from signedin.model.options import StrPath, TurnOptions, check_choice, check_switch
from signedin.model.results import OutputT_co
from signedin.wire.jsonl import encode, well_formed

if TYPE_CHECKING:
    from signedin.client.async_client import AsyncClient


class AsyncBatch(Generic[OutputT_co]):
    """Rows and the journal of what became of them; made by `AsyncClient.batch`."""

    def __init__(
        self,
        client: AsyncClient,
        rows: Iterable[Row],
        options: TurnOptions,
        *,
        prompt: str,
        journal: StrPath,
        key: str | None,
        concurrency: Concurrency,
        on_limit: OnBatchLimit,
        on_crash: OnCrash | None,
        worktree: bool,
    ) -> None:
        for option, value in {"prompt": prompt, "key": key}.items():
            if not isinstance(cast("object", value), str | None):
                raise InvalidOptionError(f"{option} must be a string, not {value!r}")
        check_choice("on_limit", on_limit, get_args(OnBatchLimit))
        check_switch("worktree", worktree)
        on_crash = on_crash or ("again" if worktree else "resume")
        check_choice("on_crash", on_crash, get_args(OnCrash))
        if worktree:
            _check_worktree(options, on_crash)
        can_resume = client.capabilities.resume and not options.ephemeral
        _check_reach(client, on_limit, on_crash, can_resume=can_resume)
        Pace(concurrency)
        turn_meter(client.provider, client.capabilities, options)  # else each row would be refused
        self._file = Path(journal).expanduser().absolute()
        template = Template(prompt)
        asked = _asked(client, options, prompt, key, worktree=worktree)
        prepare(self._file, asked)
        self._plan = Plan(
            file=self._file,
            template=template,
            concurrency=concurrency,
            on_limit=on_limit,
            on_crash=on_crash,
            can_resume=can_resume,
            worktree=worktree,
        )
        self._reader = RowReader(rows, template, key, msgspec.json.encode(asked))
        self._client = client
        self._options = options
        self._stopping = asyncio.Event()

    def run(
        self, *, executor: DaskExecutor | None = None
    ) -> AsyncGenerator[RowOutcome[OutputT_co], None]:
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
                could be answered, because of a missing login. Rows that were running then have
                ended before, and nothing of them is lost.
        """
        if executor is not None and not isinstance(cast("object", executor), DaskExecutor):
            raise InvalidOptionError(f"executor must be a DaskExecutor, not {executor!r}")
        self._stopping = asyncio.Event()
        return self._outcomes(executor, self._stopping)

    async def stop(self) -> None:
        """Stops a run after the running rows."""
        self._stopping.set()

    def status(self) -> BatchStatus:
        """Returns how far the batch is, in whichever process it is running."""
        return read_status(self._file)

    def records(self) -> Iterator[BatchRecord[OutputT_co]]:
        """Iterates over the rows as the journal has them, in their order.

        Raises:
            OutputError: An answer that fitted ``output=`` does not any more.
        """
        return map(self._typed, read_records(self._file))

    def failed(self) -> FailedRows:
        """Returns the rows that failed."""
        return FailedRows(self._file)

    async def apply(self, record: BatchRecord) -> tuple[str, ...]:
        """Merges what a row has changed in its worktree into the repository.

        Returns:
            The paths of the files that are different now.

        Raises:
            WorktreeError: The row has no changes.
            ChangeConflictError: The same was changed there meanwhile; nothing was applied.
        """
        if record.changes is None:
            raise WorktreeError(f"the row {record.key!r} has no changes of a worktree")
        return await apply_changes(record.changes, Path(record.changes.repository))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self._file)!r})"

    def _typed(self, record: BatchRecord) -> BatchRecord[OutputT_co]:
        """Reads the answer of a row as its outcome was read."""
        wanted = self._options.output
        if wanted is not None and record.state == "done" and record.text is not None:
            record = msgspec.structs.replace(record, output=wanted.parse(record.text))
        return cast("BatchRecord[OutputT_co]", record)  # as the options say

    async def _outcomes(
        self, executor: DaskExecutor | None, stopping: asyncio.Event
    ) -> AsyncGenerator[RowOutcome[OutputT_co], None]:
        async with JournalThread(self._file) as thread, self._serving(executor) as serving:
            run = BatchRun(self._plan, thread, self._reader, serving, stopping)
            async with aclosing(run.outcomes()) as outcomes:
                async for outcome in outcomes:
                    yield cast("RowOutcome[OutputT_co]", outcome)  # as the options say

    def _serving(self, executor: DaskExecutor | None) -> AbstractAsyncContextManager[Executor]:
        if executor is None:
            local = LocalExecutor(self._client, self._options, worktree=self._plan.worktree)
            return nullcontext(local)
        if self._plan.worktree:
            raise InvalidOptionError("worktree= belongs to this process; workers cannot use it")
        return executor.serving(self._client, self._options, self._file)


class FailedRows:
    """The rows of a batch that failed; made by `AsyncBatch.failed`."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def records(self) -> Iterator[BatchRecord]:
        """Iterates over them."""
        return (record for record in read_records(self._file) if record.state == "failed")

    def retry(self) -> int:
        """Makes them pending, so that the next run begins them anew; returns how many."""
        with opened(self._file) as journal:
            return journal.retry()


def _check_reach(
    client: AsyncClient, on_limit: OnBatchLimit, on_crash: OnCrash, *, can_resume: bool
) -> None:
    if on_crash == "resume" and not can_resume:
        has = client.capabilities.resume
        why = "ephemeral=True" if has else "its sessions cannot be resumed"
        raise UnsupportedOptionError(
            client.provider, "on_crash='resume'", f"{why}; choose on_crash='again' or 'ask'"
        )
    if on_limit == "next" and client.on_limit not in {"next", "handover"}:
        raise InvalidOptionError(
            "on_limit='next' needs a client that goes to its next provider, such as "
            "Client(['claude', 'codex'], on_limit='next')"
        )


def _check_worktree(options: TurnOptions, on_crash: OnCrash) -> None:
    AsyncWorktree(options.cwd)  # checks the folder
    if options.permissions == "read-only":
        raise InvalidOptionError(
            "worktree=True is for changes, and the agent may make none: "
            "add permissions='workspace-write'"
        )
    if on_crash == "resume":
        raise InvalidOptionError(
            "on_crash='resume' continues a conversation in its folder, and a worktree does not "
            "outlive its process: choose on_crash='again' or 'ask'"
        )


def _asked(
    client: AsyncClient, options: TurnOptions, prompt: str, key: str | None, *, worktree: bool
) -> dict[str, str]:
    """Returns what the rows are asked by name; of what may be secret, a digest."""
    shown = {
        "provider": client.provider,
        "transport": client.transport,
        "model": options.model,
        "effort": options.effort,
        "permissions": options.permissions,
        "sandbox": options.sandbox,
        "sandbox_exclude_read": ", ".join(options.sandbox_exclude_read or ()),
        "cwd": str(options.cwd),
        "worktree": str(worktree),
        "trust_project": str(options.trust_project),
        "tools": ", ".join(tool.name for tool in options.tools),
        "mcp_servers": ", ".join(sorted(options.mcp_servers)),
        "key": key,
        "#prompt": prompt,
    }
    hidden = {
        "#instructions": options.instructions,
        "#output": options.output and options.output.schema,
        "#policy": options.policy,
        "#images": options.images,
        "#provider_options": options.provider_options,
    }
    digests = {name: _digest(value) for name, value in hidden.items() if value}
    return {**{name: well_formed(value) for name, value in shown.items() if value}, **digests}


def _digest(value: object) -> str:
    plain = msgspec.to_builtins(value, enc_hook=lambda other: type(other).__name__, order="sorted")
    return hashlib.sha256(encode(plain)).hexdigest()
