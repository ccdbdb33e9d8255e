"""What tests cost: CPU seconds of the process that runs them and of the programs they have ended.

The dearest files are printed at the end. `make costs` writes the sums of the folders into
``tests/costs.toml``, so that a change that makes one dearer shows in a review.
"""

import resource
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

TABLE = Path(__file__).parents[1] / "costs.toml"
HEAD = """\
# CPU seconds of `make test`, by folder; written by `make costs`. A machine of another speed
# multiplies all of them, so only their relation is of use.
"""
DEAREST = 12
_PROPERTY = "cpu"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option of `make costs`."""
    parser.addoption("--write-costs", action="store_true", help=f"write {TABLE.name}")


def pytest_configure(config: pytest.Config) -> None:
    """Counts where the reports arrive."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Costs(), "signedin-costs")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measures a test with its fixtures, and tells whoever reports the test."""
    item.stash[_BEGUN] = _seconds()
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what has been used since the test began, at its end."""
    report = yield
    if call.when == "teardown":
        report.user_properties.append((_PROPERTY, _seconds() - item.stash[_BEGUN]))
    return report


_BEGUN = pytest.StashKey[float]()


def _seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


class _Costs:
    """The sums of a run."""

    def __init__(self) -> None:
        self.files: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Adds a test."""
        for name, seconds in report.user_properties:
            if name == _PROPERTY:
                self.files[report.nodeid.partition("::")[0]] += seconds

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Prints the dearest files, and writes the table if that is asked for."""
        terminalreporter.section(f"CPU seconds: {self.files.total():.0f}", sep="-")
        for file, seconds in self.files.most_common(DEAREST):
            terminalreporter.write_line(f"{seconds:6.1f} {file}")
        if terminalreporter.config.getoption("--write-costs"):
            TABLE.write_text(_table(self.files), "utf-8")


def _table(files: Counter[str]) -> str:
    folders: Counter[str] = Counter()
    for file, seconds in files.items():
        folders["/".join(Path(file).parts[1:3])] += seconds
    lines = [f'"{folder}" = {seconds:.0f}\n' for folder, seconds in sorted(folders.items())]
    return HEAD + "".join(lines)
