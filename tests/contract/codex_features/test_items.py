"""Whole things of a turn, each watched while it grows."""

import asyncio
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    CommandItem,
    FileChangeItem,
    Item,
    MessageItem,
    ReasoningItem,
    SignedinError,
    ToolItem,
    tool,
)
from signedin.loopback import Hold, Reasoning, Shell, Text, ToolCall, WriteFile
from support.stage import Stage


async def test_each_item_streams_while_it_grows(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(
        [Reasoning(["Thinking hard."]), Text("Looking. ", phase="commentary"), Shell("echo out")],
        WriteFile("new.txt", "hello\n"),
        Text(["It ", "is ", "done."], phase="final_answer"),
    )
    seen: list[tuple[str, list[str]]] = []
    items: list[Item] = []
    async with client.stream("go", cwd=tmp_path, permissions="workspace-write") as turn:
        async for item in turn.items():
            seen.append((type(item).__name__, [piece async for piece in item.stream()]))
            items.append(item)
        result = await turn.result()

    assert [(kind, "".join(pieces)) for kind, pieces in seen] == [
        ("ReasoningItem", "Thinking hard."),
        ("MessageItem", "Looking. "),
        ("CommandItem", "out\n"),
        ("FileChangeItem", "hello\n"),
        ("MessageItem", "It is done."),
    ]
    assert seen[-1][1] == ["It ", "is ", "done."]
    reasoning, commentary, command, change, answer = items
    assert isinstance(reasoning, ReasoningItem)
    assert isinstance(commentary, MessageItem)
    assert commentary.phase == "commentary"
    assert isinstance(command, CommandItem)
    assert (command.command, command.cwd) == ("/bin/bash -c 'echo out'", str(tmp_path))
    assert (command.exit_code, command.status, command.output_bytes) == (0, "completed", b"out\n")
    assert command.seconds is not None
    assert isinstance(change, FileChangeItem)
    assert [(c.path, c.kind, c.diff) for c in change.changes] == [
        (str(tmp_path / "new.txt"), "add", "hello\n")
    ]
    assert isinstance(answer, MessageItem)
    assert all(item.is_complete and not item.interrupted for item in items)
    assert result.text == answer.text == "It is done."


async def test_a_message_is_seen_before_it_is_complete(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["first ", Hold("rest"), "second"]))
    async with client.stream("go", cwd=tmp_path) as turn:
        async for item in turn.items():
            pieces = item.stream()
            assert await anext(pieces) == "first "
            assert not item.is_complete
            stage.release("rest")
            assert [piece async for piece in pieces] == ["second"]


async def test_parallel_readers_do_not_block_each_other(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play([Text("one two", phase="commentary"), Shell("echo a"), Shell("echo b")], "three")
    texts: list[str] = []

    async def read(item: Item) -> None:
        await item.complete()
        texts.append("".join([piece async for piece in item.stream()]))

    async with client.stream("go", cwd=tmp_path) as turn, asyncio.TaskGroup() as group:
        async for item in turn.items():
            group.create_task(read(item))
    assert sorted(texts) == ["a\n", "b\n", "one two", "three"]


async def test_cancelling_one_reader_leaves_the_turn_running(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["first ", Hold("rest"), "second"]))
    async with client.stream("go", cwd=tmp_path) as turn:
        item = await anext(turn.items())
        reader = asyncio.create_task(item.complete())
        await asyncio.to_thread(stage.wait_until_held, "rest")
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        stage.release("rest")
        assert (await turn.result()).text == "first second"


async def test_an_item_that_the_turn_cuts_off_says_so(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["first ", Hold("never"), "second"]))
    async with client.stream("go", cwd=tmp_path) as turn:
        item = await anext(turn.items())
        pieces = item.stream()
        assert await anext(pieces) == "first "
        await turn.interrupt()
        assert [piece async for piece in pieces] == []
        assert (item.is_complete, item.interrupted, item.text) == (True, True, "first ")


async def test_a_tool_call_is_an_item(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Adds."""
        return a + b

    stage.play(ToolCall("add", {"a": 1, "b": 2}), "3")
    async with client.stream("go", cwd=tmp_path, tools=[add]) as turn:
        items = [item async for item in turn.items()]
    call = items[0]
    assert isinstance(call, ToolItem)
    assert (call.name, call.arguments, call.result, call.status) == (
        "add",
        {"a": 1, "b": 2},
        "3",
        "completed",
    )
    assert [piece async for piece in call.stream()] == ["3"]


def test_blocking_items(stage: Stage, tmp_path: Path) -> None:
    stage.play([Text(["a ", "b"], phase="commentary"), Shell("echo hi")], "end")
    with (
        stage.client("codex-app-server") as client,
        client.stream("go", cwd=tmp_path) as turn,
    ):
        seen = [(type(item), list(item.stream())) for item in turn.items()]
        result = turn.result()
    assert seen == [
        (MessageItem, ["a ", "b"]),
        (CommandItem, ["hi\n"]),
        (MessageItem, ["end"]),
    ]
    assert result.text == "end"


async def test_an_async_item_refuses_to_block(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(Text(["first ", Hold("rest"), "second"]))
    async with client.stream("go", cwd=tmp_path) as turn:
        item = await anext(turn.items())
        with pytest.raises(SignedinError, match="belongs to an async turn"):
            item.wait()
