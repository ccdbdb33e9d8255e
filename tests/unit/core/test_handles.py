"""The handles of a provider that remembers, in any order."""

import itertools
from unittest.mock import patch

from hypothesis import settings

from signedin import Client
from signedin.client import async_client as client_module
from signedin.model.approvals import Host
from signedin.model.events import SessionEvent
from signedin.model.options import TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.base import SessionRequest
from support.events import done, message
from support.fakes import FakeProvider, FakeSession, FakeTurn, spec_of
from support.handles import HOLD, HandleMachine


class RememberingSession(FakeSession):
    """Keeps its prompts with its provider, and trusts nobody to come one at a time."""

    def __init__(self, provider: "RememberingProvider", request: SessionRequest) -> None:
        super().__init__(provider, request)
        self.store = provider.store
        if request.resume is not None and not request.fork:
            self._id = request.resume
            assert self._id not in provider.listening, "two sessions of one conversation"
        else:
            self._id = f"s{next(provider.numbers)}"
            self.store[self._id] = list(self.store.get(request.resume or "", []))
        provider.listening.add(self._id)
        self.running: FakeTurn | None = None

    @property
    def id(self) -> str | None:
        return self._id

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> FakeTurn:
        assert self.running is None or self.running.closed, "two turns at once"
        self.store[self._id].append(prompt)
        self._provider.sent[prompt] = str(self.store[self._id])
        begun = [SessionEvent(session_id=self._id, timestamp=1.0)]
        held = prompt.startswith(HOLD)
        self.running = FakeTurn([begun] if held else [begun, [message(prompt), done()]])
        return self.running

    async def history(self) -> list[PastTurn]:
        return [
            PastTurn(id=None, prompt=prompt, text="", events=(), reason="completed")
            for prompt in self.store[self._id]
        ]

    async def aclose(self) -> None:
        assert self.running is None or self.running.closed, "closed under its turn"
        self._provider.listening.remove(self._id)


class RememberingProvider(FakeProvider):
    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, list[str]] = {}
        self.sent: dict[str, str] = {}
        self.listening: set[str] = set()
        self.numbers = itertools.count(1)

    async def open_session(self, request: SessionRequest) -> RememberingSession:
        return RememberingSession(self, request)


class FakeHandles(HandleMachine):
    def new_client(self) -> Client:
        self.provider = RememberingProvider()
        with patch.object(client_module, "load_provider", lambda name: spec_of(self.provider)):
            return Client("fake")

    def sent_with(self, prompt: str) -> str:
        return self.provider.sent[prompt]

    def teardown(self) -> None:
        super().teardown()
        self.client.close()
        assert self.provider.listening == set()


TestHandles = FakeHandles.TestCase
TestHandles.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
