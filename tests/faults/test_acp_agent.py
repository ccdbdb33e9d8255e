"""ACP agents that misbehave, and what they may have done by their client."""

import json
import os
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from signedin import (
    ApprovalEvent,
    AsyncClient,
    AuthRequiredError,
    Client,
    CommandEvent,
    DoneEvent,
    FileChange,
    MessageEvent,
    OtherEvent,
    ProtocolError,
    ProviderNotInstalledError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    WarningEvent,
)
from signedin.model.approvals import allow, allow_for_session, deny, stop
from signedin.model.errors import ErrorKind, InvalidOptionError, UnsupportedOptionError
from signedin.providers.acp import turn as acp_turn
from signedin.providers.acp.session import MOST_UNUSED
from support.processes import EndlessCommand, Watch, processes_with
from support.turns import checked, comparable, events_of_async, failed, of_type

AGENT = Path(__file__).parents[1] / "support" / "acp_agent.py"


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., object]:
    """Runs one prompt with an agent that behaves as configured."""

    def run(*behaviour: str, **keywords: object) -> object:
        with Client("acp", command=command(*behaviour), trust_project=True) as client:
            return checked(client.run("Hi", cwd=tmp_path, timeout=20, **keywords))

    return run


def command(*behaviour: str) -> list[str]:
    return [sys.executable, "-S", str(AGENT), *behaviour]


def client(*behaviour: str) -> AsyncClient:
    return AsyncClient("acp", command=command(*behaviour), trust_project=True)


def test_the_least_an_agent_can_say(run: Callable) -> None:
    result = run("hello")
    assert (result.text, result.session_id, result.usage) == ("Hello.", "s1", None)


