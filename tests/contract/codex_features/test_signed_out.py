"""With nobody signed in, a turn says so at once."""

from pathlib import Path

import pytest

from signedin import AsyncClient, AuthRequiredError
from support.agents import program, versions


@pytest.fixture(params=["wheel", *versions("codex")])
def binary(request: pytest.FixtureRequest) -> Path | None:
    return None if request.param == "wheel" else program("codex", request.param)


async def test_an_empty_home(binary: Path | None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"CODEX_HOME": str(home)}
    async with AsyncClient("codex", binary=binary, env=env) as client:
        with pytest.raises(AuthRequiredError, match="signedin auth login --provider codex"):
            await client.run("hi", cwd=tmp_path, timeout=20)


@pytest.mark.parametrize("transport", ["codex-app-server", "codex-exec"])
async def test_an_account_that_is_not_there(
    transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    async with AsyncClient("codex", transport=transport, account="wrok") as client:
        with pytest.raises(
            AuthRequiredError, match=r"there is no codex login named 'wrok'.*--account wrok"
        ):
            await client.run("hi", cwd=tmp_path, timeout=20)
    assert not (tmp_path / ".signedin" / "codex" / "accounts" / "wrok").exists()
