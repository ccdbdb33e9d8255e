"""The examples of the guide, run as a reader would."""

import re
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel, Script, Text
from support.agents import ROOT, program, versions

EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_examples_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "main.py").write_text("print('hello')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNEDIN_CLAUDE_BINARY", str(program("claude", versions("claude")[0])))
    names: dict[str, object] = {"__name__": "__main__"}
    with LoopbackModel(Script(Text.echo("You said: {prompt}"))) as model:
        for name, value in model.client_options("claude")["env"].items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        for example in EXAMPLE.findall((ROOT / "docs" / "claude.md").read_text()):
            exec(compile(example, "docs/claude.md", "exec"), names)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [
        "You said: What is this?",
        "You said: Look around",
        "['Read main.py', 'Think about it']",
        "main.py",
        "You said: Go on",
    ]
    assert "'sonnet'" in lines[-1]
