"""The agent's questions, asked at the terminal."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from signedin.model.approvals import (
    ApprovalRequest,
    Decision,
    Question,
    allow,
    allow_for_session,
    deny,
    stop,
)

if TYPE_CHECKING:
    from prompt_toolkit import PromptSession

    from signedin.cli.terminal import TerminalPresenter

NO_TERMINAL = Decision(
    "deny",
    "there is no terminal to approve it on",
    "run it in a terminal to be asked, or give more --permissions",
)

_CHOICES = {
    "y": ("yes", allow),
    "a": ("always, in this session", allow_for_session),
    "n": ("no", deny("the user said no")),
    "s": ("stop", stop),
}
_ASK = "Allow it? [y]es, [a]lways in this session, [n]o, [s]top: "


async def deny_unasked(request: ApprovalRequest) -> Decision:
    """Denies what would have to be asked where there is no terminal."""
    del request
    return NO_TERMINAL


class Asker:
    """Asks the user, one question at a time, while nothing else is drawn.

    Args:
        presenter: Who draws on the terminal.
    """

    def __init__(self, presenter: TerminalPresenter) -> None:
        self._presenter = presenter
        self._turn_to_ask = asyncio.Lock()

    async def approve(self, request: ApprovalRequest) -> Decision:
        """Shows what the agent wants to do, and waits for a key."""
        from signedin.cli import blocks  # noqa: PLC0415 - rich takes 80 ms

        async with self._turn_to_ask:
            with self._presenter.paused():
                self._presenter.write(blocks.approval(request))
                return await self._decision()

    async def answer(self, questions: tuple[Question, ...]) -> Mapping[str, str] | None:
        """Asks question by question; an empty answer to one that needs it declines them all."""
        from signedin.cli import blocks  # noqa: PLC0415 - rich takes 80 ms

        answers: dict[str, str] = {}
        async with self._turn_to_ask:
            with self._presenter.paused():
                for question in questions:
                    self._presenter.write(blocks.question(question))
                    answer = await self._typed(question)
                    if answer:
                        answers[question.id] = answer
                    elif question.required:
                        return None
        return answers

    async def _decision(self) -> Decision:
        from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent  # noqa: PLC0415

        bindings = KeyBindings()

        def wait(event: KeyPressEvent) -> None:
            del event

        def choose(event: KeyPressEvent) -> None:
            key = event.data.lower()
            event.current_buffer.insert_text(_CHOICES[key][0])
            event.app.exit(result=key)

        for key in ("<any>", "enter"):
            bindings.add(key)(wait)
        for key in _CHOICES:
            bindings.add(key)(choose)
            bindings.add(key.upper())(choose)
        try:
            chosen = await self._prompt().prompt_async(
                _ASK, key_bindings=bindings, handle_sigint=False
            )
        except EOFError:
            return NO_TERMINAL
        except KeyboardInterrupt:
            chosen = "s"
        decision = _CHOICES[chosen][1]
        if decision is stop:
            signal.raise_signal(signal.SIGINT)  # no Ctrl-C arrives while keys are read
        return decision

    async def _typed(self, question: Question) -> str:
        ask = "Number or answer: " if question.options else "Answer: "
        try:
            typed = await self._prompt().prompt_async(
                ask, is_password=question.secret, handle_sigint=False
            )
        except EOFError:
            return ""
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGINT)  # no Ctrl-C arrives while keys are read
            return ""
        return answer_of(question, typed.strip())

    def _prompt(self) -> PromptSession[str]:
        from prompt_toolkit import PromptSession  # noqa: PLC0415 - takes 200 ms, seldom needed
        from prompt_toolkit.input import create_input  # noqa: PLC0415
        from prompt_toolkit.output import create_output  # noqa: PLC0415

        return PromptSession(
            input=create_input(sys.stdin), output=create_output(self._presenter.stream)
        )


def answer_of(question: Question, typed: str) -> str:
    """Returns the option whose number was typed, else what was typed."""
    is_number = typed.isascii() and typed.isdigit() and 1 <= int(typed) <= len(question.options)
    return question.options[int(typed) - 1].label if is_number else typed
