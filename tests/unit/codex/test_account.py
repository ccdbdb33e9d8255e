"""What of Codex's login is known without asking Codex."""

import os
import stat
import tomllib
from pathlib import Path

import pytest

from signedin import BillingError, InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.codex.account.home import (
    VENDOR,
    accounts_for,
    launch_environment,
    refuse_other_payer,
)
from signedin.providers.codex.options import CodexOptions


@pytest.fixture(autouse=True)
def homes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home of ours and of Codex's."""
    for name in list(os.environ):
        if name.startswith(("CODEX_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "own"))
    return tmp_path


def config(**fields: object) -> ProviderConfig:
    return ProviderConfig(transport="codex-app-server", **fields)


def environment(env: dict[str, str | None] | None = None, **fields: object) -> dict[str, str]:
    settings = config(**fields)
    return launch_environment(accounts_for(settings).choose(env or {}), settings, env or {})


def test_codex_keeps_its_own_home_if_nobody_is_signed_in_to_ours(homes: Path) -> None:
    assert "CODEX_HOME" not in environment()
    assert "CODEX_HOME" not in environment(auth_source="external")
    assert VENDOR.default_home() == homes / ".codex"
    assert list(homes.iterdir()) == []


def test_the_isolated_login_if_there_is_one(homes: Path) -> None:
    own = homes / "own" / "codex"
    own.mkdir(parents=True)
    assert "CODEX_HOME" not in environment()
    (own / "auth.json").write_text("{}")
    assert "CODEX_HOME" not in environment()
    (own / "auth.json").write_text('{"tokens": {"refresh_token": "r"}}')
    assert environment()["CODEX_HOME"] == str(own)
    assert "CODEX_HOME" not in environment(auth_source="external")


@pytest.mark.parametrize(
    ("fields", "home"),
    [
        ({"auth_source": "isolated"}, "own/codex"),
        ({"auth_source": "isolated", "account": "work"}, "own/codex/accounts/work"),
        ({"account": "work"}, "own/codex/accounts/work"),
    ],
)
def test_an_isolated_home_is_made(homes: Path, fields: dict[str, str], home: str) -> None:
    account = accounts_for(config(**fields)).choose_for_login({})
    made = Path(launch_environment(account, config(**fields), {})["CODEX_HOME"])
    assert made == homes / home
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    # Its login is kept in a file there rather than in a keyring that all homes share.
    assert tomllib.loads((made / "config.toml").read_text()) == {
        "cli_auth_credentials_store": "file"
    }


def test_the_configuration_of_an_isolated_home_is_kept(homes: Path) -> None:
    file = homes / "own" / "codex" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text('# mine\nmodel = "x"\n\n[tools]\nweb_search = true\n')
    environment(auth_source="isolated")
    assert file.read_text() == (
        'cli_auth_credentials_store = "file"\n# mine\nmodel = "x"\n\n[tools]\nweb_search = true\n'
    )
    file.write_text('cli_auth_credentials_store = "keyring"\n')
    environment(auth_source="isolated")
    assert file.read_text() == 'cli_auth_credentials_store = "keyring"\n'


def test_a_configuration_that_is_none(homes: Path) -> None:
    file = homes / "own" / "codex" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("x = [")
    with pytest.raises(InvalidOptionError, match=r"config\.toml is not TOML"):
        environment(auth_source="isolated")


def test_a_home_that_is_named_is_there_already(homes: Path) -> None:
    named = homes / "named" / "home"
    (homes / "file").touch()
    for home in (named, homes / "file", homes / "file" / "below"):
        with pytest.raises(InvalidOptionError, match=r"CODEX_HOME=.* is not a folder; correct it"):
            environment({"CODEX_HOME": str(home)}, auth_source="isolated")
    assert not named.parent.exists()
    named.mkdir(parents=True)
    assert environment({"CODEX_HOME": str(named)})["CODEX_HOME"] == str(named)
    assert list(named.iterdir()) == []


def test_an_isolated_home_that_cannot_be_made(homes: Path) -> None:
    (homes / "own").touch()
    account = accounts_for(config(auth_source="isolated")).choose_for_login({})
    with pytest.raises(InvalidOptionError, match="own"):
        launch_environment(account, config(auth_source="isolated"), {})


@pytest.mark.parametrize(
    ("files", "login"),
    [
        ({}, False),
        ({"auth.json": "{}"}, False),
        ({"auth.json": '{"tokens": {"refresh_token": ""}}'}, False),
        ({"auth.json": "[" * 100_000}, False),
        ({"auth.json": '{"OPENAI_API_KEY": "sk-1"}'}, True),
        ({"config.toml": 'model = "x"'}, False),
        ({"config.toml": 'cli_auth_credentials_store = "file"'}, False),
        ({"config.toml": 'cli_auth_credentials_store = "keyring"'}, True),
        ({"config.toml": 'cli_auth_credentials_store = "auto"'}, True),
        ({"config.toml": "x = ["}, False),
        ({"config.toml": 'x = "\udcff"'}, False),
    ],
)
def test_whether_there_may_be_a_login(homes: Path, files: dict[str, str], login: bool) -> None:
    for name, text in files.items():
        (homes / name).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert VENDOR.may_have_login(homes) is login


def options(**codex_config: object) -> CodexOptions:
    return CodexOptions(TurnOptions(cwd=Path("/"), provider_options={"config": codex_config}))


@pytest.mark.parametrize(
    "codex_config",
    [
        {},
        {"model_provider": "openai"},
        {"model_provider": "x", "model_providers.x": {"requires_openai_auth": True}},
    ],
)
def test_providers_that_use_the_login(codex_config: dict[str, object]) -> None:
    refuse_other_payer(config(billing="subscription"), options(**codex_config))


@pytest.mark.parametrize(
    "codex_config",
    [
        {"model_provider": "x"},
        {"model_provider": "x", "model_providers.x": {"base_url": "http://x"}},
        {"model_provider": "x", "model_providers.x": {"requires_openai_auth": "yes"}},
        {
            "model_provider": "x",
            "model_providers.x": {"requires_openai_auth": True, "env_key": "KEY"},
        },
        {"model_provider": "x", "model_providers.x": "nonsense"},
    ],
)
def test_providers_that_do_not(codex_config: dict[str, object]) -> None:
    refuse_other_payer(config(), options(**codex_config))
    with pytest.raises(BillingError, match=r"billing='subscription' cannot be assured: .*'x'"):
        refuse_other_payer(config(billing="subscription"), options(**codex_config))
