"""The conversations that Gemini CLI has stored, seen with 0.61.

One file of JSON lines per conversation, ``tmp/<project>/chats/session-<minute>-<id>.jsonl`` in
Gemini's folder, beside a ``.project_root`` with the working directory. A record is a message, which
replaces an earlier one of its id; a change of metadata, ``$set``, possibly with all messages; or
``$rewindTo``, which removes a message and what follows it. Older versions wrote one JSON object.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import cast

import msgspec

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.events import AnyEvent, ItemStatus, MessageEvent, ReasoningEvent
from signedin.model.results import PastTurn, SessionInfo, SessionPage, answer_text
from signedin.providers.base import ProviderConfig, SessionQuery
from signedin.providers.gemini.account.home import gemini_folder, read_settings, setting
from signedin.providers.gemini.actions import COMMAND, ToolUse, action_event
from signedin.providers.shared.stored import unix_time
from signedin.wire.jsonl import repair_surrogates

_PREVIEW = 200
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_OWN_TEXTS = ("<session_context>", "<hook_context>")
"""Beginnings of the texts that Gemini sends in the user's name."""

_SESSION_ID = re.compile(r"[0-9A-Za-z-]{8,64}")
_PLACE = re.compile(r"\d{20}-.+")
_COMMAND_RESULT = re.compile(
    r"\A(?:<untrusted_context>\n)?(?:Command: .*\nDirectory: .*\n)?Output: (?P<output>.*?)"
    r"(?:\nError: .*?)?(?:\nExit Code: (?P<code>-?\d+))?(?:\nSignal: .*?)?"
    r"(?:\nBackground PIDs: .*?)?(?:\nProcess Group PGID: \d+)?(?:\n</untrusted_context>)?\s*\Z",
    re.DOTALL,
)
_STATUS: Mapping[str, ItemStatus] = {"success": "completed", "cancelled": "declined"}


class _StoredMessage(msgspec.Struct, frozen=True, rename="camel"):
    id: str = ""
    type: str = ""
    timestamp: str = ""
    content: object = None
    model: str = ""
    thoughts: tuple[dict[str, object], ...] = ()
    tool_calls: tuple[dict[str, object], ...] = ()

    @property
    def text(self) -> str:
        if isinstance(self.content, str):
            return self.content
        return "".join(_member(part, "text") for part in _items(self.content))

    @property
    def is_prompt(self) -> bool:
        return self.type == "user" and bool(self.text) and not self.text.startswith(_OWN_TEXTS)

    @property
    def is_answer(self) -> bool:
        return self.type == "gemini"


class _Conversation(msgspec.Struct):
    """A file, as far as it can be read."""

    id: str = ""
    kind: str = ""
    summary: str = ""
    start_time: str = ""
    last_updated: str = ""
    messages: dict[str, _StoredMessage] = {}
    records: dict[str, object] = {}
    """The messages as they are written."""
    seen: set[str] = set()
    """The ids of these and of messages that were taken back."""

    def take(self, record: dict[str, object]) -> None:
        """Applies one record."""
        if (first := record.get("$rewindTo")) is not None:
            ids = list(self.messages)
            start = ids.index(first) if isinstance(first, str) and first in ids else 0
            for removed in ids[start:]:
                del self.messages[removed], self.records[removed]
            return
        if "id" in record:
            self._add(record)
            return
        changes = record.get("$set", record)
        if isinstance(changes, dict):
            self._change(cast("dict[str, object]", changes))

    def _change(self, changes: dict[str, object]) -> None:
        self.id = _member(changes, "sessionId") or self.id
        self.kind = _member(changes, "kind") or self.kind
        self.summary = _member(changes, "summary") or self.summary
        self.start_time = self.start_time or _member(changes, "startTime")
        self.last_updated = _member(changes, "lastUpdated") or self.last_updated
        if isinstance(messages := changes.get("messages"), list):
            self.messages.clear()
            self.records.clear()
            for message in cast("list[object]", messages):
                self._add(message)

    def _add(self, record: object) -> None:
        try:
            message = msgspec.convert(record, _StoredMessage)
        except _UNREADABLE:
            return  # of a newer form
        self.messages[message.id] = message
        self.records[message.id] = record
        self.seen.add(message.id)

    def add_missing(self, older: _Conversation) -> None:
        """Adds the messages of an older file that this one never had."""
        for missing in older.records.keys() - self.seen:
            self._add(older.records[missing])
        self.seen |= older.seen

    def sort(self) -> None:
        """Sorts the messages by time."""
        self.messages = dict(sorted(self.messages.items(), key=lambda item: item[1].timestamp))
        self.records = {message: self.records[message] for message in self.messages}

    @property
    def is_stub(self) -> bool:
        """Whether it has no messages, or belongs to a subagent."""
        has_messages = any(each.is_prompt or each.is_answer for each in self.messages.values())
        return not has_messages or self.kind == "subagent"


