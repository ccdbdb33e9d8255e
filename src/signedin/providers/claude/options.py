"""Translates `TurnOptions` into Claude Code's command line and ``initialize`` request."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from signedin.accounts.billing import Account
from signedin.accounts.homes import make_private
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.account.home import accounts_for
from signedin.providers.claude.keys import ClaudeKeys, written
from signedin.providers.claude.launch import (
    Launch,
    check_arguments,
    environment_for,
    initialize_fields,
    model_and_effort,
    permission_mode,
    without_effort,
)
from signedin.providers.claude.servers import servers, startup, trusted
from signedin.providers.claude.tool_server import listing
from signedin.providers.shared.provider_options import Text, Texts

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


class CliKeys(ClaudeKeys, frozen=True, kw_only=True):
    """The keys of ``claude-cli``."""

    # Of the options that only the SDK has, those that are asked for.
    refused = dict.fromkeys(("hooks", "mcp_servers"), 'transport="claude-agent-sdk" takes it')

    system_prompt: Text | None = None
    tools: Texts | None = None


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
    keys = CliKeys.read("claude", options.provider_options)
    account = account or accounts_for(config).choose(options.env)
    if account.source == "isolated":
        make_private(account.home)
    environment = environment_for(config, options, account) | startup(options)
    mode = permission_mode(options, keys, environment)
    arguments = (*_FLAGS, f"--permission-mode={mode}", *_arguments(options, keys))
    check_arguments(arguments)
    model, effort = model_and_effort(config, options, keys, account, environment)
    return Launch(
        program,
        arguments,
        without_effort(environment, effort),
        options.cwd,
        {**initialize_fields(options, keys), **({"agents": keys.agents} if keys.agents else {})},
        servers(options, environment),
        tuple(listing(tool) for tool in options.tools),
        config.billing,
        model=model,
        effort=effort,
    )


def _arguments(options: TurnOptions, keys: CliKeys) -> list[str]:
    sources = keys.sources(options)
    arguments = [f"--setting-sources={','.join(sources)}"]
    if not sources:
        arguments.append("--strict-mcp-config")
    for name, flag in _TEXT_FLAGS.items():
        if (value := getattr(keys, name)) is not None:
            arguments.append(f"{flag}={written(value)}")
    if (limit := keys.turns(options)) is not None:
        arguments.append(f"--max-turns={limit}")
    for name, flag in _LIST_FLAGS.items():
        values: Sequence[str] | None = getattr(keys, name)
        if name == "allowed_tools":
            values = [*(values or ()), *trusted(options)] or values
        if values is not None:
            arguments.append(f"{flag}={','.join(values)}")
    if options.ephemeral:
        arguments.append("--no-session-persistence")
    return [*arguments, *(f"--add-dir={directory}" for directory in keys.add_dirs)]
