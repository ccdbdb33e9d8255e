"""Answers an agent's questions with the caller's callbacks, or refuses where there is none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar, cast

import msgspec

from signedin.model.approvals import (
    UNATTENDED,
    Answers,
    ApprovalRequest,
    Decision,
    Question,
    allow,
    changed_text,
)
from signedin.model.commands import bare_command
from signedin.model.errors import described
from signedin.model.events import JSON
from signedin.model.options import TurnOptions
from signedin.runtime.aio import is_cancelled, run_callback

if TYPE_CHECKING:
    from signedin.safety.policy.rules import Answer
    from signedin.tools.tool import ToolResult

T = TypeVar("T")
_log = logging.getLogger("signedin")


class CallbackHost:
    """The `Host` of one turn. Callbacks get the context variables of who started the turn.

    The agent always gets an answer: an exception of a callback refuses what was asked.

    Args:
        options: How the turn was asked for, with the callbacks.
        on_escape: Called with what is more than a failure of the callback, such as
            `KeyboardInterrupt` or the outcome of a test: the turn is to end with it.
        on_change: Called when `answering` changes.

    Attributes:
        answering: How many answers the agent waits for.
    """

    def __init__(
        self,
        options: TurnOptions,
        on_escape: Callable[[BaseException], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.answering = 0
        self._options = options
        self._on_escape = on_escape
        self._on_change = on_change
        self._context = copy_context()
        self._promised: list[ApprovalRequest] = []

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Lets ``policy`` decide, then ``on_approval``. No callback, or one that fails, denies."""
        return await self._answered(self._decide(request), "on_approval", _failed)

    async def _decide(self, request: ApprovalRequest) -> Decision:
        answer = self.by_policy(request)
        if answer and (decision := answer.decision(request)):
            return decision
        for promise in self._promised:
            if _wanted(promise) == _wanted(request):
                self._promised.remove(promise)
                return allow
        decision = await self._by_callback(request)
        return decision if decision.changed is None else self._changed(request, decision)

    def by_policy(self, request: ApprovalRequest) -> Answer | None:
        """Returns what the rules answer, ``None`` without rules."""
        policy = self._options.policy
        return policy.answer(request, self._options.cwd) if policy else None

    async def _by_callback(self, request: ApprovalRequest) -> Decision:
        callback = self._options.on_approval
        if callback is None:
            return UNATTENDED
        decision = await run_callback(callback, request)
        if not isinstance(decision, Decision):  # pyright: ignore[reportUnnecessaryIsInstance]
            _log.error("on_approval returned %r, not a decision; the request is denied", decision)
            return _failed("on_approval returned no decision")
        return decision

    def _changed(self, request: ApprovalRequest, decision: Decision) -> Decision:
        """Checks what a callback allows in place of what was asked for.

        An agent that takes no other input is refused, and may then ask for what is allowed.
        """
        try:
            changed = _checked(request, decision)
            note = changed_text(changed)
        except (TypeError, ValueError) as error:
            _log.error("on_approval: %s; the request is denied", error)
            return _failed(f"on_approval failed: {error}")
        answer = self.by_policy(changed)
        if answer and answer.verdict == "deny":
            return answer.decision(changed) or UNATTENDED
        if request.changeable:
            return decision
        self._promised.append(changed)
        reason = f"not as asked for. Allowed instead, if you ask for exactly this: {note}"
        return Decision("deny", reason, changed=decision.changed)

    async def answer(self, questions: tuple[Question, ...]) -> Answers | None:
        """Asks ``on_question``. No callback, or one that fails, declines."""
        callback = self._options.on_question
        if callback is None:
            return None
        answers = await self._answered(
            run_callback(callback, questions), "on_question", lambda _: None
        )
        if answers is not None and not isinstance(answers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            _log.error("on_question returned %r; the questions are declined", type(answers))
            return None
        return answers

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls one of the turn's tools."""
        from signedin.tools.content import TextContent  # noqa: PLC0415 - as the next
        from signedin.tools.tool import Toolbox, ToolResult  # noqa: PLC0415 - costs 20 ms, seldom needed

        request = ApprovalRequest(subject="tool", item_id="", tool=name, arguments=arguments)
        if (answer := self.by_policy(request)) and answer.verdict == "deny":
            return ToolResult((TextContent(f"not permitted: {answer.why}"),), error=True)
        return await self._answered(
            Toolbox(self._options.tools).call(name, cast("JSON", arguments)),
            name,
            lambda why: ToolResult((TextContent(why),), error=True),
        )

    async def _answered(
        self, work: Coroutine[object, object, T], callback: str, refusal: Callable[[str], T]
    ) -> T:
        """Waits for a callback, which has the context variables of the turn, or refuses.

        What it raises is caught in the task it is called in: some exceptions would end the event
        loop from there.
        """

        async def answered() -> T:
            try:
                return await work
            except BaseException as error:
                if isinstance(error, asyncio.CancelledError) and is_cancelled():
                    raise
                if isinstance(error, Exception | asyncio.CancelledError):
                    _log.error("%s failed; what was asked is refused", callback, exc_info=error)
                else:
                    self._on_escape(error)
                return refusal(f"{callback} failed: {described(error)}")

        self._count(1)
        try:
            return await asyncio.get_running_loop().create_task(answered(), context=self._context)
        finally:
            work.close()  # it has not begun if the turn ended before
            self._count(-1)

    def _count(self, change: int) -> None:
        self.answering += change
        self._on_change()


def _failed(reason: str) -> Decision:
    return Decision("deny", reason, "change on_approval")


def _checked(request: ApprovalRequest, decision: Decision) -> ApprovalRequest:
    """Returns the request as a decision changes it.

    Raises:
        ValueError: It cannot be changed so.
    """
    if decision.changed is None or decision.verdict != "allow":
        raise ValueError(f"{decision.verdict!r} cannot change what it decides, only allow can")
    if request.subject == "tool" and not (request.changeable or request.arguments):
        raise ValueError("the agent does not say with which arguments it calls the tool")
    return request.changed_to(decision.changed)


def _wanted(request: ApprovalRequest) -> ApprovalRequest:
    """Returns what a request would do, to recognise it when it is asked for again."""
    return msgspec.structs.replace(
        request,
        item_id="",
        reason="",
        command=bare_command(request.command) if request.command else None,
        # Of commands and files, these repeat it in the agent's own form.
        arguments=request.arguments if request.subject == "tool" else None,
    )
