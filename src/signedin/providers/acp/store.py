"""What an agent has stored: its sessions, their turns, and the models it can choose from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import cast

import msgspec

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.events import AnyEvent, Event, MessageEvent
from signedin.model.results import ModelInfo, PastTurn, SessionInfo, SessionPage, answer_text
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.normalise import TurnNormaliser
from signedin.providers.acp.process import ACPAgent
from signedin.providers.base import SessionQuery
from signedin.providers.shared.stored import unix_time
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import METHOD_NOT_FOUND, JsonRpcError

_CLOSED = acp.PromptResult(stop_reason="end_turn")
_EMPTY = msgspec.Raw(b"null")


async def list_sessions(agent: ACPAgent, provider: str, query: SessionQuery) -> SessionPage:
    """Lists stored sessions, in the agent's order.

    Raises:
        UnsupportedOptionError: The agent cannot list sessions, or archived ones are requested.
        InvalidOptionError: The cursor is not from an earlier page.
    """
    if agent.session_capabilities.list is None:
        raise UnsupportedOptionError(provider, "sessions", f"{agent.name} cannot list sessions")
    if query.archived:
        raise UnsupportedOptionError(
            provider, "archived", f"{agent.name} does not archive sessions"
        )
    start, cursor = _position(query.cursor)
    page = await agent.list_sessions(query.cwd, cursor)
    found = [_info(each) for each in page.sessions[start:]]
    end = len(found) if query.limit is None else query.limit
    following = f"0:{page.next_cursor}" if page.next_cursor else None
    if end < len(found):
        following = f"{start + end}:{cursor or ''}"
    wanted = [info for info in found[:end] if _matches(info, query)]
    return SessionPage(tuple(wanted), following)


def models_of(state: acp.SessionState, provider: str, *, images: bool = False) -> list[ModelInfo]:
    """Returns the models a session can be set to.

    Args:
        state: What the agent reported about the session: the efforts are those of its model.
        provider: Name of the provider, for messages.
        images: Whether the agent takes images.

    Raises:
        UnsupportedOptionError: The agent does not report them.
    """
    options = {str(option.category or option.id): option for option in state.config_options or ()}
    effort = options.get("thought_level")
    chosen = options.get("model")
    if state.models is not None and state.models.available_models:
        current = state.models.current_model_id
        named = [(model.model_id, model.name) for model in state.models.available_models]
    elif chosen is not None:
        current = str(chosen.current_value)
        named = [(str(choice.value), choice.name) for choice in _flat(chosen.options)]
    else:
        raise UnsupportedOptionError(provider, "models", "the agent does not report them")
    efforts = tuple(str(choice.value) for choice in _flat(effort.options)) if effort else ()
    return [
        ModelInfo(
            id=model,
            name=name or model,
            efforts=efforts if model == current else (),
            default_effort=str(effort.current_value) if effort and model == current else None,
            default=model == current,
            images=images,
        )
        for model, name in named
    ]


class Replay:
    """Collects the turns of a session while its agent replays it.

    Args:
        cwd: Where the session works.
    """

    def __init__(self, cwd: str) -> None:
        self._cwd = cwd
        self._turns: list[_ReplayedTurn] = []

    def finish(self) -> list[PastTurn]:
        """Returns the turns, the oldest first; called once, after the replay."""
        return [turn.past() for turn in self._turns]

    def on_update(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        """Receives a piece of a turn; another prompt, or a piece after an answer, begins one."""
        if update.session_update == "user_message_chunk":
            if not self._turns or self._turns[-1].is_over(update.message_id):
                self._turns.append(_ReplayedTurn(self._cwd, update.message_id))
            with suppress(*acp.UNREADABLE):
                content = msgspec.json.decode(update.content, type=acp.Content)
                self._turns[-1].prompt += content.text or ""
        elif self._turns:
            self._turns[-1].take(update, params, line)

    async def on_request(self, request: IncomingRequest) -> object:
        """Refuses: nothing runs during a replay."""
        raise JsonRpcError(METHOD_NOT_FOUND, f"no turn is running to answer {request.method}")

    def on_batch_end(self) -> None:
        """Does nothing: nobody waits for pieces."""

    def on_close(self, error: Exception) -> None:
        """Does nothing: the waiting request gets the same error."""


class _ReplayedTurn:
    def __init__(self, cwd: str, source: str | None) -> None:
        self.prompt = ""
        self._source = source
        self._answered = False
        self._normaliser = TurnNormaliser(cwd)
        self._events: list[Event] = []

    def is_over(self, source: str | None) -> bool:
        """Whether a piece of a prompt from this message belongs to another turn."""
        return self._answered or source != self._source

    def take(self, update: acp.Update, params: msgspec.Raw, line: bytes) -> None:
        self._answered = self._answered or update.session_update.startswith(("agent_", "tool_"))
        self._events.extend(self._normaliser.update(update, params, line))

    def past(self) -> PastTurn:
        events = [*self._events, *self._normaliser.end(_CLOSED, _EMPTY)]
        complete = [event for event in events if not event.kind.endswith("_delta")]
        return PastTurn(
            id=None,
            prompt=self.prompt,
            text=answer_text([event for event in complete if isinstance(event, MessageEvent)]),
            events=tuple(cast("list[AnyEvent]", complete)),
            reason="completed",
        )


def _position(cursor: str | None) -> tuple[int, str | None]:
    if cursor is None:
        return 0, None
    start, colon, agents = cursor.partition(":")
    if not colon or not start.isdecimal():
        raise InvalidOptionError(f"invalid cursor {cursor!r}; use SessionPage.next_cursor")
    return int(start), agents or None


def _info(stored: acp.ListedSession) -> SessionInfo:
    return SessionInfo(
        id=stored.session_id,
        name=stored.title,
        cwd=stored.cwd,
        updated_at=unix_time(stored.updated_at),
    )


def _matches(info: SessionInfo, query: SessionQuery) -> bool:
    return query.search is None or query.search.lower() in (info.name or "").lower()


def _flat(choices: tuple[acp.ConfigChoice, ...] | None) -> Iterator[acp.ConfigChoice]:
    """The choices, without their groups."""
    for choice in choices or ():
        if choice.options is None:
            yield choice
        else:
            yield from choice.options
