"""The real Claude Code, in two versions, against a scripted model."""

import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from signedin import Client
from signedin.loopback import ModelRequest
from support.agents import program, versions
from support.stage import Stage, stage_of

CLI = "claude-cli"
KINDS = [(CLI, version) for version in versions("claude")]


@pytest.fixture(params=KINDS, ids="-".join, scope="module")
def kind(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each installed Claude Code."""
    return request.param


@pytest.fixture(scope="module")
def transport(kind: tuple[str, str]) -> str:
    """How Claude Code is driven."""
    return kind[0]


@pytest.fixture(scope="module")
def binary(kind: tuple[str, str]) -> Path:
    """The Claude Code that is driven."""
    return program("claude", kind[1])


stage = stage_of("claude")


@pytest.fixture(scope="module")
def client(stage: Stage, transport: str, binary: Path) -> Iterator[Client]:
    """A warm client of each kind."""
    with stage.client(transport, binary=binary) as client:
        yield client


@pytest.fixture(scope="module")
def _shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def work(_shared_folder: Path) -> Path:
    """An empty folder, the same for all tests of a module.

    Claude Code cannot change its folder: for another one, a warm client starts another process.
    """
    for path in _shared_folder.iterdir():  # the folder itself stays, a process stands in it
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    return _shared_folder


@pytest.fixture
def marker() -> str:
    """What the processes of a test's own clients have in their environment, and no others."""
    return f"signedin-test-{uuid.uuid4()}"


@pytest.fixture
def new_client(stage: Stage, transport: str, binary: Path, marker: str) -> Callable[..., Client]:
    """Makes clients of each kind, which the caller closes."""

    def make(*, env: Mapping[str, str | None] | None = None, **options: object) -> Client:
        marked = {"SIGNEDIN_TEST": marker, **(env or {})}
        return stage.client(transport, binary=binary, env=marked, **options)

    return make


@pytest.fixture
def said() -> Callable[[ModelRequest], Sequence[str]]:
    """Returns what user and model have said, without what Claude Code adds of itself."""
    return _said


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Block]


class _Body(msgspec.Struct):
    messages: list[_Message]


def _said(request: ModelRequest) -> list[str]:
    texts = []
    for message in msgspec.convert(request.body, _Body).messages:
        if message.role == "system":
            continue
        blocks = message.content
        if isinstance(blocks, str):
            blocks = [_Block("text", blocks)]
        text = "".join(
            b.text
            for b in blocks
            if not b.text.startswith(("<system-reminder>", "<command-", "<local-"))
        )
        if text:
            texts.append(text)
    return texts
