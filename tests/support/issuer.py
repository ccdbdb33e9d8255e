"""An issuer of tokens that can each be refreshed once, on 127.0.0.1."""

import asyncio
import os
import signal
from collections.abc import Callable
from random import Random
from typing import Self

import msgspec

from signedin.loopback.server import HttpServer
from signedin.wire.http import HttpRequest, HttpResponse


class Login(msgspec.Struct, frozen=True):
    """A login as a store keeps it: `generation` counts its refreshes."""

    refresh_token: str
    generation: int = 0


class Asked(msgspec.Struct, frozen=True):
    """What a client sends."""

    refresh_token: str
    pid: int


class Issuer:
    """Gives for each refresh token the next one, once.

    Attributes:
        current: The only login that is good.
        refreshes: How many were given.
        refused: Tokens that were not good any more.
    """

    def __init__(self) -> None:
        self.current = Login("token-0")
        self.refreshes = 0
        self.refused: list[str] = []
        self._server = HttpServer(self._handle)
        self._killer: Killer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/token"

    def kill_clients(self, killer: "Killer") -> None:
        """Has every client from now on killed at some point of its refresh."""
        self._killer = killer

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    async def _handle(self, http: HttpRequest, response: HttpResponse) -> None:
        asked = msgspec.json.decode(http.body, type=Asked)
        killer = self._killer
        if killer:
            killer.at("asked", asked.pid)
        if asked.refresh_token != self.current.refresh_token:
            self.refused.append(asked.refresh_token)
            await response.send(400, {}, b"{}")
            return
        self.refreshes += 1
        generation = self.current.generation + 1
        self.current = Login(f"token-{generation}", generation)
        if killer:
            killer.at("replaced", asked.pid)
        await response.send(200, {}, msgspec.json.encode(self.current))
        if killer:
            killer.at("answered", asked.pid)


class Killer:
    """Kills a process at a point of its refresh that chance decides.

    Args:
        random: Chance.
        forbidden: Whether a process must be left alone.
    """

    POINTS = ("asked", "replaced", "answered", "later")

    def __init__(self, random: Random, spared: Callable[[int], bool]) -> None:
        self._random = random
        self._spared = spared
        self._point = random.choice(self.POINTS)

    def at(self, point: str, pid: int) -> None:
        if self._spared(pid):
            return
        if point == self._point:
            self._kill(pid)
        elif point == "answered" and self._point == "later":
            delay = self._random.uniform(0, 0.006)
            asyncio.get_running_loop().call_later(delay, self._kill, pid)

    def _kill(self, pid: int) -> None:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._point = self._random.choice(self.POINTS)
