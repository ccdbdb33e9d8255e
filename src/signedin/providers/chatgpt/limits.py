"""What is left of a plan: in the headers of an answer, in an event, and on request.

Sources: the header names are those codex 0.169 reads; ``/wham/usage`` is what it asks.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from signedin.model.events import RateLimits, RateLimitWindow
from signedin.providers.chatgpt.claims import finite
from signedin.wire.jsonl import well_formed

_PREFIX = "x-codex-"
_WINDOWS = ("primary", "secondary")


class _LimitWindow(msgspec.Struct):
    used_percent: float = 0.0
    window_minutes: int | None = None
    limit_window_seconds: int | None = None
    reset_at: float | None = None


class _Credits(msgspec.Struct):
    balance: str | None = None


class _Windows(msgspec.Struct):
    primary: _LimitWindow | None = None
    secondary: _LimitWindow | None = None


class _Reported(msgspec.Struct):
    """The event ``codex.rate_limits``."""

    rate_limits: _Windows | None = None
    plan_type: str | None = None
    credits: _Credits | None = None


class _RateLimit(msgspec.Struct):
    primary_window: _LimitWindow | None = None
    secondary_window: _LimitWindow | None = None


class _PlanUsage(msgspec.Struct):
    plan_type: str | None = None
    rate_limit: _RateLimit | None = None
    credits: _Credits | None = None


def limits_in_headers(headers: Mapping[str, str]) -> RateLimits | None:
    """Returns what the headers of an answer report; ``None`` if they report nothing."""
    windows: dict[str, RateLimitWindow] = {}
    for name in _WINDOWS:
        used = number_in(headers.get(f"{_PREFIX}{name}-used-percent"))
        if used is not None:
            minutes = number_in(headers.get(f"{_PREFIX}{name}-window-minutes"))
            resets_at = number_in(headers.get(f"{_PREFIX}{name}-reset-at"))
            windows[name] = RateLimitWindow(used, int(minutes) if minutes else None, resets_at)
    plan = _text(headers.get(f"{_PREFIX}plan-type"))
    if not windows and not plan:
        return None
    return RateLimits(windows, plan, _text(headers.get(f"{_PREFIX}credits-balance")))


def limits_in_event(data: bytes) -> RateLimits:
    """Returns what the event ``codex.rate_limits`` reports.

    Raises:
        msgspec.DecodeError: It has another form.
    """
    event = msgspec.json.decode(data, type=_Reported)
    found = event.rate_limits or _Windows()
    return _limits(found.primary, found.secondary, event.plan_type, event.credits)


def limits_in_usage(body: bytes) -> RateLimits:
    """Returns what ``/wham/usage`` answers.

    Raises:
        msgspec.DecodeError: It has another form.
    """
    usage = msgspec.json.decode(body, type=_PlanUsage)
    found = usage.rate_limit or _RateLimit()
    return _limits(found.primary_window, found.secondary_window, usage.plan_type, usage.credits)


def _limits(
    primary: _LimitWindow | None,
    secondary: _LimitWindow | None,
    plan: str | None,
    account: _Credits | None,
) -> RateLimits:
    named = zip(_WINDOWS, (primary, secondary), strict=True)
    windows = {name: _window(window) for name, window in named if window is not None}
    return RateLimits(windows, plan, account.balance if account else None)


def _window(window: _LimitWindow) -> RateLimitWindow:
    minutes = window.window_minutes
    if minutes is None and window.limit_window_seconds is not None:
        minutes = window.limit_window_seconds // 60
    return RateLimitWindow(window.used_percent, minutes, window.reset_at)


def number_in(text: str | None) -> float | None:
    """Returns the finite number in a text, ``None`` for anything else."""
    try:
        return finite(float(text)) if text else None
    except ValueError:
        return None


def _text(value: str | None) -> str | None:
    return well_formed(value) if value else None  # bytes that are not UTF-8 are surrogates there
