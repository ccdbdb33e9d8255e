"""Which reply of a script is due, read off the request."""

import re
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

import msgspec

from signedin.loopback.parts import Part
from signedin.loopback.request import ModelRequest
from signedin.loopback.script import Answer, Ending, Refusal, Reply, Script, as_reply
from signedin.model.errors import InvalidOptionError
from signedin.model.extras import from_extra

Written: TypeAlias = Script | Sequence[Answer] | str | Part | Ending | Reply | Refusal
"""A script as it may be written: in full, as the list of default replies, or as the only one."""


class ScriptError(InvalidOptionError):
    """A script cannot be played: it is malformed, or some of it can never be reached."""


class NoReplyError(LookupError):
    """The script has nothing to answer a request with."""


class Player:
    """Plays a script.

    The only state is how often a reply with `times` was given, counted per conversation, prompt and
    step, and which replies were given at all.

    Args:
        script: What to play.

    Raises:
        ScriptError: A reply is nothing a model can answer with, or can never be reached.
    """

    def __init__(self, script: Written) -> None:
        full = script if isinstance(script, Script) else Script(_listed(script))
        self._rules = [
            (rule, _replies(f"rules[{number}].replies", rule.replies))
            for number, rule in enumerate(full.rules)
        ]
        self._default = _replies("default", full.default)
        self._given: set[str] = set()
        self._tries: Counter[tuple[str, str, int, str]] = Counter()

    def choose(self, request: ModelRequest) -> Reply | Refusal:
        """The reply due to `request`.

        Raises:
            NoReplyError: The script has none.
        """
        outputs = len(request.tool_outputs)
        fewest = most = 0
        for place, reply in self._replies_to(request.prompt):
            if fewest <= outputs <= most:
                tries = (request.conversation, request.prompt, outputs, place)
                if reply.times is None or self._tries[tries] < reply.times:
                    self._tries[tries] += 1
                    self._given.add(place)
                    return reply
            if isinstance(reply, Reply):
                most += reply.outputs
                # The calls of an answer that broke off may or may not have been made.
                fewest += 0 if reply.ending else reply.outputs
        raise NoReplyError(
            f"the script has no reply to the prompt {request.prompt[:200]!r} with {outputs} tool "
            f"outputs; add one, or a rule for this prompt"
        )

    def unused(self) -> list[str]:
        """The places of the replies that were never given, such as `"rules[0].replies[1]"`."""
        written = [*self._default, *(entry for _, replies in self._rules for entry in replies)]
        return [place for place, _ in written if place not in self._given]

    def _replies_to(self, prompt: str) -> list[tuple[str, Reply | Refusal]]:
        matching = (replies for rule, replies in self._rules if rule.accepts(prompt))
        return next(matching, self._default)


def read_script(path: str | Path) -> Script:
    """Read a script from a YAML file.

    The file holds a complete `Script`, or only the list of default replies, or one text. Parts and
    failures name their `type`:

    ```yaml
    - [{type: reasoning, summary: The tests first.}, {type: shell, command: pytest -q}]
    - All tests pass.
    ```

    Args:
        path: The file.

    Raises:
        MissingExtraError: The extra ``loopback`` is not installed.
        OSError: The file cannot be read.
        ScriptError: It is not YAML or not a script; the message names the file and the place in it.
    """
    with from_extra("loopback", "reading a script from a file"):
        import_module("yaml")
    text = Path(path).read_bytes()
    try:
        decoded = msgspec.yaml.decode(text, type=Script | Sequence[Answer] | str)
        script = decoded if isinstance(decoded, Script) else Script(decoded)
        Player(script)
    except (msgspec.MsgspecError, ScriptError, ValueError, LookupError, RecursionError) as error:
        line = _line_of(str(error), text)
        where = f"line {line}: " if line else ""
        raise ScriptError(
            f"{path} is not a script for the loopback model: {where}{error}"
        ) from error
    return script


def _line_of(message: str, text: bytes) -> int | None:
    """Returns the line that a message is about; ``None`` if it names no place in the script."""
    place = re.search(r"`\$[^`]*`|\b(default|rules)\[[^:\s]*", message)
    yaml = import_module("yaml")
    if place is None:
        return None
    try:
        node = yaml.compose(text)
        for number, name in re.findall(r"\[(\d+)\]|([a-z_]+)", place[0]):
            if number and node.id == "sequence":
                node = node.value[int(number)]
            elif name and node.id == "mapping":
                node = next((value for key, value in node.value if key.value == name), node)
    except (yaml.YAMLError, LookupError, RecursionError):
        return None  # msgspec reads it with another parser, and of equal keys it takes the last
    return node.start_mark.line + 1


def _listed(script: Sequence[Answer] | str | Part | Ending | Reply | Refusal) -> Sequence[Answer]:
    return [script] if isinstance(script, str) or not isinstance(script, Sequence) else script


def _replies(place: str, written: str | Sequence[Answer]) -> list[tuple[str, Reply | Refusal]]:
    """The long form of a list of replies, each with its place in the script."""
    replies: list[tuple[str, Reply | Refusal]] = []
    for number, answer in enumerate(_listed(written)):
        try:
            replies.append((f"{place}[{number}]", as_reply(answer)))
        except TypeError as error:
            raise ScriptError(f"{place}[{number}]: {error}") from error
    for here, reply in replies[:-1]:
        if reply.times is None and not (isinstance(reply, Reply) and reply.outputs):
            raise ScriptError(
                f"what follows {here} is never reached: {here} calls no tool, and no `times` ends "
                f"its failure; replies to another prompt belong in a rule"
            )
    return replies
