"""With nobody signed in, a turn says so at once."""

from pathlib import Path

import pytest

from signedin import AsyncClient, AuthRequiredError, InvalidOptionError
from support.codex_home import write_config
from support.stage import Stage


@pytest.fixture(params=["codex-app-server", "codex-exec"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


async def test_an_empty_home(transport: str, binary: Path | None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    env = {"CODEX_HOME": str(home)}
    async with AsyncClient("codex", transport=transport, binary=binary, env=env) as client:
        with pytest.raises(AuthRequiredError, match="signedin auth login --provider codex"):
            await client.run("hi", cwd=tmp_path, timeout=20)


async def test_a_home_whose_configuration_wants_no_login(
    transport: str, stage: Stage, binary: Path | None, tmp_path: Path
) -> None:
    stage.play("ok")
    write_config(stage.home, stage.options["provider_options"]["config"])
    env = {"CODEX_HOME": str(stage.home)}
    async with AsyncClient("codex", transport=transport, binary=binary, env=env) as client:
        assert (await client.run("hi", cwd=tmp_path)).text == "ok"


async def test_a_home_that_is_not_there(
    transport: str, binary: Path | None, tmp_path: Path
) -> None:
    home = tmp_path / "hmoe"
    env = {"CODEX_HOME": str(home)}
    async with AsyncClient("codex", transport=transport, binary=binary, env=env) as client:
        with pytest.raises(
            InvalidOptionError, match=f"CODEX_HOME={home} is not a folder; correct it"
        ):
            await client.run("hi", cwd=tmp_path, timeout=20)
    assert not home.exists()


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
