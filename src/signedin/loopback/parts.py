"""What an answer of the scripted model is made of: words, thoughts, and things to be done."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal, TypeAlias

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
    """Write a complete file with the tool the agent has for it.

    Attributes:
        path: The file, relative to the working directory unless the agent wants it absolute.
        content: The new content, ending in a newline.
        id: The id of the call; made up when not given.
    """

    path: str
    content: str
    id: str | None = None


class EditFile(Struct, frozen=True, forbid_unknown_fields=True, tag="edit_file"):
    """Replace lines of a file, or a part of one, with the tool the agent has for it.

    Attributes:
        path: The file, relative to the working directory unless the agent wants it absolute.
        old: What to replace, as it stands in the file.
        new: What to put there.
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


Call: TypeAlias = Shell | ReadFile | WriteFile | EditFile | AskUser | ToolCall | FreeformCall
Part: TypeAlias = Text | Reasoning | Call | RawItem | Hold


def shell(command: str, **arguments: object) -> Shell:
    """A call of the agent's own shell tool.

    Args:
        command: The command line.
        arguments: More arguments of that tool.
    """
    return Shell(command, arguments)


def apply_patch(patch: str) -> FreeformCall:
    """A call of Codex' `apply_patch`.

    Args:
        patch: The text from `*** Begin Patch` on.
    """
    return FreeformCall("apply_patch", patch)


def words(text: str) -> Iterator[str]:
    """`text` cut before each word; the pieces joined give `text` again."""
    return (match[0] for match in _WORD.finditer(text))
