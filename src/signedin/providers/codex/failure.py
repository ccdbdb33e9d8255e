"""Why Codex reports that a turn failed, mapped to `ErrorKind`."""

from __future__ import annotations

import re
import time
from typing import cast

import msgspec

from signedin.accounts.hints import how_to_sign_in
from signedin.accounts.missing_login import SAID
from signedin.model.errors import (
    AuthRequiredError,
    ErrorKind,
    InvalidOptionError,
    SignedinError,
    kind_of_status,
)
from signedin.model.events import EMPTY_PAYLOAD, ErrorEvent
from signedin.model.redact import redact

_BY_CODE = {
    "badRequest": ErrorKind.INVALID_OPTION,
    "contextWindowExceeded": ErrorKind.CONTEXT_WINDOW,
    "cyberPolicy": ErrorKind.REFUSED,
    "internalServerError": ErrorKind.SERVER,
    "modelNotFound": ErrorKind.MODEL_NOT_FOUND,
    "rateLimitExceeded": ErrorKind.RATE_LIMITED,
    "responseStreamConnectionFailed": ErrorKind.NETWORK,
    "responseStreamDisconnected": ErrorKind.NETWORK,
    "serverOverloaded": ErrorKind.OVERLOADED,
    "sessionBudgetExceeded": ErrorKind.USAGE_LIMIT,
    "unauthorized": ErrorKind.AUTH_REQUIRED,
    "usageLimitExceeded": ErrorKind.USAGE_LIMIT,
}

_NO_KEY = re.compile(r"Missing environment variable")
"""What Codex says where another model provider is to be paid with a key."""

# Seen with codex 0.163 and 0.169, for failures whose code is "other" and for `codex exec`, which
# gives no codes.
_BY_TEXT = (
    (
        re.compile(r"usage limit|quota exceeded|with your ChatGPT plan", re.IGNORECASE),
        ErrorKind.USAGE_LIMIT,
    ),
    (re.compile(r"rate limit", re.IGNORECASE), ErrorKind.RATE_LIMITED),
    (re.compile(r"at capacity|overloaded", re.IGNORECASE), ErrorKind.OVERLOADED),
    (re.compile(r"high demand", re.IGNORECASE), ErrorKind.SERVER),
    (_NO_KEY, ErrorKind.AUTH_REQUIRED),
    (SAID, ErrorKind.AUTH_REQUIRED),
    (re.compile(r"\blog ?in\b", re.IGNORECASE), ErrorKind.AUTH_REQUIRED),
    (
        re.compile(r"context window|context_length_exceeded", re.IGNORECASE),
        ErrorKind.CONTEXT_WINDOW,
    ),
    (
        re.compile(r"model_not_found|model .* does not exist", re.IGNORECASE),
        ErrorKind.MODEL_NOT_FOUND,
    ),
    (
        re.compile(
            r"stream disconnected|error sending request|connection (failed|refused|reset)",
            re.IGNORECASE,
        ),
        ErrorKind.NETWORK,
    ),
)
_INCOMPLETE = re.compile(r"Incomplete response returned, reason: (?P<reason>\w+)")
"""An answer that the model's side ended early; the code for it is that of a lost connection."""

_BY_REASON = {
    "content_filter": ErrorKind.REFUSED,
    "max_output_tokens": ErrorKind.OUTPUT_LIMIT,
}
_STATUS = re.compile(r"(?:unexpected|last) status:? (\d{3})")
_RESET = re.compile(
    r"try again at (?:(?P<day>[A-Z][a-z]{2} \d{1,2})(?:st|nd|rd|th), (?P<year>\d{4}) )?"
    r"(?P<time>\d{1,2}:\d{2} [AP]M)"
)


_WRONG_LOGIN = re.compile(r"^.*login is required, but .*$", re.MULTILINE)
_MISCONFIGURED = re.compile(
    r"^(?:Error: )?"
    r"(?P<reason>Error loading .+|Model provider .+ not found|.+ no longer supported.*)$",
    re.MULTILINE,
)
_DAMAGED = re.compile(r"failed to read session metadata (?P<file>[^\n:]+)")
"""Why Codex does not begin a turn (seen with 0.163 and 0.169)."""


