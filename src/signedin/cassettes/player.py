"""Plays recorded conversations: our messages have to be those of then, the agent's are recorded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from difflib import unified_diff
from pathlib import Path
from typing import TypeVar, cast

import msgspec

from signedin.cassettes.recorder import Caller, messages_of, request_key
from signedin.cassettes.roles import Roles, without_numbers
from signedin.cassettes.tape import AGAIN, End, Entry, RecordedToolCall, ReplyHead, Start
from signedin.model.errors import CassetteError
from signedin.wire.child_output import INTERVAL
from signedin.wire.process import Process

STALL_SECONDS = 60.0
"""How long a recorded message of ours is waited for, beyond the time that it took then."""

_STEPS = 5
"""Turns of the event loop between two moments of a recording."""

_PATIENCE = 20
"""How often a conversation lets others go first whose messages came earlier."""

_THREAD_KEYS = ("threadId", "sessionId", "session_id")
_SHOWN_LINES = 60

T = TypeVar("T")


class Tape(msgspec.Struct):
    """The recorded entries of one conversation, each with the line of the file it is in."""

    start: Start
    line: int
    entries: list[tuple[int, Entry]]


class CassettePlayer:
    """Plays the conversations of one cassette.

    Args:
        path: The cassette, for messages.
        entries: What it holds.

    Attributes:
        speed: How fast messages come, 1 as they were recorded; 0 is at once.
        takes_any_answer: Whether our answers to the agent may differ.
    """

    def __init__(self, path: Path, entries: Sequence[Entry]) -> None:
        self.path = path
        self.roles = Roles(time.time())
        self.speed = 0.0
        self.takes_any_answer = False
        self.playing: list[Track] = []
        self._waiting = _tapes(path, entries)
        self._facts: dict[str, list[msgspec.Raw]] = {}
        for entry in entries:
            if entry.fact is not None and entry.value is not msgspec.UNSET:
                self._facts.setdefault(entry.fact, []).append(entry.value)

    def recall(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        """Returns what was found out when it was recorded."""
        del find
        values = self._facts.get(name)
        if not values:
            raise CassetteError(f"the cassette {self.path} does not have the {name}; {AGAIN}")
        value = values.pop(0) if len(values) > 1 else values[0]
        shown = self.roles.show(bytes(value).decode())
        return msgspec.json.decode(shown, type=kind, dec_hook=lambda made, given: made(given))

    def begin(self, start: Start) -> Track:
        """Begins the first conversation that is not taken and begins like this one.

        Raises:
            CassetteError: There is none.
        """
        sent = msgspec.to_builtins(start)
        for tape in self._waiting:
            recorded = msgspec.to_builtins(tape.start)
            if self.roles.match(recorded, sent):
                self._waiting.remove(tape)
                track = Track(self, tape)
                self.playing.append(track)
                return track
        first = self._waiting[0] if self._waiting else None
        what = f"{start.method} {start.url}".strip() or start.program
        raise self.differs(
            f"{what} is started, and that is not in the cassette {self.path}",
            None if first is None else msgspec.to_builtins(first.start),
            sent,
            None if first is None else first.line,
        )

    def exchange(self, start: Start, body: bytes) -> Track:
        """Begins the HTTP exchange with this request.

        Raises:
            CassetteError: It was not recorded.
        """
        sent = messages_of(body)[0] if body else None
        alike: Tape | None = None
        for tape in self._waiting:
            if not self.roles.match(msgspec.to_builtins(tape.start), msgspec.to_builtins(start)):
                continue
            alike = alike or tape
            track = Track(self, tape)
            if sent is None or track.take(sent):
                self._waiting.remove(tape)
                self.playing.append(track)
                return track
        raise self.differs(
            f"a request to {start.url} is not in the cassette {self.path}",
            None
            if alike is None
            else Track(self, alike).made_alike(_shown(alike.entries[0][1]), sent),
            sent,
            None if alike is None else alike.entries[0][0],
        )

    def instead(self, track: Track, sent: object) -> bool:
        """Whether another process was sent this where the one of the track is now.

        Which of several processes takes a prompt may differ from run to run, and which recording of
        a file is replayed shows in what is sent. They change places from here on.
        """
        for tape in self._waiting:
            other = Track(self, tape)
            if other.exchange_rest(track, sent):
                tape.entries = other.entries
                return True
        return any(
            other is not track and other.exchange_rest(track, sent) for other in self.playing
        )

    def differs(self, what: str, recorded: object, sent: object, line: int | None) -> CassetteError:
        """Makes the error about a message that was not recorded."""
        if recorded is None:
            return CassetteError(
                f"{what}: there is nothing left of that kind. If that is right, {AGAIN}"
            )
        diff = list(
            unified_diff(
                _pretty(recorded),
                _pretty(sent),
                f"recorded (line {line} of {self.path.name})",
                "now",
                lineterm="",
            )
        )
        shown = "\n".join(diff[:_SHOWN_LINES])
        return CassetteError(f"{what}:\n{shown}\nIf the new one is right, {AGAIN}")


class Track:
    """One conversation that is played."""

    def __init__(self, player: CassettePlayer, tape: Tape) -> None:
        self._player = player
        self.entries = list(tape.entries)
        self._done = [False] * len(tape.entries)
        self._next = 0
        self._changed = asyncio.Event()
        self.failure: CassetteError | None = None
        self.stopped = False

    def exchange_rest(self, other: Track, sent: object) -> bool:
        """Exchanges the rest with that of another one that is sent what was sent in this one."""
        place = next((n for n in other._open() if other.entries[n][1].ours), len(other.entries))
        if any(other._done[place:]):
            return False
        for number in self._open():
            if any(self._done[number:]) or not self._is_where(number, other, place):
                continue
            if not self._player.roles.match(_shown(self.entries[number][1]), sent):
                continue
            rest = self.entries[number:]
            self._replace_rest(number, other.entries[place:])
            other._replace_rest(place, rest)
            other._done[place] = True
            return True
        return False

    def take(self, sent: object) -> bool:
        """Whether this is a message of ours that was recorded here; then it is done."""
        for number in self._due():
            recorded = _shown(self.entries[number][1])
            if self._player.takes_any_answer and _answered(sent):
                recorded = sent if _answered(recorded) == _answered(sent) else recorded
            if self._player.roles.match(recorded, sent):
                self._done[number] = True
                for role, other in self._player.roles.exchanged.items():
                    self._begin_before(number, role, other)
                self._changed.set()
                return True
        return False

    def send(self, data: bytes) -> None:
        """Takes what we send. What was not recorded ends the conversation."""
        for message in messages_of(data):
            if self.failure or self.take(message) or self._player.instead(self, message):
                continue
            self.failure = self._unknown(message)
            self._changed.set()

    def stop(self) -> None:
        """Takes that we end it."""
        for number in self._due():
            if self.entries[number][1].stop:
                self._done[number] = True
        self.stopped = True
        self._changed.set()

    async def next_entries(self) -> list[Entry]:
        """Waits for what comes next: what came together then; nothing after the end.

        Raises:
            CassetteError: A message of ours was not recorded, or one that was is missing.
        """
        while True:
            await _settled()
            await self._let_others()
            if self.failure is not None:
                raise self.failure
            if self.is_ready:
                await self._pause()
                return self._ready()
            if self.stopped:
                return []
            await self._until_changed()

    def text_of(self, entries: Sequence[Entry]) -> bytes:
        """Returns the bytes of what the agent said."""
        return b"".join(map(self._line, entries))

    def shown(self, members: dict[str, object]) -> dict[str, object]:
        """Returns what was recorded with the values of this run."""
        encoded = self._json(msgspec.Raw(msgspec.json.encode(members)))
        return msgspec.json.decode(encoded, type=dict[str, object])

    @property
    def end(self) -> End:
        """How it ended."""
        found = next((entry.end for _, entry in reversed(self.entries) if entry.end), End())
        return msgspec.structs.replace(found, stderr=self._shown_text(found.stderr))

    @property
    def is_ready(self) -> bool:
        """Whether something can come."""
        return self._pass_done() < len(self.entries) and not self.entries[self._next][1].ours

    @property
    def line(self) -> int:
        """The line of the file that comes next."""
        return self.entries[self._next][0]

    async def reply(self) -> ReplyHead | End:
        """Waits for the head of a response, or the end of the attempt."""
        [entry, *_] = await self.next_entries()
        return entry.reply or entry.end or End(error="it was ended")

    def _open(self) -> list[int]:
        return [n for n in range(self._pass_done(), len(self._done)) if not self._done[n]]

    def _is_where(self, number: int, other: Track, place: int) -> bool:
        """Whether a conversation begins in both, or all that we had sent was sent there, too."""
        if _is_prompt(_shown(self.entries[number][1])) and self._is_fresh(number):
            return other._is_fresh(place)
        return self._sent_before(number) <= other._sent_before(place)

    def _sent_before(self, place: int) -> set[str]:
        before = (_shown(entry) for _, entry in self.entries[:place] if entry.ours)
        return {without_numbers(msgspec.json.encode(message).decode()) for message in before}

    def _is_fresh(self, place: int) -> bool:
        """Whether no prompt came before, or a command to forget it; or one to forget is here."""
        around = [_shown(entry) for _, entry in self.entries[: place + 1]]
        if place < len(self.entries) and _forgets(around.pop()):
            return True
        prompts = [message for message in around if _is_prompt(message)]
        return not prompts or _forgets(prompts[-1])

    def _begin_before(self, place: int, role: str, other: str) -> None:
        """Lets a conversation begin that took the place of one whose first message is due here.

        Two began alike, and what was first sent in the one is sent in the other now. So what shows
        the role at its beginning is about the other one, and waits for no message of that.
        """
        between = range(self._next, place)
        shown = [n for n in between if role.encode() in _said(self.entries[n][1])]
        if not shown:
            return  # the other one of another recording, which continues in this one
        self._player.roles.make_up(other, role)
        answered = {_id_of(_said(self.entries[n][1])) for n in shown} - {None}
        first = {*shown, *(n for n in between if _id_of_request(self.entries[n][1]) in answered)}
        for number in shown:
            line, entry = self.entries[number]
            got = msgspec.Raw(_said(entry).replace(role.encode(), other.encode()))
            self.entries[number] = (line, msgspec.structs.replace(entry, got=got))
        order = sorted(between, key=lambda number: number not in first)
        self.entries[self._next : place] = [self.entries[number] for number in order]
        self._done[self._next : place] = [self._done[number] for number in order]

    def _replace_rest(self, place: int, rest: Sequence[tuple[int, Entry]]) -> None:
        self.entries = [*self.entries[:place], *rest]
        self._done = [*self._done[:place], *[False] * len(rest)]
        self._changed.set()

    async def _let_others(self) -> None:
        """Lets conversations go first whose messages came earlier, if they can."""
        for _ in range(_PATIENCE):
            if not self._is_preceded():
                return
            await asyncio.sleep(0)

    def _is_preceded(self) -> bool:
        """Whether another conversation has a message that came earlier."""
        return any(
            other is not self and other.is_ready and other.line < self.line
            for other in self._player.playing
        )

    async def _pause(self) -> None:
        if self._player.speed and self._next:
            entries = self.entries[self._next - 1 : self._next + 1]
            [(_, before), (_, entry)] = entries
            await asyncio.sleep(max(0.0, entry.t - before.t) / self._player.speed)

    async def _until_changed(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(self._time_left()):
                await self._changed.wait()
        except TimeoutError:
            line, entry = self.entries[self._next]
            missing = _pretty(_shown(entry))
            shown = "\n".join(missing[:_SHOWN_LINES])
            raise CassetteError(
                f"line {line} of the cassette {self._player.path} is a message of signedin that is "
                f"not sent now:\n{shown}\nIf that is right, {AGAIN}"
            ) from None

    def _time_left(self) -> float | None:
        """A message of ours that never comes is missing; after the last one anything may happen."""
        if self._next >= len(self.entries) or self.entries[self._next][1].stop:
            return None
        before = self.entries[self._next - 1][1].t if self._next else 0.0
        return STALL_SECONDS + max(0.0, self.entries[self._next][1].t - before)

    def _pass_done(self) -> int:
        while self._next < len(self._done) and self._done[self._next]:
            self._next += 1
        return self._next

    def _ready(self) -> list[Entry]:
        """Takes what came together: our next message cannot be sent before the last of it."""
        found: list[Entry] = []
        while self.is_ready and not (found and self._is_preceded()):
            entry = self.entries[self._next][1]
            if found and (entry.end or entry.t > found[-1].t + INTERVAL):
                break
            found.append(entry)
            self._done[self._next] = True
            if entry.reply:
                break
        return found

    def _due(self) -> list[int]:
        """Which messages of ours may come next: of each thread the first."""
        due: list[int] = []
        threads: set[str] = set()
        for number in range(self._pass_done(), len(self._done)):
            entry = self.entries[number][1]
            if self._done[number] or not entry.ours:
                continue
            thread = _thread_of(entry) or f"message {number}"
            if thread not in threads:
                due.append(number)
            threads.add(thread)
        return due

    def _unknown(self, sent: object) -> CassetteError:
        what = f"a message to the agent is not in the cassette {self._player.path}"
        due = self._due()
        if not due:
            return self._player.differs(what, None, sent, None)
        kind = _kind_of(sent)
        number = next((n for n in due if _kind_of(_shown(self.entries[n][1])) == kind), due[0])
        line, entry = self.entries[number]
        return self._player.differs(what, self.made_alike(_shown(entry), sent), sent, line)

    def made_alike(self, recorded: object, now: object) -> object:
        """A recorded message with the values of this run: a diff shows only what differs."""
        if isinstance(recorded, dict) and isinstance(now, dict):
            sent = cast("dict[str, object]", now)
            members = cast("dict[str, object]", recorded).items()
            return {key: self.made_alike(value, sent.get(key)) for key, value in members}
        if isinstance(recorded, list) and isinstance(now, list):
            parts, sent = cast("list[object]", recorded), cast("list[object]", now)
            others = [*sent, *[None] * (len(parts) - len(sent))]
            return [self.made_alike(*pair) for pair in zip(parts, others, strict=False)]
        leaf = cast("object", recorded)
        if self._player.roles.match(leaf, now):
            return now
        text = msgspec.json.encode(leaf).decode()
        return cast("object", msgspec.json.decode(self._player.roles.show(text)))

    def _line(self, entry: Entry) -> bytes:
        if entry.got is not msgspec.UNSET:
            return self._json(entry.got) + b"\n"
        if entry.data is not msgspec.UNSET:
            return b"data: " + self._json(entry.data) + b"\n"
        if entry.text is not None:
            return self._shown_text(entry.text).encode() + b"\n"
        return self._shown_text(entry.cut or "").encode()

    def _json(self, raw: msgspec.Raw) -> bytes:
        return self._player.roles.show(bytes(raw).decode()).encode()

    def _shown_text(self, text: str) -> str:
        shown = self._player.roles.show(msgspec.json.encode(text).decode())
        return msgspec.json.decode(shown, type=str)


class PlayedProcess(Process):
    """A recorded process; nothing runs but the Python tools that it calls.

    Attributes:
        callers: What calls the tools that it was offered, in the order in which it was.
    """

    def __init__(self, name: str, track: Track) -> None:  # no child: nothing of the base is used
        self.name = name
        self._track = track
        self._ended = asyncio.Event()
        self._drained = False
        self._calls: set[asyncio.Task[None]] = set()
        self.callers: list[Caller[object]] = []

    @property
    def pid(self) -> int:
        """Always 0: there is no process."""
        return 0

    @property
    def returncode(self) -> int | None:
        """The recorded exit code, once it has ended."""
        return (self._track.end.code or 0) if self._ended.is_set() else None

    @property
    def stderr(self) -> str:
        """The recorded end of stderr."""
        return self._track.end.stderr

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over what was recorded, as far as our messages allow."""
        while not self._drained:
            entries = await self._track.next_entries()
            if not entries or entries[0].end is not None:
                self._drained = True
                self._ended.set()
                return
            for entry in entries:
                if entry.call is not None:
                    self._begin(entry.call)
            if said := self._track.text_of([entry for entry in entries if not entry.call]):
                yield said

    async def write(self, data: bytes) -> None:
        """Compares what is sent with what was recorded; `chunks` raises if it differs."""
        if self._ended.is_set():
            raise await self.closed_error()
        self._track.send(data)

    def close_stdin(self) -> None:
        """Does nothing."""

    def _begin(self, recorded: RecordedToolCall) -> None:
        task = asyncio.get_running_loop().create_task(self._call(recorded))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _call(self, recorded: RecordedToolCall) -> None:
        arguments = self._track.shown(recorded.arguments)
        result = await self.callers[recorded.offer - 1](recorded.tool, arguments)
        self._track.send(recorded.answer(result))

    async def wait(self) -> int:
        """Waits for the end."""
        await self._ended.wait()
        return self.returncode or 0

    async def stop(self, *, stdin_grace: float = 0.3, term_grace: float = 2.0) -> int:
        """Ends it."""
        del stdin_grace, term_grace
        self._track.stop()
        self._ended.set()
        for call in self._calls:
            call.cancel()
        return await self.wait()

    async def _exits_within(self, seconds: float) -> bool:
        del seconds
        return self._ended.is_set()


