"""What a vendor's API module must be able to do, so that the server can play any script with it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

import msgspec

from signedin.loopback.parts import Call, Hold, RawItem, Reasoning, Text, ToolCall
from signedin.loopback.request import ModelRequest, Reading
from signedin.loopback.script import Failed, HttpError, Incomplete, Refusal, Reply

_ARGUMENT_DELTA = 40
"""Characters of tool input per delta."""


class Delta(NamedTuple):
    """Bytes on the wire that are one delta: endings count them, and `Reply.delay` parts them."""

    data: bytes


Piece: TypeAlias = bytes | Delta | Hold
"""Bytes to send at once, a delta, or a place to stop until the test continues."""


class Stream(Protocol):
    """One answer in a vendor's wire format."""

    @property
    def content_type(self) -> str:
        """The media type of the answer, such as `"text/event-stream"`."""
        ...

    def opening(self) -> bytes:
        """What is sent before the content."""
        ...

    def pieces(self) -> Iterator[Piece]:
        """The content, in order."""
        ...

    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """What is sent when the content is over, or broken off; None is a good end."""
        ...


class EventStream(ABC):
    """What the answers of all APIs have in common that are streamed as server-sent events.

    Args:
        request: What is answered.
        reply: What to answer.
    """

    content_type = "text/event-stream"

    def __init__(self, request: ModelRequest, reply: Reply) -> None:
        self._request = request
        self._reply = reply

    def pieces(self) -> Iterator[Piece]:
        """The content, in order."""
        for part in self._reply.parts:
            match part:
                case Hold():
                    yield part
                case Text():
                    yield from self._text(part)
                case Reasoning():
                    yield from self._reasoning(part)
                case RawItem():
                    yield from self._raw(dict(part.item))
                case _:
                    yield from self._call(part)

    @abstractmethod
    def _text(self, text: Text) -> Iterator[Piece]: ...

    @abstractmethod
    def _reasoning(self, reasoning: Reasoning) -> Iterator[Piece]: ...

    @abstractmethod
    def _raw(self, item: dict[str, object]) -> Iterator[Piece]: ...

    @abstractmethod
    def _call(self, call: Call) -> Iterator[Piece]: ...

    def _deltas(self, text: Text) -> list[str | Hold]:
        """The deltas of a message, which may repeat what it answers."""
        outputs = self._request.tool_outputs
        said = outputs[-1].text if outputs else ""
        return text.deltas_for(prompt=self._request.prompt, tool_output=said)


def argument_deltas(arguments: str) -> list[str]:
    """The input of a tool as it is streamed."""
    return [
        arguments[start : start + _ARGUMENT_DELTA]
        for start in range(0, len(arguments), _ARGUMENT_DELTA)
    ]


def arguments_of(call: ToolCall) -> str:
    """The input of a tool as JSON, or as the script has it."""
    if isinstance(call.arguments, str):
        return call.arguments
    return msgspec.json.encode(call.arguments).decode()


S = TypeVar("S", bound=Stream)


class Unstreamed(ABC, Generic[S]):
    """An answer as a single JSON object.

    Its deltas are empty: they still count for endings, which then cut off or hold back all of it.

    Args:
        stream: The same answer as a stream.
    """

    content_type = "application/json"

    def __init__(self, stream: S) -> None:
        self._stream = stream

    def opening(self) -> bytes:
        """Nothing: all of it comes at the end."""
        return b""

    def pieces(self) -> Iterator[Piece]:
        """The gates and the empty deltas."""
        for piece in self._stream.pieces():
            if isinstance(piece, Hold):
                yield piece
            elif isinstance(piece, Delta):
                yield Delta(b"")

    @abstractmethod
    def closing(self, ending: Failed | Incomplete | None) -> bytes:
        """The answer, or the error."""


class ModelAPI(Protocol):
    """A vendor's model API: which requests are its own, how to read them and how to answer them."""

    @property
    def name(self) -> str:
        """What the API is called in `ModelRequest.api`."""
        ...

    def serves(self, method: str, path: str) -> bool:
        """Whether a request is one for this API; `path` has no query."""
        ...

    def read(self, path: str, body: Mapping[str, object]) -> Reading:
        """Read what the model is asked.

        Raises:
            ValueError: The body is not a request this API understands; the message says why.
        """
        ...

    def unscripted(self, method: str, path: str) -> Mapping[str, object] | None:
        """The answer to a request that is not for the model, such as one to count tokens.

        Returns:
            The JSON body; None when the request is for the model, so that the script answers it.
        """
        ...

    def stream(self, request: ModelRequest, reply: Reply) -> Stream:
        """Answer `request` with the content of `reply`."""
        ...

    def refusal(self, refusal: Refusal) -> HttpError:
        """`refusal` with the body, and the headers, that the vendor would send."""
        ...
