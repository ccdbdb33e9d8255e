"""A notebook, executed by nbclient in a real kernel with a real agent behind it."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

from signedin import Client, Turn
from signedin.loopback import (
    Hold,
    LoopbackModel,
    Rule,
    Script,
    Text,
    UsageLimit,
    WriteFile,
    shell,
)
from support.browser import render
from support.processes import wait_until_none_with

HOSTILE = "<script>document.title = 'taken over'</script>\u202egnp.exe [x](javascript:alert(1))"
SCRIPT = Script(
    "It **works**.",
    [
        Rule(
            [[shell("echo seen; exit 3")], [WriteFile("new.txt", "one\n")], "Done."], contains="Do"
        ),
        Rule([Text(HOSTILE)], contains="Attack"),
        Rule([UsageLimit()], contains="Too much"),
    ],
)


@pytest.fixture(scope="module", autouse=True)
def model() -> Iterator[LoopbackModel]:
    """A model that whatever Codex a kernel starts talks to."""
    with LoopbackModel(SCRIPT) as model, pytest.MonkeyPatch.context() as patch:
        for name, value in model.variables("codex").items():
            if value is None:
                patch.delenv(name, raising=False)
            else:
                patch.setenv(name, value)
        # Else a kernel has files in the user's own folders.
        patch.setenv("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        yield model


Shown = list[list[NotebookNode]]
"""For each cell its outputs, as a notebook stores them."""
Run = Callable[..., Shown]


@contextmanager
def new_kernel(folder: Path) -> Iterator[Run]:
    """Starts a kernel, in which the cells of a notebook are run."""
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )

    def run(*sources: str) -> Shown:
        begin = len(notebook.cells)
        notebook.cells += [nbformat.v4.new_code_cell(source) for source in sources]
        for number in range(begin, len(notebook.cells)):
            client.execute_cell(notebook.cells[number], number)
        return [cell.outputs for cell in notebook.cells[begin:]]

    with client.setup_kernel():
        run("%load_ext signedin")
        yield run


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A kernel for the tests that use other names than each other."""
    with new_kernel(tmp_path_factory.mktemp("work")) as run:
        yield run


def displayed(outputs: list[NotebookNode]) -> dict[str, str]:
    """What the only output of a cell displays, by media type."""
    [output] = outputs
    return output["data"]


