"""Records what passes through processes and HTTP exchanges, without changing it."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, TypeAlias, TypeVar, cast

import msgspec

from signedin import __version__
from signedin.cassettes.roles import Roles
from signedin.cassettes.tape import UNDECODABLE, End, Entry, RecordedToolCall, ReplyHead, Start
from signedin.model.redact import redact, redact_json
from signedin.wire.process import Process

T = TypeVar("T")
Caller: TypeAlias = Callable[[str, Mapping[str, object]], Awaitable[T]]
"""Calls a Python tool: its name and its arguments."""

StructT = TypeVar("StructT", bound=msgspec.Struct)
_DATA = b"data: "


class Recorder:
    """Takes entries, with secrets masked and roles in place of what belongs to this run.

    Args:
        before: What was recorded into the file before.

    Attributes:
        entries: What was recorded.
    """

    def __init__(self, before: Sequence[Entry] = ()) -> None:
        self.entries: list[Entry] = []
        self._begun = time.time()
        self._clock = time.monotonic()
        self._roles = Roles(self._begun, msgspec.json.encode(before).decode())
        self._conversations = 0
        self._lock = Lock()

    def begin(self, start: Start) -> RecordedTrack:
        """Begins a conversation."""
        with self._lock:
            self._conversations += 1
            track = RecordedTrack(self, self._conversations)
        if start.cwd is not None:
            self._roles.learn_cwd(start.cwd)
        track.add(start=self.hidden(start))
        return track

    def hidden(self, made: StructT) -> StructT:
        """Returns a part of a cassette as it is recorded."""
        return msgspec.json.decode(self._hidden(msgspec.json.encode(made)), type=type(made))

    def recall(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        """Finds something out and records it."""
        del kind
        found = find()
        value = msgspec.json.encode(found, enc_hook=str)
        self.add(Entry(fact=name, value=msgspec.Raw(self._hidden(value))))
        return found

    def add(self, entry: Entry) -> None:
        """Adds an entry, at this moment unless it has one."""
        entry.t = entry.t or self.now()
        self.entries.append(entry)

    def now(self) -> float:
        """Returns the seconds since the recording began."""
        return round(time.monotonic() - self._clock, 6)

    def message(self, message: object) -> msgspec.Raw:
        """Returns a message as it is recorded."""
        return msgspec.Raw(self._hidden(msgspec.json.encode(message)))

    def text(self, text: bytes) -> str:
        """Returns what is not JSON as it is recorded."""
        with self._lock:
            return self._roles.hide_text(redact(text.decode("utf-8", "replace")))

    def own_role(self, kind: str) -> str:
        """Returns a role for a message that is yet to be recorded."""
        return self._roles.own(kind)

    def learn_cwd(self, folder: object) -> None:
        """Records a working directory by its role from now on."""
        if isinstance(folder, str):
            self._roles.learn_cwd(folder)

    def _hidden(self, encoded: bytes) -> bytes:
        with self._lock:
            return self._roles.hide(redact_json(encoded).decode()).encode()


class RecordedTrack:
    """One conversation that is recorded."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number
        self._requests: dict[str, str] = {}
        self._rest = b""

    def add(self, **content: Any) -> None:  # noqa: ANN401 - the attributes of an entry
        """Adds an entry."""
        self._recorder.add(Entry(on=self._number, **content))

    def sent(self, data: bytes) -> None:
        """Records what we send."""
        for message in messages_of(data):
            if isinstance(message, str):
                self.add(sent_text=self._recorder.text(data))
            else:
                self._learn(message)
                self.add(sent=self._recorder.message(message))

    def got(self, chunk: bytes) -> None:
        """Records what comes: all of it in one moment."""
        moment = self._recorder.now()
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._line(line, moment)

    def ended(self, end: End) -> None:
        """Records the end."""
        if self._rest:
            self.add(cut=self._recorder.text(self._rest))
            self._rest = b""
        shown = self._recorder.text(end.stderr.encode("utf-8", "replace"))
        self.add(end=msgspec.structs.replace(end, stderr=shown))

    def called(self, call: RecordedToolCall) -> None:
        """Records a call of a Python tool."""
        self.add(call=self._recorder.hidden(call))

    def replied(self, status: int, headers: Mapping[str, str]) -> None:
        """Records the head of a response."""
        self.add(reply=self._recorder.hidden(ReplyHead(status=status, headers=dict(headers))))

    def _line(self, line: bytes, moment: float) -> None:
        is_data = line.startswith(_DATA)
        try:
            message = cast("object", msgspec.json.decode(line[len(_DATA) :] if is_data else line))
        except UNDECODABLE:
            self.add(t=moment, text=self._recorder.text(line))
            return
        self._name_answer(message)
        name = "data" if is_data else "got"
        self.add(t=moment, **{name: self._recorder.message(message)})

    def _learn(self, message: dict[str, object]) -> None:
        """Gives a request of ours its role, and records working directories by theirs."""
        for place in (message, _members(message.get("params"))):
            self._recorder.learn_cwd(place.get("cwd"))
        client = _members(_members(message.get("params")).get("clientInfo"))
        if client.get("version") == __version__:
            client["version"] = self._recorder.own_role("signedin")
        key = request_key(message)
        if key is not None:
            number = str(message[key])
            message[key] = self._requests[number] = self._recorder.own_role("request")

    def _name_answer(self, message: object) -> None:
        if not isinstance(message, dict):
            return
        answer = cast("dict[str, object]", message)
        if answer.get("type") == "control_response":
            inner = _members(answer.get("response"))
            if (number := str(inner.get("request_id"))) in self._requests:
                inner["request_id"] = self._requests[number]
        elif "id" in answer and "method" not in answer:
            answer["id"] = self._requests.get(str(answer["id"]), answer["id"])


