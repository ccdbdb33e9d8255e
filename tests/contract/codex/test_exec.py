"""What ``codex-exec`` promises to those who drove ``codex exec`` before; the rest it refuses."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin import (
    AuthRequiredError,
    Client,
    CommandEvent,
    CommandExecutionError,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    FileChange,
    FileChangeEvent,
    InvalidOptionError,
    MessageEvent,
    RateLimitedError,
    ReasoningEvent,
    RunResult,
    SessionEvent,
    SignedinError,
    TimeoutExceededError,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    Usage,
    UsageEvent,
    UsageLimitError,
)
from signedin.loopback import (
    Cut,
    EditFile,
    Hang,
    HttpError,
    Reasoning,
    Reply,
    Shell,
    Text,
    UsageLimit,
    WriteFile,
)
from signedin.loopback.script import Answer
from signedin.wire.process import Process
from support.processes import EndlessCommand, Watch, processes_with
from support.stage import Stage
from support.turns import checked, comparable, events_of, failed

EXEC = "codex-exec"
HALF = Reply("one two three", ending=Hang(after=2))


@pytest.fixture
def client(stage: Stage) -> Client:
    return stage.warm(EXEC)


@pytest.fixture
def mark() -> str:
    """A variable that marks the processes of one test."""
    return f"test-{uuid.uuid4()}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "numbers.txt").write_text("one\ntwo\n")
    return tmp_path


def usage(requests: int) -> Usage:
    return Usage(
        input_tokens=10 * requests,
        cached_input_tokens=4 * requests,
        output_tokens=5 * requests,
        reasoning_tokens=requests,
        total_tokens=15 * requests,
    )


def test_the_result_and_the_events_of_a_run(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play([Reasoning(["First look.", "Then think."]), Text("It is a repo.")])
    result = checked(client.run("What is this?", cwd=tmp_path))
    assert [request.prompt for request in stage.requests] == ["What is this?"]
    assert comparable(result.events) == [
        SessionEvent(
            session_id=result.session_id, model="gpt-5.5", cwd=str(tmp_path), effort="low"
        ),
        ReasoningEvent(item_id="1", text="First look.\nThen think."),
        MessageEvent(item_id="2", text="It is a repo."),
        UsageEvent(usage=usage(1)),
        DoneEvent(text="It is a repo.", reason="completed"),
    ]
    assert result == RunResult(
        provider="codex",
        transport=EXEC,
        session_id=result.session_id,
        turn_id=None,
        model="gpt-5.5",
        cwd=str(tmp_path),
        text="It is a repo.",
        output=None,
        events=result.events,
        usage=usage(1),
        reason="completed",
        elapsed=result.elapsed,
    )


def test_a_command_and_a_patch(client: Client, stage: Stage, folder: Path) -> None:
    stage.play(
        [Text("Looking.", phase="commentary"), Shell("cat numbers.txt >&2; exit 3")],
        EditFile("numbers.txt", "two", "2"),
        Text("All good.", phase="final_answer"),
    )
    events = events_of(client.stream("fix it", cwd=folder, permissions="workspace-write"))
    command = "/bin/bash -c 'cat numbers.txt >&2; exit 3'"
    patched = str(folder / "numbers.txt")
    changes = (FileChange(patched, "update"),)
    assert comparable(events)[1:] == [
        MessageEvent(item_id="1", text="Looking."),
        CommandEvent(item_id="2", command=command, status="started"),
        CommandEvent(
            item_id="2", command=command, status="failed", output="one\ntwo\n", exit_code=3
        ),
        FileChangeEvent(item_id="3", text=patched, changes=changes, status="started"),
        FileChangeEvent(item_id="3", text=patched, changes=changes, status="completed"),
        MessageEvent(item_id="4", text="All good."),
        UsageEvent(usage=usage(3)),
        DoneEvent(text="All good.", reason="completed"),
    ]
    assert (folder / "numbers.txt").read_text() == "one\n2\n"


@pytest.mark.parametrize(
    ("permissions", "inside", "outside"),
    [
        ("read-only", False, False),
        ("workspace-write", True, False),
        ("full-access", True, True),
    ],
)
def test_where_a_command_may_write(
    client: Client,
    stage: Stage,
    folder: Path,
    outside_of_tmp: Path,
    permissions: str,
    *,
    inside: bool,
    outside: bool,
) -> None:
    stage.play(Shell(f"echo x > inside; echo x > {outside_of_tmp}/outside; true"), "Done.")
    checked(client.run("go", cwd=folder, permissions=permissions))
    assert (folder / "inside").exists() is inside
    assert (outside_of_tmp / "outside").exists() is outside


def test_a_refusal_is_reported_to_the_model_only(
    client: Client, stage: Stage, folder: Path
) -> None:
    stage.play(EditFile("numbers.txt", "two", "2"), WriteFile("new.txt", "new\n"), "I could not.")
    assert checked(client.run("fix it", cwd=folder)).text == "I could not."
    assert [output.text for output in stage.requests[-1].tool_outputs] == [
        "patch rejected: writing is blocked by read-only sandbox; "
        "rejected by user approval settings"
    ] * 2
    assert {path.name for path in folder.iterdir()} == {"numbers.txt"}
    assert (folder / "numbers.txt").read_text() == "one\ntwo\n"


def test_what_reaches_codex(client: Client, stage: Stage) -> None:
    stage.play(Shell("echo $SIGNEDIN_TEST_ADDED"), Text.echo("{tool_output}"))
    options = stage.config(model_verbosity="high")
    given = {"model": "gpt-5.6-luna", "effort": "high", "env": {"SIGNEDIN_TEST_ADDED": "added"}}
    result = checked(client.run("go", provider_options=options, **given))
    body = stage.requests[0].body
    assert (body["model"], body["reasoning"]["effort"]) == ("gpt-5.6-luna", "high")
    assert body["text"]["verbosity"] == "high"
    assert "added" in result.text


def test_a_conversation_goes_on(stage: Stage) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with stage.client(EXEC) as client:
        first = client.run("one")
    with stage.client(EXEC) as client, client.session(resume=first.session_id) as session:
        results = [first, checked(session.run("two")), checked(session.run("three"))]
    assert {result.session_id for result in results} == {first.session_id}
    # Codex counts over the whole conversation: the first turn here cannot be distinguished.
    assert [result.usage for result in results] == [usage(1), None, usage(1)]
    said = str(stage.requests[-1].body)
    assert said.index("You said: one") < said.index("You said: two")


CASES: dict[str, tuple[Answer, type[SignedinError], ErrorKind, str]] = {
    "401": (HttpError(401, "No."), AuthRequiredError, ErrorKind.AUTH_REQUIRED, "Sign in with: "),
    "429": (HttpError(429, "Slow."), RateLimitedError, ErrorKind.RATE_LIMITED, "last status: 429"),
    "500": (HttpError(500, "Boom."), TurnFailedError, ErrorKind.SERVER, "high demand"),
    "plan": (UsageLimit(plan="plus"), UsageLimitError, ErrorKind.USAGE_LIMIT, "usage limit"),
    "cut": (
        Reply("It was", ending=Cut(after=1)),
        TurnFailedError,
        ErrorKind.NETWORK,
        "stream disconnected before completion: ",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_failures_name_the_cause(client: Client, stage: Stage, case: str) -> None:
    answer, error_type, kind, words = CASES[case]
    stage.play(answer)
    events, error = failed(client.stream("go"), error_type)
    assert error.kind is kind
    assert words in error.message
    assert [type(event) for event in events[-2:]] == [ErrorEvent, DoneEvent]


def test_what_codex_itself_refuses(stage: Stage) -> None:
    for options in (
        {"resume": str(uuid.uuid4())},
        {"provider_options": {"config": {"mcp_servers": 5}}},
    ):
        with stage.client(EXEC) as client:
            _, error = failed(client.stream("go", **options), InvalidOptionError)
        assert error.message.startswith("codex refused: ")


def test_a_login_that_the_configuration_does_not_want() -> None:
    with Stage("codex") as stage:
        (stage.home / "config.toml").write_text('forced_login_method = "chatgpt"\n')
        (stage.home / "auth.json").write_text('{"OPENAI_API_KEY": "sk-test-0000000000000000"}')
        with stage.client(EXEC) as client:
            _, error = failed(client.stream("go"), AuthRequiredError)
    assert error.message.startswith(
        "codex refused: ChatGPT login is required, but an API key is currently being used."
    )


def test_a_program_that_is_no_codex(stage: Stage, tmp_path: Path) -> None:
    program = tmp_path / "codex"
    program.write_text("#!/bin/sh\necho I am something else >&2\nexit 4\n")
    program.chmod(0o700)
    with stage.client(EXEC, binary=program) as client:
        _, error = failed(client.stream("go"), CommandExecutionError)
    assert (error.returncode, error.stderr) == (4, "I am something else")
    assert error.message.endswith("exit code 4 before the turn was over: I am something else")


def test_no_secret_on_its_command_line(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    config = {"model_providers.x.experimental_bearer_token": "sk-test-0123456789abcdef"}
    with pytest.raises(InvalidOptionError, match="holds a secret") as caught:
        client.run("go", provider_options={"config": config})
    assert "0123456789" not in str(caught.value)
    assert stage.requests == ()


@pytest.mark.parametrize("prompt", ["--help", "-", "resume", "/compact", "two\nlines\n", " x "])
def test_a_prompt_is_a_prompt(client: Client, stage: Stage, prompt: str) -> None:
    stage.play(Text.echo())
    assert checked(client.run(prompt)).text == prompt


def test_a_megabyte_is_a_prompt(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    assert checked(client.run("x" * 2**20)).text == "Done."
    assert len(stage.requests[0].prompt) == 2**20
    with pytest.raises(InvalidOptionError, match=r"1048577 characters is too long for codex-exec"):
        client.run("x" * (2**20 + 1))


@pytest.mark.parametrize("end", ["interrupt", "timeout", "left"])
def test_a_stopped_turn_leaves_nothing(stage: Stage, mark: str, tmp_path: Path, end: str) -> None:
    endless = EndlessCommand(tmp_path)
    stage.play(Shell(endless.line), "never")
    limit = 8 if end == "timeout" else None
    with stage.client(EXEC, env={"SIGNEDIN_TEST_MARK": mark}, cwd=tmp_path) as client:
        turn = client.stream("go", timeout=limit)
        with pytest.raises(TimeoutExceededError if limit else TurnInterruptedError), turn:
            for event in turn:
                if isinstance(event, CommandEvent) and event.status == "started":
                    endless.wait_until_it_runs()
                    processes = Watch(processes_with(mark))
                    if end == "interrupt":
                        turn.interrupt()
                    if end == "left":
                        break
            turn.close()
            turn.result()
        processes.all_gone()
        stage.play(Text.echo())
        assert checked(client.run("still there?")).text == "still there?"


@pytest.mark.parametrize("where", ["start", "write"])
async def test_cancelled_as_it_starts(
    stage: Stage, mark: str, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    function: Callable[..., object] = getattr(Process, where)
    cancelled = []

    async def cancelling(*args: object, **options: object) -> object:
        if not cancelled:
            cancelled.append(where)
            asyncio.get_running_loop().call_soon(run.cancel)
        return await function(*args, **options)

    monkeypatch.setattr(Process, where, cancelling)
    stage.play(Text.echo())
    async with stage.async_client(EXEC, env={"SIGNEDIN_TEST_MARK": mark}) as client:
        run = asyncio.create_task(client.run("cancelled" * 100_000))
        with pytest.raises(asyncio.CancelledError):
            await run
        assert cancelled == [where]
        assert processes_with(mark) == set()
        assert (await client.run("still there?")).text == "still there?"
    assert asyncio.all_tasks() == {asyncio.current_task()}


REFUSED: dict[str, dict[str, object]] = {
    **{name: {name: "x"} for name in ("instructions", "cassette")},
    "images": {"images": [b"\x89PNG\r\n\x1a\n"]},
    "output": {"output": int},
    "ephemeral": {"ephemeral": True},
    "on_approval": {"on_approval": print},
    **{
        name: {"provider_options": {name: "x"}}
        for name in ("base_instructions", "personality", "service_tier", "summary")
    },
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_does_not_do_is_refused(stage: Stage, name: str) -> None:
    stage.play("Done.")
    with pytest.raises(UnsupportedOptionError, match=name), stage.client(EXEC) as client:
        given = REFUSED[name]
        if name == "cassette":
            stage.client(EXEC, **given)
        client.run("go", **given)
    assert stage.requests == ()


def test_it_cannot_be_steered_listed_or_read(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    with client.session() as session:
        with session.stream("go") as turn:
            next(iter(turn))
            with pytest.raises(UnsupportedOptionError, match="steer"):
                turn.steer("more")
            turn.result()
        for refused in (session.history, client.sessions, client.models, client.limits):
            with pytest.raises(UnsupportedOptionError):
                refused()
