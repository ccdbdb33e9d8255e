"""Every way to drive an agent, in programs whose event loop is uvloop's."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from signedin import AsyncClient, DoneEvent
from signedin.loopback import Hold, Text
from support.folders import outside_of_sandboxes
from support.rows import ROWS, Row
from support.stage import Stage

if sys.platform == "win32":
    pytest.skip("uvloop is not made for Windows", allow_module_level=True)

import uvloop

BLOCKING = """
import sys, uvloop
from signedin import Client
from signedin.loopback import LoopbackModel, Text

uvloop.install()
provider, transport, binary, cwd = sys.argv[1:]
with LoopbackModel([Text("from uvloop")]) as model:
    options = model.client_options(provider)
    with Client(provider, transport=transport, binary=binary or None, cwd=cwd, **options) as client:
        print(client.run("one").text)
"""


@pytest.fixture(params=ROWS, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    return request.param


async def use(row: Row, stage: Stage, cwd: Path) -> None:
    options = {"binary": row.binary} if row.binary else {}
    async with AsyncClient(
        row.provider, transport=row.transport, cwd=cwd, **options, **stage.options
    ) as client:
        stage.play(Text("all at once"))
        assert (await client.run("one")).text == "all at once"

        stage.play(Text("piece by piece"))
        events = [event async for event in client.stream("two")]
        assert isinstance(events[-1], DoneEvent)
        assert events[-1].text == "piece by piece"

        stage.play(Text(["never ", Hold("cancel"), "whole"]))
        running = asyncio.create_task(client.run("three"))
        await asyncio.to_thread(stage.wait_for_request)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

        stage.play(Text("left early"))
        async for _ in client.stream("four"):
            break


def test_the_async_client(row: Row) -> None:
    with outside_of_sandboxes() as cwd, Stage(row.provider) as stage:
        uvloop.run(use(row, stage, cwd))


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if row.transport in {"codex-app-server", "chatgpt-responses"}][-2:],
    ids=lambda row: row.name,
)
def test_the_blocking_client(row: Row) -> None:
    with outside_of_sandboxes() as cwd:
        argv = [row.provider, row.transport, str(row.binary or ""), str(cwd)]
        ran = subprocess.run(
            [sys.executable, "-c", BLOCKING, *argv], capture_output=True, text=True, check=False
        )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("from uvloop\n", "", 0)
