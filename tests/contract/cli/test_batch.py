"""``signedin batch`` with ChatGPT over HTTP and a scripted model."""

import csv
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path

import jsonschema
import pytest

from signedin.cli.loopback import run_arguments
from signedin.cli.schema import schema_of
from signedin.loopback import (
    Hold,
    HttpError,
    LoopbackModel,
    ModelRequest,
    Reply,
    Script,
    Text,
    WriteFile,
)
from support.program import environment
from support.terminal import Terminal


def choose(request: ModelRequest) -> Reply | HttpError:
    if "word 3" in request.prompt:
        return HttpError(400, "no such word")
    return Reply([Hold("answers"), Text(f"<b>{request.prompt}</b>")], wait=0.2)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel(choose) as model:
        model.release("answers")
        yield model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = "".join(f"{n},word {n}\n" for n in range(6))
    (tmp_path / "rows.csv").write_text(f"id,text\n{lines}")
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n\n{"id": 2}\n[]\n')
    return tmp_path


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "signedin", "batch", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    process = start(folder, *arguments)
    out, err = process.communicate()
    return process.returncode, out, err


def asking(model: LoopbackModel, rows: str, *more: str) -> list[str]:
    options = model.client_options("chatgpt")
    given = [f"{name}={json.dumps(value)}" for name, value in options["provider_options"].items()]
    flags = [flag for each in given for flag in ("--provider-option", each)]
    flags += ["--provider", "chatgpt", "--model", str(options["model"])]
    question = ["--prompt", "Spell {text}", "--key", "id", "--journal", "run.db"]
    return ["run", rows, *question, "--concurrency", "2", *flags, *more]


def test_a_batch_from_its_first_run_to_its_page(model: LoopbackModel, folder: Path) -> None:
    code, out, err = run(folder, *asking(model, "rows.csv", "--json"))
    assert (code, err) == (1, "")
    *lines, status = [json.loads(line) for line in out.splitlines()]
    for line in (*lines, status):
        jsonschema.validate(line, schema_of("batch-line"))
    texts = {line["key"]: line["text"] for line in lines if line["state"] == "done"}
    assert texts == {str(n): f"<b>Spell word {n}</b>" for n in (0, 1, 2, 4, 5)}
    assert (status["done"], status["failed"], status["total"]) == (5, 1, 6)

    code, out, err = run(folder, "export", "run.db", "--format", "csv")
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, err, len(rows)) == (0, "", 6)
    assert (rows[3]["row.text"], rows[3]["state"], rows[3]["text"]) == ("word 3", "failed", "")
    code, out, err = run(folder, "export", "run.db", "--state", "failed")
    jsonschema.validate(json.loads(out), schema_of("batch-row"))

    code, out, err = run(folder, "page", "run.db", "page.html", "--transcripts", "all")
    assert (code, out, err) == (0, "", "")
    page = (folder / "page.html").read_text()
    assert "&lt;b&gt;Spell word 5&lt;/b&gt;" in page
    assert '<a href="all/6.html">5</a>' in page
    assert "text: word 5" in page
    assert "Spell word 5" in (folder / "all" / "6.html").read_text()

    assert run(folder, "retry", "run.db", "--json") == (0, '{"retried":1}\n', "")
    code, out, err = run(folder, "status", "run.db")
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["done", "5"]
    assert out.splitlines()[5].split() == ["pending", "1"]


def test_a_budget_ends_it_in_order(model: LoopbackModel, folder: Path) -> None:
    code, out, err = run(folder, *asking(model, "rows.csv", "--budget-model-calls", "1"))
    assert (code, out) == (5, "")
    assert "the batch's budget of 1 model calls is used up: " in err
    code, out, err = run(folder, *asking(model, "rows.csv", "--on-limit", "next"))
    assert (code, out) == (2, "")
    assert err.startswith("error: on_limit='next' needs several providers")
    code, out, err = run(folder, "status", "run.db")
    states = dict(line.split() for line in out.splitlines()[:6])
    assert int(states["done"]) + int(states["pending"]) == 6
    assert (states["failed"], states["waiting"]) == ("0", "0")


def test_interrupting_lets_running_rows_end(model: LoopbackModel, folder: Path) -> None:
    process = start(folder, *asking(model, "rows.csv", "--json"))
    model.wait_for_request(1, timeout=60)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130
    assert err == "ends with the rows that are running; Ctrl-C again stops them\n"
    *lines, status = [json.loads(line) for line in out.splitlines()]
    assert [line["state"] for line in lines] == ["done"] * len(lines)
    assert status["done"] == len(lines) == len(model.requests)
    assert (status["running"], status["interrupted"]) == (0, 0)