def test_a_temporary_folder_of_its_own(
    run: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    folder = Path(run("temporary").text)
    assert folder != tmp_path
    assert not folder.exists()
    assert run("temporary", env={"TMPDIR": str(tmp_path)}).text == str(tmp_path)


def test_an_agent_that_ends_well_what_it_was_stopped_at_the_beginning_of(tmp_path: Path) -> None:
    agent = Client("acp", command=command("stopped_early"), trust_project=True)
    with agent, agent.stream("Hi", cwd=tmp_path, timeout=20) as turn:
        assert next(iter(turn)).kind == "session"
        turn.interrupt()
        assert [event.reason for event in of_type(list(turn), DoneEvent)] == ["interrupted"]


@pytest.mark.parametrize("sandbox", ["read-only", "off"])
def test_an_agent_that_dies_in_a_turn(run: Callable, sandbox: str) -> None:
    with pytest.raises(TransportClosedError) as raised:
        run("dies", sandbox=sandbox)
    assert "was killed by SIGKILL" in str(raised.value)
    assert "cannot go on" in raised.value.stderr
    assert raised.value.result.text == "one two "
    [message] = of_type(raised.value.result.events, MessageEvent)
    assert not message.complete


async def test_what_is_not_understood_passes_through(tmp_path: Path) -> None:
    async with client("garbage") as agent:
        events = await events_of_async(agent.stream("Hi", cwd=tmp_path))
    others = [event.name for event in of_type(events, OtherEvent)]
    assert others == ["session/update", "brand_new_kind", "plan", "tool_call"]
    [raw] = [e.raw for e in of_type(events, OtherEvent) if e.name == "brand_new_kind"]
    assert raw["params"]["update"]["anything"] == [1]
    assert events[-1].text == "Hello. -32601"
    assert events[-1].reason == "completed"
    [warning] = of_type(events, WarningEvent)
    assert warning.text == "the agent ended the turn for an unknown reason: a_new_reason"


async def test_an_agent_that_does_not_stop_is_ended(tmp_path: Path) -> None:
    async with client("mute") as agent:
        with pytest.raises(TimeoutExceededError) as raised:
            await agent.run("Hi", cwd=tmp_path, timeout=2, env={"SIGNEDIN_TEST": str(tmp_path)})
    assert processes_with(tmp_path) == set()
    assert raised.value.result.text == "one two "


async def test_an_interrupted_turn_ends_whatever_the_agent_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signedin.client.turn.STOP_SECONDS", 0.2)
    monkeypatch.setattr(acp_turn, "STOP_SECONDS", 0.2)
    env = {"SIGNEDIN_TEST": str(tmp_path)}
    async with client("mute") as agent, agent.session(cwd=tmp_path, env=env) as session:
        async with session.stream("Hi") as turn:
            events = [await anext(aiter(turn))]
            first = Watch(processes_with(tmp_path))
            await turn.interrupt()
            events += [event async for event in turn]
        assert (events[-1].kind, events[-1].reason) == ("done", "interrupted")
        first.all_gone()
    assert processes_with(tmp_path) == set()


def test_a_turn_stopped_by_an_answer_ends_whatever_the_agent_does(
    run: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(acp_turn, "STOP_SECONDS", 0.2)
    with pytest.raises(TurnInterruptedError) as raised:
        run("permission_mute", on_approval=lambda request: stop)
    assert raised.value.result.text == "asked "


async def test_leaving_the_loop_ends_the_agent(tmp_path: Path) -> None:
    async with client("mute") as agent:
        stream = agent.stream("Hi", cwd=tmp_path, env={"SIGNEDIN_TEST": str(tmp_path)})
        async with aclosing(aiter(stream)) as events:
            await anext(events)
        pids = Watch(processes_with(tmp_path))
    pids.all_gone()


def test_an_agent_that_floods_its_stderr(run: Callable) -> None:
    assert run("noisy").text == "Hello."


def test_an_agent_that_ends_at_once_is_quoted(run: Callable) -> None:
    with pytest.raises(TransportClosedError, match=r"exited with code 0.*no longer maintained"):
        run("exits")


def test_another_version_of_the_protocol(run: Callable) -> None:
    with pytest.raises(ProtocolError, match="speaks version 2 of the Agent Client Protocol"):
        run("version")


def test_an_agent_that_wants_a_login(run: Callable) -> None:
    with pytest.raises(AuthRequiredError, match=r"Authentication required\. Sign in with: see"):
        run("locked")


def test_an_agent_that_is_not_there(tmp_path: Path) -> None:
    missing = "no such program: no-such-agent"
    with (
        Client("acp", command=["no-such-agent"]) as agent,
        pytest.raises(ProviderNotInstalledError, match=missing),
    ):
        agent.run("Hi", cwd=tmp_path)


def test_no_command_at_all(tmp_path: Path) -> None:
    with Client("acp") as agent, pytest.raises(InvalidOptionError, match="acp:opencode"):
        agent.run("Hi", cwd=tmp_path)


def test_a_refusal_is_a_failure_that_keeps_the_words(run: Callable) -> None:
    with pytest.raises(TurnFailedError, match="refuses to answer") as raised:
        run("refuses")
    assert raised.value.kind is ErrorKind.REFUSED
    assert raised.value.result.text == "I would rather "


def test_an_answer_that_was_cut_fails(run: Callable) -> None:
    with pytest.raises(TurnFailedError, match="the answer is cut") as raised:
        run("cut")
    assert (raised.value.kind, raised.value.transient) == (ErrorKind.OUTPUT_LIMIT, False)
    assert raised.value.result.text == "The first "


def test_what_is_nested_too_deep_ends_no_reader(run: Callable) -> None:
    result = run("deep_update")
    assert result.text == "one two three"


def test_each_turn_has_the_settings_it_names(tmp_path: Path) -> None:
    with Client("acp", command=command("settings"), trust_project=True) as client:
        session = client.session(cwd=tmp_path, timeout=20)
        first = session.run("Hi", provider_options={"config": {"style": "grand"}, "mode": "act"})
        assert json.loads(first.text) == {"mode": "act", "style": "grand"}
        assert json.loads(session.run("Hi").text) == {"mode": "ask", "style": "plain"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"typo": 1}, "has no provider option 'typo'"),
        ({"mode": 3}, "mode must be a string"),
        ({"config": [1]}, "config must be a dictionary"),
        ({"config": {"style": 3.5}}, "config must be a dictionary"),
    ],
)
def test_the_options_of_every_turn_are_checked(
    tmp_path: Path, options: dict[str, object], complaint: str
) -> None:
    with Client("acp", command=command("hello"), trust_project=True) as client:
        session = client.session(cwd=tmp_path, timeout=20)
        session.run("Hi")
        with pytest.raises(InvalidOptionError, match=complaint):
            session.run("Hi", provider_options=options)
        assert session.run("Hi").text == "Hello."


