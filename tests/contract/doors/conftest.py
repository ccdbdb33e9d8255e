"""One model and one client for all doors of a row."""

from collections.abc import Iterator

import pytest

from contract.doors.declared import WAYS, Way
from contract.doors.doors import Doors
from support.rows import ROWS, Row


def pytest_itemcollected(item: pytest.Item) -> None:
    """Lets rows run side by side."""
    if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
        row = item.callspec.params.get("row")
        item.add_marker(pytest.mark.xdist_group(f"doors of {getattr(row, 'name', 'all')}"))


TRIED = ROWS


@pytest.fixture(params=TRIED, ids=lambda row: row.name, scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    """Each way to drive an agent."""
    return request.param


@pytest.fixture(scope="module")
def way(row: Row) -> Way:
    """What is declared of it."""
    return WAYS[row.provider if row.transport == "acp" else row.transport]


@pytest.fixture(scope="module")
def doors(row: Row, way: Way) -> Iterator[Doors]:
    """Its doors."""
    with Doors.of(row, way) as doors:
        yield doors
