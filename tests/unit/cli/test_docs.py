"""The documentation of the program says what the program says."""

import runpy
from pathlib import Path

import pytest

from signedin.cli.app import COMMANDS
from signedin.cli.errors import EXIT_CODES
from signedin.model.results import RunResult

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs/cli.md").read_text(encoding="utf-8")


def test_the_generated_parts_are_up_to_date(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["generate_docs.py", "--check"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / "scripts/generate_docs.py"), run_name="__main__")
    assert capsys.readouterr() == ("", "")
    assert ended.value.code == 0


@pytest.mark.parametrize(
    "text",
    [
        "no parts at all",
        "<!-- generated: commands -->\n<!-- end -->\n<!-- generated: other -->\n<!-- end -->",
    ],
)
def test_a_document_whose_parts_are_not_the_generated_ones_is_refused(text):
    script = runpy.run_path(str(ROOT / "scripts/generate_docs.py"))
    with pytest.raises(ValueError, match="the document has the parts"):
        script["regenerated"](text, {"commands": lambda: ""})


def test_every_command_and_exit_code_is_documented():
    for name in COMMANDS:
        assert f"\n### signedin {name}\n" in DOCUMENT
    for code in EXIT_CODES:
        assert f"\n| {code} | " in DOCUMENT


def test_every_field_of_the_json_is_documented():
    for name in (*RunResult.__struct_fields__, "error", "kind", "message"):
        assert f"`{name}`" in DOCUMENT, name
