"""``signedin mcp --http``: several clients on this machine, each with the token."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from signedin.loopback import Hold, Text, shell
from support.folders import outside_of_sandboxes
from support.mcp_program import ERAS, PROGRAM, texts, user, variables
from support.processes import environment_of, processes_with
from support.stage import Stage

TOKEN = "token-of-the-test-0123456789"
ESCALATED = shell("touch new", sandbox_permissions="require_escalated", justification="to write")

ASKS = """
import asyncio, sys, httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

async def main(url, token, mode):
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=90) as http:
        async with Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            await client.call_tool("ask", {"prompt": "Take long."})

asyncio.run(main(*sys.argv[1:]))
"""


class Served(NamedTuple):
    """A server that runs.

    Attributes:
        url: Its address.
        program: The program.
    """

    url: str
    program: subprocess.Popen[str]

    @asynccontextmanager
    async def client(self, mode: str, asks: object = None) -> AsyncIterator[Client]:
        """A client that has the token."""
        headers = {"Authorization": f"Bearer {TOKEN}"}
        async with httpx2.AsyncClient(headers=headers, timeout=90) as http:
            transport = streamable_http_client(self.url, http_client=http)
            async with Client(transport, mode=mode, elicitation_callback=asks) as client:
                yield client


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """Where the agents of the shared server work."""
    with outside_of_sandboxes() as folder:
        yield folder


@pytest.fixture(scope="module")
def served(stage: Stage, shared: Path) -> Iterator[Served]:
    """One server for the tests that leave it as it was."""
    with server(stage, shared) as served:
        yield served


@contextmanager
def server(stage: Stage, outside: Path) -> Iterator[Served]:
    """A server that asks the agent of a stage."""
    with subprocess.Popen(
        [PROGRAM, "mcp", "--http", "--provider", "codex", "--cwd", outside],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=variables(stage, SIGNEDIN_MCP_TOKEN=TOKEN),
    ) as program:
        assert program.stderr is not None
        yield Served(program.stderr.readline().strip(), program)
        program.send_signal(signal.SIGTERM)
        _, rest = program.communicate(timeout=60)
        assert program.returncode == 0
        assert "Traceback" not in rest


def test_who_is_not_served(served: Served) -> None:
    ask = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    good = {
        "Authorization": f"Bearer {TOKEN}",
        "Accept": "application/json, text/event-stream",
    }
    for status, headers in {
        401: good | {"Authorization": "Bearer wrong"},
        421: good | {"Host": "example.com"},
        403: good | {"Origin": "http://example.com"},
    }.items():
        assert httpx2.post(served.url, json=ask, headers=headers).status_code == status
    assert httpx2.post(served.url, json=ask).status_code == 401
    other = served.url.replace("/mcp", "/")
    assert httpx2.post(other, json=ask, headers=good).status_code == 401


@pytest.mark.parametrize("mode", ERAS)
async def test_asking(stage: Stage, served: Served, shared: Path, mode: str) -> None:
    shown: list[str] = []
    seen: list[str | None] = []

    async def progress(number: float, total: float | None, message: str | None) -> None:
        seen.append(message)

    stage.play(ESCALATED, "Done.")
    async with served.client(mode, user("accept", {}, shown)) as client:
        answer = await client.call_tool("ask", {"prompt": "Write."}, progress_callback=progress)
    assert texts(answer)[0] == "Done."
    (shared / "new").unlink()
    assert len(shown) == 1
    assert seen[-1] == "Done."


async def test_agents_do_not_get_the_token(stage: Stage, served: Served) -> None:
    stage.play(Text.echo())
    async with served.client("auto") as client:
        await client.call_tool("ask", {"prompt": "one"})
        home = stage.model.variables("codex")["CODEX_HOME"]
        agents = processes_with(home) - {served.program.pid}
        assert agents
        assert not any(TOKEN in entry for pid in agents for entry in environment_of(pid))


@pytest.mark.parametrize("mode", ERAS)
async def test_a_client_that_is_killed_stops_its_turn(outside: Path, mode: str) -> None:
    with Stage("codex") as stage, server(stage, outside) as served:
        stage.play(Text(["first ", Hold("middle"), "second"]))
        client = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ASKS, served.url, TOKEN, mode
        )
        await asyncio.to_thread(stage.wait_until_held, "middle")
        client.kill()
        await client.wait()
        await asyncio.to_thread(stage.model.wait_for_disconnect, timeout=60)
        stage.play("Hello.")
        async with served.client(mode) as other:
            answer = await other.call_tool("ask", {"prompt": "And now?"})
    assert texts(answer)[0] == "Hello."
