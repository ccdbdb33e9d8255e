"""What is asked for counts whichever way a thread is come by."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from signedin import (
    AsyncClient,
    AsyncSession,
    ErrorKind,
    InvalidOptionError,
    McpServer,
    ToolEvent,
    TransportClosedError,
    TurnFailedError,
    UnsupportedOptionError,
    WarningEvent,
)
from signedin.loopback import Hold, HttpError, Incomplete, Reply, Text, ToolCall
from signedin.tools.tool import tool
from support.processes import children_with
from support.stage import Stage

SERVER = Path(__file__).parents[2] / "support" / "mcp_server.py"
SLOW = McpServer(
    command=sys.executable,
    args=["-c", f"import time, runpy; time.sleep(2); runpy.run_path({str(SERVER)!r})"],
    trusted=True,
)
INSTRUCTIONS = "Words of the caller."
BASE = "Words instead of those of Codex."
Continue = Callable[..., AsyncSession]


@tool
def double(number: int) -> int:
    """Doubles a number."""
    return 2 * number


@tool
def halve(number: int) -> float:
    """Halves a number."""
    return number / 2


def sent(stage: Stage) -> dict[str, object]:
    """The last request's body."""
    return dict(stage.requests[-1].body)


@pytest.mark.parametrize("fork", [False, True], ids=["resumed", "forked"])
async def test_instructions_reach_a_stored_thread(
    client: AsyncClient, stage: Stage, tmp_path: Path, fork: bool
) -> None:
    stage.play("ok")
    first = await client.run("one", cwd=tmp_path)
    asked = {"resume": first.session_id, "fork": fork, "instructions": INSTRUCTIONS}
    async with client.session(cwd=tmp_path, **asked) as session:
        await session.run("two")
        assert str(sent(stage)["input"]).count(INSTRUCTIONS) == 1
        await session.run("three")
        assert str(sent(stage)["input"]).count(INSTRUCTIONS) == 1


@pytest.mark.parametrize("fork", [False, True], ids=["resumed", "forked"])
async def test_a_stored_thread_has_the_tools_it_began_with(
    client: AsyncClient, stage: Stage, tmp_path: Path, fork: bool
) -> None:
    stage.play(ToolCall("double", {"number": 4}), "8")
    first = await client.run("one", cwd=tmp_path, tools=[double])
    asked = {"resume": first.session_id, "fork": fork, "cwd": tmp_path}
    stage.play(ToolCall("double", {"number": 5}), "10")
    async with client.session(tools=[double], **asked) as session:
        await session.run("two")
    assert "10" in str(sent(stage)["input"])
    with pytest.raises(UnsupportedOptionError, match="not halve; begin a new session"):
        async with client.session(tools=[double, halve], **asked) as session:
            await session.run("three")