class GeminiStore:
    """What is stored in one of Gemini's folders.

    Args:
        folder: The folder, ``.gemini``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def list(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the newest first.

        Raises:
            UnsupportedOptionError: Archived ones are requested.
            InvalidOptionError: The cursor is not from this list.
        """
        if query.archived:
            raise UnsupportedOptionError(
                "gemini", "archived", "Gemini CLI does not archive sessions"
            )
        if query.cursor is not None and not _PLACE.fullmatch(query.cursor):
            raise InvalidOptionError(
                f"invalid cursor {query.cursor!r}; use SessionPage.next_cursor"
            )
        found: dict[str, SessionInfo] = {}
        for place, file in _newest_first(self._folder, query.cwd):
            if query.cursor is not None and place >= query.cursor:
                continue
            info = _describe(file)
            if info is None or info.id in found or not _matches(info, query):
                continue
            found[info.id] = info
            if len(found) == query.limit:
                return SessionPage(tuple(found.values()), place)
        return SessionPage(tuple(found.values()))

    def history(self, session_id: str) -> Sequence[PastTurn]:
        """Returns the turns of a conversation, the oldest first.

        Raises:
            InvalidOptionError: There is no such conversation.
        """
        messages = [*self._read_all(session_id).messages.values()]
        turns = [_StoredTurn(message) for message in messages if message.is_prompt]
        count = 0
        for message in messages:
            if message.is_prompt:
                count += 1
            elif message.is_answer and count:
                turns[count - 1].add_message(message)
                for call in message.tool_calls:
                    _turn_of(call, turns[count - 1 :]).add_action(call)
        return [turn.past() for turn in turns]

    def delete(self, session_id: str) -> None:
        """Deletes all of a conversation, as Gemini's own ``--delete-session`` does.

        Raises:
            InvalidOptionError: There is no such conversation, or the system refused.
        """
        try:
            for file in self._files(session_id):
                file.unlink(missing_ok=True)
                log, *folders = _belongings(file, session_id)
                log.unlink(missing_ok=True)
                for folder in folders:
                    shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            raise InvalidOptionError(f"session {session_id} cannot be deleted: {error}") from error

    def place(self, session_id: str, cwd: Path) -> None:
        """Refuses to continue a conversation in another folder than the one it began in.

        Gemini CLI, started in another folder, says that there is no such session. Where the folder
        is gone, renamed for example, the conversation is moved to the one that is asked for.

        Raises:
            InvalidOptionError: It began in another folder, or the system refused.
        """
        files = list(self._folder.glob(f"tmp/*/chats/session-*-{session_id[:8]}.json*"))
        begun = {_root(file.parent.parent) for file in files} - {""}
        if not begun or not begun.isdisjoint({str(cwd), os.path.realpath(cwd)}):
            return
        if there := [folder for folder in begun if Path(folder).exists()]:
            raise InvalidOptionError(
                f"'cwd' of a gemini session is fixed when it begins, to {min(there)}"
            )
        try:
            self._move(files, session_id, cwd)
        except OSError as error:
            raise InvalidOptionError(f"session {session_id} cannot be moved: {error}") from error

    def _move(self, files: Sequence[Path], session_id: str, cwd: Path) -> None:
        """Moves a conversation into what Gemini CLI takes for its own folder of a project."""
        here = os.path.realpath(cwd)
        projects = (each for each in self._folder.glob("tmp/*") if _root(each) in {str(cwd), here})
        project = next(projects, self._folder / "tmp" / f"{Path(here).name}-{session_id[:8]}")
        if not project.exists():
            project.mkdir(mode=0o700)
            (project / ".project_root").write_text(here, encoding="utf-8")
        for file in files:
            for each in (file, *_belongings(file, session_id)):
                if each.exists():
                    target = project / each.relative_to(file.parent.parent)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    each.rename(target)

    def join(self, session_id: str) -> None:
        """Adds to the newest file of a conversation the messages that only older ones have.

        Where another process continues a conversation that was loaded in the minute it began, each
        of the two writes into a file of its own. Gemini loads the newest, and would miss the rest.

        Raises:
            InvalidOptionError: There is no such conversation, or the system refused.
        """
        newest = self._files(session_id)[0]
        conversation = self._read_all(session_id)
        if len(conversation.records) == len(_read(newest).records) or newest.suffix != ".jsonl":
            return
        line = msgspec.json.encode({"$set": {"messages": [*conversation.records.values()]}})
        try:
            with newest.open("ab") as file:
                file.write(b"\n" + line + b"\n")  # the last line may have been cut off
        except OSError as error:
            raise InvalidOptionError(f"session {session_id} cannot be loaded: {error}") from error

    def _read_all(self, session_id: str) -> _Conversation:
        """Reads the newest file of a conversation, and what only older ones have."""
        newest, *older = map(_read, self._files(session_id))
        count = len(newest.records)
        for conversation in older:
            newest.add_missing(conversation)
        if len(newest.records) > count:
            newest.sort()
        return newest

    def _files(self, session_id: str) -> Sequence[Path]:
        """The files of a conversation: those with messages first, the newest first."""
        found: list[tuple[bool, str, Path]] = []
        if _SESSION_ID.fullmatch(session_id):
            for file in self._folder.glob(f"tmp/*/chats/session-*-{session_id[:8]}.json*"):
                conversation = _read(file)
                if conversation.id == session_id:
                    found.append((not conversation.is_stub, conversation.last_updated, file))
        if not found:
            raise InvalidOptionError(f"gemini has no stored session {session_id} in {self._folder}")
        return [file for _, _, file in sorted(found, reverse=True)]


