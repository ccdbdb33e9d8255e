"""What an HTTP status means is the same whoever answers: retries hang on it."""

import time

import msgspec
import pytest

from signedin.model.errors import ErrorKind
from signedin.providers.acp import failure as acp
from signedin.providers.chatgpt import failure as chatgpt
from signedin.providers.claude import failure as claude
from signedin.providers.claude.messages import ResultMessage
from signedin.providers.codex import failure as codex
from signedin.providers.gemini import failure as gemini
from signedin.wire.rpc_errors import JsonRpcError

KINDS = {
    400: ErrorKind.INVALID_OPTION,
    401: ErrorKind.AUTH_REQUIRED,
    402: ErrorKind.USAGE_LIMIT,
    403: ErrorKind.AUTH_REQUIRED,
    404: ErrorKind.MODEL_NOT_FOUND,
    408: ErrorKind.NETWORK,
    409: ErrorKind.INVALID_OPTION,
    413: ErrorKind.CONTEXT_WINDOW,
    422: ErrorKind.INVALID_OPTION,
    429: ErrorKind.RATE_LIMITED,
    500: ErrorKind.SERVER,
    502: ErrorKind.SERVER,
    503: ErrorKind.OVERLOADED,
    504: ErrorKind.SERVER,
    529: ErrorKind.OVERLOADED,
}
RAW = msgspec.Raw()


def of_codex(status: int) -> ErrorKind:
    return codex.failure_event(f"unexpected status {status} Status: no").error


def of_codex_with_a_code(status: int) -> ErrorKind:
    info = {"responseTooManyFailedAttempts": {"httpStatusCode": status}}
    return codex.failure_event("no", info).error


def of_claude(status: int) -> ErrorKind:
    result = ResultMessage(is_error=True, result="no", api_error_status=status)
    error = claude.ApiError(error="unknown", text="no")
    return claude.failure_event(result, error, None, timestamp=time.time(), payload=RAW).error


def of_acp(status: int) -> ErrorKind:
    return acp.failure_event(JsonRpcError(status, "no"), login="x").error


def of_gemini(status: int) -> ErrorKind:
    text = f'[API Error: {{"error": {{"code": {status}, "message": "no"}}}}]'
    return gemini.failure_event(text, payload=RAW).error


def of_chatgpt(status: int) -> ErrorKind:
    return chatgpt.error_of_response(status, {}, b'{"detail": "no"}').kind


@pytest.mark.parametrize(
    "of_vendor", [of_codex, of_codex_with_a_code, of_claude, of_acp, of_gemini, of_chatgpt]
)
def test_a_status_means_the_same_everywhere(of_vendor) -> None:
    assert {status: of_vendor(status) for status in KINDS} == KINDS
