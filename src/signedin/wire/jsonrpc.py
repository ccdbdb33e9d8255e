"""JSON-RPC in JSON lines, both ways on one stream, as Codex and ACP agents speak it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from copy import copy
from types import MappingProxyType
from typing import Literal, Protocol, TypeAlias

import msgspec

from signedin.model.errors import (
    ProtocolError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.runtime.aio import finish, is_cancelled
from signedin.wire.gate import Gate
from signedin.wire.jsonl import UNDECODABLE, BadLine, JsonLines, encode_line
from signedin.wire.rpc_errors import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    JsonRpcError,
    MethodNotFoundError,
    rpc_error,
)

NO_PARAMS = msgspec.Raw(b"{}")
NO_HEAD: Mapping[str, object] = MappingProxyType({})

_ABSENT = (b"", b"null")
_ID = re.compile(rb'"id"\s*:\s*"?(\d{1,18})\b')
_SHOWN = 2000
"""Bytes that are shown of an error that cannot be read."""

Closed: TypeAlias = TransportClosedError | ProtocolError
"""Why nothing more comes: the other side is gone, or what it says cannot be read."""

Params = msgspec.Struct | Mapping[str, object] | None


class ByteStream(Protocol):
    """What a peer communicates through; `signedin.wire.process.Process` is one."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over what the other side sends."""
        ...

    async def write(self, data: bytes) -> None:
        """Sends, or raises `TransportClosedError`; never a part of ``data``."""
        ...

    async def closed_error(self) -> TransportClosedError:
        """Makes the error that says why the stream ended."""
        ...


class IncomingRequest(msgspec.Struct, frozen=True):
    """A request from the other side.

    Attributes:
        id: The other side's own number for it; nothing to do with the ids of our requests.
        method: Its name.
        params: The parameters, still undecoded.
        line: The complete message as received.
    """

    id: int | str | float
    method: str
    params: msgspec.Raw
    line: bytes


NotificationHandler = Callable[[str, msgspec.Raw, bytes], None]
RequestHandler = Callable[[IncomingRequest], Awaitable[object]]


class _Message(msgspec.Struct, frozen=True, gc=False):
    """Any message, decoded as far as it must be to know whose it is."""

    id: int | str | float | None = None
    method: str | None = None
    params: msgspec.Raw = NO_PARAMS
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class Frequent(msgspec.Struct, frozen=True, gc=False, tag_field="method"):
    """A notification that comes so often that its line is decoded at once, with its parameters.

    A subclass has the method as its tag, and the field ``params``.
    """


class _Error(msgspec.Struct, frozen=True):
    code: int
    message: str = ""
    data: object = None


