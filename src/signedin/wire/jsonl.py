"""JSON lines: bytes to messages and back, whatever the bytes are and however they are cut."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Generic, TypeVar, cast, final

import msgspec

from signedin.model.errors import ProtocolError

T = TypeVar("T")

LONGEST_LINE = 256 << 20
"""Bytes of a line that is waited for; a program that never ends it must not fill the memory."""

UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What decoding raises for what is not JSON, in another form, not text, or nested too deep."""

_ESCAPE = re.compile(
    rb"""\\(?:
        u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}  # a pair: one character
      | (?P<lone>u[dD][89a-fA-F][0-9a-fA-F]{2})
      | .
    )""",
    re.VERBOSE | re.DOTALL,
)


@final
class BadLine(msgspec.Struct, frozen=True):
    """A line that is not a message.

    Attributes:
        data: The line as it came, without its line end.
        reason: What is wrong with it.
    """

    data: bytes
    reason: str


class LineSplitter:
    r"""Cuts a stream of bytes into lines, in time proportional to their length.

    Lines end with ``\n``; white space around them is dropped and so are blank lines. A line may
    come in any number of chunks.
    """

    def __init__(self) -> None:
        self._partial: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Returns the lines that ``chunk`` completes.

        Raises:
            ProtocolError: A line is longer than `LONGEST_LINE`; what there was of it is dropped.
        """
        lines = chunk.split(b"\n")
        if len(lines) == 1:
            self._partial.append(chunk)
            self._size += len(chunk)
            if self._size > LONGEST_LINE:
                self._partial, self._size = [], 0
                raise ProtocolError(
                    f"received more than {LONGEST_LINE >> 20} MiB without a line ending"
                )
            return []
        if self._partial:
            lines[0] = b"".join((*self._partial, lines[0]))
        self._partial = [lines.pop()]
        self._size = len(self._partial[0])
        return [line for line in map(bytes.strip, lines) if line]

    def close(self) -> list[bytes]:
        """Returns the last line if the stream ended without a line end, else nothing."""
        line = b"".join(self._partial).strip()
        self._partial = []
        return [line] if line else []


class JsonLines(Generic[T]):
    r"""Turns a stream of bytes into messages of one type; a bad line is a value, not an exception.

    Programs that run on Node cut texts between the halves of a surrogate pair and write each half
    as an escape (``"\ud83d"``), which is not valid text. Such halves are read as U+FFFD, so that a
    broken character costs a character and not the message around it.

    Args:
        message_type: What a line is decoded to: a Struct or dict type, so that anything but a
            JSON object is a bad line.
    """

    def __init__(self, message_type: type[T]) -> None:
        self._splitter = LineSplitter()
        self._decode = msgspec.json.Decoder(message_type).decode
        self._decode_first: Callable[[bytes], T] = self._decode

    def expect(self, decode: Callable[[bytes], T]) -> None:
        """Tries ``decode`` first from now on, as it reads the most frequent lines in full.

        It raises `msgspec.ValidationError` for all others.
        """
        self._decode_first = decode

    def feed(self, chunk: bytes) -> list[tuple[bytes, T | BadLine]]:
        """Returns each line that ``chunk`` completes, and the message it holds."""
        return self._read(self._splitter.feed(chunk))

    def close(self) -> list[tuple[bytes, T | BadLine]]:
        """Returns what an unfinished last line holds."""
        return self._read(self._splitter.close())

    def _read(self, lines: list[bytes]) -> list[tuple[bytes, T | BadLine]]:
        decode = self._decode_first
        messages: list[tuple[bytes, T | BadLine]] = []
        for line in lines:
            try:
                message = decode(line)
                if not line.isascii():
                    line.decode()  # msgspec does not look at the bytes of members that it skips
            except UNDECODABLE:
                messages.append(self._read_otherwise(line))
            else:
                messages.append((line, message))
        return messages

    def _read_otherwise(self, line: bytes) -> tuple[bytes, T | BadLine]:
        try:
            if not line.isascii():
                line.decode()
            return line, self._decode(line)
        except UNDECODABLE as error:
            reason = str(error)
        repaired = repair_surrogates(line)
        if repaired != line:
            return self._read_otherwise(repaired)
        return line, BadLine(line, reason)


def repair_surrogates(text: bytes) -> bytes:
    """Returns JSON text with U+FFFD for every escape of half a surrogate pair."""
    return _ESCAPE.sub(_replace_lone, text)


def encode_line(message: object) -> bytes:
    """Returns ``message`` as one JSON line; see `encode`."""
    return encode(message) + b"\n"


def encode(message: object) -> bytes:
    """Returns ``message`` as JSON.

    Lone surrogates, which Python strings may hold but UTF-8 cannot, become U+FFFD: codex 0.169
    silently drops a line that holds one.

    Raises:
        TypeError: ``message`` holds something that has no JSON form.
    """
    try:
        return _ENCODER.encode(message)
    except UnicodeEncodeError:
        plain = cast(
            "object", msgspec.to_builtins(message, builtin_types=(msgspec.Raw,), enc_hook=_plain)
        )
        return _ENCODER.encode(_without_surrogates(plain))


def well_formed(text: str) -> str:
    """Returns text that UTF-8 can hold: surrogates as the characters they make, or U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _plain(value: object) -> str:
    """Returns a text of a subclass, as numpy and enums have, which msgspec does not know."""
    if isinstance(value, str):
        return well_formed(value)
    raise TypeError(f"{type(value).__qualname__} has no JSON form")


_ENCODER = msgspec.json.Encoder(enc_hook=_plain)


def _replace_lone(escape: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if escape["lone"] else escape[0]


def _without_surrogates(value: object) -> object:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        members = cast("dict[object, object]", value).items()
        return {_without_surrogates(key): _without_surrogates(member) for key, member in members}
    if isinstance(value, list | tuple):
        return [_without_surrogates(item) for item in cast("list[object]", value)]
    return value
