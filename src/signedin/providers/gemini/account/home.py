"""Which login Gemini CLI uses: its own, or an isolated one of signedin's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from signedin.accounts.billing import unknown_account
from signedin.accounts.files import UNDECODABLE, write_private
from signedin.accounts.hints import sign_in_command
from signedin.accounts.homes import isolated_home, make_private
from signedin.model.errors import InvalidOptionError
from signedin.providers.base import ProviderConfig
from signedin.providers.shared.environment import child_environment

HOME_VARIABLE = "GEMINI_CLI_HOME"
LOGIN = f"export GEMINI_API_KEY=…, or choose how to sign in with: {sign_in_command('gemini')}"

ISOLATED_SETTINGS: Mapping[str, Mapping[str, object]] = {
    "general": {
        # Ten attempts, the default, hide a failure for four minutes.
        "maxAttempts": 2,
        "enableAutoUpdate": False,
        "enableAutoUpdateNotification": False,
        # Cleaning up deletes sessions that were resumed.
        "sessionRetention": {"enabled": False},
    },
    "privacy": {"usageStatisticsEnabled": False},
}
"""Settings written into an isolated home, unless it has others."""

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def home_changes(config: ProviderConfig) -> dict[str, str | None]:
    """Returns the environment change that makes Gemini use the requested login.

    ``auto`` uses the isolated login if a way to sign in was chosen there.

    Raises:
        AuthRequiredError: A login is named that does not exist.
    """
    if not uses_isolated(config):
        return {}
    if config.account is not None and not isolated_home("gemini", config.account).is_dir():
        raise unknown_account("gemini", config.account)
    return isolated_changes(config.account)


def uses_isolated(config: ProviderConfig) -> bool:
    """Whether the isolated login is used rather than Gemini's own."""
    if config.auth_source == "auto" and config.account is None:
        return chosen_in(isolated_home("gemini") / ".gemini") is not None
    return config.auth_source != "external"


def find_folder(config: ProviderConfig, env: Mapping[str, str | None]) -> Path:
    """Returns Gemini's folder for the caller's variables; nothing is created."""
    isolated = HOME_VARIABLE not in env and uses_isolated(config)
    changes = {HOME_VARIABLE: str(isolated_home("gemini", config.account))} if isolated else {}
    return gemini_folder(child_environment("gemini", config.env_policy, {**changes, **env}))


def isolated_changes(account: str | None) -> dict[str, str | None]:
    """Returns the environment change that makes Gemini use an isolated login, and its home."""
    home = make_private(isolated_home("gemini", account))
    _prepare(home)
    return {HOME_VARIABLE: str(home)}


def gemini_folder(env: Mapping[str, str]) -> Path:
    """Returns the folder in which a Gemini with this environment stores its state."""
    return Path(env.get(HOME_VARIABLE) or env.get("HOME") or Path.home()) / ".gemini"


def chosen_in(folder: Path) -> str | None:
    """Returns the method of signing in that the settings in a folder choose.

    Raises:
        InvalidOptionError: They are not JSON.
    """
    settings = read_settings(folder)
    method = setting(settings, "security", "auth", "selectedType") or settings.get(
        "selectedAuthType"
    )
    return str(method) if method else None


def read_settings(folder: Path) -> dict[str, object]:
    """Reads ``settings.json``, which may have comments; empty if there is none.

    Raises:
        InvalidOptionError: It is not JSON.
    """
    file = folder / "settings.json"
    try:
        text = file.read_text(encoding="utf-8")
        plain = _COMMENT.sub(lambda found: found[1] or " ", text)
        return msgspec.json.decode(plain, type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, *UNDECODABLE) as error:
        raise InvalidOptionError(f"{file} cannot be read: {error}") from error


def setting(settings: Mapping[str, object], *path: str) -> object:
    """Returns one setting, ``None`` if it is missing."""
    section, *rest = path
    value = settings.get(section)
    if not rest or not isinstance(value, dict):
        return None if rest else value
    return setting(cast("dict[str, object]", value), *rest)


def _prepare(home: Path) -> None:
    """Adds our settings to those of an isolated home."""
    folder = make_private(home / ".gemini")
    now = read_settings(folder)
    wanted = dict(now)
    for section, values in ISOLATED_SETTINGS.items():
        present = now.get(section)
        existing = cast("dict[str, object]", present) if isinstance(present, dict) else {}
        wanted[section] = {**values, **existing}
    if wanted == now:
        return
    text = msgspec.json.format(msgspec.json.encode(wanted))
    write_private(folder / "settings.json", text)
