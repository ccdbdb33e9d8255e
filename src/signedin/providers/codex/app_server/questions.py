"""Answers the app-server's requests with the decisions of the turn's host.

Wire facts seen with codex 0.163 and 0.169. Every request is answered: Codex waits for ever for a
missing answer, and silently treats a wrong one as a refusal.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import msgspec

from signedin.model.approvals import (
    Answers,
    ApprovalRequest,
    Decision,
    Host,
    Question,
    QuestionOption,
    answer_texts,
    approval_events,
    question_events,
)
from signedin.model.errors import SignedinError
from signedin.model.events import Event
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.normalise import TurnNormaliser
from signedin.providers.shared.elicitation import Elicitation
from signedin.tools.content import ImageContent
from signedin.wire.jsonl import UNDECODABLE
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import INVALID_PARAMS, METHOD_NOT_FOUND, JsonRpcError

_DECISIONS = {
    "allow": "accept",
    "allow_for_session": "acceptForSession",
    "deny": "decline",
    "stop": "cancel",
}
_ACTIONS = {
    "allow": "accept",
    "allow_for_session": "accept",
    "deny": "decline",
    "stop": "cancel",
}
_ELICITATIONS = frozenset({"form", "openai/form", "openaiForm", "url"})


class RequestHandler:
    """Answers the requests of one turn and emits the events that report them.

    Args:
        host: Who decides.
        known: What the turn has reported so far, since a request may name only an item.
        emit: Takes the events.
        note: Adds a note for the agent to its running turn.
        confined: Whether the agent has a sandbox, which it leaves if a command is allowed; without
            one it asks only because of the ``policy``.
    """

    def __init__(
        self,
        host: Host,
        known: TurnNormaliser,
        emit: Callable[[list[Event]], None],
        note: Callable[[str], Awaitable[None]],
        *,
        confined: bool,
    ) -> None:
        self._host = host
        self._confined = confined
        self._known = known
        self._emit = emit
        self._note = note

    async def answer(self, request: IncomingRequest) -> object:
        """Returns the result to send.

        Raises:
            JsonRpcError: The request is not known.
        """
        payload = msgspec.Raw(request.line)
        params = params_of(request)
        match params:
            case p.CommandExecutionRequestApprovalParams():
                return await self._command(params, payload)
            case p.FileChangeRequestApprovalParams():
                return await self._file_change(params, payload)
            case p.PermissionsRequestApprovalParams():
                return await self._permissions(params, payload)
            case p.McpServerElicitationRequestParams():
                return await self._elicitation(params, payload)
            case p.ToolRequestUserInputParams():
                return await self._user_input(params, payload)
            case p.DynamicToolCallParams():
                return await self._tool_call(params)
            case _:
                raise JsonRpcError(
                    METHOD_NOT_FOUND, f"signedin has no handler for {request.method}"
                )

    async def _command(
        self, params: p.CommandExecutionRequestApprovalParams, payload: msgspec.Raw
    ) -> p.CommandExecutionRequestApprovalResponse:
        network = params.network_approval_context
        request = ApprovalRequest(
            subject="network" if network else "command",
            item_id=params.item_id,
            reason=params.reason or (f"network access to {network.host}" if network else ""),
            command=params.command,
            cwd=params.cwd,
            arguments={"host": network.host} if network else None,
            permissions=_plain(params.additional_permissions),
            unconfined=self._confined,
        )
        decision = await self._decide(request, payload)
        return p.CommandExecutionRequestApprovalResponse(decision=_DECISIONS[decision.verdict])

    async def _file_change(
        self, params: p.FileChangeRequestApprovalParams, payload: msgspec.Raw
    ) -> p.FileChangeRequestApprovalResponse:
        change = self._known.file_changes.get(params.item_id)
        request = ApprovalRequest(
            subject="file_change",
            item_id=params.item_id,
            reason=params.reason or "",
            changes=change.changes if change else (),
        )
        decision = await self._decide(request, payload)
        return p.FileChangeRequestApprovalResponse(decision=_DECISIONS[decision.verdict])

    async def _permissions(
        self, params: p.PermissionsRequestApprovalParams, payload: msgspec.Raw
    ) -> Mapping[str, object]:
        asked: object = _plain(params.permissions)
        request = ApprovalRequest(
            subject="permission",
            item_id=params.item_id,
            reason=params.reason or "",
            cwd=params.cwd,
            permissions=asked,
            unconfined=self._confined,
        )
        decision = await self._decide(request, payload)
        allowed = decision.verdict in ("allow", "allow_for_session")
        granted: object = asked if allowed else dict[str, object]()
        scope = "session" if decision.verdict == "allow_for_session" else "turn"
        return {"permissions": granted, "scope": scope}

    async def _elicitation(
        self, params: p.McpServerElicitationRequestParams, payload: msgspec.Raw
    ) -> p.McpServerElicitationRequestResponse:
        meta = _object(params.meta)
        if meta.get("codex_approval_kind") != "mcp_tool_call":
            return await self._form(params, payload)
        # codex 0.163 does not name the tool; its call has just begun.
        call = self._known.tool_calls.get(params.server_name)
        request = ApprovalRequest(
            subject="tool",
            item_id=call.item_id if call else "",
            reason=params.message or "",
            tool=cast("str | None", meta.get("tool_name")) or (call.name if call else None),
            server=params.server_name,
            arguments=meta.get("tool_params"),
        )
        decision = await self._decide(request, payload)
        persist = {"persist": "session"} if decision.verdict == "allow_for_session" else None
        return p.McpServerElicitationRequestResponse(
            action=_ACTIONS[decision.verdict], content=None, meta=persist
        )

    async def _form(
        self, params: p.McpServerElicitationRequestParams, payload: msgspec.Raw
    ) -> p.McpServerElicitationRequestResponse:
        """A form of an MCP server for the user to fill in, or an address to visit."""
        if params.mode not in _ELICITATIONS:
            return p.McpServerElicitationRequestResponse(action="decline", content=None)
        asked = Elicitation(
            server=params.server_name,
            message=params.message or params.title or "",
            schema=_object(params.requested_schema),
            url=params.url,
        )
        answer = await asked.ask(self._host, payload)
        self._emit(answer.events)
        return p.McpServerElicitationRequestResponse(action=answer.action, content=answer.content)

    async def _tool_call(self, params: p.DynamicToolCallParams) -> p.DynamicToolCallResponse:
        result = await self._host.call_tool(params.tool, params.arguments)
        return p.DynamicToolCallResponse(
            content_items=[
                p.InputImageDynamicToolCallOutputContentItem(image_url=content.data_url)
                if isinstance(content, ImageContent)
                else p.InputTextDynamicToolCallOutputContentItem(text=content.text)
                for content in result.content
            ],
            success=not result.error,
        )

    async def _user_input(
        self, params: p.ToolRequestUserInputParams, payload: msgspec.Raw
    ) -> p.ToolRequestUserInputResponse:
        questions = tuple(
            Question(
                id=question.id,
                text=question.question,
                header=question.header,
                options=tuple(
                    QuestionOption(option.label, option.description)
                    for option in question.options or ()
                ),
                secret=question.is_secret,
            )
            for question in params.questions
        )
        answers = await self._ask(questions, params.item_id, payload) or {}
        return p.ToolRequestUserInputResponse(
            answers={
                name: p.ToolRequestUserInputAnswer(answers=answer_texts(answer))
                for name, answer in answers.items()
            }
        )

    async def _decide(self, request: ApprovalRequest, payload: msgspec.Raw) -> Decision:
        request = msgspec.structs.replace(request, permitted=not self._confined)
        decision = await self._host.approve(request)
        self._emit(approval_events(request, decision, payload))
        if decision.changed is not None:
            # Before the answer, which carries no reason: it is there when the model is asked next.
            with contextlib.suppress(SignedinError):  # a review takes no notes
                await self._note(f"{request.summary}: {decision.reason}")
        return decision

    async def _ask(
        self, questions: tuple[Question, ...], item_id: str, payload: msgspec.Raw
    ) -> Answers | None:
        answers = await self._host.answer(questions)
        self._emit(question_events(questions, answers, item_id, payload))
        return answers


def params_of(request: IncomingRequest) -> p.Incoming:
    """Returns what a request asks for.

    Raises:
        JsonRpcError: Its method or its form is not known here.
    """
    known = p.SERVER_REQUESTS.get(request.method)
    if known is None:
        raise JsonRpcError(METHOD_NOT_FOUND, f"signedin does not know {request.method}")
    try:
        return cast("p.Incoming", p.decoder(known.params).decode(request.params))
    except UNDECODABLE as error:
        raise JsonRpcError(INVALID_PARAMS, f"unknown form of {request.method}: {error}") from error


def _plain(value: msgspec.Struct | None) -> object:
    return None if value is None else msgspec.to_builtins(value)


def _object(value: object) -> dict[str, object]:
    return cast("dict[str, object]", value) if isinstance(value, dict) else {}
