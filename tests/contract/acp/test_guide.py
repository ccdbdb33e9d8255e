"""The examples of the guides to Gemini CLI and to ACP, run as a reader would."""

import re
import shlex
import sys
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel, Rule, Script, ToolCall
from support.agents import program, versions

ROOT = Path(__file__).parents[3]
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def bin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs, and another to work in."""
    folder, work = tmp_path / "bin", tmp_path / "work"
    folder.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("PATH", str(folder), prepend=":")
    return folder


def run_examples(page: str) -> None:
    examples = EXAMPLE.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert examples
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples:
        exec(compile(example, page, "exec"), names)


def test_gemini(
    bin_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (bin_folder / "gemini").symlink_to(program("gemini", versions("gemini")[0]))
    script = Script(
        "A folder.",
        [Rule([ToolCall("mcp_signedin_ticket", {"number": 7}), "Too long."], contains="ticket 7")],
    )
    with LoopbackModel(script) as model:
        for name, value in model.client_options("gemini")["env"].items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        # The variable of the loopback names the model; a reader's is "auto".
        run_examples("gemini.md")
        said = capsys.readouterr().out
        assert "A folder." in said
        assert "Too long." in said
        assert "gemini-2.5-pro" in said
        outputs = [str(output.text) for r in model.requests for output in r.tool_outputs]
        assert any("Ticket 7: the log is too long." in output for output in outputs)


def test_acp(bin_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agent = bin_folder / "my-agent"
    command = [sys.executable, "-S", str(ROOT / "tests" / "support" / "acp_agent.py"), "hello"]
    agent.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
    agent.chmod(0o755)
    run_examples("acp.md")
    said = capsys.readouterr().out
    assert said.startswith("Hello.\n")
    assert "end_turn" in said
