"""What is in the ledger: turns that somebody pays for, and nothing else."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from signedin import AuthRequiredError, Client
from signedin.ledger.report import read_report
from signedin.loopback import LoopbackModel, UsageLimit
from support.program import document, run_program, run_with

Options = Mapping[str, Any]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("SIGNEDIN_LEDGER", raising=False)
    return tmp_path


@pytest.fixture
def model(loopback_model: Callable[..., LoopbackModel]) -> LoopbackModel:
    return loopback_model("Hello.")


def signedin(*words: str) -> str:
    done = run_program(*words, cwd=Path.cwd())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def ask(options: Options, **more: object) -> None:
    with Client("chatgpt", **{**options, **more}) as client:
        client.run("Hi", ephemeral=True)


def in_one_of_several(options: Options) -> None:
    with LoopbackModel([UsageLimit(resets_in=3600)]) as empty:
        members = [("codex", empty.client_options("codex")), ("claude", options)]
        with Client(members, on_limit="next") as client:
            assert client.run("Hi").provider == "claude"


def replayed(options: Options) -> None:
    file = os.environ["SIGNEDIN_HOME"] + "-of-cassettes.jsonl"
    ask(options, cassette=file)
    for mode in ("once", "none"):
        ask(options, ledger=True, cassette=file, cassette_mode=mode)


def signed_out(options: Options) -> None:
    del options
    for provider in ("codex", "chatgpt"):
        with (
            Client(provider, auth_source="isolated") as client,
            pytest.raises(AuthRequiredError),
        ):
            client.run("Hi")


NOTHING: Mapping[str, Callable[[Options], object]] = {
    "a scripted model": ask,
    "one of several providers": in_one_of_several,
    "cassettes": replayed,
    "the demo": lambda _: signedin("demo"),
    "the doctor": lambda _: signedin("doctor", "--provider", "codex", "--provider", "chatgpt"),
    "not signed in": signed_out,
}


@pytest.mark.parametrize("what", NOTHING)
def test_what_costs_nothing_is_not_counted(what: str, model: LoopbackModel) -> None:
    NOTHING[what](model.client_options("claude" if "several" in what else "chatgpt"))
    assert read_report(()).total.turns == 0


def test_a_command_for_a_scripted_model_counts_nothing(model: LoopbackModel) -> None:
    asking = run_with(model, "--record", "one.jsonl", "Hi")
    assert (signedin(*asking), signedin("replay", "one.jsonl")) == ("Hello.\n", "Hello.\n")
    total = json.loads(signedin("usage", "--json"))["total"]
    assert total["turns"] == 0


def test_the_ledger_can_be_turned_on(model: LoopbackModel) -> None:
    ask(model.client_options("chatgpt"), ledger=True)
    written = document("usage", signedin("usage", "--json"))
    assert (written["total"]["turns"], written["total"]["input_tokens"]) == (1, 10)
