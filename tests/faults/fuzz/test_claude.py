"""Rows, answers and files of Claude Code with anything in them."""

from pathlib import Path

import msgspec
import pytest

from faults.fuzz import golden
from faults.fuzz.cases import documents, rows
from signedin.accounts.status import AuthStatus
from signedin.model.events import DoneEvent
from signedin.providers.base import SessionQuery
from signedin.providers.claude.account.home import ClaudeAccount, interpret
from signedin.providers.claude.messages import Message, answered
from signedin.providers.claude.models_and_limits import check_effort, limits_in, models_in
from signedin.providers.claude.normalise import TurnNormaliser
from signedin.providers.claude.store import answer_before, list_sessions, read_history
from signedin.wire.jsonl import BadLine, JsonLines

SESSION = "11111111-1111-4111-8111-111111111111"


def test_rows() -> None:
    for case in rows(*golden.CLAUDE_TURNS):
        with case:
            lines, normaliser = JsonLines(Message), TurnNormaliser()
            events = []
            for whole, message in [*lines.feed(case.data), *lines.close()]:
                if not isinstance(message, BadLine) and not normaliser.ended:
                    events += normaliser.events(message, whole)
            if not normaliser.ended:
                events += normaliser.closed()
            ends = [event for event in events if isinstance(event, DoneEvent)]
            assert ends == (events[-1:] if normaliser.ended else [])


READ_OF_ANSWERS = {
    "models": models_in,
    "limits": limits_in,
    "effort": lambda answer: check_effort(answer, "low"),
    "account": lambda answer: interpret(
        AuthStatus(provider="claude", installed=True, authenticated=False),
        answered(answer, ClaudeAccount),
    ),
}


@pytest.mark.parametrize("read", READ_OF_ANSWERS.values(), ids=READ_OF_ANSWERS)
def test_answers(read) -> None:
    for case in documents(golden.CLAUDE_ANSWER):
        with case:
            read(msgspec.Raw(case.data))


def test_stored_conversations(tmp_path: Path) -> None:
    file = tmp_path / "projects" / "-w" / f"{SESSION}.jsonl"
    file.parent.mkdir(parents=True)
    for case in rows(golden.CLAUDE_STORED):
        file.write_bytes(case.data)
        with case:
            list_sessions(tmp_path, SessionQuery())
        with case:
            read_history(tmp_path, SESSION)
            answer_before(tmp_path, SESSION, "user2")
