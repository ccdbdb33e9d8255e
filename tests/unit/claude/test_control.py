"""The control protocol, without a program."""

import asyncio
import json
from collections.abc import AsyncIterator

import msgspec
import pytest

from signedin.model.errors import (
    InvalidOptionError,
    ProtocolError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.providers.claude.control import ControlPeer
from signedin.providers.claude.messages import Message


class Program:
    """The other end: what is put in comes out of its stdout."""

    def __init__(self) -> None:
        self.stdout: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.stdin: asyncio.Queue[dict[str, object]] = asyncio.Queue()

    def say(self, *messages: object) -> None:
        self.stdout.put_nowait("".join(json.dumps(m) + "\n" for m in messages).encode())

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self.stdout.get()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        self.stdin.put_nowait(json.loads(data))

    async def closed_error(self) -> TransportClosedError:
        return TransportClosedError("the program ended", returncode=1)


class Listener:
    """Records what it receives."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.closed: list[str] = []
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    def on_message(self, message: Message, line: bytes) -> None:
        del line
        self.messages.append(message.type)

    async def on_request(self, request: msgspec.Raw) -> object:
        asked = json.loads(bytes(request))
        self.asked.set()
        match asked["subtype"]:
            case "easy":
                return {"behavior": "allow"}
            case "endless":
                try:
                    await asyncio.Event().wait()
                finally:
                    self.cancelled.set()
            case "broken":
                raise ZeroDivisionError
        raise ProtocolError("no answer")

    def on_batch_end(self) -> None:
        self.messages.append("|")

    def on_close(self, error: Exception) -> None:
        self.closed.append(str(error))


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
async def peer(program: Program, listener: Listener) -> AsyncIterator[ControlPeer]:
    peer = ControlPeer(program, listener)  # type: ignore[arg-type]
    yield peer
    await peer.aclose()


def answer(number: object, **fields: object) -> dict[str, object]:
    response = {"subtype": "success", "request_id": number, **fields}
    return {"type": "control_response", "response": response}


async def test_answers_find_their_questions_in_any_order(
    peer: ControlPeer, program: Program
) -> None:
    first = asyncio.create_task(peer.request("interrupt", {}, timeout=5))
    second = asyncio.create_task(peer.request("set_model", {"model": "x"}, timeout=5))
    asked = [await program.stdin.get(), await program.stdin.get()]
    assert [question["request"] for question in asked] == [
        {"subtype": "interrupt"},
        {"subtype": "set_model", "model": "x"},
    ]
    program.say(
        answer("unknown"),
        answer(asked[1]["request_id"], response={"n": 2}),
        answer(asked[0]["request_id"], response={"n": 1}),
    )
    assert json.loads(bytes(await first)) == {"n": 1}
    assert json.loads(bytes(await second)) == {"n": 2}


async def test_refusals_silence_and_the_end(
    peer: ControlPeer, program: Program, listener: Listener
) -> None:
    asking = asyncio.create_task(peer.request("set_mode", {}, timeout=5))
    number = (await program.stdin.get())["request_id"]
    program.say(answer(number, subtype="error", error="no such mode"))
    with pytest.raises(InvalidOptionError, match="claude refused 'set_mode': no such mode"):
        await asking
    with pytest.raises(TimeoutExceededError, match=r"did not answer 'interrupt' within 0\.01 s"):
        await peer.request("interrupt", {}, timeout=0.01)
    asking = asyncio.create_task(peer.request("interrupt", {}, timeout=5))
    await program.stdin.get()
    await program.stdin.get()
    program.stdout.put_nowait(None)
    with pytest.raises(TransportClosedError, match="the program ended"):
        await asking
    assert listener.closed == ["the program ended"]


async def test_questions_are_answered_without_holding_up_the_rest(
    peer: ControlPeer, program: Program, listener: Listener
) -> None:
    def question(number: str, subtype: str) -> dict[str, object]:
        return {
            "type": "control_request",
            "request_id": number,
            "request": {"subtype": subtype},
        }

    program.say(question("q1", "endless"), {"type": "assistant"}, question("q2", "easy"))
    assert await program.stdin.get() == answer("q2", response={"behavior": "allow"})
    program.say(question("q3", "unknown"))
    assert await program.stdin.get() == answer("q3", subtype="error", error="no answer")
    program.say({"type": "control_cancel_request", "request_id": "q1"})
    await listener.cancelled.wait()
    assert listener.messages[:2] == ["assistant", "|"]
    assert program.stdin.empty()


async def test_bad_lines_are_skipped(
    peer: ControlPeer, program: Program, listener: Listener
) -> None:
    program.stdout.put_nowait(b"oops\n[]\n")
    program.say({"type": "control_response", "response": 5}, {"type": "user"})
    asking = asyncio.create_task(peer.request("interrupt", {}, timeout=5))
    program.say(answer((await program.stdin.get())["request_id"]))
    await asking
    assert [name for name in listener.messages if name != "|"] == ["user"]


async def test_a_mistake_of_ours_is_reported_and_refuses(
    peer: ControlPeer, program: Program, listener: Listener
) -> None:
    reported: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
    question = {"type": "control_request", "request_id": "q1", "request": {"subtype": "broken"}}
    program.say(question)
    refusal = answer("q1", subtype="error", error="ZeroDivisionError while answering")
    assert await program.stdin.get() == refusal
    listener.on_message = None  # type: ignore[assignment]
    asking = asyncio.create_task(peer.request("interrupt", {}, timeout=5))
    program.say({"type": "user"})
    with pytest.raises(ProtocolError, match=r"claude sent a message in a form .*: TypeError"):
        await asking
    assert reported == [
        "answering a question of claude failed",
        "reading what claude says failed",
    ]
