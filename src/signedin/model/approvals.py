"""Questions an agent asks before it acts, and the answers to them.

A provider turns its vendor's request into an `ApprovalRequest` or a `Question`, asks the turn's
`Host`, and turns the `Decision` back into the vendor's words.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from signedin.model.events import ApprovalEvent, Event, FileChange, WarningEvent

if TYPE_CHECKING:
    from signedin.safety.policy.rules import Answer
    from signedin.tools.tool import ToolResult

ApprovalSubject: TypeAlias = Literal["command", "file_change", "network", "tool", "permission"]
"""What an approval is about."""


class ApprovalRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Something the agent may not do without being allowed.

    Attributes:
        subject: What it is about.
        item_id: The item of the event stream that waits for the answer.
        reason: Why the agent wants it, in its own words.
        command: The command line, for a command.
        cwd: Where it would run.
        changes: The files it would write, with diffs, for a file change.
        tool: The tool's name, for a tool.
        server: The MCP server it belongs to, if it belongs to one.
        arguments: What it would be called with.
        permissions: What is asked for, in the provider's words, for a permission.
        permitted: Whether the turn's ``permissions`` cover it, so that it is only asked because
            the turn has a ``policy``.
        unconfined: Whether it would run outside of the sandbox that the agent has.
        changeable: Whether the agent runs what `allow` changes it to. Other agents are refused,
            with a note that says what is allowed instead.
    """

    subject: ApprovalSubject
    item_id: str
    reason: str = ""
    command: str | None = None
    cwd: str | None = None
    changes: tuple[FileChange, ...] = ()
    tool: str | None = None
    server: str | None = None
    arguments: object = None
    permissions: object = None
    permitted: bool = False
    unconfined: bool = False
    changeable: bool = False

    @property
    def summary(self) -> str:
        """What is asked for, in a line; its reason if nothing else is known."""
        paths = ", ".join(change.path for change in self.changes)
        return self.command or self.tool or paths or self.reason

    def changed_to(self, changed: Changed) -> ApprovalRequest:
        """Returns the request with something else to do.

        Raises:
            ValueError: What is given does not fit the request.
        """
        match self.subject, changed:
            case "command", str() if changed.strip():
                return msgspec.structs.replace(self, command=changed)
            case "file_change", FileChange() if len(self.changes) == 1:
                return msgspec.structs.replace(self, changes=(_changed_file(self, changed),))
            case "tool", Mapping() if isinstance(self.arguments, Mapping):
                return msgspec.structs.replace(self, arguments=dict(changed))
            case _:
                pass
        fits = _FITS[self.subject] if len(self.changes) < 2 else "several files cannot be changed"
        raise ValueError(f"allow(changed={changed!r}) does not fit: {fits}")


Changed: TypeAlias = "str | FileChange | Mapping[str, object]"
"""What an approval changes: a command line, a file, or the arguments of a tool."""

_FITS: Mapping[ApprovalSubject, str] = {
    "command": "for a command it has to be a string that is not empty",
    "file_change": "for a file it has to be a FileChange of the same kind; that of an update may "
    "only have another path",
    "tool": "for a tool it has to be a mapping of all its arguments",
    "network": "an address cannot be changed",
    "permission": "a permission cannot be changed",
}


def _changed_file(request: ApprovalRequest, changed: FileChange) -> FileChange:
    [asked] = request.changes
    path = str(Path(request.cwd or "/", changed.path))
    diff = changed.diff if asked.kind == "add" else asked.diff
    if changed != msgspec.structs.replace(asked, path=changed.path, diff=diff):
        raise ValueError(f"allow(changed={changed!r}) does not fit: {_FITS['file_change']}")
    return msgspec.structs.replace(changed, path=path)


class Decision(msgspec.Struct, frozen=True):
    """The answer to an `ApprovalRequest`; made by `allow`, `deny` and their like.

    Attributes:
        verdict: ``allow`` once, ``allow_for_session``, ``deny`` and continue, or ``stop`` the turn.
        reason: Passed to the agent where its protocol has room for it.
        hint: What the caller can do about an automatic denial; it is reported as a warning.
        changed: What is allowed in place of what was asked for.
    """

    verdict: Literal["allow", "allow_for_session", "deny", "stop"]
    reason: str = ""
    hint: str = ""
    changed: Changed | None = None


class Allow(Decision, frozen=True):
    """The decision to allow something, as it is or changed."""

    def __call__(self, *, changed: Changed) -> Decision:
        """Allows something else in place of what was asked for.

        Args:
            changed: The command line to run, the file to write, or all arguments of the tool.
        """
        return Decision("allow", changed=changed)


allow = Allow("allow")
"""Allows what was asked for; ``allow(changed=…)`` allows something else in its place."""

