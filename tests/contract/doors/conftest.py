"""One model and one client for all doors of a row."""

from collections.abc import Callable, Iterator, Mapping

import pytest

from contract.doors.declared import SLOW, TRIED, WAYS, Way, is_door
from contract.doors.doors import Doors
from support.rows import ROWS, Row

_GOES_ON = ("stream", "first", "cli")
"""The doors at which a conversation goes on as it was."""

_WANTED: Mapping[str, Callable[[Way, str], bool]] = {
    "test_what_has_an_effect": is_door,
    "test_a_conversation_goes_on": lambda way, door: way.capabilities.resume and door in _GOES_ON,
    "test_what_is_refused": lambda _way, _door: True,
}
"""Which doors a test is about."""


def _way(row: Row) -> Way:
    return WAYS[row.provider if row.transport == "acp" else row.transport]


def _marks(row: Row, door: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.slow, pytest.mark.timeout(600)] if door in SLOW.get(row.name, ()) else []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pairs rows with doors."""
    if "door" not in metafunc.fixturenames:
        return
    is_wanted = _WANTED[metafunc.function.__name__]
    pairs = [
        pytest.param(row, door, id=f"{row.name}-{door}", marks=_marks(row, door))
        for row in ROWS
        for door in TRIED.get(row.name, ())
        if is_wanted(_way(row), door)
    ]
    metafunc.parametrize(("row", "door"), pairs, indirect=["row"], scope="module")


@pytest.fixture(scope="module")
def row(request: pytest.FixtureRequest) -> Row:
    """A way to drive an agent."""
    return request.param


@pytest.fixture(scope="module")
def way(row: Row) -> Way:
    """What is declared of it."""
    return _way(row)


@pytest.fixture(scope="module")
def doors(row: Row, way: Way) -> Iterator[Doors]:
    """Its doors."""
    with Doors.of(row, way) as doors:
        yield doors


@pytest.fixture(scope="module")
def stored(doors: Doors) -> Mapping[str, str]:
    """A stored conversation for each door that goes on with one; nobody has it open."""
    with doors.new_client() as client:  # closed, for Codex keeps a thread for its process
        return {door: doors.begun({}, client) for door in _GOES_ON}
