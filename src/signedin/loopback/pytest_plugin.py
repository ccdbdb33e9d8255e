"""The pytest fixture `loopback_model`, and the marker `cassette`."""

import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from signedin.loopback.model import LoopbackModel


_VARIABLES = ("SIGNEDIN_CASSETTE", "SIGNEDIN_CASSETTE_MODE")
"""What names the cassette of clients that are made without one."""

_MODES = ("once", "none", "rewrite", "all")

_PLAIN = re.compile(r"(?:[\w.-]|::)+(?:\[[\w.-]*\])?", re.ASCII)
"""A test that is distinguished from every other by the letters that the name of a file may have."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds ``--cassette-mode``."""
    parser.getgroup("signedin").addoption(
        "--cassette-mode",
        choices=_MODES,
        default="once",
        help="what clients of tests marked with cassette do: replay it, or record it if it is not "
        "there (once); only replay (none); record (rewrite); add to it (all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers",
        "cassette(file): record what the signedin client of the test and its agent say, and replay "
        "it from then on. Without a file it is cassettes/MODULE.TEST.jsonl beside the module, or "
        "cassettes/MODULE.CLASS.TEST.jsonl",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Names the cassette while a marked test and its fixtures run."""
    marker = item.get_closest_marker("cassette")
    if marker is None:
        return (yield)
    before = {name: os.environ.get(name) for name in _VARIABLES}
    file = item.path.parent / Path(*(marker.args or (_file_of(item),)))
    mode = str(item.config.getoption("--cassette-mode"))
    os.environ.update(zip(_VARIABLES, (str(file), mode), strict=True))
    try:
        return (yield)
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _file_of(item: pytest.Item) -> str:
    """Names the cassette of a test, differently for each test of a module."""
    # Not from the id of the node, to which xdist adds the name of a group.
    [module, *nodes] = [node.name for node in item.listchain() if node.path == item.path]
    test = "::".join(nodes)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", test.replace("::", "."))
    digest = "" if _PLAIN.fullmatch(test) else f"-{sha256(test.encode()).hexdigest()[:8]}"
    return f"cassettes/{Path(module).stem}.{name}{digest}.jsonl"


@pytest.fixture
def loopback_model() -> Iterator[Callable[..., "LoopbackModel"]]:
    """Starts loopback models that are closed when the test is over.

    It is called as `LoopbackModel` is:

        def test_greeting(loopback_model):
            model = loopback_model("Hello")
            client = Client("codex", **model.client_options("codex"))
            assert client.run("Hi").text == "Hello"
    """
    # Every pytest run loads this module; only a test that asks for a model pays for the server.
    from signedin.loopback.model import LoopbackModel  # noqa: PLC0415

    with ExitStack() as models:
        yield lambda *args, **options: models.enter_context(LoopbackModel(*args, **options))