allow_for_session = Decision("allow_for_session")
"""Allows it, and what is like it for the rest of the session."""

stop = Decision("stop")
"""Refuses and interrupts the turn."""


def deny(reason: str = "") -> Decision:
    """Refuses; the agent is informed and continues without.

    Args:
        reason: What the agent is told, if it takes a reason.
    """
    return Decision("deny", reason)


UNATTENDED = Decision(
    "deny",
    "no approval callback is set",
    "pass on_approval= to decide, or give more permissions=",
)
"""What happens to a request when the caller gave no ``on_approval``."""


def approval_events(
    request: ApprovalRequest, decision: Decision, payload: msgspec.Raw
) -> list[Event]:
    """Returns the events for a decided request, its hint as a warning."""
    now = time.time()
    changed = None
    if decision.changed is not None:
        changed = changed_text(request.changed_to(decision.changed))
    asked = ApprovalEvent(
        item_id=request.item_id,
        subject=request.subject,
        decision=decision.verdict,
        text=request.summary,
        changed=changed,
        timestamp=now,
        payload=payload,
    )
    if not decision.hint:
        return [asked]
    subject = request.subject.replace("_", " ")
    warning = WarningEvent(
        text=f"denied {subject} {asked.text!r}: {decision.reason}; {decision.hint}",
        timestamp=now,
    )
    return [asked, warning]


def changed_text(wanted: ApprovalRequest) -> str:
    """Returns what is allowed in place of what was asked for."""
    if wanted.subject != "tool":
        return wanted.summary
    return f"{wanted.tool}({msgspec.json.encode(wanted.arguments).decode()})"


class QuestionOption(msgspec.Struct, frozen=True):
    """One of the answers an agent proposes.

    Attributes:
        label: The answer.
        description: What it means.
    """

    label: str
    description: str = ""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A question of the agent to its user.

    Attributes:
        id: Names the question in the answer.
        text: The question.
        header: A short title.
        options: Proposed answers; empty for free text.
        secret: Whether the answer should not be shown while typed.
        required: Whether the others are declined without an answer to it.
        server: The MCP server that asks, if the agent does not ask itself.
        schema: The JSON Schema of the answer, for a field of a server's form.
        url: An address that the user is asked to visit.
    """

    id: str
    text: str
    header: str = ""
    options: tuple[QuestionOption, ...] = ()
    secret: bool = False
    required: bool = True
    server: str | None = None
    schema: Mapping[str, object] | None = None
    url: str | None = None


AnswerValue: TypeAlias = "str | int | float | bool | Sequence[str]"
"""The answer to a question. Agents take text; a field of a form takes what its schema says, also
as text: ``"5"`` for a number, ``"a, b"`` for several choices."""

Answers: TypeAlias = Mapping[str, AnswerValue]
"""Answers by the ids of their questions."""


def answer_texts(answer: AnswerValue) -> list[str]:
    """Returns an answer as an agent takes it: each choice as text."""
    if isinstance(answer, str | int | float):
        return [str(answer)]
    return list(answer)


def question_events(
    questions: tuple[Question, ...],
    answers: Answers | None,
    item_id: str,
    payload: msgspec.Raw,
    *,
    problem: str = "",
) -> list[Event]:
    """Returns the events for questions, with a warning if they have no answer, or a problem."""
    now = time.time()
    text = " / ".join(dict.fromkeys(question.text for question in questions))
    asked = ApprovalEvent(
        item_id=item_id,
        subject="question",
        decision="deny" if answers is None else "answered",
        text=text,
        timestamp=now,
        payload=payload,
    )
    if answers is not None:
        return [asked]
    warning = WarningEvent(
        text=problem or f"the agent's question {text!r} was not answered",
        timestamp=now,
    )
    return [asked, warning]


OnApproval: TypeAlias = Callable[[ApprovalRequest], "Decision | Awaitable[Decision]"]
"""Decides an approval; may be async, and may block: it runs off the event loop if it is not."""

OnQuestion: TypeAlias = Callable[
    [tuple[Question, ...]], "Awaitable[Answers | None] | Answers | None"
]
"""Answers questions by their id; ``None`` declines them all."""


class Host(Protocol):
    """What a turn can ask of the program that started it."""

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls a Python tool; what goes wrong is an error result, never an exception."""
        ...

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Decides an approval; never raises."""
        ...

    def by_policy(self, request: ApprovalRequest) -> Answer | None:
        """Returns what the turn's rules answer, ``None`` without rules; asks nobody."""
        ...

    async def answer(self, questions: tuple[Question, ...]) -> Answers | None:
        """Answers questions, or ``None`` if nobody does."""
        ...
