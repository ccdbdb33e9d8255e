"""The homes of the agents: a user's own settings, which name the scripted model, and a key.

The address of the model is in the user's files rather than in variables or on the command line, so
that a project which names another one would be followed.
"""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from signedin.loopback.clients import CLIENTS
from signedin.providers.base import ProviderConfig
from signedin.providers.codex.binary import find_codex
from support.agents import program
from support.rows import WHEEL

KEY = "known-key-0123456789-of-the-user"
PROMPT = "Look around in this folder, word by wordwise."
PROMPT_WORD = "wordwise"


def options_for(provider: str, url: str, home: Path, *, trusted: bool) -> dict[str, object]:
    """Keywords for a client whose agent has this home."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    options = {**CLIENTS[provider](url, home)}
    moved = _MOVED.get(provider)
    if moved:
        options |= moved(url, home, options["env"])
    if provider == "gemini" and not trusted:
        # Elsewhere it takes no address from the user's file either.
        options["env"] = {**options["env"], "GOOGLE_GEMINI_BASE_URL": url}
    return options


def trusting(home: Path, folder: Path) -> list[str]:
    """The files of a home in which something about trust is written and this folder is named.

    Claude Code notes what it knows of folders in `.claude.json`; tests/contract/claude looks at it.
    """
    files = {path for name in ("*.toml", "*.json") for path in home.rglob(name) if path.is_file()}
    said = {path: path.read_text(errors="replace") for path in files if path.name != ".claude.json"}
    return [
        str(path.relative_to(home))
        for path, text in said.items()
        if str(folder) in text and "trust" in text.lower()
    ]


def trust(agent: str, home: Path, folder: Path) -> None:
    """Writes down that the user trusts a folder, as the program itself does on request.

    opencode and qwen-code ask nobody.
    """
    if agent == "gemini":
        trusted_folders = home / ".gemini" / "trustedFolders.json"
        trusted_folders.write_text(json.dumps({str(folder): "TRUST_FOLDER"}))
    if agent == "codex":
        with (home / "config.toml").open("a") as config:
            config.write(f'[projects.{json.dumps(str(folder))}]\ntrust_level = "trusted"\n')
    if agent == "claude":
        known = {"projects": {str(folder): {"hasTrustDialogAccepted": True}}}
        (home / "config" / ".claude.json").write_text(json.dumps(known))


def bare_command(agent: str, version: str) -> list[str]:
    """The command line of an agent without signedin, as careful as it is by default."""
    wheel = version == WHEEL
    found = find_codex(ProviderConfig(transport="codex-exec")).path if wheel else None
    path = str(found or program(agent, version))
    if agent in _BARE_ACP:
        return [sys.executable, str(_ACP_CLIENT), PROMPT, path, *_BARE_ACP[agent]]
    return [path, *_BARE[agent], PROMPT]


def bare_environment(env: Mapping[str, str | None], cwd: Path) -> dict[str, str]:
    """The environment of an agent without signedin, as a shell in its folder would have it."""
    merged = {**os.environ, **env, "PWD": str(cwd)}
    return {name: value for name, value in merged.items() if value is not None}


_BARE = {
    "codex": ["exec", "--skip-git-repo-check", "--sandbox", "read-only"],
    "claude": ["--print"],
    "gemini": ["--prompt"],
}
_BARE_ACP = {"opencode": ["acp"], "qwen": ["--acp"]}
_ACP_CLIENT = Path(__file__).with_name("bare_acp.py")


def _codex(url: str, home: Path, env: dict[str, str | None]) -> dict[str, object]:
    file = home / "config.toml"
    if not file.exists():  # what Codex has written there since is to be seen
        file.write_text(_CODEX_CONFIG.format(url=url))
    return {"env": {**env, "OPENAI_API_KEY": KEY}, "provider_options": {}}


_CODEX_CONFIG = """\
model = "gpt-5.5"
model_provider = "loopback"
[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
wire_api = "responses"
env_key = "OPENAI_API_KEY"
request_max_retries = 0
stream_max_retries = 0
[features]
shell_snapshot = false
unbounded_connection_retries = false
[analytics]
enabled = false
"""


def _claude(url: str, home: Path, env: dict[str, str | None]) -> dict[str, object]:
    return {"env": {**env, "ANTHROPIC_API_KEY": KEY, "IS_SANDBOX": "1"}}


def _gemini(url: str, home: Path, env: dict[str, str | None]) -> dict[str, object]:
    (home / ".gemini" / ".env").write_text(f"GOOGLE_GEMINI_BASE_URL={url}\n")
    return {"env": {**env, "GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": None}}


def _opencode(url: str, home: Path, env: dict[str, str | None]) -> dict[str, object]:
    config = json.loads(env["OPENCODE_CONFIG_CONTENT"] or "")
    config["provider"]["loopback"]["options"]["apiKey"] = KEY
    # Not where it looks by itself: it would install packages beside it.
    file = home / "opencode.json"
    file.write_text(json.dumps(config))
    return {"env": {**env, "OPENCODE_CONFIG_CONTENT": None, "OPENCODE_CONFIG": str(file)}}


def _qwen(url: str, home: Path, env: dict[str, str | None]) -> dict[str, object]:
    (home / ".qwen" / ".env").write_text(f"OPENAI_BASE_URL={url}/v1\n")
    return {"env": {**env, "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": None}}


_MOVED = {
    "codex": _codex,
    "claude": _claude,
    "gemini": _gemini,
    "acp:opencode": _opencode,
    "acp:qwen": _qwen,
}
