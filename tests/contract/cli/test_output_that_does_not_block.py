"""An output whose descriptor does not wait, as Node, ssh and terminals that are shared make it."""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.loopback import Text
from support.program import PROGRAM, document, environment, run_program, run_with
from support.stage import Stage

PIPE = 4096
"""Bytes that the pipe takes; all that is written here is longer."""

ANSWER = "".join(f"{number:>98}\n" for number in range(2000))


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage("chatgpt") as stage:
        stage.play(Text(ANSWER, size=10_000))
        yield stage


@pytest.fixture(params=[False, True], ids=["from-the-beginning", "later"])
def later(request: pytest.FixtureRequest) -> bool:
    """Whether the descriptor blocks until the first byte has been read."""
    return request.param


def output_of(*arguments: str, folder: Path, later: bool, stdin: bytes = b"") -> str:
    """Runs the program to its good end with a small pipe that does not block."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, PIPE)
    os.set_blocking(writing, later)
    prompt = folder / "input"
    prompt.write_bytes(stdin)
    with (
        prompt.open("rb") as given,
        subprocess.Popen(
            [PROGRAM, *arguments], stdin=given, stdout=writing, cwd=folder, env=environment()
        ) as process,
        open(reading, "rb", buffering=0) as pipe,  # noqa: PTH123 - a descriptor
    ):
        written = pipe.read(1)
        os.set_blocking(writing, False)
        os.close(writing)
        written += pipe.readall()
    assert process.returncode == 0
    return written.decode()


@pytest.mark.parametrize("command", ["run --help", "schema run"])
def test_what_a_command_prints_is_whole(command: str, later: bool, tmp_path: Path) -> None:
    words = command.split()
    whole = run_program(*words, cwd=tmp_path).stdout
    assert len(whole) > PIPE
    assert output_of(*words, folder=tmp_path, later=later) == whole


@pytest.mark.parametrize("flags", [(), ("--stream",)], ids=str)
def test_an_answer_is_whole(
    stage: Stage, flags: tuple[str, ...], later: bool, tmp_path: Path
) -> None:
    words = run_with(stage.model, *flags, "go", provider="chatgpt")
    assert output_of(*words, folder=tmp_path, later=later) == ANSWER


def test_a_document_is_whole(stage: Stage, later: bool, tmp_path: Path) -> None:
    words = run_with(stage.model, "--json", "go", provider="chatgpt")
    assert document("run", output_of(*words, folder=tmp_path, later=later))["text"] == ANSWER


def test_events_are_whole(stage: Stage, later: bool, tmp_path: Path) -> None:
    words = run_with(stage.model, "--json", "--stream", "go", provider="chatgpt")
    lines = output_of(*words, folder=tmp_path, later=later).splitlines()
    assert "".join(map(str.strip, lines)).count('"kind":"message"') == 1
    assert '"result"' in lines[-1] or '"text"' in lines[-1]


def test_a_conversation_is_whole(stage: Stage, later: bool, tmp_path: Path) -> None:
    _, *words = run_with(stage.model, provider="chatgpt")
    out = output_of("interactive", *words, folder=tmp_path, later=later, stdin=b"go\n")
    assert ANSWER.split() == [word for word in out.split() if word.isdecimal()][:2000]


def test_the_rows_of_a_batch_are_whole(stage: Stage, later: bool, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"prompt": "go"}\n')
    _, *words = run_with(stage.model, provider="chatgpt")
    journal = str(tmp_path / "journal.db")
    asked = ("batch", "run", str(rows), "--prompt", "{prompt}", "--journal", journal)
    done = run_program(*asked, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    exported = output_of("batch", "export", journal, folder=tmp_path, later=later)
    assert ANSWER.split()[-1] in exported
