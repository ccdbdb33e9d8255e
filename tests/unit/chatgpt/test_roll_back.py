"""A turn that is taken out of its conversation."""

from pathlib import Path

import pytest

from signedin.model.errors import SignedinError
from signedin.model.events import DoneEvent
from signedin.model.options import TurnOptions
from signedin.providers.base import SessionQuery
from signedin.providers.chatgpt.conversation import StoredTurn
from signedin.providers.chatgpt.session import ChatGPTSession
from signedin.providers.chatgpt.store import ConversationStore


class NoTransport:
    """Fails once the turn is part of the conversation."""

    async def default_model(self) -> str:
        return "m"

    async def account(self) -> None:
        return None

    def answer(self, request: object) -> object:
        raise SignedinError("no network")


async def run_failing(session: ChatGPTSession, cwd: Path) -> None:
    turn = await session.start_turn("asked", TurnOptions(cwd=cwd), host=None)
    with pytest.raises(SignedinError, match="no network"):
        while not isinstance((await turn.next_events())[-1], DoneEvent):
            pass
    await turn.aclose()


@pytest.mark.parametrize("ephemeral", [False, True])
async def test_the_last_turn_is_gone_from_memory_and_disk(tmp_path: Path, ephemeral: bool) -> None:
    store = ConversationStore(tmp_path / "store")
    kept = None if ephemeral else store
    session = ChatGPTSession(NoTransport(), kept)
    await run_failing(session, tmp_path)
    assert [turn.prompt for turn in await session.history()] == ["asked"]
    await session.roll_back()
    assert await session.history() == []
    assert (await store.sessions(SessionQuery())).sessions == ()
    await run_failing(session, tmp_path)
    assert [turn.prompt for turn in await session.history()] == ["asked"]


async def test_only_the_last_turn_goes(tmp_path: Path) -> None:
    store = ConversationStore(tmp_path / "store")
    first = StoredTurn(id="1", prompt="before", model="m", started_at=1.0)
    await store.keep("s", tmp_path, first)
    session = ChatGPTSession(NoTransport(), store, "s", [first])
    await run_failing(session, tmp_path)
    await session.roll_back()
    await session.roll_back()
    assert [turn.prompt for turn in await session.history()] == ["before"]
