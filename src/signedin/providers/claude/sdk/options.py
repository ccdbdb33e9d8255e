"""Translates `TurnOptions` into options of the official SDK, which builds the command line."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
from claude_agent_sdk import (
    AgentDefinition,
    ClaudeAgentOptions,
    HookMatcher,
    __version__ as sdk_version,
)
from claude_agent_sdk._internal.transport.subprocess_cli import (
    SubprocessCLITransport,
)
from msgspec.structs import asdict

from signedin.accounts.billing import Account
from signedin.accounts.homes import make_private
from signedin.model.errors import InvalidOptionError
from signedin.model.options import TurnOptions
from signedin.providers.base import ProviderConfig
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
from signedin.providers.shared.provider_options import Table

_OURS = {
    "can_use_tool": "use on_approval=",
    "cli_path": "use binary=",
    "client_app": "signedin names itself",
    "continue_conversation": 'use resume="latest"',
    "cwd": "use cwd=",
    "debug_stderr": "errors include what Claude Code wrote to stderr",
    "effort": "use effort=",
    "enable_file_checkpointing": "signedin does not rewind files",
    "env": "use env=",
    "fork_session": "use fork=",
    "include_partial_messages": "use stream()",
    "load_timeout_ms": "signedin does not use the SDK's session stores",
    "max_buffer_size": "lines may have any length",
    "model": "use model=",
    "permission_prompt_tool_name": "use on_approval=",
    "resume": "use resume=",
    "resume_drops_turn": "signedin continues from the last answer",
    "resume_session_at": "signedin continues from the last answer",
    "session_id": "Claude Code chooses it",
    "session_store": "signedin does not use the SDK's session stores",
    "session_store_flush": "signedin does not use the SDK's session stores",
    "stderr": "errors include what Claude Code wrote to stderr",
    "user": "Claude Code runs as the user of this process",
    "verbatim_prompts": "prompts are always taken word for word",
}
"""Options of the SDK that are not passed on, and why."""

_TYPES = {"extra_args": Table, "hooks": Table, "mcp_servers": Table}
"""What the SDK itself does not check."""

_CLAUDE_CODE = {"type": "preset", "preset": "claude_code"}

SdkKeys = cast(
    "type[ClaudeKeys]",
    msgspec.defstruct(
        "SdkKeys",
        [
            (field.name, _TYPES.get(field.name, object), None)
            for field in dataclasses.fields(ClaudeAgentOptions)
            if field.name not in _OURS.keys() | set(ClaudeKeys.__struct_fields__)
        ],
        bases=(ClaudeKeys,),
        namespace={
            "__repr__": ClaudeKeys.__repr__,
            "refused": {name: f"not in provider_options; {why}" for name, why in _OURS.items()},
        },
        frozen=True,
        kw_only=True,
    ),
)
"""The keys of ``claude-agent-sdk``: also those options of the SDK that signedin has no word for."""


def sdk_launch(
    program: Path, config: ProviderConfig, options: TurnOptions, account: Account
) -> Launch:
    """Returns how to start Claude Code for a turn that the SDK drives.

    Args:
        program: The native program, the same that reports who is signed in.
        config: The client's configuration.
        options: The options of the turn.
        account: Which login.

    Raises:
        InvalidOptionError: An option cannot be used.
        UnsupportedOptionError: An option of the SDK is not supported here.
        PermissionDeniedError: Claude Code would refuse ``full-access`` to the user root.
    """
    keys = SdkKeys.read("claude", options.provider_options)
    if account.source == "isolated":
        make_private(account.home)
    environment = _as_the_sdk_sets(environment_for(config, options, account), options)
    environment |= startup(options)
    mode = permission_mode(options, keys, environment)
    sdk = _sdk_options(options, keys, mode)
    arguments = _Command(program, sdk).arguments
    check_arguments(arguments)
    own = cast("dict[str, dict[str, Any]]", sdk.mcp_servers)
    described = {
        name: {k: v for k, v in each.items() if k != "instance"} for name, each in own.items()
    }
    model, effort = model_and_effort(config, options, keys, account, environment)
    named = servers(options, environment)
    if both := described.keys() & named.keys():
        raise InvalidOptionError(f"two MCP servers have the name {min(both)!r}")
    return Launch(
        program,
        arguments,
        without_effort(environment, effort),
        options.cwd,
        initialize_fields(options, keys),
        {**described, **named},
        tuple(listing(tool) for tool in options.tools),
        config.billing,
        sdk,
        model,
        effort,
    )


class _Command(SubprocessCLITransport):
    """The SDK's command line, without what may be large or hold secrets."""

    def __init__(self, program: Path, options: ClaudeAgentOptions) -> None:
        without_servers = dataclasses.replace(options, cli_path=program, mcp_servers={})
        super().__init__("", without_servers)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments after the program."""
        try:
            return tuple(self._build_command()[1:])
        except (TypeError, ValueError, KeyError) as error:
            raise InvalidOptionError(f"the Claude Agent SDK refused an option: {error}") from error


def _as_the_sdk_sets(environment: Mapping[str, str], options: TurnOptions) -> dict[str, str]:
    variables = {"CLAUDE_CODE_ENTRYPOINT": "sdk-py", "CLAUDE_AGENT_SDK_VERSION": sdk_version}
    return {**environment, **{k: v for k, v in variables.items() if k not in options.env}}


def _sdk_options(options: TurnOptions, keys: ClaudeKeys, mode: str) -> ClaudeAgentOptions:
    given = {name: value for name, value in asdict(keys).items() if value is not None}
    given.pop("reasoning_effort", None)
    sources = keys.sources(options)
    flags = {**given.get("extra_args", {})}
    if options.ephemeral:
        flags["no-session-persistence"] = None
    ours: dict[str, object] = {
        "agents": {name: _agent(name, agent) for name, agent in (keys.agents or {}).items()},
        "allowed_tools": [*(keys.allowed_tools or ()), *trusted(options)],
        "extra_args": flags,
        "include_partial_messages": True,
        "max_turns": keys.turns(options),
        "mcp_servers": given.get("mcp_servers", {}),
        "permission_mode": mode,
        "permission_prompt_tool_name": "stdio",
        "setting_sources": sources,
        "settings": None if keys.settings is None else written(keys.settings),
        "strict_mcp_config": given.get("strict_mcp_config", not sources),
        "system_prompt": keys.system_prompt
        if isinstance(keys.system_prompt, Mapping)
        else _CLAUDE_CODE,
    }
    _check_hooks(given.get("hooks", {}))
    return ClaudeAgentOptions(**cast("dict[str, Any]", {**given, **ours}))


def _check_hooks(given: Mapping[str, object]) -> None:
    for event, matchers in given.items():
        items = cast("list[object]", matchers) if isinstance(matchers, list) else [matchers]
        if not all(isinstance(each, HookMatcher) for each in items):
            expected = f"hooks[{event!r}] must be a list of HookMatcher, not {matchers!r}"
            raise InvalidOptionError(f"provider_options: {expected}")


def _agent(name: str, given: object) -> AgentDefinition:
    if isinstance(given, AgentDefinition):
        return given
    try:
        return AgentDefinition(**cast("dict[str, Any]", given))
    except TypeError as error:
        raise InvalidOptionError(f"provider_options['agents'][{name!r}]: {error}") from error
