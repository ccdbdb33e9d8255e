"""``signedin batch``: a prompt for each row of a file, with a journal."""

from __future__ import annotations

import asyncio
import codecs
import csv
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast, get_args

import click
import msgspec

from signedin.cli import options, values
from signedin.cli.documents import Retried, RowLine, StatusLine
from signedin.cli.errors import FAILURE, SIGNALLED, SUCCESS, UsageError
from signedin.cli.output import write, write_json
from signedin.cli.signals import calling_on_stop
from signedin.cli.tables import aligned, local_time
from signedin.client.async_client import AsyncClient
from signedin.jobs.batch.batch import AsyncBatch, FailedRows
from signedin.jobs.batch.dask import DaskExecutor
from signedin.jobs.batch.journal import read_records, read_status
from signedin.jobs.batch.reports import BatchRecord, BatchStatus
from signedin.model import choices
from signedin.model.options import TurnKeywords
from signedin.wire.jsonl import repair_surrogates

if TYPE_CHECKING:
    from signedin.model.budget import Budget

_journal = click.argument(
    "journal", type=options.FILE, help="The file that --journal of `batch run` named."
)


@click.group(cls=options.Group)
def batch() -> None:
    """Run a prompt for each row of a file, whatever dies meanwhile."""


@batch.command()
@click.argument(
    "rows",
    help="A file of JSON lines, or of comma-separated values (.csv) with names in the first line; "
    "- reads JSON lines from standard input.",
)
@click.option(
    "--prompt",
    required=True,
    metavar="TEXT",
    help="What to ask about a row: names of its fields stand in braces, as in 'Classify {text}'.",
)
@click.option(
    "--journal",
    required=True,
    metavar="FILE",
    help="Stores the rows and what became of them; with one that exists, only what is missing is "
    "run.",
)
@click.option(
    "--key", metavar="FIELD", help="The field that distinguishes the rows; all if not given."
)
@click.option(
    "--concurrency",
    default="auto",
    metavar="NUMBER",
    help="How many rows run at once, or auto, which finds out.",
)
@click.option(
    "--dask",
    metavar="ADDRESS",
    help="Run the rows on the workers of a Dask scheduler, such as tcp://10.0.0.1:8786.",
)
@click.option(
    "--on-limit",
    type=click.Choice(get_args(choices.OnBatchLimit)),
    default="wait",
    help="When the plan is used up: wait until it is not, go to the next of several providers, or "
    "stop.",
)
@click.option(
    "--on-crash",
    type=click.Choice(get_args(choices.OnCrash)),
    help="What to do with rows that were running when the program was killed: resume their "
    "conversations (the default), run them again (with --worktree), or ask, which makes them "
    "failed rows.",
)
@click.option(
    "--worktree",
    is_flag=True,
    help="Each row works in a copy of the repository; what it changed is stored in the journal.",
)
@click.option(
    "--output-schema",
    type=options.FILE,
    metavar="FILE",
    help="Each answer is JSON that fits the JSON Schema of this file.",
)
@options.providers
@options.model
@options.effort
@options.cwd
@options.permissions
@options.sandbox
@options.policy
@options.trust_project
@options.instructions
@options.mcp_server
@click.option("--timeout", type=float, metavar="SECONDS", help="Time a row may take in all.")
@options.idle_timeout
@options.budget
@options.retry
@options.source()
@options.account
@options.billing
@options.transport
@options.command
@options.env
@options.unset
@options.no_ledger
@options.provider_option
@click.option(
    "--json", is_flag=True, help="Write JSON: a line per row as it ends, then the status."
)
def run(
    *,
    rows: str,
    prompt: str,
    journal: str,
    key: str | None,
    concurrency: str,
    dask: str | None,
    on_limit: choices.OnBatchLimit,
    on_crash: choices.OnCrash | None,
    worktree: bool,
    output_schema: Path | None,
    provider: str,
    model: str | None,
    effort: str | None,
    cwd: str | None,
    permissions: choices.Permissions | None,
    sandbox: dict[str, Any],
    policy: Path | None,
    trust_project: bool,
    instructions: str | None,
    mcp_server: Sequence[Path],
    timeout: float | None,
    idle_timeout: float | None,
    budget: Budget | None,
    retry: int | None,
    source: choices.AuthSource,
    account: str | None,
    billing: choices.Billing | None,
    transport: str | None,
    command: str | None,
    env: Sequence[str],
    unset: Sequence[str],
    provider_option: Sequence[str],
    json: bool,
) -> int:
    """Run a prompt for each row of a file.

    Ctrl-C lets the rows that are running end; a second one stops them. The same command continues.

    \b
    signedin batch run rows.jsonl --prompt "Classify {text}" --journal run.db
    signedin batch run rows.csv --prompt "Translate {text}" --key id --journal run.db
    """
    given = {
        "cwd": cwd,
        "model": model,
        "effort": effort,
        "timeout": timeout,
        "idle_timeout": idle_timeout,
        "budget": budget,
        "retry": values.retry(retry),
        "permissions": permissions,
        **sandbox,
        "policy": values.policy(policy) if policy else None,
        "instructions": instructions,
        "trust_project": trust_project or None,
        "env": values.variables(env, unset) or None,
        "mcp_servers": values.mcp_servers(mcp_server) if mcp_server else None,
        "provider_options": values.provider_options(provider_option) if provider_option else None,
    }
    client = AsyncClient(
        options.providers_of(provider),
        on_limit="next" if on_limit == "next" else None,
        transport=transport,
        auth_source=source,
        account=account,
        billing=billing,
        command=values.words(command) if command is not None else None,
    )
    prepared = client.batch(
        _read(rows),
        journal=journal,
        prompt=prompt,
        key=key,
        concurrency=_concurrency(concurrency),
        on_limit=on_limit,
        on_crash=on_crash,
        worktree=worktree,
        output=values.output_schema(output_schema) if output_schema else None,
        # Only what was given: a provider refuses what it cannot honour.
        **cast("TurnKeywords", {name: value for name, value in given.items() if value is not None}),
    )
    return asyncio.run(_follow(client, prepared, DaskExecutor(dask) if dask else None, json=json))