class _StoredTurn:
    def __init__(self, prompt: _StoredMessage) -> None:
        self.started_at = unix_time(prompt.timestamp)
        self._prompt = prompt.text
        self._events: list[AnyEvent] = []
        self._answered = False

    def add_message(self, message: _StoredMessage) -> None:
        """Adds a message and its thoughts."""
        now = unix_time(message.timestamp) or 0.0
        self._events += [
            ReasoningEvent(item_id=f"{message.id}-thought-{number}", text=thought, timestamp=now)
            for number, thought in enumerate(map(_thought, message.thoughts), 1)
        ]
        self._answered = bool(message.text)
        if message.text:
            self._events.append(MessageEvent(item_id=message.id, text=message.text, timestamp=now))

    def add_action(self, call: dict[str, object]) -> None:
        """Adds a tool call."""
        self._events.append(_action(call))

    def past(self) -> PastTurn:
        """The turn; how one without an answer ended is not stored."""
        events = sorted(self._events, key=lambda event: event.timestamp)
        return PastTurn(
            id=None,
            prompt=self._prompt,
            text=answer_text([event for event in events if isinstance(event, MessageEvent)]),
            events=tuple(events),
            reason="completed" if self._answered else "failed",
            started_at=self.started_at,
        )


def _turn_of(call: dict[str, object], turns: Sequence[_StoredTurn]) -> _StoredTurn:
    """The turn of a call: Gemini adds later calls to the message of the first one."""
    when = unix_time(_member(call, "timestamp")) or 0.0
    return [turns[0], *(turn for turn in turns[1:] if (turn.started_at or when) < when)][-1]


def _action(call: dict[str, object]) -> AnyEvent:
    arguments = call.get("args")
    use = ToolUse(
        tool_name=_member(call, "name"),
        tool_id=_member(call, "id"),
        parameters=cast("dict[str, object]", arguments) if isinstance(arguments, dict) else {},
    )
    status = _STATUS.get(_member(call, "status"), "failed")
    output, exit_code = _output(call.get("result")), None
    if use.tool_name == COMMAND and (report := _COMMAND_RESULT.match(output)):
        output = "" if report["output"] == "(empty)" else report["output"]
        exit_code = int(report["code"] or 0)
    return action_event(
        use,
        "failed" if exit_code else status,
        output,
        msgspec.Raw(msgspec.json.encode(call)),
        timestamp=unix_time(_member(call, "timestamp")) or 0.0,
        exit_code=exit_code,
    )


def _output(result: object) -> str:
    responses = [_dig(part, "functionResponse", "response") for part in _items(result)]
    return "".join(_member(each, "output") or _member(each, "error") for each in responses)


def _thought(thought: dict[str, object]) -> str:
    subject, description = _member(thought, "subject"), _member(thought, "description")
    return f"**{subject}**\n{description}" if subject else description


def _newest_first(folder: Path, cwd: Path | None) -> list[tuple[str, Path]]:
    """The files, each with its place in the list."""
    wanted = None if cwd is None else {str(cwd), os.path.realpath(cwd)}
    found: list[tuple[str, Path]] = []
    for project in folder.glob("tmp/*/chats"):
        if wanted is not None and _root(project.parent) not in wanted:
            continue
        for file in project.glob("session-*.json*"):
            try:
                found.append((f"{file.stat().st_mtime_ns:020}-{file.name}", file))
            except OSError:
                continue  # deleted meanwhile
    return sorted(found, reverse=True)


