"""Maps Gemini CLI's messages and exit codes to errors."""

from __future__ import annotations

import re
import time

import msgspec

from signedin.accounts.hints import how_to_sign_in
from signedin.model.errors import (
    AuthRequiredError,
    CommandExecutionError,
    ErrorKind,
    InvalidOptionError,
    SignedinError,
    TurnFailedError,
)
from signedin.model.events import ErrorEvent
from signedin.providers.acp.failure import kind_of, plain_words, refused_arguments
from signedin.providers.gemini.account.home import LOGIN

_CODE = re.compile(r'"code"\s*:\s*(\d{3})')
_FRAME = re.compile(r"\[API Error: (.*)\]", re.DOTALL)
_RATE_LIMIT_ADVICE = "\nPlease wait and try again later."
_NO_ANSWER = "the model returned no answer"
_SHOWN_STDERR = 1000


def failure_event(text: str, *, payload: msgspec.Raw) -> ErrorEvent:
    """Returns the event for a ``result`` row that reports a failure.

    Args:
        text: Gemini's message, often around the JSON of the API.
        payload: The row.
    """
    text, advised, _ = text.partition(_RATE_LIMIT_ADVICE)
    code = _CODE.search(text)
    status = int(code[1]) if code else 429 if advised else None
    framed = _FRAME.fullmatch(text)
    text = plain_words(framed[1] if framed else text)
    kind = kind_of(status, text)
    if kind is ErrorKind.AUTH_REQUIRED:
        text = f"{text.rstrip('. ')}. {how_to_sign_in('gemini', LOGIN)}"
    return ErrorEvent(
        text=text or _NO_ANSWER, timestamp=time.time(), error=kind, status=status, payload=payload
    )


def exit_error(returncode: int, stderr: str) -> SignedinError:
    """Returns the error for a process that ended without a result (codes of 0.61).

    Failures of the API end with their HTTP status modulo 256.
    """
    if refused := refused_arguments("gemini", stderr):
        return refused
    message = stderr[-_SHOWN_STDERR:].strip()
    match returncode:
        case 41:
            return AuthRequiredError(
                f"gemini is not signed in: {message}. {how_to_sign_in('gemini', LOGIN)}"
            )
        case 42 | 52:
            return InvalidOptionError(f"gemini refused (exit code {returncode}): {message}")
        case 55:
            return InvalidOptionError(
                "gemini does not run headless in a folder it does not trust; remove "
                "GEMINI_CLI_TRUST_WORKSPACE and GEMINI_RESTRICTED_MODE from its environment, or "
                "use transport='gemini-acp'"
            )
        case 53:
            return TurnFailedError("gemini reached its limit of turns", ErrorKind.OTHER)
        case _ if 400 <= returncode + 256 <= 511:
            status = returncode + 256
            return TurnFailedError(f"gemini: {message}", kind_of(status, message), status)
        case _:
            return CommandExecutionError(
                f"gemini ended with exit code {returncode} before the turn was over"
                + (f": {message}" if message else ""),
                returncode=returncode,
                stderr=stderr,
            )
