"""The program from a shell's side, with the real Codex behind it."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from signedin import AnyEvent, MessageDeltaEvent, MessageEvent
from signedin.loopback import (
    Cut,
    Hang,
    Hold,
    LoopbackModel,
    Reasoning,
    Reply,
    Text,
    Usage,
    UsageLimit,
    WriteFile,
    shell,
)
from support.processes import Watch, processes_with
from support.program import PROGRAM, SECONDS, environment, run_program, run_with
from support.terminal import Terminal

COMMENTARY = Text("Let me see.", phase="commentary")
ANSWER = Text("It **works**.\n\n- one\n- two", phase="final_answer")
TRANSPORTS = "codex-app-server, codex-exec"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "9c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)

Models = Callable[..., LoopbackModel]


def masked(text: str) -> str:
    """Text without what differs from run to run: ids, times, and the folder of the test."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)
    return re.sub(r"(in|after) \d+\.\d s", r"\1 0.0 s", text)


def home_of(model: LoopbackModel) -> str:
    """The agent's home, which marks its processes."""
    return str(model.client_options("codex")["env"]["CODEX_HOME"])


def stderr_of(error: str) -> str:
    return f"error: {error}\n"


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
        with subprocess.Popen(
            [PROGRAM, *run_with(model, "--stream", "hi")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(),
        ) as process:
            assert process.stdout is not None
            first = b""
            while not first.endswith(b"It "):
                piece = process.stdout.read1(100)
                assert piece, "the program ended early"
                first += piece
            assert first == b"Let me see.\n\nIt "
            model.release("middle")
            rest, err = process.communicate(timeout=SECONDS)
        assert (process.returncode, rest, err) == (0, b"works.\n", b"")

    def test_one_json_object(self, loopback_model: Models, tmp_path):
        model = loopback_model(Reply(ANSWER, usage=Usage(100, 60, 0, 20, 8)))
        done = run_program(*run_with(model, "--json", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stderr, done.stdout.count("\n")) == (0, "", 1)
        result = json.loads(done.stdout)
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
            "error": None,
        }

    def test_a_json_line_per_event(self, loopback_model: Models, tmp_path):
        model = loopback_model([[COMMENTARY, shell("echo hi")], ANSWER])
        done = run_program(*run_with(model, "--json", "--stream", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        *lines, last = done.stdout.splitlines()
        events = [msgspec.json.decode(line, type=AnyEvent) for line in lines]
        assert (events[0].kind, events[-1].kind) == ("session", "done")
        wholes = [event for event in events if isinstance(event, MessageEvent)]
        assert [whole.text for whole in wholes] == [COMMENTARY.text, ANSWER.text]
        for whole in wholes:
            deltas = [
                event.text
                for event in events
                if isinstance(event, MessageDeltaEvent) and event.item_id == whole.item_id
            ]
            assert "".join(deltas) == whole.text
        result = json.loads(last)
        assert (result["kind"], result["text"], result["error"]) == ("result", ANSWER.text, None)
        assert "events" not in result

    def test_the_reader_goes_away(self, loopback_model: Models, tmp_path):
        model = loopback_model(
            Text(["line\n", "line\n", Hold("first"), "more\n" * 10, Hold("end")])
        )
        process = subprocess.Popen(
            [PROGRAM, *run_with(model, "--stream", "hi")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=environment(),
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"line\n"
        watch = Watch(processes_with(home_of(model)))
        process.stdout.close()
        model.release("first")
        model.wait_for_disconnect()
        assert process.wait(timeout=SECONDS) == 141
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
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
        assert unknown in done.stderr


class TestFailure:
    def test_a_failed_turn(self, loopback_model: Models, tmp_path):
        model = loopback_model([UsageLimit(plan="plus")])
        done = run_program(*run_with(model, "--json", "hi"), cwd=tmp_path)
        assert done.returncode == 1
        result = json.loads(done.stdout)
        assert (result["reason"], result["text"]) == ("failed", "")
        assert result["error"]["kind"] == "usage_limit"
        assert done.stderr == stderr_of(result["error"]["message"])
        assert "usage limit" in done.stderr

    @pytest.mark.parametrize("how", [[], ["--stream"]])
    def test_what_had_come_is_written(self, loopback_model: Models, tmp_path, how):
        model = loopback_model(Reply("Half an answer", ending=Cut()))
        done = run_program(*run_with(model, *how, "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (1, "Half an answer\n")
        assert done.stderr.startswith("error: ")

    def test_out_of_time(self, loopback_model: Models, tmp_path):
        model = loopback_model(Reply("Half an answer", ending=Hang()))
        done = run_program(*run_with(model, "--idle-timeout", "1", "hi"), cwd=tmp_path)
        assert (done.returncode, done.stdout) == (124, "Half an answer\n")
        assert done.stderr == stderr_of("nothing happened for 1 s (idle_timeout)")

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
        with subprocess.Popen(
            [PROGRAM, *run_with(model, "--json", "--stream", "hi")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(),
        ) as process:
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


class TestTerminal:
    def test_work_is_shown_as_it_happens(self, loopback_model: Models, tmp_path):
        model = loopback_model(
            [
                [
                    Reasoning("**Looking**"),
                    Text(["I **look", Hold("say"), "** around."], phase="commentary"),
                    shell("echo hello; false"),
                ],
                WriteFile("new.py", "x = 1\n"),
                Reply(ANSWER, usage=Usage(1000, 500, 0, 20, 0)),
            ]
        )
        arguments = run_with(model, "--permissions", "workspace-write", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            terminal.wait_for("I **look")
            *_, message, activity = terminal.screen.lines
            assert message == "I **look"
            assert re.fullmatch(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] Writing", activity)
            model.release("say")
            assert terminal.wait() == 0
            screen = masked("\n".join(terminal.screen.lines))
        assert screen == (
            "Looking\n"
            "\n"
            "I look around.\n"
            "\n"
            "$ echo hello; false\n"
            "  hello\n"
            "  exit code 1 after 0.0 s\n"
            "\n"
            "added new.py\n"
            "  +x = 1\n"
            "\n"
            "It works.\n"
            "\n"
            " • one\n"
            " • two\n"
            "\n"
            "completed in 0.0 s · 1,020 tokens in (508 cached), 30 out · session\n"
            "ID"
        )
        assert "\x1b[32m" in terminal.written
        assert terminal.written.rstrip().endswith("\x1b[0m")
        assert terminal.written.count("\x1b[?25l") == terminal.written.count("\x1b[?25h") == 1

    def test_ctrl_c_stops_the_turn_and_shows_what_there_is(self, loopback_model: Models, tmp_path):
        model = loopback_model(Reply("An answer that never", ending=Hang()))
        arguments = run_with(model, "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            terminal.wait_for("An answer that never")
            watch = Watch(processes_with(home_of(model)))
            terminal.press_ctrl_c()
            assert terminal.wait() == 130
            screen = masked("\n".join(terminal.screen.lines))
        assert screen == (
            "An answer that never\n"
            "\n"
            "interrupted in 0.0 s · session ID\n"
            "error: interrupted\n"
            "continue with: signedin run --provider codex --resume "
            "ID PROMPT"
        )
        model.wait_for_disconnect()
        watch.all_gone()

    def test_ctrl_c_stops_the_command_that_runs(self, loopback_model: Models, tmp_path):
        model = loopback_model([shell("echo begun; exec sleep 1000"), "never said"])
        arguments = run_with(model, "--permissions", "workspace-write", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            terminal.wait_for("Running echo begun")
            watch = Watch(processes_with(home_of(model)))
            terminal.press_ctrl_c()
            assert terminal.wait() == 130
            assert "$ echo begun; exec sleep 1000" in terminal.screen.lines
            assert "never said" not in terminal.written
        watch.all_gone()

    def test_it_fits_the_width(self, loopback_model: Models, tmp_path):
        model = loopback_model(Text("many words " * 30))
        arguments = run_with(model, "hi")
        with Terminal(
            [PROGRAM, *arguments], env=environment(), cwd=tmp_path, columns=32
        ) as terminal:
            assert terminal.wait() == 0
            assert max(map(len, terminal.screen.lines)) in range(20, 33)

    def test_no_color(self, loopback_model: Models, tmp_path):
        model = loopback_model([shell("false"), ANSWER])
        arguments = run_with(model, "hi")
        env = environment(NO_COLOR="1")
        with Terminal([PROGRAM, *arguments], env=env, cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
            assert "exit code 1" in "\n".join(terminal.screen.lines)
            numbers = re.findall(r"\x1b\[([0-9;]*)m", terminal.written)
        coloured = {number for each in numbers for number in each.split(";") if len(number) > 1}
        assert coloured == set()

    @pytest.mark.parametrize("changes", [{"TERM": "dumb"}, {"CI": "true"}])
    def test_plain_lines_where_nothing_can_be_drawn(
        self, loopback_model: Models, tmp_path, changes
    ):
        model = loopback_model([[COMMENTARY, shell("echo hello")], ANSWER])
        arguments = run_with(model, "hi")
        with Terminal([PROGRAM, *arguments], env=environment(**changes), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
        assert "\x1b" not in terminal.written
        assert masked(terminal.written.replace("\r\n", "\n")).startswith(
            "Let me see.\n\n$ echo hello\n  hello\n  exit code 0 after 0.0 s\n\n"
            "It **works**.\n\n- one\n- two\n\ncompleted in 0.0 s · "
        )

    def test_who_waits_for_a_pipe_sees_what_goes_on(self, loopback_model: Models, tmp_path):
        model = loopback_model(Text(["It ", Hold("middle"), "works."]))
        command = shlex.join(map(str, [PROGRAM, *run_with(model, "hi")]))
        answer = tmp_path / "answer"
        with Terminal(
            ["/bin/sh", "-c", f"{command} > {answer}"], env=environment(), cwd=tmp_path
        ) as terminal:
            terminal.wait_for("Writing")
            model.release("middle")
            assert terminal.wait() == 0
            assert terminal.screen.lines == [""]
        assert answer.read_text() == "It works.\n"

    def test_only_the_answer(self, loopback_model: Models, tmp_path):
        model = loopback_model([[COMMENTARY, shell("true")], ANSWER])
        arguments = run_with(model, "--no-stream", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
            assert terminal.screen.lines == ["It **works**.", "", "- one", "- two"]


class TestOtherCommands:
    def test_available(self, tmp_path):
        done = run_program("available", cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr) == (0, "yes\n", "")

    def test_not_available(self, tmp_path):
        env = environment(SIGNEDIN_CODEX_BINARY="/nowhere/codex")
        done = run_program("available", "--provider", "codex", cwd=tmp_path, env=env)
        assert (done.returncode, done.stdout) == (1, "no\n")
        assert done.stderr == (
            "SIGNEDIN_CODEX_BINARY=/nowhere/codex does not exist; "
            'install it with: pip install "signedin[codex]"\n'
        )

    def test_providers(self, tmp_path):
        done = run_program("providers", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        codex = next(row for row in json.loads(done.stdout) if row["provider"] == "codex")
        assert codex["installed"]
        assert Path(codex["path"]).is_file()
        assert {each["name"]: each["default"] for each in codex["transports"]} == {
            "codex-app-server": True,
            "codex-exec": False,
        }
        assert "steer" in codex["transports"][0]["abilities"]
        table = run_program("providers", cwd=tmp_path)
        assert table.returncode == 0
        heading, *rows = table.stdout.splitlines()
        assert heading.split() == ["PROVIDER", "INSTALLED", "VERSION", "TRANSPORT", "ABILITIES"]
        assert any(row.split()[:2] == ["codex", "yes"] for row in rows)

    def test_a_scripted_model_by_hand(self, tmp_path):
        script = tmp_path / "script.yaml"
        script.write_text("rules:\n- {contains: name, replies: I am a script.}\ndefault: hello\n")
        with subprocess.Popen(
            [PROGRAM, "loopback", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment(),
        ) as server:
            assert server.stdout is not None
            assert re.fullmatch(
                r"serving at http://127\.0\.0\.1:\d+/\S+\n", server.stdout.readline()
            )
            label, _, command = server.stdout.readline().partition(": ")
            assert label == "use it with"
            name, *arguments, prompt = shlex.split(command)
            assert (name, prompt) == ("signedin", "PROMPT")
            home = next(each for each in arguments if each.startswith("CODEX_HOME="))
            done = run_program(*arguments, "What is your name?", cwd=tmp_path)
            assert (done.returncode, done.stdout, done.stderr) == (0, "I am a script.\n", "")
            logged = "1 POST /v1/responses gpt-5.5: 'What is your name?'\n"
            assert server.stdout.readline() == logged
            server.send_signal(signal.SIGINT)
            assert server.communicate(timeout=SECONDS) == ("", "")
        assert server.returncode == 0
        assert not Path(home.removeprefix("CODEX_HOME=")).exists()

    @pytest.mark.parametrize(
        ("content", "code", "error"),
        [
            (None, 1, "No such file or directory"),
            ("- {type: nope}", 2, "is not a script for the loopback model"),
        ],
    )
    def test_a_script_that_cannot_be_played(self, tmp_path, content, code, error):
        script = tmp_path / "script.yaml"
        if content is not None:
            script.write_text(content)
        done = run_program("loopback", script, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (code, "")
        assert done.stderr.startswith("error: ")
        assert error in done.stderr
        assert str(script) in done.stderr

    def test_help_and_version_import_nothing_but_typer(self, tmp_path):
        """So that they are as fast as ``import typer``; what they import decides that."""
        script = (
            "import sys; from signedin.cli.app import run_program; run_program(['--help']); "
            "heavy = {'asyncio', 'rich', 'msgspec', 'pygments'}; "
            "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            check=True,
            timeout=SECONDS,
        )
        assert done.stdout.splitlines()[-1] == "[]"

    def test_streams_that_are_closed_are_no_trouble(self, tmp_path):
        command = f"{shlex.quote(str(PROGRAM))} --version >&- 2>&- <&-"
        done = subprocess.run(
            ["/bin/sh", "-c", command], cwd=tmp_path, timeout=SECONDS, check=False, env=os.environ
        )
        assert done.returncode == 0
