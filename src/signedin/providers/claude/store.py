"""The conversations Claude Code has stored, read from its files; nothing is written.

One file of JSON lines per conversation, ``projects/<folder>/<session id>.jsonl`` in Claude Code's
home, where the folder's name is made of the working directory. Entries form a tree: each names the
one before it. Seen with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

import itertools
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from signedin.model.errors import InvalidOptionError
from signedin.model.events import AnyEvent, DoneReason, MessageEvent
from signedin.model.results import PastTurn, SessionInfo, SessionPage, answer_text
from signedin.providers.base import SessionQuery
from signedin.providers.claude.messages import ABSENT, UNREADABLE, Block, Message, ModelMessage
from signedin.providers.claude.normalise import TurnNormaliser
from signedin.providers.shared.stored import unix_time
from signedin.wire.jsonl import repair_surrogates

_ENDS = 262_144
"""Bytes read from the beginning and from the end of a file to describe its conversation."""

_TAIL = 65_536
"""Bytes read from the end of a file to find the time of its last message."""

_PREVIEW = 200
_NAME_LENGTH = 200
"""Longer names of folders are cut and end in a hash instead."""

_INTERRUPTED = "[Request interrupted by user"
_OWN_TEXT = re.compile(r"<(command-|local-command-|system-reminder>|bash-|task-notification)")
"""How texts begin that Claude Code writes in the user's name."""


class StoredLine(msgspec.Struct, frozen=True, rename="camel"):
    """A line of a file, as far as signedin reads it."""

    type: str = ""
    uuid: str = ""
    parent_uuid: str | None = None
    logical_parent_uuid: str | None = None
    session_id: str = ""
    timestamp: str = ""
    cwd: str | None = None
    message: msgspec.Raw = ABSENT
    custom_title: str | None = None
    forked_from: _ForkedFrom | None = None
    is_meta: bool = False
    is_sidechain: bool = False
    is_compact_summary: bool = False
    is_api_error_message: bool = False
    tool_use_result: msgspec.Raw = ABSENT


class _ForkedFrom(msgspec.Struct, frozen=True, rename="camel"):
    session_id: str = ""


_decode = msgspec.json.Decoder(StoredLine).decode
_decode_message = msgspec.json.Decoder(ModelMessage).decode


def list_sessions(home: Path, query: SessionQuery) -> SessionPage:
    """Lists stored conversations, the newest first.

    Args:
        home: Claude Code's home.
        query: Which.

    Raises:
        InvalidOptionError: The cursor is not one of this list.
    """
    found: list[SessionInfo] = []
    files = _files(home, query.cwd)
    for place, (changed, file) in _after(files, query.cursor):
        info = _describe(file, changed)
        if info is None or not _matches(info, query):
            continue
        found.append(info)
        if len(found) == query.limit:
            return SessionPage(tuple(found), place)
    return SessionPage(tuple(found))


def read_history(home: Path, session_id: str) -> list[PastTurn]:
    """Returns the turns of a conversation, the oldest first.

    Raises:
        InvalidOptionError: There is no such conversation, or its file cannot be read.
    """
    turns: list[_ReadTurn] = []
    for entry in _branch(_entries(_lines(home, session_id))):
        prompt = _prompt(entry)
        if prompt is not None:
            turns.append(_ReadTurn(entry, prompt, session_id))
        elif turns:
            turns[-1].add(entry)
    return [turn.past() for turn in turns]


def is_stored(home: Path, session_id: str, message: str) -> bool:
    """Whether a conversation has the message of this id; of no id, whether there is any."""
    try:
        lines = _lines(home, session_id)
    except InvalidOptionError:
        return False
    return any(message.encode() in line for line in reversed(lines))


def answer_before(home: Path, session_id: str, prompt: str) -> str | None:
    """Returns the id of the last answer before a prompt, ``None`` if there is none.

    Args:
        home: Claude Code's home.
        session_id: The conversation.
        prompt: The id of the prompt. If it was not stored, the last answer of all is meant.
    """
    try:
        branch = _branch(_entries(_lines(home, session_id)))
    except InvalidOptionError:
        return None  # it broke off before anything was stored
    kept = itertools.takewhile(lambda entry: entry.uuid != prompt, branch)
    return next((entry.uuid for entry in reversed([*kept]) if entry.type == "assistant"), None)


