"""The marker `cassette`: recorded with the real Codex, replayed without it."""

import os
import subprocess
import sys
from pathlib import Path

from signedin.loopback import LoopbackModel, Text

TESTS = """
import pytest
from signedin import Client


@pytest.mark.cassette
def test_hello():
    with Client("codex") as client:
        assert client.run("Say hello.").text == "Hello."


@pytest.mark.cassette("other.jsonl")
@pytest.mark.parametrize("prompt", ["one word"])
def test_other(prompt):
    with Client("codex") as client:
        assert client.run(prompt).text == "Hello."


def test_without(monkeypatch):
    import os
    assert "SIGNEDIN_CASSETTE" not in os.environ
"""


def run_tests(folder: Path, env: dict[str, str | None], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:xdist", *arguments],
        env={name: value for name, value in {**os.environ, **env}.items() if value is not None},
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.stdout + done.stderr


def test_a_marked_test_is_recorded_and_replayed(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(TESTS)
    nobody = {"PATH": "", "HOME": str(tmp_path / "nobody"), "SIGNEDIN_HOME": str(tmp_path / "no")}
    missing = run_tests(tmp_path, nobody, "--cassette-mode=none")
    assert "2 failed, 1 passed" in missing
    assert "cannot be read: No such file" in missing
    with LoopbackModel("Hello.") as model:
        assert "3 passed" in run_tests(tmp_path, model.variables("codex"))
    recorded = {path: path.read_bytes() for path in tmp_path.rglob("*.jsonl")}
    assert set(recorded) == {
        tmp_path / "cassettes" / "test_theirs.test_hello.jsonl",
        tmp_path / "other.jsonl",
    }
    assert "3 passed" in run_tests(tmp_path, nobody, "--cassette-mode=none")
    assert "3 passed" in run_tests(tmp_path, nobody)
    (tmp_path / "test_theirs.py").write_text(TESTS.replace("Say hello.", "Say hullo."))
    assert '+        "text": "Say hullo."' in run_tests(tmp_path, nobody)
    assert {path: path.read_bytes() for path in recorded} == recorded


ALIKE = """
import pytest
from signedin import Client


def run(prompt):
    with Client("codex") as client:
        assert client.run(prompt).text == f"You said: {prompt}"


@pytest.mark.cassette
class TestFirst:
    def test_it(self):
        run("one")


@pytest.mark.cassette
class TestSecond:
    def test_it(self):
        run("two")

    @pytest.mark.parametrize("word", ["plain", "a/b", "a b", "a::b", "a.b"])
    def test_each(self, word):
        run(word)
"""


def test_tests_that_are_called_alike(tmp_path: Path) -> None:
    (tmp_path / "test_alike.py").write_text(ALIKE)
    nobody = {"PATH": "", "HOME": str(tmp_path / "nobody"), "SIGNEDIN_HOME": str(tmp_path / "no")}
    with LoopbackModel(Text.echo("You said: {prompt}")) as model:
        shown = run_tests(tmp_path, model.variables("codex"), "--cassette-mode=rewrite")
    assert "7 passed" in shown
    assert "7 passed" in run_tests(tmp_path, nobody, "--cassette-mode=none")
    names = {path.name for path in (tmp_path / "cassettes").iterdir()}
    assert {
        "test_alike.TestFirst.test_it.jsonl",
        "test_alike.TestSecond.test_it.jsonl",
        "test_alike.TestSecond.test_each-plain-.jsonl",
        "test_alike.TestSecond.test_each-a.b-.jsonl",
    } < names
    assert len(names) == 7
