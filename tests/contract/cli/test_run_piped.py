"""``signedin run`` in pipes, with the real Codex behind it."""

import json
import re
import shlex
import signal
import subprocess
from pathlib import Path

import msgspec
import pytest

from signedin import AnyEvent, MessageDeltaEvent, MessageEvent
from signedin.loopback import (
    Cut,
    Hang,
    Hold,
    HttpError,
    Reply,
    Rule,
    Script,
    Shell,
    Text,
    Usage,
    UsageLimit,
    WriteFile,
    shell,
)
from support.processes import Watch, processes_with
from support.program import (
    PROGRAM,
    SECONDS,
    Models,
    document,
    environment,
    home_of,
    run_program,
    run_with,
    started_program,
    stderr_of,
)

COMMENTARY = Text("Let me see.", phase="commentary")
ANSWER = Text("It **works**.\n\n- one\n- two", phase="final_answer")
TRANSPORTS = "codex-app-server, codex-exec"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "9c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)


def escalated(command: str) -> Shell:
    """A command that the agent may only run if somebody approves."""
    return Shell(command, {"sandbox_permissions": "require_escalated", "justification": "must"})


class TestPipe:
    """Standard output has data and nothing else."""

    def test_the_answer_alone(self, loopback_model: Models, tmp_path):
        model = loopback_model([[COMMENTARY, shell("true")], ANSWER])
        done = run_program(*run_with(model, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{ANSWER.text}\n", "")
        assert model.requests[0].prompt == "hi"

    def test_all_text_while_it_comes(self, loopback_model: Models, tmp_path):
        model = loopback_model(
            [[COMMENTARY, shell("true")], Text(["It ", Hold("middle"), "works."])]
        )
        arguments = run_with(model, "--stream", "hi")
        with started_program(*arguments, cwd=tmp_path) as process:
            assert process.stdout is not None
            first = process.stdout.read(len("Let me see.\n\nIt "))
            assert first == "Let me see.\n\nIt "
            model.release("middle")
            rest, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, rest, err) == (0, "works.\n", "")

    def test_one_json_object(self, loopback_model: Models, tmp_path):
        model = loopback_model(Reply(ANSWER, usage=Usage(100, 60, 0, 20, 8)))
        done = run_program(*run_with(model, "--json", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
        result = document("run", done.stdout)
        events = msgspec.json.decode(msgspec.json.encode(result.pop("events")), type=list[AnyEvent])
        assert [event.kind for event in events if event.kind != "other"] == [
            "session",
            "message",
            "usage",
            "done",
        ]
        assert result.pop("elapsed") > 0
        assert result.pop("turn_id")
        assert result.pop("session_id") == events[0].session_id
        assert result == {
            "provider": "codex",
            "transport": "codex-app-server",
            "model": "gpt-5.5",
            "cwd": str(tmp_path),
            "text": ANSWER.text,
            "output": None,
            "usage": {
                "input_tokens": 100,
                "cached_input_tokens": 60,
                "cache_write_tokens": 0,
                "output_tokens": 20,
                "reasoning_tokens": 8,
                "total_tokens": 120,
                "cost_usd": None,
            },
            "reason": "completed",
            "retries": 0,
            "fallbacks": [],
            "agents": [],
            "error": None,
        }

    def test_a_json_line_per_event(self, loopback_model: Models, tmp_path):
        model = loopback_model([[COMMENTARY, shell("echo hi")], ANSWER])
        done = run_program(*run_with(model, "--json", "--stream", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        for line in done.stdout.splitlines():
            document("run-line", line)
        *lines, last = done.stdout.splitlines()
        events = [msgspec.json.decode(line, type=AnyEvent) for line in lines]
        assert (events[0].kind, events[-1].kind) == ("session", "done")
        messages = [event for event in events if isinstance(event, MessageEvent)]
        assert [message.text for message in messages] == [COMMENTARY.text, ANSWER.text]
        for message in messages:
            deltas = [
                event.text
                for event in events
                if isinstance(event, MessageDeltaEvent) and event.item_id == message.item_id
            ]
            assert "".join(deltas) == message.text
        result = json.loads(last)
        assert (result["kind"], result["text"], result["error"]) == ("result", ANSWER.text, None)
        assert "events" not in result

    def test_the_reader_goes_away(self, loopback_model: Models, tmp_path):
        model = loopback_model(
            Text(["line\n", "line\n", Hold("first"), "more\n" * 10, Hold("end")])
        )
        arguments = run_with(model, "--stream", "hi")
        with started_program(*arguments, cwd=tmp_path) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert process.stdout.readline() == "line\n"
            watch = Watch(processes_with(home_of(model)))
            process.stdout.close()
            model.release("first")
            model.wait_for_disconnect()
            assert process.stderr.read() == ""
            assert process.wait(timeout=SECONDS) == 141
        watch.all_gone()

    def test_a_full_disk_is_an_error(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [PROGRAM, *run_with(model, "hi")],
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=tmp_path,
                env=environment(),
                timeout=SECONDS,
                check=False,
            )
        assert (done.returncode, done.stderr.decode()) == (
            1,
            stderr_of("[Errno 28] No space left on device"),
        )

    def test_text_is_utf_8_whatever_the_locale(self, loopback_model: Models, tmp_path):
        model = loopback_model("Grüße ✓")
        env = environment(LC_ALL="POSIX", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
        done = run_program(*run_with(model, "hi"), cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout, done.stderr) == (0, "Grüße ✓\n", "")


class TestPrompt:
    @pytest.mark.parametrize("prompt", ["--force", "-", "two\nlines", "x" * 300_000])
    def test_from_standard_input(self, loopback_model: Models, tmp_path, prompt):
        model = loopback_model("hello")
        done = run_program(*run_with(model, "-"), cwd=tmp_path, stdin=prompt.encode())
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
        assert model.requests[0].prompt == prompt

    def test_with_data_of_another_program(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        data = b"+line\n" * 50_000
        done = run_program(*run_with(model, "Review this"), cwd=tmp_path, stdin=data)
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
        assert model.requests[0].prompt == f"Review this\n\n{data.decode()}"

    def test_with_data_that_is_no_text(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        done = run_program(*run_with(model, "Review this"), cwd=tmp_path, stdin=b"\x89PNG\xff")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(stderr_of("standard input is not UTF-8 text"))
        assert model.requests == ()

    def test_with_closed_input(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        command = f"{shlex.join(map(str, [PROGRAM, *run_with(model, 'hi')]))} <&-"
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            cwd=tmp_path,
            env=environment(),
            timeout=SECONDS,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"hello\n", b"")
        assert model.requests[0].prompt == "hi"

    def test_with_a_dash_after_two_dashes(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        done = run_program(*run_with(model, "--", "--force"), cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "hello\n", "")
        assert model.requests[0].prompt == "--force"

    def test_nothing_on_standard_input(self, tmp_path):
        done = run_program("run", "-", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: standard input is empty; say what to ask")


class TestOptions:
    def test_they_reach_the_agent(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        folder = tmp_path / "folder"
        folder.mkdir()
        image = tmp_path / "dot.png"
        image.write_bytes(PNG)
        options = ["--cwd", folder, "--effort", "high", "--model", "gpt-5.6-sol", "--image", image]
        options += ["--instructions", "Answer in Latin.", "--json"]
        done = run_program(*run_with(model, *map(str, options), "hi"), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        result = json.loads(done.stdout)
        assert (result["cwd"], result["model"]) == (str(folder), "gpt-5.6-sol")
        (request,) = model.requests
        body = json.dumps(request.body)
        assert request.model == "gpt-5.6-sol"
        assert '"effort": "high"' in body
        assert '"input_image"' in body
        assert "Answer in Latin." in body

    def test_a_session_is_resumed(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        first = run_program(*run_with(model, "--json", "My name is Ada."), cwd=tmp_path)
        session_id = json.loads(first.stdout)["session_id"]
        arguments = run_with(model, "--json", "--resume", session_id, "Who am I?")
        second = run_program(*arguments, cwd=tmp_path)
        assert (second.returncode, second.stderr) == (0, "")
        assert json.loads(second.stdout)["session_id"] == session_id
        assert "My name is Ada." in json.dumps(model.requests[1].body)

    def test_the_other_transport(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        arguments = run_with(model, "--json", "--transport", "codex-exec", "hi")
        done = run_program(*arguments, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        result = json.loads(done.stdout)
        assert (result["transport"], result["text"]) == ("codex-exec", "hello")

    def test_permissions_are_the_least_unless_given(self, loopback_model: Models, tmp_path):
        write = [WriteFile("new.txt", "content\n"), "done"]
        run_program(*run_with(loopback_model(write), "hi"), cwd=tmp_path)
        assert not (tmp_path / "new.txt").exists()
        allowed = run_with(loopback_model(write), "--permissions", "workspace-write", "hi")
        done = run_program(*allowed, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")
        assert (tmp_path / "new.txt").read_text() == "content\n"

    def test_what_nobody_can_approve_is_denied_and_said(self, loopback_model: Models, tmp_path):
        model = loopback_model([escalated("true"), "I could not."])
        done = run_program(*run_with(model, "--json", "hi"), cwd=tmp_path)
        assert done.returncode == 0
        events = document("run", done.stdout)["events"]
        [reported] = [event["text"] for event in events if event["kind"] == "warning"]
        assert re.fullmatch(
            "denied command .*true.*: there is no terminal to approve it on; "
            "run it in a terminal to be asked, or give more --permissions",
            reported,
        )
        assert done.stderr == f"warning: {reported}\n"

    def test_structured_output_is_what_is_written(self, loopback_model: Models, tmp_path):
        schema = tmp_path / "schema.json"
        schema.write_text(
            '{"type": "object", "properties": {"related": {"type": "boolean"}}, '
            '"required": ["related"], "additionalProperties": false}'
        )
        model = loopback_model(
            Script(
                rules=[Rule(contains="could not be used", replies=['{"related":true}'])],
                default=["Yes, they are."],
            )
        )
        arguments = ["--output-schema", str(schema), "Are they?"]
        done = run_program(*run_with(model, *arguments), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, '{"related":true}\n')
        assert done.stderr.startswith("retry: the answer does not fit the requested output: ")
        assert '"json_schema"' in json.dumps(model.requests[0].body)

        done = run_program(*run_with(model, "--output-retries", "0", *arguments), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "Yes, they are.\n")
        assert done.stderr.startswith("error: the answer does not fit the requested output: ")

    def test_a_failure_that_passes_is_tried_again(self, loopback_model: Models, tmp_path):
        model = loopback_model(
            lambda request: HttpError(500) if request.number == 1 else Reply("It works.")
        )
        arguments = run_with(model, "--json", "--stream", "--retry", "1", "hi")
        done = run_program(*arguments, cwd=tmp_path)
        assert done.returncode == 0
        lines = [document("run-line", line) for line in done.stdout.splitlines()]
        reported = [line["kind"] for line in lines if line["kind"] in ("session", "retry", "done")]
        assert reported == ["session", "done", "retry", "session", "done"]
        assert (lines[-1]["text"], lines[-1]["retries"]) == ("It works.", 1)
        assert re.fullmatch("retry: .+\n", done.stderr)

    @pytest.mark.parametrize(
        ("option", "error"),
        [
            (["--cwd", "/nowhere"], "cwd '/nowhere' does not exist (resolved to /nowhere)"),
            (["--timeout", "0"], "timeout must be a positive number of seconds, not 0.0"),
            (["--image", "/nowhere.png"], "image '/nowhere.png' does not exist"),
            (
                ["--transport", "pigeon"],
                f"codex does not support 'transport=pigeon': choose one of {TRANSPORTS}",
            ),
        ],
    )
    def test_what_cannot_be_honoured_is_refused(
        self, loopback_model: Models, tmp_path, option, error
    ):
        model = loopback_model("hello")
        done = run_program(*run_with(model, *option, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (2, "", stderr_of(error))
        assert model.requests == ()

    def test_a_session_nobody_knows_is_refused(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        unknown = "01999999-0000-7000-8000-000000000000"
        done = run_program(*run_with(model, "--resume", unknown, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("error: codex refused: ")
        assert done.stderr.endswith("\nsee: signedin sessions list --provider codex\n")
        assert unknown in done.stderr


class TestFailure:
    def test_a_failed_turn(self, loopback_model: Models, tmp_path):
        model = loopback_model([UsageLimit(plan="plus")])
        done = run_program(*run_with(model, "--json", "hi"), cwd=tmp_path)
        assert done.returncode == 4
        result = document("run", done.stdout)
        assert (result["reason"], result["text"]) == ("failed", "")
        assert result["error"]["kind"] == "usage_limit"
        assert done.stderr == stderr_of(result["error"]["message"])
        assert "usage limit" in done.stderr

    def test_a_budget_that_is_used_up(self, loopback_model: Models, tmp_path):
        model = loopback_model([Shell("true"), Shell("true"), Shell("true"), "Done."])
        budget = ("--budget-tokens", "18", "--budget-tool-calls", "50")
        done = run_program(*run_with(model, "--json", *budget, "hi"), cwd=tmp_path)
        assert done.returncode == 5
        result = document("run", done.stdout)
        message = "the turn's budget of 18 tokens is used up: 30 tokens"
        assert (result["reason"], result["error"]) == (
            "budget",
            {"kind": "budget", "message": message, "class": "BudgetExceededError"},
        )
        assert done.stderr == stderr_of(message)
        assert len(model.requests) in {2, 3}

    def test_a_budget_that_cannot_be_one(self, loopback_model: Models, tmp_path):
        model = loopback_model("hello")
        option = ("--transport", "codex-exec", "--budget-model-calls", "5")
        done = run_program(*run_with(model, *option, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == stderr_of(
            "codex does not support 'budget=model_calls': it is not reported through this transport"
        )
        done = run_program(*run_with(model, "--budget-usd", "-1", "hi"), cwd=tmp_path)
        error = "budget: usd must be a positive number, not -1.0"
        assert (done.returncode, done.stderr) == (2, stderr_of(error))
        assert model.requests == ()

    @pytest.mark.parametrize("how", [[], ["--stream"]])
    def test_what_had_come_is_written(self, loopback_model: Models, tmp_path, how):
        model = loopback_model(Reply("Half an answer", ending=Cut()))
        done = run_program(*run_with(model, *how, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "Half an answer\n")
        assert done.stderr.startswith("error: ")

    def test_out_of_time(self, loopback_model: Models, tmp_path):
        model = loopback_model(Reply("Half an answer", ending=Hang()))
        done = run_program(*run_with(model, "--timeout", "0.01", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (124, "")
        assert done.stderr == stderr_of("the turn took longer than 0.01 s (timeout)")

    @pytest.mark.parametrize("command", [["run", "hi"], ["demo"]])
    def test_a_missing_agent(self, tmp_path, command):
        env = environment(SIGNEDIN_CODEX_BINARY="/nowhere/codex")
        done = run_program(*command, cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == stderr_of(
            "codex is not installed: SIGNEDIN_CODEX_BINARY=/nowhere/codex does not exist. "
            'Install it with: pip install "signedin[codex]"'
        )

    def test_termination(self, loopback_model: Models, tmp_path):
        model = loopback_model(Text(["Half ", Hold("the rest")]))
        arguments = run_with(model, "--json", "--stream", "hi")
        with started_program(*arguments, cwd=tmp_path) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            while json.loads(process.stdout.readline())["text"] != "Half ":
                pass
            watch = Watch(processes_with(home_of(model)))
            process.send_signal(signal.SIGTERM)
            lines = [json.loads(line) for line in process.stdout]
            err = process.stderr.read()
        assert process.returncode == 143
        *_, message, done, result = [line for line in lines if line["kind"] != "other"]
        assert (message["kind"], message["text"]) == ("message", "Half ")
        assert not message["complete"]
        assert (done["kind"], done["reason"]) == ("done", "interrupted")
        assert (result["kind"], result["text"]) == ("result", "Half ")
        assert result["error"]["kind"] == "interrupted"
        assert err == (
            "error: interrupted\ncontinue with: signedin run --provider codex "
            f"--resume {result['session_id']} PROMPT\n"
        )
        model.wait_for_disconnect()
        watch.all_gone()
