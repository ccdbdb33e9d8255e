"""JSON-RPC over a stream in memory: who gets what, in which order, and what happens at the end."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import msgspec
import pytest

from signedin.model.errors import (
    ErrorKind,
    ProtocolError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.wire.jsonl import BadLine
from signedin.wire.jsonrpc import Frequent, IncomingRequest, JsonRpcPeer
from signedin.wire.rpc_errors import (
    InternalRpcError,
    InvalidParamsError,
    InvalidRequestError,
    JsonRpcError,
    MethodNotFoundError,
    ParseError,
    ServerBusyError,
)

ENDED = TransportClosedError("agent (pid 7) exited with code 3", returncode=3, stderr="boom")


class Far:
    """The far side of a connection, played by the test."""

    def __init__(self) -> None:
        self._incoming: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._sent: asyncio.Queue[bytes] = asyncio.Queue()
        self.taken = 0
        self.broken = False

    def chunks(self) -> AsyncIterator[bytes]:
        return self._chunks()

    async def _chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._incoming.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            self.taken += 1
            yield chunk

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise ENDED
        self._sent.put_nowait(data)

    async def closed_error(self) -> TransportClosedError:
        return ENDED

    def says(self, *messages: object) -> None:
        self.sends(b"".join(json.dumps(message).encode() + b"\n" for message in messages))

    def sends(self, chunk: bytes | Exception | None) -> None:
        self._incoming.put_nowait(chunk)

    async def hears(self) -> dict[str, object]:
        line = await self._sent.get()
        assert line.endswith(b"\n")
        return json.loads(line)

    @property
    def heard_all(self) -> bool:
        return self._sent.empty()


class Log:
    """Everything a peer reported, in order; can be waited for."""

    def __init__(self) -> None:
        self.entries: list[object] = []
        self._grown = asyncio.Event()

    def add(self, entry: object) -> None:
        self.entries.append(entry)
        self._grown.set()

    async def reaches(self, length: int) -> list[object]:
        while len(self.entries) < length:
            self._grown.clear()
            await self._grown.wait()
        return self.entries


@pytest.fixture
async def far() -> Far:
    return Far()


@pytest.fixture
async def log() -> Log:
    return Log()


@pytest.fixture
async def failures() -> list[str]:
    """What was reported to the event loop's exception handler."""
    found: list[str] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: found.append(str(context["message"]))
    )
    return found


@pytest.fixture
async def connect(far: Far, log: Log) -> AsyncIterator[Callable[..., JsonRpcPeer]]:
    peers: list[JsonRpcPeer] = []

    def connect(**options: object) -> JsonRpcPeer:
        callbacks: dict[str, object] = {
            "on_notification": lambda method, params, _: log.add(
                (method, msgspec.json.decode(params))
            ),
            "on_bad_line": log.add,
            "on_close": log.add,
        }
        peer = JsonRpcPeer(far, **(callbacks | options))
        peer.start()
        peers.append(peer)
        return peer

    yield connect
    for peer in peers:
        await peer.aclose()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left


Connect = Callable[..., JsonRpcPeer]


def ask(peer: JsonRpcPeer, method: str, **params: object) -> asyncio.Task[msgspec.Raw]:
    return asyncio.create_task(peer.request(method, params or None, timeout=None))


async def test_answers_in_any_order_reach_those_who_asked(connect: Connect, far: Far) -> None:
    peer = connect()
    tasks = [ask(peer, "thread/read", threadId=name) for name in "abc"]
    asked = [await far.hears() for _ in tasks]
    assert asked == [
        {"id": number, "method": "thread/read", "params": {"threadId": name}}
        for number, name in enumerate("abc", 1)
    ]
    far.says(*({"id": question["id"], "result": question} for question in reversed(asked)))
    answers = await asyncio.gather(*tasks)
    assert [msgspec.json.decode(answer) for answer in answers] == asked


class Start(msgspec.Struct, rename="camel", omit_defaults=True):
    thread_id: str
    model: str | None = None


