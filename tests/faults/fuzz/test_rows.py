"""Rows of programs that run for one turn: every line becomes an event, whatever it holds."""

from collections.abc import Callable

import pytest

from faults.fuzz import golden
from faults.fuzz.cases import rows
from signedin import Event
from signedin.providers.codex.exec.normalise import ExecRows, TokenCounts
from signedin.providers.gemini.headless.normalise import HeadlessRows
from signedin.wire.jsonl import JsonLines

READERS: dict[str, tuple[Callable[[], ExecRows | HeadlessRows], list[list[object]]]] = {
    "codex exec": (
        lambda: ExecRows("/w", TokenCounts()),
        [golden.EXEC_ROWS, golden.EXEC_FAILED],
    ),
    "gemini": (lambda: HeadlessRows("/w"), [golden.GEMINI_ROWS, golden.GEMINI_FAILED]),
}


@pytest.mark.parametrize("name", READERS)
def test_rows(name: str) -> None:
    reader, told = READERS[name]
    for case in rows(*told):
        with case:
            lines, normaliser = JsonLines(dict[str, object]), reader()
            events: list[Event] = []
            read = [*lines.feed(case.data), *lines.close()]
            for line, row in read:
                events += normaliser.events(line, row)
            assert len(events) >= len(read)
            for event in events:
                repr(event)