def messages_of(data: bytes) -> Sequence[dict[str, object] | str]:
    """Returns what we send: JSON lines, each with an object, or one text."""
    try:
        return [msgspec.json.decode(line, type=dict[str, object]) for line in data.splitlines()]
    except UNDECODABLE:
        return [data.decode("utf-8", "replace")]


def request_key(message: Mapping[str, object]) -> str | None:
    """Returns which member of a message of ours is the id of a request."""
    if "method" in message and "id" in message:
        return "id"
    return "request_id" if message.get("type") == "control_request" else None


def _members(message: object) -> dict[str, object]:
    return cast("dict[str, object]", message) if isinstance(message, dict) else {}


class RecordedProcess(Process):
    """A process whose conversation is recorded.

    Attributes:
        track: Where; set before anything passes.
    """

    track: RecordedTrack

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._has_ended = False
        self._offers, self._calls = count(1), count(1)

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over stdout as it comes."""
        return _Watched(super().chunks(), self)

    async def write(self, data: bytes) -> None:
        """Writes to stdin."""
        self.track.sent(data)
        await super().write(data)

    async def stop(self, *, stdin_grace: float = 0.3, term_grace: float = 2.0) -> int:
        """Ends the process."""
        if not self._has_ended:
            self._has_ended = True
            self.track.add(stop=True)
            code = await super().stop(stdin_grace=stdin_grace, term_grace=term_grace)
            self.track.ended(End(code=code, stderr=self.stderr))
            return code
        return await super().stop(stdin_grace=stdin_grace, term_grace=term_grace)

    def served(self, call: Caller[T]) -> Caller[T]:
        """Returns a call of Python tools that is recorded."""
        offer = next(self._offers)

        async def recorded(name: str, arguments: Mapping[str, object]) -> T:
            number = next(self._calls)
            called = RecordedToolCall(
                number=number, offer=offer, tool=name, arguments=dict(arguments)
            )
            self.track.called(called)
            result = await call(name, arguments)
            self.track.sent(called.answer(result))
            return result

        return recorded

    async def output_ended(self) -> None:
        """Records that it ended by itself."""
        if not self._has_ended:
            self._has_ended = True
            await self._exits_within(1.0)
            self.track.ended(End(code=self.returncode, stderr=self.stderr))


class _Watched:
    """Output that is recorded as it is taken."""

    def __init__(self, output: AsyncIterator[bytes], process: RecordedProcess) -> None:
        self._output = output
        self._process = process

    def __aiter__(self) -> _Watched:
        return self

    async def __anext__(self) -> bytes:
        try:
            chunk = await anext(self._output)
        except StopAsyncIteration:
            await self._process.output_ended()
            raise
        self._process.track.got(chunk)
        return chunk


def started(argv: Sequence[str], cwd: str | Path | None) -> Start:
    """Returns the entry of a program that starts."""
    return Start(
        program=Path(argv[0]).name, arguments=list(argv[1:]), cwd=None if cwd is None else str(cwd)
    )
