"""The file: a head, then one entry a line. It is read, written, and what is wrong is named."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from signedin.model.errors import CassetteError
from signedin.model.extras import from_extra

FORMAT = 1
"""The version of the format that this version of signedin writes; it reads no newer one."""

COMPRESSED = ".zst"
"""How the name of a cassette ends that is compressed, with zstd."""

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What is raised for what is not JSON."""

AGAIN = 'cassette_mode="rewrite" records it again'


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line.

    Attributes:
        signedin_cassette: Version of the format.
        signedin: The version of signedin that recorded it.
        provider: Who was recorded.
        transport: How.
        agent: The version of the agent, if it is known.
        recorded: When, in ISO 8601: a day.
        prompt: What ``signedin run --record`` asked.
        keywords: The keywords it was asked with.
    """

    signedin_cassette: int
    signedin: str
    provider: str
    transport: str
    agent: str = ""
    recorded: str = ""
    prompt: str = ""
    keywords: dict[str, object] = {}


class Start(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A program that was started, or an HTTP request."""

    program: str = ""
    arguments: list[str] = []
    cwd: str | None = None
    method: str = ""
    url: str = ""


class ReplyHead(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The head of an HTTP response."""

    status: int
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        """Leaves out the headers."""
        return f"Reply({self.status})"


class End(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a program or an exchange ended by itself."""

    code: int | None = None
    stderr: str = ""
    error: str = ""


class RecordedToolCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call of a Python tool; our message that answers it has its number.

    Attributes:
        number: Which call of the process it is.
        offer: In which group of tools, in the order in which the process was offered them.
        tool: Name of the tool.
        arguments: What it is called with.
    """

    number: int
    offer: int
    tool: str
    arguments: dict[str, object]

    def answer(self, result: object) -> bytes:
        """Returns our message with the result."""
        return msgspec.json.encode({"call": self.number, "result": result}, enc_hook=lambda _: None)


class Entry(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line. Exactly one attribute besides ``t`` and ``on`` is set, and ``value`` with ``fact``.

    Attributes:
        t: Seconds since the recording began.
        on: Number of the conversation: a process or an HTTP exchange.
        start: It began.
        sent: Our message.
        sent_text: What we sent that is not JSON.
        got: The agent's message.
        call: The agent's call of a Python tool, which comes over HTTP.
        data: The same in a server-sent event.
        text: A line that is not JSON.
        cut: What came after the last line end.
        reply: The head of a response.
        stop: We ended it.
        end: It ended.
        fact: What was found on the machine, by its name.
        value: That.
    """

    t: float = 0.0
    on: int = 0
    start: Start | None = None
    sent: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    sent_text: str | None = None
    got: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    call: RecordedToolCall | None = None
    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    text: str | None = None
    cut: str | None = None
    reply: ReplyHead | None = None
    stop: Literal[True] | None = None
    end: End | None = None
    fact: str | None = None
    value: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @property
    def ours(self) -> bool:
        """Whether it is something that we did."""
        return self.sent is not msgspec.UNSET or self.sent_text is not None or self.stop is not None


_ENCODER = msgspec.json.Encoder()
_DECODE = msgspec.json.Decoder(Entry).decode


def read_tape(path: Path) -> tuple[Head, list[Entry]]:
    """Reads a cassette.

    Raises:
        CassetteError: It is not there, not a cassette, of a newer format, cut off or damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CassetteError(f"the cassette {path} cannot be read: {error.strerror}") from error
    if path.suffix == COMPRESSED:
        content = _decompressed(path, content)
    lines = content.split(b"\n")
    head = _read_head(path, lines[0])
    if lines.pop():
        raise CassetteError(
            f"the cassette {path} is cut off in line {len(lines) + 1}; restore it, or {AGAIN}"
        )
    entries: list[Entry] = []
    for number, line in enumerate(lines[1:], 2):
        try:
            entries.append(_DECODE(line))
        except UNDECODABLE as error:
            raise CassetteError(
                f"line {number} of the cassette {path} cannot be read: {error}; restore it, or "
                f"{AGAIN}"
            ) from error
    return head, entries


def _decompressed(path: Path, content: bytes) -> bytes:
    with from_extra("zstd", f"a cassette whose name ends with {COMPRESSED}"):
        import zstandard  # noqa: PLC0415 - comes with an extra
    try:
        return zstandard.ZstdDecompressor().decompress(content)
    except zstandard.ZstdError as error:
        raise CassetteError(
            f"the cassette {path} cannot be decompressed: {error}; restore it, or {AGAIN}"
        ) from error


def _read_head(path: Path, line: bytes) -> Head:
    try:
        head = msgspec.json.decode(line, type=Head)
    except UNDECODABLE as error:
        raise CassetteError(
            f"{path} is not a cassette of signedin (line 1: {error}); name another file"
        ) from error
    if head.signedin_cassette > FORMAT:
        raise CassetteError(
            f"the cassette {path} has format {head.signedin_cassette} (line 1), and this version "
            f"of signedin reads {FORMAT}; update signedin, or {AGAIN}"
        )
    return head


def encoded(head: Head, entries: list[Entry]) -> list[bytes]:
    """Returns the lines of a cassette."""
    return [_ENCODER.encode(line) for line in (head, *entries)]


def check_readable(path: Path, lines: list[bytes]) -> None:
    """Refuses lines that `read_tape` could not read.

    Raises:
        CassetteError: One is such.
    """
    for number, line in enumerate(lines[1:], 2):
        try:
            _DECODE(line)
        except UNDECODABLE as error:
            raise CassetteError(
                f"the cassette {path} is not written: line {number} could not be read again: "
                f"{error}; please report this defect of signedin"
            ) from error


def check_target(path: Path) -> None:
    """Checks that a cassette can be written, before the run that it will have.

    Raises:
        CassetteError: It cannot.
    """
    if path.exists() and not path.is_file():
        raise CassetteError(f"{path} is not a file, so no cassette can be written to it")
    folder = next(each for each in path.resolve().parents if each.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        raise CassetteError(
            f"the cassette {path} cannot be written: nothing can be put in {folder}"
        )


def write_tape(path: Path, lines: list[bytes]) -> None:
    """Replaces a cassette at once, or leaves it as it is; a link stays one.

    Raises:
        CassetteError: It cannot be written.
        MissingExtraError: It is to be compressed, and the extra ``zstd`` is missing.
    """
    name = ""
    content = b"\n".join(lines) + b"\n"
    if path.suffix == COMPRESSED:
        with from_extra("zstd", f"a cassette whose name ends with {COMPRESSED}"):
            import zstandard  # noqa: PLC0415 - comes with an extra
        content = zstandard.ZstdCompressor().compress(content)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        os.replace(name, target)  # noqa: PTH105 - the name is a string
    except OSError as error:
        if name:
            with contextlib.suppress(OSError):
                Path(name).unlink()
        raise CassetteError(f"the cassette {path} cannot be written: {error.strerror}") from error
