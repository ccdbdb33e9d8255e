"""What the Responses API sends, as far as it is used here.

Captured from the ChatGPT backend's client codex 0.169 and from api.openai.com. Everything is
optional: what is missing has no meaning, what is unknown is ignored.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from signedin.model.events import Usage

NOTHING = msgspec.Raw(b"null")


class StreamEvent(msgspec.Struct, gc=False):
    """One event of an answer; which fields it has depends on ``type``."""

    type: str = ""
    item_id: str = ""
    output_index: int | None = None
    delta: str = ""
    summary_index: int = 0
    item: msgspec.Raw = NOTHING
    response: msgspec.Raw = NOTHING
    error: msgspec.Raw = NOTHING


class Part(msgspec.Struct):
    """A part of a message or of a reasoning item."""

    type: str = ""
    text: str = ""
    refusal: str = ""


class ResponseItem(msgspec.Struct):
    """One item of the output, or of what was sent."""

    type: str = ""
    id: str = ""
    role: str = ""
    content: Sequence[Part] | None = None
    summary: Sequence[Part] | None = None
    encrypted_content: str | None = None
    phase: str | None = None
    name: str = ""
    call_id: str = ""
    arguments: str = ""
    action: object = None
    output: object = None

    @property
    def text(self) -> str:
        """The text of a message, or of the reasoning: its summary, else all of it."""
        if self.summary:
            return "\n\n".join(part.text for part in self.summary)
        return "".join(part.text for part in self.content or ())

    @property
    def refusal(self) -> str:
        """Why the model does not answer, if it says so."""
        return "".join(part.refusal for part in self.content or ())


class _InputDetails(msgspec.Struct):
    cached_tokens: int = 0
    cache_write_tokens: int = 0


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int = 0


class ReportedUsage(msgspec.Struct):
    """Tokens of one answer."""

    input_tokens: int = 0
    input_tokens_details: _InputDetails | None = None
    output_tokens: int = 0
    output_tokens_details: _OutputDetails | None = None
    total_tokens: int = 0

    def read(self) -> Usage:
        """Returns the same in the common form."""
        read = self.input_tokens_details or _InputDetails()
        written = self.output_tokens_details or _OutputDetails()
        return Usage(
            input_tokens=self.input_tokens,
            cached_input_tokens=read.cached_tokens,
            cache_write_tokens=read.cache_write_tokens,
            output_tokens=self.output_tokens,
            reasoning_tokens=written.reasoning_tokens,
            total_tokens=self.total_tokens or self.input_tokens + self.output_tokens,
        )


class _Incomplete(msgspec.Struct):
    reason: str = ""


class Response(msgspec.Struct):
    """The metadata of an answer when it begins and when it ends."""

    id: str = ""
    model: str = ""
    status: str = ""
    output: Sequence[msgspec.Raw] | None = None
    usage: ReportedUsage | None = None
    error: object = None
    incomplete_details: _Incomplete | None = None


class FunctionCall(msgspec.Struct, frozen=True):
    """A function the model wants to have called.

    Attributes:
        call_id: Joins the call with its output.
        name: The function's name.
        arguments: What to call it with, as the model wrote it; should be a JSON object.
    """

    call_id: str
    name: str
    arguments: str
