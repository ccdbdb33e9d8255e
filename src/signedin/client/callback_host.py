"""Answers an agent's questions with the caller's callbacks, or refuses where there is none."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from signedin.model.approvals import (
    UNATTENDED,
    ApprovalRequest,
    Decision,
    Question,
    deny,
)
from signedin.model.events import JSON
from signedin.model.options import TurnOptions
from signedin.runtime.aio import run_callback

if TYPE_CHECKING:
    from signedin.safety.policy.rules import Answer
    from signedin.tools.tool import ToolResult

_log = logging.getLogger("signedin")


class CallbackHost:
    """The `Host` of one turn."""

    def __init__(self, options: TurnOptions) -> None:
        self._options = options

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Lets ``policy`` decide, then ``on_approval``. No callback, or one that fails, denies."""
        answer = self.by_policy(request)
        decision = answer.decision(request) if answer else None
        return decision or await self._by_callback(request)

    def by_policy(self, request: ApprovalRequest) -> Answer | None:
        """Returns what the rules answer, ``None`` without rules."""
        policy = self._options.policy
        return policy.answer(request, self._options.cwd) if policy else None

    async def _by_callback(self, request: ApprovalRequest) -> Decision:
        callback = self._options.on_approval
        if callback is None:
            return UNATTENDED
        try:
            decision = await run_callback(callback, request)
        except Exception as error:
            _log.exception("on_approval failed; the request is denied")
            return deny(f"on_approval failed: {error}")
        if not isinstance(decision, Decision):  # pyright: ignore[reportUnnecessaryIsInstance]
            _log.error("on_approval returned %r, not a decision; the request is denied", decision)
            return deny("on_approval returned no decision")
        return decision

    async def answer(self, questions: tuple[Question, ...]) -> Mapping[str, str] | None:
        """Asks ``on_question``. No callback, or one that fails, declines."""
        callback = self._options.on_question
        if callback is None:
            return None
        try:
            return await run_callback(callback, questions)
        except Exception:
            _log.exception("on_question failed; the questions are declined")
            return None

    async def call_tool(self, name: str, arguments: object) -> ToolResult:
        """Calls one of the turn's tools."""
        from signedin.tools.content import TextContent  # noqa: PLC0415 - as the next
        from signedin.tools.tool import Toolbox, ToolResult  # noqa: PLC0415 - costs 20 ms, seldom needed

        request = ApprovalRequest(subject="tool", item_id="", tool=name, arguments=arguments)
        if (answer := self.by_policy(request)) and answer.verdict == "deny":
            return ToolResult((TextContent(f"not permitted: {answer.why}"),), error=True)
        return await Toolbox(self._options.tools).call(name, cast("JSON", arguments))
