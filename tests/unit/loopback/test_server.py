"""The HTTP server: framing, lost clients, closing."""

import asyncio
import gc
import logging
import socket
import threading
from contextlib import ExitStack, contextmanager

import pytest

from signedin.loopback.server import HttpServer


@contextmanager
def serving(handler):
    server = HttpServer(handler)
    server.start()
    try:
        yield server
    finally:
        server.close()


@contextmanager
def connected(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        yield client


def received(client):
    """Everything until the server closes the connection."""
    data = b""
    while chunk := client.recv(65536):
        data += chunk
    return data


async def echo(request, response):
    said = (
        f"{request.method} {request.target} {request.headers.get('x-a')} ".encode() + request.body
    )
    await response.send(200, {"X-B": "b"}, said)


def answer(text):
    return b"HTTP/1.1 200 OK\r\nX-B: b\r\nContent-Length: %d\r\n\r\n%b" % (len(text), text)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"GET /a?b=c HTTP/1.1\r\nX-A:  1 \r\nConnection: close\r\n\r\n", b"GET /a?b=c 1 "),
        (b"get / HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\nConnection: close\r\n\r\n", b"GET / 1, 2 "),
        (
            b"POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 4\r\n\r\nb\r\n\r",
            b"POST / None b\r\n\r",
        ),
        (
            (
                b"POST / HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
            ),
            b"POST / None abcde",
        ),
    ],
)
def test_a_request_is_read_whole(sent, answered):
    with serving(echo) as server, connected(server) as client:
        client.sendall(sent)
        assert received(client) == answer(answered)


def test_a_connection_serves_several_requests_even_when_they_come_at_once():
    one = b"POST /1 HTTP/1.1\r\nContent-Length: 1\r\n\r\na"
    two = b"POST /2 HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n\r\nb"
    with serving(echo) as server, connected(server) as client:
        client.sendall(one + two)
        assert received(client) == answer(b"POST /1 None a") + answer(b"POST /2 None b")


def test_a_client_that_asks_is_told_to_go_on():
    with serving(echo) as server, connected(server) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n"
            b"Connection: close\r\n\r\n"
        )
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"a")
        assert received(client) == answer(b"POST / None a")


