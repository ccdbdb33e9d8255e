"""What the agent wants to know, asked in line."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from rich.text import Text

from signedin.cli import blocks
from signedin.cli.asking import answer_of
from signedin.cli.interactive.screen import Screen
from signedin.model.approvals import (
    ApprovalRequest,
    Decision,
    Question,
    allow,
    allow_for_session,
    deny,
    stop,
)

_DECISIONS = {
    "y": allow,
    "yes": allow,
    "a": allow_for_session,
    "always": allow_for_session,
    "s": stop,
    "stop": stop,
}
_ASK = "Allow it? [y]es, [a]lways in this session, [n]o, [s]top: "
_HOW = (
    "Answer y, a, n or s; words after n are the reason, for agents that take one. e and a command "
    "line allow that in its place."
)


class Asker:
    """Asks the user, one thing at a time."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._turn_to_ask = asyncio.Lock()

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Shows what the agent wants to do, and waits for the user's word."""
        async with self._turn_to_ask:
            self._screen.show("", blocks.approval(request))
            while True:
                answer = await self._screen.ask(_ASK, fits=lambda line: bool(decision_of(line)))
                if answer is None:
                    return deny("no answer was given")
                if decision := decision_of(answer):
                    return decision
                self._screen.show(Text(_HOW, style="dim"))

    async def answer(self, questions: tuple[Question, ...]) -> Mapping[str, str] | None:
        """Asks question by question; an empty answer to one that needs it declines them all."""
        answers: dict[str, str] = {}
        async with self._turn_to_ask:
            for question in questions:
                self._screen.show("", blocks.question(question))
                typed = await self._screen.ask("Answer: ", secret=question.secret)
                if typed and typed.strip():
                    answers[question.id] = answer_of(question, typed.strip())
                elif typed is None or question.required:
                    return None
        return answers


def decision_of(answer: str) -> Decision | None:
    """Returns what an answer decides; ``None`` if it decides nothing."""
    word, _, reason = answer.strip().partition(" ")
    if word.lower() in {"e", "edit"} and reason.strip():
        return allow(changed=reason.strip())
    if word.lower() in {"n", "no"}:
        return deny(reason.strip() or "the user said no")
    return None if reason else _DECISIONS.get(word.lower())
