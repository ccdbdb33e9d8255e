"""Codex configuration: our defaults, and the words of `TurnOptions` in Codex's own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self, cast

from msgspec import Meta

from signedin.model.errors import InvalidOptionError, UnsupportedOptionError
from signedin.model.options import Image, McpServer, TurnOptions, chosen
from signedin.providers.base import ProviderConfig
from signedin.providers.codex import protocol as p
from signedin.providers.codex.trust import set_by_user
from signedin.providers.shared.images import image_address, read_image
from signedin.providers.shared.provider_options import ProviderOptions, Text

_DEFAULT_EFFORT = "low"
"""Where the user has set nothing."""

PROCESS_DEFAULTS: Mapping[str, object] = {
    # No traffic of our own making: metrics (which also block `codex exec` for 5 s at its end when
    # their host does not answer), update checks, the plugin catalogue.
    "analytics.enabled": False,
    "check_for_update_on_startup": False,
    "features.plugins": False,
    # A network that is down fails the turn; the default waits for it without end.
    "features.unbounded_connection_retries": False,
}
"""Set for every process, seen with codex 0.163 and 0.169; a caller's ``config`` comes first."""

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

_AROUND_ROOT = " \"'"

FIXED_OPTIONS = frozenset({"config", "base_instructions", "personality"})
"""Provider options that count when a thread begins or is opened, and not later."""


class CodexKeys(ProviderOptions, frozen=True, kw_only=True):
    """The keys of ``provider_options``.

    Attributes:
        base_instructions: Replaces Codex's own prompt.
        config: Anything of ``config.toml`` that no keyword decides, by dotted key.
        model_reasoning_effort: The same as ``reasoning_effort``.
        personality: How Codex talks, such as ``pragmatic``.
        reasoning_effort: The same as ``effort=``, which takes precedence.
        service_tier: Such as ``flex``.
        summary: How much of its reasoning is shown, such as ``detailed``.
    """

    elsewhere = (
        "anything of Codex's config.toml goes into "
        "provider_options={'config': {'dotted.key': value}}"
    )

    base_instructions: Text | None = None
    config: Annotated[Mapping[str, object], Meta(description="map dotted keys to values")] = {}
    model_reasoning_effort: Text | None = None
    personality: Text | None = None
    reasoning_effort: Text | None = None
    service_tier: Text | None = None
    summary: Text | None = None


class CodexOptions:
    """What a turn asks of Codex, read once from its `TurnOptions`.

    Attributes:
        turn: The options of the turn.
        keys: Its ``provider_options``.
        config: The caller's configuration by dotted key, without that of `workspace_write`.
        workspace_write: See `workspace_write`.
        model: The model to ask for, ``None`` for the vendor's own default.
        usual_effort: The reasoning effort where none is given: the user's, else ours.
        effort: The reasoning effort to ask for, likewise.
        summary: The summary of reasoning to ask for, likewise.

    Raises:
        InvalidOptionError: There is an unknown provider option, one of another type, or
            configuration that a keyword decides.
    """

    def __init__(
        self,
        turn: TurnOptions,
        usual_effort: str | None = _DEFAULT_EFFORT,
        same: CodexOptions | None = None,
    ) -> None:
        self.turn = turn
        self.usual_effort = usual_effort
        if same is None:
            self.keys = CodexKeys.read("codex", turn.provider_options)
            self.workspace_write, self.config = _read_config(self.keys.config)
        else:
            self.keys = same.keys
            self.workspace_write, self.config = same.workspace_write, same.config
        _check_policy(turn)
        effort = (
            turn.effort
            or self.keys.reasoning_effort
            or self.keys.model_reasoning_effort
            or self.config.get("model_reasoning_effort")
            or usual_effort
        )
        self.effort = chosen(str(effort)) if effort else None
        self.summary = self.keys.summary or self.config.get("model_reasoning_summary")
        self.model = chosen(turn.model)

    @classmethod
    def read(cls, turn: TurnOptions, config: ProviderConfig, home: Path) -> Self:
        """Returns what a turn asks of the Codex that has this home."""
        trusted = turn.cwd if turn.trust_project else None
        usual = config.usual(
            "effort",
            lambda: set_by_user("model_reasoning_effort", home, trusted),
            _DEFAULT_EFFORT,
        )
        return cls(turn, usual)

    def of_turn(self, turn: TurnOptions) -> CodexOptions:
        """Reads the options of a later turn; ``provider_options`` only if they have changed."""
        is_same = turn.provider_options == self.turn.provider_options
        return CodexOptions(turn, self.usual_effort, self if is_same else None)

    def configured_model(self, home: Path) -> str | None:
        """Returns the model that the caller's or the user's configuration names."""
        trusted = self.turn.cwd if self.turn.trust_project else None
        given = self.config.get("model")
        return given if isinstance(given, str) else set_by_user("model", home, trusted)

    @property
    def sandbox_policy(self) -> p.SandboxPolicyParam:
        """The sandbox for one turn."""
        match self.turn.permissions:
            case "read-only":
                return p.ReadOnlySandboxPolicy()
            case "workspace-write":
                settings = cast("dict[str, Any]", self.workspace_write)
                return p.WorkspaceWriteSandboxPolicy(**settings)
            case "full-access":
                return p.DangerFullAccessSandboxPolicy()

    @property
    def approval_policy(self) -> str:
        """When Codex asks.

        It asks rather than refuses by itself (``never``), so that a refusal is seen as an event and
        can be decided by the caller.
        """
        if self.turn.permissions != "full-access":
            return "on-request"
        return "never" if self.turn.policy is None else "untrusted"


