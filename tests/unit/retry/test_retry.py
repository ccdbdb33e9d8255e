"""What is tried again, when, and what is not."""

import math

import pytest
from hypothesis import given, strategies as st

from signedin.model.errors import (
    AuthRequiredError,
    BillingError,
    CommandExecutionError,
    ErrorKind,
    InvalidOptionError,
    OutputError,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    SessionBusyError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UsageLimitError,
)
from signedin.model.events import (
    ApprovalEvent,
    CommandEvent,
    FileChange,
    FileChangeEvent,
    MessageEvent,
    ReasoningEvent,
    SessionEvent,
    ToolEvent,
    WarningEvent,
)
from signedin.model.retry import (
    Retry,
    async_retry_on_overload,
    has_acted,
    is_retryable,
    retry_on_overload,
)

SECONDS = st.floats(min_value=0, max_value=1e6)
NO_JITTER = Retry(5, jitter=0)
OVERLOADED = TurnFailedError("busy", ErrorKind.OVERLOADED, 529)


def test_the_defaults():
    retry = Retry(3)
    assert (retry.backoff, retry.backoff_max, retry.jitter, retry.on_timeout) == (1, 8, 0.25, False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"max_retries": -1}, "max_retries must be a whole number from 0, not -1"),
        ({"max_retries": True}, "max_retries must be a whole number from 0, not True"),
        ({"max_retries": 2.0}, "max_retries must be a whole number from 0, not 2.0"),
        ({"max_retries": "3"}, "max_retries must be a whole number from 0, not '3'"),
        ({"backoff": -0.1}, "backoff must be a number of seconds, not -0.1"),
        ({"backoff": False}, "backoff must be a number of seconds, not False"),
        ({"backoff_max": math.inf}, "backoff_max must be a number of seconds, not inf"),
        ({"backoff_max": None}, "backoff_max must be a number of seconds, not None"),
        ({"jitter": math.nan}, "jitter must be a number of seconds, not nan"),
        ({"jitter": "1"}, "jitter must be a number of seconds, not '1'"),
        ({"on_timeout": 1}, "on_timeout must be True or False, not 1"),
    ],
)
def test_values_that_cannot_be_used_are_refused(values, message):
    with pytest.raises(InvalidOptionError) as caught:
        Retry(**{"max_retries": 1, **values})
    assert str(caught.value) == message


def test_the_retry_options_are_taken_out_of_the_provider_options():
    options = {
        "max_retries": 3,
        "retry_backoff_s": 2,
        "retry_backoff_max_s": 10,
        "retry_jitter_s": 0.5,
        "retry_on_timeout": True,
        "sandbox": "read-only",
    }
    assert Retry.from_provider_options(options) == (
        Retry(3, backoff=2, backoff_max=10, jitter=0.5, on_timeout=True),
        {"sandbox": "read-only"},
    )
    assert len(options) == 6


def test_without_retry_options_there_is_no_retry():
    assert Retry.from_provider_options({"sandbox": "x"}) == (None, {"sandbox": "x"})
    assert Retry.from_provider_options({"retry_jitter_s": 0}) == (Retry(0, jitter=0), {})


def test_a_bad_retry_option_is_named():
    with pytest.raises(InvalidOptionError) as caught:
        Retry.from_provider_options({"max_retries": True})
    assert str(caught.value) == (
        "provider_options: max_retries must be a whole number from 0, not True"
    )


def test_the_wait_doubles_up_to_its_maximum():
    assert [NO_JITTER.delay(attempt) for attempt in range(1, 6)] == [1, 2, 4, 8, 8]
    assert Retry(1, backoff=3, backoff_max=2, jitter=0).delay(1) == 2
    assert NO_JITTER.delay(10_000) == 8


@given(SECONDS, SECONDS, SECONDS, st.integers(1, 5000))
def test_the_wait_stays_within_its_bounds(backoff, backoff_max, jitter, attempt):
    retry = Retry(1, backoff=backoff, backoff_max=backoff_max, jitter=jitter)
    assert min(backoff, backoff_max) <= retry.delay(attempt) <= backoff_max + jitter


def test_jitter_makes_waits_differ():
    assert len({Retry(1).delay(1) for _ in range(20)}) > 1