async def test_sessions_nobody_uses_are_forgotten(tmp_path: Path) -> None:
    async with client("hello") as one:
        provider = one._connected()
        for _ in range(2):
            await one.run("Hi", cwd=tmp_path)
        [process] = provider._running.values()
        held = process.running.sessions
        for number in range(MOST_UNUSED + 5):
            held[f"old-{number}"] = held["s1"]
        await one.run("Hi", cwd=tmp_path)
        assert len(held) == MOST_UNUSED


def test_an_agent_that_refuses_its_arguments(tmp_path: Path) -> None:
    complaint = "Unknown argument: nope\nUsage: agent [options]\n  -h, --help  Show help\n"
    argv = [sys.executable, "-c", f"import sys; sys.exit({complaint * 200!r})"]
    with (
        Client("acp", command=argv, trust_project=True) as client,
        pytest.raises(InvalidOptionError, match=r"Unknown argument: nope$") as raised,
    ):
        client.run("Hi", cwd=tmp_path)
    assert not raised.value.transient


def test_what_an_agent_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    endless = EndlessCommand(tmp_path)
    with Client("acp", command=command("leaves", endless.line), trust_project=True) as client:
        client.run("Hi", cwd=tmp_path, env={"SIGNEDIN_TEST": str(tmp_path)})
        endless.wait_until_it_runs()
    assert processes_with(tmp_path) == set()


def test_an_agent_without_models_refuses_one(run: Callable) -> None:
    with pytest.raises(UnsupportedOptionError, match="'model'"):
        run("hello", model="big")
    with pytest.raises(UnsupportedOptionError, match="cannot load sessions"):
        run("hello", resume="s0")


async def test_news_of_one_command_is_put_together(tmp_path: Path) -> None:
    async with client("upsert") as agent:
        events = await events_of_async(agent.stream("Hi", cwd=tmp_path))
    ls = {"item_id": "1", "command": "ls"}
    assert of_type(comparable(events), CommandEvent) == [
        CommandEvent(**ls, status="started", cwd=str(tmp_path)),
        CommandEvent(**ls, status="output", text="a\n"),
        CommandEvent(**ls, status="output", text="b\n"),
        CommandEvent(**ls, status="failed", cwd=str(tmp_path), output="a\nb\n", exit_code=3),
    ]


def test_permission_is_answered_by_an_offered_option(run: Callable) -> None:
    assert '"optionId": "yes"' in run("permission", on_approval=lambda _: allow).text
    for_session = run("permission", on_approval=lambda _: allow_for_session)
    assert '"optionId": "yes"' in for_session.text
    assert '"optionId": "no"' in run("permission", on_approval=lambda _: deny("no")).text
    assert '"optionId": "no"' in run("permission").text
    assert '"optionId": "yes"' in run("permission", permissions="full-access").text


