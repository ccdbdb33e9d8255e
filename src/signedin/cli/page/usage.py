"""What turns have used, as one HTML page with plots."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from markupsafe import Markup

from signedin.accounts.files import write_private
from signedin.cli.page.document import check_target, resources
from signedin.cli.tables import one_line
from signedin.ledger.report import UsageReport, UsageRow

_LONGEST_NAME = 44


class Bar(msgspec.Struct, frozen=True):
    """A bar: its name, its part of the longest, and what is written beside it."""

    name: str
    share: float
    value: str


class Plot(msgspec.Struct, frozen=True):
    """Bars of one quantity, one for each row of the report."""

    title: str
    bars: list[Bar]


def write_usage_page(report: UsageReport, path: Path) -> None:
    """Writes a page that only its owner can read.

    Raises:
        InvalidOptionError: The folder does not exist, or there is something other than a file.
        OSError: The system refused.
    """
    check_target(path)
    page = resources("usage.html")
    plots = [
        _plot(report, "Tokens", lambda row: row.input_tokens + row.output_tokens, "{:,.0f}"),
        _plot(report, "Dollars", lambda row: row.vendor_usd + row.list_usd, "${:,.2f}"),
        _plot(report, "Turns", lambda row: row.turns, "{:,.0f}"),
    ]
    html = page.template.render(
        style=Markup(page.style),  # noqa: S704 - the style sheet of this package
        style_hash=Markup(page.style_hash),  # noqa: S704 - base64
        report=report,
        plots=plots,
    )
    write_private(path.resolve(), html.encode())


def _plot(
    report: UsageReport, title: str, quantity: Callable[[UsageRow], float], form: str
) -> Plot:
    values = [quantity(row) for row in report.rows]
    most = max(values, default=0.0) or 1.0
    bars = [
        Bar(_name(row, report), value / most, form.format(value))
        for row, value in zip(report.rows, values, strict=True)
    ]
    return Plot(title, bars)


def _name(row: UsageRow, report: UsageReport) -> str:
    return one_line(" · ".join(getattr(row, key) or "-" for key in report.by), _LONGEST_NAME)
