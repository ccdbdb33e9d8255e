"""Several Codex that start at once in a home that is new, in one process and in several."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from signedin import AsyncClient
from signedin.loopback import LoopbackModel
from signedin.providers.codex.first_start import first_start
from support.program import environment

AT_ONCE = 4
ASKING = (
    "import sys; from signedin import Client; print(Client('codex', **eval(sys.argv[1])).run('hi'))"
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
async def test_clients(transport: str) -> None:
    async def ask(options: dict[str, object]) -> str:
        async with AsyncClient("codex", **options, transport=transport) as client:
            return str(await client.run("hi"))

    with LoopbackModel("ok") as model:
        options = model.client_options("codex")
        assert await asyncio.gather(*(ask(options) for _ in range(AT_ONCE))) == ["ok"] * AT_ONCE


def test_processes(tmp_path: Path) -> None:
    with LoopbackModel("ok") as model:
        command = [sys.executable, "-c", ASKING, repr(dict(model.client_options("codex")))]
        env = {**environment(), "XDG_CACHE_HOME": str(tmp_path)}
        running = [
            subprocess.Popen(
                command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            for _ in range(AT_ONCE)
        ]
        assert [process.communicate() for process in running] == [("ok\n", "")] * AT_ONCE


async def test_only_the_first_start_waits(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    program = Path(sys.executable)
    with pytest.raises(ValueError, match=r"^failed$"):
        async with first_start(home, program) as is_new:
            assert is_new
            raise ValueError("failed")
    async with first_start(home, program) as is_new:
        assert is_new
    async with first_start(home, program) as one, first_start(home, program) as other:
        assert (one, other) == (False, False)
    home.rename(tmp_path / "old")
    home.mkdir()
    async with first_start(home, program) as is_new:
        assert is_new
