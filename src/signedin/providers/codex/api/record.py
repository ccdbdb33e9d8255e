"""What a turn has reported so far: its items, its usage, how it ended and why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from signedin.model.errors import SignedinError
from signedin.model.events import SessionEvent, event_from_error
from signedin.model.redact import redact
from signedin.model.results import answer_among
from signedin.model.turn_recorder import TurnRecorder, interrupted_done
from signedin.providers.codex import protocol as p
from signedin.providers.codex.api.notifications import Notification
from signedin.providers.codex.app_server.items import seconds
from signedin.providers.codex.app_server.normalise import TurnNormaliser


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a turn, or its result so far.

    Attributes:
        id: The turn's id; empty before it has begun.
        thread_id: The thread's id.
        status: ``completed``, ``interrupted``, ``failed`` or ``inProgress``.
        started_at: When it began, in Unix seconds.
        completed_at: When it ended, in Unix seconds.
        duration: Seconds it took.
        final_response: The answer: the final message, else the last that has no phase; ``None`` if
            there is none, as when the turn ends with a commentary.
        items: The completed items, in order of completion.
        unfinished: Items that had begun and not ended: an interrupted message has the text that
            had arrived.
        usage: Tokens of the thread and of the last model request; ``None`` if not reported.
    """

    id: str
    thread_id: str
    status: p.TurnStatus
    started_at: float | None
    completed_at: float | None
    duration: float | None
    final_response: str | None
    items: tuple[p.ThreadItem, ...]
    unfinished: tuple[p.ThreadItem, ...]
    usage: p.ThreadTokenUsage | None

    def __repr__(self) -> str:
        shown = self.final_response or ""
        shown = shown if len(shown) <= 80 else f"{shown[:77]}…"
        return redact(
            f"TurnResult({self.id!r}, {self.status}, {len(self.items)} items, "
            f"final_response={shown!r})"
        )


class TurnRecord:
    """Collects the notifications of a turn.

    The pieces of an item are stored until the complete item has arrived, so the memory of a turn
    does not depend on the size of the pieces.

    Args:
        opening: The thread, as the events of a turn begin with it.
    """

    def __init__(self, opening: SessionEvent) -> None:
        self._opening = opening
        self._turn = p.Turn(id="", status="inProgress")
        self._usage: p.ThreadTokenUsage | None = None
        self._messages: list[Notification] = []
        self._open: dict[str, p.ThreadItem] = {}
        self._pieces: dict[str, list[Notification]] = {}
        self._recorder = TurnRecorder(
            provider="codex",
            transport="codex-app-server",
            cwd=opening.cwd or "",
            model=opening.model,
        )

    def take(self, notification: Notification) -> None:
        """Adds a notification of the turn."""
        params = notification.params
        if isinstance(params, _DELTAS):
            self._pieces.setdefault(params.item_id, []).append(notification)
            return
        self._messages.append(notification)
        match params:
            case p.ItemStartedNotification():
                self._open[params.item.id] = params.item
            case p.ItemCompletedNotification():
                self._open.pop(params.item.id, None)
                self._pieces.pop(params.item.id, None)
            case p.ThreadTokenUsageUpdatedNotification():
                self._usage = params.token_usage
            case p.TurnStartedNotification() | p.TurnCompletedNotification():
                self._turn = params.turn
            case _:
                pass

    @property
    def failed(self) -> bool:
        """Whether the turn has ended without success and without having been interrupted."""
        return self._turn.status not in ("inProgress", "completed", "interrupted")

    def result(self) -> TurnResult:
        """Returns the result so far."""
        turn = self._turn
        items = [
            notification.params.item
            for notification in self._messages
            if isinstance(notification.params, p.ItemCompletedNotification)
        ]
        answer = answer_among([i for i in items if isinstance(i, p.AgentMessageThreadItem)])
        return TurnResult(
            id=turn.id,
            thread_id=self._opening.session_id,
            status=turn.status,
            started_at=turn.started_at,
            completed_at=turn.completed_at,
            duration=seconds(turn.duration_ms),
            final_response=answer.text if answer else None,
            items=tuple(items),
            unfinished=tuple(
                _unfinished(item, self._pieces.get(item.id, ())) for item in self._open.values()
            ),
            usage=self._usage,
        )

    def error(self, limits: Notification | None) -> SignedinError:
        """Returns the error of a turn that has failed, with what was received in ``result``.

        Args:
            limits: The server's last report about the plan: when a usage limit is lifted.
        """
        self._replay([limits] if limits else [])
        error = self._recorder.failure() or SignedinError(
            f"codex ended the turn as {self._turn.status!r}"
        )
        return self._with_result(error)

    def lost(self, error: SignedinError) -> SignedinError:
        """Returns the error of a turn that was lost, with what was received."""
        self._replay([])
        self._recorder.record([event_from_error(error), interrupted_done("failed")])
        return self._with_result(error)

    def _replay(self, before: Sequence[Notification]) -> None:
        """Records the turn as events that all providers share."""
        normaliser = TurnNormaliser()
        pieces = [piece for pieces in self._pieces.values() for piece in pieces]
        messages, end = self._messages, list[Notification]()
        if messages and isinstance(messages[-1].params, p.TurnCompletedNotification):
            messages, end = messages[:-1], messages[-1:]
        self._recorder.record([self._opening])
        for one in [*before, *messages, *pieces, *end]:
            self._recorder.record(
                normaliser.events(one.method, one.params, one.line, turn_id=self._turn.id)
            )

    def _with_result(self, error: SignedinError) -> SignedinError:
        error.result = self._recorder.result(turn_id=self._turn.id or None)
        return error


_DELTAS = (
    p.AgentMessageDeltaNotification,
    p.CommandExecutionOutputDeltaNotification,
    p.PlanDeltaNotification,
    p.ReasoningSummaryPartAddedNotification,
    p.ReasoningSummaryTextDeltaNotification,
    p.ReasoningTextDeltaNotification,
)


def _unfinished(item: p.ThreadItem, pieces: Sequence[Notification]) -> p.ThreadItem:
    """Returns an unfinished item with the pieces that had arrived."""
    deltas = [piece.params for piece in pieces]
    text = "".join(
        params.delta
        for params in deltas
        if isinstance(
            params,
            p.AgentMessageDeltaNotification
            | p.PlanDeltaNotification
            | p.CommandExecutionOutputDeltaNotification,
        )
    )
    match item:
        case p.AgentMessageThreadItem() | p.PlanThreadItem():
            return msgspec.structs.replace(item, text=text or item.text)
        case p.CommandExecutionThreadItem():
            return msgspec.structs.replace(item, aggregated_output=text or item.aggregated_output)
        case p.ReasoningThreadItem():
            return msgspec.structs.replace(
                item,
                summary=_parts(
                    (params.summary_index, params.delta)
                    for params in deltas
                    if isinstance(params, p.ReasoningSummaryTextDeltaNotification)
                ),
                content=_parts(
                    (params.content_index, params.delta)
                    for params in deltas
                    if isinstance(params, p.ReasoningTextDeltaNotification)
                ),
            )
        case _:
            return item


def _parts(deltas: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    parts: dict[int, str] = {}
    for index, delta in deltas:
        parts[index] = parts.get(index, "") + delta
    return tuple(parts.values())
