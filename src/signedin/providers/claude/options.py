"""Translates `TurnOptions` into Claude Code's command line and ``initialize`` request."""

from __future__ import annotations

from pathlib import Path

from signedin.accounts.billing import Account
from signedin.accounts.homes import make_private
from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.account.home import accounts_for
from signedin.providers.claude.launch import (
    Launch,
    check_arguments,
    effort_of,
    environment_for,
    initialize_fields,
    model_of,
    permission_mode,
)
from signedin.providers.claude.servers import servers, startup, trusted
from signedin.providers.claude.tool_server import listing
from signedin.providers.claude.values import (
    check_names,
    mapping,
    max_turns,
    setting_sources,
    text,
    texts,
)

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
        "max_turns",
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

_OF_THE_SDK = frozenset({"hooks", "mcp_servers"})
"""Of the options that only the SDK has, those that are asked for."""


def launch_for(
    program: Path, config: ProviderConfig, options: TurnOptions, account: Account | None = None
) -> Launch:
    """Returns how to start Claude Code for a turn.

    Args:
        program: The native program.
        config: The client's configuration.
        options: The options of the turn.
        account: Which login, if already decided.

    Raises:
        InvalidOptionError: An option cannot be used.
        UnsupportedOptionError: Only the SDK has an option.
        PermissionDeniedError: Claude Code would refuse ``full-access`` to the user root.
    """
    for name in _OF_THE_SDK & options.provider_options.keys():
        hint = 'transport="claude-agent-sdk" takes it'
        raise UnsupportedOptionError("claude", f"provider_options[{name!r}]", hint)
    check_names(options, _KNOWN_OPTIONS)
    account = account or accounts_for(config).choose(options.env)
    if account.source == "isolated":
        make_private(account.home)
    environment = environment_for(config, options, account) | startup(options)
    mode = permission_mode(options, environment)
    arguments = (*_FLAGS, f"--permission-mode={mode}", *_arguments(options))
    check_arguments(arguments)
    return Launch(
        program,
        arguments,
        environment,
        options.cwd,
        _initialize(options),
        servers(options, environment),
        tuple(listing(tool) for tool in options.tools),
        config.billing,
        model=model_of(options),
        effort=effort_of(options),
    )


def _arguments(options: TurnOptions) -> list[str]:
    given = options.provider_options
    sources = setting_sources(options)
    arguments = [f"--setting-sources={','.join(sources)}"]
    if not sources:
        arguments.append("--strict-mcp-config")
    for name, flag in _TEXT_FLAGS.items():
        if (value := given.get(name)) is not None:
            arguments.append(f"{flag}={text(value)}")
    if (limit := max_turns(options)) is not None:
        arguments.append(f"--max-turns={limit}")
    for name, flag in _LIST_FLAGS.items():
        values = texts(given.get(name))
        if name == "allowed_tools":
            values += trusted(options)
        if values or given.get(name) is not None:
            arguments.append(f"{flag}={','.join(values)}")
    if options.ephemeral:
        arguments.append("--no-session-persistence")
    directories = texts(given.get("add_dirs"))
    arguments += [f"--add-dir={directory}" for directory in directories]
    return arguments


def _initialize(options: TurnOptions) -> dict[str, object]:
    prompt = options.provider_options.get("system_prompt")
    if prompt is not None and not isinstance(prompt, str):
        raise InvalidOptionError(
            f"provider_options['system_prompt'] must be a string, not {prompt!r}"
        )
    agents = mapping(options, "agents")
    return {**initialize_fields(options), **({"agents": agents} if agents else {})}
