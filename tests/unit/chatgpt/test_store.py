"""Where conversations are kept, as files."""

import asyncio
import os
import stat
from pathlib import Path

import pytest

from signedin.providers.chatgpt.conversation import StoredTurn
from signedin.providers.chatgpt.store import ConversationStore

TURN = StoredTurn(id="turn", prompt="hi", model="gpt", started_at=0.0)


@pytest.mark.parametrize("linked", [True, False])
def test_the_file_is_private_even_at_the_end_of_a_link(tmp_path: Path, *, linked: bool) -> None:
    folder = tmp_path / "sessions"
    folder.mkdir()
    if linked:
        (folder / "sessions.db").symlink_to(tmp_path / "elsewhere.db")
    before = os.umask(0)
    try:
        asyncio.run(ConversationStore(folder).keep("session", tmp_path, TURN))
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "sessions.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
