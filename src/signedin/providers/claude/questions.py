"""Questions of Claude Code to its host: whether a tool may be used, and what the user answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from signedin.model.approvals import (
    ApprovalRequest,
    Decision,
    Host,
    Question,
    QuestionOption,
    answer_texts,
    approval_events,
    question_events,
)
from signedin.model.events import Event
from signedin.providers.claude import tools
from signedin.providers.claude.launch import POLICY_HOOK
from signedin.providers.claude.messages import CanUseTool, HookCallback

QUESTION_TOOL = "AskUserQuestion"
_NETWORK_TOOLS = frozenset({"WebFetch", "WebSearch"})
_NO_ANSWER = "The user is not there to answer. Decide yourself and say what you assumed."
_SESSION_RULES = frozenset({"addDirectories", "addRules"})


class AgentAnswer(msgspec.Struct, frozen=True):
    """The answer to Claude Code, and the events the caller sees.

    Attributes:
        response: The answer in Claude Code's format.
        events: The events that report it.
        allowed: Whether the tool may be used.
        lasting: Whether the answer also holds for later questions.
        changed: What was allowed in place of what was asked for.
    """

    response: Mapping[str, object]
    events: list[Event]
    allowed: bool
    lasting: bool = False
    changed: ApprovalRequest | None = None


async def answer_question(
    question: CanUseTool, host: Host, cwd: str, payload: msgspec.Raw
) -> AgentAnswer:
    """Asks the host whether a tool may be used, or answer the user's questions."""
    if question.tool_name == QUESTION_TOOL:
        return await _answer_user_questions(question, host, payload)
    request = _approval_request(question, cwd)
    decision = await host.approve(request)
    changed = None if decision.changed is None else request.changed_to(decision.changed)
    if changed is not None:
        question = msgspec.structs.replace(question, input=_input(question, changed))
    return AgentAnswer(
        _response(question, decision),
        approval_events(request, decision, payload),
        allowed=decision.verdict in {"allow", "allow_for_session"},
        lasting=decision.verdict == "allow_for_session",
        changed=changed,
    )


def screen(call: HookCallback, host: Host, cwd: str, payload: msgspec.Raw) -> AgentAnswer:
    """Answers the hook that Claude Code calls before each tool.

    What a rule denies is denied here, what a rule asks for is asked next, and everything else goes
    the way it goes without rules.
    """
    name = call.input.tool_name
    if name in {QUESTION_TOOL, tools.OUTPUT_TOOL}:
        return AgentAnswer({}, [], allowed=True)
    request = _approval_request(CanUseTool(name, call.input.tool_input, call.tool_use_id), cwd)
    answer = host.by_policy(request)
    verdict = answer.verdict if answer else None
    if answer is None or verdict not in {"ask", "deny"}:
        return AgentAnswer({}, [], allowed=True)
    decision = answer.decision(request)
    said = {
        "hookEventName": POLICY_HOOK,
        "permissionDecision": verdict,
        "permissionDecisionReason": decision.reason if decision else answer.why,
    }
    events = approval_events(request, decision, payload) if decision else []
    return AgentAnswer({"hookSpecificOutput": said}, events, allowed=decision is None)


def _approval_request(question: CanUseTool, cwd: str) -> ApprovalRequest:
    arguments = question.input
    name = question.tool_name
    reason = question.decision_reason or question.description or ""
    if name == tools.COMMAND_TOOL:
        return ApprovalRequest(
            subject="command",
            item_id=question.tool_use_id,
            reason=reason,
            command=str(arguments.get("command", "")),
            cwd=cwd,
            changeable=True,
        )
    if name in tools.FILE_TOOLS:
        return ApprovalRequest(
            subject="file_change",
            item_id=question.tool_use_id,
            reason=reason,
            cwd=cwd,
            changes=(tools.intended_change(name, arguments),),
            changeable=True,
        )
    server, tool = tools.split_name(name)
    return ApprovalRequest(
        subject="network" if name in _NETWORK_TOOLS else "tool",
        item_id=question.tool_use_id,
        reason=reason,
        cwd=cwd,
        tool=tool,
        server=server,
        arguments=arguments,
        changeable=True,
    )


def _input(question: CanUseTool, wanted: ApprovalRequest) -> dict[str, object]:
    """The input of a tool that does what the host wants."""
    if wanted.command is not None:
        return {**question.input, "command": wanted.command}
    if not wanted.changes:
        return cast("dict[str, object]", wanted.arguments)
    [change] = wanted.changes
    path = "notebook_path" if "notebook_path" in question.input else "file_path"
    content = {"content": change.diff} if change.kind == "add" else {}
    return {**question.input, path: change.path, **content}


def _response(question: CanUseTool, decision: Decision) -> dict[str, object]:
    match decision.verdict:
        case "allow":
            return {"behavior": "allow", "updatedInput": question.input}
        case "allow_for_session":
            return {
                "behavior": "allow",
                "updatedInput": question.input,
                "updatedPermissions": _for_session(question.permission_suggestions or []),
            }
        case "deny":
            message = decision.reason or "the user does not want this"
            return {"behavior": "deny", "message": message}
        case "stop":
            message = decision.reason or "the user stopped the turn"
            return {"behavior": "deny", "message": message, "interrupt": True}


def _for_session(suggestions: list[dict[str, object]]) -> list[dict[str, object]]:
    """What Claude Code proposes to allow, for this session only and as narrow as it gets.

    It would write rules into the project's settings, and change the permission mode along with
    them.
    """
    rules = [update for update in suggestions if update.get("type") in _SESSION_RULES]
    return [{**update, "destination": "session"} for update in rules or suggestions]


class _Option(msgspec.Struct, frozen=True):
    label: str = ""
    description: str = ""


class _Question(msgspec.Struct, frozen=True):
    question: str
    header: str = ""
    options: list[_Option] = []


class _Questions(msgspec.Struct, frozen=True):
    questions: list[_Question] = []


async def _answer_user_questions(
    question: CanUseTool, host: Host, payload: msgspec.Raw
) -> AgentAnswer:
    asked = msgspec.convert(question.input, _Questions).questions
    questions = tuple(
        Question(
            id=each.question,
            text=each.question,
            header=each.header,
            options=tuple(
                QuestionOption(option.label, option.description) for option in each.options
            ),
        )
        for each in asked
    )
    answers = await host.answer(questions)
    events = question_events(questions, answers, question.tool_use_id, payload)
    if answers is None:
        return AgentAnswer({"behavior": "deny", "message": _NO_ANSWER}, events, allowed=False)
    texts = {name: ", ".join(answer_texts(answer)) for name, answer in answers.items()}
    given = {**question.input, "answers": texts}
    return AgentAnswer({"behavior": "allow", "updatedInput": given}, events, allowed=True)
