"""What an agent's sessions leave in memory: nothing, however many there were."""

import gc
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from signedin import AsyncClient

PLAYER = Path(__file__).parent / "fuzz" / "player.py"
CANNOT_CLOSE = b'{"protocolVersion": 1, "agentCapabilities": {}}'


async def growth(run: Callable[[], Awaitable[object]]) -> int:
    """Bytes that 100 turns leave, after enough of them to have filled what is kept."""
    for _ in range(30):
        await run()
    gc.collect()
    tracemalloc.start()
    try:
        for _ in range(10):
            await run()
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(100):
            await run()
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return after - before


@pytest.fixture
def client(tmp_path: Path) -> AsyncClient:
    command = [sys.executable, "-S", str(PLAYER), "acp", str(tmp_path)]
    # The ledger holds turns until the disk takes them, which says nothing about sessions.
    return AsyncClient("acp", command=command, cwd="/", trust_project=True, ledger=False)


@pytest.mark.parametrize("closes", [True, False])
async def test_sessions_of_one_turn(client: AsyncClient, tmp_path: Path, closes: bool) -> None:
    if not closes:
        (tmp_path / "initialize").write_bytes(CANNOT_CLOSE)
    async with client:
        assert await growth(lambda: client.run("go")) < 30_000


async def test_many_turns_of_one_session(client: AsyncClient) -> None:
    async with client, client.session() as session:
        assert await growth(lambda: session.run("go")) < 30_000
