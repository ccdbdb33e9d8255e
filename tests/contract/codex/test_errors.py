"""Each way to fail has its own error, in the provider's own words, with what was received."""

import shutil
import socket
import time
from collections.abc import Iterator, Mapping

import pytest

from signedin import (
    AuthRequiredError,
    Client,
    CommandEvent,
    DoneEvent,
    ErrorEvent,
    ErrorKind,
    Event,
    InvalidOptionError,
    MessageEvent,
    RateLimitedError,
    SessionEvent,
    SignedinError,
    TransportClosedError,
    TurnFailedError,
    UsageLimitError,
)
from signedin.loopback import (
    Cut,
    Failed,
    HttpError,
    Incomplete,
    Reply,
    Shell,
    Text,
    UsageLimit,
)
from signedin.loopback.script import Answer
from support.stage import Stage
from support.turns import checked, comparable, failed

TRUE = shutil.which("true")

NOT_YET = "01a1fda5-77f3-73e0-bc59-8942ee3d8ba8"

CASES: Mapping[str, tuple[Answer, type[SignedinError], ErrorKind, int | None, str]] = {
    "401": (
        HttpError(401, "This key is not known."),
        AuthRequiredError,
        ErrorKind.AUTH_REQUIRED,
        401,
        "unexpected status 401 Unauthorized: This key is not known., url: {url}/v1/responses. "
        "Sign in with: signedin auth login --provider codex --source external",
    ),
    "403": (
        HttpError(403, "Not for you."),
        AuthRequiredError,
        ErrorKind.AUTH_REQUIRED,
        403,
        "unexpected status 403 Forbidden: Not for you., url: {url}/v1/responses. "
        "Sign in with: signedin auth login --provider codex --source external",
    ),
    "429": (
        HttpError(429, "Slow down."),
        RateLimitedError,
        ErrorKind.RATE_LIMITED,
        429,
        "exceeded retry limit, last status: 429 Too Many Requests",
    ),
    "quota": (
        HttpError(429, "No money.", code="insufficient_quota"),
        UsageLimitError,
        ErrorKind.USAGE_LIMIT,
        None,
        "Quota exceeded. Check your plan and billing details.",
    ),
    "plan without codex": (
        HttpError(429, body={"error": {"type": "usage_not_included", "message": "x"}}),
        UsageLimitError,
        ErrorKind.USAGE_LIMIT,
        None,
        "To use Codex with your ChatGPT plan, upgrade to Plus: https://chatgpt.com/explore/plus.",
    ),
    "500": (
        HttpError(500, "Boom."),
        TurnFailedError,
        ErrorKind.SERVER,
        None,
        "We\u2019re currently experiencing high demand, which may cause temporary errors.",
    ),
    "503": (
        HttpError(503, "Full."),
        TurnFailedError,
        ErrorKind.OVERLOADED,
        None,
        "Selected model is at capacity. Please try a different model.",
    ),
    "context window": (
        Failed("context_length_exceeded", "Too long."),
        TurnFailedError,
        ErrorKind.CONTEXT_WINDOW,
        None,
        "Codex ran out of room in the model's context window. Start a new thread or clear earlier "
        "history before retrying.",
    ),
    "rate limit in the stream": (
        Failed("rate_limit_exceeded", "Slow down."),
        RateLimitedError,
        ErrorKind.RATE_LIMITED,
        None,
        "rate limit exceeded: Slow down.",
    ),
    "model not found": (
        HttpError(400, "The model `x` does not exist.", code="model_not_found"),
        TurnFailedError,
        ErrorKind.MODEL_NOT_FOUND,
        None,
        "The model `x` does not exist.",
    ),
    "incomplete": (
        Incomplete("max_output_tokens"),
        TurnFailedError,
        ErrorKind.OUTPUT_LIMIT,
        None,
        "Incomplete response returned, reason: max_output_tokens",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_errors_of_the_model(client: Client, stage: Stage, case: str) -> None:
    answer, error_type, kind, status, message = CASES[case]
    message = message.format(url=stage.model.url)
    stage.play(answer)
    events, error = failed(client.stream("go"), error_type)

    assert error.message == message
    assert error.kind is kind
    assert [e for e in comparable(events) if isinstance(e, ErrorEvent | DoneEvent)] == [
        ErrorEvent(text=message, error=kind, status=status),
        DoneEvent(reason="failed"),
    ]
    assert error.result is not None
    assert error.result.reason == "failed"
    assert error.result.text == ""
    assert error.result.session_id == events[0].session_id
    assert list(error.result.events) == events
    # The client is as good as before.
    stage.play("Done.")
    assert checked(client.run("again")).text == "Done."


def test_run_raises_the_same_error(client: Client, stage: Stage) -> None:
    stage.play(HttpError(429, "Slow down."))
    with pytest.raises(RateLimitedError, match="last status: 429") as caught:
        client.run("go")
    assert caught.value.result is not None
    assert [type(e) for e in comparable(caught.value.result.events)] == [
        SessionEvent,
        ErrorEvent,
        DoneEvent,
    ]


def test_a_usage_limit_says_when_it_is_lifted(client: Client, stage: Stage) -> None:
    stage.play(UsageLimit(plan="plus", resets_at=1_900_000_000))
    events, error = failed(client.stream("go"), UsageLimitError)
    assert error.message.startswith("You\u2019ve hit your usage limit. Upgrade to Pro ")
    # Codex tells it in words, to the minute.
    assert error.resets_at == pytest.approx(1_900_000_000, abs=60)
    assert error.resets_at >= 1_900_000_000
    assert error.transient is False
    [event] = [e for e in events if isinstance(e, ErrorEvent)]
    assert event.resets_at == error.resets_at


def test_a_usage_limit_of_today(client: Client, stage: Stage) -> None:
    resets_at = int(time.time()) + 90
    stage.play(UsageLimit(resets_at=resets_at))
    _, error = failed(client.stream("go"), UsageLimitError)
    assert error.resets_at == pytest.approx(resets_at, abs=60)


def test_a_usage_limit_with_numbers(client: Client, stage: Stage) -> None:
    """The real backend tells the windows in headers; then the fullest one counts."""
    headers = {
        "x-codex-primary-used-percent": "100",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1900000007",
        "x-codex-secondary-used-percent": "20",
        "x-codex-secondary-window-minutes": "10080",
        "x-codex-secondary-reset-at": "1900009999",
    }
    stage.play(UsageLimit(resets_at=1_900_000_007, headers=headers))
    _, error = failed(client.stream("go"), UsageLimitError)
    assert error.resets_at == 1_900_000_007


def test_what_was_received_before_the_stream_was_cut(client: Client, stage: Stage) -> None:
    stage.play(
        [Text("Looking.", phase="commentary"), Shell("echo hello")],
        Reply("It was a dark night.", ending=Cut(after=3)),
    )
    events, error = failed(client.stream("go"), TurnFailedError)
    assert error.kind is ErrorKind.NETWORK
    assert error.message.startswith("stream disconnected before completion: ")
    assert error.transient is True
    assert error.result is not None
    assert error.result.text == "It was a "
    [command] = [
        e
        for e in comparable(error.result.events)
        if isinstance(e, CommandEvent) and e.exit_code == 0
    ]
    assert command.output == "hello\n"
    assert from_error_on(events) == [
        ErrorEvent(text=error.message, error=ErrorKind.NETWORK),
        MessageEvent(item_id="3", text="It was a ", complete=False),
        DoneEvent(text=error.result.text, reason="failed"),
    ]


def test_a_model_that_fails_in_the_middle(client: Client, stage: Stage) -> None:
    stage.play(Reply("It was a dark night.", ending=Failed("server_error", "Boom.", after=3)))
    events, error = failed(client.stream("go"), TurnFailedError)
    assert error.message == "stream disconnected before completion: Boom."
    assert error.result is not None
    assert error.result.text == "It was a "
    assert from_error_on(events) == [
        ErrorEvent(text=error.message, error=ErrorKind.NETWORK),
        MessageEvent(item_id="1", text="It was a ", complete=False),
        DoneEvent(text="It was a ", reason="failed"),
    ]


def test_nobody_listens(stage: Stage) -> None:
    loopback = stage.options["provider_options"]["config"]["model_providers.loopback"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
        config = stage.config(**{"model_providers.loopback": {**loopback, "base_url": url}})
        with stage.client(provider_options=config) as client:
            _, error = failed(client.stream("go"), TurnFailedError)
    assert error.kind is ErrorKind.NETWORK
    assert error.transient is True
    assert "error sending request" in error.message


def test_an_unknown_session(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    events, error = failed(client.stream("go", resume=NOT_YET), InvalidOptionError)
    assert error.message.startswith("codex refused: ")
    assert f"no rollout found for thread id {NOT_YET}" in error.message
    assert [type(e) for e in events] == [ErrorEvent, DoneEvent]
    with pytest.raises(InvalidOptionError, match="no rollout found"):
        client.session(resume=NOT_YET).run("go")
    assert stage.requests == ()


def test_no_session_id_at_all(client: Client, stage: Stage) -> None:
    stage.play("Done.")
    with pytest.raises(InvalidOptionError, match=r"(invalid|not a) session id;"):
        client.run("go", resume="my session")
    assert stage.requests == ()


def test_a_broken_configuration(stage: Stage) -> None:
    config = stage.config(model_provider="nope")
    with stage.client(provider_options=config) as client:
        _, error = failed(client.stream("go"), InvalidOptionError)
    assert error.message.startswith("codex refused: ")
    assert error.message.endswith("Model provider `nope` not found")


@pytest.fixture
def fresh() -> Iterator[Stage]:
    """A stage whose home may be spoilt."""
    with Stage("codex") as stage:
        yield stage


def test_a_configuration_file_that_codex_cannot_take(fresh: Stage) -> None:
    (fresh.home / "config.toml").write_text("mcp_servers = 5\n")
    with fresh.client() as client:
        _, error = failed(client.stream("go"), InvalidOptionError)
    assert error.message.startswith("codex refused: ")
    assert "invalid type: integer `5`, expected a map" in error.message


@pytest.mark.parametrize("content", [b"", b'{"timestamp": "2026-', b"\0" * 1000])
def test_a_session_that_was_killed_while_it_began(fresh: Stage, content: bytes) -> None:
    fresh.play("ok")
    with fresh.client() as client:
        session_id = client.run("go").session_id
    [file] = fresh.home.rglob(f"*{session_id}.jsonl")
    file.write_bytes(content)
    with fresh.client() as client:
        _, error = failed(client.stream("go", resume=session_id), InvalidOptionError)
    assert error.message.startswith(f"codex cannot read the session in {file}: ")
    assert error.message.endswith("begin a new session")


def test_a_home_that_is_no_folder(stage: Stage) -> None:
    with stage.client(env={"CODEX_HOME": "/dev/null"}) as client:
        _, error = failed(client.stream("go"), InvalidOptionError)
    assert error.message == (
        "CODEX_HOME=/dev/null is not a folder; correct it, or create the folder first"
    )


def test_a_failed_turn_does_not_end_the_session(client: Client, stage: Stage) -> None:
    stage.play(Text.echo())
    with client.session() as session:
        first = session.run("one")
        stage.play(HttpError(500, "Boom."))
        failed(session.stream("two"), TurnFailedError)
        stage.play(Text.echo())
        assert session.run("three").session_id == first.session_id


def from_error_on(events: list[Event]) -> list[Event]:
    plain = comparable(events)
    [start] = [number for number, event in enumerate(plain) if isinstance(event, ErrorEvent)]
    return plain[start:]


def test_a_program_that_is_not_codex(stage: Stage) -> None:
    with stage.client("codex-app-server", binary=TRUE) as client:
        _, error = failed(client.stream("go"), TransportClosedError)
    assert error.message.endswith(f" left no message; is {TRUE} the right program?")
