"""Failures as events and as exceptions tell the same."""

import pytest

from signedin import (
    AuthRequiredError,
    BillingError,
    CommandExecutionError,
    ErrorEvent,
    ErrorKind,
    InvalidOptionError,
    OutputError,
    PermissionDeniedError,
    ProtocolError,
    ProviderNotInstalledError,
    RateLimitedError,
    SessionBusyError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UnsupportedOptionError,
    UnsupportedProviderError,
    UsageLimitError,
)
from signedin.model.events import error_from_event, event_from_error

SPECIAL = {
    ErrorKind.AUTH_REQUIRED: AuthRequiredError,
    ErrorKind.BILLING: BillingError,
    ErrorKind.USAGE_LIMIT: UsageLimitError,
    ErrorKind.RATE_LIMITED: RateLimitedError,
    ErrorKind.PERMISSION_DENIED: PermissionDeniedError,
    ErrorKind.PROCESS: TransportClosedError,
    ErrorKind.PROTOCOL: ProtocolError,
    ErrorKind.TIMEOUT: TimeoutExceededError,
    ErrorKind.INTERRUPTED: TurnInterruptedError,
}


@pytest.mark.parametrize("kind", ErrorKind)
def test_every_kind_has_its_error(kind: ErrorKind) -> None:
    event = ErrorEvent(error=kind, text="why", status=418, timestamp=1.0)
    error = error_from_event(event)
    assert type(error) is SPECIAL.get(kind, TurnFailedError)
    assert (error.kind, error.message, error.result) == (kind, "why", None)
    assert getattr(error, "status", 418) == 418


def test_facts_of_limits() -> None:
    limit = error_from_event(
        ErrorEvent(error=ErrorKind.USAGE_LIMIT, text="used up", resets_at=99.0, plan="plus")
    )
    assert isinstance(limit, UsageLimitError)
    assert (limit.resets_at, limit.plan) == (99.0, "plus")
    slow = error_from_event(ErrorEvent(error=ErrorKind.RATE_LIMITED, text="slow", retry_after=3.0))
    assert isinstance(slow, RateLimitedError)
    assert slow.retry_after == 3.0


@pytest.mark.parametrize(
    "error",
    [
        TransportClosedError("gone", returncode=1, stderr="x"),
        UsageLimitError("used up", resets_at=99.0, plan="plus"),
        RateLimitedError("slow", retry_after=3.0),
        TurnFailedError("boom", ErrorKind.SERVER, 503),
        AuthRequiredError("who are you"),
        TimeoutExceededError("late"),
    ],
)
def test_there_and_back(error: SignedinError) -> None:
    event = event_from_error(error)
    assert event.timestamp > 0
    again = error_from_event(event)
    assert type(again) is type(error)
    for name in ("message", "kind", "resets_at", "plan", "retry_after", "status"):
        assert getattr(again, name, None) == getattr(error, name, None)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            UnsupportedProviderError("x", ["a", "b"]),
            ErrorKind.INVALID_OPTION,
            "unknown provider 'x'; choose one of: a, b",
        ),
        (
            UnsupportedOptionError("codex", "tools"),
            ErrorKind.INVALID_OPTION,
            "codex does not support 'tools'",
        ),
        (
            UnsupportedOptionError("codex", "tools", "use another"),
            ErrorKind.INVALID_OPTION,
            "codex does not support 'tools': use another",
        ),
        (
            ProviderNotInstalledError("codex", "no codex", "pip install x"),
            ErrorKind.INVALID_OPTION,
            "codex is not installed: no codex. Install it with: pip install x",
        ),
        (
            OutputError("text", ("/: no JSON", "/a: missing")),
            ErrorKind.OUTPUT,
            "the answer does not fit the requested output: /: no JSON; /a: missing",
        ),
        (SessionBusyError("busy"), ErrorKind.INVALID_OPTION, "busy"),
        (CommandExecutionError("bad", returncode=3), ErrorKind.PROCESS, "bad"),
        (InvalidOptionError("bad"), ErrorKind.INVALID_OPTION, "bad"),
    ],
)
def test_messages(error: SignedinError, kind: ErrorKind, message: str) -> None:
    assert (error.kind, error.message, str(error)) == (kind, message, message)
    assert event_from_error(error).error is kind


def test_errors_are_what_programs_expect() -> None:
    assert isinstance(TimeoutExceededError("late"), TimeoutError)
    assert isinstance(InvalidOptionError("bad"), ValueError)
    assert isinstance(UnsupportedOptionError("codex", "x"), InvalidOptionError)


@pytest.mark.parametrize("kind", ErrorKind)
def test_what_may_pass_by_itself(kind: ErrorKind) -> None:
    transient = {"overloaded", "network", "server", "process", "rate_limited"}
    assert TurnFailedError("x", kind).transient is (kind in transient)
