"""Why Codex says a turn failed, in our words."""

import json
import time

import msgspec
import pytest

from signedin import ErrorKind
from signedin.model.events import ErrorEvent
from signedin.providers.codex.failure import failure_event

K = ErrorKind
USAGE_LIMIT = (
    "You\u2019ve hit your usage limit. Visit https://chatgpt.com/settings/usage to purchase more "
    "credits or try again at {}."
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("badRequest", K.INVALID_OPTION),
        ("contextWindowExceeded", K.CONTEXT_WINDOW),
        ("cyberPolicy", K.REFUSED),
        ("internalServerError", K.SERVER),
        ("modelNotFound", K.MODEL_NOT_FOUND),
        ("rateLimitExceeded", K.RATE_LIMITED),
        ("serverOverloaded", K.OVERLOADED),
        ("sessionBudgetExceeded", K.USAGE_LIMIT),
        ("unauthorized", K.AUTH_REQUIRED),
        ("usageLimitExceeded", K.USAGE_LIMIT),
        ("other", K.OTHER),
        ("unheardOf", K.OTHER),
        (None, K.OTHER),
        (17, K.OTHER),
        ([], K.OTHER),
        ({}, K.OTHER),
        ({"httpConnectionFailed": {"httpStatusCode": 401}}, K.AUTH_REQUIRED),
        ({"httpConnectionFailed": {"httpStatusCode": 403}}, K.AUTH_REQUIRED),
        ({"httpConnectionFailed": {"httpStatusCode": 404}}, K.MODEL_NOT_FOUND),
        ({"httpConnectionFailed": {"httpStatusCode": 502}}, K.SERVER),
        ({"httpConnectionFailed": {"httpStatusCode": None}}, K.NETWORK),
        ({"httpConnectionFailed": None}, K.NETWORK),
        ({"responseTooManyFailedAttempts": {"httpStatusCode": 429}}, K.RATE_LIMITED),
        ({"responseStreamDisconnected": {"httpStatusCode": None}}, K.NETWORK),
        ({"responseStreamConnectionFailed": {"httpStatusCode": 500}}, K.NETWORK),
        ({"unheardOf": {"x": 1}}, K.OTHER),
    ],
)
def test_by_code(code: object, kind: ErrorKind) -> None:
    assert failure_event("Boom.", code).error is kind


@pytest.mark.parametrize(
    ("text", "kind", "status"),
    [
        ("unexpected status 401 Unauthorized: x, url: http://y", K.AUTH_REQUIRED, 401),
        ("unexpected status 503 Service Unavailable", K.OVERLOADED, 503),
        ("exceeded retry limit, last status: 429 Too Many Requests", K.RATE_LIMITED, 429),
        ("exceeded retry limit, last status: 500 Internal Server Error", K.SERVER, 500),
        (USAGE_LIMIT.format("9:02 AM"), K.USAGE_LIMIT, None),
        ("Quota exceeded. Check your plan and billing details.", K.USAGE_LIMIT, None),
        ("To use Codex with your ChatGPT plan, upgrade to Plus: https://x", K.USAGE_LIMIT, None),
        ("rate limit exceeded: slow down", K.RATE_LIMITED, None),
        ("Selected model is at capacity. Please try a different model.", K.OVERLOADED, None),
        ("We\u2019re currently experiencing high demand, which may", K.SERVER, None),
        ("Please log out and sign in again.", K.AUTH_REQUIRED, None),
        ("Codex ran out of room in the model's context window.", K.CONTEXT_WINDOW, None),
        ("The model `x` does not exist", K.MODEL_NOT_FOUND, None),
        ("stream disconnected before completion: x", K.NETWORK, None),
        ("Connection failed: error sending request", K.NETWORK, None),
        ("Incomplete response returned, reason: max_output_tokens", K.OUTPUT_LIMIT, None),
        ("a blog in the catalogue", K.OTHER, None),
    ],
)
def test_by_text(text: str, kind: ErrorKind, status: int | None) -> None:
    event = failure_event(text)
    assert (event.error, event.status) == (kind, status)
    assert event.text.startswith(text.rstrip(". "))


def test_a_code_goes_before_the_text() -> None:
    event = failure_event("usage limit of the rate limit at capacity", "contextWindowExceeded")
    assert event.error is K.CONTEXT_WINDOW


def test_who_is_not_signed_in_is_told_how() -> None:
    event = failure_event("Your token has expired.", "unauthorized")
    assert event.text == (
        "Your token has expired. "
        "Sign in with: signedin auth login --provider codex --source external"
    )


def test_no_reason_at_all() -> None:
    assert failure_event("").text == "codex gave no reason"


def test_times_and_payload_are_kept() -> None:
    raw = msgspec.Raw(b'{"x":1}')
    event = failure_event("Boom.", timestamp=7.0, payload=raw)
    assert event == ErrorEvent(text="Boom.", error=K.OTHER, timestamp=7.0, payload=raw)
    assert failure_event("Boom.").timestamp == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (json.dumps({"error": {"message": "The model `x` does not exist"}}), None),
        (json.dumps({"error": {"message": ""}}), ""),
        (json.dumps({"error": "no"}), ""),
        (json.dumps({"detail": "no"}), ""),
        ("{broken", ""),
    ],
)
def test_a_response_that_is_passed_on_as_it_came(body: str, text: str | None) -> None:
    shown = failure_event(body).text
    assert shown == ("The model `x` does not exist" if text is None else body)


def test_the_code_in_a_response_counts() -> None:
    body = json.dumps({"error": {"message": "No such thing.", "code": "model_not_found"}})
    event = failure_event(body, "other")
    assert (event.error, event.text) == (K.MODEL_NOT_FOUND, "No such thing.")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
def test_when_a_limit_is_lifted(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Codex names the minute in the local time, cut off."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for resets_at in (1_900_000_000, 1_910_000_021, 1_920_000_059):
            local = time.localtime(resets_at)
            suffix = {1: "st", 2: "nd", 3: "rd"}.get(local.tm_mday % 10, "th")
            day = time.strftime(f"%b {local.tm_mday}{suffix}, %Y %I:%M %p", local)
            event = failure_event(USAGE_LIMIT.format(day))
            assert event.resets_at == resets_at - local.tm_sec + 60
    finally:
        monkeypatch.undo()
        time.tzset()


def test_when_a_limit_is_lifted_today() -> None:
    before = time.strftime("%Y-%m-%d")
    event = failure_event(USAGE_LIMIT.format("9:02 AM"))
    assert event.resets_at is not None
    shown = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.resets_at))
    assert shown in (f"{before} 09:03:00", f"{time.strftime('%Y-%m-%d')} 09:03:00")


@pytest.mark.parametrize(
    "moment", ["later", "9:02", "Foo 1st, 2030 9:02 AM", "Feb 31st, 2030 9:02 AM", "99:99 AM"]
)
def test_when_a_limit_is_lifted_cannot_be_read(moment: str) -> None:
    assert failure_event(USAGE_LIMIT.format(moment)).resets_at is None


def test_what_the_server_counts_goes_before_its_words() -> None:
    text = USAGE_LIMIT.format("Jan 1st, 2030 12:00 AM")
    event = failure_event(text, resets_at=1.0, plan="plus")
    assert (event.resets_at, event.plan) == (1.0, "plus")
    other = failure_event("Boom.", "internalServerError", resets_at=1.0, plan="plus")
    assert (other.resets_at, other.plan) == (None, None)