def test_rows_of_a_pipe_are_run_as_they_come(model: LoopbackModel, folder: Path) -> None:
    words = [sys.executable, "-m", "signedin", "batch", *asking(model, "-", "--json")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(words, cwd=folder, text=True, **pipes) as process:
        for number in range(2):
            process.stdin.write(f'{{"id": {number}, "text": "word {number}"}}\n')
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == f"<b>Spell word {number}</b>"
        process.send_signal(signal.SIGINT)  # the pipe stays open
        assert process.wait() == 130
        assert process.stderr.read().splitlines() == [
            "ends with the rows that are running; Ctrl-C again stops them"
        ]
        status = json.loads(process.stdout.read())
    assert (status["done"], status["pending"], status["total"]) == (2, 0, None)


def test_interrupting_twice_stops_running_rows(model: LoopbackModel, folder: Path) -> None:
    model.hold("answers")
    process = start(folder, *asking(model, "rows.csv", "--json"))
    model.wait_for_request(2, timeout=60)
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("ends with the rows that are running; ")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, err) == (130, "")
    [status] = [json.loads(line) for line in out.splitlines()]
    assert (status["done"], status["running"], status["interrupted"]) == (0, 0, 2)
    model.release("answers")
    code, out, err = run(folder, *asking(model, "rows.csv"))
    assert (code, err) == (1, "")
    assert [line.split() for line in out.splitlines()[:2]] == [["done", "5"], ["failed", "1"]]


def test_its_progress_is_drawn_on_a_terminal(model: LoopbackModel, folder: Path) -> None:
    model.hold("answers")
    words = [sys.executable, "-m", "signedin", "batch", *asking(model, "rows.csv")]
    with Terminal(words, env=environment(), cwd=folder) as terminal:
        terminal.wait_for("0 of 6 done · 2 running · 0 tokens")
        model.release("answers")
        assert terminal.wait() == 1
        # What was drawn has made room for the sums.
        assert [line.split() for line in terminal.lines[:2]] == [["done", "5"], ["failed", "1"]]


def test_a_transient_failure_is_retried_as_often_as_asked(folder: Path) -> None:
    answers = chain([HttpError(500, "broken")] * 2, repeat(Reply("Good.")))
    with LoopbackModel(lambda _: next(answers)) as model:
        code, out, _ = run(folder, *asking(model, "rows.csv", "--retry", "2"))
        assert (code, out.splitlines()[0].split(), len(model.requests)) == (0, ["done", "6"], 8)


def test_rules_are_those_of_the_journal(folder: Path) -> None:
    rules = folder / "policy.toml"
    rules.write_text('[[rules]]\nanswer = "allow"\nwrite = ["*.txt"]\n')
    with LoopbackModel(Script([WriteFile("made.txt", "made\n"), "Done."])) as model:
        words = run_arguments("codex", model.client_options("codex"))[2:]
        words += ["--prompt", "Make {text}", "--journal", "run.db", "--policy", "policy.toml"]
        assert run(folder, "run", "rows.csv", *words)[0] == 0
        assert (folder / "made.txt").read_text() == "made\n"
        rules.write_text('[[rules]]\nanswer = "allow"\nwrite = ["*"]\n')
        code, out, err = run(folder, "run", "rows.csv", *words)
    assert (code, out) == (2, "")
    assert err == (
        f"error: the journal {folder / 'run.db'} was made for other options: policy has changed. "
        "Use another journal for these\n"
    )


def test_lines_that_are_no_rows(model: LoopbackModel, folder: Path) -> None:
    assert run(folder, *asking(model, "rows.jsonl")) == (
        2,
        "",
        "error: row 2 lacks the field 'text' of the prompt; it has: id\n",
    )
    (folder / "rows.jsonl").write_text('{"id": 1, "text": "a"}\n\n[]\n')
    code, out, err = run(folder, *asking(model, "rows.jsonl"))
    assert (code, out) == (2, "")
    assert err.startswith("error: rows.jsonl, line 3: it is not a JSON object: ")
    (folder / "rows.csv").write_text("id,text\n1\n")
    code, out, err = run(folder, *asking(model, "rows.csv"))
    assert (code, out) == (2, "")
    assert err.startswith("error: rows.csv, line 2: it does not have as many fields as the first")
    assert model.requests == ()
