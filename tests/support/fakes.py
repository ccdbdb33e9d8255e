"""A provider that does what a test tells it, without any process."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from signedin.model.approvals import Host
from signedin.model.capabilities import Capabilities
from signedin.model.events import Event
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.base import (
    Installation,
    Provider,
    ProviderConfig,
    ProviderSession,
    ProviderSpec,
    SessionRequest,
)
from support.events import done, message, session_event

Batch = Sequence[Event] | BaseException
"""What a turn gives at once, or raises."""


def answer(text: str) -> list[Batch]:
    return [[session_event()], [message(text), done()]]


class FakeTurn:
    """Gives its batches one by one, then waits for ever or until it is interrupted."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        self.id = "t1"
        self.waiting = asyncio.Event()
        self.steered: list[str] = []
        self.closed = 0
        self._batches = list(batches)
        self._interrupted = asyncio.Event()

    async def next_events(self) -> Sequence[Event]:
        if self._batches:
            batch = self._batches.pop(0)
            if isinstance(batch, BaseException):
                raise batch
            return batch
        self.waiting.set()
        await self._interrupted.wait()
        return [done("interrupted")]

    async def steer(self, text: str) -> None:
        self.steered.append(text)

    async def interrupt(self) -> None:
        self._interrupted.set()

    async def aclose(self) -> None:
        self.closed += 1


class FakeSession(ProviderSession):
    """Starts the turns of its provider's script."""

    provider = "fake"

    def __init__(self, provider: "FakeProvider", request: SessionRequest) -> None:
        self.request = request
        self.closed = 0
        self.rolled_back = 0
        self._provider = provider

    @property
    def id(self) -> str | None:
        return self.request.resume or "s1"

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> FakeTurn:
        self._provider.prompts.append((prompt, options))
        self._provider.hosts.append(host)
        turn = FakeTurn(self._provider.script(prompt))
        self._provider.turns.append(turn)
        self._provider.turn_started.set()
        return turn

    async def roll_back(self) -> None:
        self.rolled_back += 1

    async def history(self) -> list[PastTurn]:
        return []

    async def delete(self) -> None:
        self._provider.deleted.append(self.id)

    async def aclose(self) -> None:
        self.closed += 1
        self._provider.session_closed.set()


class FakeProvider(Provider):
    """Remembers what was asked of it.

    Args:
        script: Gives the batches for a prompt.
    """

    name = "fake"

    def __init__(self, script: Callable[[str], Sequence[Batch]] = answer) -> None:
        self.script = script
        self.prompts: list[tuple[str, TurnOptions]] = []
        self.sessions_opened: list[FakeSession] = []
        self.turns: list[FakeTurn] = []
        self.hosts: list[Host] = []
        self.opening_fails: list[BaseException] = []
        self.prewarming_fails: list[BaseException] = []
        self.prewarmed: list[TurnOptions] = []
        self.prewarming = asyncio.Event()
        self.deleted: list[str | None] = []
        self.closed = 0
        self.turn_started = asyncio.Event()
        self.session_closed = asyncio.Event()

    async def open_session(self, request: SessionRequest) -> FakeSession:
        if self.opening_fails:
            raise self.opening_fails.pop(0)
        session = FakeSession(self, request)
        self.sessions_opened.append(session)
        return session

    async def prewarm(self, options: TurnOptions) -> None:
        self.prewarmed.append(options)
        self.prewarming.set()
        if self.prewarming_fails:
            raise self.prewarming_fails.pop(0)
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.closed += 1


CAPABILITIES = Capabilities(**dict.fromkeys(Capabilities.__struct_fields__, True))


def spec_of(provider: FakeProvider) -> ProviderSpec:
    def create(config: ProviderConfig) -> Provider:
        return provider

    def find(config: ProviderConfig) -> Installation:
        return Installation(path=None, origin="none", problem="it is a fake")

    return ProviderSpec(
        name="fake",
        transports={
            "fake-wire": CAPABILITIES,
            "forgetless-wire": msgspec.structs.replace(CAPABILITIES, roll_back=False),
            "mute-wire": Capabilities(),
        },
        create=create,
        find=find,
    )
