"""The results as one table and as JSON."""

import json
import statistics
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from benchmarks import machine, peers
from benchmarks.measurements import Aim, Measurement
from benchmarks.sampling import Series, ratio

RESULTS = Path(__file__).with_name("results")

_UNITS = {
    "wall": ("wall ms", 1000.0),
    "cpu": ("CPU ms", 1000.0),
    "import": ("import ms", 1000.0),
    "rss": ("peak MB", 1.0),
}
_HEADINGS = ("measurement", "what", *(f"{unit} (least)" for unit, _ in _UNITS.values()))


class Verdict(NamedTuple):
    """An aim, and how far it was met."""

    aim: Aim
    value: float

    def __str__(self) -> str:
        aim = self.aim
        unit, _ = _UNITS[aim.metric]
        verdict = "met" if self.value <= aim.at_most else "MISSED"
        if aim.reference is None:
            return (
                f"{verdict}: {unit.split()[0]} of {aim.contestant} is {self.value:.3f} s "
                f"(aim: {aim.at_most:g} s or less)"
            )
        return (
            f"{verdict}: {unit.split()[0]} of {aim.contestant} is {self.value:.2f} "
            f"of {aim.reference}'s (aim: {aim.at_most:g} or less)"
        )


class Result(NamedTuple):
    """What a measurement gave."""

    measurement: Measurement
    series: Sequence[Series]

    def verdicts(self) -> list[Verdict]:
        by_name: dict[str | None, Series] = {series.name: series for series in self.series}
        return [
            Verdict(aim, _value(aim, by_name[aim.contestant], by_name.get(aim.reference)))
            for aim in self.measurement.aims
            if aim.contestant in by_name and (aim.reference is None or aim.reference in by_name)
        ]


def _value(aim: Aim, series: Series, reference: Series | None) -> float:
    if reference is None:
        return statistics.median(series.values(aim.metric))
    return ratio(series, reference, aim.metric)


def show(results: Iterable[Result]) -> None:
    """Prints the table, and which aims were met."""
    results = list(results)
    rows = [row for result in results for row in _rows(result)]
    verdicts = [
        f"{result.measurement.name}: {verdict}"
        for result in results
        for verdict in result.verdicts()
    ]
    if sys.stdout.isatty():
        table = Table(*_HEADINGS)
        for row in rows:
            table.add_row(*row)
        Console().print(table)
    else:
        _print_plain([_HEADINGS, *rows])
    print(machine.machine_line())
    print("\n".join(verdicts))


def save(
    results: Iterable[Result], *, agents: Mapping[str, str], quick: bool, load: float | None
) -> Path:
    """Writes everything that was measured, with the load before it; returns the file."""
    moment = time.strftime("%Y-%m-%d-%H%M%S")
    document = {
        "moment": moment,
        "machine": machine.machine_line(),
        "load": {"begin": load, "end": machine.load()},
        "quick": quick,
        "versions": {
            "signedin": machine.own_version(),
            **agents,
            **peers.PINS,
            **peers.HTTP_PINS,
        },
        "measurements": {result.measurement.name: _document(result) for result in results},
    }
    RESULTS.mkdir(exist_ok=True)
    file = RESULTS / f"{moment}.json"
    file.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return file


def _document(result: Result) -> Mapping[str, object]:
    return {
        "title": result.measurement.title,
        "contestants": {series.name: list(series.samples) for series in result.series},
        "aims": [
            {**verdict.aim._asdict(), "value": round(verdict.value, 3)}
            for verdict in result.verdicts()
        ],
    }


def _rows(result: Result) -> list[tuple[str, ...]]:
    return [
        (result.measurement.name, series.name, *(_cell(series, metric) for metric in _UNITS))
        for series in result.series
    ]


def _cell(series: Series, metric: str) -> str:
    median, least = series.median(metric), series.least(metric)
    if median is None or least is None:
        return ""
    factor = _UNITS[metric][1]
    return f"{median * factor:.1f} ({least * factor:.1f})"


def _print_plain(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())
