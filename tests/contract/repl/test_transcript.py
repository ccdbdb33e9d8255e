"""``signedin transcript`` and ``signedin run --transcript``, with the real Codex behind them."""

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel, Reasoning, Reply, Text, UsageLimit, WriteFile, shell
from support.program import document, environment, run_program, run_with

Models = Callable[..., LoopbackModel]

WORK = [
    Reply([Reasoning("I look first."), shell("echo seen; exit 3")]),
    WriteFile("new.txt", "one\ntwo\n"),
    Text("It **works**."),
]
ACTIONS = ("--permissions", "full-access")


def text_of(page: str) -> str:
    """What a page says, without its elements."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_a_run_leaves_its_page(loopback_model: Models, tmp_path: Path):
    model = loopback_model(WORK)
    page = tmp_path / "page.html"
    done = run_program(*run_with(model, *ACTIONS, "--transcript", str(page), "Do it"), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "It **works**.\n", "")
    text = text_of(page.read_text())
    shown = [
        "Do it",
        "I look first.",
        "echo seen; exit 3 exit 3",
        "seen",
        "new.txt added +2",
        "+one",
        "+two",
        "It works .",
        "completed",
    ]
    assert [part for part in shown if part not in text] == []
    assert [text.index(part) for part in shown] == sorted(map(text.index, shown))


def test_a_run_that_fails_leaves_its_page_too(loopback_model: Models, tmp_path: Path):
    model = loopback_model(UsageLimit())
    page = tmp_path / "page.html"
    done = run_program(*run_with(model, "--transcript", str(page), "Do it"), cwd=tmp_path)
    assert done.returncode not in {0, 2}
    message = done.stderr.removeprefix("error: ").strip()
    assert message in text_of(page.read_text())


def test_a_page_that_cannot_be_written_is_refused_before_the_run(
    loopback_model: Models, tmp_path: Path
):
    model = loopback_model(WORK)
    page = tmp_path / "none" / "page.html"
    done = run_program(*run_with(model, "--transcript", str(page), "Do it"), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        f"error: there is no folder {page.parent} to write page.html to\n",
    )
    assert model.requests == ()


def test_what_run_wrote_as_json(loopback_model: Models, tmp_path: Path):
    model = loopback_model(WORK)
    done = run_program(*run_with(model, *ACTIONS, "--json", "--stream", "Do it"), cwd=tmp_path)
    (tmp_path / "run.jsonl").write_text(done.stdout)
    from_stdin = run_program("transcript", "-", cwd=tmp_path, stdin=done.stdout.encode())
    from_file = run_program("transcript", "run.jsonl", "-o", "page.html", cwd=tmp_path)
    assert (from_stdin.returncode, from_stdin.stderr) == (0, "")
    assert (from_file.returncode, from_file.stdout, from_file.stderr) == (0, "", "")
    assert (tmp_path / "page.html").read_text() == from_stdin.stdout
    text = text_of(from_stdin.stdout)
    session = json.loads(done.stdout.splitlines()[-1])["session_id"]
    assert text.startswith("A session with codex codex gpt-5.5 A session with codex Started ")
    for part in ["echo seen; exit 3 exit 3", "It works .", f"Session {session}"]:
        assert part in text


@pytest.mark.parametrize("name", ["id", "latest"])
def test_a_stored_session(loopback_model: Models, tmp_path: Path, name: str):
    model = loopback_model(WORK)
    done = run_program(*run_with(model, *ACTIONS, "--json", "Do it"), cwd=tmp_path)
    session = json.loads(done.stdout)["session_id"]
    env = environment(CODEX_HOME=str(model.client_options("codex")["env"]["CODEX_HOME"]))
    asked_for = session if name == "id" else name
    page = run_program("transcript", asked_for, cwd=tmp_path, env=env)
    assert (page.returncode, page.stderr) == (0, "")
    text = text_of(page.stdout)
    assert text.startswith("Do it codex gpt-")
    for part in ["It works .", f"Folder {tmp_path.resolve()} Session {session}"]:
        assert part in text
    found = run_program("transcript", asked_for, "--json", cwd=tmp_path, env=env)
    conversation = document("transcript", found.stdout)
    [exchange] = conversation["exchanges"]
    assert (conversation["session_id"], exchange["prompt"]) == (session, "Do it")
    assert [event["text"] for event in exchange["events"] if event["kind"] == "message"] == [
        "It **works**."
    ]


def test_a_stored_session_has_the_tokens_of_the_ledger(tmp_path: Path):
    (tmp_path / "script.json").write_text('{"default": ["Yes."]}')
    twice = (
        "signedin run Really? && signedin run --resume latest Yes? && signedin transcript latest"
    )
    done = run_program("loopback", "script.json", "--", "bash", "-c", twice, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Turns 2 Tokens 20 in, 10 out " in text_of(done.stdout)


def test_a_page_cannot_be_json(tmp_path: Path):
    done = run_program("transcript", "latest", "--json", "-o", "page.html", cwd=tmp_path)
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        "error: --json goes to standard output; it cannot be combined with --output",
    )
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("argument", "stdin", "message"),
    [
        ("none.jsonl", b"", "none.jsonl does not exist"),
        ("-", b"no\n", "standard input: line 1 is not output of `signedin run --json`: "),
        ("-", b"\xff", "standard input is not UTF-8 text"),
    ],
)
def test_what_is_no_run(tmp_path: Path, argument: str, stdin: bytes, message: str):
    done = run_program("transcript", argument, cwd=tmp_path, stdin=stdin)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {message}")
