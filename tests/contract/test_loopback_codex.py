"""The loopback model is good enough for the real Codex, driven by nothing but a subprocess."""

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from codex_cli_bin import bundled_codex_path

from signedin.loopback import (
    Cut,
    Failed,
    HttpError,
    Incomplete,
    LoopbackModel,
    Reasoning,
    Reply,
    Text,
    Usage,
    UsageLimit,
    WriteFile,
    apply_patch,
    shell,
)


@dataclass
class Run:
    """What `codex exec --json` wrote, with ids and the parts of thread and turn left out."""

    code: int
    events: list[dict]

    @property
    def items(self) -> list[dict]:
        """The completed items without their ids."""
        items = [event["item"] for event in self.events if event["type"] == "item.completed"]
        return [{name: value for name, value in item.items() if name != "id"} for item in items]


@pytest.fixture
def codex(tmp_path: Path) -> Callable[..., Run]:
    """Runs a prompt in an empty folder, without the sandbox, which not every machine allows."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def run(model: LoopbackModel, prompt: str = "hi") -> Run:
        options = model.client_options("codex")
        command = [str(bundled_codex_path()), "exec", "--json", "--skip-git-repo-check"]
        command += ["--sandbox", "danger-full-access"]
        for key, value in options["provider_options"]["config"].items():
            command += ["-c", f"{key}={toml(value)}"]
        done = subprocess.run(
            [*command, prompt],
            cwd=folder,
            env=os.environ | options["env"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=50,
            check=False,
        )
        started, turn, *events = [json.loads(line) for line in done.stdout.splitlines()]
        assert (started["type"], turn) == ("thread.started", {"type": "turn.started"})
        return Run(done.returncode, events)

    return run


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}={toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def message(text: str) -> dict:
    return {"type": "agent_message", "text": text}


def test_a_text_and_its_usage(loopback_model, codex):
    usage = Usage(100, 40, 5, 20, 10)
    model = loopback_model(Reply(Text.echo("You said: {prompt}"), usage=usage))
    run = codex(model, "Hello <b>there</b>")
    assert run.code == 0
    assert run.events == [
        {
            "type": "item.completed",
            "item": {"id": "item_0"} | message("You said: Hello <b>there</b>"),
        },
        {
            "type": "turn.completed",
            "usage": {
                "input_tokens": 100,
                "cached_input_tokens": 40,
                "cache_write_input_tokens": 5,
                "output_tokens": 20,
                "reasoning_output_tokens": 10,
            },
        },
    ]
    [request] = model.requests
    assert (request.path, request.prompt, request.model) == (
        "/v1/responses",
        "Hello <b>there</b>",
        "gpt-5.5",
    )
    assert {"exec_command", "apply_patch"} <= set(request.tools)


def test_a_whole_piece_of_work(loopback_model, codex, tmp_path):
    """Run a failing test, mend the code, run the test again, report: all as one script."""
    python = Path(sys.executable).as_posix()
    check = f'"{python}" -c "import total; assert total.total([1, 2]) == 3"'
    (tmp_path / "folder" / "total.py").write_text("def total(n):\n    return sum(n) + 1\n")
    script = tmp_path / "script.yaml"
    script.write_text(
        textwrap.dedent(f"""
        - - {{type: reasoning, summary: [First the test., Then the code.]}}
          - {{type: text, text: I run the test., phase: commentary}}
          - {{type: shell, command: {json.dumps(check)}}}
        - - {{type: text, text: One too many., phase: commentary}}
          - type: edit_file
            path: total.py
            old: "    return sum(n) + 1\\n"
            new: "    return sum(n)\\n"
        - {{type: shell, command: {json.dumps(check)}}}
        - {{type: text, text: Fixed., phase: final_answer}}
        """)
    )
    with LoopbackModel.from_file(script) as model:
        run = codex(model, "Fix the test")
        model.assert_all_used()
    assert run.code == 0
    commands = [item for item in run.items if item["type"] == "command_execution"]
    changes = [item for item in run.items if item["type"] == "file_change"]
    assert [item["type"] for item in run.items] == [
        "reasoning",
        "agent_message",
        "command_execution",
        "agent_message",
        "file_change",
        "command_execution",
        "agent_message",
    ]
    assert run.items[0]["text"] == "First the test.\nThen the code."
    assert [item["exit_code"] for item in commands] == [1, 0]
    assert "AssertionError" in commands[0]["aggregated_output"]
    assert [change["kind"] for item in changes for change in item["changes"]] == ["update"]
    assert (tmp_path / "folder" / "total.py").read_text() == "def total(n):\n    return sum(n)\n"
    phases = [item["phase"] for item in model.requests[-1].body["input"] if "phase" in item]
    assert phases == ["commentary", "commentary"]


def test_parallel_calls_and_the_two_ways_to_change_files(loopback_model, codex, tmp_path):
    patch = "*** Begin Patch\n*** Add File: b.txt\n+patched\n*** End Patch\n"
    model = loopback_model(
        [
            [Reasoning("Two at once."), shell("echo one"), shell("echo two")],
            [WriteFile("a.txt", "written\n"), apply_patch(patch)],
            Text("{tool_output}", template=True),
        ]
    )
    run = codex(model)
    assert run.code == 0
    outputs = [item["aggregated_output"] for item in run.items if "aggregated_output" in item]
    assert sorted(outputs) == ["one\n", "two\n"]
    assert (tmp_path / "folder" / "a.txt").read_text() == "written\n"
    assert (tmp_path / "folder" / "b.txt").read_text() == "patched\n"
    assert run.items[-1]["text"].endswith("Success. Updated the following files:\nA b.txt\n")
    assert [len(request.tool_outputs) for request in model.requests] == [0, 2, 4]


UNEXPECTED = "unexpected status {status}: why, url: {url}/v1/responses"
OPENAI_ERROR = (
    '{{"error": {{"message": "why", "type": "{code}", "code": "{code}", "param": null}}}}'
)
CUT = "stream disconnected before completion: Transport error: network error: error decoding "


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (HttpError(400, "why"), OPENAI_ERROR.format(code="invalid_request_error")),
        (HttpError(401, "why"), UNEXPECTED.replace("{status}", "401 Unauthorized")),
        (HttpError(403, "why"), UNEXPECTED.replace("{status}", "403 Forbidden")),
        (HttpError(404, "why"), UNEXPECTED.replace("{status}", "404 Not Found")),
        (HttpError(429, "why"), "exceeded retry limit, last status: 429 Too Many Requests"),
        (HttpError(500, "why"), "We’re currently experiencing high demand, which may cause"),  # noqa: RUF001 (Codex writes it so)
        (HttpError(503, "why"), "Selected model is at capacity. Please try a different model."),
        (UsageLimit(resets_in=7200), "You’ve hit your usage limit. "),  # noqa: RUF001 (Codex writes it so)
        (Failed("context_length_exceeded"), "Codex ran out of room in the model's context window."),
        (Failed("rate_limit_exceeded", "why"), "rate limit exceeded: why"),
        (Incomplete(), "Incomplete response returned, reason: max_output_tokens"),
        (Cut(), CUT),
        (Reply("one two three", ending=Cut(after=2)), CUT),
    ],
    ids=repr,
)
def test_failures_are_those_that_codex_knows(loopback_model, codex, failure, message):
    model = loopback_model(failure)
    run = codex(model)
    assert run.code == 1
    error, failed = run.events
    assert error["type"] == "error"
    assert error["message"].startswith(message.replace("{url}", model.url))
    assert failed == {"type": "turn.failed", "error": {"message": error["message"]}}
    assert len(model.requests) == 1


def test_a_request_without_a_reply_is_told_to_the_user(loopback_model, codex):
    run = codex(loopback_model([shell("echo 1")]))
    assert run.code == 1
    assert (
        "the script has no reply to the prompt 'hi' with 1 tool outputs"
        in run.events[-1]["error"]["message"]
    )


def test_thousands_of_deltas_are_one_message(loopback_model, codex):
    text = Text.deltas(20_000)
    run = codex(loopback_model(text))
    assert run.items == [message("".join(text.text))]