def _describe(file: Path) -> SessionInfo | None:
    conversation = _read(file)
    if not conversation.id or conversation.is_stub:
        return None
    messages = conversation.messages.values()
    models = [message.model for message in messages if message.model]
    return SessionInfo(
        id=conversation.id,
        name=conversation.summary or None,
        preview=next((each.text[:_PREVIEW] for each in messages if each.is_prompt), ""),
        cwd=_root(file.parent.parent) or None,
        model=models[-1] if models else None,
        created_at=unix_time(conversation.start_time),
        updated_at=unix_time(conversation.last_updated),
    )


def _read(file: Path) -> _Conversation:
    conversation = _Conversation()
    for record in _records(file):
        conversation.take(record)
    return conversation


def _records(file: Path) -> Iterator[dict[str, object]]:
    try:
        content = file.read_bytes() if file.is_file() else b""  # a pipe would never end
    except OSError:
        return
    for line in content.splitlines() if file.suffix == ".jsonl" else [content]:
        text = line if line.isascii() else line.decode(errors="replace").encode()
        try:
            yield msgspec.json.decode(repair_surrogates(text), type=dict[str, object])
        except _UNREADABLE:
            continue  # cut off, or of a newer form


def _belongings(file: Path, session_id: str) -> tuple[Path, ...]:
    """What a conversation has beside its file: its log, and folders."""
    project = file.parent.parent
    return (
        project / "logs" / f"session-{session_id}.jsonl",
        project / "tool-outputs" / f"session-{session_id}",
        project / session_id,
        file.parent / session_id,
    )


def _root(project: Path) -> str:
    try:
        return (project / ".project_root").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _matches(info: SessionInfo, query: SessionQuery) -> bool:
    words = (query.search or "").lower()
    return words in f"{info.name or ''}\n{info.preview}".lower()


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _dig(value: object, *path: str) -> object:
    for name in path:
        value = cast("dict[str, object]", value).get(name) if isinstance(value, dict) else None
    return value


def _member(value: object, name: str) -> str:
    found = _dig(value, name)
    return found if isinstance(found, str) else ""


def check_retention(env: Mapping[str, str]) -> None:
    """Checks that Gemini's own cleanup is off before a session is resumed.

    Resuming leaves two files of one id, and the cleanup of the next start deletes both.

    Raises:
        UnsupportedOptionError: It is not off.
    """
    folder = gemini_folder(env)
    if setting(read_settings(folder), "general", "sessionRetention", "enabled") is not False:
        raise UnsupportedOptionError(
            "gemini",
            "resume",
            "Gemini would delete the session at its next start; set "
            '{"general": {"sessionRetention": {"enabled": false}}} in '
            f"{folder / 'settings.json'}, or use auth_source='isolated'",
        )


def make_loadable(session_id: str, env: Mapping[str, str]) -> None:
    """Makes sure that loading a stored session over ACP does not empty it.

    Gemini names the file of a session by minute and id, and starts a new one when it loads a
    session. Within the minute of the last one that would be the same file, so the last one is
    renamed to an earlier minute; Gemini identifies it by its content. Its first line, which says
    whose it is, stays under the name as well: another process may still write there.

    Raises:
        UnsupportedOptionError: The session would be deleted later, see `check_retention`.
        InvalidOptionError: The file cannot be renamed.
    """
    check_retention(env)
    now = time.time()
    for file in gemini_folder(env).glob(f"tmp/*/chats/session-{_minute(now)}-{session_id[:8]}.*"):
        names = (file.name.replace(_minute(now), _minute(now - 60 * ago)) for ago in count(1))
        free = next(file.with_name(name) for name in names if not file.with_name(name).exists())
        try:
            file.rename(free)
            if file.suffix == ".jsonl":
                _copy_first_line(free, file)
        except OSError as error:
            raise InvalidOptionError(f"session {session_id} cannot be loaded: {error}") from error


def _copy_first_line(source: Path, target: Path) -> None:
    with source.open("rb") as lines, target.open("ab") as copy:
        copy.write(lines.readline())


def _minute(moment: float) -> str:
    return time.strftime("%Y-%m-%dT%H-%M", time.gmtime(moment))


class RecalledStore:
    """Gemini's store, or what it had when a cassette was recorded."""

    def __init__(self, store: GeminiStore, config: ProviderConfig) -> None:
        self._store = store
        self._recall = config.recall

    def list(self, query: SessionQuery) -> SessionPage:
        """Lists conversations, the newest first."""
        return self._recall("list of sessions", SessionPage, lambda: self._store.list(query))

    def history(self, session_id: str) -> Sequence[PastTurn]:
        """Returns the turns of a conversation, the oldest first."""
        return self._recall(
            "history", tuple[PastTurn, ...], lambda: tuple(self._store.history(session_id))
        )

    def delete(self, session_id: str) -> None:
        """Deletes a conversation permanently."""
        self._recall("deletion", type(None), lambda: self._store.delete(session_id))
