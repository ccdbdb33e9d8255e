"""``signedin usage``: what turns have used, as the ledger says."""

from __future__ import annotations

from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import click

from signedin.cli import options
from signedin.cli.output import write, write_json
from signedin.cli.tables import aligned, bar, room_for_bars
from signedin.ledger.report import UsageReport, UsageRow, checked_keys, first_day, read_report

_LONGEST_BAR = 24
_SHORTEST_BAR = 6


@click.command()
@click.option(
    "--by",
    default="day",
    metavar="KEYS",
    help="What to add up by: of day,provider,account,model, one or several.",
)
@click.option(
    "--since", metavar="DAYS", help="The last days (7d) or weeks (4w), or since a date; else all."
)
@click.option(
    "--page",
    type=options.FILE,
    metavar="FILE",
    help="Write an HTML page with plots instead of a table.",
)
@options.json
def usage(*, by: str, since: str | None, page: Path | None, json: bool) -> None:
    """Show what turns have used: tokens, calls and dollars.

    Dollars are those that the vendor reported, else list prices. On a plan they are not billed.

    \b
    signedin usage
    signedin usage --by provider,model --since 7d
    signedin usage --page usage.html
    """
    today = datetime.now().astimezone().date()
    report = read_report(checked_keys(by), first_day(since, today) if since else None)
    if page is not None:
        from signedin.cli.page.usage import write_usage_page  # noqa: PLC0415 - jinja2 takes 60 ms

        write_usage_page(report, page)
    if json:
        write_json(report)
    elif page is None:
        write(_table(report))


def _table(report: UsageReport) -> str:
    if not report.rows:
        return "no turns are in the ledger\n"
    most = max(tokens(row) for row in report.rows)
    head = (*(key.upper() for key in report.by), "TURNS", "INPUT", "CACHED", "OUTPUT", "COST")
    rows = [head, *(_cells(row, report) for row in report.rows)]
    if len(report.rows) > 1:
        rows.append(_cells(report.total, report))
    if room := room_for_bars(rows, shortest=_SHORTEST_BAR, longest=_LONGEST_BAR):
        bars = ["TOKENS", *(bar(tokens(row), most, room) for row in report.rows), ""]
        rows = [(*row, drawn) for row, drawn in zip(rows, bars, strict=False)]
    return aligned(rows) + _notes(report.total)


def _cells(row: UsageRow, report: UsageReport) -> tuple[str, ...]:
    total = "total" if row is report.total else "-"
    names = [getattr(row, key) or total for key in report.by]
    counts = (row.turns, row.input_tokens, row.cached_input_tokens, row.output_tokens)
    return (*names, *(f"{count:,}" for count in counts), cost(row))


def cost(row: UsageRow) -> str:
    """Returns the price of turns; ``~`` says that some of it is a list price."""
    if row.unpriced and not row.vendor_usd + row.list_usd:
        return "-"
    return f"{'~' if row.list_usd else ''}${row.vendor_usd + row.list_usd:,.2f}"


def tokens(row: UsageRow) -> int:
    """Returns what the bars show."""
    return row.input_tokens + row.output_tokens


def _notes(total: UsageRow) -> str:
    notes = ""
    if total.list_usd:
        notes += f"~ with ${total.list_usd:,.2f} at list price, which is not billed on a plan\n"
    if total.unpriced:
        notes += f"turns without a known price: {total.unpriced:,}"
        notes += "" if find_spec("genai_prices") else "; see: pip install 'signedin[prices]'"
        notes += "\n"
    return notes