def test_reading_is_confined_to_the_working_directory(run: Callable, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("inside")
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert json.loads(run("read", str(tmp_path / "in.txt")).text) == {"content": "inside"}
    for path in ("/etc/passwd", str(tmp_path / "link"), str(tmp_path / ".." / ".." / "x")):
        assert "outside the working directory" in run("read", path).text
    assert "-32002" in run("read", str(tmp_path / "missing")).text
    assert "root:" in run("read", "/etc/passwd", permissions="full-access").text


def test_writing_needs_the_permission(run: Callable, tmp_path: Path) -> None:
    work, outside = tmp_path / "work", tmp_path / "outside.txt"
    work.mkdir()
    file = work / "new" / "file.txt"
    write = ("write", str(file), "text")
    assert "was not allowed" in run(*write).text
    assert not file.exists()
    asked = []
    run(*write, on_approval=lambda request: asked.append(request) or allow)
    assert file.read_text() == "text"
    assert [request.changes for request in asked] == [(FileChange(str(file), "add", "text"),)]
    covered = {"permissions": "workspace-write", "cwd": work}
    with Client("acp", command=command("write", str(file), "more")) as agent:
        agent.run("Hi", **covered)
        assert file.read_text() == "more"
    work.joinpath("link").symlink_to(outside)
    for path in (outside, work / "link"):
        agent_command = command("write", str(path), "text")
        with Client("acp", command=agent_command) as agent:
            assert "was not allowed" in agent.run("Hi", **covered).text
    assert not outside.exists()


@pytest.mark.parametrize("act", [("read",), ("write", "text")], ids=["read", "write"])
def test_what_is_not_a_file_is_refused_at_once(
    run: Callable, tmp_path: Path, act: tuple[str, ...]
) -> None:
    os.mkfifo(tmp_path / "pipe")
    method, *content = act
    for permissions in ("workspace-write", "full-access"):
        pipe = run(method, str(tmp_path / "pipe"), *content, permissions=permissions)
        assert "not a regular file" in pipe.text
        zero = run(method, str(tmp_path / "a%00b"), *content, permissions=permissions)
        assert '"code": -32602' in zero.text


def test_a_command_runs_only_when_it_is_permitted(run: Callable, tmp_path: Path) -> None:
    made = ("terminal", sys.executable, "-c", "open('made', 'w').close(); print('x' * 2000)")
    assert "was not allowed" in run(*made).text
    assert not (tmp_path / "made").exists()
    result = run(*made, on_approval=lambda _: allow)
    ended, shown, released, again = result.text.split("\n")
    assert json.loads(ended) == {"exitCode": 0, "signal": None}
    assert json.loads(shown)["truncated"] is True
    assert len(json.loads(shown)["output"]) == 1000
    assert (json.loads(released), "no terminal" in again) == (None, True)
    [approval] = of_type(result.events, ApprovalEvent)
    assert (approval.subject, approval.decision) == ("command", "allow")
    assert (tmp_path / "made").exists()


def test_what_the_client_would_do_is_refused_with_what_is_allowed_instead(
    run: Callable, tmp_path: Path
) -> None:
    asked = ("terminal", "touch", "made")
    result = run(*asked, on_approval=lambda _: allow(changed="touch other"))
    assert result.text.endswith('if you ask for exactly this: touch other"}')
    other = FileChange(str(tmp_path / "other"), "add", "x")
    written = run("write", str(tmp_path / "made"), "x", on_approval=lambda _: allow(changed=other))
    assert f"if you ask for exactly this: {other.path}" in written.text
    for each in (result, written):
        [approval] = of_type(each.events, ApprovalEvent)
        assert approval.decision == "deny"
    assert list(tmp_path.glob("*e*")) == []


def test_no_shell_sees_a_command(run: Callable, tmp_path: Path) -> None:
    result = run("terminal", "touch made; ls", permissions="full-access")
    assert "no such program" in result.text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(("code", "status"), [(3, "failed"), (0, "completed")])
def test_a_terminal_of_a_tool_call_is_the_commands_output(
    run: Callable, code: int, status: str
) -> None:
    program = f"print('one'); raise SystemExit({code})"
    result = run("shows", sys.executable, "-c", program, permissions="full-access")
    started, ended = of_type(result.events, CommandEvent)
    assert (started.status, started.command) == ("started", "Runs it")
    assert (ended.status, ended.output, ended.exit_code) == (status, "one\n", code)


def test_no_command_outlives_its_turn(run: Callable, tmp_path: Path) -> None:
    sleep = ("abandons", sys.executable, "-c", "import time; time.sleep(1000)")
    run(*sleep, permissions="full-access", env={"SIGNEDIN_TEST": str(tmp_path)})
    assert processes_with(tmp_path) == set()


def test_no_command_that_is_still_being_started_outlives_its_turn(tmp_path: Path) -> None:
    sleep = ("forgets", str(tmp_path), sys.executable, "-c", "import time; time.sleep(1000)")
    with Client("acp", command=command(*sleep), trust_project=True) as agent:
        for _ in range(3):
            agent.run("Hi", cwd=tmp_path, permissions="full-access")
            assert processes_with(tmp_path) == set()


async def test_a_flood_of_deltas_arrives_whole_and_in_order(tmp_path: Path) -> None:
    async with client("flood", "60000") as agent, agent.stream("Hi", cwd=tmp_path) as turn:
        texts = [event.text async for event in turn if event.kind == "message_delta"]
    assert texts == [f"{number} " for number in range(60_000)]


def test_the_error_of_a_failed_turn_has_the_events(tmp_path: Path) -> None:
    with Client("acp", command=command("refuses")) as agent:
        events, _ = failed(agent.stream("Hi", cwd=tmp_path), TurnFailedError)
    assert isinstance(events[-1], DoneEvent)
