"""How Claude Code is started: our defaults, and the words of `TurnOptions` in its own."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec

from signedin import __version__
from signedin.accounts.billing import Account
from signedin.accounts.environment import child_environment
from signedin.accounts.homes import make_private
from signedin.errors import InvalidOptionError, PermissionDeniedError, UnsupportedOptionError
from signedin.options import VENDOR_DEFAULT, Billing, McpServer, TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.account import accounts_for
from signedin.providers.claude.tool_server import SERVER, Listing, listing
from signedin.redact import redact

DEFAULT_MODEL = "opus"
DEFAULT_EFFORT = "low"

ENVIRONMENT: Mapping[str, str] = {
    # Names us in the user agent.
    "CLAUDE_AGENT_SDK_CLIENT_APP": f"signedin/{__version__}",
    # No traffic of our own making. Without the first, the API key is sent to the vendor even when
    # ANTHROPIC_BASE_URL names another host; the second asks for the account's connectors.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "ENABLE_CLAUDEAI_MCP_SERVERS": "false",
    # A failure is told in seconds; the default is 10 retries, which take three minutes.
    "CLAUDE_CODE_MAX_RETRIES": "2",
    # A stream that breaks is a failure. Otherwise a broken answer ends as an empty success.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # One answer per turn: how often one of the wrong shape is sent back, ``output_retries`` says.
    "MAX_STRUCTURED_OUTPUT_RETRIES": "1",
}
"""Set unless the caller or our own environment say otherwise; seen with 2.1.197 and 2.1.330."""

_PROTOCOL_ENVIRONMENT = {"CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1"}
"""What the end of a turn is known by, so it is always set."""

_NESTING = (
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_NOTES_DIR",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_MESSAGING_SOCKET",
    "CLAUDE_CODE_MESSAGING_TOKEN",
    "CLAUDE_CODE_SESSION_ATTENDED",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_EFFORT",
    "CLAUDE_PID",
)
"""Set for the commands of a Claude Code session; a new session must not take itself for a part
of that one."""

PERMISSION_MODES = {
    "read-only": "default",
    "workspace-write": "acceptEdits",
    "full-access": "bypassPermissions",
}

_FLAGS = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--include-partial-messages",
    "--verbose",
    "--permission-prompt-tool=stdio",
)
_TEXT_FLAGS = {
    "fallback_model": "--fallback-model",
    "max_budget_usd": "--max-budget-usd",
    "max_turns": "--max-turns",
    "max_thinking_tokens": "--max-thinking-tokens",
    "settings": "--settings",
}
_LIST_FLAGS = {
    "allowed_tools": "--allowedTools",
    "betas": "--betas",
    "disallowed_tools": "--disallowedTools",
    "tools": "--tools",
}
_KNOWN_OPTIONS = frozenset(
    {
        *_TEXT_FLAGS,
        *_LIST_FLAGS,
        "add_dirs",
        "agents",
        "permission_mode",
        "reasoning_effort",
        "setting_sources",
        "system_prompt",
    }
)
_LARGEST_ARGUMENT = 100_000
"""Bytes; Linux takes 131,071 for one argument."""


class Launch(msgspec.Struct, frozen=True):
    """Everything that is fixed when Claude Code starts.

    Two turns with equal launches may use the same process, one after the other.

    Attributes:
        program: The native program.
        arguments: Its command line.
        environment: Its whole environment.
        cwd: Its working directory.
        initialize: What the ``initialize`` request says: prompts, agents and the shape of the
            answer, which may be large. Sent again, it would change none of them.
        mcp_servers: MCP servers by name, which may hold secrets.
        tools: The Python tools that are offered.
        billing: Who has to pay, ``None`` if that does not matter.
    """

    program: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    initialize: Mapping[str, object] = {}
    mcp_servers: Mapping[str, object] = {}
    tools: tuple[Listing, ...] = ()
    billing: Billing | None = None

    def __repr__(self) -> str:
        """Leaves out the environment and the servers, which may hold secrets."""
        return f"Launch({self.program}, {redact(' '.join(self.arguments))}, cwd={self.cwd})"


def launch_for(
    program: Path, config: ProviderConfig, options: TurnOptions, account: Account | None = None
) -> Launch:
    """Returns how to start Claude Code for a turn.

    Args:
        program: The native program.
        config: What the client was made with.
        options: What the turn is asked for.
        account: Whose login, if that is decided already.

    Raises:
        InvalidOptionError: An option cannot be used.
        PermissionDeniedError: Claude Code would refuse ``full-access`` to the user root.
    """
    account = account or accounts_for(config).choose(options.env)
    if account.source == "isolated":
        make_private(account.home)
    environment = environment_for(config, options, account)
    mode = _permission_mode(options)
    if mode == "bypassPermissions":
        _check_root(environment)
    return Launch(
        program,
        (*_FLAGS, f"--permission-mode={mode}", *_arguments(options)),
        environment,
        options.cwd,
        _initialize(options),
        _servers(options, environment),
        tuple(listing(tool) for tool in options.tools),
        config.billing,
    )


def resume_arguments(session_id: str | None, *, fork: bool = False) -> tuple[str, ...]:
    """Returns the arguments that continue a conversation, or a copy of it."""
    if session_id is None:
        return ()
    return (f"--resume={session_id}", *(("--fork-session",) if fork else ()))


def provider_option(options: TurnOptions, name: str) -> object:
    """Returns one of the options that only Claude Code knows, ``None`` if it was not given.

    Raises:
        InvalidOptionError: Some given option is not one of Claude Code's.
    """
    for given in options.provider_options:
        if given not in _KNOWN_OPTIONS:
            raise InvalidOptionError(
                f"claude has no provider option {given!r}; known: "
                f"{', '.join(sorted(_KNOWN_OPTIONS))}"
            )
    return options.provider_options.get(name)


def setting_sources(options: TurnOptions) -> list[str]:
    """Returns the settings of the user and the project that are loaded; none by default."""
    return _texts(provider_option(options, "setting_sources"))


def environment_for(
    config: ProviderConfig, options: TurnOptions, account: Account
) -> dict[str, str]:
    """Returns the whole environment of Claude Code."""
    defaults = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    changes: dict[str, str | None] = {
        **dict.fromkeys(_NESTING),
        **defaults,
        **account.changes,
        **options.env,
        **_PROTOCOL_ENVIRONMENT,
    }
    return child_environment("claude", config.env_policy, changes)


def _permission_mode(options: TurnOptions) -> str:
    chosen = provider_option(options, "permission_mode")
    return PERMISSION_MODES[options.permissions] if chosen is None else _text(chosen)


def _check_root(environment: Mapping[str, str]) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    if "1" in (environment.get("IS_SANDBOX"), environment.get("CLAUDE_CODE_BUBBLEWRAP")):
        return
    raise PermissionDeniedError(
        "claude refuses permissions='full-access' (bypassPermissions) to the user root. Run it as "
        "another user; or, if this machine is a sandbox that may be broken, say so with "
        "env={'IS_SANDBOX': '1'}"
    )


def _arguments(options: TurnOptions) -> list[str]:
    sources = setting_sources(options)
    arguments = [f"--setting-sources={','.join(sources)}"]
    if not sources:
        arguments.append("--strict-mcp-config")
    model = options.model or DEFAULT_MODEL
    if model != VENDOR_DEFAULT:
        arguments.append(f"--model={model}")
    effort = options.effort or provider_option(options, "reasoning_effort") or DEFAULT_EFFORT
    if effort != VENDOR_DEFAULT:
        arguments.append(f"--effort={_text(effort)}")
    for name, flag in _TEXT_FLAGS.items():
        if (value := provider_option(options, name)) is not None:
            arguments.append(f"{flag}={_text(value)}")
    for name, flag in _LIST_FLAGS.items():
        values = _texts(provider_option(options, name))
        if name == "allowed_tools":
            values += _trusted(options)
        if values or provider_option(options, name) is not None:
            arguments.append(f"{flag}={','.join(values)}")
    if options.ephemeral:
        arguments.append("--no-session-persistence")
    directories = _texts(provider_option(options, "add_dirs"))
    arguments += [f"--add-dir={directory}" for directory in directories]
    for argument in arguments:
        _check_argument(argument)
    return arguments


def _trusted(options: TurnOptions) -> list[str]:
    """The servers whose tools run without asking."""
    trusted = [name for name, server in options.mcp_servers.items() if server.trusted]
    return [f"mcp__{name}" for name in (*trusted, *([SERVER] if options.tools else []))]


def _servers(options: TurnOptions, environment: Mapping[str, str]) -> dict[str, object]:
    servers: dict[str, object] = {
        name: _server(name, server, environment) for name, server in options.mcp_servers.items()
    }
    if not options.tools:
        return servers
    if SERVER in servers:
        raise InvalidOptionError(
            f"mcp_servers[{SERVER!r}] needs another name: claude knows Python tools as those of an "
            "MCP server of this name"
        )
    return {**servers, SERVER: {"type": "sdk", "name": SERVER}}


def _server(name: str, server: McpServer, environment: Mapping[str, str]) -> dict[str, object]:
    """An MCP server in Claude Code's words.

    Newer versions show the model a server's tools only when it searches for them; ``alwaysLoad``
    shows them at once (seen with 2.1.329).
    """
    for option in ("cwd", "startup_timeout", "tool_timeout"):
        if getattr(server, option) is not None:
            raise UnsupportedOptionError("claude", f"mcp_servers[{name!r}].{option}")
    if server.command is not None:
        program = {"command": server.command, "args": list(server.args), "env": dict(server.env)}
        return {"type": "stdio", "alwaysLoad": True, **program}
    headers = dict(server.headers)
    if server.bearer_token_variable is not None:
        token = environment.get(server.bearer_token_variable)
        if not token:
            raise InvalidOptionError(
                f"mcp_servers[{name!r}] takes its token from {server.bearer_token_variable}, which "
                "is not set"
            )
        headers["Authorization"] = f"Bearer {token}"
    return {"type": "http", "alwaysLoad": True, "url": server.url, "headers": headers}


def _initialize(options: TurnOptions) -> dict[str, object]:
    said: dict[str, object] = {}
    if options.instructions:
        said["appendSystemPrompt"] = options.instructions
    if (prompt := provider_option(options, "system_prompt")) is not None:
        said["systemPrompt"] = _text(prompt)
    if agents := _mapping(options, "agents"):
        said["agents"] = agents
    if options.output is not None:
        said["jsonSchema"] = options.output.portable_schema
    return said


def _mapping(options: TurnOptions, name: str) -> dict[str, object]:
    value = provider_option(options, name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"provider_options[{name!r}] must be a mapping, not {value!r}")
    return dict(cast("Mapping[str, object]", value))


def _texts(value: object) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise InvalidOptionError(f"claude wants a list of strings here, not {value!r}")
    return [_text(item) for item in cast("Sequence[object]", value)]


def _text(value: object) -> str:
    match value:
        case bool():
            raise InvalidOptionError(f"claude wants a string or a number here, not {value!r}")
        case str() | int() | float() | os.PathLike():
            return str(cast("object", value))
        case Mapping():
            return msgspec.json.encode(cast("Mapping[str, object]", value)).decode()
        case _:
            raise InvalidOptionError(f"claude wants a string or a number here, not {value!r}")


def _check_argument(argument: str) -> None:
    flag = argument.partition("=")[0]
    if redact(argument) != argument:
        raise InvalidOptionError(
            f"{flag} holds a secret, which would stand on a command line that every user can read; "
            "give it through env="
        )
    if len(argument.encode("utf-8", "replace")) > _LARGEST_ARGUMENT:
        raise InvalidOptionError(f"{flag} is too large for a command line; use a file")
