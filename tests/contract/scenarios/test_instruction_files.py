"""Instructions of a project that is not trusted: what reaches the model, and what is left out."""

import json
from pathlib import Path

import pytest

from signedin import Client, WarningEvent
from signedin.loopback import LoopbackModel
from signedin.providers.shared.instructions import INSTRUCTIONS
from support.rows import ROWS, Row, row_of

EVERY = {name for files in INSTRUCTIONS.values() for name in (*files.names, files.instead) if name}
DRIVEN = [row for row in ROWS if row.provider in INSTRUCTIONS]


def word(name: str) -> str:
    return f"words-of-{name.replace('/', '-')}-end"


def read(row: Row, project: Path, names: set[str]) -> tuple[set[str], list[str]]:
    """The files of a new project whose text reached the model, and the warnings."""
    (project / ".git").mkdir(parents=True)
    for name in names:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(f"{word(name)}\n")
    with LoopbackModel("Certainly.") as model:
        options = {**model.client_options(row.provider), "transport": row.transport}
        with Client(row.provider, binary=row.binary, **options) as client:
            result = client.run("Hi", cwd=project)
        said = json.dumps([request.body for request in model.requests])
    warnings = [event.text for event in result.events if isinstance(event, WarningEvent)]
    return {name for name in names if word(name) in said}, warnings


@pytest.mark.parametrize("row", DRIVEN, ids=lambda row: row.name)
def test_what_the_table_names_reaches_the_model_and_nothing_else(row: Row, tmp_path: Path) -> None:
    files = INSTRUCTIONS[row.provider]
    followed = {name for name in EVERY if row.provider != "claude" and name.startswith(".claude/")}
    assert read(row, tmp_path / "all", EVERY - followed) == (set(files.names), [])
    if files.instead:
        assert read(row, tmp_path / "one", {files.instead}) == ({files.instead}, [])


@pytest.mark.parametrize(
    ("kind", "followed"),
    [("claude-cli", ".claude/rules/tests.md"), ("gemini-acp", ".gemini/settings.json")],
)
def test_what_is_left_out_is_named(kind: str, followed: str, tmp_path: Path) -> None:
    row = row_of(kind)
    files = INSTRUCTIONS[row.provider]
    (tmp_path / followed).parent.mkdir(parents=True)
    (tmp_path / followed).write_text("{}")
    found, warnings = read(row, tmp_path, set(files.names))
    assert found == (set(files.names) if row.provider == "claude" else set())
    reader = {"claude": "Claude Code", "gemini": "Gemini CLI"}[row.provider]
    assert warnings == [
        f"{tmp_path / files.left_out} is left out; trust_project=True has {reader} read it"
    ]