def _lines(home: Path, session_id: str) -> list[bytes]:
    try:
        name = f"*/{uuid.UUID(session_id)}.jsonl"
        files = (home / "projects").glob(name)
        file = next((file for file in files if file.is_file()), None)
    except ValueError:
        file = None
    if file is None:
        raise InvalidOptionError(f"claude has no stored session {session_id} in {home}")
    try:
        return file.read_bytes().splitlines()
    except OSError as error:
        raise InvalidOptionError(f"session {session_id} cannot be read: {error}") from error


class _ReadTurn:
    """A turn that is being read."""

    def __init__(self, first: StoredLine, prompt: str, session_id: str) -> None:
        self._prompt = prompt
        self._started_at = unix_time(first.timestamp)
        self._now = self._started_at or 0.0
        self._normaliser = TurnNormaliser(clock=lambda: self._now)
        self._normaliser.session_id = session_id
        self._events: list[AnyEvent] = []
        self._reason: DoneReason = "completed"

    def add(self, entry: StoredLine) -> None:
        """Adds what happened."""
        if entry.type not in ("assistant", "user") or entry.is_meta or entry.is_compact_summary:
            return
        self._now = unix_time(entry.timestamp) or self._now
        if entry.is_api_error_message:
            self._reason = "failed"
        elif any(block.text.startswith(_INTERRUPTED) for block in _blocks(entry)):
            self._reason = "interrupted"
        message = {
            "type": entry.type,
            "uuid": entry.uuid,
            "message": _without_usage(entry.message),
            "tool_use_result": entry.tool_use_result,
        }
        line = msgspec.json.encode(message)
        try:
            events = self._normaliser.events(Message(type=entry.type), line)
        except UNREADABLE:
            return
        self._events += [event for event in events if event.kind != "other"]  # pyright: ignore[reportAttributeAccessIssue]

    def past(self) -> PastTurn:
        """The turn as part of the history."""
        messages = [event for event in self._events if isinstance(event, MessageEvent)]
        return PastTurn(
            id=None,
            prompt=self._prompt,
            text=answer_text(messages),
            events=tuple(self._events),
            reason=self._reason,
            started_at=self._started_at,
        )


def _files(home: Path, cwd: Path | None) -> list[tuple[str, tuple[float, Path]]]:
    """The files, the newest first, each with its place in the list."""
    names = None if cwd is None else {_folder_name(str(cwd)), _folder_name(os.path.realpath(cwd))}
    found: list[tuple[str, tuple[float, Path]]] = []
    for file in (home / "projects").glob("*/*.jsonl"):
        if names is not None and not file.parent.name.startswith(tuple(names)):
            continue
        try:
            uuid.UUID(file.stem)
            if not file.is_file():
                continue  # a pipe would never end
            changed = _last_changed(file)
        except (ValueError, OSError):
            continue
        found.append((f"{round(changed * 1e9):020}-{file.stem}", (changed, file)))
    return sorted(found, reverse=True)


def _last_changed(file: Path) -> float:
    """The time of the last message of a conversation.

    The time of the file is not reliable: Claude Code writes late, and several files in one go.
    """
    with file.open("rb") as opened:
        opened.seek(max(0, os.fstat(opened.fileno()).st_size - _TAIL))
        entries = _entries(reversed(opened.read().splitlines()))
        times = (unix_time(entry.timestamp) for entry in entries)
        return next(filter(None, times), None) or os.fstat(opened.fileno()).st_mtime


def _after(
    files: list[tuple[str, tuple[float, Path]]], cursor: str | None
) -> Iterator[tuple[str, tuple[float, Path]]]:
    if cursor is not None and not re.fullmatch(r"\d{20}-[0-9a-f-]{36}", cursor):
        raise InvalidOptionError(f"invalid cursor {cursor!r}; use SessionPage.next_cursor")
    return (file for file in files if cursor is None or file[0] < cursor)


