"""Why an ACP agent reports that a turn failed, mapped to `ErrorKind`."""

from __future__ import annotations

import json
import re
import time
from typing import cast

from signedin.model.errors import ErrorKind, InvalidOptionError, kind_of_status
from signedin.model.events import ErrorEvent
from signedin.providers.acp import protocol as acp
from signedin.wire.rpc_errors import JsonRpcError

# The protocol has no codes for the failures of models. Seen with gemini 0.61, opencode 1.18 and
# qwen-code 0.15; the first match applies.
_BY_TEXT = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for kind, pattern in {
        ErrorKind.CONTEXT_WINDOW: r"context (window|length)|too many tokens|prompt is too long",
        ErrorKind.USAGE_LIMIT: r"quota|usage limit|billing",
        ErrorKind.RATE_LIMITED: r"rate.?limit|too many requests|resource[_ ]exhausted",
        ErrorKind.OVERLOADED: r"overloaded|unavailable|high demand",
        ErrorKind.MODEL_NOT_FOUND: r"model.{0,40}not (found|exist|supported)|no such model",
        ErrorKind.AUTH_REQUIRED: r"api.?key|unauthor|unauthenticated|log(ged)? ?in|sign ?in",
        ErrorKind.NETWORK: r"fetch failed|econn|connect|socket|network|terminated|premature close",
        ErrorKind.SERVER: r"server error",
    }.items()
)
_MORE_PRECISE = {
    ErrorKind.RATE_LIMITED: {ErrorKind.USAGE_LIMIT},
    ErrorKind.SERVER: {ErrorKind.NETWORK},
    ErrorKind.INVALID_OPTION: set(ErrorKind),
}
"""More precise kinds that the text of a failure may give than its status."""
_ARGUMENTS = re.compile(
    r"^.*(?:unknown (?:argument|option|command)|unexpected argument|unrecognized|invalid (?:value|"
    r"choice)|not enough arguments|missing required|mutually exclusive).*$",
    re.IGNORECASE | re.MULTILINE,
)
_JSON = json.JSONDecoder()
_STATUS = re.compile(
    r"(?:\b(?:status|status code|code|API error)\D{0,4}|\berror: )([45]\d\d)\b", re.IGNORECASE
)


def failure_event(error: JsonRpcError, *, login: str) -> ErrorEvent:
    """Returns the event for the answer to a prompt that is an error.

    Args:
        error: The answer.
        login: The command that signs in.
    """
    text = _words(error)
    status = _status(error, text)
    kind = ErrorKind.AUTH_REQUIRED if error.code == acp.AUTH_REQUIRED else kind_of(status, text)
    return _event(kind, text, status, login)


def failure_in(text: str, *, login: str) -> ErrorEvent:
    """Returns the event for a failure that an agent reports as a piece of its answer.

    Args:
        text: The piece, which begins with ``Error:``.
        login: The command that signs in.
    """
    status = _status_in(text)
    return _event(kind_of(status, text), text.removeprefix("Error: "), status, login)


def _event(kind: ErrorKind, text: str, status: int | None, login: str) -> ErrorEvent:
    if kind is ErrorKind.AUTH_REQUIRED:
        text = f"{text.rstrip('. ')}. Sign in with: {login}"
    return ErrorEvent(text=text, timestamp=time.time(), error=kind, status=status)


def refused_arguments(name: str, stderr: str) -> InvalidOptionError | None:
    """Returns the error of a program that printed its help because of its arguments.

    Args:
        name: The provider.
        stderr: What the program wrote. Gemini and qwen-code say why in the first line, opencode
            does not.
    """
    if "--help" not in stderr:
        return None
    found = _ARGUMENTS.search(stderr)
    why = found[0].strip() if found else "it printed its help, as it does for an unknown argument"
    return InvalidOptionError(f"{name} refused its arguments: {why}")


def kind_of(status: int | None, text: str) -> ErrorKind:
    """Returns the kind of a failure.

    Args:
        status: HTTP status of the model request, if it is known.
        text: The agent's message.
    """
    by_text = next((kind for pattern, kind in _BY_TEXT if pattern.search(text)), None)
    if status is None:
        return by_text or ErrorKind.OTHER
    kind = kind_of_status(status)
    return by_text if by_text and by_text in _MORE_PRECISE.get(kind, ()) else kind


def plain_words(text: str) -> str:
    """Returns the message in a text that is, or holds, the JSON of a failed model request."""
    start = text.find("{")
    if start < 0:
        return text
    try:
        body, _ = _JSON.raw_decode(text[start:])
    except ValueError:
        return text
    return _details(body) or text


def _words(error: JsonRpcError) -> str:
    """The agent's message; the details are often in the data."""
    message, details = plain_words(error.message), _details(error.data)
    if details and details not in message:
        return f"{message}: {details}" if message else details
    return message or f"the agent gave no reason (JSON-RPC error {error.code})"


def _details(data: object) -> str:
    if isinstance(data, str):
        return data
    if isinstance(data, dict):
        members = cast("dict[str, object]", data)
        for name in ("details", "message", "error"):
            if found := _details(members.get(name)):
                return found
    return ""


def _status(error: JsonRpcError, text: str) -> int | None:
    # Gemini CLI 0.61 gives the HTTP status as the code of the error.
    if 400 <= error.code <= 599:
        return error.code
    return _status_in(text)


def _status_in(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1]) if found else None
