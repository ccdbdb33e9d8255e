"""The words of our options in Gemini's own, and what would harm its sessions."""

import json
from pathlib import Path

import pytest

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.gemini import options as config
from signedin.providers.gemini.acp import GeminiDialect
from signedin.providers.gemini.store import make_loadable


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
    config.read_keys(options(effort="default"))
    with pytest.raises(UnsupportedOptionError, match="gemini does not support 'effort'"):
        config.read_keys(options(effort="low"))


def test_unknown_provider_options_are_refused() -> None:
    with pytest.raises(InvalidOptionError, match="no provider option 'all_files'"):
        config.read_keys(options(provider_options={"all_files": True}))


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
    assert config.read_keys(options(provider_options=given)).mode == mode


def test_an_approval_mode_that_is_none() -> None:
    with pytest.raises(InvalidOptionError, match="approval_mode must be one of default,"):
        config.read_keys(options(provider_options={"approval_mode": "all"}))


def test_arguments() -> None:
    given = {"sandbox": True, "include_directories": ["../a"], "extra_argv": ["--debug"]}
    assert config.read_keys(options(provider_options=given)).arguments == [
        "--sandbox",
        "--include-directories",
        "../a",
        "--debug",
    ]
    with pytest.raises(InvalidOptionError, match="extra_argv must be a list of strings"):
        config.read_keys(options(provider_options={"extra_argv": "--debug"}))


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    folder = tmp_path / ".gemini" / "tmp" / "work" / "chats"
    folder.mkdir(parents=True)
    return folder


def test_a_session_that_gemini_would_delete_is_not_loaded(tmp_path: Path) -> None:
    env = {"GEMINI_CLI_HOME": str(tmp_path)}
    with pytest.raises(UnsupportedOptionError, match="delete the session at its next start"):
        make_loadable("12345678-x", env)


def test_the_file_of_a_session_of_this_minute_gets_another_name(
    tmp_path: Path, stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"general": {"sessionRetention": {"enabled": False}}}
    (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(settings))
    env = {"GEMINI_CLI_HOME": str(tmp_path)}
    monkeypatch.setattr("time.time", lambda: 1795366625.5)  # 2026-11-22T16:57:05 UTC
    for minute in ("16-55", "16-56", "16-57"):
        file = stored / f"session-2026-11-22T{minute}-12345678.jsonl"
        file.write_text(f"{minute}\nmore\n")
    (stored / "session-2026-11-22T16-57-87654321.jsonl").write_text("another")
    make_loadable("12345678-x", env)
    assert {file.name[19:]: file.read_text() for file in stored.iterdir()} == {
        "16-54-12345678.jsonl": "16-57\nmore\n",
        "16-55-12345678.jsonl": "16-55\nmore\n",
        "16-56-12345678.jsonl": "16-56\nmore\n",
        "16-57-12345678.jsonl": "16-57\n",
        "16-57-87654321.jsonl": "another",
    }


def test_what_only_counts_when_a_session_begins() -> None:
    dialect = GeminiDialect(ProviderConfig(transport="gemini-acp"))
    assert dialect.traits.fixed_options == {"extra_argv", "include_directories", "sandbox"}


@pytest.mark.parametrize("name", ["sandbox", "yolo"])
def test_switches_are_true_or_false(tmp_path: Path, name: str) -> None:
    options = TurnOptions(cwd=tmp_path, provider_options={name: "yes"})
    with pytest.raises(InvalidOptionError, match=f"{name} must be True or False, not 'yes'"):
        config.read_keys(options)