async def _settled() -> None:
    """Lets everything else run on what came before, as it could while the agent was at work."""
    for _ in range(_STEPS):
        await asyncio.sleep(0)


def _tapes(path: Path, entries: Sequence[Entry]) -> list[Tape]:
    starts: dict[int, Start] = {}
    parts: dict[int, list[tuple[int, Entry]]] = {}
    for line, entry in enumerate(entries, 2):
        if entry.start is not None:
            starts[entry.on] = entry.start
            parts[entry.on] = [(line, entry)]
        elif entry.on in parts:
            parts[entry.on].append((line, entry))
        elif entry.fact is None:
            raise CassetteError(
                f"line {line} of the cassette {path} belongs to a conversation that has not begun; "
                f"restore it, or {AGAIN}"
            )
    return [Tape(starts[number], part[0][0], part[1:]) for number, part in parts.items()]


def _shown(entry: Entry) -> object:
    if entry.sent is not msgspec.UNSET:
        return cast("object", msgspec.json.decode(entry.sent))
    return entry.sent_text


def _said(entry: Entry) -> bytes:
    """A message of the agent, as JSON; nothing for other entries."""
    return b"" if entry.got is msgspec.UNSET else bytes(entry.got)


def _id_of(encoded: bytes) -> object:
    message = cast("object", msgspec.json.decode(encoded)) if encoded else None
    return cast("dict[str, object]", message).get("id") if isinstance(message, dict) else None


