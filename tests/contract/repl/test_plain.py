"""``signedin interactive`` without a terminal: lines in, lines out."""

import base64
import re
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from signedin.cli.loopback import run_arguments
from signedin.loopback import LoopbackModel, Rule, Script, WriteFile
from support.agents import program, versions
from support.program import PROGRAM, counting, environment, run_program
from support.terminal import Terminal

Models = Callable[..., LoopbackModel]

SECONDS = 60
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415478"
    "9c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
SCRIPT = Script(
    "It **works**.", [Rule([WriteFile("new.txt", "one\n"), "Written."], contains="Write")]
)


@pytest.fixture
def run_as_codex(tmp_path: Path) -> Path:
    """A program that notes that it was started, and fails."""
    program = tmp_path / "run-as-codex"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\nexit 3\n")
    program.chmod(0o700)
    return program


CHANGING = Script(
    "Done.",
    [
        Rule([WriteFile(f"{name.lower()}.txt", "x\n"), "Done."], contains=name)
        for name in ("Three", "Two", "One")
    ],
)


def talk(
    model: LoopbackModel,
    folder: Path,
    *lines: str,
    name: str = "interactive",
    provider: str = "codex",
    arguments: Sequence[str] = (),
    code: int = 0,
):
    """Runs the program with lines to read; returns what it wrote, without ids and times."""
    options = counting(run_arguments(provider, model.client_options(provider))[2:])
    env = environment(SIGNEDIN_HOME=str(folder / "signedin"))
    (folder / "work").mkdir(exist_ok=True)
    done = run_program(
        name, *options, *arguments, cwd=folder / "work", stdin="\n".join(lines).encode(), env=env
    )
    assert done.stderr == ""
    assert done.returncode == code
    return re.sub(r"\d+\.\d s", "0.0 s", re.sub(r"session \S{36}", "session ID", done.stdout))


def installed(provider: str) -> tuple[str, ...]:
    """Names the program of an agent that is not installed with signedin."""
    if provider != "gemini":
        return ()
    return ("--binary", str(program("gemini", versions("gemini")[0])))