async def test_parameters_may_be_structs_and_acp_names_its_version(
    connect: Connect, far: Far
) -> None:
    peer = connect(jsonrpc="2.0")
    asking = asyncio.create_task(peer.request("turn/start", Start("t1"), timeout=None))
    assert await far.hears() == {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "turn/start",
        "params": {"threadId": "t1"},
    }
    far.says({"jsonrpc": "2.0", "id": 1, "result": None})
    assert bytes(await asking) == b"null"
    await peer.notify("initialized")
    assert await far.hears() == {"jsonrpc": "2.0", "method": "initialized"}


async def test_notifications_come_in_order_with_their_lines_once_per_batch(
    connect: Connect, far: Far, log: Log
) -> None:
    connect(
        on_notification=lambda method, params, line: log.add((method, bytes(params), line)),
        on_batch_end=lambda: log.add("batch end"),
    )
    far.sends(b'{"method":"a","params":{"x":1},"emittedAtMs":5}\n{"method":"b"}\n{"met')
    far.sends(b'hod":"c","params":null}\n')
    assert await log.reaches(5) == [
        ("a", b'{"x":1}', b'{"method":"a","params":{"x":1},"emittedAtMs":5}'),
        ("b", b"{}", b'{"method":"b"}'),
        "batch end",
        ("c", b"null", b'{"method":"c","params":null}'),
        "batch end",
    ]


class Piece(msgspec.Struct):
    text: str


class PieceOfText(Frequent, tag="text"):
    params: Piece


async def test_frequent_notifications_are_decoded_at_once_and_the_rest_as_before(
    connect: Connect, far: Far, log: Log
) -> None:
    peer = connect()
    peer.expect(
        msgspec.json.Decoder(PieceOfText).decode, lambda piece, line: log.add((piece, line))
    )
    halved = b'{"params":{"text":"\\ud83d"},"method":"text"}'
    far.sends(b'{"method":"text","params":{"text":"a"}}\n' + halved + b"\n")
    far.sends(b'{"method":"text","params":{"text":1}}\n{"method":"text"}\n{"method":"b"}\n')
    far.sends(b'{"method":"text","params":{"text":"a"}\n{"method":"text","params":{"text":"c"}}\n')
    entries = await log.reaches(7)
    assert entries[:2] == [
        (PieceOfText(Piece("a")), b'{"method":"text","params":{"text":"a"}}'),
        ("text", {"text": "\ufffd"}),
    ]
    assert entries[2:5] == [("text", {"text": 1}), ("text", {}), ("b", {})]
    assert isinstance(entries[5], BadLine)
    assert entries[6] == (
        PieceOfText(Piece("c")),
        b'{"method":"text","params":{"text":"c"}}',
    )


async def test_what_precedes_an_answer_is_delivered_before_it(
    connect: Connect, far: Far, log: Log
) -> None:
    peer = connect()
    asking = ask(peer, "turn/start")
    await far.hears()
    far.says({"method": "turn/started"}, {"id": 1, "result": {}}, {"method": "turn/completed"})
    await asking
    assert await log.reaches(2) == [("turn/started", {}), ("turn/completed", {})]


async def test_both_sides_may_use_the_same_ids(connect: Connect, far: Far) -> None:
    async def approve(request: IncomingRequest) -> object:
        assert msgspec.json.decode(request.line)["method"] == request.method
        return {"decision": request.method, "id": request.id, "params": request.params}

    peer = connect(on_request=approve)
    asking = ask(peer, "turn/start")
    await far.hears()
    far.says({"id": 1, "method": "item/requestApproval", "params": {"command": "ls"}})
    far.says({"id": "one", "method": "item/requestApproval"})
    assert [await far.hears(), await far.hears()] == [
        {
            "id": 1,
            "result": {
                "decision": "item/requestApproval",
                "id": 1,
                "params": {"command": "ls"},
            },
        },
        {"id": "one", "result": {"decision": "item/requestApproval", "id": "one", "params": {}}},
    ]
    assert not asking.done()
    far.says({"id": 1, "result": "mine"})
    assert msgspec.json.decode(await asking) == "mine"


async def test_a_request_handler_may_ask_and_does_not_stop_the_reader(
    connect: Connect, far: Far, log: Log
) -> None:
    async def handler(request: IncomingRequest) -> object:
        return await peer.request("who/asks", timeout=None)

    peer = connect(on_request=handler)
    far.says({"id": 0, "method": "question"}, {"method": "meanwhile"})
    assert await log.reaches(1) == [("meanwhile", {})]
    assert await far.hears() == {"id": 1, "method": "who/asks"}
    far.says({"id": 1, "result": {"name": "me"}})
    assert await far.hears() == {"id": 0, "result": {"name": "me"}}


