"""``signedin mcp`` whose client dies, or that is killed itself, while an agent works."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.loopback import Hold, Text
from support.mcp_program import PROGRAM, variables
from support.processes import Watch, processes_with
from support.stage import Stage

CLIENT = """
import asyncio, json, sys
from mcp import Client, StdioServerParameters

async def main(command, args, env):
    async with Client(StdioServerParameters(command=command, args=args, env=env)) as client:
        await client.call_tool("ask", {"prompt": "Take long."})

asyncio.run(main(*json.loads(sys.stdin.read())))
"""
HELLO = (
    {
        "method": "initialize",
        "id": 1,
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    },
    {"method": "notifications/initialized"},
    {
        "method": "tools/call",
        "id": 2,
        "params": {"name": "ask", "arguments": {"prompt": "Take long."}},
    },
)


@pytest.fixture
def held(stage: Stage) -> Stage:
    """A model that stops in the middle of its answer."""
    stage.play(Text(["first ", Hold("middle"), "second"]))
    return stage


def agents_of(stage: Stage) -> Watch:
    """Watches the server and what it has started, once it works."""
    stage.wait_until_held("middle")
    return Watch(processes_with(stage.model.variables("codex")["CODEX_HOME"]))


@pytest.fixture
def server(held: Stage, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server that is asked something that takes long."""
    with subprocess.Popen(
        [PROGRAM, "mcp", "--provider", "codex", "--cwd", tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=variables(held),
    ) as program:
        for message in HELLO:
            program.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        program.stdin.flush()
        yield program
        program.kill()


def test_a_client_that_is_killed_leaves_no_agent(held: Stage, tmp_path: Path) -> None:
    arguments = ["mcp", "--provider", "codex", "--cwd", str(tmp_path)]
    with subprocess.Popen([sys.executable, "-c", CLIENT], stdin=subprocess.PIPE) as client:
        start = json.dumps([str(PROGRAM), arguments, variables(held)])
        client.stdin.write(start.encode())
        client.stdin.close()
        left = agents_of(held)
        assert left.count >= 2
        client.kill()
        left.all_gone()


def test_the_end_of_input_ends_the_server(server: subprocess.Popen[bytes], held: Stage) -> None:
    left = agents_of(held)
    server.stdin.close()
    left.all_gone()
    assert (server.wait(), server.stderr.read()) == (0, b"")


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_the_server(
    server: subprocess.Popen[bytes], held: Stage, signum: signal.Signals, code: int
) -> None:
    left = agents_of(held)
    server.send_signal(signum)
    left.all_gone()
    assert (server.wait(), server.stderr.read().strip()) == (code, b"")


def test_a_server_that_is_killed_leaves_no_agent(
    server: subprocess.Popen[bytes], held: Stage
) -> None:
    left = agents_of(held)
    server.kill()
    left.all_gone()


def test_a_client_that_stops_reading_ends_the_server(
    server: subprocess.Popen[bytes], held: Stage
) -> None:
    left = agents_of(held)
    server.stdout.close()
    held.release("middle")
    left.all_gone()
    assert (server.wait(), server.stderr.read()) == (0, b"")
