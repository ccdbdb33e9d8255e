"""The examples of the documentation, run as a reader would: the real Codex, a scripted model."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import mcp.client.stdio  # noqa: F401 - writes to the stderr that it finds when it is imported
import pytest

from signedin import Client
from signedin.loopback import LoopbackModel, Rule, Script, Shell, ToolCall, WriteFile
from signedin.providers.codex.options import to_toml
from signedin.safety.policy import Policy

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "docs/tutorial.md", "docs/sessions.md", "docs/approvals.md"]
PAGES += [
    "docs/many-prompts.md",
    "docs/batches.md",
    "docs/providers.md",
    "docs/transcript.md",
    "docs/usage.md",
    "docs/budgets.md",
    "docs/worktrees.md",
    "docs/cassettes.md",
    "docs/configuration.md",
    "docs/integrations/llm.md",
    "docs/integrations/mcp-server.md",
    "docs/integrations/notebook.md",
    "docs/integrations/pydantic-ai.md",
]
SILENT = ("docs/approvals.md", "docs/worktrees.md")
"""Pages whose prompts have other answers than the first."""
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

SCRIPT = Script(
    "Certainly.",
    [
        Rule(['{"why": "complete", "best": "A"}'], contains="Several agents"),
        Rule(
            ['{"approved": true, "summary": "good", "findings": []}'],
            contains="Review these changes",
        ),
        Rule([Shell("ls"), WriteFile("notes.txt", "seen\n"), "Done."], contains="Add a docstring"),
        Rule([Shell("ls"), "Done."], contains="Fix the failing test"),
        Rule([Shell("sleep 60")], contains="Refactor main.py"),
        Rule([WriteFile("hello.txt", "hello\n"), "Written."], contains="Write hello.txt"),
        Rule(
            [ToolCall("due_date", {"days": 30, "start": "2026-01-01"}), "On 31 January."],
            contains="30 days",
        ),
        Rule(['{"related": true, "why": "both are words"}'], contains="related"),
    ],
)


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackModel]:
    """A repository to stand in, and a Codex that is set up to talk to the scripted model."""
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "main.py").write_text("print('hello')\n")
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "begin"]):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    with LoopbackModel(SCRIPT) as model:
        options = model.client_options("codex")
        home = Path(str(options["env"]["CODEX_HOME"]))
        settings = options["provider_options"]["config"]
        (home / "config.toml").write_text(
            "".join(f"{k} = {to_toml(v)}\n" for k, v in settings.items())
        )
        monkeypatch.setenv("CODEX_HOME", str(home))
        (tmp_path / "config.toml").write_text("provider = 'codex'\n[profiles.review]\n")
        monkeypatch.setenv("SIGNEDIN_CONFIG", str(tmp_path / "config.toml"))
        monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        monkeypatch.chdir(repository)
        yield model


def run_examples(page: str) -> dict[str, object]:
    """Runs the examples of a page one after the other; returns the names they define."""
    examples = EXAMPLE.findall((ROOT / page).read_text())
    assert examples
    names: dict[str, object] = {"__name__": "__main__"}
    for example in examples:
        exec(compile(example, page, "exec"), names)
    return names


@pytest.mark.parametrize("page", PAGES)
def test_examples_run(page: str, reader: LoopbackModel, capsys: pytest.CaptureFixture[str]) -> None:
    names = run_examples(page)
    for client in [value for value in names.values() if isinstance(value, Client)]:
        client.close()  # as a program does when it ends; else its Codex outlives its home
    assert reader.requests
    assert "Certainly." in capsys.readouterr().out or page in SILENT


def test_examples_of_tests_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "my_program", ModuleType("my_program"))
    run_examples("docs/testing-your-code.md")  # they bring models of their own


def test_examples_of_policies_run() -> None:
    names = run_examples("docs/policies.md")  # they ask nothing of an agent
    assert Policy.of(names["unattended"]).rules[-1] == names["ask"]("*")


EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


@pytest.mark.parametrize("example", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_example_programs_run(example: Path, reader: LoopbackModel) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(example)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert reader.requests


@pytest.mark.parametrize("page", [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")])
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (ROOT / page.parent / target).exists(), f"{page} links to {target}"