async def test_a_stored_thread_goes_on_without_trace(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    first = await client.run("one", cwd=tmp_path)
    result = await client.run("SECRET", cwd=tmp_path, resume=first.session_id, ephemeral=True)
    assert "one" in str(sent(stage)["input"])
    assert result.session_id != first.session_id
    assert not any(b"SECRET" in file.read_bytes() for file in stage.home.rglob("*.jsonl"))
    assert [info.id for info in (await client.sessions(cwd=tmp_path)).sessions] == [
        first.session_id
    ]


async def test_provider_options_reach_the_model_from_the_beginning(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    options = {"summary": "detailed", "service_tier": "flex", "base_instructions": BASE}
    await client.run("hi", cwd=tmp_path, provider_options=options)
    body = sent(stage)
    assert body["reasoning"] == {"effort": "low", "summary": "detailed"}
    assert body["service_tier"] == "flex"
    assert BASE in str(body)


async def test_nothing_of_a_turn_stays_for_the_next(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        await session.run("one")
        usual = sent(stage)
        options = {"summary": "concise", "service_tier": "flex"}
        await session.run("two", effort="high", provider_options=options)
        assert sent(stage)["reasoning"] == {"effort": "high", "summary": "concise"}
        assert sent(stage)["service_tier"] == "flex"
        await session.run("three")
        assert sent(stage)["reasoning"] == usual["reasoning"]
        assert sent(stage).get("service_tier") == usual.get("service_tier")
        await session.run("four", effort="default")
        assert sent(stage)["reasoning"] == {"effort": "medium"}
    await client.run("five", cwd=tmp_path, resume=session.id)
    assert sent(stage)["reasoning"] == usual["reasoning"]


async def test_an_unknown_option_is_refused_in_every_turn(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        await session.run("one")
        with pytest.raises(InvalidOptionError, match="no provider option 'sumary'"):
            await session.run("two", provider_options={"sumary": "x"})
        with pytest.raises(InvalidOptionError, match="must be a string, not 3"):
            await session.run("two", provider_options={"reasoning_effort": 3})


@pytest.mark.parametrize("turn", ["review", "compact"])
async def test_a_review_and_a_compaction_take_model_and_effort(
    client: AsyncClient, stage: Stage, tmp_path: Path, turn: str
) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        await session.run("one")
        keywords = {"model": "gpt-5.6-sol", "effort": "high"}
        if turn == "review":
            await session.review("look", **keywords).result()
        else:
            await session.compact(**keywords).result()
        body = sent(stage)
        assert body["model"] == "gpt-5.6-sol"
        assert "'effort': 'high'" in str(body["reasoning"])
        image = {"images": [b"\x89PNG\r\n\x1a\n"]}
        with pytest.raises(UnsupportedOptionError, match="images"):
            await getattr(session, turn)(**image).result()


async def test_a_review_of_two_things_is_refused(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    async with client.session(cwd=tmp_path) as session:
        with pytest.raises(InvalidOptionError, match="takes one of base=, commit= and words"):
            await session.review("this", base="main").result()


async def test_a_review_that_cannot_begin_ends_at_once(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    async with client.session(cwd=tmp_path) as session:
        with pytest.raises(TurnFailedError, match="is not a git repository"):
            await session.review(base="main", timeout=30).result()
        assert (await session.run("go on")).text == "ok"
        stage.play(HttpError(400, "no"))
        with pytest.raises(TurnFailedError, match="no"):
            await session.run("fail")
    stage.play("ok")
    assert (await client.run("still there?", cwd=tmp_path)).text == "ok"


async def test_a_failed_turn_is_taken_out(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    async with client.session(cwd=tmp_path) as session:
        stage.play("ok")
        await session.run("one")
        stage.play(HttpError(400, "no"))
        with pytest.raises(TurnFailedError):
            await session.run("two")
        await session.roll_back()
        stage.play("ok")
        await session.run("three")
        assert "two" not in str([item for item in sent(stage)["input"] if item["role"] == "user"])
        assert [turn.prompt for turn in await session.history()] == ["one", "three"]


@pytest.mark.parametrize("door", ["new", "resumed", "forked"])
async def test_a_turn_waits_for_the_callers_servers(
    client: AsyncClient, stage: Stage, tmp_path: Path, door: str
) -> None:
    stage.play("ok")
    asked: dict[str, Any] = {"cwd": tmp_path}
    if door != "new":
        asked["resume"] = (await client.run("one", cwd=tmp_path)).session_id
        asked["fork"] = door == "forked"
    servers = {
        "slow": SLOW,
        "broken": McpServer(command=sys.executable, args=["-c", "raise SystemExit(3)"]),
        "deaf": McpServer(
            command=sys.executable,
            args=["-c", "import sys; sys.stdin.read()"],
            startup_timeout=1,
        ),
    }
    stage.play(ToolCall("shout", {"text": "hi"}, namespace="mcp__slow"), "done")
    async with client.session(mcp_servers=servers, **asked) as session:
        result = await session.run("two")
    (call,) = [e for e in result.events if isinstance(e, ToolEvent) and e.status == "completed"]
    assert (call.server, call.name) == ("slow", "shout")
    warnings = [event.text for event in result.events if isinstance(event, WarningEvent)]
    failed = [text for text in warnings if "did not start" in text]
    assert len(failed) == 2
    assert any("'broken' did not start, the turn continues without it" in text for text in failed)
    assert any("'deaf' did not start, the turn continues without it" in text for text in failed)


async def test_a_turn_after_a_crash_waits_for_the_servers_again(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    async with client.session(cwd=tmp_path, mcp_servers={"slow": SLOW}) as session:
        stage.play(Text(["a", Hold("end")]))
        async with session.stream("one") as turn:
            await asyncio.to_thread(stage.model.wait_until_held, "end")
            [server] = children_with(stage.home)
            os.kill(server, signal.SIGKILL)
            with pytest.raises(TransportClosedError):
                await turn.result()
        stage.play(ToolCall("shout", {"text": "hi"}, namespace="mcp__slow"), "done")
        result = await session.run("two")
    (call,) = [e for e in result.events if isinstance(e, ToolEvent) and e.status == "completed"]
    assert (call.server, call.name) == ("slow", "shout")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [("content_filter", ErrorKind.REFUSED), ("max_output_tokens", ErrorKind.OUTPUT_LIMIT)],
)
async def test_why_an_answer_is_cut_short(
    client: AsyncClient, stage: Stage, tmp_path: Path, reason: str, kind: ErrorKind
) -> None:
    stage.play(Reply("part", ending=Incomplete(reason)))
    with pytest.raises(TurnFailedError, match=reason) as caught:
        await client.run("go", cwd=tmp_path)
    assert (caught.value.kind, caught.value.transient) == (kind, False)


async def test_a_command_in_the_background_ends_with_its_session(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # It holds the pipe open for as long as it lives.
    command = {"cmd": f"exec sleep 300 > {pipe}", "yield_time_ms": 300}
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        stage.play(ToolCall("exec_command", command), "bye")
        result = await client.run("go", cwd=tmp_path, permissions="full-access")
        warnings = [event.text for event in result.events if isinstance(event, WarningEvent)]
        assert warnings[0].startswith("a command runs on, until its session is closed: ")
        gone = asyncio.Event()
        asyncio.get_running_loop().add_reader(reader, gone.set)  # also at the end of the file
        async with asyncio.timeout(10):
            await gone.wait()
        assert os.read(reader, 1) == b""
    finally:
        asyncio.get_running_loop().remove_reader(reader)
        os.close(reader)


async def test_what_cannot_go_on_says_what_to_do(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("ok")
    for unknown in ("nope", "01a203c0-7c89-74b1-9956-4bd9b8658e65"):
        with pytest.raises(InvalidOptionError, match="`signedin sessions list` has the ids"):
            await client.run("hi", cwd=tmp_path, resume=unknown)
    async with client.session(cwd=tmp_path) as session:
        assert await session.history() == []
        await session.run("one")
        await session.archive()
        with pytest.raises(InvalidOptionError, match="Unarchive it first, with session"):
            await session.run("two")