@pytest.mark.parametrize(
    ("error", "wait"),
    [
        (RateLimitedError("slow down", retry_after=20), 20),
        (RateLimitedError("slow down", retry_after=0.5), 2),
        (RateLimitedError("slow down"), 2),
        (OVERLOADED, 2),
    ],
)
def test_a_provider_is_given_the_time_it_asks_for(error, wait):
    assert NO_JITTER.delay(2, error) == wait


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OVERLOADED, True),
        (TurnFailedError("dns", ErrorKind.NETWORK), True),
        (TurnFailedError("oops", ErrorKind.SERVER, 500), True),
        (TransportClosedError("gone", returncode=-9), True),
        (CommandExecutionError("ended", returncode=1), True),
        (RateLimitedError("slow down"), True),
        (RateLimitedError("slow down", retry_after=300), True),
        (RateLimitedError("come back tomorrow", retry_after=301), False),
        (UsageLimitError("used up", resets_at=1.0, plan="plus"), False),
        (AuthRequiredError("sign in"), False),
        (BillingError("who pays?"), False),
        (PermissionDeniedError("no"), False),
        (InvalidOptionError("bad"), False),
        (SessionBusyError("busy"), False),
        (OutputError("text", ("/: no JSON",)), False),
        (ProtocolError("what?"), False),
        (TurnInterruptedError("stopped"), False),
        (TurnFailedError("no such model", ErrorKind.MODEL_NOT_FOUND), False),
        (TurnFailedError("too long", ErrorKind.CONTEXT_WINDOW), False),
        (TurnFailedError("refused", ErrorKind.REFUSED), False),
        (TimeoutExceededError("late"), False),
        (ConnectionError("not ours"), False),
    ],
)
def test_only_what_passes_by_itself_is_retried(error, expected):
    assert is_retryable(error, Retry(1)) is expected


def test_a_timeout_is_retried_where_asked_for():
    assert is_retryable(TimeoutExceededError("late"), Retry(1, on_timeout=True))
    assert not is_retryable(TurnInterruptedError("stopped"), Retry(1, on_timeout=True))


TALK = [
    SessionEvent(session_id="s"),
    ReasoningEvent(item_id="r", text="hm"),
    MessageEvent(item_id="m", text="hi"),
    ApprovalEvent(item_id="c", subject="command", decision="deny"),
    WarningEvent(text="careful"),
]


@pytest.mark.parametrize(
    "act",
    [
        CommandEvent(item_id="c", command="ls", status="started"),
        FileChangeEvent(item_id="f", changes=(FileChange("/a", "add"),), status="declined"),
        ToolEvent(item_id="t", name="weather", status="failed"),
    ],
)
def test_a_turn_has_acted_once_something_has_begun(act):
    assert not has_acted(TALK)
    assert has_acted([*TALK, act])


class Flaky:
    """Fails with each of the given errors in turn, then answers."""

    def __init__(self, *errors):
        self.errors = list(errors)
        self.calls = 0

    def __call__(self):
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"

    async def asynchronously(self):
        return self()


async def blocking(flaky, **options):
    return retry_on_overload(flaky, initial_delay_s=0, **options)


async def asynchronous(flaky, **options):
    return await async_retry_on_overload(flaky.asynchronously, initial_delay_s=0, **options)


@pytest.mark.parametrize("retrying", [blocking, asynchronous])
async def test_an_overloaded_provider_is_called_again(retrying):
    flaky = Flaky(OVERLOADED, OVERLOADED)
    assert await retrying(flaky) == "done"
    assert flaky.calls == 3


@pytest.mark.parametrize("retrying", [blocking, asynchronous])
@pytest.mark.parametrize("attempts", [1, 2])
async def test_the_last_overload_is_raised(retrying, attempts):
    flaky = Flaky(OVERLOADED, OVERLOADED)
    with pytest.raises(TurnFailedError, match="busy"):
        await retrying(flaky, max_attempts=attempts)
    assert flaky.calls == attempts


@pytest.mark.parametrize("retrying", [blocking, asynchronous])
@pytest.mark.parametrize("error", [TransportClosedError("gone"), ValueError("bug")])
async def test_other_errors_are_raised_at_once(retrying, error):
    flaky = Flaky(error)
    with pytest.raises(type(error)) as caught:
        await retrying(flaky)
    assert caught.value is error
    assert flaky.calls == 1


@pytest.mark.parametrize("retrying", [blocking, asynchronous])
async def test_no_attempt_at_all_is_refused(retrying):
    flaky = Flaky()
    with pytest.raises(InvalidOptionError, match="max_attempts must be 1 or more, not 0"):
        await retrying(flaky, max_attempts=0)
    assert flaky.calls == 0


@given(st.integers(2, 8), st.floats(0, 10), st.floats(0, 10), st.floats(0, 1))
def test_waits_between_calls_stay_within_their_bounds(attempts, initial, maximum, ratio):
    slept = []
    flaky = Flaky(*[OVERLOADED] * (attempts - 1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signedin.model.retry.time.sleep", slept.append)
        retry_on_overload(
            flaky,
            max_attempts=attempts,
            initial_delay_s=initial,
            max_delay_s=maximum,
            jitter_ratio=ratio,
        )
    expected = [min(initial * 2**number, maximum) for number in range(attempts - 1)]
    assert len(slept) == len(expected)
    for seconds, wait in zip(slept, expected, strict=True):
        assert wait * (1 - ratio) - 1e-6 <= seconds <= wait * (1 + ratio) + 1e-6
