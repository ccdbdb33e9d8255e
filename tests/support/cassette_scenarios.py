"""The scenarios, recorded with every agent and replayed without any.

A cassette has what passed between signedin and the agent. Beside it is what a replay has to come to
again, all turns with their events, and what was seen of the world meanwhile: what the model was
sent, and the files that the agent made.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from contract.scenarios import test_scenarios
from signedin import Client, OtherEvent, SignedinError
from signedin.loopback import LoopbackModel
from signedin.loopback.script import Answer, Script
from signedin.model.turn_recorder import TurnRecorder
from signedin.runtime import watching
from support.replay_clock import pass_time
from support.rows import Row
from support.scenarios import as_promised, runner_of
from support.stage import Stage

T = TypeVar("T")
Scenario = Callable[..., None]

FOLDER = Path(__file__).parents[1] / "cassettes"
"""A folder for each way to drive an agent, with a cassette and its outcome for each scenario."""

_OF_ONE_RUN = {"timestamp", "payload", "id", "item_id", "turn_id", "session_id", "seconds", "cwd"}
_OF_ONE_RUN |= {"limits", "raw", "delay", "resets_at", "cost_usd"}
_NOTHING = (None, "", [], {})


def _scenarios() -> Iterator[tuple[str, Scenario]]:
    for name, scenario in vars(test_scenarios).items():
        if name.startswith("test_") and inspect.signature(scenario).parameters:
            yield name.removeprefix("test_"), scenario


ALL: dict[str, Scenario] = dict(_scenarios())
"""Every scenario by its name."""

UNRECORDED = {
    name: mark.args[0]
    for name, scenario in ALL.items()
    for mark in getattr(scenario, "pytestmark", ())
    if mark.name == "unrecorded"
}
"""Scenarios that are played with real agents only, and why."""

_LOADED = "which session is loaded again depends on when the other one was left"
UNREPLAYED = {
    ("chatgpt-responses", "failures_of_the_model_are_told_by_their_kind"): (
        "a login that was refused is not refused on replay"
    ),
    ("opencode", "two_handles_on_a_session"): _LOADED,
    ("qwen", "two_handles_on_a_session"): _LOADED,
}
"""What cassettes cannot replay, by the kind of the row and the scenario, and why."""


def recorded_by(row: Row) -> list[str]:
    """The scenarios of a row that cassettes stand for, or that have to be refused."""
    return [name for name in ALL if name not in UNRECORDED and (row.kind, name) not in UNREPLAYED]


class Outcome(msgspec.Struct):
    """What came of a scenario.

    Attributes:
        turns: All of them, in the order in which they began, without what differs in every run.
        seen: What was found out besides, in that order.
    """

    turns: list[object] = []
    seen: list[object] = []

    def see(self, found: T) -> T:
        """Notes what was found out."""
        self.seen.append(found)
        return found

    def watch(self, turn: watching.BeginningTurn) -> "_Watcher":
        """Notes a turn that begins."""
        del turn
        self.turns.append(None)
        return _Watcher(self.turns, len(self.turns) - 1)

    def encoded(self, work: Path) -> str:
        """The outcome as it is stored beside its cassette."""
        plain = msgspec.json.encode(self).decode().replace(str(work), "work")
        plain = re.sub(r"127\.0\.0\.1:\d+(?:/[\w-]{16}(?=/))?", "the model", plain)
        plain = re.sub(r"20\d\d-\d\d-\d\d \d\d:\d\d", "a time", plain)
        plain = re.sub(r"[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}", "an id", plain)
        plain = re.sub(r"/[^\s\"'():]*(?:/node_modules|/replayed-\d+)\b", "/modules", plain)
        plain = plain.replace("/modules/.bin/", "")
        plain = re.sub(r"[^\s\"]+ -m signedin auth", "signedin auth", plain)  # not on PATH
        return plain.replace('{"kind":', '\n{"kind":') + "\n"


class _Watcher:
    """Notes how one turn ended."""

    def __init__(self, turns: list[object], number: int) -> None:
        self._turns = turns
        self._number = number

    def see(self, events: object) -> None:
        """Does nothing: the result has the events."""

    def end(self, record: TurnRecorder, error: SignedinError | None) -> None:
        """Notes the result."""
        result = record.result()
        events = [
            _plain(msgspec.to_builtins(event, enc_hook=str))
            for event in result.events
            if not isinstance(event, OtherEvent)  # which turn has it may be chance
        ]
        events.sort(key=_is_approval)  # the answer of a thread: what it comes between is chance
        output = msgspec.to_builtins(result.output)
        told = {"text": result.text, "reason": result.reason, "output": output, "events": events}
        if result.reason == "interrupted":  # how much came before is chance
            told = {"reason": result.reason}
        if error is not None:
            told |= {"error": type(error).__name__, "kind": str(error.kind)}
        self._turns[self._number] = told


def _is_approval(event: object) -> bool:
    return isinstance(event, dict) and event["kind"] == "approval"


def _plain(value: object) -> object:
    if isinstance(value, dict):
        return {
            key: _plain(each)
            for key, each in value.items()
            if key not in _OF_ONE_RUN and each not in _NOTHING
        }
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value


class NotingStage(Stage):
    """A stage that notes what is found out about the world."""

    def __init__(self, provider: str, outcome: Outcome) -> None:
        super().__init__(provider)
        self._outcome = outcome

    def look(self, find: Callable[[], T]) -> T:
        """Finds it out and notes it."""
        return self._outcome.see(super().look(find))


class EmptyStage:
    """A stage without a model: what would be found out was noted when it was recorded."""

    def __init__(self, options: dict[str, Any], address: str, recorded: Outcome) -> None:
        self.options = options
        self.address = address
        self.seen = iter(recorded.seen)

    def look(self, find: Callable[[], T]) -> T:
        """Returns what was found out."""
        del find
        return next(self.seen)  # type: ignore[return-value]

    def play(self, *replies: Answer | Script) -> None:
        """Does nothing."""

    def release(self, gate: str) -> None:
        """Does nothing."""

    def rest(self, seconds: float) -> None:
        """Passes time, where a replay has its own clock."""
        pass_time(seconds)

    def wait_for_request(self, number: int = 1) -> None:
        """Does nothing: a replay waits for what came after it."""

    def wait_until_held(self, gate: str, count: int = 1) -> None:
        """Does nothing, likewise."""


class Cast:
    """Plays one scenario with clients that have a cassette each: NAME, NAME-2, and so on.

    Args:
        row: Who plays.
        name: The scenario.
        keywords: What clients are made with.
        folder: Where the cassettes are played from, or recorded to.
    """

    def __init__(self, row: Row, name: str, keywords: dict[str, Any], folder: Path) -> None:
        self._row = row
        self._name = name
        self._keywords = keywords
        self._folder = folder
        self._numbers = count(1)
        self._open = ExitStack()

    def play(self, stage: Stage | EmptyStage, work: Path, outcome: Outcome) -> None:
        """Plays it, and notes its turns."""
        scenario = ALL[self._name]
        client = self._open.enter_context(self._new_client())
        parts: dict[str, object] = {
            "client": client,
            "elsewhere": work / "elsewhere.txt",
            "file": work / "made.txt",
            "keywords": self._keywords,
            "mark": self._keywords["env"].get("SIGNEDIN_TEST_MARK", ""),
            "new_client": self._new_client,
            "row": self._row,
            "run": runner_of(client),
            "stage": stage,
            "work": work,
        }
        with watched(outcome), as_promised(scenario, client):
            scenario(**{each: parts[each] for each in inspect.signature(scenario).parameters})

    def _new_client(self, **options: object) -> Client:
        number = next(self._numbers)
        name = self._name if number == 1 else f"{self._name}-{number}"
        cassette = {"cassette": self._folder / f"{name}.jsonl"}
        return Client(self._row.provider, **{**self._keywords, **options, **cassette})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._open.close()


@contextmanager
def watched(outcome: Outcome) -> Iterator[None]:
    """Notes every turn of this process."""
    watching.watches = (outcome.watch,)
    try:
        yield
    finally:
        watching.watches = ()


@contextmanager
def loopback_keywords(row: Row, script: object) -> Iterator[dict[str, object]]:
    """What a client of a row is made with, to talk to a model."""
    with LoopbackModel(script) as model:
        options = model.client_options(row.provider)
        own = {"transport": row.transport, "binary": row.binary, "trust_project": row.trusts}
        yield {**options, **own}