def _id_of_request(entry: Entry) -> object:
    message = _shown(entry)
    request = isinstance(message, dict) and "method" in message
    return cast("dict[str, object]", message).get("id") if request else None


def _thread_of(entry: Entry) -> str | None:
    """What a message is about: messages about the same have an order. ``None`` if it is free."""
    message = _shown(entry)
    for _ in range(2):
        if isinstance(message, dict):
            members = cast("dict[str, object]", message)
            for key in _THREAD_KEYS:
                if isinstance(members.get(key), str):
                    return str(members[key])
            if members.get("type") == "user":
                return "prompts"
            message = members.get("params")
    return None


def _answered(message: object) -> object:
    """The id of the agent's request that a message of ours answers."""
    if not isinstance(message, dict):
        return None
    members = cast("dict[str, object]", message)
    if members.get("type") == "control_response":
        inner = cast("dict[str, object]", members.get("response") or {})
        return str(inner.get("request_id"))
    return None if "method" in members else members.get("id")


def _is_prompt(message: object) -> bool:
    if isinstance(message, dict):
        return cast("dict[str, object]", message).get("type") == "user"
    return isinstance(message, str)


def _forgets(message: object) -> bool:
    """Whether a prompt makes the agent begin a new conversation."""
    return isinstance(message, dict) and b'"/clear"' in msgspec.json.encode(message)


def _kind_of(message: object) -> object:
    if not isinstance(message, dict):
        return type(message)
    members = cast("dict[str, object]", message)
    return members.get("method"), members.get("type"), request_key(members)


def _pretty(message: object) -> list[str]:
    if isinstance(message, str):
        return message.splitlines()
    return msgspec.json.format(msgspec.json.encode(message), indent=2).decode().splitlines()
