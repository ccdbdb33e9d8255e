"""A conversation with ChatGPT, stored on this machine."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence

import msgspec

from signedin.model.approvals import Host
from signedin.model.errors import InvalidOptionError
from signedin.model.events import SessionEvent
from signedin.model.options import TurnOptions, chosen
from signedin.model.results import PastTurn
from signedin.providers.base import ProviderSession
from signedin.providers.chatgpt.conversation import StoredTurn, input_of
from signedin.providers.chatgpt.options import FIXED_OPTIONS, ChatGPTKeys, read_keys
from signedin.providers.chatgpt.requests import (
    INSTRUCTIONS,
    InputItem,
    ResponseRequest,
    function_tool,
    user_message,
)
from signedin.providers.chatgpt.store import ConversationStore
from signedin.providers.chatgpt.transport import ChatGPTTransport
from signedin.providers.chatgpt.turn import ChatGPTTurn
from signedin.wire.jsonl import encode, well_formed


class ChatGPTSession(ProviderSession):
    """A conversation; every request carries all of it.

    Args:
        transport: Sends the requests.
        store: Stores it; ``None`` stores nothing.
        session_id: The conversation to continue; ``None`` begins one.
        turns: Its turns so far.
    """

    provider = "chatgpt"
    fixed_options = FIXED_OPTIONS

    def __init__(
        self,
        transport: ChatGPTTransport,
        store: ConversationStore | None,
        session_id: str | None = None,
        turns: list[StoredTurn] | None = None,
    ) -> None:
        self._transport = transport
        self._store = store
        self._id = session_id
        self._is_stored = store is not None and session_id is not None
        self._turns = turns or []
        self._latest: StoredTurn | None = None

    @property
    def id(self) -> str | None:
        """The conversation's id; that of a new one is known once its first turn has begun."""
        return self._id

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ChatGPTTurn:
        """Sends a prompt.

        Raises:
            InvalidOptionError: An option or an image cannot be used, or the conversation is
                archived or deleted.
        """
        keys = read_keys(options)
        session_id = self._id = self._id or str(uuid.uuid4())
        message = user_message(prompt, options.images)
        self._turns = await self._current_turns(to_go_on=True)
        turn = StoredTurn(
            id=str(uuid.uuid4()),
            prompt=well_formed(prompt),
            model=well_formed(chosen(options.model) or ""),
            started_at=time.time(),
            items=[msgspec.Raw(encode(message))],
        )

        async def prepare() -> ResponseRequest:
            turn.model = turn.model or await self._transport.default_model()
            turn.account = await self._transport.account()
            earlier = input_of(self._turns, turn.model, turn.account)
            self._turns.append(turn)
            self._latest = turn
            return _request(
                turn.model, [*earlier, *turn.items], session_id, options=options, keys=keys
            )

        async def keep() -> None:
            if self._store is not None and turn in self._turns:
                await self._store.keep(session_id, options.cwd, turn)
                self._is_stored = True

        return ChatGPTTurn(
            self._transport,
            turn,
            prepare,
            SessionEvent(
                session_id=session_id,
                cwd=str(options.cwd),
                effort=chosen(options.effort),
                timestamp=time.time(),
            ),
            host,
            max_requests=keys.max_requests,
            keep=keep,
        )

    async def history(self) -> list[PastTurn]:
        """Returns the turns, the oldest first."""
        return [turn.past() for turn in await self._current_turns()]

    async def roll_back(self) -> None:
        """Removes the last turn from the conversation; see `ProviderSession.roll_back`."""
        turn, self._latest = self._latest, None
        if turn is None or turn not in self._turns:
            return  # it failed before it was part of the conversation
        self._turns.remove(turn)
        if self._store is not None and self._id is not None and self._is_stored:
            self._is_stored = await self._store.drop(self._id, turn.id)

    async def rename(self, name: str) -> None:
        """Names the conversation."""
        store, session_id = self._stored("rename")
        await store.rename(session_id, well_formed(name))

    async def set_archived(self, *, archived: bool) -> None:
        """Archives or unarchives the conversation."""
        store, session_id = self._stored("archive")
        await store.set_archived(session_id, archived=archived)

    async def delete(self) -> None:
        """Deletes the conversation permanently."""
        store, session_id = self._stored("delete")
        await store.delete(session_id)
        self._turns.clear()
        self._is_stored = False

    async def aclose(self) -> None:
        """Does nothing: the conversation is stored, turn by turn."""

    async def _current_turns(self, *, to_go_on: bool = False) -> list[StoredTurn]:
        """The turns, those included that another process or client has added."""
        if self._store is None or self._id is None or not self._is_stored:
            return self._turns
        return await self._store.turns(self._id, to_go_on=to_go_on)

    def _stored(self, what: str) -> tuple[ConversationStore, str]:
        if self._store is None or self._id is None:
            raise InvalidOptionError(f"{what}: the session is not stored")
        return self._store, self._id


def _request(
    model: str,
    items: Sequence[InputItem],
    session_id: str,
    *,
    options: TurnOptions,
    keys: ChatGPTKeys,
) -> ResponseRequest:
    tools: list[Mapping[str, object]] = [function_tool(tool) for tool in options.tools]
    if keys.web_search:
        tools.append({"type": "web_search", "external_web_access": True})
    return ResponseRequest(
        model=model,
        input=items,
        instructions=options.instructions or INSTRUCTIONS,
        tools=tools,
        tool_choice=keys.tool_choice,
        parallel_tool_calls=keys.parallel_tool_calls,
        effort=chosen(options.effort),
        summary=keys.reasoning_summary,
        verbosity=keys.verbosity,
        schema=options.output.strict_schema if options.output else None,
        service_tier=keys.service_tier,
        conversation_id=session_id,
        prompt_cache_key=keys.prompt_cache_key,
    )
