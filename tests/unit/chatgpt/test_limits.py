"""What is left of a plan, in its three forms."""

import json

from signedin.model.events import RateLimits, RateLimitWindow
from signedin.providers.chatgpt.limits import limits_in_event, limits_in_headers, limits_in_usage


def test_headers():
    headers = {
        "x-codex-primary-used-percent": "12.5",
        "x-codex-primary-window-minutes": "300",
        "x-codex-primary-reset-at": "1800000000",
        "x-codex-secondary-used-percent": "no number",
        "x-codex-plan-type": "pro",
        "x-codex-credits-balance": "7",
    }
    window = RateLimitWindow(12.5, 300, 1800000000.0)
    assert limits_in_headers(headers) == RateLimits({"primary": window}, "pro", "7")


def test_no_headers():
    assert limits_in_headers({"x-codex-active-limit": "codex"}) is None


def test_an_event():
    data = {
        "type": "codex.rate_limits",
        "plan_type": "plus",
        "rate_limits": {
            "allowed": True,
            "primary": {"used_percent": 5, "window_minutes": 300, "reset_at": 1800000000},
            "secondary": None,
        },
        "credits": {"has_credits": False, "balance": None},
    }
    window = RateLimitWindow(5.0, 300, 1800000000.0)
    assert limits_in_event(json.dumps(data).encode()) == RateLimits({"primary": window}, "plus")


def test_the_answer_to_the_question():
    data = {
        "plan_type": "team",
        "rate_limit": {
            "primary_window": {"used_percent": 1, "limit_window_seconds": 18000, "reset_at": 2.0},
            "secondary_window": {"used_percent": 2, "limit_window_seconds": 604800},
        },
    }
    assert limits_in_usage(json.dumps(data).encode()) == RateLimits(
        {"primary": RateLimitWindow(1.0, 300, 2.0), "secondary": RateLimitWindow(2.0, 10080)},
        "team",
    )
    assert limits_in_usage(b"{}") == RateLimits({})
