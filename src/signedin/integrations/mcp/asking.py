"""The agent's questions, as forms that an MCP client shows to its user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import msgspec

from signedin.model.approvals import ApprovalRequest, Decision, Question
from signedin.model.redact import redact

UNABLE = Decision(
    "deny",
    "the MCP client cannot ask its user",
    "use a client that has elicitation, or start signedin mcp with more --permissions",
)
NEVER = Decision("deny", "approval-policy is never", "use on-request to have the user asked")
DECLINED = Decision("deny", "the user of the MCP client said no", "the agent continues without it")

Entered: TypeAlias = Mapping[str, object] | None
"""What the user entered, ``None`` if they declined."""


class Form(msgspec.Struct, frozen=True):
    """Something to ask the user.

    Attributes:
        message: What it is about.
        fields: JSON Schemas of what is to be entered; without any, accepting is the answer.
    """

    message: str
    fields: Mapping[str, dict[str, object]] = {}

    @property
    def schema(self) -> dict[str, object]:
        """JSON Schema of the answer."""
        return {"type": "object", "properties": dict(self.fields), "required": list(self.fields)}


def approval_form(provider: str, request: ApprovalRequest) -> Form:
    """Returns the form that asks to allow something."""
    details = (request.arguments, request.permissions)
    lines = [
        f"{provider} asks to be allowed: {request.subject.replace('_', ' ')}",
        request.command,
        request.cwd and f"in {request.cwd}",
        *(f"{change.kind} {change.path}\n{change.diff}" for change in request.changes),
        " ".join(name for name in (request.server, request.tool) if name),
        *(msgspec.json.encode(each, enc_hook=str).decode() for each in details if each),
        request.reason,
    ]
    return Form(redact("\n".join(line for line in lines if line)))


def question_form(provider: str, questions: Sequence[Question]) -> Form:
    """Returns the form that asks questions, in the order of its fields."""
    fields: dict[str, dict[str, object]] = {}
    for number, question in enumerate(questions, 1):
        field: dict[str, object] = {"type": "string", "description": question.text}
        if question.options:
            field["enum"] = [option.label for option in question.options]
        fields[f"answer_{number}"] = field
    return Form(f"{provider} asks: {' / '.join(each.text for each in questions)}", fields)


def answers_of(questions: Sequence[Question], entered: Entered) -> dict[str, str] | None:
    """Returns the answers by the ids of the questions, ``None`` if they were declined."""
    if entered is None:
        return None
    given = (str(entered.get(f"answer_{number}", "")) for number in range(1, len(questions) + 1))
    return {question.id: answer for question, answer in zip(questions, given, strict=True)}
