"""How each provider's client is made to talk to a loopback model only."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NotRequired, TypedDict, cast

from signedin.accounts.variables import CHATGPT_LOOPBACK
from signedin.wire.inherited import reaching_this_machine


class ClientOptions(TypedDict):
    """Keywords for `Client` and `AsyncClient`.

    Attributes:
        env: Variables for the agent's process; None takes one away.
        provider_options: What the provider passes through to its agent.
        ledger: False, as what a script answers costs nothing.
        model: The model to ask for, where it would be asked for first.
    """

    env: dict[str, str | None]
    provider_options: dict[str, object]
    ledger: NotRequired[bool]
    model: NotRequired[str]


def codex_options(url: str, home: Path) -> ClientOptions:
    """Options for Codex: its own empty home, no login, and a provider that is the loopback server.

    With these keys `codex exec` and `codex app-server` look up no host name at all (seen with codex
    0.163 and 0.169). `gpt-5.5` is a model of the bundled catalogue with the whole classic tool set,
    `apply_patch` included. Nothing is retried, so that a failure is seen at once.
    """
    config: dict[str, object] = {
        "model": "gpt-5.5",
        "model_provider": "loopback",
        "model_providers.loopback": {
            "name": "loopback",
            "base_url": f"{url}/v1",
            "wire_api": "responses",
            "request_max_retries": 0,
            "stream_max_retries": 0,
        },
        "features.plugins": False,
        "features.shell_snapshot": False,
        "features.unbounded_connection_retries": False,
        "analytics.enabled": False,
    }
    return {
        "env": {"CODEX_HOME": str(home)},
        "provider_options": {"config": config},
        "ledger": False,
    }


def claude_options(url: str, home: Path) -> ClientOptions:
    """Options for Claude Code: its own empty home, a placeholder key, and the loopback server.

    With these variables Claude Code looks up no host name at all (seen with 2.1.197 and 2.1.329);
    the closed proxy holds whatever it might still try. Variables that would send requests elsewhere
    or pay for them in another way are taken away.
    """
    folders = {name: home / name for name in ("config", "home", "tmp")}
    for folder in folders.values():
        folder.mkdir(mode=0o700, exist_ok=True)
    elsewhere = dict.fromkeys(_CLAUDE_ELSEWHERE)
    return {
        "env": {
            **elsewhere,
            "ANTHROPIC_BASE_URL": url,
            "ANTHROPIC_API_KEY": "sk-ant-loopback",
            "CLAUDE_CONFIG_DIR": str(folders["config"]),
            "CLAUDE_CODE_TMPDIR": str(folders["tmp"]),
            "HOME": str(folders["home"]),
            "TMPDIR": str(folders["tmp"]),
            "XDG_CACHE_HOME": str(folders["home"] / ".cache"),
            "HTTP_PROXY": _CLOSED,
            "HTTPS_PROXY": _CLOSED,
            "NO_PROXY": "127.0.0.1,localhost",
        },
        "provider_options": {},
        "ledger": False,
    }


def codex_variables(url: str, home: Path) -> dict[str, str | None]:
    """Variables that make Codex use the loopback server: a home with its own configuration."""
    options = codex_options(url, home)
    config = cast("dict[str, object]", options["provider_options"]["config"])
    lines = [f"{path} = {_as_toml(value)}\n" for path, value in config.items()]
    (home / "config.toml").write_text("".join(lines), encoding="utf-8")
    return {**options["env"], **reaching_this_machine(os.environ)}


def _as_toml(value: object) -> str:
    """Writes a value; texts, numbers and truth values look the same in JSON."""
    if not isinstance(value, dict):
        return json.dumps(value)
    pairs = cast("dict[str, object]", value).items()
    return f"{{ {', '.join(f'{name} = {_as_toml(each)}' for name, each in pairs)} }}"


_CLOSED = "http://127.0.0.1:9"
"""A port that nothing listens on: discard, which no system has served for decades."""

_CLAUDE_ELSEWHERE = (
    "ANTHROPIC_AUTH_TOKEN",
    "ANTHROPIC_CUSTOM_HEADERS",
    "ANTHROPIC_MODEL",
    "ANTHROPIC_UNIX_SOCKET",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_VERTEX",
    "http_proxy",
    "https_proxy",
    "no_proxy",
)


def gemini_options(url: str, home: Path) -> ClientOptions:
    """Options for Gemini CLI: its own home, a placeholder key, and the loopback server.

    The method of signing in must be said in the settings, because an address of one's own makes
    Gemini CLI choose a gateway otherwise. Named by a variable, the model is not chosen by a request
    to another model. With these settings nothing is sent elsewhere, nothing is retried and no
    session is thrown away (seen with 0.61).
    """
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "general": {
            "maxAttempts": 1,
            "enableAutoUpdate": False,
            "enableAutoUpdateNotification": False,
            "sessionRetention": {"enabled": False},
        },
        "privacy": {"usageStatisticsEnabled": False},
    }
    folder = home / ".gemini"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return {
        "env": {
            **dict.fromkeys(_GEMINI_ELSEWHERE),
            "GEMINI_CLI_HOME": str(home),
            "GEMINI_API_KEY": "loopback",
            "GEMINI_MODEL": "gemini-2.5-pro",
            "GOOGLE_GEMINI_BASE_URL": url,
            **_HELD_BACK,
        },
        "provider_options": {},
        "ledger": False,
    }


def chatgpt_options(url: str, home: Path) -> ClientOptions:
    """Options for ChatGPT: the loopback server as its backend, with a placeholder for the token.

    Conversations are stored in the empty home. Nothing is retried, so that a failure is seen at
    once.
    """
    return {
        "env": {},
        "provider_options": {
            "access": "loopback",
            "base_url": f"{url}/backend-api/codex",
            "request_max_retries": 0,
            "sessions": str(home),
        },
        "ledger": False,
        "model": "scripted-large",
    }


def opencode_options(url: str, home: Path) -> ClientOptions:
    """Options for opencode: its own home, and a provider that is the loopback server.

    The model is said to see images and to think: of others it does not take these.

    Titles would be asked of the model, too, so they are off, and a plug-in of its own of the npm
    registry (seen with 1.18).
    """
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "options": {"baseURL": f"{url}/v1", "apiKey": "loopback"},
        "models": {
            "scripted": {
                "name": "scripted",
                "reasoning": True,
                "attachment": True,
                "modalities": {"input": ["text", "image"], "output": ["text"]},
            }
        },
    }
    config = {
        "provider": {"loopback": provider},
        "model": "loopback/scripted",
        "small_model": "loopback/scripted",
        "agent": {"title": {"disable": True}},
        "share": "disabled",
    }
    return {
        "env": {
            **_home_variables(home),
            "OPENCODE_CONFIG_CONTENT": json.dumps(config),
            "OPENCODE_DISABLE_AUTOUPDATE": "true",
            "OPENCODE_DISABLE_MODELS_FETCH": "true",
            "OPENCODE_DISABLE_LSP_DOWNLOAD": "true",
            "npm_config_registry": _CLOSED,
            **_HELD_BACK,
        },
        "provider_options": {},
        "ledger": False,
    }


def qwen_options(url: str, home: Path) -> ClientOptions:
    """Options for qwen-code: its own home, and the loopback server as OpenAI (seen with 0.15).

    It sends everything through a proxy if there is one, to 127.0.0.1 too, so there must be none.
    """
    folder = home / ".qwen"
    folder.mkdir(mode=0o700, exist_ok=True)
    settings = {
        "security": {"auth": {"selectedType": "openai", "apiKey": "loopback"}},
        "general": {"enableAutoUpdate": False, "disableUpdateNag": True},
        "privacy": {"usageStatisticsEnabled": False},
        "model": {"generationConfig": {"maxRetries": 0, "modalities": {"image": True}}},
    }
    (folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    return {
        "env": {
            **_home_variables(home),
            "OPENAI_API_KEY": "loopback",
            "OPENAI_BASE_URL": f"{url}/v1",
            "OPENAI_MODEL": "scripted",
            **dict.fromkeys(_HELD_BACK),
        },
        "provider_options": {},
        "ledger": False,
    }


def copilot_options(url: str, home: Path) -> ClientOptions:
    """Options for Copilot CLI: its own home, and a model provider that is the loopback server.

    Offline it signs in nowhere and sends nothing elsewhere. The model's name is one it knows, so
    that it has tools and limits; over chat completions they are the usual ones (seen with 1.0.102).
    """
    return {
        "env": {
            **_home_variables(home),
            **dict.fromkeys(_COPILOT_ELSEWHERE),
            "COPILOT_HOME": str(home / ".copilot"),
            "COPILOT_MODEL": "gpt-4.1",
            "COPILOT_OFFLINE": "true",
            "COPILOT_PROVIDER_API_KEY": "loopback",
            "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
            "COPILOT_PROVIDER_MAX_PROMPT_TOKENS": "1000000",
            "COPILOT_PROVIDER_TYPE": "openai",
            **_HELD_BACK,
        },
        "provider_options": {},
        "ledger": False,
    }


def _home_variables(home: Path) -> dict[str, str | None]:
    folders = ("config", "data", "cache", "state")
    variables = {f"XDG_{name.upper()}_HOME": str(home / f".{name}") for name in folders}
    return {"HOME": str(home), **variables}


_HELD_BACK: Mapping[str, str | None] = {
    "HTTP_PROXY": _CLOSED,
    "HTTPS_PROXY": _CLOSED,
    "NO_PROXY": "127.0.0.1,localhost",
    "http_proxy": None,
    "https_proxy": None,
    "no_proxy": None,
}
"""Holds what an agent might try to send elsewhere."""

_GEMINI_ELSEWHERE = (
    "CLOUD_SHELL",
    "GEMINI_CLI_USE_COMPUTE_ADC",
    "GOOGLE_API_KEY",
    "GOOGLE_CLOUD_PROJECT",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_VERTEX_BASE_URL",
)

_COPILOT_ELSEWHERE = (
    "COPILOT_PROVIDER_API_KEY_COMMAND",
    "COPILOT_PROVIDER_BEARER_TOKEN",
    "COPILOT_PROVIDER_HEADERS",
    "COPILOT_PROVIDER_MODEL_ID",
    "COPILOT_PROVIDER_TRANSPORT",
    "COPILOT_PROVIDER_WIRE_API",
    "COPILOT_PROVIDER_WIRE_MODEL",
)

CLIENTS: Mapping[str, Callable[[str, Path], ClientOptions]] = {
    "codex": codex_options,
    "claude": claude_options,
    "gemini": gemini_options,
    "chatgpt": chatgpt_options,
    "acp:opencode": opencode_options,
    "acp:copilot": copilot_options,
    "acp:qwen": qwen_options,
}
"""Options by provider: called with the server's address and an empty directory of the provider."""

VARIABLES: Mapping[str, Callable[[str, Path], dict[str, str | None]]] = {
    "codex": codex_variables,
    "claude": lambda url, home: claude_options(url, home)["env"],
    "gemini": lambda url, home: gemini_options(url, home)["env"],
    "chatgpt": lambda url, _: {CHATGPT_LOOPBACK: f"{url}/backend-api/codex"},
    "acp:opencode": lambda url, home: opencode_options(url, home)["env"],
    "acp:copilot": lambda url, home: copilot_options(url, home)["env"],
    "acp:qwen": lambda url, home: qwen_options(url, home)["env"],
}
"""Variables by provider that say the same to a program which makes its clients itself.

Those of all together are the variables of each, in this order: of a variable that several set, the
last value counts. So there is no proxy, because qwen-code would send everything through it.
"""
