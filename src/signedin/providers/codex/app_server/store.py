"""What Codex has stored and reports: conversations, models, limits."""

from __future__ import annotations

import re

import msgspec
from msgspec import UNSET

from signedin.accounts.hints import how_to_sign_in
from signedin.model.errors import AuthRequiredError, ProtocolError
from signedin.model.events import AnyEvent, DoneReason, Event, MessageEvent
from signedin.model.results import ModelInfo, PastTurn, SessionInfo, SessionPage, answer_text
from signedin.providers.base import ReviewTarget, SessionQuery
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.items import item_event, seconds
from signedin.providers.codex.app_server.process import AppServer
from signedin.wire.rpc_errors import InternalRpcError, InvalidRequestError, MethodNotFoundError

_PAGE = 50
_NO_TURN_YET = ("not materialized yet", "list_turns is not supported yet")
"""What Codex says of a thread that has had no prompt (codex 0.163 and 0.169), and of one whose
first turn has just begun (0.169)."""

_BEING_STORED = re.compile(r"rollout at .+ is empty")
"""What it says of a thread that it has open, and whose first turn it is about to store (0.163)."""


async def list_sessions(server: AppServer, query: SessionQuery) -> SessionPage:
    """Lists stored threads, the newest first."""
    params = p.ThreadListParams(
        archived=query.archived,
        # The default order loses threads of the same second at a page's end (codex 0.163).
        sort_key="recency_at",
        model_providers=[],  # of all; Codex would leave out those of another than the configured
        cwd=str(query.cwd) if query.cwd else UNSET,
        search_term=query.search or UNSET,
        limit=query.limit or UNSET,
        cursor=query.cursor or UNSET,
    )
    answer = await server.call("thread/list", params, p.ThreadListResponse)
    return SessionPage(
        tuple(_session_info(thread, archived=query.archived) for thread in answer.data),
        answer.next_cursor,
    )


async def list_models(server: AppServer) -> list[ModelInfo]:
    """Lists the models the account can choose from."""
    return [_model_info(model) for model in await all_models(server) if not model.hidden]


async def all_models(server: AppServer, *, include_hidden: bool = False) -> list[p.Model]:
    """Lists the models of the account as Codex describes them."""
    models: list[p.Model] = []
    cursor: str | None = None
    while True:
        params = p.ModelListParams(cursor=cursor or UNSET, include_hidden=include_hidden)
        answer = await server.call("model/list", params, p.ModelListResponse)
        models += answer.data
        cursor = _following(cursor, answer.next_cursor)
        if cursor is None:
            return models


async def account_limits(server: AppServer) -> p.GetAccountRateLimitsResponse:
    """Reports the remaining quota of the plan.

    Raises:
        AuthRequiredError: Not signed in with ChatGPT.
    """
    try:
        return await server.call(
            "account/rateLimits/read",
            p.GetAccountRateLimitsParams(),
            p.GetAccountRateLimitsResponse,
        )
    except InvalidRequestError as error:
        raise AuthRequiredError(f"{error.message}. {how_to_sign_in('codex')}") from error


async def read_history(server: AppServer, thread_id: str) -> list[PastTurn]:
    """Returns a thread's turns, the oldest first."""
    turns: list[PastTurn] = []
    cursor: str | None = None
    while True:
        params = p.ThreadTurnsListParams(
            thread_id=thread_id,
            items_view="full",
            sort_direction="asc",
            limit=_PAGE,
            cursor=cursor or UNSET,
        )
        try:
            answer = await server.call("thread/turns/list", params, p.ThreadTurnsListResponse)
        except (InvalidRequestError, MethodNotFoundError) as error:
            if any(sign in error.message for sign in _NO_TURN_YET):
                return []
            raise
        except InternalRpcError as error:
            if thread_id in server.threads and _BEING_STORED.search(error.message):
                return []
            raise
        # One that has just begun, or was stopped before its prompt was stored, has nothing yet.
        turns += [_past_turn(turn) for turn in answer.data if turn.items]
        cursor = _following(cursor, answer.next_cursor)
        if cursor is None:
            return turns


def _following(cursor: str | None, following: str | None) -> str | None:
    """Returns where the next page begins; ``None`` after the last.

    Raises:
        ProtocolError: It is the page that was just read, so there would be no end.
    """
    if following is not None and following == cursor:
        raise ProtocolError(
            "codex returned the same page of a list twice; look for an update of codex"
        )
    return following


def review_target(target: ReviewTarget) -> p.ReviewTarget:
    """Returns a review's target in Codex's form."""
    if target.base is not None:
        return p.BaseBranchReviewTarget(branch=target.base)
    if target.commit is not None:
        return p.CommitReviewTarget(sha=target.commit)
    if target.instructions is not None:
        return p.CustomReviewTarget(instructions=target.instructions)
    return p.UncommittedChangesReviewTarget()


def _session_info(thread: p.Thread, *, archived: bool) -> SessionInfo:
    return SessionInfo(
        id=thread.id,
        name=thread.name,
        preview=thread.preview,
        cwd=thread.cwd or None,
        model=thread.model,
        created_at=thread.created_at or None,
        updated_at=thread.updated_at or None,
        archived=archived,
        forked_from=thread.forked_from_id,
    )


def _model_info(model: p.Model) -> ModelInfo:
    return ModelInfo(
        id=model.model or model.id,
        name=model.display_name or model.id,
        efforts=tuple(option.reasoning_effort for option in model.supported_reasoning_efforts),
        default_effort=model.default_reasoning_effort or None,
        default=model.is_default,
        images="image" in model.input_modalities,
    )


def _past_turn(turn: p.Turn) -> PastTurn:
    events: list[AnyEvent] = []
    for item in turn.items:
        event: Event | None = item_event(
            item,
            started=False,
            timestamp=seconds((turn.completed_at or turn.started_at or 0) * 1000) or 0.0,
            payload=msgspec.Raw(msgspec.json.encode(item)),
        )
        if event is not None:
            events.append(event)  # pyright: ignore[reportArgumentType] - all are in AnyEvent
    prompts = [
        content.text or ""
        for item in turn.items
        if isinstance(item, p.UserMessageThreadItem)
        for content in item.content
    ]
    reason: DoneReason = turn.status if turn.status in ("completed", "failed") else "interrupted"
    return PastTurn(
        id=turn.id,
        prompt="".join(prompts),
        text=answer_text([event for event in events if isinstance(event, MessageEvent)]),
        events=tuple(events),
        reason=reason,
        started_at=turn.started_at,
    )
