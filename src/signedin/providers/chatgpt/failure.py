"""Why a request failed, mapped to `ErrorKind`.

The bodies are those of the ChatGPT backend and of api.openai.com: an ``error`` object or string, a
``detail`` object or string, a page of HTML, or nothing.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import cast

import msgspec

from signedin.accounts.files import UNDECODABLE
from signedin.accounts.hints import typed_here
from signedin.model.errors import (
    AuthRequiredError,
    ErrorKind,
    RateLimitedError,
    SignedinError,
    TurnFailedError,
    UsageLimitError,
    kind_of_status,
)
from signedin.model.events import RateLimits
from signedin.providers.chatgpt.claims import finite
from signedin.providers.chatgpt.limits import limits_in_headers, number_in
from signedin.providers.chatgpt.spec import SIGN_IN
from signedin.wire.jsonl import well_formed

_BY_CODE = {
    "billing_not_active": ErrorKind.USAGE_LIMIT,
    "context_length_exceeded": ErrorKind.CONTEXT_WINDOW,
    "cyber_policy": ErrorKind.REFUSED,
    "deactivated_workspace": ErrorKind.AUTH_REQUIRED,
    "insufficient_quota": ErrorKind.USAGE_LIMIT,
    "invalid_prompt": ErrorKind.REFUSED,
    "invalid_token": ErrorKind.AUTH_REQUIRED,
    "invalid_workspace_selected": ErrorKind.AUTH_REQUIRED,
    "model_not_found": ErrorKind.MODEL_NOT_FOUND,
    "rate_limit_exceeded": ErrorKind.RATE_LIMITED,
    "server_is_overloaded": ErrorKind.OVERLOADED,
    "slow_down": ErrorKind.OVERLOADED,
    "subscription_sharing_invalid_user": ErrorKind.AUTH_REQUIRED,
    "subscription_sharing_usage_limit_exceeded": ErrorKind.USAGE_LIMIT,
    "subscription_sharing_usage_unavailable": ErrorKind.USAGE_LIMIT,
    "subscription_sharing_user_not_eligible": ErrorKind.AUTH_REQUIRED,
    "token_expired": ErrorKind.AUTH_REQUIRED,
    "token_invalidated": ErrorKind.AUTH_REQUIRED,
    "usage_limit_reached": ErrorKind.USAGE_LIMIT,
    "usage_not_included": ErrorKind.USAGE_LIMIT,
}
_NO_SUCH_MODEL = re.compile(
    r"model is not supported|requires a newer version|model .* does not exist", re.IGNORECASE
)
_WAIT = re.compile(r"try again in\s*(\d+(?:\.\d+)?)\s*(ms|s|seconds?)", re.IGNORECASE)
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_SHOWN = 300
"""Characters shown of a body that is not JSON."""


class _ErrorObject(msgspec.Struct):
    """What an ``error`` or ``detail`` object may hold; the name is in ``code`` or in ``type``."""

    code: object = None
    error_code: object = None
    type: object = None
    message: object = None
    plan_type: object = None
    resets_at: object = None
    resets_in_seconds: object = None


class _Body(msgspec.Struct):
    error: object = None
    detail: object = None
    message: object = None


def error_of_response(status: int, headers: Mapping[str, str], body: bytes) -> SignedinError:
    """Returns the error for a response that failed.

    Args:
        status: The HTTP status.
        headers: The response's headers; names in any case.
        body: The body.
    """
    if _is_html(headers, body):
        return _blocked(status, headers, body)
    try:
        decoded = msgspec.json.decode(body, type=_Body)
    except UNDECODABLE:
        text = _shortened(body.decode("utf-8", "replace"))
        return _error(_ErrorObject(message=text), status, headers)
    return error_of_report(
        decoded.error or decoded.detail or decoded.message, status=status, headers=headers
    )


def error_of_report(
    report: object, *, status: int | None = None, headers: Mapping[str, str] | None = None
) -> SignedinError:
    """Returns the error that a body or an event describes.

    Args:
        report: The ``error`` or ``detail``, an object or a text.
        status: The HTTP status, if there is one.
        headers: The headers that came with it.
    """
    if isinstance(report, Mapping):
        known = cast("Mapping[str, object]", report)
        fields = _ErrorObject(**{name: known.get(name) for name in _ErrorObject.__struct_fields__})
    else:
        fields = _ErrorObject(message=report)
    return _error(fields, status, headers or {})


def unavailable(reason: str) -> TurnFailedError:
    """Returns the error for a server that cannot be reached, or that hung up."""
    return TurnFailedError(reason, ErrorKind.NETWORK)


def _error(report: _ErrorObject, status: int | None, headers: Mapping[str, str]) -> SignedinError:
    given = (report.code, report.error_code, report.type)
    names = [well_formed(name) for name in given if isinstance(name, str)]
    text = well_formed(report.message) if isinstance(report.message, str) else ""
    kind = _kind(names, text, status)
    text = text or ", ".join(names) or "no reason was given"
    message = f"ChatGPT refused the request: {text}" if status else f"ChatGPT failed: {text}"
    if status:
        message += f" (status {status}{_request_id(headers)})"
    match kind:
        case ErrorKind.USAGE_LIMIT:
            return _usage_limit(message, report, headers)
        case ErrorKind.RATE_LIMITED:
            return RateLimitedError(message, retry_after=_wait(text, headers))
        case ErrorKind.AUTH_REQUIRED:
            return AuthRequiredError(f"{message}. Sign in with: {typed_here(SIGN_IN)}")
        case _:
            return TurnFailedError(message, kind, status)


def _kind(names: list[str], text: str, status: int | None) -> ErrorKind:
    for name in names:
        if kind := _BY_CODE.get(name):
            return kind
    if _NO_SUCH_MODEL.search(text):
        return ErrorKind.MODEL_NOT_FOUND
    if status is None:
        return ErrorKind.RATE_LIMITED if _WAIT.search(text) else ErrorKind.SERVER
    return kind_of_status(status)


def _usage_limit(message: str, report: _ErrorObject, headers: Mapping[str, str]) -> UsageLimitError:
    limits = limits_in_headers(headers) or RateLimits({})
    resets_at = finite(report.resets_at)
    if resets_at is None and (left := finite(report.resets_in_seconds)) is not None:
        resets_at = time.time() + left
    if resets_at is None and limits.windows:
        fullest = max(limits.windows.values(), key=lambda window: window.used_percent)
        resets_at = fullest.resets_at
    plan = well_formed(report.plan_type) if isinstance(report.plan_type, str) else limits.plan
    if plan:
        message += f", plan {plan}"
    if resets_at:
        with suppress(OverflowError, ValueError, OSError):  # outside the range of dates
            message += f", resets at {time.strftime('%Y-%m-%d %H:%M', time.localtime(resets_at))}"
    return UsageLimitError(message, resets_at=resets_at, plan=plan)


def _wait(text: str, headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from the header ``Retry-After`` or from the words of the message."""
    after = headers.get("Retry-After", "")
    if after.isascii() and after.isdigit():
        return number_in(after)
    with suppress(ValueError, TypeError, OverflowError, OSError, IndexError):
        return max(parsedate_to_datetime(after).timestamp() - time.time(), 0.0)
    match = _WAIT.search(text)
    seconds = number_in(match[1]) if match else None
    if match is None or seconds is None:
        return None
    return seconds / (1000 if match[2].lower() == "ms" else 1)


def _blocked(status: int, headers: Mapping[str, str], body: bytes) -> SignedinError:
    """The error for a page of HTML, which comes from a proxy in front of the backend."""
    page = body.decode("utf-8", "replace")
    title = _TITLE.search(page)
    text = _shortened(title[1] if title else _TAG.sub(" ", page))
    ray = well_formed(headers.get("cf-ray", ""))
    return TurnFailedError(
        f"a web page came instead of ChatGPT's answer: {text or 'without any text'} "
        f"(status {status}{f', cf-ray {ray}' if ray else ''}). The network or a proxy on the way "
        "is blocked",
        kind_of_status(status) if status >= 500 else ErrorKind.NETWORK,
        status,
    )


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    kind = headers.get("Content-Type", "")
    return "html" in kind or body.lstrip()[:15].lower().startswith((b"<!doctype", b"<html"))


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _request_id(headers: Mapping[str, str]) -> str:
    found = headers.get("x-request-id") or headers.get("x-oai-request-id")
    return f", request {well_formed(found)}" if found else ""