def test_a_conversation(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    lines = ["One \\", "line", "", "/x", "/re", "/events maybe", "And now?", "/exit", "Never"]
    greeting = f"Talking with codex in {tmp_path}/work. /help explains."
    done = "completed in 0.0 s · 10 tokens in (4 cached), 5 out"
    assert talk(model, tmp_path, *lines) == (
        f"{greeting}\n"
        f"codex>\nIt **works**.\n\n{done} · session ID\n\n"
        "error: there is no command /x; /help lists them\n"
        "error: /re could be /reasoning, /resume, /review, /rename\n"
        "error: /events takes on or off, not 'maybe'\n"
        f"codex>\nIt **works**.\n\n{done}\n\n"
    )
    assert [request.prompt for request in model.requests] == ["One \nline", "And now?"]
    assert "One" in str(model.requests[1].body)


def test_a_pipe_runs_no_commands(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, "!touch made", "!!touch made", "/chat !touch made")
    refused = (
        "error: ! runs a command at a terminal only: what comes through a pipe may be from "
        "somebody else; /chat sends the line as it is\n"
    )
    assert written.count(refused) == 2
    assert not (tmp_path / "work" / "made").exists()
    assert [request.prompt for request in model.requests] == ["!touch made"]


def test_what_can_be_done_with_a_conversation(loopback_model: Models, tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    subprocess.run(["git", "init", "-q", "-b", "trunk", str(work)], check=True)
    (work / "new.py").write_text("print()\n")
    model = loopback_model(SCRIPT)
    early = ("/compact", "/rename Early", "/delete", "/save early.txt")
    lines = ("/rename A name", "/sessions", "/compact", "/review", "/status")
    answers = ("/save one.txt", "/save one.txt", "/copy", "/save")
    written = talk(model, tmp_path, *early, "One", *lines, *answers, "/delete", "n", "/delete", "y")
    assert written.count("error: nothing has been said yet\n") == 3
    assert "error: there is no answer 1; there are 0\n" in written
    assert "Renamed to A name\n" in written
    assert re.search(r"^\S{36}  A name$", written, re.MULTILINE)
    assert [request.path.rpartition("/")[2] for request in model.requests] == ["responses"] * 3
    assert model.requests[-1].prompt.startswith("Review the current code changes")
    assert "\nbranch       trunk\n" in written
    assert (work / "one.txt").read_text() == "It **works**.\n"
    assert f"error: {work}/one.txt exists already; name another file\n" in written
    assert "error: no clipboard can be reached from here; /save writes the answer" in written
    *_, asked, kept, _, deleted = written.splitlines()
    assert asked.startswith("Delete session ID permanently?")
    assert (kept, deleted) == ("It stays.", "Deleted. A new conversation begins.")
    assert "A name" not in talk(model, tmp_path, "/sessions")


def test_what_a_provider_cannot_do_is_refused_before_it_is_asked(
    loopback_model: Models, tmp_path: Path
):
    model = loopback_model(SCRIPT)
    lines = ("One", "/rename A name", "/compact", "/review", "/delete", "y")
    written = talk(model, tmp_path, *lines, provider="chatgpt")
    assert "Renamed to A name\n" in written
    assert "error: chatgpt does not support 'compact'\n" in written
    assert "error: chatgpt does not support 'review'\n" in written
    assert written.endswith("Deleted. A new conversation begins.\n")
    assert len(model.requests) == 1
    written = talk(model, tmp_path, "One", "/delete", provider="claude")
    assert written.endswith("error: claude does not support 'delete'\n")


def test_what_was_used(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    once = "1 turns · 15 tokens · -"
    assert talk(model, tmp_path, "One", "/usage", provider="chatgpt").endswith(
        f"here    {once}\ntoday   {once}\n7 days  {once}\n"
    )
    twice = "2 turns · 30 tokens · -"
    assert talk(model, tmp_path, "Two", "/usage", provider="chatgpt").endswith(
        f"here    {once}\ntoday   {twice}\n7 days  {twice}\n"
    )


@pytest.mark.parametrize("provider", ["codex", "claude", "gemini", "chatgpt"])
def test_files_and_images_that_are_mentioned(loopback_model: Models, tmp_path: Path, provider: str):
    work = tmp_path / "work"
    work.mkdir()
    (work / "main.py").write_text("print()\n")
    (work / "data.bin").write_bytes(b"\0")
    (work / "dot.png").write_bytes(PNG)
    model = loopback_model(SCRIPT)
    lines = ("Read @main.py and @dot.png", "@data.bin")
    written = talk(model, tmp_path, *lines, provider=provider, arguments=installed(provider))
    sent = str([request.body for request in model.requests])
    assert lines[0] in sent
    assert base64.b64encode(PNG).decode() in sent
    refused = "error: data.bin is not text, and this provider reads no files\n"
    assert (provider == "chatgpt") == (refused in written)
    assert (provider == "chatgpt") == (r'<file path="main.py">\nprint()\n' in sent)


@pytest.mark.matrix
def test_an_image_that_the_agent_does_not_take(loopback_model: Models, tmp_path: Path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "dot.png").write_bytes(PNG)
    model = loopback_model(SCRIPT)
    arguments = (*installed("gemini"), "--transport", "gemini-cli")
    written = talk(model, tmp_path, "See @dot.png", provider="gemini", arguments=arguments)
    assert "dot.png is not attached: this provider takes no images.\n" in written
    assert "See @dot.png" in str(model.requests[0].body)  # Gemini CLI looks for itself


def test_questions_are_answered_by_the_next_line(loopback_model: Models, tmp_path: Path):
    written = talk(loopback_model(SCRIPT), tmp_path, "Write", "y", "/tools")
    assert "Allow it? [y]es, [a]lways in this session, [n]o, [s]top:\n" in written
    assert (tmp_path / "work/new.txt").read_text() == "one\n"
    assert "file changes  once" in written


def test_at_the_end_of_input_nothing_is_allowed(loopback_model: Models, tmp_path: Path):
    talk(loopback_model(SCRIPT), tmp_path, "Write", name="chat")
    assert not (tmp_path / "work/new.txt").exists()


def test_settings(loopback_model: Models, tmp_path: Path):
    lines = [
        "/model", "/model gpt-5.5", "/effort low", "/effort clear", "/timeout 30", "/timeout soon",
        "/timeout clear", "/permissions read-only", "/cwd ..", "/cwd clear", "/source", "/source x",
        "/provider codex", "/provider nobody", "/chat", "/undo", "/diff", "/available",
    ]  # fmt: skip
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, *lines).splitlines()
    auto = "signedin's own login if it is signed in, else the vendor's"
    assert written[1:13] == [
        "The provider's own choice.",
        "gpt-5.5",
        "low",
        "The provider's own choice.",
        "30 s",
        "error: /timeout takes a number of seconds or clear, not 'soon'",
        "No limit.",
        "read-only: look, and ask for everything else",
        str(tmp_path),
        str(tmp_path / "work"),
        f"auto: {auto}",
        "error: /source takes auto, isolated, external, not 'x'",
    ]
    assert written[13] == "Already talking with codex."
    assert written[14].startswith("error: unknown provider 'nobody'; choose one of: codex, ")
    assert written[15:] == [
        "error: /chat needs an argument; /help /chat explains",
        "error: no turn has changed a file here",
        "The folder is not in a git repository; this is what the agent reports:",
        "It has changed nothing.",
        "no: not signed in; /login external signs in",
    ]
    assert model.requests == ()


def test_sessions_and_models(loopback_model: Models, tmp_path: Path):
    lines = [
        "/resume", "/fork", "Hello", "/sessions", "/resume no-such-session", "/resume", "/fork",
        "/model gpt-5.5", "/efforts", "/models", "/status", "/help /effort",
    ]  # fmt: skip
    written = re.sub(r"[0-9a-f-]{36}", "ID", talk(loopback_model(SCRIPT), tmp_path, *lines))
    after = written.partition("session ID\n\n")[2].splitlines()
    assert written.splitlines()[1:3] == [
        f"error: there is no stored conversation of {tmp_path}/work",
        "error: an empty session cannot be forked; run a turn first",
    ]
    assert after[0] == "ID  Hello"
    assert after[1].startswith("error: ")
    assert after[2:8] == [
        "Session ID, 1 turn.",
        "signedin[codex]> Hello",
        "It **works**.",
        "You continue in a copy, session ID.",
        "The original can be resumed: ID",
        "gpt-5.5",
    ]
    assert "high" in after[8].split(", ")
    assert "gpt-5.5  default, GPT-5.5" in after
    for fact in (
        "provider     codex",
        "account      not signed in; /login external signs in",
    ):
        assert fact in after
    assert after[-1] == "/effort, /reasoning [LEVEL|clear]  Show or set the reasoning effort."


def test_asking_outside_of_the_conversation(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, "/run Zebra", "/stream Two", "/cost")
    assert written.count("It **works**.") == 2
    assert [request.prompt for request in model.requests] == ["Zebra", "Two"]
    assert "Zebra" not in str(model.requests[1].body)
    assert written.count("completed in") == 1
    assert "turns   0" in written


def test_what_the_next_message_brings_waits_for_it(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    talk(model, tmp_path, "One", "/source external", "/review", "And now?", "And then?")
    *_, reviewed, now, then = [request.prompt for request in model.requests]
    assert reviewed.startswith("Review the current code changes")
    assert now.startswith("Until now another agent, codex, talked with the user; you continue.")
    assert now.endswith("The user continues:\n\nAnd now?")
    assert then == "And then?"


def test_homes_of_nobody(loopback_model: Models, tmp_path: Path):
    lines = ("/cwd ~nobody-at-all", "One", "/save ~nobody-at-all/x", "/transcript ~nobody-at-all/x")
    written = talk(loopback_model(SCRIPT), tmp_path, *lines)
    missing = f"{tmp_path}/work/~nobody-at-all"
    assert f"error: cwd '{missing}' does not exist (resolved to {missing})\n" in written
    assert f"No such file or directory: '{missing}/x'\n" in written
    assert f"error: there is no folder {missing} to write x to\n" in written
    assert "completed in" in written


def test_the_program_of_one_agent_is_not_that_of_another(
    loopback_model: Models, tmp_path: Path, run_as_codex: Path
):
    written = talk(
        loopback_model(SCRIPT),
        tmp_path,
        "/provider claude",
        "/status",
        arguments=["--binary", str(run_as_codex), "--source", "external"],
    )
    assert "Not set for claude: source, binary, provider options\n" in written
    assert "You are now talking with claude.\n" in written


def test_a_login_is_made_as_the_conversation_is(
    loopback_model: Models, tmp_path: Path, run_as_codex: Path
):
    written = talk(
        loopback_model(SCRIPT), tmp_path, "/login", arguments=["--binary", str(run_as_codex)]
    )
    assert (tmp_path / "started").exists()
    assert "error: " in written


def test_the_names_of_events(loopback_model: Models, tmp_path: Path):
    written = talk(loopback_model(SCRIPT), tmp_path, "/events on", "One").splitlines()
    named = [line for line in written if line.startswith("· ") and "other" not in line]
    assert named == ["· session", "· message It **works**.", "· usage", "· done It **works**."]


def test_a_terminal_that_cannot_be_drawn_on(loopback_model: Models, folder: Path):
    model = loopback_model(SCRIPT)
    options = run_arguments("codex", model.client_options("codex"))[2:]
    env = environment(SIGNEDIN_HOME=str(folder / "signedin"), TERM="dumb")
    with Terminal([PROGRAM, "chat", *options], env=env, cwd=folder) as terminal:
        terminal.wait_for("signedin[codex]>", SECONDS)
        terminal.press("Hello\r")
        terminal.wait_for("completed in", SECONDS)
        terminal.wait_for("\n\nsignedin[codex]>", SECONDS)
        terminal.press_ctrl_c()
        terminal.wait_for("Ctrl-C again leaves, and so does Ctrl-D.", SECONDS)
        terminal.press_ctrl_c()
        assert terminal.wait(SECONDS) == 130
    assert terminal.lines[1:4] == [
        "signedin[codex]> Hello",
        "codex>",
        "It **works**.",
    ]


def test_a_line_after_a_question_that_was_left_is_not_lost(loopback_model: Models, folder: Path):
    model = loopback_model(SCRIPT)
    options = run_arguments("codex", model.client_options("codex"))[2:]
    env = environment(SIGNEDIN_HOME=str(folder / "signedin"), TERM="dumb")
    with Terminal([PROGRAM, "chat", *options], env=env, cwd=folder) as terminal:
        terminal.wait_for("signedin[codex]>", SECONDS)
        terminal.press("Write\r")
        terminal.wait_for("Allow it?", SECONDS)
        terminal.press_ctrl_c()
        terminal.wait_for("Interrupted.\n\nsignedin[codex]>", SECONDS)
        terminal.press("First after\r")
        terminal.wait_for("completed in", SECONDS)
        terminal.press("/exit\r")
        assert terminal.wait(SECONDS) == 0
    assert [request.prompt for request in model.requests][-1] == "First after"


def test_the_agent_gets_the_ends_of_a_long_output(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    options = run_arguments("codex", model.client_options("codex"))[2:]
    env = environment(SIGNEDIN_HOME=str(tmp_path / "signedin"), TERM="dumb")
    with Terminal([PROGRAM, "chat", *options], env=env, cwd=tmp_path) as terminal:
        terminal.wait_for("signedin[codex]>", SECONDS)
        terminal.press("!seq 9999; exit 2\r")
        terminal.wait_for("The agent gets this with your next message.", SECONDS)
        terminal.press("And?\r")
        terminal.wait_for("completed in", SECONDS)
        terminal.press("/exit\r")
        assert terminal.wait(SECONDS) == 0
    [request] = model.requests
    before, cut, after = request.prompt.partition("[28,888 characters left out]\n")
    assert cut
    assert before.startswith("(The user has run a command. Exit code 2.)\n$ seq 9999; exit 2\n1\n")
    assert after.endswith("\n9999\n\n\nAnd?")
    assert len(after) < 10_100


def test_an_approval_leaves_what_is_no_answer_to_it(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, "Write", "always use tabs", "hello")
    assert not (tmp_path / "work/new.txt").exists()
    assert "[s]top:\n(not answered)\n" in written
    prompts = [request.prompt for request in model.requests if not request.tool_outputs]
    assert prompts == ["Write", "always use tabs", "hello"]


def test_it_begins_with_a_stored_session(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    talk(model, tmp_path, "Hello")
    again = talk(model, tmp_path, "And now?", arguments=["--resume", "latest"])
    assert re.sub(r"[0-9a-f-]{36}", "ID", again).splitlines()[1:5] == [
        "Session ID, 1 turn.",
        "signedin[codex]> Hello",
        "It **works**.",
        "codex>",
    ]
    assert "Hello" in str(model.requests[-1].body)


def test_what_it_is_started_with_holds(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    options = ["--instructions", "Answer in Latin.", "--ephemeral", "--idle-timeout", "50"]
    written = talk(model, tmp_path, "Hello", "/sessions", arguments=options)
    assert "Answer in Latin." in str(model.requests[0].body)
    assert written.endswith("No sessions found.\n")


def test_a_budget_is_that_of_the_conversation(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, "Hello", "Again", arguments=["--budget-tokens", "10"], code=5)
    budget = "the conversation's budget of 10 tokens is used up: 15 tokens"
    assert f"error: {budget}\n" in written
    assert f"error: not sent: {budget}\n" in written
    assert len(model.requests) == 1


def test_rules_answer_before_the_user_is_asked(loopback_model: Models, tmp_path: Path):
    rules = tmp_path / "policy.toml"
    rules.write_text('[[rules]]\nanswer = "allow"\nwrite = ["*.txt"]\n')
    written = talk(loopback_model(SCRIPT), tmp_path, "Write", arguments=["--policy", str(rules)])
    assert "Allow it?" not in written
    assert (tmp_path / "work/new.txt").read_text() == "one\n"


@pytest.mark.parametrize("provider", ["codex", "claude"])
def test_rules_change_in_the_middle(loopback_model: Models, tmp_path: Path, provider: str):
    work = tmp_path / "work"
    work.mkdir()
    (work / "allow.toml").write_text('[[rules]]\nanswer = "allow"\nwrite = ["*.txt"]\n')
    reason = 'reason = "not\\u0007 today"'
    (work / "deny.toml").write_text(f'[[rules]]\nanswer = "deny"\nwrite = ["*.txt"]\n{reason}\n')
    model = loopback_model(CHANGING)
    lines = ("/policy", "/policy allow.toml", "One", "/policy deny.toml", "Two", "/policy clear")
    written = talk(model, tmp_path, *lines, "Three", "n", "/policy no.toml", provider=provider)
    talked = written.splitlines()
    assert talked[1:4] == [
        "No rules.",
        f"Rules from {work}/allow.toml:",
        '1  allow(write="*.txt")',
    ]
    at = talked.index(f"Rules from {work}/deny.toml:")
    assert talked[at + 1] == r'1  deny(write="*.txt"): not\x07 today'
    assert talked[-1] == f"error: [Errno 2] No such file or directory: '{work}/no.toml'"
    assert written.count("Allow it?") == 1
    assert written.index("Allow it?") > written.rindex("No rules.")
    assert [(work / f"{name}.txt").exists() for name in ("one", "two", "three")] == [1, 0, 0]
    [prompts] = {tuple(request.prompt for request in model.requests if not request.tool_outputs)}
    assert prompts == ("One", "Two", "Three")
    assert "One" in str(model.requests[-1].body)


@pytest.mark.parametrize("provider", ["codex", "claude"])
def test_rules_hold_for_what_was_allowed_for_the_session(
    loopback_model: Models, tmp_path: Path, provider: str
):
    work = tmp_path / "work"
    work.mkdir()
    (work / "deny.toml").write_text('[[rules]]\nanswer = "deny"\nwrite = ["*.txt"]\n')
    model = loopback_model(SCRIPT)
    lines = ("Write", "a", "Write", "/policy deny.toml", "Write")
    written = talk(model, tmp_path, *lines, provider=provider)
    before, _, after = written.partition("Rules from ")
    assert before.count("Allow it?") == 1
    assert before.count("added new.txt\n") == 2
    assert "warning: denied file change" in after
    assert "added new.txt (declined)" in after
    assert str(model.requests[-1].body).count("Write") >= 3


def test_rules_that_a_provider_cannot_hold_are_refused(loopback_model: Models, tmp_path: Path):
    work = tmp_path / "work"
    work.mkdir()
    (work / "rm.toml").write_text('[[rules]]\nanswer = "deny"\ncommands = ["rm *"]\n')
    lines = ("/policy rm.toml", "/policy", "/permissions full-access", "/policy rm.toml")
    more = ("/permissions read-only", "/permissions")
    written = talk(loopback_model(SCRIPT), tmp_path, *lines, *more).splitlines()
    refused = (
        "error: codex does not support 'policy': an agent with a sandbox of its own does not ask "
        'for what it may do there, so deny("rm *") could not answer; pass '
        "permissions='full-access', with which it asks for everything"
    )
    free = "full-access: anything, without asking"
    rules = [f"Rules from {work}/rm.toml:", '1  deny("rm *")']
    assert written[1:] == [refused, "No rules.", free, *rules, refused, free]
    [_, last] = talk(
        loopback_model(SCRIPT), tmp_path, "/policy rm.toml", provider="chatgpt"
    ).splitlines()
    assert last == "error: chatgpt does not support 'policy': not through this transport"


def test_a_budget_changes_in_the_middle(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    wrong = ("/budget", "/budget words 3", "/budget tokens 1.5", "/budget tokens -1")
    lines = ("/budget tokens 20", "One", "/budget tool_calls 3", "Two", "Three")
    more = ("/budget tokens 100", "Four", "/provider claude", "/budget", "/budget clear")
    written = talk(model, tmp_path, *wrong, *lines, *more, code=5).splitlines()
    assert written[1:6] == [
        "No limit.",
        "error: /budget takes clear or one of tokens, usd, model_calls, tool_calls, seconds, "
        "plan_percent, and a number, not 'words 3'",
        "error: Invalid value: '1.5' is not a valid integer.",
        "error: budget: tokens must be a positive number, not -1",
        "0 tokens used; the limit is 20 tokens",
    ]
    calls = "0 tool calls used; the limit is 3 tool calls"
    budget = "the conversation's budget of 20 tokens is used up: 30 tokens"
    assert [line for line in written[6:] if "limit" in line or "budget of" in line] == [
        "15 tokens used; the limit is 20 tokens",
        calls,
        f"error: {budget}",
        f"error: not sent: {budget}",
        "30 tokens used; the limit is 100 tokens",
        calls,
        "45 tokens used; the limit is 100 tokens",
        calls,
        "No limit.",
    ]
    assert [request.prompt for request in model.requests] == ["One", "Two", "Four"]


def test_a_budget_that_cannot_be_counted_is_refused(loopback_model: Models, tmp_path: Path):
    lines = ("/budget plan_percent 80", "/budget", "/budget tokens 20")
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, *lines, provider="gemini", arguments=installed("gemini"))
    assert written.splitlines()[1:] == [
        "error: gemini does not support 'budget=plan_percent': it is not reported through this "
        "transport",
        "No limit.",
        "0 tokens used; the limit is 20 tokens",
    ]
    lines = ("/budget plan_percent 80", "/provider gemini", "/status")
    written = talk(model, tmp_path, *lines)
    assert "error: gemini does not support 'budget=plan_percent'" in written
    assert "provider     codex\n" in written


def repository(tmp_path: Path) -> Path:
    """The folder the program works in, with a commit."""
    work = tmp_path / "work"
    work.mkdir()
    who = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for line in (("init", "-q"), (*who, "commit", "-q", "--allow-empty", "-m", "one")):
        subprocess.run(["git", *line], cwd=work, check=True)
    return work


@pytest.mark.parametrize("provider", ["codex", "claude"])
def test_a_conversation_moves_into_a_copy(loopback_model: Models, tmp_path: Path, provider: str):
    work = repository(tmp_path)
    model = loopback_model(CHANGING)
    lines = ["One", "y", "/worktree apply", "/worktree", "Two", "y", "/worktree"]
    lines += ["/worktree apply", "/worktree apply", "/worktree leave", "/undo"]
    written = talk(model, tmp_path, *lines, "/worktree", "Three", "y", provider=provider)
    copies = re.findall(r"^In (\S+)\.( /worktree|$)", written, re.MULTILINE)
    (first, how), again, (last, _) = copies
    assert again == (first, "")
    assert last != first
    assert how
    talked = written.splitlines()
    assert "error: the conversation is in no worktree; /worktree makes one" in talked
    at = talked.index(f"In {first}.")
    assert talked[at + 1 : at + 6] == [
        "  added two.txt",
        "applied two.txt",
        "Nothing has changed.",
        f"Back in {work}.",
        f"error: the last turn worked in {first}, which is no longer there",
    ]
    *told, command = talked[-4:]
    assert told == [
        "Changed in the worktree, and not applied:",
        "  added three.txt",
        f"To apply it, in {work}:",
    ]
    there = {path.name for path in work.glob("*.txt")}
    assert there == {"one.txt", "two.txt"}
    subprocess.run(command.split(), cwd=work, check=True)
    assert (work / "three.txt").read_text() == "x\n"
    assert not Path(last).exists()
    moved = [request.prompt.split("\n\n") for request in model.requests][1::2][1:]
    assert [prompt[-1] for prompt in moved] == ["Two", "Three"]
    assert moved[0][0] == (
        f"(The user has moved the conversation: work in {first} from now on, and no longer in "
        f"{work}.)"
    )
    assert "One" in str(model.requests[-1].body)


def test_what_has_changed_twice_is_not_applied(loopback_model: Models, tmp_path: Path):
    work = repository(tmp_path)
    (work / "one.txt").write_text("mine\n")
    written = talk(loopback_model(CHANGING), tmp_path, "/worktree", "One", "y", "/worktree apply")
    *_, refused, _, _, _, command = written.splitlines()
    assert refused.startswith("error: ")
    assert "one.txt" in refused
    assert (work / "one.txt").read_text() == "mine\n"
    assert Path(command.split()[-1]).read_text().startswith("diff --git a/one.txt b/one.txt\n")


def test_a_copy_cannot_always_be_made(loopback_model: Models, tmp_path: Path):
    model = loopback_model(SCRIPT)
    written = talk(model, tmp_path, "/worktree", "/worktree keep", "One")
    assert f"error: {tmp_path}/work is not in a git repository: " in written
    assert "error: /worktree takes apply or leave, not 'keep'\n" in written
    assert "It **works**.\n" in written
    written = talk(model, tmp_path, "/worktree", provider="chatgpt")
    assert written.endswith("error: chatgpt does not support 'worktree'\n")
    written = talk(model, tmp_path, "/worktree", arguments=["--trust-project"])
    told = f"error: --trust-project was given for {tmp_path}/work; start again without it\n"
    assert written.endswith(told)


def test_a_named_login_is_used(loopback_model: Models, tmp_path: Path):
    written = talk(loopback_model(SCRIPT), tmp_path, "/status", arguments=["--account", "work"])
    assert "login        work\n" in written


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            ["--provider", "chatgpt", "--permissions", "workspace-write"],
            "chatgpt does not support 'permissions': not through this transport",
        ),
        (["--resume", "latest"], "there is no stored conversation of "),
        (["--account", "work", "--source", "external"], "account='work' names an isolated login"),
    ],
)
def test_what_it_cannot_begin_with_is_refused(
    loopback_model: Models, tmp_path: Path, options: list[str], error: str
):
    env = environment(SIGNEDIN_HOME=str(tmp_path / "signedin"))
    arguments = run_arguments("codex", loopback_model(SCRIPT).client_options("codex"))[4:]
    given = options if "--provider" in options else [*arguments, *options]
    done = run_program("interactive", *given, cwd=tmp_path, stdin=b"hi", env=env)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {error}")


def test_a_pipe_ends_with_the_code_of_the_turn_that_failed(tmp_path):
    lines = b"/nosuch\nhi\n"
    done = run_program("interactive", "--account", "nosuch", cwd=tmp_path, stdin=lines)
    assert done.returncode == 3  # not signed in