def _read_config(given: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Splits a caller's configuration into the meaning of ``workspace-write`` and the rest."""
    sandbox: dict[str, object] = {}
    rest: dict[str, object] = {}
    for key, value in given.items():
        root = _root(key)
        if keyword := _SAID_OTHERWISE.get(root):
            raise InvalidOptionError(
                f"provider_options['config'] cannot have {key!r}: say it with {keyword}"
            )
        (sandbox if root == WORKSPACE_WRITE_KEY else rest)[key] = value
    return workspace_write(sandbox), rest


def _check_policy(turn: TurnOptions) -> None:
    """Refuses rules about tools that Codex does not ask for."""
    unasked = [name for name, server in turn.mcp_servers.items() if server.trusted]
    if turn.policy and unasked and (rule := turn.policy.forbids("tool")):
        hint = f"Codex does not ask for tools of {unasked[0]!r}, which is trusted: {rule}"
        raise UnsupportedOptionError("codex", "policy", hint)


def keyword_instead_of(key: str) -> str | None:
    """Returns the keyword that stands for a key of the configuration that decides what may be."""
    return _SAID_OTHERWISE.get(_root(key))


def workspace_write(config: Mapping[str, object]) -> dict[str, object]:
    """Returns what ``workspace-write`` means in a caller's configuration.

    That is for the caller to say and not for the user's ``config.toml``: its folders would be added
    even to a turn that says its sandbox itself (seen with codex 0.163 and 0.169).

    Raises:
        InvalidOptionError: It is not a table, or has an unknown key.
    """
    settings = dict(_WORKSPACE_WRITE)
    for key, value in config.items():
        if _root(key) == WORKSPACE_WRITE_KEY:
            _, _, name = key.partition(".")
            settings |= {name: value} if name else _mapping(value)
    if unknown := settings.keys() - _WORKSPACE_WRITE.keys():
        raise InvalidOptionError(
            f"{WORKSPACE_WRITE_KEY} has no {min(unknown)!r}; known: {', '.join(_WORKSPACE_WRITE)}"
        )
    return settings


def _root(key: str) -> str:
    return key.partition(".")[0].strip(_AROUND_ROOT)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise InvalidOptionError(f"{WORKSPACE_WRITE_KEY} must be a table, not {value!r}")
    return cast("Mapping[str, object]", value)


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
        InvalidOptionError: There is none, or it is no whole image. Codex would continue without it.
    """
    if isinstance(image, bytes) or image_address(image):
        return None
    path = Path(image).expanduser().absolute()
    if not path.is_file():
        raise InvalidOptionError(f"image {str(image)!r} does not exist")
    read_image(image)
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
