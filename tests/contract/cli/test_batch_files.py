"""Files of rows that ``signedin batch run`` reads, or refuses by file and line; what it exports."""

import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import Client
from signedin.cli.loopback import run_arguments
from signedin.loopback import LoopbackModel, Text

LONG = "x" * 300_000


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel(Text.echo()) as model:
        yield model


def signedin(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "signedin", "batch", *words]
    return subprocess.run(command, check=False, cwd=folder, capture_output=True, text=True)


def ran(model: LoopbackModel, folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    words = run_arguments("chatgpt", model.client_options("chatgpt"))[2:]
    words += ["--prompt", "{t}", "--key", "id", "--journal", "run.db"]
    return signedin(folder, "run", name, *words)


READ = {
    "bom.csv": (b"\xef\xbb\xbfid,t\n1,a\n", ["a"]),
    "bom.jsonl": (b'\xef\xbb\xbf{"id": 1, "t": "a"}\n', ["a"]),
    "long.csv": (f'id,t\n1,"{LONG}"\n'.encode(), [LONG]),
    "long.jsonl": (json.dumps({"id": 1, "t": LONG}).encode(), [LONG]),
    "lines.csv": (b'id,t\r\n1,"a\r\nb"\r\n\r\n2,"say ""c"""\r\n', ["a\r\nb", 'say "c"']),
    "header.csv": (b"id,t\n", []),
    "empty.jsonl": (b"", []),
}


@pytest.mark.parametrize("name", READ)
def test_what_is_read(name: str, model: LoopbackModel, tmp_path: Path) -> None:
    content, prompts = READ[name]
    (tmp_path / name).write_bytes(content)
    ended = ran(model, tmp_path, name)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert sorted(request.prompt for request in model.requests) == prompts


REFUSED = {
    "quote.csv": (b'id,t\n1,a\n2,"b\n3,c\n', "quote.csv, line 3: a quote is not closed"),
    "inside.csv": (b'id,t\n1,"a\n2,"b"\n', "inside.csv, line 2: ',' expected after '\"'"),
    "twice.csv": (b"id,t,t\n1,a,b\n", "twice.csv, line 1: it names 't' twice"),
    "fields.csv": (
        b'id,t\n1,"a\nb"\n2\n',
        "fields.csv, line 4: it does not have as many fields as the first line has names",
    ),
    "bytes.csv": (b"id,t\n1,a\n2,\xff\n3,c\n", "bytes.csv, line 3: it is not UTF-8"),
    "nul.csv": (
        b"id,t\n1,a\0b\n",
        "nul.csv, line 2: it has a NUL; is it UTF-16, or no text?",
    ),
    "utf16.csv": ("id,t\n1,a\n".encode("utf-16"), "utf16.csv, line 1: it is not UTF-8"),
    "empty.csv": (b"", "empty.csv is empty: the first line has the names of the fields"),
    "bytes.jsonl": (b'{"id": 1, "t": "a"}\n{"id": 2, "t": "\xff"}\n', "bytes.jsonl, line 2: "),
    "nul.jsonl": (b'{"id": 1, "t": "a\0"}\n', "nul.jsonl, line 1: it is not a JSON object: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, model: LoopbackModel, tmp_path: Path) -> None:
    content, problem = REFUSED[name]
    (tmp_path / name).write_bytes(content)
    ended = ran(model, tmp_path, name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith(f"error: {problem}")
    assert model.requests == ()


def test_fields_that_only_later_rows_have_are_exported(
    model: LoopbackModel, tmp_path: Path
) -> None:
    rows = [{"id": 1, "t": "a"}, {"id": 2, "t": "b", "note": "later"}]
    with Client("chatgpt", **model.client_options("chatgpt")) as client:
        list(client.batch(rows, prompt="{t}", key="id", journal=tmp_path / "run.db").run())
    ended = signedin(tmp_path, "export", "run.db", "--format", "csv")
    written = list(csv.DictReader(ended.stdout.splitlines()))
    assert [row["row.note"] for row in written] == ["", "later"]
    ended = signedin(tmp_path, "export", "run.db", "--format", "csv", "--state", "failed")
    assert ended.stdout.startswith("row.id,row.t,row.note,key,")
    assert len(ended.stdout.splitlines()) == 1


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="mounts a folder")
@pytest.mark.parametrize("is_open", [False, True], ids=["closed", "open"])
def test_a_journal_that_cannot_be_written_is_read(
    is_open: bool, model: LoopbackModel, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "made").mkdir()
    with Client("chatgpt", **model.client_options("chatgpt")) as client:
        batch = client.batch(["a", "b"], journal=tmp_path / "made" / "run.db")
        outcomes = batch.run()
        next(outcomes)
        if not is_open:
            list(outcomes)
        for file in (tmp_path / "made").iterdir():  # what a dead process leaves, if it is open
            (place / file.name).write_bytes(file.read_bytes())
    subprocess.run(["mount", "--bind", place, place], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
        for words in (["status"], ["export"], ["page"]):
            more = [str(tmp_path / "page.html")] if words == ["page"] else []
            ended = signedin(place, *words, "run.db", *more)
            assert (ended.returncode, ended.stderr) == (0, "")
        rows = signedin(place, "export", "run.db").stdout.splitlines()
        assert "done" in {json.loads(row)["state"] for row in rows}
    finally:
        subprocess.run(["umount", place], check=True)
