"""How turns end before they are done, and why others fail."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import (
    AsyncClient,
    AuthRequiredError,
    BillingError,
    Client,
    CommandEvent,
    DoneEvent,
    MessageDeltaEvent,
    MessageEvent,
    ProtocolError,
    RateLimitedError,
    RateLimitEvent,
    RateLimits,
    RateLimitWindow,
    RetryEvent,
    TurnFailedError,
    TurnInterruptedError,
    UsageLimitError,
    WarningEvent,
)
from signedin.loopback import (
    Cut,
    Failed,
    Hang,
    Hold,
    HttpError,
    Incomplete,
    Reply,
    Shell,
    Text,
    ToolCall,
    UsageLimit,
)
from signedin.model.approvals import allow
from signedin.model.errors import ErrorKind, InvalidOptionError, ProviderNotInstalledError
from support.processes import Watch, children_with, processes_with, wait_until_none_with
from support.stage import Stage
from support.turns import comparable, failed, of_type

SECONDS = 60
"""Until a failure has to be reported; by default Claude Code retries for three minutes."""


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """A pipe that a command writes to when it begins."""
    os.mkfifo(tmp_path / "begun")
    return tmp_path / "begun"


def commands_after(begun: Path, marker: str) -> set[int]:
    """Waits until the command has begun; returns what runs beside Claude Code itself."""
    begun.read_bytes()
    commands = processes_with(marker) - children_with(marker)
    assert commands
    return commands


def test_interrupt_while_the_model_writes(client: Client, stage: Stage) -> None:
    stage.play([Text(["one ", Hold("never"), "two"])])
    with client.session() as session:
        turn = session.stream("go")
        events = []
        for event in turn:
            events.append(event)
            if isinstance(event, MessageDeltaEvent):
                turn.interrupt()
        assert comparable(events)[-1] == DoneEvent(text="one ", reason="interrupted")
        [message] = of_type(events, MessageEvent)
        assert isinstance(message, MessageEvent)
        assert (message.text, message.complete) == ("one ", False)
        with pytest.raises(TurnInterruptedError) as caught:
            turn.result()
        assert caught.value.result is not None
        assert caught.value.result.text == "one "
        stage.play("The session goes on.")
        assert session.run("more").text == "The session goes on."


def test_interrupt_ends_the_command(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, begun: Path, marker: str
) -> None:
    stage.play(Shell("echo > begun; sleep 500"), "never said")
    with new_client() as client:
        turn = client.stream("go", cwd=tmp_path, on_approval=lambda _: allow)
        with turn:
            events = []
            for event in turn:
                events.append(event)
                if event.kind == "approval":
                    watch = Watch(commands_after(begun, marker))
                    turn.interrupt()
        watch.all_gone()
        [_, ended] = of_type(events, CommandEvent)
        assert isinstance(ended, CommandEvent)
        assert ended.status == "interrupted"
        assert comparable(events)[-1].reason == "interrupted"  # type: ignore[attr-defined]
    wait_until_none_with(marker)


def test_a_stream_that_is_left_early_stops_the_turn(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, begun: Path, marker: str
) -> None:
    stage.play(Shell("echo > begun; sleep 500"), "never said")
    with new_client() as client:
        for event in client.stream("go", cwd=tmp_path, on_approval=lambda _: allow):
            if event.kind == "approval":
                watch = Watch(commands_after(begun, marker))
                break
        watch.all_gone()
    wait_until_none_with(marker)
    assert len(stage.requests) == 1


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.3, 0.6])
async def test_cancelling_at_any_time_leaves_no_process(
    stage: Stage, transport: str, binary: Path, marker: str, delay: float
) -> None:
    stage.play(Reply("one two", ending=Hang(after=1)))
    options = stage.options
    options["env"] = {**options["env"], "SIGNEDIN_TEST": marker}
    async with AsyncClient("claude", transport=transport, binary=binary, **options) as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(delay):
                await client.run("go")
    wait_until_none_with(marker)


def test_the_background_ends_with_the_turn(
    new_client: Callable[..., Client], stage: Stage, tmp_path: Path, marker: str
) -> None:
    call = {"command": "touch begun; sleep 500", "run_in_background": True}
    stage.play(ToolCall("Bash", call), "It runs in the background.")
    with (
        new_client() as client,
        client.session(cwd=tmp_path, on_approval=lambda _: allow) as session,
    ):
        result = session.run("go")
        assert result.text == "It runs in the background."
        assert [event.text for event in of_type(result.events, WarningEvent)] == [
            "work in the background ends with the turn: touch begun; sleep 500"
        ]
        wait_until_none_with(marker)
        stage.play("The session goes on.")
        assert session.run("more").text == "The session goes on."


FAILURES = {
    "key": (HttpError(401), AuthRequiredError, ErrorKind.AUTH_REQUIRED),
    "forbidden": (HttpError(403), AuthRequiredError, ErrorKind.AUTH_REQUIRED),
    "request": (HttpError(400, "bad thing"), TurnFailedError, ErrorKind.INVALID_OPTION),
    "credit": (
        HttpError(400, "Your credit balance is too low to access the Anthropic API."),
        BillingError,
        ErrorKind.BILLING,
    ),
    "context": (
        HttpError(400, "prompt is too long: 250000 tokens > 200000 maximum"),
        TurnFailedError,
        ErrorKind.CONTEXT_WINDOW,
    ),
    "model": (HttpError(404, "model: nope"), TurnFailedError, ErrorKind.MODEL_NOT_FOUND),
    "rate": (HttpError(429), RateLimitedError, ErrorKind.RATE_LIMITED),
    "server": (HttpError(500), TurnFailedError, ErrorKind.SERVER),
    "overloaded": (HttpError(529), TurnFailedError, ErrorKind.OVERLOADED),
    "refusal": (Incomplete("content_filter"), TurnFailedError, ErrorKind.REFUSED),
    "too long": (Reply("one two", ending=Incomplete()), TurnFailedError, ErrorKind.OUTPUT_LIMIT),
    "cut": (Reply("one two three", ending=Cut(after=1)), TurnFailedError, ErrorKind.NETWORK),
    "in the stream": (
        Reply("one two", ending=Failed("api_error", "it broke", after=1)),
        TurnFailedError,
        ErrorKind.SERVER,
    ),
    "overloaded in the stream": (
        Reply("one two", ending=Failed("overloaded_error", "Overloaded", after=1)),
        TurnFailedError,
        ErrorKind.OVERLOADED,
    ),
    "empty": (Reply(()), ProtocolError, ErrorKind.PROTOCOL),
    "no event stream": (
        HttpError(200, body="<html>a proxy</html>"),
        TurnFailedError,
        ErrorKind.NETWORK,
    ),
}


@pytest.fixture(scope="module")
def impatient(stage: Stage, transport: str, binary: Path) -> Iterator[Client]:
    """A client whose Claude Code tries nothing again."""
    env = {"CLAUDE_CODE_MAX_RETRIES": "0"}
    with stage.client(transport, binary=binary, env=env) as client:
        yield client


@pytest.mark.parametrize("name", ["key", "server", "cut"])
def test_failures_are_told_in_seconds(client: Client, stage: Stage, name: str) -> None:
    answer, error_type, kind = FAILURES[name]
    stage.play(answer)
    before = time.monotonic()
    _, error = failed(client.stream("go"), error_type)
    assert time.monotonic() - before < SECONDS
    assert error.kind is kind


@pytest.mark.parametrize("name", FAILURES)
def test_each_failure_has_its_kind(impatient: Client, stage: Stage, name: str) -> None:
    answer, error_type, kind = FAILURES[name]
    stage.play(answer)
    with pytest.raises(error_type) as caught:
        impatient.run("go")
    assert caught.value.kind is kind, caught.value
    assert caught.value.result is not None


def test_retries_are_told_and_partial_text_is_kept(client: Client, stage: Stage) -> None:
    stage.play(HttpError(500, times=1), Reply("one two", ending=Cut(after=1)))
    events, error = failed(client.stream("go"), TurnFailedError)
    [retry, *_] = of_type(events, RetryEvent)
    assert isinstance(retry, RetryEvent)
    assert retry.text == "the model request failed (500 server_error); retrying"
    assert retry.attempt == 1
    assert retry.delay is not None
    assert error.result is not None
    # Of an answer that is cut off some tries have a beginning, others do not; the last one counts.
    deltas = of_type(events, MessageDeltaEvent)
    assert error.result.text == "".join(e.text for e in deltas if e.item_id == deltas[-1].item_id)


def test_a_usage_limit_of_a_login(new_client: Callable[..., Client], stage: Stage) -> None:
    stage.play(UsageLimit(resets_at=4_102_444_800))
    login = {"ANTHROPIC_API_KEY": None, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-loopback"}
    with new_client(env=login) as client:
        events, error = failed(client.stream("go"), UsageLimitError)
    assert error.resets_at == 4_102_444_800
    assert "hit your" in error.message
    [limits] = of_type(events, RateLimitEvent)
    assert isinstance(limits, RateLimitEvent)
    assert limits.limits == RateLimits(
        {"five_hour": RateLimitWindow(used_percent=100, minutes=300, resets_at=4_102_444_800)}
    )
    assert len(stage.requests) == 1


def test_not_signed_in(new_client: Callable[..., Client], stage: Stage) -> None:
    stage.play("never said")
    with new_client(env={"ANTHROPIC_API_KEY": None}) as client:
        _, error = failed(client.stream("go"), AuthRequiredError)
    assert error.message == (
        "Not logged in · Please run /login. Sign in with: signedin auth login --provider claude "
        "--source external"
    )
    assert stage.requests == ()


def test_nobody_listens(new_client: Callable[..., Client]) -> None:
    with new_client(env={"ANTHROPIC_BASE_URL": "http://127.0.0.1:9"}) as client:
        before = time.monotonic()
        _, error = failed(client.stream("go"), TurnFailedError)
    assert time.monotonic() - before < SECONDS
    assert error.kind is ErrorKind.NETWORK
    assert error.transient


def test_a_session_that_is_not_there(client: Client) -> None:
    missing = "11111111-2222-4333-8444-555555555555"
    with pytest.raises(InvalidOptionError) as caught:
        client.run("go", resume=missing)
    assert caught.value.message == (
        f"claude refused to start: No conversation found with session ID: {missing}"
    )


def test_what_the_program_refuses_is_told_in_its_own_words(client: Client) -> None:
    with pytest.raises(InvalidOptionError, match=r"claude refused to start: .*'bogus' is invalid"):
        client.run("go", provider_options={"permission_mode": "bogus"})
    with pytest.raises(InvalidOptionError, match="claude has no provider option 'bogus'; known: "):
        client.run("go", provider_options={"bogus": 1})


@pytest.mark.parametrize("name", ["model", "effort", "resume"])
@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_what_cannot_be_on_a_command_line(client: Client, name: str, value: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"claude could not be started: .*not an argument"):
        client.run("go", **{name: value})


def test_the_limit_of_turns(client: Client, stage: Stage) -> None:
    stage.play(Shell("ls"), "never said")
    with pytest.raises(TurnFailedError, match=r"Reached maximum number of turns \(1\)"):
        client.run("go", provider_options={"max_turns": 1})


def test_a_program_that_is_not_there(stage: Stage, transport: str, tmp_path: Path) -> None:
    with (
        stage.client(transport, binary=tmp_path / "claude") as client,
        pytest.raises(ProviderNotInstalledError, match="does not exist"),
    ):
        client.run("go")