@batch.command()
@_journal
@options.json
def status(*, journal: Path, json: bool) -> None:
    """Show how far a batch is, also while it is running."""
    found = read_status(journal)
    if json:
        write_json(found)
    else:
        write(summary(found))


@batch.command()
@_journal
@options.json
def retry(*, journal: Path, json: bool) -> None:
    """Make failed rows pending, so that `batch run` begins them anew."""
    retried = FailedRows(journal).retry()
    if json:
        write_json(Retried(retried))
    else:
        write(f"{retried:,} failed rows are pending again; start them with: signedin batch run\n")


@batch.command()
@_journal
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv"]),
    default="jsonl",
    help="What to write.",
)
@click.option("--state", type=click.Choice(["done", "failed"]), help="Rows in this state only.")
def export(*, journal: Path, form: str, state: str | None) -> None:
    """Write the rows and their answers to standard output.

    \b
    signedin batch export run.db --format csv > answers.csv
    signedin batch export run.db --state failed | jq -r .error
    """
    if form == "csv":
        _write_csv(journal, state)
        return
    for record in read_records(journal):
        if state in {None, record.state}:
            write_json(record)


@batch.command()
@_journal
@click.argument("file", type=options.FILE, help="The page to write.")
@click.option(
    "--transcripts",
    type=options.FILE,
    metavar="DIR",
    help="Write a page about each row as well, into this folder, and link to it.",
)
def page(*, journal: Path, file: Path, transcripts: Path | None) -> None:
    """Write one HTML page about a batch: its rows, their answers, and when each was running.

    \b
    signedin batch page run.db morning.html --transcripts morning
    """
    from signedin.cli.page.batch import write_batch_page  # noqa: PLC0415 - jinja2 takes 60 ms

    write_batch_page(journal, file, transcripts)


def summary(found: BatchStatus) -> str:
    """Returns the status of a batch as lines."""
    states = ("done", "failed", "running", "waiting", "interrupted", "pending")
    rows = [(name, f"{getattr(found, name):,}") for name in states]
    rows += [("rows", "not all read yet" if found.total is None else f"{found.total:,}")]
    rows += [("tokens", f"{found.usage.input_tokens:,} in, {found.usage.output_tokens:,} out")]
    if found.cost_usd:
        rows += [("cost", f"${found.cost_usd:,.2f}")]
    if found.waits_until is not None:
        rows += [("waits for", f"{found.waits_for} until {local_time(found.waits_until)}")]
    return aligned(rows)