async def test_every_request_is_answered_whatever_the_handler_does(
    connect: Connect, far: Far, failures: list[str]
) -> None:
    async def handler(request: IncomingRequest) -> object:
        match request.method:
            case "refuse":
                raise JsonRpcError(-32050, "not today", {"until": "tomorrow"})
            case "fail":
                raise ValueError("password=hunter22")
            case "unfit":
                return object()
            case "cancel":
                forgotten = asyncio.get_running_loop().create_future()
                forgotten.cancel()
                return await forgotten
            case other:
                raise MethodNotFoundError(-32601, f"no such method: {other}")

    connect(on_request=handler)
    methods = ["refuse", "fail", "unfit", "cancel", "other"]
    far.says(*({"id": number, "method": method} for number, method in enumerate(methods)))
    answers = [await far.hears() for _ in methods]
    assert {answer["id"]: answer["error"] for answer in answers} == {
        0: {"code": -32050, "message": "not today", "data": {"until": "tomorrow"}},
        1: {"code": -32603, "message": "the handler of fail failed"},
        2: {"code": -32603, "message": "the handler of unfit failed"},
        3: {"code": -32603, "message": "the handler of cancel was cancelled"},
        4: {"code": -32601, "message": "no such method: other"},
    }
    assert failures == [
        "the handler of fail failed: ValueError",
        "the handler of unfit failed: TypeError",
    ]


async def test_without_a_handler_there_is_no_method(connect: Connect, far: Far) -> None:
    connect()
    far.says({"id": 0, "method": "currentTime/read"})
    assert await far.hears() == {
        "id": 0,
        "error": {"code": -32601, "message": "no such method: currentTime/read"},
    }


@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        (-32700, ParseError),
        (-32600, InvalidRequestError),
        (-32601, MethodNotFoundError),
        (-32602, InvalidParamsError),
        (-32603, InternalRpcError),
        (-32001, ServerBusyError),
        (-32000, JsonRpcError),
        (7, JsonRpcError),
    ],
)
async def test_error_answers_have_a_type_by_code(
    connect: Connect, far: Far, code: int, error_type: type[JsonRpcError]
) -> None:
    asking = ask(connect(), "thread/start")
    await far.hears()
    far.says({"id": 1, "error": {"code": code, "message": "no", "data": {"max": 5}}})
    with pytest.raises(JsonRpcError) as caught:
        await asking
    error = caught.value
    assert type(error) is error_type
    assert (error.code, error.message, error.data) == (code, "no", {"max": 5})
    assert str(error) == f"no (JSON-RPC error {code})"
    assert error.__notes__ == ["while waiting for the answer to thread/start"]
    assert isinstance(error, ProtocolError)
    assert error.transient == (error_type is ServerBusyError)


async def test_malformed_error_answers_are_errors_all_the_same(connect: Connect, far: Far) -> None:
    peer = connect()
    for answer in ({"error": "just text"}, {"error": {"code": "x"}}, {}):
        asking = ask(peer, "m")
        far.says({"id": (await far.hears())["id"], **answer})
        with pytest.raises(ProtocolError):
            await asking


@pytest.mark.parametrize(("depth", "error_type"), [(600, JsonRpcError), (100_000, ProtocolError)])
async def test_an_error_nested_too_deeply_is_an_error_all_the_same(
    connect: Connect, far: Far, depth: int, error_type: type[SignedinError]
) -> None:
    asking = ask(connect(), "turn/start")
    await far.hears()
    deep = b'{"code":1,"data":' + b"[" * depth + b"]" * depth + b"}"
    far.sends(b'{"id":1,"error":' + deep + b"}\n")
    with pytest.raises(error_type):
        await asking


@pytest.mark.parametrize("number", [b'"1"', b"1.0"])
async def test_an_id_that_comes_back_in_another_form(
    connect: Connect, far: Far, number: bytes
) -> None:
    asking = ask(connect(), "turn/start")
    await far.hears()
    far.sends(b'{"id":' + number + b',"result":{}}\n')
    assert bytes(await asking) == b"{}"


