"""The tokens in files of logins, to be looked for where none must be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import cast

import msgspec

from signedin.accounts.homes import named_home

_FILES = (
    ("CODEX_HOME", ".codex", "auth.json"),
    ("CLAUDE_CONFIG_DIR", ".claude", ".credentials.json"),
    ("GEMINI_CLI_HOME", "", ".gemini/oauth_creds.json"),
)
"""The variable that moves a vendor's home, its name in the user's, and the file of its login."""

_SECRET = re.compile(r"(?i)token|secret|key|password")
_LARGEST = 1 << 20


def stored_secrets() -> set[str]:
    """Returns every token and key in the files of all logins on this machine."""
    found: set[str] = set()
    for file in _login_files():
        try:
            if file.stat().st_size <= _LARGEST:
                found.update(
                    _secrets_in(cast("object", msgspec.json.decode(file.read_bytes())), "")
                )
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            continue
    return found


def _login_files() -> Iterator[Path]:
    home = named_home()
    for account, file in product(("*", "*/accounts/*"), ("*.json", ".*.json", ".gemini/*.json")):
        yield from home.glob(f"{account}/{file}")
    for variable, folder, name in _FILES:
        yield Path(os.environ.get(variable) or Path.home() / folder) / name


def _secrets_in(value: object, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in cast("dict[str, object]", value).items():
            yield from _secrets_in(member, key)
    elif isinstance(value, list):
        for member in cast("list[object]", value):
            yield from _secrets_in(member, name)
    elif isinstance(value, str) and _SECRET.search(name):
        yield value
