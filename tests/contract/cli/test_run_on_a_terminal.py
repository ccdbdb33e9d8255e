"""``signedin run`` on a terminal, with real agents behind it."""

import os
import re
import shlex

import pytest

from signedin.loopback import (
    AskUser,
    Hang,
    Hold,
    Reasoning,
    Reply,
    Rule,
    Script,
    Shell,
    Text,
    ToolCall,
    Usage,
    WriteFile,
    shell,
)
from support.agents import program, versions
from support.processes import Watch, processes_with
from support.program import PROGRAM, Models, document, environment, home_of, masked, run_with
from support.stage import DELEGATE
from support.terminal import Terminal

COMMENTARY = Text("Let me see.", phase="commentary")
ANSWER = Text("It **works**.\n\n- one\n- two", phase="final_answer")


QUESTION = "Allow it? [y]es, [a]lways in this session, [n]o, [s]top:"


ANSWERING = ["model gpt-5.5 · effort low", ""]
"""What the first lines say of the real Codex where nothing is set."""


def escalated(command: str) -> Shell:
    """A command that Codex may only run if somebody approves."""
    return Shell(command, {"sandbox_permissions": "require_escalated", "justification": "must"})


def with_agent(provider: str) -> dict[str, str]:
    """The environment in which the newest installed agent is found."""
    if provider == "codex":
        return environment()
    binary = program(provider, versions(provider)[0])
    return environment(**{f"SIGNEDIN_{provider.upper()}_BINARY": str(binary)})


class TestAsking:
    """What the agent may not do unasked is asked at the terminal."""

    @pytest.mark.parametrize("provider", ["codex", "claude", "gemini"])
    def test_one_thing_is_allowed_and_another_is_not(
        self, loopback_model: Models, tmp_path, provider
    ):
        command = escalated("touch made") if provider == "codex" else Shell("touch made")
        model = loopback_model([command, WriteFile("new.py", "x = 1\n"), "It **works**."])
        arguments = run_with(model, "hi", provider=provider)
        with Terminal([PROGRAM, *arguments], env=with_agent(provider), cwd=tmp_path) as terminal:
            terminal.wait_for(QUESTION)
            asked = "\n".join(terminal.lines)
            assert "The agent wants to run a command:\n  $ touch made\n" in asked
            assert not (tmp_path / "made").exists()
            terminal.press("x\ry")  # only the keys that are offered answer
            terminal.wait_for("The agent wants to write files:")
            terminal.wait_for("+x = 1")
            terminal.wait_for(f"{QUESTION} yes")
            terminal.press("n")
            assert terminal.wait() == 0
        shown = "\n".join(terminal.lines)
        assert shown.count(QUESTION) == 2
        assert f"{QUESTION} no\n" in shown
        assert "\n$ touch made\n" in shown
        assert "\nIt works.\n\ncompleted in " in shown
        assert (tmp_path / "made").exists()
        assert not (tmp_path / "new.py").exists()

    @pytest.mark.parametrize("provider", ["codex", "claude"])
    def test_a_question_is_answered(self, loopback_model: Models, tmp_path, provider):
        model = loopback_model([AskUser("Which color?", ["Red", "Blue"]), "Blue it is."])
        arguments = run_with(model, "hi", provider=provider)
        with Terminal([PROGRAM, *arguments], env=with_agent(provider), cwd=tmp_path) as terminal:
            terminal.wait_for("Number or answer:")
            terminal.press("2\r")
            assert terminal.wait() == 0
        first, *lines = terminal.lines
        assert first.startswith("model ")
        assert lines[:6] == [
            "",
            "Question: Which color?",
            "  1. Red - Red",
            "  2. Blue - Blue",
            "Number or answer: 2",
            "",
        ]
        assert "Blue it is." in terminal.lines
        assert "Blue" in model.requests[-1].tool_outputs[0].text

    @pytest.mark.parametrize("stop", ["s", "\x03"])
    def test_the_turn_is_stopped_and_continued(self, loopback_model: Models, tmp_path, stop):
        model = loopback_model(
            Script(
                rules=[Rule(contains="go on", replies=["Gone on."])],
                default=[escalated("touch made"), "never said"],
            )
        )
        with Terminal(
            [PROGRAM, *run_with(model, "hi")], env=environment(), cwd=tmp_path
        ) as terminal:
            terminal.wait_for(QUESTION)
            before = terminal.keeps_keys
            watch = Watch(processes_with(home_of(model)))
            terminal.press(stop)
            assert terminal.wait() == 130
            assert (before, terminal.keeps_keys) == (False, True)
        *_, error, how = terminal.lines
        assert error == "error: interrupted"
        session_id = re.fullmatch(
            r"continue with: signedin run --provider codex --resume (\S+) PROMPT", how
        )
        assert session_id
        watch.all_gone()
        arguments = run_with(model, "--resume", session_id[1], "go on")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
        assert terminal.lines[:3] == [*ANSWERING, "Gone on."]
        assert terminal.lines[-1].endswith(session_id[1])

    def test_the_answer_may_go_elsewhere(self, loopback_model: Models, tmp_path):
        model = loopback_model([escalated("echo hello"), "Done."])
        command = shlex.join(map(str, [PROGRAM, *run_with(model, "--json", "hi")]))
        with Terminal(
            ["/bin/sh", "-c", f"{command} > answer"], env=environment(), cwd=tmp_path
        ) as terminal:
            terminal.wait_for(QUESTION)
            terminal.press("Y")
            assert terminal.wait() == 0
        assert terminal.lines[-1] == f"{QUESTION} yes"
        assert document("run", (tmp_path / "answer").read_text())["text"] == "Done."


