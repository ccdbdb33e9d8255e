"""Questions an agent asks before it acts, and the answers to them.

A provider turns its vendor's request into an `ApprovalRequest` or a `Question`, asks the turn's
`Host`, and turns the `Decision` back into the vendor's words.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
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
        tool: The tool's name, ``server`` the MCP server it belongs to, ``arguments`` its arguments.
        permissions: What is asked for, in the provider's words, for a permission.
        permitted: Whether the turn's ``permissions`` cover it, so that it is only asked because
            the turn has a ``policy``.
        unconfined: Whether it would run outside of the sandbox that the agent has.
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


class Decision(msgspec.Struct, frozen=True):
    """The answer to an `ApprovalRequest`; made by `allow`, `deny` and their like.

    Attributes:
        verdict: ``allow`` once, ``allow_for_session``, ``deny`` and continue, or ``stop`` the turn.
        reason: Passed to the agent where its protocol has room for it.
        hint: What the caller can do about an automatic denial; it is reported as a warning.
    """

    verdict: Literal["allow", "allow_for_session", "deny", "stop"]
    reason: str = ""
    hint: str = ""


allow = Decision("allow")
allow_for_session = Decision("allow_for_session")
stop = Decision("stop")


def deny(reason: str = "") -> Decision:
    """Refuses; the agent is informed and continues without."""
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
    what = request.command or request.tool or ", ".join(c.path for c in request.changes)
    asked = ApprovalEvent(
        item_id=request.item_id,
        subject=request.subject,
        decision=decision.verdict,
        text=what or request.reason,
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


class QuestionOption(msgspec.Struct, frozen=True):
    """One of the answers an agent proposes."""

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
    """

    id: str
    text: str
    header: str = ""
    options: tuple[QuestionOption, ...] = ()
    secret: bool = False


def question_events(
    questions: tuple[Question, ...],
    answers: Mapping[str, str] | None,
    item_id: str,
    payload: msgspec.Raw,
) -> list[Event]:
    """Returns the events for questions, with a warning if nobody answered."""
    now = time.time()
    text = " / ".join(question.text for question in questions)
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
        text=f"nobody answered the agent's question {text!r}",
        timestamp=now,
    )
    return [asked, warning]


OnApproval: TypeAlias = Callable[[ApprovalRequest], "Decision | Awaitable[Decision]"]
"""Decides an approval; may be async, and may block: it runs off the event loop if it is not."""

OnQuestion: TypeAlias = Callable[
    [tuple[Question, ...]], "Awaitable[Mapping[str, str] | None] | Mapping[str, str] | None"
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

    async def answer(self, questions: tuple[Question, ...]) -> Mapping[str, str] | None:
        """Answers questions, or ``None`` if nobody does."""
        ...
