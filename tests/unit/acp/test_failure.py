"""What agents say when a turn fails, and what kind of failure it is."""

import pytest

from signedin.model.errors import ErrorKind
from signedin.providers.acp.failure import failure_event, plain_words
from signedin.wire.rpc_errors import JsonRpcError

BODY = '{"error":{"code":401,"message":"No such key.","status":"UNAUTHENTICATED"}}'


@pytest.mark.parametrize(
    ("error", "kind", "status", "text"),
    [
        (
            JsonRpcError(401, BODY),
            ErrorKind.AUTH_REQUIRED,
            401,
            "No such key. Sign in with: do it",
        ),
        (JsonRpcError(429, "Slow down."), ErrorKind.RATE_LIMITED, 429, "Slow down."),
        (JsonRpcError(429, "Daily quota."), ErrorKind.USAGE_LIMIT, 429, "Daily quota."),
        (JsonRpcError(500, "terminated"), ErrorKind.NETWORK, 500, "terminated"),
        (JsonRpcError(500, "Boom."), ErrorKind.SERVER, 500, "Boom."),
        (JsonRpcError(503, "Full."), ErrorKind.OVERLOADED, 503, "Full."),
        (JsonRpcError(400, "Bad."), ErrorKind.INVALID_OPTION, 400, "Bad."),
        (
            JsonRpcError(-32000, "Authentication required"),
            ErrorKind.AUTH_REQUIRED,
            None,
            "Authentication required. Sign in with: do it",
        ),
        (
            JsonRpcError(-32603, "Internal error: 401 No such key."),
            ErrorKind.AUTH_REQUIRED,
            401,
            "Internal error: 401 No such key. Sign in with: do it",
        ),
        (
            JsonRpcError(-32603, "Internal error", {"details": "context window exceeded"}),
            ErrorKind.CONTEXT_WINDOW,
            None,
            "Internal error: context window exceeded",
        ),
        (JsonRpcError(-32603, "Strange."), ErrorKind.OTHER, None, "Strange."),
        (
            JsonRpcError(-7, ""),
            ErrorKind.OTHER,
            None,
            "the agent gave no reason (JSON-RPC error -7)",
        ),
    ],
)
def test_failures(error: JsonRpcError, kind: ErrorKind, status: int | None, text: str) -> None:
    event = failure_event(error, login="do it")
    assert (event.error, event.status, event.text) == (kind, status, text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        (BODY, "No such key."),
        (f"exception: {BODY} and more", "No such key."),
        ("nothing {of the kind", "nothing {of the kind"),
        ('{"other": 1}', '{"other": 1}'),
        ("", ""),
    ],
)
def test_the_message_in_the_json_of_a_failed_request(text: str, plain: str) -> None:
    assert plain_words(text) == plain