async def _follow(
    client: AsyncClient,
    running: AsyncBatch[object],
    executor: DaskExecutor | None,
    *,
    json: bool,
) -> int:
    """Runs a batch and shows how far it is; returns the exit code."""
    from signedin.cli.batch_progress import progress_on  # noqa: PLC0415 - rich takes 80 ms

    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - a coroutine runs in a task
    signals: list[int] = []
    stops: list[asyncio.Task[None]] = []

    def on_signal(signum: int) -> None:
        signals.append(signum)
        if len(signals) == 1:
            click.echo("ends with the rows that are running; Ctrl-C again stops them", err=True)
            stops.append(asyncio.create_task(running.stop()))
        elif len(signals) == 2:
            task.cancel()

    try:
        async with client, progress_on(sys.stderr, running) as progress:
            with calling_on_stop(asyncio.get_running_loop(), on_signal):
                async with aclosing(running.run(executor=executor)) as outcomes:
                    async for outcome in outcomes:
                        progress.ended(outcome)
                        if json:
                            write_json(RowLine.of(outcome))
    except asyncio.CancelledError:
        if len(signals) < 2:
            raise
        task.uncancel()
    found = running.status()
    if json:
        write_json(StatusLine(**msgspec.structs.asdict(found)))
    else:
        write(summary(found))
    if signals:
        return SIGNALLED + signals[0]
    return FAILURE if found.failed else SUCCESS


def _concurrency(given: str) -> int | Literal["auto"]:
    if given == "auto":
        return given
    if not given.isdecimal() or not int(given):
        raise UsageError(f"--concurrency takes auto or a whole number from 1, not {given!r}")
    return int(given)


def _read(rows: str) -> Iterator[dict[str, object]]:
    """Reads rows as they are needed; a file that is not there is an error at once."""
    if rows == "-":
        # A reader of its own: the program ends while a thread waits for its lines, and
        # Python aborts if it cannot close `sys.stdin` then.
        return _json_lines(open(sys.stdin.fileno(), "rb", closefd=False), "standard input")
    file = Path(rows)
    if file.suffix.lower() == ".csv":
        opened = file.open(encoding="utf-8-sig", errors="surrogateescape", newline="")
        return _csv_rows(opened, rows)
    return _json_lines(file.open("rb"), rows)


def _json_lines(stream: BinaryIO, where: str) -> Iterator[dict[str, object]]:
    with stream:
        for number, line in enumerate(stream, 1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if not text.strip():
                continue
            try:
                yield msgspec.json.decode(repair_surrogates(text), type=dict[str, object])
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise UsageError(
                    f"{where}, line {number}: it is not a JSON object: {error}"
                ) from None


def _csv_rows(stream: io.TextIOWrapper, where: str) -> Iterator[dict[str, object]]:
    csv.field_size_limit(sys.maxsize)  # a field may be a document
    with stream:
        reader = csv.reader(_checked_lines(stream, where), strict=True)
        names: list[str] | None = None
        line = 1
        try:
            for fields in reader:
                if names is None:
                    names = _checked_names(fields, where)
                elif fields:
                    if len(fields) != len(names):
                        raise UsageError(
                            f"{where}, line {line}: it does not have as many fields as the first "
                            "line has names"
                        )
                    yield dict(zip(names, fields, strict=True))
                line = reader.line_num + 1
        except csv.Error as error:
            what = "a quote is not closed" if "unexpected end" in str(error) else error
            raise UsageError(f"{where}, line {line}: {what}") from None
    if names is None:
        raise UsageError(f"{where} is empty: the first line has the names of the fields")


def _checked_lines(stream: io.TextIOWrapper, where: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
        try:
            line.encode()  # what is not UTF-8 has been escaped, to be found in its own line
        except UnicodeEncodeError:
            raise UsageError(f"{where}, line {number}: it is not UTF-8") from None
        if "\0" in line:
            raise UsageError(f"{where}, line {number}: it has a NUL; is it UTF-16, or no text?")
        yield line


def _checked_names(names: list[str], where: str) -> list[str]:
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{where}, line 1: it names {twice!r} twice")
    return names


def _write_csv(journal: Path, state: str | None) -> None:
    """Writes the rows as they come; those that are added meanwhile are left for the next time."""
    fields: dict[str, None] = {}
    number = 0
    for record in read_records(journal):
        fields |= dict.fromkeys(record.row)
        number += 1
    own = [name for name in BatchRecord.__struct_fields__ if name != "row"]
    _write_csv_line([*(f"row.{name}" for name in fields), *own])
    for record in islice(read_records(journal), number):
        if state in {None, record.state}:
            of_row = [_cell(record.row.get(name)) for name in fields]
            _write_csv_line([*of_row, *(_cell(getattr(record, name)) for name in own)])


def _write_csv_line(cells: Sequence[str]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerow(cells)
    write(text.getvalue())


def _cell(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return msgspec.json.encode(value).decode()