def words(html: str) -> str:
    """What a reader sees of a fragment."""
    bare = re.sub(r"<style>.*?</style>", "", html, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", bare).split())


def test_the_magic(tmp_path: Path) -> None:
    with new_kernel(tmp_path) as run:
        done = run(
            "%%agent codex --permissions workspace-write --session one --out first\nDo something",
            "%%agent --session one --out second\nAnd now?",
            "%%agent\nAnother conversation",
            "first.session_id == second.session_id, first.text, second.text",
            "from signedin import Client\nmine = Client('codex', permissions='workspace-write')",
            "%%agent mine --out third\nHi",
            "third.provider",
        )
    seen = words(displayed(done[0])["text/html"])
    assert "echo seen; exit 3 exit 3" in seen
    assert "new.txt added +1" in seen
    assert re.search(r"Done\. completed .* tokens in", seen)
    assert displayed(done[0])["text/plain"].endswith(", completed)")
    assert "It works . completed" in words(displayed(done[1])["text/html"])
    assert displayed(done[3])["text/plain"] == "(True, 'Done.', 'It **works**.')"
    assert displayed(done[6])["text/plain"] == "'codex'"
    wait_until_none_with(os.environ["CODEX_HOME"])


def test_another_client_in_the_variable_begins_another_conversation(kernel: Run) -> None:
    done = kernel(
        "from signedin import Client\nmine = Client('codex')",
        "%%agent mine --session one --out first\nHi",
        "mine.close()\nmine = Client('codex')",
        "%%agent mine --session one --out second\nHi",
        "%%agent mine --session one --out third\nHi",
        "first.session_id == second.session_id, second.session_id == third.session_id",
    )
    assert displayed(done[5])["text/plain"] == "(False, True)"


def test_both_apis_and_what_they_return(kernel: Run) -> None:
    done = kernel(
        "from signedin import AsyncClient, Client\nfrom signedin.integrations.notebook import *",
        "client = Client('codex')\nclient.run('Hi')",
        "session = client.session()\nsession.run('Hello').text, session.run('And now?').text",
        "session",
        "turn = watch(client.stream('Hi'))",
        "async with AsyncClient('codex') as other:\n"
        "    result = await watch_async(other.stream('Hi'))\n"
        "    talk = other.session()\n"
        "    await talk.run('Hi')\n"
        "talk",
        "client.stream('Hi')",
    )
    result = displayed(done[1])
    assert sorted(result) == ["text/html", "text/markdown", "text/plain"]
    assert result["text/markdown"] == "It **works**."
    assert "It <strong>works</strong>." in result["text/html"]
    turns = words(displayed(done[3])["text/html"])
    assert re.search(r"Hello It works \. completed And now\? It works \. completed", turns)
    assert "It works . completed" in words(displayed(done[4])["text/html"])
    watched, talk = done[5]
    assert "It works . completed" in words(watched["data"]["text/html"])
    assert words(talk["data"]["text/html"]).endswith("history() returns the turns of this session.")
    assert displayed(done[6]) == {"text/plain": "Turn(id=None, not started)"}


def test_a_turn_that_fails_is_shown_and_raises(kernel: Run) -> None:
    with pytest.raises(CellExecutionError, match="UsageLimitError") as caught:
        kernel("%%agent\nToo much")
    assert "usage limit" in str(caught.value)


def test_an_unknown_option_is_refused_with_the_nearest(model: LoopbackModel, kernel: Run) -> None:
    asked = len(model.requests)
    with pytest.raises(CellExecutionError) as caught:
        kernel("%%agent --permisions read-only\nHi")
    assert caught.value.ename == "InvalidOptionError"
    assert caught.value.evalue.endswith("; did you mean '--permissions'?")
    assert len(model.requests) == asked


def test_a_name_for_the_result_that_cannot_be_one(model: LoopbackModel, kernel: Run) -> None:
    asked = len(model.requests)
    for name in ("1st", "a.b", "class"):
        with pytest.raises(CellExecutionError) as caught:
            kernel(f"%%agent --out {name}\nHi")
        assert caught.value.evalue == f"--out {name!r} cannot be the name of a variable"
    assert len(model.requests) == asked


def test_a_turn_while_it_runs() -> None:
    script = [[Text("Let me see.", phase="commentary"), shell("true")], Text(["Half", Hold("x")])]
    with LoopbackModel(script) as model:
        with Client("codex", **model.client_options("codex")) as client:
            with client.stream("Hi") as turn:
                for event in turn:
                    if event.text == "Half":
                        break
                assert re.search(
                    r"Let me see\. \$? ?.*true exit 0 .*Half running", words(str(html_of(turn)))
                )
                assert "cut off" not in str(html_of(turn))
                model.release("x")
            assert "running" not in words(str(html_of(turn)))


def html_of(turn: Turn) -> object:
    return turn._repr_html_()


def test_what_an_agent_writes_stays_text(kernel: Run) -> None:
    done = kernel("%%agent --out result\nAttack", "result")
    for cell in (0, 1):
        fragment = displayed(done[cell])["text/html"]
        assert not re.search(r"<script|<img|<iframe|<link|href=.javascript|@import|url\(", fragment)
        assert "\u202e" not in fragment
        assert "&lt;script&gt;" in fragment
        assert r"\u202egnp.exe" in fragment


@pytest.mark.slow  # needs a browser
def test_what_an_agent_writes_stays_text_in_a_browser(kernel: Run, tmp_path: Path) -> None:
    done = kernel("%%agent --out result\nAttack", "result")
    page = tmp_path / "page.html"
    fragment = displayed(done[1])["text/html"]
    page.write_text(f"<!doctype html><meta charset=utf-8><title>ours</title>{fragment}")
    rendered = render(page, tmp_path / "profile")
    assert rendered.console == []
    assert "<title>ours</title>" in rendered.dom
