"""Completions of logins find their attempt, whatever the order of messages."""

import asyncio
from collections.abc import AsyncIterator
from typing import cast

import msgspec
import pytest

from signedin.model.errors import ProtocolError, TimeoutExceededError, TransportClosedError
from signedin.providers.codex import protocol as p
from signedin.providers.codex.account import login
from signedin.providers.codex.app_server.process import AppServer
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.process import Process


class Server:
    """Stands in for the process of an app-server: the test says what it sends."""

    def __init__(self) -> None:
        self.asked: list[dict[str, object]] = []
        self._said: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._arrived = asyncio.Event()

    async def chunks(self) -> AsyncIterator[bytes]:
        while (chunk := await self._said.get()) is not None:
            yield chunk

    async def write(self, data: bytes) -> None:
        self.asked.append(msgspec.json.decode(data))
        self._arrived.set()

    async def closed_error(self) -> TransportClosedError:
        return TransportClosedError("it is gone")

    async def stop(self) -> int:
        return 0

    def say(self, *messages: object) -> None:
        """Sends messages, all at once."""
        self._said.put_nowait(b"".join(msgspec.json.encode(m) + b"\n" for m in messages))

    def end(self) -> None:
        self._said.put_nowait(None)

    async def request(self, number: int) -> dict[str, object]:
        """Waits for the request with this number."""
        while len(self.asked) < number:
            self._arrived.clear()
            await self._arrived.wait()
        return self.asked[number - 1]


class Rest:
    """Records what nobody else receives."""

    def __init__(self) -> None:
        self.received: list[tuple[str, p.Incoming | None]] = []

    def on_notification(self, method: str, params: p.Incoming | None, line: bytes) -> None:
        self.received.append((method, params))

    async def on_request(self, request: IncomingRequest) -> object:
        raise AssertionError(request)

    def on_batch_end(self) -> None:
        pass

    def on_close(self, error: TransportClosedError) -> None:
        pass


def completed(login_id: str | None, *, success: bool = False) -> dict[str, object]:
    params = {"loginId": login_id, "success": success, "error": None}
    return {"method": "account/login/completed", "params": params}


def answered(number: int, login_id: str) -> dict[str, object]:
    result = {"type": "chatgpt", "loginId": login_id, "authUrl": f"http://127.0.0.1/{login_id}"}
    return {"id": number, "result": result}


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def rest() -> Rest:
    return Rest()


@pytest.fixture
async def app_server(server: Server, rest: Rest) -> AsyncIterator[AppServer]:
    app = AppServer(cast("Process", server), rest)
    app._peer.start()
    yield app
    await app.aclose()


async def begin(app: AppServer, server: Server, number: int, login_id: str, *before: object):
    """Begins an attempt; `before` is sent together with the answer, and ahead of it."""
    beginning = asyncio.create_task(login.login_chatgpt(app))
    request = await server.request(number)
    server.say(*before, answered(cast("int", request["id"]), login_id))
    return await beginning


async def test_a_completion_goes_to_its_own_attempt_only(
    app_server: AppServer, server: Server, rest: Rest
) -> None:
    first = await begin(app_server, server, 1, "one")
    second = await begin(app_server, server, 2, "two")
    waiting = [asyncio.create_task(attempt.wait()) for attempt in (first, second)]
    server.say(completed("two", success=True))
    assert (await waiting[1]).login_id == "two"
    assert not waiting[0].done()
    server.say(completed("one"))
    ended = await waiting[0]
    assert (ended.login_id, ended.success) == ("one", False)
    assert rest.received == []


async def test_the_end_of_a_replaced_attempt_may_come_before_the_answer_to_the_new_one(
    app_server: AppServer, server: Server
) -> None:
    first = await begin(app_server, server, 1, "one")
    first_waits = asyncio.create_task(first.wait())
    second = await begin(app_server, server, 2, "two", completed("one"))
    assert (await first_waits).login_id == "one"
    second_waits = asyncio.create_task(second.wait())
    server.say(completed("two", success=True))
    assert (await second_waits).success


async def test_a_completion_before_its_own_answer_is_kept(
    app_server: AppServer, server: Server
) -> None:
    attempt = await begin(app_server, server, 1, "one", completed("one", success=True))
    assert (await attempt.wait(timeout=5)).success
    assert (await attempt.wait(timeout=5)).success


async def test_only_the_first_completion_counts(app_server: AppServer, server: Server) -> None:
    attempt = await begin(app_server, server, 1, "one")
    server.say(completed("one", success=True), completed("one", success=False))
    assert (await attempt.wait(timeout=5)).success


async def test_what_is_about_no_attempt_is_told_to_the_rest(
    app_server: AppServer, server: Server, rest: Rest
) -> None:
    attempt = await begin(app_server, server, 1, "one")
    updated = {"method": "account/updated", "params": {"authMode": "apikey"}}
    server.say(completed(None, success=True), updated, completed("one"))
    await attempt.wait(timeout=5)
    assert [method for method, _ in rest.received] == ["account/login/completed", "account/updated"]


async def test_the_time_limit_leaves_the_attempt_open(
    app_server: AppServer, server: Server
) -> None:
    attempt = await begin(app_server, server, 1, "one")
    with pytest.raises(
        TimeoutExceededError, match=r"sign-in not completed within 0 s; the attempt"
    ):
        await attempt.wait(timeout=0)
    server.say(completed("one", success=True))
    assert (await attempt.wait(timeout=5)).success
    assert app_server.gate.is_open


async def test_the_end_of_the_server_wakes_everybody(app_server: AppServer, server: Server) -> None:
    attempts = [await begin(app_server, server, n, name) for n, name in ((1, "one"), (2, "two"))]
    waiting = [asyncio.create_task(attempt.wait()) for attempt in attempts]
    await asyncio.sleep(0)
    server.end()
    errors = []
    for task in waiting:
        with pytest.raises(TransportClosedError, match="it is gone") as gone:
            await task
        errors.append(gone.value)
    assert errors[0] is not errors[1]
    assert isinstance(await app_server.logins.of("three"), TransportClosedError)


async def test_an_answer_without_what_is_needed(app_server: AppServer, server: Server) -> None:
    beginning = asyncio.create_task(login.login_chatgpt(app_server))
    request = await server.request(1)
    server.say({"id": request["id"], "result": {"type": "chatgpt", "loginId": "one"}})
    with pytest.raises(ProtocolError, match="codex answered account/login/start without authUrl"):
        await beginning


async def test_the_key_is_sent_and_not_shown(app_server: AppServer, server: Server) -> None:
    beginning = asyncio.create_task(login.login_api_key(app_server, "sk-loopback-0123456789"))
    request = await server.request(1)
    assert request["params"] == {"type": "apiKey", "apiKey": "sk-loopback-0123456789"}
    server.say({"id": request["id"], "error": {"code": -32600, "message": "no"}})
    with pytest.raises(ProtocolError) as refused:
        await beginning
    assert "sk-loopback" not in str(refused.value)


async def test_cancelling_asks_for_the_attempt(app_server: AppServer, server: Server) -> None:
    attempt = await begin(app_server, server, 1, "one")
    cancelling = asyncio.create_task(attempt.cancel())
    request = await server.request(2)
    assert (request["method"], request["params"]) == ("account/login/cancel", {"loginId": "one"})
    server.say({"id": request["id"], "result": {"status": "canceled"}}, completed("one"))
    assert (await cancelling).status == "canceled"
    assert not (await attempt.wait(timeout=5)).success
