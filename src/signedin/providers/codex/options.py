"""Codex configuration: our defaults, and the words of `TurnOptions` in Codex's own."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from pathlib import Path
from typing import Any, cast

from signedin.model.errors import InvalidOptionError
from signedin.model.options import VENDOR_DEFAULT, Image, McpServer, TurnOptions
from signedin.providers.codex import protocol as p
from signedin.providers.shared.images import image_address

DEFAULT_EFFORT = "low"

PROCESS_DEFAULTS: Mapping[str, object] = {
    # No traffic of our own making: metrics (which also block `codex exec` for 5 s at its end when
    # their host does not answer), update checks, the plugin catalogue.
    "analytics.enabled": False,
    "check_for_update_on_startup": False,
    "features.plugins": False,
    # A network that is down fails the turn; the default waits for it without end.
    "features.unbounded_connection_retries": False,
}
"""Set for every process, seen with codex 0.163 and 0.169; a caller's ``config`` goes before."""

SANDBOX_MODES = {
    "read-only": "read-only",
    "workspace-write": "workspace-write",
    "full-access": "danger-full-access",
}

WORKSPACE_WRITE_KEY = "sandbox_workspace_write"
_WORKSPACE_WRITE: Mapping[str, object] = {
    "network_access": False,
    "writable_roots": [],
    "exclude_slash_tmp": False,
    "exclude_tmpdir_env_var": False,
}

REVIEWER = "user"
"""Who decides what the agent may not do unasked: the caller, never a model instead."""

_SAID_OTHERWISE = {
    "projects": "trust_project=",
    "sandbox_mode": "permissions=",
    "default_permissions": "permissions=",
    "approval_policy": "permissions=",
    "approvals_reviewer": "on_approval=",
}
"""Configuration that decides what an agent may do. There is one way to say that."""

_KNOWN_OPTIONS = frozenset(
    {
        "config",
        "reasoning_effort",
        "model_reasoning_effort",
        "base_instructions",
        "service_tier",
        "summary",
        "personality",
    }
)


FIXED_OPTIONS = frozenset({"config", "base_instructions", "personality"})
"""Provider options that count when a thread begins or is opened, and not later."""


def check_options(options: TurnOptions) -> None:
    """Checks the options that only Codex knows, once for each session and turn.

    Raises:
        InvalidOptionError: There is an unknown one, one of another type, or configuration that a
            keyword of ours decides.
    """
    for name, value in options.provider_options.items():
        if name not in _KNOWN_OPTIONS:
            raise InvalidOptionError(
                f"codex has no provider option {name!r}; known: "
                f"{', '.join(sorted(_KNOWN_OPTIONS))}. Anything of Codex's config.toml goes into "
                "provider_options={'config': {'dotted.key': value}}"
            )
        if value is not None and name != "config" and not isinstance(value, str):
            raise InvalidOptionError(f"provider_options[{name!r}] must be a string, not {value!r}")
    given = options.provider_options.get("config")
    if given is not None and not isinstance(given, Mapping):
        raise InvalidOptionError(
            f"provider_options['config'] must map dotted keys to values, not {given!r}"
        )
    if found := decides_permissions(thread_config(options)):
        key, keyword = found
        raise InvalidOptionError(
            f"provider_options['config'] cannot have {key!r}: say it with {keyword}"
        )
    if unknown := workspace_write(options).keys() - _WORKSPACE_WRITE.keys():
        raise InvalidOptionError(
            f"{WORKSPACE_WRITE_KEY} has no {min(unknown)!r}; known: {', '.join(_WORKSPACE_WRITE)}"
        )


def provider_option(options: TurnOptions, name: str) -> object:
    """Returns one of the options that only Codex knows, ``None`` if it was not given."""
    return options.provider_options.get(name)


def thread_config(options: TurnOptions) -> dict[str, object]:
    """Returns the caller's configuration by dotted key, without that of `workspace_write`."""
    return {key: value for key, value in _config(options) if _root(key) != WORKSPACE_WRITE_KEY}


def _config(options: TurnOptions) -> ItemsView[str, object]:
    given = cast("Mapping[str, object]", options.provider_options.get("config") or {})
    return given.items()


def _root(key: str) -> str:
    return key.partition(".")[0].strip(" \"'")


def decides_permissions(config: Mapping[str, object]) -> tuple[str, str] | None:
    """Returns a key that decides what an agent may do, and the keyword that is there for it."""
    for key in config:
        if (root := _root(key)) in _SAID_OTHERWISE:
            return key, _SAID_OTHERWISE[root]
    return None


