"""Known ACP agents: how to start, install and sign in to them.

A package adds an agent with an entry point in the group ``signedin.acp_agents`` whose value is a
`KnownAgent`; its name is the entry point's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import msgspec

from signedin.accounts.hints import sign_in_command
from signedin.model.choices import Permissions
from signedin.model.errors import ErrorKind
from signedin.providers.acp.process import ClientFeatures
from signedin.providers.shared.project import ProjectFiles
from signedin.safety.sandbox.confinement import OwnFolders

ENTRY_POINT_GROUP = "signedin.acp_agents"


SESSION_METHODS = ("fork", "list_sessions", "history")
"""Capabilities that depend on optional methods of the protocol."""


class ProjectGuard(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent is stopped from following a project's configuration, unless it is trusted.

    Attributes:
        env: Variables that make it ignore the project's configuration.
        meta: What ``_meta`` of a new session says for the same purpose.
        files: What it follows nevertheless: where one of these exists, it is not started.
    """

    env: Mapping[str, str] = {}
    meta: Mapping[str, object] = {}
    files: ProjectFiles = ProjectFiles()


class AgentTraits(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent does in its own way.

    Attributes:
        install: The command that installs it.
        late_replay: Whether it answers a load before it has replayed the history.
        replays_open: Whether it replays a session that it has open, and leaves it as it is.
        adds_up_tokens: Whether it reports the tokens of all prompts since the session was opened.
        stop_failures: Stop reasons that it uses for failures as no other does.
        has_notices: Whether what it has to say itself stands in the model's answer; see `Notices`.
        fixed_options: Names in ``provider_options`` that apply only when the session begins.
        keeps_folder: Whether a stored session continues only in the folder it began in: in another
            one it would wait for ever for what it asks. If that is gone, its commands ``export ID``
            and ``import FILE`` move the session.
        free_models: Prefix of the models that need no account, empty if there are none.
        scratch: Variables that make it store no sessions, empty if there are none.
    """

    install: str
    late_replay: bool = False
    replays_open: bool = True
    adds_up_tokens: bool = False
    stop_failures: Mapping[str, ErrorKind] = {}
    has_notices: bool = False
    fixed_options: frozenset[str] = frozenset({"writable"})
    keeps_folder: bool = False
    free_models: str = ""
    scratch: Mapping[str, str] = {}


class KnownAgent(AgentTraits, frozen=True, kw_only=True):
    """What is known about an agent before it runs, beside its traits.

    Attributes:
        command: The program, as found on ``PATH``, and its arguments.
        login: The command that signs in.
        vendor: Whose credentials its process may see; a key of
            `signedin.providers.shared.environment.vendor_variables`.
        env: Variables that are always set; those that make it ask before it acts.
        mode: The mode in which it asks before it acts, if that is not its default.
        modes: The mode for each permission, of an agent that has a sandbox of its own.
        guard: What stops it from following a project's configuration, ``None`` if unknown.
        trusting: The option that takes the MCP servers whose tools run unasked, for an agent that
            does not report whose tool it asks about.
        asks_proxy: Whether it asks a proxy for this machine as well, whatever ``NO_PROXY`` says.
        shares_servers: Whether the sessions of a process see each other's MCP servers.
        can: Which of `SESSION_METHODS` it has, and what else others lack.
        cannot: Capabilities that other agents have and it lacks.
        features: What it may ask its client to do.
        quirks: What users should know about it.
        own: What it needs in its sandbox; ``None`` if signedin does not confine it.
        tried: The version that a turn was run with, for the docs.
    """

    command: tuple[str, ...]
    login: str
    vendor: str = "others"
    env: Mapping[str, str] = {}
    mode: str | None = None
    modes: Mapping[Permissions, str] = {}
    guard: ProjectGuard | None = None
    trusting: str | None = None
    asks_proxy: bool = False
    shares_servers: bool = False
    can: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    features: ClientFeatures = ClientFeatures()
    quirks: tuple[str, ...] = ()
    own: OwnFolders | None = OwnFolders()
    tried: str = ""

    @property
    def tested(self) -> tuple[str, str] | None:
        """The version that was tried, without its last number: agents release every other day."""
        version = self.tried.rpartition(".")[0]
        return (version, version) if version else None


# Left to itself opencode does whatever it likes. The last matching rule applies.
_OPENCODE_PERMISSION: Mapping[str, object] = {
    "*": "ask",
    **dict.fromkeys(("glob", "grep", "list", "lsp", "skill", "task", "todoread"), "allow"),
    "todowrite": "allow",
    "read": {"*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow"},
}

_COPILOT_FILES = ProjectFiles(
    upwards=(
        ".agents",
        ".claude",
        ".copilot",
        ".github/agents",
        ".github/copilot",
        ".github/extensions",
        ".github/hooks",
        ".github/lsp.json",
        ".github/mcp.json",
        ".github/skills",
        ".mcp.json",
        ".vscode/mcp.json",
    )
)

AGENTS: Mapping[str, KnownAgent] = {
    "opencode": KnownAgent(
        command=("opencode", "acp"),
        install="npm install -g opencode-ai",
        login="opencode auth login",
        env={"OPENCODE_PERMISSION": msgspec.json.encode(_OPENCODE_PERMISSION).decode()},
        # OPENCODE_DISABLE_PROJECT_CONFIG stops much of it, but not the plugins (1.18).
        guard=ProjectGuard(
            env={"OPENCODE_DISABLE_EXTERNAL_SKILLS": "1"},
            files=ProjectFiles(upwards=(".opencode", "opencode.json", "opencode.jsonc")),
        ),
        shares_servers=True,
        keeps_folder=True,
        free_models="opencode/",
        scratch={"OPENCODE_DB": ":memory:"},
        can=(*SESSION_METHODS, "command_output", "policy_commands"),
        quirks=(
            "it is not started where an `opencode.json` or `.opencode` is, unless `trust_project`",
            "skills of `.agents` and `.claude`, also the user's, are off, unless `trust_project`",
            "it reports the tokens of a turn's last request to the model only (1.18)",
            "it reports little about why the model failed, and retries most failures for a minute",
            "sessions with other tools or MCP servers get a process of their own",
            "it does not report that an answer was cut off at the token limit",
        ),
        own=OwnFolders(
            written=(
                "~/.config/opencode",
                "~/.local/share/opencode",
                "~/.local/state/opencode",
                "~/.cache/opencode",
            ),
            spared=tuple(
                f"~/.config/opencode/{name}"
                for name in (
                    *("AGENTS.md", "config.json", "opencode.json", "opencode.jsonc"),
                    *("agent", "agents", "command", "commands", "plugin", "plugins"),
                    *("skill", "skills", "tool", "tools"),
                )
            ),
        ),
        tried="1.18.33",
    ),
    "qwen": KnownAgent(
        command=("qwen", "--acp"),
        install="npm install -g @qwen-code/qwen-code",
        login="qwen",
        # Since 0.24 a model decides by default.
        mode="default",
        guard=ProjectGuard(files=ProjectFiles(inside=(".qwen", ".agents", ".lsp.json"))),
        trusting="--allowed-tools",
        asks_proxy=True,
        can=("list_sessions", "history", "command_output", "usage", "usage_during"),
        cannot=("effort",),
        quirks=(
            "it is not started where a `.qwen` or `.agents` folder is, unless `trust_project`",
            "it retries failures of the model's server for more than a minute",
            "it does not report that an answer was cut off at the token limit, or filtered",
        ),
        own=OwnFolders(
            written=("~/.qwen",),
            spared=tuple(
                f"~/.qwen/{name}" for name in (".env", "QWEN.md", "extensions", "agents", "skills")
            ),
        ),
        tried="0.15.10",
    ),
    "codex": KnownAgent(
        command=("codex-acp",),
        install="npm install -g @agentclientprotocol/codex-acp",
        login=sign_in_command("codex"),
        vendor="codex",
        # By default it works in the folder unasked, whatever it may. It calls every folder trusted.
        modes={
            "read-only": "read-only",
            "workspace-write": "workspace-write",
            "full-access": "agent-full-access",
        },
        guard=ProjectGuard(files=ProjectFiles(upwards=(".codex", ".agents"))),
        can=("list_sessions", "history", "own_sandbox"),
        own=None,
        tried="2.6.0",
    ),
    "claude": KnownAgent(
        command=("claude-agent-acp",),
        install="npm install -g @agentclientprotocol/claude-agent-acp",
        login=sign_in_command("claude"),
        vendor="claude",
        guard=ProjectGuard(meta={"claudeCode": {"options": {"settingSources": ["user"]}}}),
        can=SESSION_METHODS,
        cannot=("sandboxed",),
        own=None,
        mode="default",
        quirks=("as root it refuses every prompt unless `IS_SANDBOX=1` is in `env`",),
        tried="0.100.0",
    ),
    "copilot": KnownAgent(
        command=("copilot", "--acp", "--no-auto-update"),
        install="npm install -g @github/copilot",
        login="copilot login",
        replays_open=False,
        adds_up_tokens=True,
        has_notices=True,
        can=("list_sessions", "usage", "command_output"),
        cannot=("effort", "mcp_servers"),
        quirks=(
            "it is not started where `.mcp.json`, `.claude` and others are, unless `trust_project`",
            "a command that is denied ends its turn",
            "it ignores MCP servers that it would have to start",
            "it retries for a minute when the model's server fails",
            "a session that another process has open cannot be continued",
        ),
        guard=ProjectGuard(files=_COPILOT_FILES),
        own=OwnFolders(
            written=("~/.copilot", "~/.cache/copilot"),
            spared=("~/.copilot/mcp-config.json", "~/.copilot/agents", "~/.copilot/skills"),
        ),
        tried="1.0.102",
    ),
    "cline": KnownAgent(
        command=("cline", "--acp"),
        install="npm install -g cline",
        login="cline auth",
        guard=ProjectGuard(
            files=ProjectFiles(
                upwards=(
                    *(".agents", ".cline", ".claude/skills"),
                    *(f".clinerules/{name}" for name in ("agents", "hooks", "skills", "workflows")),
                )
            )
        ),
        own=OwnFolders(written=("~/.cline",)),
        tried="3.0.65",
    ),
    "mistral-vibe": KnownAgent(
        command=("vibe-acp",),
        install="pip install mistral-vibe",
        login="vibe --setup",
        guard=ProjectGuard(files=ProjectFiles(upwards=(".vibe", ".agents"))),
        own=OwnFolders(written=("~/.vibe",), spared=("~/.vibe/config.toml", "~/.vibe/agents")),
        tried="3.0.3",
    ),
}
"""Agents by the name after ``acp:``."""


def agent_names() -> list[str]:
    """Returns the names of all known agents, those of other packages after our own."""
    return [*AGENTS, *(name for name in _plugins() if name not in AGENTS)]


def find_agent(name: str) -> KnownAgent | None:
    """Returns what is known about an agent, ``None`` if it is unknown."""
    if name in AGENTS:
        return AGENTS[name]
    load = _plugins().get(name)
    return load() if load else None


def _plugins() -> dict[str, Callable[[], KnownAgent]]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 15 ms, and seldom needed

    points = entry_points(group=ENTRY_POINT_GROUP)
    return {point.name: cast("Callable[[], KnownAgent]", point.load) for point in points}
