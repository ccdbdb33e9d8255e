"""Typed notifications of the server, and the inbox for those that are about no turn."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from copy import copy
from typing import NamedTuple

import msgspec

from signedin.model.errors import ProtocolError, TimeoutExceededError
from signedin.model.redact import redact
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.process import AppServer
from signedin.wire.jsonl import UNDECODABLE

MOST_STORED = 1000
"""Stored notifications about no turn; beyond that the oldest are dropped."""


class UnknownNotification(p.Incoming, frozen=True, kw_only=True):
    """The parameters of a notification whose method or form is not known to this version.

    Attributes:
        params: The parameters as received.
    """

    params: dict[str, p.Json] = msgspec.field(default_factory=dict[str, p.Json])


class Notification(msgspec.Struct, frozen=True, gc=False):
    """A notification of the server.

    Attributes:
        method: Such as ``item/completed``.
        params: What it is about; its type belongs to the method, and is `UnknownNotification` where
            there is none.
        line: The whole message as received.
    """

    method: str
    params: p.Incoming
    line: bytes

    @property
    def raw(self) -> dict[str, p.Json]:
        """The whole message, decoded.

        Raises:
            ProtocolError: It is nested too deeply, or has a number that Python cannot represent.
        """
        try:
            return msgspec.json.decode(self.line, type=dict[str, p.Json])
        except UNDECODABLE as error:
            raise ProtocolError(
                f"codex sent {self.method!r} with an invalid value: {error}"
            ) from error

    def __repr__(self) -> str:
        return redact(f"Notification({self.method!r}, {self.params!r})")


class Address(NamedTuple):
    """Which thread and turn a notification is about."""

    thread_id: str | None
    turn_id: str | None


class _TurnOf(msgspec.Struct, frozen=True):
    id: str | None = None


class _ThreadAndTurn(msgspec.Struct, frozen=True, rename="camel"):
    thread_id: str | None = None
    turn_id: str | None = None
    turn: _TurnOf = _TurnOf()


class _Notification(msgspec.Struct, frozen=True):
    params: msgspec.Raw = msgspec.Raw(b"{}")


def read_notification(
    method: str, params: p.Incoming | None, line: bytes
) -> tuple[Notification, Address]:
    """Returns a notification, and what it is about.

    Args:
        method: Its method.
        params: Its parameters, ``None`` if method or form are unknown.
        line: The whole message.
    """
    if params is None:
        return _read_rest(method, line)
    turn_id = getattr(params, "turn_id", None)
    if turn_id is None and isinstance(
        params, p.TurnStartedNotification | p.TurnCompletedNotification
    ):
        turn_id = params.turn.id
    address = Address(getattr(params, "thread_id", None), turn_id)
    return Notification(method, params, line), address


def read_address(params: msgspec.Raw) -> Address:
    """Returns what undecoded parameters are about."""
    try:
        about = msgspec.json.decode(params, type=_ThreadAndTurn)
    except UNDECODABLE:
        return Address(None, None)
    return Address(about.thread_id, about.turn_id or about.turn.id)


def _read_rest(method: str, line: bytes) -> tuple[Notification, Address]:
    params = msgspec.json.decode(line, type=_Notification).params
    if known := p.NEWS.decoder(method):
        with suppress(msgspec.ValidationError):
            return Notification(method, known.decode(params), line), read_address(params)
    try:
        unknown = UnknownNotification(params=msgspec.json.decode(params, type=dict[str, p.Json]))
    except UNDECODABLE:
        unknown = UnknownNotification()  # not an object, or not one that Python can represent
    return Notification(method, unknown, line), read_address(params)


class Inbox:
    """Stores the newest `MOST_STORED` notifications until they are read."""

    def __init__(self) -> None:
        self._ready: deque[Notification] = deque(maxlen=MOST_STORED)
        self._wake = asyncio.Event()

    def put(self, notification: Notification) -> None:
        """Adds a notification; `wake` wakes those who wait for one."""
        self._ready.append(notification)

    def wake(self) -> None:
        """Wakes those who wait: something has arrived, or nothing will."""
        self._wake.set()

    async def next(self, server: AppServer, timeout: float | None) -> Notification:
        """Waits for a notification of a server.

        Raises:
            TimeoutExceededError: None arrived in time.
            TransportClosedError: None will arrive: the server is gone.
        """
        waiter = object()
        server.gate.demand(waiter)
        try:
            async with asyncio.timeout(timeout):
                while not self._ready:
                    if server.closed is not None:
                        raise copy(server.closed)
                    self._wake.clear()
                    await self._wake.wait()
        except TimeoutError:
            raise TimeoutExceededError(f"no notification within {timeout:g} s") from None
        finally:
            server.gate.satisfy(waiter)
        return self._ready.popleft()
