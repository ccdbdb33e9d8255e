"""Why a turn of Claude Code failed, mapped to `ErrorKind`.

Seen with 2.1.197 and 2.1.330. A failed model request is reported by an ``assistant`` message with
an ``error``, followed by a ``result`` whose subtype is ``success`` nevertheless.
"""

from __future__ import annotations

import re

import msgspec

from signedin.accounts.hints import how_to_sign_in
from signedin.accounts.missing_login import SAID
from signedin.model.errors import ErrorKind, kind_of_status
from signedin.model.events import ErrorEvent
from signedin.model.redact import redact
from signedin.providers.claude.messages import RateLimitInfo, ResultMessage

_BY_ERROR = {
    "authentication_failed": ErrorKind.AUTH_REQUIRED,
    "billing_error": ErrorKind.BILLING,
    "invalid_request": ErrorKind.INVALID_OPTION,
    "max_output_tokens": ErrorKind.OUTPUT_LIMIT,
    "model_not_found": ErrorKind.MODEL_NOT_FOUND,
    "overloaded": ErrorKind.OVERLOADED,
    "rate_limit": ErrorKind.RATE_LIMITED,
}

_BY_SUBTYPE = {
    "error_max_budget_usd": ErrorKind.OTHER,
    "error_max_structured_output_retries": ErrorKind.OUTPUT,
}

_BY_REASON = {"prompt_too_long": ErrorKind.CONTEXT_WINDOW, "image_error": ErrorKind.CONTEXT_WINDOW}

_BY_TEXT = (
    (
        re.compile(r"hit your .*limit|(?<!not your )usage limit", re.IGNORECASE),
        ErrorKind.USAGE_LIMIT,
    ),
    (SAID, ErrorKind.AUTH_REQUIRED),
    (re.compile(r"credit balance", re.IGNORECASE), ErrorKind.BILLING),
    (re.compile(r"prompt is too long|too large", re.IGNORECASE), ErrorKind.CONTEXT_WINDOW),
    (re.compile(r"overloaded", re.IGNORECASE), ErrorKind.OVERLOADED),
    (re.compile(r"no conversation found", re.IGNORECASE), ErrorKind.INVALID_OPTION),
    (
        re.compile(
            r"unable to connect|connection (refused|error|closed|reset)|econn|timed out"
            r"|stream (ended|closed)|network",
            re.IGNORECASE,
        ),
        ErrorKind.NETWORK,
    ),
)


class ApiError(msgspec.Struct, frozen=True):
    """What an ``assistant`` message reported about a model request that failed.

    Attributes:
        error: Claude Code's word for it, such as ``rate_limit``.
        text: The message for the user.
    """

    error: str
    text: str


def failure_event(
    result: ResultMessage,
    api_error: ApiError | None,
    limit: RateLimitInfo | None,
    *,
    timestamp: float,
    payload: msgspec.Raw,
) -> ErrorEvent:
    """Returns the event for a result that is a failure.

    Args:
        result: The result.
        api_error: The latest failure of a model request in this turn.
        limit: What was reported about the plan, if it is used up.
        timestamp: When it came.
        payload: The message it came in.
    """
    text = result.result or "; ".join(result.errors) or (api_error.text if api_error else "")
    text = redact(text) or f"claude ended the turn with {result.subtype} and gave no reason"
    kind = _kind(result, api_error, text)
    if kind is ErrorKind.RATE_LIMITED and limit is not None:
        kind = ErrorKind.USAGE_LIMIT
    if kind is ErrorKind.AUTH_REQUIRED:
        text = f"{text.rstrip('. ')}. {how_to_sign_in('claude')}"
    return ErrorEvent(
        text=text,
        timestamp=timestamp,
        payload=payload,
        error=kind,
        status=result.api_error_status,
        resets_at=limit.resets_at if limit and kind is ErrorKind.USAGE_LIMIT else None,
    )


def _kind(result: ResultMessage, api_error: ApiError | None, text: str) -> ErrorKind:
    error = api_error.error if api_error else ""
    if kind := _BY_SUBTYPE.get(result.subtype) or _BY_REASON.get(result.terminal_reason or ""):
        return kind
    if result.stop_reason == "refusal":
        return ErrorKind.REFUSED
    for pattern, kind in _BY_TEXT:
        if pattern.search(text):
            return kind
    if kind := _BY_ERROR.get(error):
        return kind
    if status := result.api_error_status:
        return kind_of_status(status)
    # A request that failed without a status broke off in the middle of the answer.
    return ErrorKind.SERVER if api_error else ErrorKind.OTHER
