"""Callbacks that want to end the program."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import AsyncClient, Client, RunResult
from signedin.loopback import AskUser, Shell, shell
from signedin.loopback.script import Reply
from support.rows import Row
from support.stage import Stage


def leave(_: object) -> object:
    sys.exit("quit")


async def leave_async(_: object) -> object:
    sys.exit("quit")


def needing_approval(row: Row) -> Shell | Reply:
    if row.provider == "claude":
        return shell("touch made")
    return Shell(
        "touch made", {"sandbox_permissions": "require_escalated", "justification": "must"}
    )


CALLBACKS = pytest.mark.parametrize("callback", [leave, leave_async])


@CALLBACKS
def test_an_approval(
    client: Client, row: Row, stage: Stage, tmp_path: Path, callback: Callable[..., object]
) -> None:
    stage.play(needing_approval(row), "I could not")
    result = client.run("go", cwd=tmp_path, on_approval=callback, timeout=60)
    denied(result, tmp_path)
    stage.play("still there")
    assert client.run("again").text == "still there"


@CALLBACKS
async def test_an_approval_of_an_async_client(
    new_async_client: Callable[[], AsyncClient],
    row: Row,
    stage: Stage,
    tmp_path: Path,
    callback: Callable[..., object],
) -> None:
    stage.play(needing_approval(row), "I could not")
    async with new_async_client() as client:
        denied(await client.run("go", cwd=tmp_path, on_approval=callback, timeout=60), tmp_path)


def denied(result: RunResult[object], folder: Path) -> None:
    decisions = [event.decision for event in result.events if event.kind == "approval"]
    assert (result.text, decisions) == ("I could not", ["deny"])
    assert not (folder / "made").exists()


@CALLBACKS
def test_a_question(client: Client, stage: Stage, callback: Callable[..., object]) -> None:
    stage.play(AskUser("Which color?", ["Red", "Blue"]), "no color then")
    assert client.run("go", on_question=callback, timeout=60).text == "no color then"


@CALLBACKS
async def test_a_question_of_an_async_client(
    new_async_client: Callable[[], AsyncClient], stage: Stage, callback: Callable[..., object]
) -> None:
    stage.play(AskUser("Which color?", ["Red", "Blue"]), "no color then")
    async with new_async_client() as client:
        result = await client.run("go", on_question=callback, timeout=60)
    assert result.text == "no color then"