async def test_an_answer_with_a_null_error_is_a_result(connect: Connect, far: Far) -> None:
    asking = ask(connect(), "m")
    await far.hears()
    far.says({"id": 1, "result": 5, "error": None})
    assert bytes(await asking) == b"5"


async def test_a_late_answer_is_dropped(connect: Connect, far: Far, log: Log) -> None:
    peer = connect()
    with pytest.raises(TimeoutExceededError, match=r"no answer to slow within 0\.01 s"):
        await peer.request("slow", timeout=0.01)
    cancelled = ask(peer, "cancelled")
    asked = [await far.hears(), await far.hears()]
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    far.says(*({"id": question["id"], "result": {}} for question in asked), {"id": 99, "result": 1})
    far.says({"method": "after"})
    assert await log.reaches(1) == [("after", {})]
    asking = ask(peer, "next")
    far.says({"id": (await far.hears())["id"], "result": "fresh"})
    assert bytes(await asking) == b'"fresh"'


async def test_an_answer_and_a_cancellation_in_the_same_moment(
    connect: Connect, far: Far, failures: list[str]
) -> None:
    def end_batch() -> None:
        asking.cancel()

    peer = connect(on_batch_end=end_batch)
    asking = ask(peer, "m")
    await far.hears()
    peer.gate.block("slow")
    far.says({"id": 1, "error": {"code": 1, "message": "no"}})
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert not peer.gate.is_open
    assert failures == []


async def test_bad_lines_are_reported_and_reading_goes_on(
    connect: Connect, far: Far, log: Log
) -> None:
    connect()
    far.sends(b"Loading...\n[1]\n{}\n")
    far.sends(b'{"id":1.5,"result":1}\n{"id":null,"error":{"code":-32700,"message":"?"}}\n')
    far.sends(b'{"method":"fine"}')
    far.sends(None)
    entries = await log.reaches(7)
    assert [entry.data for entry in entries[:5] if isinstance(entry, BadLine)] == [
        b"Loading...",
        b"[1]",
        b"{}",
        b'{"id":1.5,"result":1}',
        b'{"id":null,"error":{"code":-32700,"message":"?"}}',
    ]
    assert entries[5] == ("fine", {})


