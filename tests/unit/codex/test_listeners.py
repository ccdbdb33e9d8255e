"""Who hears of a thread of the app-server: one turn at a time."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from signedin.model.errors import SessionBusyError
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.turn import CodexTurn

DELTA = (
    b'{"method":"item/agentMessage/delta",'
    b'"params":{"threadId":"t","turnId":"1","itemId":"i","delta":"a"}}\n'
)


def spawning(method: str, *threads: str) -> bytes:
    item = {
        "type": "collabAgentToolCall",
        "id": "c",
        "tool": "spawnAgent",
        "prompt": "Look.",
        "receiverThreadIds": threads,
    }
    return notification(method, threadId="t", turnId="1", item=item)


def notification(method: str, **params: object) -> bytes:
    return json.dumps({"method": method, "params": params}).encode() + b"\n"


def delta(thread: str, text: str) -> bytes:
    return notification(
        "item/agentMessage/delta", threadId=thread, turnId="2", itemId="i", delta=text
    )


HELLO = b'{"id":1,"result":{"userAgent":"codex/0.169.0","codexHome":"/"}}\n'


class Program:
    """Answers the handshake, and then says one thing."""

    stderr = ""

    def __init__(self, says: bytes = b"") -> None:
        self._says = iter([HELLO, says])
        self._asked = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        await self._asked.wait()
        for said in self._says:
            yield said
        await asyncio.Event().wait()

    async def write(self, data: bytes) -> None:
        self._asked.set()

    async def stop(self) -> None:
        pass


def turn_of(server: AppServer) -> CodexTurn:
    turn = CodexTurn(
        server,
        "t",
        None,
        lambda: None,
        counted=None,
        cwd=Path("/"),
        confined=True,
        file=None,
        stale=None,
    )
    turn.mark_started("1")
    return turn


async def test_a_thread_has_one_listener_until_that_is_released() -> None:
    server = AppServer(Program())
    first, second = turn_of(server), turn_of(server)
    server.listen("t", first)
    with pytest.raises(SessionBusyError, match="session t is busy"):
        server.listen("t", second)
    first.release()
    server.listen("t", second)
    first.release()
    with pytest.raises(SessionBusyError):
        server.listen("t", first)


async def test_a_turn_that_cannot_be_stopped_listens_no_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = AppServer(Program())
    turn = turn_of(server)
    server.listen("t", turn)

    async def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr(turn, "interrupt", fail)
    with pytest.raises(RuntimeError):
        await turn.aclose()
    server.listen("t", turn_of(server))


async def test_what_a_subagent_does_before_it_is_named() -> None:
    begun = {"id": "2", "items": [], "status": "inProgress"}
    said = [
        delta("stranger", "unheard"),
        spawning("item/started"),
        notification("turn/started", threadId="child", turn=begun),
        delta("child", "I "),
        delta("stranger", "unheard"),
        spawning("item/completed", "child"),
        delta("child", "look."),
    ]
    server = AppServer(Program(b"".join(said)))
    turn = turn_of(server)
    server.listen("t", turn)
    await server.shake_hands()
    events = [event for event in await turn.next_events() if event.kind == "message_delta"]
    assert [(event.text, event.agent.id) for event in events] == [
        ("I ", "child"),
        ("look.", "child"),
    ]
    turn.release()
    await server.aclose()


async def test_a_delta_is_an_event_with_its_line() -> None:
    server = AppServer(Program(DELTA))
    turn = turn_of(server)
    server.listen("t", turn)
    await server.shake_hands()
    [event] = await turn.next_events()
    assert (event.kind, event.text, bytes(event.payload)) == ("message_delta", "a", DELTA.strip())
    await server.aclose()
