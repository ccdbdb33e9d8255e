"""Who is signed in to Gemini, told from files and variables without reading a secret."""

import json
from pathlib import Path

import pytest

from signedin.accounts.homes import isolated_home
from signedin.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini.account import (
    ISOLATED_SETTINGS,
    check_signed_in,
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


@pytest.mark.parametrize(
    ("method", "env"),
    [
        ("gemini-api-key", {}),  # the key may be in the keyring
        ("gemini-api-key", {"GEMINI_API_KEY": "k"}),
        ("vertex-ai", {"GOOGLE_API_KEY": "k"}),
        ("vertex-ai", {"GOOGLE_CLOUD_PROJECT": "p", "GOOGLE_CLOUD_LOCATION": "l"}),
        ("oauth-personal", {"GOOGLE_CLOUD_ACCESS_TOKEN": "t"}),
        (None, {"GEMINI_API_KEY": "k"}),
        (None, {"CLOUD_SHELL": "true"}),
    ],
)
def test_signed_in(home: Path, method: str | None, env: dict[str, str]) -> None:
    if method:
        choose(home, method)
    check_signed_in({"GEMINI_CLI_HOME": str(home), **env})


@pytest.mark.parametrize(
    ("method", "env", "problem"),
    [
        (None, {}, "no way to sign in is chosen"),
        (None, {"GOOGLE_API_KEY": "k"}, "no way to sign in is chosen"),
        ("oauth-personal", {}, "holds no login"),
        ("oauth-personal", {"GEMINI_API_KEY": "k"}, "holds no login"),
        (None, {"GOOGLE_GENAI_USE_GCA": "true", "GEMINI_API_KEY": "k"}, "holds no login"),
        ("vertex-ai", {"GOOGLE_CLOUD_PROJECT": "p"}, "neither GOOGLE_API_KEY nor"),
    ],
)
def test_not_signed_in(home: Path, method: str | None, env: dict[str, str], problem: str) -> None:
    if method:
        choose(home, method)
    with pytest.raises(AuthRequiredError, match=problem) as raised:
        check_signed_in({"GEMINI_CLI_HOME": str(home), **env})
    assert "Sign in with: export GEMINI_API_KEY=" in str(raised.value)


def test_a_google_login_is_seen_by_its_file(home: Path) -> None:
    choose(home, "oauth-personal")
    (home / ".gemini" / "oauth_creds.json").write_text("not read")
    check_signed_in({"HOME": str(home)})


def test_a_key_in_geminis_own_env_file_counts(home: Path) -> None:
    (home / ".gemini" / ".env").write_text("# key\nexport GEMINI_API_KEY=secret\n")
    check_signed_in({"HOME": str(home)})


def test_settings_may_have_comments_and_the_older_name(home: Path) -> None:
    text = '// mine\n{"a": "http://x", /* b */ "selectedAuthType": "vertex-ai"}\n'
    (home / ".gemini" / "settings.json").write_text(text)
    assert read_settings(home / ".gemini") == {"a": "http://x", "selectedAuthType": "vertex-ai"}
    with pytest.raises(AuthRequiredError, match="Vertex AI is chosen"):
        check_signed_in({"HOME": str(home)})


def test_settings_that_are_broken(home: Path) -> None:
    (home / ".gemini" / "settings.json").write_text("{")
    with pytest.raises(InvalidOptionError, match=r"settings\.json cannot be read"):
        check_signed_in({"HOME": str(home)})


def test_auto_takes_the_isolated_login_only_if_there_is_one(signedin_home: Path) -> None:
    assert home_changes(CONFIG) == {}
    assert not signedin_home.exists()
    choose(signedin_home, "gemini-api-key")
    assert home_changes(CONFIG) == {"GEMINI_CLI_HOME": str(signedin_home)}


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
