"""More than anybody can take: memory stays flat, nothing is lost, nobody else has to wait."""

import json
from pathlib import Path

import pytest

from signedin import Client, CommandEvent, DoneEvent, MessageDeltaEvent
from signedin.loopback import Shell, Text
from signedin.providers.codex.app_server import running_turn as live
from support.processes import processes_with
from support.programs import ended, program
from support.stage import Stage
from support.turns import checked, events_of, of_type

DELTAS = 200_000

MEASURE = """
import re
from pathlib import Path
from signedin import MessageDeltaEvent

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

def deltas(turn):
    return (event.text for event in turn if isinstance(event, MessageDeltaEvent))

client = Client("codex", binary=arguments["binary"])
for _ in range(3):
    assert client.run("quick").text == "quick"
before = peak()
"""

ONE_READER = """
number = -1
for number, text in enumerate(deltas(client.stream("flood"))):
    assert int(text) == number
print(json.dumps({"deltas": number + 1, "grown": peak() - before}))
"""

NO_READER_FOR_A_WHILE = """
with client.stream("flood") as turn:
    pieces = deltas(turn)
    assert next(pieces) == "0000000 "
    # Nobody reads the flood now, and still another turn of the same client gets through.
    assert client.run("quick").text == "quick"
    count = 1
    for text in pieces:
        assert int(text) == count
        count += 1
    text = turn.result().text
assert len(text) == 8 * count and text.startswith("0000000 ") and text.endswith("0199999 ")
print(json.dumps({"deltas": count, "grown": peak() - before}))
"""

RESULT_ONLY = """
text = client.run("flood").text
print(json.dumps({"deltas": len(text) // 8, "grown": peak() - before}))
"""

ASYNC = """
import asyncio
from signedin import AsyncClient
async def main():
    async with AsyncClient("codex", binary=arguments["binary"]) as client:
        async with client.stream("flood") as turn:
            count = 0
            async for event in turn:
                if isinstance(event, MessageDeltaEvent):
                    assert int(event.text) == count
                    count += 1
                    if count == 100_000:
                        assert (await client.run("quick")).text == "quick"
    print(json.dumps({"deltas": count, "grown": peak() - before}))
asyncio.run(main())
"""


@pytest.mark.parametrize(
    "code",
    [ONE_READER, NO_READER_FOR_A_WHILE, RESULT_ONLY, ASYNC],
    ids=["one reader", "no reader for a while", "result only", "async"],
)
def test_200_000_deltas(fake_codex: Path, code: str) -> None:
    with program(MEASURE + code, binary=str(fake_codex)) as process:
        measured = json.loads(ended(process))
    assert measured["deltas"] == DELTAS
    assert measured["grown"] < 20 * 1024, f"{measured['grown']} kB more than before"


def test_leaving_a_flood(fake_codex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "STOP_SECONDS", 60.0)  # however slowly the machine reads the flood
    with Client("codex", binary=fake_codex, env={"SIGNEDIN_TEST_MARK": "flood"}) as client:
        assert client.run("quick").text == "quick"
        before = processes_with("SIGNEDIN_TEST_MARK=flood")
        for event in client.stream("flood"):
            if isinstance(event, MessageDeltaEvent):
                break
        assert client.run("quick").text == "quick"
        assert processes_with("SIGNEDIN_TEST_MARK=flood") == before


def test_the_real_codex_with_20_000_deltas(stage: Stage) -> None:
    stage.play(Text.deltas(20_000))
    with stage.client("codex-app-server") as client:
        events = events_of(client.stream("go"))
    texts = [event.text for event in of_type(events, MessageDeltaEvent)]
    assert texts == [f"{number:07d} " for number in range(20_000)]
    assert isinstance(events[-1], DoneEvent)
    assert events[-1].text == "".join(texts)


LINE = 20 * 2**20


@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
def test_a_command_that_prints_a_line_of_20_mb(stage: Stage, transport: str) -> None:
    stage.play(Shell(f"head -c {LINE} /dev/zero | tr '\\0' x; echo; echo the end"), "Done.")
    with stage.client(transport) as client:
        result = checked(client.run("go"))
    assert result.text == "Done."
    [*_, command] = of_type(result.events, CommandEvent)
    assert isinstance(command, CommandEvent)
    assert (command.status, command.exit_code) == ("completed", 0)
    # Codex itself keeps 1 MiB of it, its beginning and its end.
    assert 1_000_000 < len(command.output) < 1_100_000
    assert command.output.startswith("xxx")
    assert command.output.endswith("x\nthe end\n")
