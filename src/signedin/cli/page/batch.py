"""What became of a batch, as one HTML page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from markupsafe import Markup

from signedin.accounts.files import write_private
from signedin.cli.page.document import check_target, resources, write_page
from signedin.cli.page.record import Conversation, Exchange
from signedin.cli.tables import one_line
from signedin.jobs.batch.journal import Shown, read_options, read_shown, read_status
from signedin.jobs.batch.reports import BatchRecord, RowRun
from signedin.jobs.batch.rows import Template

_WIDTH = 860.0
_MOST_DRAWN = 5_000
"""Runs in the timeline; with more, it shows the last ones."""

_REFUSALS = ("usage_limit", "rate_limited", "overloaded")
_LONGEST_ANSWER = 2_000
_LONGEST_ROW = 160


class TableRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table."""

    record: BatchRecord
    row: str
    answer: str
    link: str | None


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of the timeline, in pixels."""

    x: float
    width: float
    lane: int
    ending: str
    title: str


class Timeline(msgspec.Struct, frozen=True):
    """What ran when, in lanes, and what waited meanwhile."""

    runs: list[Mark]
    waits: list[Mark]
    lanes: int


def write_batch_page(journal: Path, path: Path, transcripts: Path | None) -> None:
    """Writes a page that only its owner can read.

    Args:
        journal: Has the batch.
        path: The page to write.
        transcripts: A folder for a page about each row.

    Raises:
        InvalidOptionError: It cannot be written there.
        SignedinError: The journal cannot be read.
        OSError: The system refused.
    """
    check_target(path)
    status = read_status(journal)
    template = Template(read_options(journal)["#prompt"])
    if transcripts is not None:
        transcripts.mkdir(mode=0o700, exist_ok=True)
    lines: list[TableRow] = []
    runs: list[tuple[BatchRecord, Sequence[RowRun]]] = []
    for shown in read_shown(journal):
        link = None
        if transcripts is not None and shown.record.seconds is not None:
            transcript = transcripts / f"{shown.record.index + 1}.html"
            write_page(_conversation(shown, template), transcript)
            link = Path(os.path.relpath(transcript, path.parent)).as_posix()
        lines.append(_line(shown.record, link))
        runs.append((shown.record, shown.runs))
    page = resources("batch.html")
    html = page.template.render(
        style=Markup(page.style),  # noqa: S704 - the style sheet of this package
        style_hash=Markup(page.style_hash),  # noqa: S704 - base64
        name=journal.name,
        status=status,
        lines=lines,
        timeline=_timeline(runs),
    )
    write_private(path.resolve(), html.encode())


def _line(record: BatchRecord, link: str | None) -> TableRow:
    answer = record.error or record.text or ""
    if len(answer) > _LONGEST_ANSWER:
        answer = f"{answer[:_LONGEST_ANSWER]}…"
    fields = ", ".join(f"{name}: {value}" for name, value in record.row.items())
    return TableRow(record=record, row=one_line(fields, _LONGEST_ROW), answer=answer, link=link)


def _conversation(shown: Shown, template: Template) -> Conversation:
    record = shown.record
    exchange = Exchange(
        prompt=template.fill(record.row, f"row {record.index + 1}"),
        events=shown.read_events(),
        reason="failed" if record.error else "completed",
        started_at=record.started,
        elapsed=record.seconds,
        error=record.error or "",
    )
    return Conversation(
        exchanges=(exchange,),
        provider=record.provider or "",
        model=record.model,
        session_id=record.session_id,
    )


def _timeline(rows: Sequence[tuple[BatchRecord, Sequence[RowRun]]]) -> Timeline | None:
    """Draws each run in the first lane that is free, and waits behind them."""
    runs = sorted(
        ((run, record) for record, its in rows for run in its), key=lambda pair: pair[0].began
    )[-_MOST_DRAWN:]
    if not runs:
        return None
    first = runs[0][0].began
    last = max(run.ended or run.began for run, _ in runs)
    scale = _WIDTH / max(last - first, 0.001)
    free: list[float] = []
    marks: list[Mark] = []
    for run, record in runs:
        ended = run.ended or run.began
        lane = next((n for n, until in enumerate(free) if until <= run.began), len(free))
        free[lane : lane + 1] = [ended]
        title = f"{record.key}: {run.ending or 'running'}, {ended - run.began:.1f} s"
        width = max((ended - run.began) * scale, 1.0)
        x = (run.began - first) * scale
        marks.append(Mark(x=x, width=width, lane=lane, ending=run.ending, title=title))
    waits = [
        Mark(
            x=(run.ended - first) * scale,
            width=max(((following.began if following else last) - run.ended) * scale, 1.0),
            lane=0,
            ending=run.ending,
            title=f"{record.key} waits: {run.ending}",
        )
        for record, its in rows
        for run, following in zip(its, [*its[1:], None], strict=False)
        if run.ended is not None and run.ended >= first and run.ending in _REFUSALS
    ]
    return Timeline(marks, waits, len(free))
