"""What a vendor's API module must be able to do, so that the server can play any script with it."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from signedin.loopback.parts import Hold
from signedin.loopback.request import ModelRequest, Reading
from signedin.loopback.script import Failed, HttpError, Incomplete, Refusal, Reply


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
