"""Which home and settings a Gemini gets."""

import json
from pathlib import Path

import pytest

from signedin.accounts.homes import isolated_home
from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini.account.home import (
    ISOLATED_SETTINGS,
    chosen_in,
    home_changes,
    read_settings,
)

CONFIG = ProviderConfig(transport="gemini-acp")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / ".gemini").mkdir()
    return tmp_path


@pytest.fixture
def signedin_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "own"))
    return isolated_home("gemini")


def choose(home: Path, method: str) -> None:
    settings = {"security": {"auth": {"selectedType": method}}}
    (home / ".gemini").mkdir(parents=True, exist_ok=True)
    (home / ".gemini" / "settings.json").write_text(json.dumps(settings))


def test_settings_may_have_comments_and_the_older_name(home: Path) -> None:
    text = '// mine\n{"a": "http://x", /* b */ "selectedAuthType": "vertex-ai"}\n'
    (home / ".gemini" / "settings.json").write_text(text)
    assert read_settings(home / ".gemini") == {"a": "http://x", "selectedAuthType": "vertex-ai"}
    assert chosen_in(home / ".gemini") == "vertex-ai"


def test_settings_that_are_broken(home: Path) -> None:
    (home / ".gemini" / "settings.json").write_text("{")
    with pytest.raises(InvalidOptionError, match=r"settings\.json cannot be read"):
        chosen_in(home / ".gemini")


def test_auto_takes_the_isolated_login_only_if_there_is_one(signedin_home: Path) -> None:
    assert home_changes(CONFIG) == {}
    assert not signedin_home.exists()
    choose(signedin_home, "gemini-api-key")
    assert home_changes(CONFIG) == {"GEMINI_CLI_HOME": str(signedin_home)}


def test_a_name_that_no_login_has_is_an_error_and_makes_no_home(signedin_home: Path) -> None:
    (signedin_home / "accounts" / "work").mkdir(parents=True)
    with pytest.raises(AuthRequiredError) as caught:
        home_changes(ProviderConfig(transport="gemini-acp", account="wrok"))
    assert str(caught.value) == (
        "there is no gemini login named 'wrok' (known: work). Sign in with: signedin auth "
        "login --provider gemini --account wrok"
    )
    assert [path.name for path in (signedin_home / "accounts").iterdir()] == ["work"]
    work = home_changes(ProviderConfig(transport="gemini-acp", account="work"))
    assert work == {"GEMINI_CLI_HOME": str(signedin_home / "accounts" / "work")}


def test_an_isolated_home_gets_our_settings_beside_what_is_there(signedin_home: Path) -> None:
    choose(signedin_home, "gemini-api-key")
    file = signedin_home / ".gemini" / "settings.json"
    own = {"general": {"maxAttempts": 7, "vimMode": True}, "ui": {"theme": "x"}}
    file.write_text(json.dumps({**json.loads(file.read_text()), **own}))
    config = ProviderConfig(transport="gemini-acp", auth_source="isolated")
    home_changes(config)
    settings = json.loads(file.read_text())
    assert settings["security"] == {"auth": {"selectedType": "gemini-api-key"}}
    assert settings["ui"] == {"theme": "x"}
    assert settings["general"] == {**ISOLATED_SETTINGS["general"], **own["general"]}
    before = file.stat().st_mtime_ns
    home_changes(config)
    assert file.stat().st_mtime_ns == before
    assert [path.name for path in file.parent.iterdir()] == ["settings.json"]


def test_external_leaves_everything_alone(signedin_home: Path) -> None:
    choose(signedin_home, "gemini-api-key")
    file = signedin_home / ".gemini" / "settings.json"
    before = file.read_bytes()
    assert home_changes(ProviderConfig(transport="gemini-acp", auth_source="external")) == {}
    assert file.read_bytes() == before