class _CodexError(msgspec.Struct):
    message: str = ""


class _ErrorBody(msgspec.Struct):
    error: _CodexError = msgspec.field(default_factory=_CodexError)


def failure_event(
    text: str,
    info: object = None,
    *,
    timestamp: float | None = None,
    payload: msgspec.Raw = EMPTY_PAYLOAD,
    resets_at: float | None = None,
    plan: str | None = None,
) -> ErrorEvent:
    """Returns the event for a failure.

    Args:
        text: Codex's message.
        info: ``codexErrorInfo`` of the app-server, a code or an object with a code as its only
            key; ``None`` where there is none.
        timestamp: When it happened, in Unix seconds; now if not given.
        payload: Codex's own message.
        resets_at: When a usage limit is lifted, if a rate-limit message reported it; otherwise it
            is read from the text, to the minute.
        plan: The plan a usage limit belongs to.
    """
    text = redact(text)
    code, status = _read_info(info)
    if status is None and (match := _STATUS.search(text)):
        status = int(match[1])
    kind = _kind(code, status, text)
    text = _message_in(text)
    if kind is ErrorKind.AUTH_REQUIRED and not _NO_KEY.match(text):
        text = f"{text.rstrip('. ')}. {how_to_sign_in('codex')}"
    return ErrorEvent(
        text=text or "codex gave no reason",
        timestamp=timestamp or time.time(),
        payload=payload,
        error=kind,
        status=status,
        resets_at=(resets_at or _reset_in(text)) if kind is ErrorKind.USAGE_LIMIT else None,
        plan=plan if kind is ErrorKind.USAGE_LIMIT else None,
    )


def refusal_in(words: str) -> SignedinError | None:
    """Returns the error of a turn that Codex did not begin, if a retry cannot help.

    Args:
        words: Codex's message.
    """
    words = redact(words)
    if found := _WRONG_LOGIN.search(words):
        return AuthRequiredError(
            f"codex refused: {found[0].rstrip('. ')}. {how_to_sign_in('codex')}"
        )
    if found := _DAMAGED.search(words):
        return InvalidOptionError(
            f"codex cannot read the session in {found['file']}: it was ended while it began it, or "
            "the file is damaged; begin a new session"
        )
    if found := _MISCONFIGURED.search(words):
        return InvalidOptionError(f"codex refused: {found['reason']}")
    return None


def _read_info(info: object) -> tuple[str | None, int | None]:
    if isinstance(info, dict):
        for code, details in cast("dict[str, object]", info).items():
            status = (
                cast("dict[str, object]", details).get("httpStatusCode")
                if isinstance(details, dict)
                else None
            )
            return code, status if isinstance(status, int) else None
    return (info if isinstance(info, str) else None), None


def _kind(code: str | None, status: int | None, text: str) -> ErrorKind:
    incomplete = _INCOMPLETE.search(text)
    if incomplete and (kind := _BY_REASON.get(incomplete["reason"])):
        return kind
    if kind := _BY_CODE.get(code or ""):
        return kind
    if status is not None:
        return kind_of_status(status)
    for pattern, kind in _BY_TEXT:
        if pattern.search(text):
            return kind
    return ErrorKind.NETWORK if code == "httpConnectionFailed" else ErrorKind.OTHER


def _message_in(text: str) -> str:
    """Extracts the message from a response that is passed on unchanged (seen with codex 0.163)."""
    if not text.startswith("{"):
        return text
    try:
        body = msgspec.json.decode(text, type=_ErrorBody)
    except msgspec.DecodeError:
        return text
    return body.error.message or text


def _reset_in(text: str) -> float | None:
    """Reads the local time Codex names; without a day it is today's (seen with codex 0.169)."""
    match = _RESET.search(text)
    if match is None:
        return None
    day = f"{match['day']} {match['year']}" if match["day"] else time.strftime("%b %d %Y")
    try:
        minute = time.strptime(f"{day} {match['time']}", "%b %d %Y %I:%M %p")
    except ValueError:  # a locale in which months have other names
        return None
    return time.mktime(minute) + 60  # the minute is cut off, not rounded
