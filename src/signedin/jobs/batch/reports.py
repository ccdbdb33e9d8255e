"""What callers read of a batch: how a row ended, what the journal has of it, how far all are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, Literal, TypeAlias

import msgspec

from signedin.jobs.changes import Changes
from signedin.model.events import JSON, Usage
from signedin.model.results import Outcome, OutputT_co

RowState: TypeAlias = Literal["pending", "running", "waiting", "interrupted", "done", "failed"]
"""Where a row is. An ``interrupted`` one was running when its process died or was stopped."""


class RowOutcome(Outcome[OutputT_co], Generic[OutputT_co], frozen=True, kw_only=True):
    """What became of one row of a batch; an `Outcome` whose ``index`` counts the rows from 0.

    Attributes:
        key: Names the row in the journal.
        row: Its fields.
        attempts: How often it was started, in all runs.
    """

    key: str
    row: Mapping[str, JSON]
    attempts: int


class BatchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far a batch is.

    Attributes:
        total: How many rows there are, ``None`` as long as not all of them were read.
        pending: Rows in the journal that were not started yet.
        running: Rows that are running in some process.
        waiting: Rows that wait for a limit to be lifted.
        interrupted: Rows that were running when their process died or was stopped.
        done: Rows that are answered.
        failed: Rows that failed; `AsyncBatch.failed` names them.
        waits_for: Why rows wait, in the words of `ErrorKind`.
        waits_until: When the first of them is started again, in Unix seconds.
        usage: Tokens of all turns that have ended.
        cost_usd: US dollars of them, as the vendor reported or else at list price; ``None`` if some
            have no known price.
        seconds: How long turns took, all together.
        started: When the first row was started, in Unix seconds.
        ended: When the last row ended so far.
    """

    total: int | None
    pending: int = 0
    running: int = 0
    waiting: int = 0
    interrupted: int = 0
    done: int = 0
    failed: int = 0
    waits_for: str | None = None
    waits_until: float | None = None
    usage: Usage = Usage()
    cost_usd: float | None = None
    seconds: float = 0.0
    started: float | None = None
    ended: float | None = None


class RowRun(msgspec.Struct, frozen=True, array_like=True):
    """One time that a row was running.

    Attributes:
        began: In Unix seconds.
        ended: In Unix seconds; ``None`` while it runs, or if its process died.
        ending: ``done``, ``stopped``, or why it failed in the words of `ErrorKind`.
    """

    began: float
    ended: float | None
    ending: str


class BatchRecord(msgspec.Struct, Generic[OutputT_co], frozen=True, kw_only=True):
    """A row as the journal has it.

    Attributes:
        key: Names it.
        index: Its place among the rows, from 0.
        state: Where it is.
        row: Its fields.
        text: The answer.
        output: The structured output, if that was asked for: of the type that was, where a batch
            has it; as plain JSON in exports.
        error: Why it failed.
        error_kind: The same in the words of `ErrorKind`.
        provider: Who answered.
        model: The model that answered.
        session_id: Its conversation.
        attempts: How often it was started.
        seconds: How long its last run took.
        input_tokens: Of all its runs, as are those below.
        cached_input_tokens: Part of the input.
        output_tokens: With reasoning.
        cost_usd: As reported, else at list price; ``None`` if not known.
        started: When it was started first, in Unix seconds.
        ended: When it ended.
        waits_until: When it is started again, in Unix seconds.
        changes: What it has changed in its worktree, with ``worktree=True``, also if it failed;
            `AsyncBatch.apply` merges it into the repository.
    """

    key: str
    index: int
    state: RowState
    row: Mapping[str, object]
    text: str | None = None
    output: OutputT_co | None = None
    error: str | None = None
    error_kind: str | None = None
    provider: str | None = None
    model: str | None = None
    session_id: str | None = None
    attempts: int = 0
    seconds: float | None = None
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    started: float | None = None
    ended: float | None = None
    waits_until: float | None = None
    changes: Changes | None = None
