"""Notifications and requests find the turn they are about."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import cast

import msgspec
import pytest

from signedin.model.errors import (
    SessionBusyError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
)
from signedin.model.events import SessionEvent
from signedin.providers.codex import (
    AsyncTurnHandle,
    Notification,
    UnknownNotification,
    protocol as p,
)
from signedin.providers.codex.api.notifications import MOST_STORED, Inbox, read_notification
from signedin.providers.codex.api.requests import RequestAnswerer, refusal
from signedin.providers.codex.api.router import Router
from signedin.providers.codex.app_server.process import AppServer
from signedin.wire.gate import Gate
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import INVALID_PARAMS, METHOD_NOT_FOUND, JsonRpcError, ServerBusyError

THREAD = SessionEvent(session_id="t", model="m", cwd="/w")


def message(method: str, params: object) -> bytes:
    return msgspec.json.encode({"method": method, "params": params})


def tell(router: Router, method: str, params: object) -> None:
    """Sends the router something as an app-server would."""
    known = p.NOTIFICATIONS.decoder(method)
    decoded = known.decode(msgspec.json.encode(params)) if known else None
    router.on_notification(method, decoded, message(method, params))
    router.on_batch_end()


def turn_of(turn_id: str, status: str = "inProgress", **more: object) -> dict[str, object]:
    return {"threadId": "t", "turn": {"id": turn_id, "status": status, **more}}


def item(turn_id: str, **fields: object) -> dict[str, object]:
    return {"threadId": "t", "turnId": turn_id, "item": fields}


def delta(turn_id: str, item_id: str, text: str, **more: object) -> dict[str, object]:
    return {"threadId": "t", "turnId": turn_id, "itemId": item_id, "delta": text, **more}


@pytest.fixture
async def server() -> AppServer:
    return cast("AppServer", SimpleNamespace(gate=Gate(), closed=None))


@pytest.fixture
async def router() -> Router:
    return Router(RequestAnswerer(None))


async def started(router: Router, server: AppServer, turn_id: str | None = "u") -> AsyncTurnHandle:
    async def begin(_: object) -> str | None:
        return turn_id

    handle = AsyncTurnHandle(await router.start(server, THREAD, begin), router)
    if turn_id is not None:
        tell(router, "turn/started", turn_of(turn_id))
    return handle


async def rest(router: Router, server: AppServer) -> AsyncIterator[str]:
    while True:
        try:
            yield (await router.inbox.next(server, 0)).method
        except TimeoutExceededError:
            return


def test_unknown_methods_and_forms_are_kept_whole() -> None:
    line = message("new/thing", {"threadId": "t", "turnId": "u", "extra": [1]})
    notification, about = read_notification("new/thing", None, line)
    assert notification == Notification(
        "new/thing",
        UnknownNotification(params={"threadId": "t", "turnId": "u", "extra": [1]}),
        line,
    )
    assert about == ("t", "u")
    assert notification.raw == msgspec.json.decode(line)
    _, about = read_notification("new/thing", None, message("new/thing", {"turn": {"id": "u"}}))
    assert about == (None, "u")
    for odd in ([1, 2], "text", None, {"threadId": 7}):
        line = message("new/thing", odd)
        notification, about = read_notification("new/thing", None, line)
        assert about == (None, None)
        assert notification.raw["params"] == odd
    notification, about = read_notification("new/thing", None, b'{"method":"new/thing"}')
    assert (notification.params, about) == (UnknownNotification(params={}), (None, None))


async def test_a_turn_gets_its_own_and_nothing_else(router: Router, server: AppServer) -> None:
    handle = await started(router, server)
    tell(router, "item/started", item("u", type="agentMessage", id="m"))
    tell(router, "item/completed", item("earlier", type="agentMessage", id="late", text="x"))
    tell(router, "thread/status/changed", {"threadId": "t", "status": {"type": "active"}})
    tell(router, "item/agentMessage/delta", delta("u", "m", "a"))
    tell(router, "item/agentMessage/delta", {**delta("u", "m", "b"), "threadId": "other"})
    tell(router, "new/thing", {"threadId": "t", "turnId": "u"})
    tell(router, "account/updated", {"authMode": None})
    tell(router, "turn/completed", turn_of("u", "completed"))
    tell(router, "item/completed", item("u", type="agentMessage", id="after", text="x"))
    assert [notification.method async for notification in handle.stream()] == [
        "turn/started",
        "item/started",
        "item/agentMessage/delta",
        "new/thing",
        "turn/completed",
    ]
    assert [method async for method in rest(router, server)] == [
        "item/completed",
        "thread/status/changed",
        "item/agentMessage/delta",
        "account/updated",
        "item/completed",
    ]


async def test_a_turn_whose_id_is_not_answered_is_known_by_its_start(
    router: Router, server: AppServer
) -> None:
    handle = await started(router, server, None)
    assert handle.id == ""
    tell(router, "item/completed", item("earlier", type="agentMessage", id="late", text="x"))
    tell(router, "turn/started", turn_of("u"))
    assert handle.id == "u"
    tell(router, "turn/completed", turn_of("u", "completed"))
    assert (await handle.run()).status == "completed"
    assert [method async for method in rest(router, server)] == ["item/completed"]


async def test_a_thread_is_free_again_when_its_turn_has_ended(
    router: Router, server: AppServer
) -> None:
    first = await started(router, server)
    with pytest.raises(SessionBusyError, match="thread t is busy with another turn"):
        await started(router, server, "v")
    tell(router, "turn/completed", turn_of("u", "completed"))
    second = await started(router, server, "v")
    tell(router, "turn/completed", turn_of("v", "completed"))
    assert (await first.run()).id == "u"
    assert (await second.run()).id == "v"


async def test_a_refused_start_frees_the_thread(router: Router, server: AppServer) -> None:
    async def refused(_: object) -> str:
        raise ServerBusyError(-32001, "Server overloaded; retry later.")

    with pytest.raises(ServerBusyError):
        await router.start(server, THREAD, refused)
    await started(router, server)


async def test_what_had_begun_is_kept(router: Router, server: AppServer) -> None:
    handle = await started(router, server)
    for kind in ("agentMessage", "plan", "commandExecution", "reasoning", "webSearch", "gadget"):
        tell(router, "item/started", item("u", type=kind, id=kind, command="ls"))
    for text in ("one ", "two"):
        tell(router, "item/agentMessage/delta", delta("u", "agentMessage", text))
        tell(router, "item/plan/delta", delta("u", "plan", text))
        tell(router, "item/commandExecution/outputDelta", delta("u", "commandExecution", text))
        for index in (0, 1):
            of_summary = delta("u", "reasoning", text, summaryIndex=index)
            tell(router, "item/reasoning/summaryTextDelta", of_summary)
        tell(router, "item/reasoning/textDelta", delta("u", "reasoning", text, contentIndex=0))
    before = handle.result
    assert (before.status, before.items) == ("inProgress", ())
    told_twice = handle.result
    assert told_twice == before
    message_, plan, command, reasoning, search, gadget = before.unfinished
    assert (message_.text, plan.text, command.aggregated_output) == ("one two",) * 3
    assert (reasoning.summary, reasoning.content) == (("one two", "one two"), ("one two",))
    assert isinstance(search, p.WebSearchThreadItem)
    assert isinstance(gadget, p.UnknownThreadItem)
    tell(router, "item/completed", item("u", type="agentMessage", id="agentMessage", text="whole"))
    after = handle.result
    assert [part.id for part in after.items] == ["agentMessage"]
    assert "agentMessage" not in {part.id for part in after.unfinished}
    assert after.final_response == "whole"


async def test_an_unknown_end_is_a_failure(router: Router, server: AppServer) -> None:
    handle = await started(router, server)
    tell(router, "turn/completed", turn_of("u", "evaporated"))
    with pytest.raises(TurnFailedError, match="the turn ended as 'evaporated'"):
        await handle.run()
    assert handle.result.status == "evaporated"


async def test_a_duration_that_cannot_be_is_none(router: Router, server: AppServer) -> None:
    handle = await started(router, server)
    tell(router, "turn/completed", turn_of("u", "completed", durationMs=msgspec.Raw(b"9" * 400)))
    assert (await handle.run()).duration is None


async def test_the_end_of_the_server_ends_every_turn(router: Router, server: AppServer) -> None:
    handle = await started(router, server)
    tell(router, "item/started", item("u", type="agentMessage", id="m"))
    tell(router, "item/agentMessage/delta", delta("u", "m", "half"))
    waiting = asyncio.create_task(router.inbox.next(server, None))
    await asyncio.sleep(0)
    server.closed = TransportClosedError("gone")
    router.on_close(server.closed)
    with pytest.raises(TransportClosedError) as lost:
        await handle.run()
    assert lost.value is not server.closed
    assert (lost.value.result.text, lost.value.result.turn_id) == ("half", "u")
    with pytest.raises(TransportClosedError):
        await waiting


async def test_the_inbox_keeps_the_newest(server: AppServer) -> None:
    inbox = Inbox()
    for number in range(MOST_STORED + 5):
        inbox.put(Notification(str(number), UnknownNotification(), b""))
    inbox.wake()
    assert (await inbox.next(server, 0)).method == "5"


async def test_two_who_wait_get_one_each(server: AppServer) -> None:
    inbox = Inbox()
    waiting = [asyncio.create_task(inbox.next(server, 5)) for _ in range(2)]
    await asyncio.sleep(0)
    server.gate.block("somebody")
    assert server.gate.is_open
    for method in ("a", "b"):
        inbox.put(Notification(method, UnknownNotification(), b""))
    inbox.wake()
    assert [(await task).method for task in waiting] == ["a", "b"]
    assert not server.gate.is_open


SMALLEST = {
    "item/tool/requestUserInput": {"questions": []},
    "mcpServer/elicitation/request": {"serverName": "s", "mode": "form"},
    "item/tool/call": {"callId": "c", "tool": "weather", "arguments": {}},
}
"""Parameters, besides ids, without which a request cannot be read."""


@pytest.mark.parametrize("method", list(p.SERVER_REQUESTS))
async def test_every_request_has_a_refusal(method: str) -> None:
    ids = {"threadId": "t", "turnId": "u", "itemId": "i"}
    raw = msgspec.Raw(msgspec.json.encode({**ids, **SMALLEST.get(method, {})}))
    request = IncomingRequest(0, method, raw, b"")
    if method == "account/chatgptAuthTokens/refresh":
        with pytest.raises(JsonRpcError, match=f"there is no handler for {method}") as refused:
            await RequestAnswerer(None).answer(request)
        assert refused.value.code == METHOD_NOT_FOUND
        return
    answer = await RequestAnswerer(None).answer(request)
    assert (
        msgspec.json.decode(msgspec.json.encode(answer))
        == {
            "item/commandExecution/requestApproval": {"decision": "decline"},
            "item/fileChange/requestApproval": {"decision": "decline"},
            "item/permissions/requestApproval": {"permissions": {}, "scope": "turn"},
            "item/tool/call": {
                "contentItems": [
                    {"type": "inputText", "text": "There is no handler for the tool 'weather'."}
                ],
                "success": False,
            },
            "item/tool/requestUserInput": {"answers": {}},
            "mcpServer/elicitation/request": {"action": "decline", "content": None},
        }[method]
    )


async def test_requests_that_are_not_known_never_reach_the_handler() -> None:
    asked: list[str] = []

    def handler(method: str, params: p.Incoming) -> None:
        asked.append(method)

    answerer = RequestAnswerer(handler)
    with pytest.raises(JsonRpcError, match="signedin does not know new/question") as unknown:
        await answerer.answer(IncomingRequest(0, "new/question", msgspec.Raw(b"{}"), b""))
    assert unknown.value.code == METHOD_NOT_FOUND
    odd = IncomingRequest(0, "item/tool/call", msgspec.Raw(b"[]"), b"")
    with pytest.raises(JsonRpcError, match=r"unknown form of item/tool/call") as unreadable:
        await answerer.answer(odd)
    assert unreadable.value.code == INVALID_PARAMS
    assert asked == []


async def test_an_answer_of_a_wrong_type_is_not_sent() -> None:
    raw = msgspec.Raw(b'{"threadId":"t","turnId":"u","itemId":"i"}')
    request = IncomingRequest(0, "item/fileChange/requestApproval", raw, b"")
    with pytest.raises(TypeError) as wrong:
        await RequestAnswerer(lambda *_: "accept").answer(request)
    assert str(wrong.value) == (
        "on_request must return a FileChangeRequestApprovalResponse, a mapping or None for "
        "item/fileChange/requestApproval, not str"
    )


def test_what_is_refused_without_an_answer_of_its_own() -> None:
    with pytest.raises(JsonRpcError, match="there is no handler for x"):
        refusal("x", UnknownNotification())
