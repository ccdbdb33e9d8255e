"""`signedin policy test`: what rules answer, before an agent asks."""

import json
from pathlib import Path

import pytest

from signedin.cli.app import run_program

RULES = """
[[rules]]
answer = "deny"
commands = ["git push"]
read = ["secrets/**"]
reason = "a person does that"

[[rules]]
answer = "allow"
commands = ["git status"]
write = ["src/**"]
network = ["*.example.com"]
tools = ["docs.*"]
"""


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_stdout: None) -> None:
    (tmp_path / "policy.toml").write_text(RULES)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "code", "begin"),
    [
        (["git status"], 0, "allow: rule 2, "),
        (["git -C x push"], 1, "deny: rule 1, "),
        (["ls"], 1, "no rule: no rule matches 'ls'\n"),
        (["--kind", "write", "src/x"], 0, "allow: rule 2, "),
        (["--kind", "write", "src/../x"], 1, "no rule: "),
        (["--kind", "read", "secrets/x"], 1, "deny: rule 1, "),
        (["--kind", "network", "a.example.com"], 0, "allow: rule 2, "),
        (["--kind", "tool", "docs.find"], 0, "allow: rule 2, "),
    ],
)
def test_which_rule_answers(
    rules: None, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, begin: str
) -> None:
    assert run_program(["policy", "test", *arguments]) == code
    assert capsys.readouterr().out.startswith(begin)


def test_as_json(rules: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["policy", "test", "git push", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["rule"], found["part"]) == ("deny", 1, "git push")
