"""HTTP responses: as they come, recorded, and replayed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from signedin.cassettes.player import Track as PlayedTrack
from signedin.cassettes.recorder import RecordedTrack
from signedin.cassettes.tape import End, ReplyHead

_SHOWN = ("content-type", "retry-after", "etag", "x-", "date")
"""How the names of headers begin that are recorded."""


class HttpReply(Protocol):
    """A response whose body is read as it comes."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers; names in any case."""
        ...

    @property
    def content_type(self) -> str:
        """The type of the body."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over the body.

        Raises:
            OSError: The connection broke, or nothing came for too long.
        """
        ...

    def close(self) -> None:
        """Ends it."""
        ...


class RecordedReply:
    """A response that is recorded as it is read."""

    def __init__(self, reply: HttpReply, track: RecordedTrack) -> None:
        self.status = reply.status
        self.headers = reply.headers
        self.content_type = reply.content_type
        self._reply = reply
        self._track = track
        self._has_ended = False
        shown = {
            name.lower(): text
            for name, text in reply.headers.items()
            if name.lower().startswith(_SHOWN)
        }
        track.replied(reply.status, shown)

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over the body."""
        try:
            async for chunk in self._reply.chunks():
                self._track.got(chunk)
                yield chunk
        except OSError as error:
            self._end("" if isinstance(error, TimeoutError) else str(error), broken=True)
            raise
        self._end("")

    def close(self) -> None:
        """Ends it."""
        if not self._has_ended:
            self._has_ended = True
            self._track.add(stop=True)
        self._reply.close()

    def _end(self, error: str, *, broken: bool = False) -> None:
        self._has_ended = True
        self._track.ended(End(error=error or ("timeout" if broken else "")))


class PlayedReply:
    """A recorded response."""

    def __init__(self, reply: ReplyHead, track: PlayedTrack) -> None:
        self.status = reply.status
        self.headers: Mapping[str, str] = _Headers(reply.headers)
        self.content_type = reply.headers.get("content-type", "").partition(";")[0]
        self._track = track

    async def chunks(self) -> AsyncIterator[bytes]:
        """Iterates over the recorded body."""
        while entries := await self._track.next_entries():
            if (end := entries[0].end) is None:
                yield self._track.text_of(entries)
            elif end.error == "timeout":
                raise TimeoutError
            elif end.error:
                raise ConnectionError(end.error)
            else:
                return

    def close(self) -> None:
        """Ends it."""
        self._track.stop()


class _Headers(dict[str, str]):
    """Headers by lower-case names, found by any."""

    def __missing__(self, name: str) -> str:
        if name == name.lower():
            raise KeyError(name)
        return self[name.lower()]

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        """Returns one."""
        try:
            return self[name]
        except KeyError:
            return default