class JsonRpcPeer:
    """One end of a JSON-RPC connection.

    One task reads; it calls `on_notification`, `on_bad_line` and `on_batch_end` itself, in order,
    so they must be quick and must not wait. One that raises ends the connection: what it was given
    is lost, and its waiter would wait for ever. Requests of the other side are answered
    in tasks of their own. Answers may come in any order; those to requests that were cancelled or
    timed out are dropped.

    A consumer that cannot keep up holds the reader back through `gate`. Every request of ours is
    a demand on the gate as long as it waits, so its answer always gets through.

    Args:
        stream: What to communicate through. The peer does not close it.
        on_notification: Takes each notification: method, undecoded parameters, complete line.
        on_request: Answers requests of the other side: what it returns is the result, a
            `JsonRpcError` that it raises is the error. Any other exception is answered with an
            internal error and reported to the event loop's exception handler. Without it every
            request is answered with "method not found".
        on_batch_end: Called after the messages of one chunk, so that consumers can be woken once
            for all of them.
        on_bad_line: Takes each line that is not a message.
        on_close: Called once, when nothing more will come, with the reason.
        jsonrpc: The version to name in every message: ``"2.0"`` for ACP, nothing for Codex.

    Attributes:
        gate: Holds the reader back while consumers are slow.
    """

    def __init__(
        self,
        stream: ByteStream,
        *,
        on_notification: NotificationHandler,
        on_request: RequestHandler | None = None,
        on_batch_end: Callable[[], None] | None = None,
        on_bad_line: Callable[[BadLine], None] | None = None,
        on_close: Callable[[Closed], None] | None = None,
        jsonrpc: Literal["2.0"] | None = None,
    ) -> None:
        self.gate = Gate()
        self._stream = stream
        self._on_notification = on_notification
        self._on_request = on_request or _no_such_method
        self._on_batch_end = on_batch_end or _nothing
        self._on_bad_line = on_bad_line or _nothing
        self._on_close = on_close or _nothing
        self._head: dict[str, object] = {"jsonrpc": jsonrpc} if jsonrpc else {}
        self._ids = itertools.count(1)
        self._lines: JsonLines[_Message | Frequent] = JsonLines(_Message)
        self._on_frequent: Callable[[Frequent, bytes], None] = _nothing
        self._waiting: dict[str | float, asyncio.Future[msgspec.Raw | SignedinError]] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._reader: asyncio.Task[None] | None = None
        self._closed: Closed | None = None

    def start(self) -> None:
        """Begins to read."""
        self._reader = asyncio.get_running_loop().create_task(self._read())

    def expect(
        self, decode: Callable[[bytes], Frequent], handler: Callable[[Frequent, bytes], None]
    ) -> None:
        """Decodes frequent notifications at once from now on.

        Args:
            decode: Decodes the lines of all of them.
            handler: Takes each, with its line, instead of `on_notification`.
        """
        self._lines.expect(decode)
        self._on_frequent = handler

    async def request(
        self,
        method: str,
        params: Params = None,
        *,
        timeout: float | None,
        head: Mapping[str, object] = NO_HEAD,
    ) -> msgspec.Raw:
        """Asks the other side and waits for its answer.

        Args:
            method: What to ask.
            params: The parameters; left out of the message if ``None``.
            timeout: Seconds to wait for the answer; ``None`` waits until the connection closes.
            head: Further fields of the message.

        Returns:
            The result, still undecoded.

        Raises:
            JsonRpcError: The other side answered with an error.
            TimeoutExceededError: There was no answer in time.
            TransportClosedError: The other side is gone.
        """
        if self._closed is not None:
            raise copy(self._closed)
        number = next(self._ids)
        answered = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        self.gate.demand(answered)
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                await self._send({"id": number, **head}, method, params)
                answer = await answered
        except TimeoutError:
            if not deadline.expired():
                raise
            raise TimeoutExceededError(
                f"no answer to {method} within {timeout:g} s; give it more time, or restart the "
                "other side if it does not answer anything"
            ) from None
        finally:
            del self._waiting[number]
            self.gate.satisfy(answered)
        if isinstance(answer, SignedinError):
            answer.add_note(f"while waiting for the answer to {method}")
            raise answer
        return answer

    async def notify(self, method: str, params: Params = None) -> None:
        """Sends a notification, which has no answer.

        Raises:
            TransportClosedError: The other side is gone.
        """
        if self._closed is not None:
            raise copy(self._closed)
        await self._send({}, method, params)

    async def aclose(self) -> None:
        """Stops reading and answering; everybody who waits gets `TransportClosedError`.

        A request handler may call it: the handler continues, but its answer is not sent.
        """
        caller = asyncio.current_task()
        tasks = {task for task in self._serving if task is not caller}
        if self._reader is not None:
            tasks.add(self._reader)
        self._close(TransportClosedError("the connection was closed by this side"))
        for task in tasks:
            task.cancel()
        if tasks:
            await finish(asyncio.wait(tasks))

    async def _read(self) -> None:
        reason: Closed
        try:
            async for chunk in self._stream.chunks():
                self._take(self._lines.feed(chunk))
                if not self.gate.is_open:
                    await self.gate.opened()
            self._take(self._lines.close())
            reason = await self._stream.closed_error()
        except ProtocolError as error:
            reason = error
        except Exception as error:
            self._report("reading failed", error)
            reason = TransportClosedError(f"reading failed: {type(error).__name__}: {error}")
        self._close(reason)
        for task in self._serving:
            task.cancel()

    def _take(self, lines: Iterable[tuple[bytes, _Message | Frequent | BadLine]]) -> None:
        for line, message in lines:
            try:
                self._dispatch(line, message)
            except BaseException as error:
                self._report("a handler of incoming messages failed", error)
                raise ProtocolError(f"a message cannot be read: {error!r}"[:_SHOWN]) from error
        try:
            self._on_batch_end()
        except BaseException as error:
            self._report("on_batch_end failed", error)
            raise ProtocolError(f"messages cannot be passed on: {error!r}"[:_SHOWN]) from error

    def _dispatch(self, line: bytes, message: _Message | Frequent | BadLine) -> None:
        if isinstance(message, Frequent):
            self._on_frequent(message, line)
        elif isinstance(message, BadLine):
            self._fail_answer(message)
            self._on_bad_line(message)
        elif message.method is None:
            self._take_answer(line, message)
        elif message.id is None:
            self._on_notification(message.method, message.params, line)
        else:
            request = IncomingRequest(message.id, message.method, message.params, line)
            task = asyncio.get_running_loop().create_task(self._serve(request))
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    def _take_answer(self, line: bytes, message: _Message) -> None:
        if message.id is None or (isinstance(message.id, float) and message.id % 1):
            self._on_bad_line(BadLine(line, "neither a request, a notification nor an answer"))
            return
        number = message.id
        if isinstance(number, str) and number.isdecimal():  # some peers return strings
            number = int(number)
        answered = self._waiting.get(number)
        if answered is None or answered.done():
            return
        self.gate.satisfy(answered)  # here, not when the waiter wakes: the next chunk may be ready
        if bytes(message.error) not in _ABSENT:
            answered.set_result(_read_error(message.error))
        elif bytes(message.result):
            answered.set_result(message.result)
        else:
            answered.set_result(ProtocolError(f"an answer without a result: {line[:200]!r}"))

    def _fail_answer(self, line: BadLine) -> None:
        """Ends the wait for an answer that cannot be read, as one that is nested too deeply."""
        found = _ID.search(line.data)
        answered = self._waiting.get(int(found[1])) if found else None
        if answered is not None and not answered.done() and b'"method"' not in line.data:
            self.gate.satisfy(answered)
            answered.set_result(ProtocolError(f"an answer that cannot be read: {line.reason}"))

    async def _serve(self, request: IncomingRequest) -> None:
        head = {**self._head, "id": request.id}
        try:
            reply = encode_line({**head, "result": await self._on_request(request)})
        except JsonRpcError as error:
            reply = encode_line({**head, "error": _write_error(error)})
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            # Something the handler waited for was cancelled; the other side still wants an answer.
            reply = encode_line({**head, "error": _internal_error(request, "was cancelled")})
        except BaseException as error:  # the other side waits for ever for an answer
            self._report(f"the handler of {request.method} failed", error)
            reply = encode_line({**head, "error": _internal_error(request, "failed")})
        if self._closed is None:
            with contextlib.suppress(TransportClosedError):
                await self._stream.write(reply)

    async def _send(self, head: dict[str, object], method: str, params: Params) -> None:
        message: dict[str, object] = {**self._head, **head, "method": method}
        if params is not None:
            message["params"] = params
        await self._stream.write(encode_line(message))

    def _close(self, reason: Closed) -> None:
        if self._closed is not None:
            return
        self._closed = reason
        for answered in self._waiting.values():
            if not answered.done():
                # Each its own: tracebacks and notes are not shared.
                answered.set_result(copy(reason))
        try:
            self._on_close(reason)
        except Exception as error:
            self._report("on_close failed", error)

    def _report(self, what: str, error: BaseException) -> None:
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"{what}: {type(error).__name__}", "exception": error}
        )


async def _no_such_method(request: IncomingRequest) -> object:
    raise MethodNotFoundError(METHOD_NOT_FOUND, f"no such method: {request.method}")


def _nothing(*_: object) -> None:
    """Stands in for a callback that was not given."""


def _read_error(raw: msgspec.Raw) -> JsonRpcError:
    try:
        error = msgspec.json.decode(raw, type=_Error)
    except UNDECODABLE:
        return rpc_error(INTERNAL_ERROR, bytes(raw)[:_SHOWN].decode("utf-8", "replace"))
    return rpc_error(error.code, error.message, error.data)


def _write_error(error: JsonRpcError) -> dict[str, object]:
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return body


def _internal_error(request: IncomingRequest, what: str) -> dict[str, object]:
    return {"code": INTERNAL_ERROR, "message": f"the handler of {request.method} {what}"}