class TestTerminal:
    def test_html_in_the_answer_is_shown(self, loopback_model: Models, tmp_path):
        words = "Use List<String> or <your name> here."
        model = loopback_model(f"{words}\n\n<details>\n<summary>More</summary>\n\nIt is shown.\n")
        arguments = run_with(model, "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
        assert terminal.lines[:7] == [
            *ANSWERING,
            words,
            "",
            "<details> <summary>More</summary>",
            "",
            "It is shown.",
        ]

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
            *_, message, activity = terminal.lines
            assert message == "I **look"
            assert re.fullmatch(r"[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] Writing", activity)
            model.release("say")
            assert terminal.wait() == 0
            screen = masked("\n".join(terminal.lines))
        assert screen == (
            "model gpt-5.5 · effort low\n"
            "\n"
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
            "completed in 0.0 s · 1,020 tokens in (508 cached), 30 out · session ID"
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
            screen = masked("\n".join(terminal.lines))
        assert screen == (
            "model gpt-5.5 · effort low\n"
            "\n"
            "An answer that never\n"
            "\n"
            "after 0.0 s · session ID\n"
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
            assert "$ echo begun; exec sleep 1000" in terminal.lines
            assert "never said" not in terminal.written
        watch.all_gone()

    def test_it_fits_the_width(self, loopback_model: Models, tmp_path):
        model = loopback_model(Text("many words " * 30))
        arguments = run_with(model, "hi")
        with Terminal(
            [PROGRAM, *arguments], env=environment(), cwd=tmp_path, columns=32
        ) as terminal:
            assert terminal.wait() == 0
            assert max(map(len, terminal.lines)) in range(20, 33)

    def test_no_color(self, loopback_model: Models, tmp_path):
        model = loopback_model([shell("false"), ANSWER])
        arguments = run_with(model, "hi")
        env = environment(NO_COLOR="1")
        with Terminal([PROGRAM, *arguments], env=env, cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
            assert "exit code 1" in "\n".join(terminal.lines)
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
            "model gpt-5.5 · effort low\n\nLet me see.\n\n"
            "$ echo hello\n  hello\n  exit code 0 after 0.0 s\n\n"
            "It **works**.\n\n- one\n- two\n\ncompleted in 0.0 s · "
        )

    @pytest.mark.parametrize("flags", [["--plain"], []])
    def test_a_screen_reader_reads_words(self, loopback_model: Models, tmp_path, flags):
        model = loopback_model([[COMMENTARY, shell("echo hello")], "Done."])
        arguments = run_with(model, *flags, "hi")
        env = environment() if flags else environment(SIGNEDIN_PLAIN="1")
        with Terminal([PROGRAM, *arguments], env=env, cwd=tmp_path, columns=40) as terminal:
            assert terminal.wait() == 0
        assert "\x1b" not in terminal.written
        assert masked(terminal.written.replace("\r\n", "\n")).startswith(
            "model gpt-5.5, effort low\n\nLet me see.\n\n"
            "command: echo hello\n  hello\n  exit code 0 after 0.0 s\n\n"
            "Done.\n\ncompleted in 0.0 s, "
        )

    def test_an_answer_alone_does_not_steer_the_terminal(self, loopback_model: Models, tmp_path):
        model = loopback_model(Text("A \x1b]0;title\x07bell\x07 and \u202eback."))
        arguments = run_with(model, "--no-stream", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
            assert terminal.lines == [r"A bell\x07 and \u202eback."]

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
            assert terminal.lines == [""]
        assert answer.read_text() == "It works.\n"

    def test_only_the_answer(self, loopback_model: Models, tmp_path):
        model = loopback_model([[COMMENTARY, shell("true")], ANSWER])
        arguments = run_with(model, "--no-stream", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            assert terminal.wait() == 0
            assert terminal.lines == ["It **works**.", "", "- one", "- two"]


def standing(lines: list[str]) -> list[str]:
    """Lines of a screen; the pictures that turn stand still, and no seconds are told."""
    return [re.sub(r"^[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] (.*?)( \d+ s)?$", r"⠿ \1", line) for line in lines]


class TestWhatGoesOn:
    """What has not ended is seen in place."""

    def test_commands_run_side_by_side_and_are_folded(self, loopback_model: Models, tmp_path):
        gates = [tmp_path / name for name in ("a", "b", "end-a", "end-b")]
        for gate in gates:
            os.mkfifo(gate)
        commands = ["cat a; seq 11 30; cat end-a", "cat b; seq 51 70; cat end-b"]
        model = loopback_model([[shell(command) for command in commands], "Done."])
        arguments = run_with(model, "--permissions", "workspace-write", "hi")
        with Terminal([PROGRAM, *arguments], env=environment(), cwd=tmp_path) as terminal:
            for command in commands:
                terminal.wait_for(f"Running {command}")
            for gate in gates[:2]:
                gate.write_text("")
            terminal.wait_for("\n  30")
            terminal.wait_for("\n  70")
            seen = standing(terminal.lines)
            for gate in gates[2:]:
                gate.write_text("")
            assert terminal.wait() == 0
        windows = [
            [f"⠿ Running {command}", *(f"  {n}" for n in range(end - 2, end + 1))]
            for command, end in zip(commands, (30, 70), strict=True)
        ]
        assert seen[0] == ANSWERING[0]
        assert seen[1:] in (windows[0] + windows[1], windows[1] + windows[0])
        shown = "\n".join(terminal.lines)
        for command, first in zip(commands, (11, 51), strict=True):
            folded = [*range(first, first + 3), "… 11 lines …", *range(first + 14, first + 20)]
            assert "\n".join([f"$ {command}", *(f"  {line}" for line in folded)]) in shown

    def test_a_plan_ticks_in_place(self, loopback_model: Models, tmp_path):
        def plan(first: str, second: str) -> ToolCall:
            steps = {"Look": first, "Mend": second}.items()
            todos = [{"id": text, "content": text, "status": status} for text, status in steps]
            return ToolCall("todo_write", {"todos": todos})

        held = Text(["I look", Hold("look"), " on."])
        model = loopback_model(
            [
                [plan("in_progress", "pending")],
                [held, plan("completed", "in_progress")],
                Reply("I do not mend."),
            ]
        )
        folder = program("qwen", versions("qwen")[0]).parent
        env = environment(PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
        arguments = run_with(model, "hi", provider="acp:qwen")
        with Terminal([PROGRAM, *arguments], env=env, cwd=tmp_path) as terminal:
            terminal.wait_for("I look")
            seen = standing(terminal.lines)
            model.release("look")
            assert terminal.wait() == 0
        assert seen[0].startswith("model ")
        assert seen[1:] == ["", "I look", "", "▸ Look", "· Mend", "⠿ Writing"]
        shown = masked("\n".join(terminal.lines))
        _, _, shown = shown.partition("\n\n")
        assert shown.startswith(
            "I look on.\n\nI do not mend.\n\n✓ Look\n▸ Mend\n\ncompleted in 0.0 s"
        )

    @pytest.mark.parametrize("provider", ["codex", "claude"])
    def test_a_subagent_is_seen_at_work(self, loopback_model: Models, tmp_path, provider):
        name = "general-purpose" if provider == "claude" else "subagent"
        at_work = {"codex": "Writing", "claude": "Count the files."}  # who says nothing meanwhile
        page = tmp_path / "page.html"
        model = loopback_model(
            Script(
                rules=[
                    Rule([DELEGATE[provider], [Hold("ended"), Text("All done.")]], equals="Go."),
                    Rule(
                        [[Text(["There is", Hold("count"), " one."])]], contains="Count the files."
                    ),
                ],
                default="All done.",
            )
        )
        arguments = run_with(model, "Go.", "--transcript", str(page), provider=provider)
        with Terminal([PROGRAM, *arguments], env=with_agent(provider), cwd=tmp_path) as terminal:
            terminal.wait_for(f"{name}: {at_work[provider]}")
            model.release("count")
            terminal.wait_for(f"  {name}: completed")
            model.release("ended")
            assert terminal.wait() == 0
        shown = "\n".join(terminal.lines)
        assert f"\n  {name}: There is one.\n" in shown
        assert "Writing" not in shown
        assert " · 1 subagent · session" in shown
        assert ">Subagents <" in page.read_text()
        assert f'{name} <span class="dim">' in page.read_text()
