"""Answers the server's requests with the caller's handler, and refuses them without one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.questions import params_of
from signedin.runtime.aio import run_callback
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

RequestAnswer: TypeAlias = p.Outgoing | Mapping[str, object] | None
"""The result to send for a request of the server: the type that belongs to its method, or a mapping
in the wire's form. ``None`` refuses it."""

OnRequest: TypeAlias = Callable[[str, p.Incoming], Awaitable[RequestAnswer] | RequestAnswer]
"""Takes the method and the parameters of a request. A `JsonRpcError` it raises is sent as such."""

_log = logging.getLogger("signedin.codex")


class RequestAnswerer:
    """Answers requests of the server; refuses what no handler answers."""

    def __init__(self, handler: OnRequest | None) -> None:
        self._handler = handler

    async def answer(self, request: IncomingRequest) -> object:
        """Returns the result to send.

        Raises:
            JsonRpcError: There is no answer; the server treats that as a refusal.
        """
        method = request.method
        params = params_of(request)
        answer = await run_callback(self._handler, method, params) if self._handler else None
        if answer is None:
            _log.info("refused %s: on_request did not answer it", method)
            return refusal(method, params)
        if not isinstance(answer, p.Outgoing | Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            wanted = p.SERVER_REQUESTS[method].answer.__name__
            raise TypeError(
                f"on_request must return a {wanted}, a mapping or None for {method}, not "
                f"{type(answer).__name__}"
            )
        return answer


def refusal(method: str, params: p.Incoming) -> object:
    """Returns the answer to a request that allows nothing.

    Raises:
        JsonRpcError: There is no such answer.
    """
    match params:
        case p.CommandExecutionRequestApprovalParams():
            return p.CommandExecutionRequestApprovalResponse(decision="decline")
        case p.FileChangeRequestApprovalParams():
            return p.FileChangeRequestApprovalResponse(decision="decline")
        case p.PermissionsRequestApprovalParams():
            return {"permissions": {}, "scope": "turn"}
        case p.McpServerElicitationRequestParams():
            return p.McpServerElicitationRequestResponse(action="decline", content=None)
        case p.ToolRequestUserInputParams():
            return p.ToolRequestUserInputResponse(answers={})
        case p.DynamicToolCallParams():
            text = f"There is no handler for the tool {params.tool!r}."
            return p.DynamicToolCallResponse(
                content_items=[p.InputTextDynamicToolCallOutputContentItem(text=text)],
                success=False,
            )
        case _:
            raise JsonRpcError(METHOD_NOT_FOUND, f"there is no handler for {method}")