def test_head_is_answered_without_a_body():
    with serving(echo) as server, connected(server) as client:
        client.sendall(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert received(client) == b"HTTP/1.1 200 OK\r\nX-B: b\r\nContent-Length: 12\r\n\r\n"


def test_a_streamed_response_is_chunked_and_an_unfinished_one_is_cut():
    async def stream(request, response):
        await response.start(200, {"X-B": "b"})
        await response.write(b"hello")
        await response.write(b"")
        if request.target == "/whole":
            await response.finish()

    head = b"HTTP/1.1 200 OK\r\nX-B: b\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    with serving(stream) as server, connected(server) as client:
        client.sendall(
            b"GET /whole HTTP/1.1\r\n\r\nGET /cut HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        )
        assert received(client) == head + b"0\r\n\r\n" + head


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_dropped_and_the_server_lives(garbage, caplog):
    with serving(echo) as server:
        with connected(server) as client:
            client.sendall(garbage)
            assert gone(client)
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert received(client) == answer(b"GET / None ")
    [record] = caplog.records
    assert record.getMessage().startswith("dropped a connection that does not speak HTTP/1.1: ")


def test_a_client_that_goes_away_in_its_request_is_forgotten():
    with serving(echo) as server:
        with connected(server) as client:
            client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert received(client) == answer(b"GET / None ")


def test_a_connection_that_is_gone_when_it_is_accepted_costs_nothing(monkeypatch):
    opened = asyncio.open_connection
    failures = [OSError(22, "Invalid argument")]

    async def fail_once(**options):
        if failures:
            raise failures.pop()
        return await opened(**options)

    monkeypatch.setattr(asyncio, "open_connection", fail_once)
    with serving(echo) as server:
        with connected(server) as client:
            assert gone(client)
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert received(client) == answer(b"GET / None ")


def test_a_handler_that_fails_costs_only_its_connection(caplog):
    async def fail(request, response):
        if request.target == "/fail":
            raise LookupError("no such luck")
        await echo(request, response)

    with serving(fail) as server:
        with connected(server) as client:
            client.sendall(b"GET /fail HTTP/1.1\r\n\r\n")
            assert received(client) == b""
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            assert received(client) == answer(b"GET / None ")
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert str(record.exc_info[1]) == "no such luck"


class Waiting:
    """A handler that answers nothing and tells when it starts and when it is cancelled."""

    def __init__(self):
        self.started = threading.Semaphore(0)
        self.cancelled = threading.Semaphore(0)

    async def __call__(self, request, response):
        self.started.release()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.release()
            raise


def test_a_handler_is_cancelled_when_its_client_goes_away():
    waiting = Waiting()
    with serving(waiting) as server:
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert waiting.started.acquire(timeout=20)
            assert not waiting.cancelled.acquire(blocking=False)
        assert waiting.cancelled.acquire(timeout=20)


def test_a_reset_connection_counts_as_gone():
    waiting = Waiting()
    with serving(waiting) as server:
        with connected(server) as client:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert waiting.started.acquire(timeout=20)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert waiting.cancelled.acquire(timeout=20)


def test_closing_drops_every_connection_and_ends_the_thread():
    waiting = Waiting()
    before = set(threading.enumerate())
    with ExitStack() as stack:
        server = HttpServer(waiting)
        server.start()
        idle = stack.enter_context(connected(server))
        clients = [stack.enter_context(connected(server)) for _ in range(20)]
        for client in clients:
            client.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert waiting.started.acquire(timeout=20)
        port = server.port
        server.close()
        assert set(threading.enumerate()) == before
        for client in clients:
            assert waiting.cancelled.acquire(timeout=0)
            assert gone(client)
        assert gone(idle)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        server.close()


def gone(client):
    """Whether nothing came and the connection is closed, or reset as bytes were left unread."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_closing_does_not_wait_for_a_client_that_does_not_read():
    full = threading.Event()

    async def flood(request, response):
        await response.start(200, {})
        try:
            async with asyncio.timeout(0.2):
                while True:
                    await response.write(b"x" * 1_000_000)
        except TimeoutError:
            full.set()
            await response.write(b"x" * 1_000_000)

    server = HttpServer(flood)
    server.start()
    with connected(server) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert full.wait(20)
        server.close()


def test_closing_drops_an_answer_whose_client_has_sent_its_next_request():
    waiting = Waiting()
    server = HttpServer(waiting)
    server.start()
    with connected(server) as client:
        client.sendall(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        assert waiting.started.acquire(timeout=20)
        server.close()
        assert waiting.cancelled.acquire(timeout=0)


def test_closing_loses_no_socket_that_was_just_accepted():
    for cycle in range(30):
        server = HttpServer(echo)
        server.start()
        with ExitStack() as clients:
            for _ in range(cycle % 5):
                clients.enter_context(connected(server))
            server.close()
    gc.collect()  # a socket that was lost would warn now, and a warning is an error


def test_a_port_that_is_taken_is_an_os_error():
    with serving(echo) as server, pytest.raises(OSError, match="in use"):
        HttpServer(echo, port=server.port).start()


def test_there_is_no_port_before_the_start_or_after_the_end():
    server = HttpServer(echo)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="the loopback model does not serve"):
            _ = server.port
        server.close()
    with serving(echo) as server:
        assert server.port
    with pytest.raises(RuntimeError, match="the loopback model does not serve"):
        _ = server.port


@pytest.mark.parametrize(
    ("target", "size", "answered"),
    [("/t/x", 4, True), ("/x", 4, True), ("/x", 400_000_000, False), ("/t/x", 1 << 40, False)],
)
def test_strangers_do_not_fill_the_memory(target, size, answered):
    async def handle(http, response):
        await response.send(200, {}, http.body)

    server = HttpServer(handle, prefix="/t/")
    server.start()
    try:
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            head = f"POST {target} HTTP/1.1\r\nContent-Length: {size}\r\n\r\n"
            client.sendall(head.encode() + b"body")
            assert bool(client.recv(100)) is answered
    finally:
        server.close()