@pytest.mark.parametrize("failing", ["on_notification", "on_batch_end"])
async def test_a_failing_callback_ends_the_wait_of_everybody(
    connect: Connect, far: Far, failures: list[str], failing: str
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    peer = connect(**{failing: fail})
    asking = ask(peer, "m")
    await far.hears()
    far.says({"method": "bad"})
    with pytest.raises(ProtocolError, match=r"cannot be .*: ValueError\('no'\)"):
        await asking
    with pytest.raises(ProtocolError):
        await ask(peer, "m")
    assert len(failures) == 1


async def test_a_line_without_end_is_no_end_of_the_other_side(
    connect: Connect, far: Far, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.wire.jsonl.LONGEST_LINE", 1000)
    peer = connect()
    asking = ask(peer, "m")
    await far.hears()
    far.sends(b"x" * 2000)
    with pytest.raises(ProtocolError, match="received more than 0 MiB without a line ending"):
        await asking


async def test_the_end_tells_everybody_why_once(connect: Connect, far: Far, log: Log) -> None:
    serving, stopped = asyncio.Event(), asyncio.Event()

    async def handler(request: IncomingRequest) -> object:
        serving.set()
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            stopped.set()

    peer = connect(on_request=handler)
    tasks = [ask(peer, "a"), ask(peer, "b")]
    await far.hears()
    await far.hears()
    far.says({"id": 5, "method": "approve?"})
    await serving.wait()
    far.sends(None)
    errors = await asyncio.gather(*tasks, return_exceptions=True)
    for error in errors:
        assert isinstance(error, TransportClosedError)
        assert (error.message, error.returncode, error.stderr) == (
            "agent (pid 7) exited with code 3",
            3,
            "boom",
        )
        assert error.kind is ErrorKind.PROCESS
    assert errors[0] is not errors[1]
    for late in (peer.request("late", timeout=None), peer.notify("late")):
        with pytest.raises(TransportClosedError, match="exited with code 3"):
            await late
    await stopped.wait()
    await peer.aclose()
    assert log.entries == [ENDED]
    assert far.heard_all


async def test_a_stream_that_fails_ends_the_connection(
    connect: Connect, far: Far, log: Log, failures: list[str]
) -> None:
    asking = ask(connect(), "m")
    await far.hears()
    far.sends(OSError("bad pipe"))
    with pytest.raises(TransportClosedError, match="reading failed: OSError: bad pipe"):
        await asking
    assert failures == ["reading failed: OSError"]
    assert len(log.entries) == 1


async def test_closing_wakes_everybody_and_answers_nobody(
    connect: Connect, far: Far, log: Log
) -> None:
    stopped: list[int | str] = []

    async def handler(request: IncomingRequest) -> object:
        log.add(request.id)
        try:
            return await asyncio.get_running_loop().create_future()
        finally:
            stopped.append(request.id)

    peer = connect(on_request=handler)
    asking = ask(peer, "m")
    await far.hears()
    far.says({"id": 5, "method": "approve?"})
    await log.reaches(1)
    await peer.aclose()
    with pytest.raises(TransportClosedError, match="closed by this side"):
        await asking
    assert stopped == [5]
    assert far.heard_all
    assert [str(entry) for entry in log.entries] == ["5", "the connection was closed by this side"]


async def test_a_handler_may_close_the_connection(connect: Connect, far: Far, log: Log) -> None:
    async def handler(request: IncomingRequest) -> object:
        await peer.aclose()
        log.add("handler ended")
        return "too late"

    peer = connect(on_request=handler)
    far.says({"id": 0, "method": "close"})
    assert (await log.reaches(2))[1] == "handler ended"
    await peer.aclose()
    assert far.heard_all


async def test_a_broken_stream_fails_the_request_and_leaves_the_gate_as_it_was(
    connect: Connect, far: Far
) -> None:
    peer = connect()
    far.broken = True
    with pytest.raises(TransportClosedError, match="exited with code 3"):
        await peer.request("m", timeout=None)
    peer.gate.block("slow")
    assert not peer.gate.is_open


async def test_a_slow_consumer_holds_the_reader_back_until_somebody_needs_it(
    connect: Connect, far: Far, log: Log
) -> None:
    def on_notification(method: str, params: msgspec.Raw, line: bytes) -> None:
        log.add(method)
        peer.gate.block("slow")

    peer = connect(on_notification=on_notification)
    for name in "abc":
        far.says({"method": name})
    assert await log.reaches(1) == ["a"]
    for _ in range(20):
        await asyncio.sleep(0)
    assert log.entries == ["a"]
    peer.gate.unblock("slow")
    assert await log.reaches(2) == ["a", "b"]
    asking = ask(peer, "needed")
    await far.hears()
    assert await log.reaches(3) == ["a", "b", "c"]
    far.says({"id": 1, "result": {}}, {"method": "d"})
    far.says({"method": "e"})
    await asking
    for _ in range(20):
        await asyncio.sleep(0)
    assert log.entries == ["a", "b", "c", "d"]
    peer.gate.demand("another consumer")
    assert await log.reaches(5) == ["a", "b", "c", "d", "e"]


async def test_two_peers_talk_to_each_other(log: Log) -> None:
    """The two ends of one connection, each a peer, with requests crossing."""
    left_far, right_far = Far(), Far()

    async def echo(request: IncomingRequest) -> object:
        return {"echo": request.params}

    def peer(far: Far) -> JsonRpcPeer:
        return JsonRpcPeer(far, on_notification=lambda *_: None, on_request=echo, jsonrpc="2.0")

    async def carry(source: Far, target: Far) -> None:
        while True:
            target.says(await source.hears())

    left, right = peer(left_far), peer(right_far)
    carriers = [
        asyncio.create_task(carry(left_far, right_far)),
        asyncio.create_task(carry(right_far, left_far)),
    ]
    left.start()
    right.start()
    answers = await asyncio.gather(
        *(side.request("echo", {"n": n}, timeout=None) for n in range(50) for side in (left, right))
    )
    assert [msgspec.json.decode(answer)["echo"]["n"] for answer in answers] == [
        n for n in range(50) for _ in "lr"
    ]
    for carrier in carriers:
        carrier.cancel()
    await left.aclose()
    await right.aclose()
