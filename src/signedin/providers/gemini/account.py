"""Which login Gemini CLI uses, and whether there is one; nothing here reads a secret.

Wire facts seen with Gemini CLI 0.61. It must not be started without a login: it would open a
browser, or take the first lines of the protocol for an authorization code.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import msgspec

from signedin.accounts.homes import isolated_home, make_private
from signedin.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.base import ProviderConfig

HOME_VARIABLE = "GEMINI_CLI_HOME"
LOGIN = "export GEMINI_API_KEY=…, or run `gemini` once and choose how to sign in"

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
"""What is set in the settings of an isolated home, where nothing else is said there."""

_METHOD_VARIABLES = (
    ("GOOGLE_GENAI_USE_GCA", "oauth-personal"),
    ("GOOGLE_GENAI_USE_VERTEXAI", "vertex-ai"),
    ("GOOGLE_GEMINI_BASE_URL", "gateway"),
    ("GEMINI_API_KEY", "gemini-api-key"),
    ("CLOUD_SHELL", "compute-default-credentials"),
    ("GEMINI_CLI_USE_COMPUTE_ADC", "compute-default-credentials"),
)
"""Variables that choose a method, in Gemini's order, where the settings choose none."""

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=", re.MULTILINE)


def home_changes(config: ProviderConfig) -> dict[str, str | None]:
    """Returns the environment change that makes Gemini use the login that was asked for.

    ``auto`` takes the isolated login if somebody has chosen a way to sign in there.
    """
    return isolated_changes(config.account) if uses_isolated(config) else {}


def uses_isolated(config: ProviderConfig) -> bool:
    """Whether the isolated login is used rather than Gemini's own."""
    if config.auth_source == "auto" and config.account is None:
        return _chosen(isolated_home("gemini")) is not None
    return config.auth_source != "external"


def isolated_changes(account: str | None) -> dict[str, str | None]:
    """Returns the environment change that makes Gemini use an isolated login, and its home."""
    home = make_private(isolated_home("gemini", account))
    _prepare(home)
    return {HOME_VARIABLE: str(home)}


def gemini_folder(env: Mapping[str, str]) -> Path:
    """Returns the folder in which a Gemini with this environment keeps its state."""
    return Path(env.get(HOME_VARIABLE) or env.get("HOME") or Path.home()) / ".gemini"


def check_signed_in(env: Mapping[str, str]) -> None:
    """Makes sure that Gemini can be started without asking anybody to sign in.

    A key in the system's keyring cannot be seen without asking for it; Gemini itself refuses, in
    words of its own, if there is none.

    Raises:
        AuthRequiredError: Nobody is signed in.
    """
    folder = gemini_folder(env)
    names = {*env, *_dotenv_names(folder)}
    method, _ = chosen_method(env)
    problem = None
    if method is None:
        problem = f"no way to sign in is chosen in {folder / 'settings.json'} or the environment"
    elif method == "oauth-personal" and not _has_google_login(folder, names):
        problem = f"Google sign-in is chosen but {folder} holds no login"
    elif method == "vertex-ai" and not _has_vertex(names):
        problem = (
            "Vertex AI is chosen but neither GOOGLE_API_KEY nor GOOGLE_CLOUD_PROJECT and "
            "GOOGLE_CLOUD_LOCATION are set"
        )
    if problem is not None:
        raise AuthRequiredError(f"gemini is not signed in: {problem}. Sign in with: {LOGIN}")


def chosen_method(env: Mapping[str, str]) -> tuple[str | None, str]:
    """Returns how Gemini would sign in, and the file or variable that decides it.

    The settings go before every variable.
    """
    folder = gemini_folder(env)
    if method := _chosen(folder.parent):
        return method, str(folder / "settings.json")
    written = _dotenv_names(folder)
    for name, method in _METHOD_VARIABLES:
        if env.get(name):
            return method, name
        if name in written:
            return method, f"{name} in a .env file of {folder.parent}"
    return None, ""


def read_settings(folder: Path) -> dict[str, object]:
    """Reads ``settings.json``, which may have comments; empty if there is none.

    Raises:
        InvalidOptionError: It is no JSON.
    """
    file = folder / "settings.json"
    try:
        text = file.read_text(encoding="utf-8")
        plain = _COMMENT.sub(lambda found: found[1] or " ", text)
        return msgspec.json.decode(plain, type=dict[str, object])
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise InvalidOptionError(f"{file} cannot be read: {error}") from error


def setting(settings: Mapping[str, object], *path: str) -> object:
    """Returns one setting, ``None`` if it is not there."""
    section, *rest = path
    value = settings.get(section)
    if not rest or not isinstance(value, dict):
        return None if rest else value
    return setting(cast("dict[str, object]", value), *rest)


def _chosen(home: Path) -> str | None:
    settings = read_settings(home / ".gemini")
    method = setting(settings, "security", "auth", "selectedType") or settings.get(
        "selectedAuthType"
    )
    return str(method) if method else None


def _prepare(home: Path) -> None:
    """Writes our settings into an isolated home, beside what is there."""
    folder = make_private(home / ".gemini")
    now = read_settings(folder)
    wanted = dict(now)
    for section, values in ISOLATED_SETTINGS.items():
        present = now.get(section)
        kept = cast("dict[str, object]", present) if isinstance(present, dict) else {}
        wanted[section] = {**values, **kept}
    if wanted == now:
        return
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix="settings-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(wanted)))
        Path(temporary).replace(folder / "settings.json")
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _dotenv_names(folder: Path) -> set[str]:
    """Names of the variables that Gemini adds to its environment by itself."""
    names: set[str] = set()
    for file in (folder / ".env", folder.parent / ".env"):
        if file.is_file():
            names.update(_ASSIGNMENT.findall(file.read_text(encoding="utf-8", errors="replace")))
    return names


def _has_google_login(folder: Path, names: set[str]) -> bool:
    if (folder / "oauth_creds.json").is_file() or "GOOGLE_CLOUD_ACCESS_TOKEN" in names:
        return True
    # Moved to the system's keyring, the login leaves the name of the account behind.
    encrypted = "GEMINI_FORCE_ENCRYPTED_FILE_STORAGE" in names
    return encrypted and (folder / "google_accounts.json").is_file()


def _has_vertex(names: set[str]) -> bool:
    return "GOOGLE_API_KEY" in names or {"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION"} <= names
