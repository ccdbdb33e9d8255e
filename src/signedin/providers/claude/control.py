"""Claude Code's control protocol: its messages, and the requests of both sides.

JSON lines on stdin and stdout. Requests of both sides are ``control_request`` messages with a
``request_id`` of the side that asks; the two kinds of ids have nothing to do with each other.
Answers are ``control_response`` messages. The program takes a question of its own back with a
``control_cancel_request``. Seen with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Iterable, Mapping
from copy import copy
from typing import Protocol

import msgspec

from signedin.model.errors import (
    InvalidOptionError,
    ProtocolError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
)
from signedin.model.events import not_understood
from signedin.providers.claude.messages import UNREADABLE, ControlAnswer, Message
from signedin.runtime.aio import finish, is_cancelled
from signedin.wire.gate import Gate
from signedin.wire.jsonl import BadLine, JsonLines, encode_line
from signedin.wire.process import Process

START_SECONDS = 120.0
"""How long Claude Code may take to start; 0.4 s when all is well, 13 s in a crowd of 20."""

_log = logging.getLogger("signedin.claude")


class ControlListener(Protocol):
    """Receives what Claude Code sends."""

    def on_message(self, message: Message, line: bytes) -> None:
        """Takes any message that is not part of the control protocol."""
        ...

    async def on_request(self, request: msgspec.Raw) -> object:
        """Answers a question; what it raises becomes the error that is answered."""
        ...

    def on_batch_end(self) -> None:
        """Called after everything that arrived together was passed on."""
        ...

    def on_close(self, error: SignedinError) -> None:
        """Called when nothing more will come."""
        ...


class ControlPeer:
    """Our end of the control protocol.

    One task reads and calls the listener itself, in order. Questions are answered in tasks of
    their own, so that a slow answer holds up nothing.

    Args:
        process: The running process. The peer does not stop it.
        listener: Receives the messages.

    Attributes:
        gate: Holds the reader back while the listener is slow.
    """

    def __init__(self, process: Process, listener: ControlListener) -> None:
        self.gate = Gate()
        self._process = process
        self._listener = listener
        self._ids = itertools.count(1)
        self._lines = JsonLines(Message)
        self._waiting: dict[str, asyncio.Future[ControlAnswer | SignedinError]] = {}
        self._answering: dict[str, asyncio.Task[None]] = {}
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def initialize(self, fields: Mapping[str, object]) -> msgspec.Raw:
        """Begins the conversation; returns what Claude Code reports about itself.

        Args:
            fields: Prompts, agents and the output schema.

        Raises:
            SignedinError: It refused, does not answer, or has ended.
        """
        return await self.request("initialize", dict(fields), timeout=START_SECONDS)

    async def request(
        self,
        subtype: str,
        fields: dict[str, object],
        *,
        timeout: float,
    ) -> msgspec.Raw:
        """Asks Claude Code and waits for its answer.

        Args:
            subtype: What is asked.
            fields: The rest of the request.
            timeout: Seconds to wait for the answer.

        Returns:
            The answer, still undecoded.

        Raises:
            InvalidOptionError: It refused.
            TimeoutExceededError: There was no answer in time.
            TransportClosedError: It has ended.
        """
        number = f"signedin-{next(self._ids)}"
        answered = asyncio.get_running_loop().create_future()
        self._waiting[number] = answered
        self.gate.demand(answered)
        question = {"subtype": subtype, **fields}
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                await self.send(
                    {"type": "control_request", "request_id": number, "request": question}
                )
                answer = await answered
        except TimeoutError:
            if not deadline.expired():
                raise
            raise TimeoutExceededError(
                f"claude did not answer {subtype!r} within {timeout:g} s"
            ) from None
        finally:
            del self._waiting[number]
            self.gate.satisfy(answered)
        if isinstance(answer, SignedinError):
            raise answer
        if answer.subtype != "success":
            raise InvalidOptionError(f"claude refused {subtype!r}: {answer.error}")
        return answer.response

    async def send(self, message: dict[str, object]) -> None:
        """Sends a message.

        Raises:
            TransportClosedError: Claude Code has ended.
        """
        await self._process.write(encode_line(message))

    async def aclose(self) -> None:
        """Stops reading and answering."""
        tasks = {self._reader, *self._answering.values()}
        for task in tasks:
            task.cancel()
        await finish(asyncio.gather(*tasks, return_exceptions=True))
        self.close(TransportClosedError("claude was ended by its client"))

    async def _read(self) -> None:
        reason: SignedinError
        try:
            async for chunk in self._process.chunks():
                self._take(self._lines.feed(chunk))
                if not self.gate.is_open:
                    await self.gate.opened()
            self._take(self._lines.close())
            reason = await self._process.closed_error()
        except ProtocolError as error:
            reason = error
        except Exception as error:
            _report("reading what claude says failed", error)
            reason = not_understood("claude", "a message", error)
        self.close(reason)

    def _take(self, lines: Iterable[tuple[bytes, Message | BadLine]]) -> None:
        for line, message in lines:
            if isinstance(message, BadLine):
                _log.warning("claude wrote a line that is not a message: %s", message.reason)
            elif message.type == "control_response":
                self.take_answer(message, line)
            elif message.type == "control_request" and message.request_id:
                self.take_request(message, line)
            elif message.type == "control_cancel_request":
                self.take_cancel(message, line)
            else:
                self._listener.on_message(message, line)
        self._listener.on_batch_end()

    def take_answer(self, message: Message, line: bytes) -> None:
        """Takes an answer to a request of ours."""
        del line
        try:
            answer = msgspec.json.decode(message.response, type=ControlAnswer)
        except UNREADABLE as error:
            _log.warning("claude answered in an unknown form: %s", error)
            return
        waiting = self._waiting.get(answer.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def take_request(self, message: Message, line: bytes) -> None:
        """Takes a question, which the listener answers."""
        del line
        number = message.request_id or ""
        task = asyncio.get_running_loop().create_task(self._answer(number, message.request))
        self._answering[number] = task
        task.add_done_callback(lambda _: self._answering.pop(number, None))

    def take_cancel(self, message: Message, line: bytes) -> None:
        """Takes a question back."""
        del line
        if task := self._answering.get(message.request_id or ""):
            task.cancel()

    async def _answer(self, number: str, request: msgspec.Raw) -> None:
        answer: dict[str, object] = {"subtype": "error", "request_id": number}
        try:
            response = await self._listener.on_request(request)
            answer |= {"subtype": "success", "response": response}
        except (SignedinError, *UNREADABLE) as error:
            answer["error"] = str(error)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and is_cancelled():
                raise
            # It waits for ever for an answer that does not come, and takes an error for a refusal.
            _report("answering a question of claude failed", error)
            answer["error"] = f"{type(error).__name__} while answering"
        with contextlib.suppress(TransportClosedError):
            await self.send({"type": "control_response", "response": answer})

    def close(self, error: SignedinError) -> None:
        """Reports to everyone waiting that nothing more will come."""
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_result(copy(error))
        for task in self._answering.values():
            task.cancel()
        self._listener.on_close(error)


def _report(what: str, error: BaseException) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": what, "exception": error})
