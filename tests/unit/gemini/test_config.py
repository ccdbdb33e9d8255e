"""The words of our options in Gemini's own, and what would harm its sessions."""

import json
import time
from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini import options as config
from signedin.providers.gemini.acp import GeminiDialect
from signedin.providers.gemini.storage import make_loadable


def options(**keywords: object) -> TurnOptions:
    return TurnOptions(cwd=Path("/work"), **keywords)


@pytest.mark.parametrize(
    ("given", "model"),
    [
        ({}, "auto"),
        ({"model": "flash"}, "flash"),
        ({"model": "default"}, None),
        ({"env": {"GEMINI_MODEL": "pro"}}, None),
        ({"env": {"GEMINI_MODEL": "pro"}, "model": "flash"}, "flash"),
    ],
)
def test_models(given: dict, model: str | None) -> None:
    assert config.model(options(**given)) == model


def test_effort_is_refused() -> None:
    config.check_options(options(effort="default"))
    with pytest.raises(UnsupportedOptionError, match="gemini does not support 'effort'"):
        config.check_options(options(effort="low"))


def test_unknown_provider_options_are_refused() -> None:
    with pytest.raises(InvalidOptionError, match="no provider option 'all_files'"):
        config.check_options(options(provider_options={"all_files": True}))


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, None),
        ({"approval_mode": "plan"}, "plan"),
        ({"yolo": True}, "yolo"),
        ({"yolo": False}, None),
    ],
)
def test_approval_modes(given: dict, mode: str | None) -> None:
    assert config.approval_mode(options(provider_options=given)) == mode


def test_an_approval_mode_that_is_none() -> None:
    with pytest.raises(InvalidOptionError, match="approval_mode must be one of default,"):
        config.approval_mode(options(provider_options={"approval_mode": "all"}))


def test_arguments() -> None:
    given = {"sandbox": True, "include_directories": ["../a"], "extra_argv": ["--debug"]}
    assert config.arguments(options(provider_options=given)) == [
        "--sandbox",
        "--include-directories",
        "../a",
        "--debug",
    ]
    with pytest.raises(InvalidOptionError, match="extra_argv must be a list of strings"):
        config.arguments(options(provider_options={"extra_argv": "--debug"}))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "work" / "chats"
    folder.mkdir(parents=True)
    return folder


async def test_a_session_that_gemini_would_delete_is_not_loaded(tmp_path: Path) -> None:
    env = {"GEMINI_CLI_HOME": str(tmp_path)}
    with pytest.raises(UnsupportedOptionError, match="delete the session at its next start"):
        await make_loadable("12345678-x", env)


async def test_a_session_of_another_minute_is_loaded_at_once(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("signedin.providers.gemini.storage.asyncio.sleep", sleep)
    settings = {"general": {"sessionRetention": {"enabled": False}}}
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(settings))
    env = {"GEMINI_CLI_HOME": str(tmp_path)}
    (stored / "session-2020-01-01T00-00-12345678.jsonl").touch()
    assert await make_loadable("12345678-x", env) is None
    assert slept == []
    now = time.time()
    monkeypatch.setattr("time.time", lambda: now)
    minute = time.strftime("%Y-%m-%dT%H-%M", time.gmtime())
    (stored / f"session-{minute}-12345678.jsonl").touch()
    told = await make_loadable("12345678-x", env)
    assert slept == [60 - now % 60]
    assert str(told).startswith(f"resuming waits {slept[0]:.0f} s")


def test_what_only_counts_when_a_session_begins() -> None:
    dialect = GeminiDialect(ProviderConfig(transport="gemini-acp"))
    assert dialect.fixed_options == {"extra_argv", "include_directories", "sandbox"}


@pytest.mark.parametrize("name", ["sandbox", "yolo"])
def test_switches_are_true_or_false(tmp_path: Path, name: str) -> None:
    options = TurnOptions(cwd=tmp_path, provider_options={name: "yes"})
    with pytest.raises(InvalidOptionError, match=f"{name} must be True or False, not 'yes'"):
        config.check_options(options)