def _describe(file: Path, changed: float) -> SessionInfo | None:
    """What is known of a conversation; ``None`` if nothing was asked in it."""
    try:
        entries = list(_entries(_ends(file)))
        begun = _first_prompt(entries)
        if begun is None:  # it may be longer than what was read
            entries = list(_entries(file.read_bytes().splitlines()))
            begun = _first_prompt(entries)
    except OSError:
        return None  # deleted meanwhile
    if begun is None:
        return None
    first, prompt = begun
    titles = [entry.custom_title for entry in entries if entry.custom_title]
    models = [_message(entry).model for entry in entries if _is_answer(entry)]
    forks = [entry.forked_from.session_id for entry in entries if entry.forked_from]
    return SessionInfo(
        id=file.stem,
        name=titles[-1] if titles else None,
        preview=prompt[:_PREVIEW],
        cwd=first.cwd,
        model=models[-1] if models else None,
        created_at=unix_time(first.timestamp),
        updated_at=changed,
        forked_from=forks[0] if forks else None,
    )


def _first_prompt(entries: Iterable[StoredLine]) -> tuple[StoredLine, str] | None:
    for entry in entries:
        prompt = _prompt(entry)
        if prompt is not None:
            return entry, prompt
    return None


def _matches(info: SessionInfo, query: SessionQuery) -> bool:
    if query.cwd is not None and info.cwd not in {str(query.cwd), os.path.realpath(query.cwd)}:
        return False
    words = (query.search or "").lower()
    return words in f"{info.name or ''}\n{info.preview}".lower()


def _ends(file: Path) -> list[bytes]:
    """The complete lines at both ends of a file."""
    with file.open("rb") as opened:
        head = opened.read(_ENDS)
        size = opened.seek(0, os.SEEK_END)
        if size <= _ENDS:
            return head.splitlines()
        opened.seek(max(_ENDS, size - _ENDS))
        return [*head.splitlines(), *opened.read().splitlines()]


def _entries(lines: Iterable[bytes]) -> Iterator[StoredLine]:
    for line in lines:
        decodable = line if line.isascii() else line.decode(errors="replace").encode()
        try:
            yield _decode(repair_surrogates(decodable))
        except UNREADABLE:
            continue  # cut off, or of a newer form


def _branch(entries: Iterable[StoredLine]) -> list[StoredLine]:
    """The entries that lead to the last one of the conversation, through summaries of it.

    Where an entry is lost, it continues with what was written before.
    """
    known: dict[str, StoredLine] = {}
    earlier: dict[str, StoredLine | None] = {}
    last: StoredLine | None = None
    for entry in entries:
        if entry.uuid and not entry.is_sidechain:
            earlier.setdefault(entry.uuid, last)
            known[entry.uuid] = last = entry
    branch: list[StoredLine] = []
    at = last
    while at is not None and known.pop(at.uuid, None) is not None:
        branch.append(at)
        link = at.parent_uuid or at.logical_parent_uuid
        at = known.get(link, earlier[at.uuid]) if link else None
    return branch[::-1]


def _prompt(entry: StoredLine) -> str | None:
    """What the user asked, ``None`` if the entry is something else."""
    if entry.type != "user" or entry.is_meta or entry.is_sidechain or entry.is_compact_summary:
        return None
    blocks = _blocks(entry)
    if any(block.type == "tool_result" for block in blocks):
        return None
    texts = [block.text for block in blocks if block.type == "text"]
    text = "".join(text for text in texts if not _OWN_TEXT.match(text))
    own = bool(texts) and not text
    return None if own or text.startswith(_INTERRUPTED) else text


def _blocks(entry: StoredLine) -> list[Block]:
    return _message(entry).blocks


def _message(entry: StoredLine) -> ModelMessage:
    """The message; an empty one if it cannot be read."""
    try:
        return _decode_message(_without_usage(entry.message))
    except UNREADABLE:
        return ModelMessage(content=[])


def _without_usage(message: msgspec.Raw) -> msgspec.Raw:
    """A message without the figures, which are not used here and may be malformed."""
    try:
        members = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except UNREADABLE:
        return ABSENT
    members.pop("usage", None)
    return msgspec.Raw(msgspec.json.encode(members))


def _is_answer(entry: StoredLine) -> bool:
    return entry.type == "assistant" and not entry.is_sidechain and not entry.is_api_error_message


def _folder_name(path: str) -> str:
    return re.sub(r"[^a-zA-Z0-9]", "-", path)[:_NAME_LENGTH]
