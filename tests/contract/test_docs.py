"""The examples of the documentation, run as a reader would: the real Codex, a scripted model."""

import asyncio
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
from signedin.loopback import Hold, LoopbackModel, Rule, Script, Shell, Text, ToolCall, WriteFile
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
    "docs/coming-from/codex-sdk.md",
    "docs/coming-from/oauthpy.md",
    "docs/configuration.md",
    "docs/integrations/llm.md",
    "docs/integrations/mcp-server.md",
    "docs/integrations/notebook.md",
    "docs/integrations/pydantic-ai.md",
]
SILENT = ("README.md", "docs/approvals.md", "docs/worktrees.md")
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
        Rule(['{"team": "build", "urgent": true}'], contains="the build is red"),
        Rule(['{"category": "bug", "urgency": 3}'], contains="support ticket"),
        Rule(['{"value": []}'], contains="Review this diff"),
        Rule([ToolCall("order_status", {"order": "17"}), "Shipped."], contains="order 17"),
        Rule(Text(["half ", Hold("middle"), "whole"]), contains="Slowly"),
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
        for name, value in model.variables().items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
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


def run_example(name: str) -> str:
    """Runs an example as a program of its own; returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / f"{name}.py")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("example", [path.stem for path in EXAMPLES])
def test_example_programs_run(example: str, reader: LoopbackModel) -> None:
    assert run_example(example)
    assert reader.requests


def test_the_example_in_the_readme_says_what_it_says(
    reader: LoopbackModel, capsys: pytest.CaptureFixture[str]
) -> None:
    run_examples("README.md")
    assert capsys.readouterr().out == "codex build True\nclaude build True\n"


def test_the_classified_tickets_are_asked_about_once(reader: LoopbackModel) -> None:
    assert sorted(run_example("classify_tickets").splitlines()) == ["1 bug", "2 bug"]
    asked = len(reader.requests)
    assert run_example("classify_tickets") == ""
    assert len(reader.requests) == asked
    assert Path("sorted.csv").read_text() == "id,category,urgency\n1,bug,3\n2,bug,3\n"


def test_the_review_is_replayed_without_agents(
    reader: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("main.py").write_text("print('bye')\n")
    first = run_example("review_in_ci")
    asked = len(reader.requests)
    for name in reader.variables():
        monkeypatch.delenv(name, raising=False)
    assert run_example("review_in_ci") == first == "codex\nclaude\n"
    assert len(reader.requests) == asked


def test_the_bot_asks_the_person_and_calls_its_tool(reader: LoopbackModel) -> None:
    assert run_example("chat_bot").splitlines() == [
        "you: What about order 17?",
        "bot: Shipped.",
        "you: Write hello.txt",
        "bot: May I? file_change",
        "bot: Written.",
    ]
    assert Path("hello.txt").read_text() == "hello\n"


def test_the_tutorial_runs_against_a_script(reader: LoopbackModel, tmp_path: Path) -> None:
    """As the page says how, by somebody without an account."""
    page = (ROOT / "docs/tutorial.md").read_text("utf-8")
    [commands] = re.findall(r"```console\n(\$ pip [^`]+loopback .+?)```", page, re.DOTALL)
    _, write, start = commands.replace("$ ", "").splitlines()
    (tmp_path / "tutorial.py").write_text("\n".join(EXAMPLE.findall(page)))
    start = start.replace("python ", f"{sys.executable} ")
    done = subprocess.run(
        f"{write}\n{start}", cwd=tmp_path, shell=True, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Certainly.\n")
    assert len(done.stderr.splitlines()) == 9


def test_the_loops_of_the_tutorial_print_each_thing_once(
    reader: LoopbackModel, capfd: pytest.CaptureFixture[str]
) -> None:
    page = (ROOT / "docs/tutorial.md").read_text("utf-8")
    first, *others = EXAMPLE.findall(page)
    names: dict[str, object] = {}
    exec(compile(first.splitlines()[0], "first", "exec"), names)
    with Client("codex") as client:
        names["client"] = client
        loops = [each for each in others if each.startswith(("for event", "result ="))][:2]
        for loop in loops:
            exec(
                compile(loop.replace("Say what", "Add a docstring, say what"), "loop", "exec"),
                names,
            )
    notes = Path("notes.txt").resolve()
    assert re.sub(r"/bin/\S+ -\w+ ", "", capfd.readouterr().out) == (
        f"\n$ ls\nDone.\n$ ls -> 0\n{notes}\n"
    )


class Browser:
    """A client of the page's web service, which it calls as a server does."""

    def __init__(self, question: str) -> None:
        self.scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "method": "GET",
            "path": "/ask",
            "query_string": f"q={question}".encode(),
            "headers": [],
        }
        self.shown: asyncio.Queue[str] = asyncio.Queue()
        self.left = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, object]) -> None:
        if body := message.get("body"):
            self.shown.put_nowait(body.decode())


async def test_the_web_service_runs(reader: LoopbackModel) -> None:
    names = run_examples("docs/web-service.md")
    app, lifespan = names["app"], names["lifespan"]
    async with lifespan(app) as state:
        patient, other = Browser("Hello"), Browser("Slowly")
        await app({**patient.scope, "state": state}, patient.receive, patient.send)
        shown = [patient.shown.get_nowait() for _ in range(patient.shown.qsize())]
        assert shown == ['data: "Certainly."\n\n', "event: done\ndata: null\n\n"]

        served = asyncio.create_task(
            app({**other.scope, "state": state}, other.receive, other.send)
        )
        assert await other.shown.get() == 'data: "half "\n\n'
        other.left.set()
        await served
        await asyncio.to_thread(reader.wait_for_disconnect)
        assert other.shown.empty()


@pytest.mark.parametrize("page", [path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md")])
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", text):
        if "://" not in target:
            assert (ROOT / page.parent / target).exists(), f"{page} links to {target}"
