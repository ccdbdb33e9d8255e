"""What the scripted model answers, said in words that belong to no vendor.

A `Script` is data, written in Python or as YAML (see `signedin.loopback.read_script`); every API
module of this package turns the same script into its own vendor's wire format.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias, cast

from msgspec import Struct

Phase: TypeAlias = Literal["commentary", "final_answer"]

_WORD = re.compile(r"\S+\s*|\s+")


class Hold(Struct, frozen=True, forbid_unknown_fields=True, tag="hold"):
    """The answer stops here until the test calls `model.release(name)`.

    Stands between two parts of a reply, or between two deltas of a `Text`:
    `Text(["first ", Hold("middle"), "second"])`.

    Attributes:
        name: The name of the gate; several replies may wait at the same one.
    """

    name: str


class Text(Struct, frozen=True, forbid_unknown_fields=True, tag="text"):
    """A message of the model.

    Attributes:
        text: The text, sent word by word; or the deltas exactly as they are to be sent.
        phase: What the message is, for models that say so: `"commentary"` or `"final_answer"`.
        size: Send deltas of this many characters instead of words.
        count: Send this many deltas of about equal size instead of words.
        template: Put the user's prompt for `{prompt}` and the text of the last tool answer for
            `{tool_output}`.

    Raises:
        ValueError: `size` or `count` is below 1, both are given, or the deltas are given already.
    """

    text: str | Sequence[str | Hold]
    phase: Phase | None = None
    size: int | None = None
    count: int | None = None
    template: bool = False

    def __post_init__(self) -> None:
        given = [number for number in (self.size, self.count) if number is not None]
        if len(given) == 2 or (given and not isinstance(self.text, str)):
            raise ValueError("a text is cut by one of: size, count, or a list of deltas")
        if given and given[0] < 1:
            raise ValueError("size and count of a text must be 1 or more")

    @classmethod
    def echo(cls, text: str = "{prompt}") -> "Text":
        """A message that repeats the prompt, so that mixed-up answers show.

        >>> Text.echo("You said: {prompt}").deltas_for(prompt="hello")
        ['You ', 'said: ', 'hello']
        """
        return cls(text, template=True)

    @classmethod
    def deltas(cls, count: int, *, size: int = 8) -> "Text":
        """A message of `count` numbered deltas of `size` characters each, so that lost ones show.

        >>> Text.deltas(3).text
        ['0000000 ', '0000001 ', '0000002 ']
        """
        return cls([f"{number:0{size - 1}d} " for number in range(count)])

    def deltas_for(self, *, prompt: str = "", tool_output: str = "") -> list[str | Hold]:
        """The deltas of this message, in order, with the template filled in."""

        def filled(text: str) -> str:
            if not self.template:
                return text
            values = {"{prompt}": prompt, "{tool_output}": tool_output}
            return re.sub(r"\{prompt\}|\{tool_output\}", lambda match: values[match[0]], text)

        if not isinstance(self.text, str):
            return [filled(delta) if isinstance(delta, str) else delta for delta in self.text]
        text = filled(self.text)
        if self.size is not None:
            return [text[start : start + self.size] for start in range(0, len(text), self.size)]
        if self.count is not None:
            edges = [len(text) * step // self.count for step in range(self.count + 1)]
            return [text[start:end] for start, end in pairwise(edges)]
        return list(words(text))


class Reasoning(Struct, frozen=True, forbid_unknown_fields=True, tag="reasoning"):
    """A reasoning block of the model.

    Attributes:
        summary: The summary: one text, or one text per part.
        raw: The reasoning itself, for models that show it.
    """

    summary: str | Sequence[str] = ()
    raw: str | None = None

    @property
    def parts(self) -> list[str]:
        """The parts of the summary, in order."""
        return [self.summary] if isinstance(self.summary, str) else list(self.summary)


class Shell(Struct, frozen=True, forbid_unknown_fields=True, tag="shell"):
    """Run a shell command with the tool the agent has for it.

    Attributes:
        command: The command line.
        arguments: More arguments of the agent's own tool, such as `{"workdir": "/tmp"}` for Codex.
        id: The id of the call; made up when not given.
    """

    command: str
    arguments: Mapping[str, object] = {}
    id: str | None = None


class ReadFile(Struct, frozen=True, forbid_unknown_fields=True, tag="read_file"):
    """Read a file with the tool the agent has for it; some agents change only what they have read.

    Attributes:
        path: The file, relative to the working directory unless the agent wants it absolute.
        id: The id of the call; made up when not given.
    """

    path: str
    id: str | None = None


class WriteFile(Struct, frozen=True, forbid_unknown_fields=True, tag="write_file"):
    """Write a whole file with the tool the agent has for it.

    Attributes:
        path: The file, relative to the working directory unless the agent wants it absolute.
        content: The new content, ending in a newline.
        id: The id of the call; made up when not given.
    """

    path: str
    content: str
    id: str | None = None


class EditFile(Struct, frozen=True, forbid_unknown_fields=True, tag="edit_file"):
    """Replace whole lines of a file with the tool the agent has for it.

    Attributes:
        path: The file, relative to the working directory unless the agent wants it absolute.
        old: The lines to replace, as they stand in the file.
        new: The lines to put there.
        id: The id of the call; made up when not given.
    """

    path: str
    old: str
    new: str
    id: str | None = None


class AskUser(Struct, frozen=True, forbid_unknown_fields=True, tag="ask_user"):
    """Ask the user with the tool the agent has for it.

    Attributes:
        question: The question.
        options: The answers that are proposed.
        id: The id of the call; made up when not given.
    """

    question: str
    options: Sequence[str]
    id: str | None = None

    def arguments(self, extra: Mapping[str, object]) -> dict[str, object]:
        """The question in the form that agents agree on, with what one of them has beside it."""
        options = [{"label": label, "description": label} for label in self.options]
        question = {"question": self.question, "header": "Question", "options": options}
        return {"questions": [{**question, **extra}]}


class ToolCall(Struct, frozen=True, forbid_unknown_fields=True, tag="tool_call"):
    """Call a tool by its name.

    Attributes:
        name: The name of the tool; where an agent puts a server's name before it, without that.
        arguments: Its arguments; a string is sent as it is, so that a test can send broken JSON.
        namespace: The group the tool is in, for example `"mcp__files"` with Codex.
        id: The id of the call; made up when not given.
    """

    name: str
    arguments: Mapping[str, object] | str = {}
    namespace: str | None = None
    id: str | None = None


class FreeformCall(Struct, frozen=True, forbid_unknown_fields=True, tag="freeform_call"):
    """Call a tool that takes plain text instead of JSON, such as Codex' `apply_patch`.

    Attributes:
        name: The name of the tool.
        input: The text it gets.
        id: The id of the call; made up when not given.
    """

    name: str
    input: str
    id: str | None = None


class RawItem(Struct, frozen=True, forbid_unknown_fields=True, tag="raw_item"):
    """An output item in one vendor's own form, sent as it is.

    Attributes:
        item: The item.
        outputs: How many tool outputs the agent will send back for it.
    """

    item: Mapping[str, object]
    outputs: int = 0


class Failed(Struct, frozen=True, forbid_unknown_fields=True, tag="failed"):
    """The model reports, in the stream, that it failed.

    Attributes:
        code: The vendor's code, such as `"context_length_exceeded"`.
        message: What went wrong.
        after: Fail after this many deltas; after the whole content when not given.
        times: Fail this often, then go on to the next reply; always when not given.
    """

    code: str
    message: str = "The scripted model failed."
    after: int | None = None
    times: int | None = None


class Incomplete(Struct, frozen=True, forbid_unknown_fields=True, tag="incomplete"):
    """The model stops before it is done.

    Attributes:
        reason: The vendor's reason, such as `"max_output_tokens"` or `"content_filter"`.
        after: Stop after this many deltas; after the whole content when not given.
        times: Stop this often, then go on to the next reply; always when not given.
    """

    reason: str = "max_output_tokens"
    after: int | None = None
    times: int | None = None


class Cut(Struct, frozen=True, forbid_unknown_fields=True, tag="cut"):
    """The connection is closed in the middle of the answer.

    Attributes:
        after: Close after this many deltas; after the whole content when not given.
        times: Close this often, then go on to the next reply; always when not given.
    """

    after: int | None = None
    times: int | None = None


class Hang(Struct, frozen=True, forbid_unknown_fields=True, tag="hang"):
    """Nothing more comes, until the client goes away or the server is closed.

    Attributes:
        after: Fall silent after this many deltas; after the whole content when not given.
        times: Do so this often, then go on to the next reply; always when not given.
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


Call: TypeAlias = Shell | ReadFile | WriteFile | EditFile | AskUser | ToolCall | FreeformCall
Part: TypeAlias = Text | Reasoning | Call | RawItem | Hold
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
        times: Refuse this often, then go on to the next reply; always when not given.
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
        times: Refuse this often, then go on to the next reply; always when not given.
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
                raise ValueError(f"{self.matches!r} is no regular expression: {error}") from error

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


def shell(command: str, **arguments: object) -> Shell:
    """A call that runs `command`, with more arguments of the agent's own shell tool."""
    return Shell(command, arguments)


def apply_patch(patch: str) -> FreeformCall:
    """A call of Codex' `apply_patch` with `patch`, the text from `*** Begin Patch` on."""
    return FreeformCall("apply_patch", patch)


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


def words(text: str) -> Iterator[str]:
    """`text` cut before each word; the pieces joined give `text` again."""
    return (match[0] for match in _WORD.finditer(text))


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
