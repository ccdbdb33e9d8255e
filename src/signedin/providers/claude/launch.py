"""Everything that is fixed when Claude Code starts, whoever builds its command line."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from signedin import __version__
from signedin.accounts.billing import Account
from signedin.model.choices import Billing
from signedin.model.errors import InvalidOptionError, PermissionDeniedError
from signedin.model.options import TurnOptions, chosen
from signedin.model.redact import redact
from signedin.providers.base import ProviderConfig
from signedin.providers.claude import instructions
from signedin.providers.claude.account.home import EFFORT_VARIABLE, set_by_user
from signedin.providers.claude.keys import ClaudeKeys
from signedin.providers.claude.tool_server import Listing
from signedin.providers.shared.environment import child_environment
from signedin.runtime.watching import trace_variables
from signedin.wire.inherited import not_of

if TYPE_CHECKING:
    from claude_agent_sdk import ClaudeAgentOptions

_DEFAULT_MODEL = "opus"
_DEFAULT_EFFORT = "low"

QUIET = "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"

_REPORTS_NOTHING = ("DISABLE_AUTOUPDATER", "DISABLE_ERROR_REPORTING", "DISABLE_TELEMETRY")

ENVIRONMENT: Mapping[str, str] = {
    # Names us in the user agent.
    "CLAUDE_AGENT_SDK_CLIENT_APP": f"signedin/{__version__}",
    # No traffic of our own making. Without the first, the API key is sent to the vendor even when
    # ANTHROPIC_BASE_URL names another host; the second asks for the account's connectors.
    QUIET: "1",
    "ENABLE_CLAUDEAI_MCP_SERVERS": "false",
    # A failure is reported within seconds; the default is 10 retries, which take three minutes.
    "CLAUDE_CODE_MAX_RETRIES": "2",
    # A stream that breaks is a failure. Otherwise a broken answer ends as an empty success.
    "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
    # One answer per turn: ``output_retries`` decides how often invalid output is sent back.
    "MAX_STRUCTURED_OUTPUT_RETRIES": "1",
}
"""Set unless the caller or the environment sets another value; seen with 2.1.197 and 2.1.330."""

_PROTOCOL_ENVIRONMENT = {
    # What the end of a turn is known by.
    "CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS": "1",
    # Only the caller prompts. Otherwise a project's .claude/scheduled_tasks.json speaks
    # as if it was the user, whatever sources of settings are loaded.
    "CLAUDE_CODE_DISABLE_CRON": "1",
}
"""Always set."""

_TRACES = ("CLAUDE_CODE_ENABLE_TELEMETRY", "OTEL_TRACES_EXPORTER")
"""Set if Claude Code reports spans. It takes the trace they belong to when it starts only (2.1.197,
2.1.330), so each turn then has a process of its own."""

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
"""Set for the commands of a Claude Code session; a new session must not mistake itself for a
part of that one."""

PERMISSION_MODES = {
    "read-only": "default",
    "workspace-write": "acceptEdits",
    "full-access": "bypassPermissions",
}

_SETTABLE_EFFORTS = ("low", "medium", "high")

POLICY_HOOK = "PreToolUse"
"""The hook that sees each tool before it runs, also one that needs no permission."""

_HOOK_SECONDS = 600

_LARGEST_ARGUMENT = 100_000
"""Bytes; Linux takes 131,071 for one argument."""


class Launch(msgspec.Struct, frozen=True):
    """Everything that is fixed when Claude Code starts.

    Two turns with equal launches may use the same process, one after the other.

    Attributes:
        program: The native program.
        arguments: Its command line.
        environment: Its complete environment.
        cwd: Its working directory.
        initialize: What the ``initialize`` request says: prompts, agents and the output
            schema, which may be large. Sending it again changes none of them.
        mcp_servers: MCP servers by name, which may hold secrets.
        tools: The Python tools that are offered.
        billing: Who has to pay, ``None`` if that does not matter.
        sdk: The options of the official SDK, if that drives the process.
        model: The model, ``None`` for the vendor's choice.
        effort: The reasoning effort, ``None`` for the vendor's choice.
    """

    program: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path
    initialize: Mapping[str, object] = {}
    mcp_servers: Mapping[str, object] = {}
    tools: tuple[Listing, ...] = ()
    billing: Billing | None = None
    sdk: ClaudeAgentOptions | None = None
    model: str | None = None
    effort: str | None = None

    @property
    def command(self) -> tuple[str, ...]:
        """The program and all of its command line."""
        chosen = {"--model": self.model, "--effort": self.effort}
        flags = (f"{flag}={value}" for flag, value in chosen.items() if value is not None)
        return (str(self.program), *self.arguments, *flags)

    @property
    def has_trace(self) -> bool:
        """Whether a process started like this reports into the trace of one turn, see `TRACE`."""
        return self.environment.get("TRACEPARENT") != os.environ.get("TRACEPARENT")

    @property
    def asking(self) -> Launch:
        """The same, but allowed to ask the vendor about the account; it still reports nothing."""
        environment = {**self.environment, **dict.fromkeys(_REPORTS_NOTHING, "1")}
        del environment[QUIET]
        return msgspec.structs.replace(self, environment=environment)

    def can_become(self, other: Launch) -> bool:
        """Returns whether a process can continue as if it had been started as ``other``.

        The model and the effort can be changed while it runs, the effort not back to the vendor's
        choice, and only to those that may be stored as a setting.
        """
        same = msgspec.structs.replace(self, model=other.model, effort=other.effort) == other
        return same and other.effort in {self.effort, *_SETTABLE_EFFORTS}

    def __repr__(self) -> str:
        """Leaves out the environment and the servers, which may hold secrets."""
        return f"Launch({self.program}, {redact(' '.join(self.arguments))}, cwd={self.cwd})"


def resume_arguments(
    session_id: str | None, *, fork: bool = False, at: str | None = None
) -> tuple[str, ...]:
    """Returns the arguments that continue a conversation, or a copy of it.

    Args:
        session_id: The conversation; ``None`` begins a new one.
        fork: Whether to continue in a copy.
        at: The answer to continue from; what came after it is left out. The last one if not given.
    """
    if session_id is None:
        return ()
    cut = () if at is None else (f"--resume-session-at={at}",)
    return (f"--resume={session_id}", *(("--fork-session",) if fork else ()), *cut)


def environment_for(
    config: ProviderConfig, options: TurnOptions, account: Account
) -> dict[str, str]:
    """Returns the complete environment of Claude Code."""
    defaults = {name: value for name, value in ENVIRONMENT.items() if name not in os.environ}
    changes: dict[str, str | None] = {
        **dict.fromkeys(_NESTING),
        **not_of(options.cwd),
        **defaults,
        **account.changes,
        **options.env,
        **_PROTOCOL_ENVIRONMENT,
    }
    environment = child_environment("claude", config.env_policy, changes)
    if all(environment.get(name) for name in _TRACES):
        environment |= trace_variables()
    return environment


def without_effort(environment: Mapping[str, str], effort: str | None) -> dict[str, str]:
    """Returns an environment whose variable does not take precedence over an effort (2.1.331)."""
    return {k: v for k, v in environment.items() if effort is None or k != EFFORT_VARIABLE}


def model_and_effort(
    config: ProviderConfig,
    options: TurnOptions,
    keys: ClaudeKeys,
    account: Account,
    environment: Mapping[str, str],
) -> tuple[str | None, str | None]:
    """Returns the model and the reasoning effort, ``None`` for the vendor's choice.

    What the caller asks for takes precedence over what the user has set, and that over our default.
    """
    own: Mapping[str, object] = {} if isinstance(keys.settings, str | None) else keys.settings

    def usual(name: str, default: str) -> str | None:
        def find() -> str | None:
            if given := own.get(name):
                return str(given)
            return set_by_user(name, environment, account.home, options.cwd, keys.sources(options))

        return config.usual(name, find, default)

    model = options.model or usual("model", _DEFAULT_MODEL)
    effort = options.effort or keys.reasoning_effort or usual("effortLevel", _DEFAULT_EFFORT)
    return chosen(model), chosen(effort)


def initialize_fields(options: TurnOptions, keys: ClaudeKeys) -> dict[str, object]:
    """Returns what the ``initialize`` request says: what may be large fits nowhere else.

    Left to itself, 2.1.330 records the system prompt and the tools of a conversation, and sends
    these to the model again when the conversation is resumed or forked, whatever the new options.
    """
    fields: dict[str, object] = {"systemPromptSnapshot": False}
    if options.policy is not None:
        matcher = {"matcher": None, "hookCallbackIds": ["policy"], "timeout": _HOOK_SECONDS}
        fields["hooks"] = {POLICY_HOOK: [matcher]}
    of_project = "" if options.trust_project else instructions.of_project(options.cwd).text
    if added := "\n\n".join(filter(None, [of_project, options.instructions])):
        fields["appendSystemPrompt"] = added
    if isinstance(keys.system_prompt, str):
        fields["systemPrompt"] = keys.system_prompt
    if options.output is not None:
        fields["jsonSchema"] = options.output.portable_schema
    return fields


def permission_mode(options: TurnOptions, keys: ClaudeKeys, environment: Mapping[str, str]) -> str:
    """Returns the mode Claude Code works in.

    Raises:
        PermissionDeniedError: Claude Code would refuse ``full-access`` to the user root.
    """
    mode = keys.permission_mode or PERMISSION_MODES[options.permissions]
    if mode == "bypassPermissions":
        _check_root(environment)
    return mode


def check_arguments(arguments: Sequence[str]) -> None:
    """Raises if arguments must not be on a command line, or do not fit.

    Raises:
        InvalidOptionError: One holds a secret or is too large.
    """
    flag = ""
    for argument in arguments:
        flag = argument.partition("=")[0] if argument.startswith("--") else flag
        _check_argument(flag, argument)


def _check_argument(flag: str, argument: str) -> None:
    if redact(argument) != argument:
        raise InvalidOptionError(
            f"{flag} holds a secret, and every user can read the command line; pass it through env="
        )
    if len(argument.encode("utf-8", "replace")) > _LARGEST_ARGUMENT:
        raise InvalidOptionError(f"{flag} is too large for a command line; use a file")


def _check_root(environment: Mapping[str, str]) -> None:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return
    if "1" in (environment.get("IS_SANDBOX"), environment.get("CLAUDE_CODE_BUBBLEWRAP")):
        return
    raise PermissionDeniedError(
        "claude refuses permissions='full-access' (bypassPermissions) to the user root. Run it as "
        "another user; or, if this machine is a disposable sandbox, set "
        "env={'IS_SANDBOX': '1'}"
    )