def with_mcp_servers(
    config: Mapping[str, object], servers: Mapping[str, McpServer]
) -> dict[str, object]:
    """Returns a configuration with MCP servers added, all of them as one table.

    In a dotted key a name could not have a dot, and Codex takes keys in no certain order, so that a
    table beside dotted keys might undo them.
    """
    if not servers:
        return dict(config)
    rest: dict[str, object] = {}
    table: dict[str, object] = {}
    for key, value in config.items():
        root, *path = key.split(".")
        if root != "mcp_servers":
            rest[key] = value
        elif not path:
            table |= cast("Mapping[str, object]", value)
        else:
            below = table
            for name in path[:-1]:
                inner = dict(cast("Mapping[str, object]", below.get(name, {})))
                below[name] = inner
                below = inner
            below[path[-1]] = value
    table |= {name: mcp_server(server) for name, server in servers.items()}
    return {**rest, "mcp_servers": table}


def effort(options: TurnOptions) -> str | None:
    """Returns the reasoning effort to ask for, ``None`` for the vendor's own default."""
    chosen = (
        options.effort
        or provider_option(options, "reasoning_effort")
        or provider_option(options, "model_reasoning_effort")
        or thread_config(options).get("model_reasoning_effort")
        or DEFAULT_EFFORT
    )
    return None if chosen == VENDOR_DEFAULT else str(chosen)


def summary(options: TurnOptions) -> object:
    """Returns the summary of reasoning to ask for, ``None`` for the vendor's own default."""
    asked = provider_option(options, "summary")
    return asked or thread_config(options).get("model_reasoning_summary")


def model(options: TurnOptions) -> str | None:
    """Returns the model to ask for, ``None`` for the vendor's own default."""
    return None if options.model in (None, VENDOR_DEFAULT) else options.model


def workspace_write(options: TurnOptions) -> dict[str, object]:
    """Returns the table that says what ``workspace-write`` means.

    That is for the caller to say, in ``provider_options``, and not for the user's ``config.toml``:
    its folders would be added even to a turn that says its sandbox itself (seen with codex 0.163
    and 0.169).
    """
    given: dict[str, object] = {}
    for key, value in _config(options):
        if _root(key) == WORKSPACE_WRITE_KEY:
            name = key.partition(".")[2]
            given |= {name: value} if name else cast("Mapping[str, object]", value)
    return {**_WORKSPACE_WRITE, **given}


def sandbox_policy(options: TurnOptions) -> p.SandboxPolicyParam:
    """Returns the sandbox for one turn."""
    match options.permissions:
        case "read-only":
            return p.ReadOnlySandboxPolicy()
        case "workspace-write":
            settings = cast("dict[str, Any]", workspace_write(options))
            return p.WorkspaceWriteSandboxPolicy(**settings)
        case "full-access":
            return p.DangerFullAccessSandboxPolicy()


def approval_policy(options: TurnOptions) -> str:
    """Returns when Codex asks.

    It asks rather than refuses by itself (``never``), so that a refusal is seen as an event and can
    be decided by the caller.
    """
    return "never" if options.permissions == "full-access" else "on-request"


def mcp_server(server: McpServer) -> dict[str, object]:
    """Returns an MCP server as an entry of Codex's configuration."""
    entry: dict[str, object] = {
        "command": server.command,
        "args": list(server.args),
        "env": dict(server.env),
        "cwd": str(server.cwd) if server.cwd else None,
        "url": server.url,
        "bearer_token_env_var": server.bearer_token_variable,
        "http_headers": dict(server.headers),
        "startup_timeout_sec": server.startup_timeout,
        "tool_timeout_sec": server.tool_timeout,
        # Left to itself Codex believes a tool that says of itself it only reads.
        "default_tools_approval_mode": "approve" if server.trusted else "prompt",
    }
    return {key: value for key, value in entry.items() if value not in (None, [], {})}


def image_file(image: Image) -> Path | None:
    """Returns the path of an image given as a file, ``None`` for a URL or bytes.

    Raises:
        InvalidOptionError: There is no such file. Codex itself would go on without it.
    """
    if isinstance(image, bytes) or image_address(image):
        return None
    path = Path(image).expanduser().absolute()
    if not path.is_file():
        raise InvalidOptionError(f"image {str(image)!r} does not exist")
    return path


def config_arguments(config: Mapping[str, object]) -> list[str]:
    """Returns ``-c key=value`` arguments for a configuration."""
    return [part for key, value in config.items() for part in ("-c", f"{key}={to_toml(value)}")]


def to_toml(value: object) -> str:
    """Renders a value as inline TOML.

    Raises:
        InvalidOptionError: TOML has no such value.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
        case Mapping():
            pairs = cast("Mapping[str, object]", value).items()
            return "{" + ", ".join(f"{_quoted(k)} = {to_toml(v)}" for k, v in pairs) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(to_toml, cast("list[object]", value))) + "]"
        case _:
            raise InvalidOptionError(f"codex configuration cannot hold {value!r}")


_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", 0x7F: "\\u007f"} | {
    code: f"\\u{code:04x}" for code in range(0x20)
}


def _quoted(text: str) -> str:
    return f'"{text.translate(_ESCAPES)}"'
