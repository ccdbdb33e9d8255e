"""Bodies of refusals, and the errors they become."""

import json
import time

import pytest

from signedin.model.errors import (
    AuthRequiredError,
    ErrorKind,
    RateLimitedError,
    TurnFailedError,
    UsageLimitError,
)
from signedin.providers.chatgpt.failure import error_of_report, error_of_response

JSON = {"Content-Type": "application/json"}


def refused(status, body, headers=JSON):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return error_of_response(status, headers, data)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"detail": "Store must be set to false"}, ErrorKind.INVALID_OPTION, "Store must be"),
        (400, {"error": {"message": "bad", "code": "x"}}, ErrorKind.INVALID_OPTION, "bad"),
        (400, {"error": "a text"}, ErrorKind.INVALID_OPTION, "a text"),
        (400, {"message": "only this"}, ErrorKind.INVALID_OPTION, "only this"),
        (400, b"", ErrorKind.INVALID_OPTION, "no reason was given"),
        (400, b"[]", ErrorKind.INVALID_OPTION, "[]"),
        (400, b"plain \n words", ErrorKind.INVALID_OPTION, "plain words"),
        (
            400,
            {"detail": "The 'gpt-4.1' model is not supported when using Codex with a ChatGPT …"},
            ErrorKind.MODEL_NOT_FOUND,
            "gpt-4.1",
        ),
        (
            400,
            {"detail": "The 'gpt-x' model requires a newer version of Codex."},
            ErrorKind.MODEL_NOT_FOUND,
            "newer version",
        ),
        (
            400,
            {"error": {"code": "context_length_exceeded", "message": "too long"}},
            ErrorKind.CONTEXT_WINDOW,
            "too long",
        ),
        (401, {"detail": {"error_code": "invalid_token"}}, ErrorKind.AUTH_REQUIRED, "invalid_tok"),
        (
            403,
            {"detail": {"code": "invalid_workspace_selected"}},
            ErrorKind.AUTH_REQUIRED,
            "invalid_workspace_selected",
        ),
        (404, {"detail": "Not Found"}, ErrorKind.MODEL_NOT_FOUND, "Not Found"),
        (413, b"", ErrorKind.CONTEXT_WINDOW, "no reason"),
        (429, {"error": {"message": "slow down"}}, ErrorKind.RATE_LIMITED, "slow down"),
        (
            429,
            {"error": {"type": "subscription_sharing_usage_limit_exceeded"}},
            ErrorKind.USAGE_LIMIT,
            "subscription_sharing",
        ),
        (500, b"", ErrorKind.SERVER, "no reason"),
        (503, b"", ErrorKind.OVERLOADED, "no reason"),
        (529, {"error": {"code": "slow_down"}}, ErrorKind.OVERLOADED, "slow_down"),
    ],
)
def test_every_form_of_a_refusal(status, body, kind, said):
    error = refused(status, body)
    assert error.kind is kind
    assert said in error.message
    assert f"(status {status}" in error.message


def test_a_used_up_plan():
    body = {
        "error": {
            "type": "usage_limit_reached",
            "message": "The usage limit has been reached",
            "plan_type": "plus",
            "resets_at": 1795000000,
        }
    }
    error = refused(429, body)
    assert type(error) is UsageLimitError
    assert (error.resets_at, error.plan, error.transient) == (1795000000.0, "plus", False)
    moment = time.strftime("%Y-%m-%d %H:%M", time.localtime(1795000000))
    assert error.message == (
        "ChatGPT refused the request: The usage limit has been reached (status 429), plan plus, "
        f"resets at {moment}"
    )


def test_a_used_up_plan_whose_end_is_only_in_the_headers():
    headers = {
        "x-codex-primary-used-percent": "3",
        "x-codex-primary-reset-at": "1",
        "x-codex-secondary-used-percent": "100",
        "x-codex-secondary-reset-at": "1795000000",
        "x-codex-plan-type": "pro",
    }
    error = refused(429, {"error": {"type": "usage_limit_reached"}}, headers)
    assert (error.resets_at, error.plan) == (1795000000.0, "pro")


@pytest.mark.parametrize(
    ("headers", "message", "seconds"),
    [
        ({"Retry-After": "12"}, "", 12.0),
        ({"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"}, "", 0.0),
        ({"Retry-After": "whenever"}, "try again in 2s", 2.0),
        ({}, "Please try again in 11.054s.", 11.054),
        ({}, "Rate limit reached. Try again in 250ms", 0.25),
        ({}, "try again in 3 seconds", 3.0),
        ({}, "try again later", None),
    ],
)
def test_how_long_to_wait(headers, message, seconds):
    error = refused(429, {"error": {"message": message}}, headers)
    assert type(error) is RateLimitedError
    assert error.retry_after == seconds


def test_a_web_page_is_shortened_to_what_it_says():
    page = b"<html><style>body{}</style><script>evil()</script><body><h1>Sorry</h1>" + b"x" * 9999
    error = refused(403, page, {"Content-Type": "text/html", "cf-ray": "8f-FRA"})
    assert type(error) is TurnFailedError
    assert error.kind is ErrorKind.NETWORK
    assert "Sorry x" in error.message
    assert "cf-ray 8f-FRA" in error.message
    assert "evil" not in error.message
    assert len(error.message) < 500


def test_a_refused_login_says_how_to_sign_in():
    error = refused(401, {"error": {"code": "token_expired", "message": "Expired"}})
    assert type(error) is AuthRequiredError
    assert error.message.endswith(
        "Sign in with: signedin auth login --provider chatgpt --method browser"
    )


def test_a_refusal_names_its_request():
    error = refused(500, b"", {"x-request-id": "req-1"})
    assert "(status 500, request req-1)" in error.message


def test_secrets_in_a_refusal_are_masked():
    error = refused(400, {"detail": "bad token eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"})
    assert "eyJ" not in error.message


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_is_overloaded", ErrorKind.OVERLOADED),
        ("insufficient_quota", ErrorKind.USAGE_LIMIT),
        ("usage_not_included", ErrorKind.USAGE_LIMIT),
        ("cyber_policy", ErrorKind.REFUSED),
        ("invalid_prompt", ErrorKind.REFUSED),
        ("unheard_of", ErrorKind.SERVER),
        (None, ErrorKind.SERVER),
    ],
)
def test_codes_of_a_failed_answer(code, kind):
    assert error_of_report({"code": code, "message": "why"}).kind is kind


def test_a_failed_answer_may_give_no_reason():
    assert error_of_report(None).message == "ChatGPT failed: no reason was given"
