"""A loopback model that plays another script for each test, so that clients can stay warm."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import pytest

from signedin import AsyncClient, Client
from signedin.loopback import LoopbackModel, ModelRequest, Script, ToolCall
from signedin.loopback.player import Player
from signedin.loopback.script import Answer, Refusal, Reply

T = TypeVar("T")

SECONDS = 60
"""For an agent to start and to ask its model, which takes a while on a busy machine."""


class Stage:
    """One loopback model, and clients that talk to it.

    Attributes:
        provider: Whose model it is.
        model: The model; its gates are closed again by `play`.
    """

    def __init__(self, provider: str) -> None:
        self.provider = provider
        self._player = Player([])
        self._clients: dict[str | None, Client] = {}
        self._released: set[str] = set()
        self._first = 0
        self.model = LoopbackModel(self._choose)

    def play(self, *replies: Answer | Script) -> None:
        """Sets the script and forgets earlier requests."""
        match replies:
            case [Script() as script]:
                self._player = Player(script)
            case _:
                self._player = Player(replies)
        for gate in self._released:
            self.model.hold(gate)
        self._released.clear()
        self._first = len(self.model.requests)

    def look(self, find: Callable[[], T]) -> T:
        """Finds out what cannot be seen through signedin: what the model was sent, or a file.

        `support.cassette_scenarios` notes what was found, and a replay is given that.
        """
        return find()

    def rest(self, seconds: float) -> None:
        """Passes time in a callback or tool."""
        Event().wait(seconds)

    def release(self, gate: str) -> None:
        """Opens a gate until the next script."""
        self._released.add(gate)
        self.model.release(gate)

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The requests since the script was set."""
        return self.model.requests[self._first :]

    def wait_for_request(self, number: int = 1) -> ModelRequest:
        """Waits for a request, counted from the moment the script was set."""
        return self.model.wait_for_request(self._first + number, timeout=SECONDS)

    def wait_until_held(self, gate: str, count: int = 1) -> None:
        """Waits until answers are held at a gate."""
        self.model.wait_until_held(gate, count, timeout=SECONDS)

    def wait_for_disconnect(self) -> None:
        """Waits until a client has gone away in the middle of an answer of the script."""
        for number in count(1):
            left = self.model.wait_for_disconnect(number, timeout=SECONDS)
            if any(left is request for request in self.requests):
                return

    @property
    def address(self) -> str:
        """Where the model listens: host and port."""
        return self.model.url.split("/")[2]

    @property
    def home(self) -> Path:
        """The agent's home, which marks its processes."""
        return Path(str(self.options["env"]["CODEX_HOME"]))

    @property
    def options(self) -> dict[str, dict[str, Any]]:
        """Keywords for a client of this model."""
        return {**self.model.client_options(self.provider)}

    def config(self, **more: object) -> dict[str, object]:
        """`provider_options` with more configuration than the model itself needs."""
        provider_options = self.options["provider_options"]
        return {**provider_options, "config": {**provider_options["config"], **more}}

    def warm(self, transport: str | None = None) -> Client:
        """A client that lives as long as the stage."""
        if transport not in self._clients:
            self._clients[transport] = self.client(transport)
        return self._clients[transport]

    def client(self, transport: str | None = None, **options: object) -> Client:
        """A new client, which the caller closes."""
        return Client(self.provider, transport=transport, **self._keywords(options))

    def async_client(self, transport: str | None = None, **options: object) -> AsyncClient:
        """A new client, which the caller closes."""
        return AsyncClient(self.provider, transport=transport, **self._keywords(options))

    def __enter__(self) -> Self:
        self.model.start()
        _ = self.options  # makes the homes now, before a test moves the temporary folders
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            client.close()
        self.model.close()

    def _keywords(self, options: dict[str, object]) -> dict[str, object]:
        defaults = self.options
        env = options.pop("env", {})
        return {**defaults, "env": {**defaults["env"], **env}, **options}

    def _choose(self, request: ModelRequest) -> Reply | Refusal:
        return self._player.choose(request)


def stage_of(
    provider: str, scope: Literal["function", "module", "session"] = "module"
) -> Callable[[], Iterator[Stage]]:
    """Makes the fixture ``stage``: the model that the clients of its scope talk to."""

    @pytest.fixture(scope=scope, name="stage")
    def stage() -> Iterator[Stage]:
        with Stage(provider) as stage:
            yield stage

    return stage


DELEGATE = {
    "claude": ToolCall(
        "Agent",
        {
            "description": "count",
            "prompt": "Count the files.",
            "subagent_type": "general-purpose",
            "run_in_background": False,
        },
    ),
    "codex": ToolCall("spawn_agent", {"message": "Count the files."}, namespace="multi_agent_v1"),
}
"""How an agent that reports its subagents is made to start one."""
