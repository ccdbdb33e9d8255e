"""What the scripted model answers, said in words that belong to no vendor.

A `Script` is data, written in Python or as YAML (see `signedin.loopback.read_script`); every API
module of this package turns the same script into its own vendor's wire format.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

from msgspec import Struct

from signedin.loopback.parts import Hold, Part, RawItem, Reasoning, Text


class Failed(Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """The model reports, in the stream, that it failed.

    Attributes:
        code: The vendor's code, such as `"context_length_exceeded"`.
        message: What went wrong.
        after: Fail after this many deltas; after all of the content when not given.
        times: Fail this often, then continue with the next reply; always when not given.
    """

    code: str
    message: str = "The scripted model failed."
    after: int | None = None
    times: int | None = None


class Incomplete(Struct, frozen=True, forbid_unknown_fields=True, tag="incomplete"):
    """The model stops before it is done.

    Attributes:
        reason: The vendor's reason, such as `"max_output_tokens"` or `"content_filter"`.
        after: Stop after this many deltas; after all of the content when not given.
        times: Stop this often, then continue with the next reply; always when not given.
    """

    reason: str = "max_output_tokens"
    after: int | None = None
    times: int | None = None


class Cut(Struct, frozen=True, forbid_unknown_fields=True, tag="cut"):
    """The connection is closed in the middle of the answer.

    Attributes:
        after: Close after this many deltas; after all of the content when not given.
        times: Close this often, then continue with the next reply; always when not given.
    """

    after: int | None = None
    times: int | None = None


class Hang(Struct, frozen=True, forbid_unknown_fields=True, tag="hang"):
    """Nothing more comes, until the client goes away or the server is closed.

    Attributes:
        after: Fall silent after this many deltas; after all of the content when not given.
        times: Do so this often, then continue with the next reply; always when not given.
    """

    after: int | None = None
    times: int | None = None


class Usage(Struct, frozen=True, forbid_unknown_fields=True):
    """The tokens a reply is said to have used.

    Attributes:
        input_tokens: All that was read, cached or not.
        cached_input_tokens: How many of them came from the cache.
        cache_write_input_tokens: How many of them were written to the cache.
        output_tokens: All that was written, reasoning included.
        reasoning_output_tokens: How many of them were reasoning.
    """

    input_tokens: int = 10
    cached_input_tokens: int = 4
    cache_write_input_tokens: int = 0
    output_tokens: int = 5
    reasoning_output_tokens: int = 1


Ending: TypeAlias = Failed | Incomplete | Cut | Hang
Content: TypeAlias = str | Part | Sequence[str | Part]


class Reply(Struct, frozen=True, forbid_unknown_fields=True, tag="reply"):
    """One answer of the model, with everything that can be said about it.

    Attributes:
        content: A text, a part, or several of both; tool calls side by side are parallel calls.
        ending: How the answer ends if not well.
        usage: The tokens it is said to have used.
        wait: Seconds to wait before the answer begins.
        delay: Seconds to wait between two deltas.
        headers: More headers of the HTTP response, such as rate limits.
    """

    content: Content = ()
    ending: Ending | None = None
    usage: Usage = Usage()
    wait: float = 0
    delay: float = 0
    headers: Mapping[str, str] = {}

    @property
    def parts(self) -> list[Part]:
        """The content as a list of parts."""
        several = [self.content] if isinstance(self.content, str | Part) else self.content
        return [Text(part) if isinstance(part, str) else part for part in several]

    @property
    def outputs(self) -> int:
        """How many tool outputs the agent sends back for this reply."""
        return sum(_outputs(part) for part in self.parts)

    @property
    def times(self) -> int | None:
        """How often this reply is given before the next one takes its place; always when None."""
        return self.ending.times if self.ending else None


class HttpError(Struct, frozen=True, forbid_unknown_fields=True, tag="http_error"):
    """The server refuses to answer.

    Attributes:
        status: The HTTP status.
        message: What the error says, in the vendor's own error form.
        code: The vendor's error code in that form; one that fits the status when not given.
        body: A body to send instead of that form.
        headers: More headers of the HTTP response, such as `Retry-After`.
        times: Refuse this often, then continue with the next reply; always when not given.
    """

    status: int
    message: str = "The scripted model refused the request."
    code: str | None = None
    body: Mapping[str, object] | str | None = None
    headers: Mapping[str, str] = {}
    times: int | None = None


class UsageLimit(Struct, frozen=True, forbid_unknown_fields=True, tag="usage_limit"):
    """The plan's usage limit is reached: 429, in the vendor's own form for it.

    Attributes:
        plan: The name of the plan.
        resets_in: Seconds until the limit is lifted.
        resets_at: When it is lifted, in Unix seconds; `resets_in` from now when not given.
        headers: More headers of the HTTP response.
        times: Refuse this often, then continue with the next reply; always when not given.
    """

    plan: str = "plus"
    resets_in: int = 3600
    resets_at: int | None = None
    headers: Mapping[str, str] = {}
    times: int | None = None


Refusal: TypeAlias = HttpError | UsageLimit
Answer: TypeAlias = Content | Ending | Reply | Refusal


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """Replies for the prompts that match; exactly one of the three conditions must be given.

    Attributes:
        replies: The replies to a matching prompt.
        contains: The prompt contains this text.
        equals: The prompt is this text.
        matches: This regular expression is found in the prompt.

    Raises:
        ValueError: No condition or several are given, or the regular expression is not valid.
    """

    replies: str | Sequence[Answer]
    contains: str | None = None
    equals: str | None = None
    matches: str | None = None

    def __post_init__(self) -> None:
        conditions = (self.contains, self.equals, self.matches)
        if sum(condition is not None for condition in conditions) != 1:
            raise ValueError("a rule needs exactly one of: contains, equals, matches")
        if self.matches is not None:
            try:
                re.compile(self.matches)
            except re.error as error:
                raise ValueError(
                    f"{self.matches!r} is not a regular expression: {error}"
                ) from error

    def accepts(self, prompt: str) -> bool:
        """Whether `prompt` is answered by this rule."""
        if self.contains is not None:
            return self.contains in prompt
        if self.equals is not None:
            return self.equals == prompt
        return re.search(self.matches or "", prompt) is not None


class Script(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model answers to which prompt.

    The replies to one prompt are a list. The first answers the prompt; each later one answers the
    outputs of the tool calls the one before it made. Which one is due is read off the request
    alone, so parallel sessions, forks and repeated requests need no shared state.

    Attributes:
        default: The replies to a prompt that no rule matches; a string is one reply.
        rules: Replies for certain prompts; the first rule that matches counts.
    """

    default: str | Sequence[Answer] = ()
    rules: Sequence[Rule] = ()


def as_reply(answer: object) -> Reply | Refusal:
    """The long form of an `Answer`, which may be written short in a list of replies.

    Raises:
        TypeError: `answer` is nothing a model can answer with.
    """
    match answer:
        case HttpError() | UsageLimit():
            return answer
        case Failed() | Incomplete() | Cut() | Hang():
            return Reply(ending=answer)
        case Reply():
            reply = answer
        case _:
            reply = Reply(cast("Content", answer))
    if not _is_content(reply.content):
        raise TypeError(f"a reply is a text, a part, a list of both, or a failure; not {answer!r}")
    return reply


def _outputs(part: Part) -> int:
    if isinstance(part, RawItem):
        return part.outputs
    return int(not isinstance(part, Text | Reasoning | Hold))


def _is_content(content: object) -> bool:
    if isinstance(content, str | Part):
        return True
    return isinstance(content, Sequence) and all(
        isinstance(part, str | Part) for part in cast("Sequence[object]", content)
    )
