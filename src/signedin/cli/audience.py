"""Who sees a run, and who answers the agent's questions."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from signedin.cli.asking import Asker, deny_unasked
from signedin.cli.output import (
    AnswerWriter,
    JsonLinesWriter,
    JsonWriter,
    NoticeWriter,
    Presenter,
    TextWriter,
)
from signedin.cli.streams import is_attended
from signedin.client.async_client import AsyncClient


def who_answers(client: AsyncClient, presenters: Sequence[Presenter]) -> dict[str, object]:
    """Returns the keywords that answer the agent's questions, as far as it can ask.

    The user answers where the run is shown on an interactive terminal. Elsewhere what is
    not permitted is denied, with a warning.
    """
    asker = _asker(presenters)
    answers: dict[str, object] = {}
    if client.capabilities.approvals:
        answers["on_approval"] = asker.approve if asker else deny_unasked
    if client.capabilities.questions and asker:
        answers["on_question"] = asker.answer
    return answers


def choose_presenters(*, json: bool, stream: bool | None) -> list[Presenter]:
    """Returns the presenters of the turn: a terminal, or a writer and a progress line."""
    is_terminal = sys.stdout.isatty()
    streams = is_terminal and not json if stream is None else stream
    if is_terminal and streams and not json:
        from signedin.cli.terminal import turn_presenter  # noqa: PLC0415 - rich takes 80 ms

        return [turn_presenter(sys.stdout)]
    writer = _WRITERS[json, streams]()
    would_be_mixed = is_terminal and streams
    if would_be_mixed:
        return [writer]
    if not sys.stderr.isatty():
        return [NoticeWriter(), writer]
    from signedin.cli.terminal import notice_presenter  # noqa: PLC0415 - as above

    return [notice_presenter(sys.stderr), writer]


_WRITERS: dict[tuple[bool, bool], type[Presenter]] = {
    (False, False): AnswerWriter,
    (False, True): TextWriter,
    (True, False): JsonWriter,
    (True, True): JsonLinesWriter,
}


def _asker(presenters: Sequence[Presenter]) -> Asker | None:
    """Returns who asks the user; ``None`` where the user cannot see a question and answer."""
    if not is_attended(sys.stdin):
        return None
    from signedin.cli.terminal import TerminalPresenter  # noqa: PLC0415 - as above

    for presenter in presenters:
        if isinstance(presenter, TerminalPresenter):
            return Asker(presenter)
    return None
