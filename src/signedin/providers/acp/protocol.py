"""The part of the Agent Client Protocol, version 1, that this client reads.

Agents differ in what they leave out, send as ``null`` or add, so every field has a default, words
of enumerations are plain strings, and what is not read here stays readable in `Event.raw`.
Kept in step with schema 1.19 of github.com/agentclientprotocol, plus what Gemini CLI 0.61 and
qwen-code 0.15 still say in their own form (``models``, ``_meta.quota``).
"""

from __future__ import annotations

import msgspec
from msgspec import Struct

VERSION = 1
AUTH_REQUIRED = -32000
RESOURCE_NOT_FOUND = -32002
UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)
"""What decoding raises for a message of another form, or one that is nested too deeply."""


class _Wire(Struct, frozen=True, rename="camel"):
    """Base of what agents send: camelCase names, unknown fields ignored."""


class PromptCapabilities(_Wire, frozen=True):
    """What a prompt may contain besides text."""

    image: bool | None = False


class McpCapabilities(_Wire, frozen=True):
    """MCP servers an agent can reach besides those it starts itself."""

    http: bool | None = False


class SessionCapabilities(_Wire, frozen=True):
    """Optional session methods; any object means yes."""

    list: object = None
    resume: object = None
    close: object = None
    fork: object = None


class AgentCapabilities(_Wire, frozen=True):
    """What an agent can do."""

    load_session: bool | None = False
    prompt_capabilities: PromptCapabilities | None = None
    mcp_capabilities: McpCapabilities | None = None
    session_capabilities: SessionCapabilities | None = None


class Implementation(_Wire, frozen=True):
    """Name and version of an agent."""

    name: str = ""
    version: str = ""


class InitializeResult(_Wire, frozen=True):
    """The answer to ``initialize``."""

    protocol_version: int = VERSION
    agent_capabilities: AgentCapabilities | None = None
    agent_info: Implementation | None = None


class Modes(_Wire, frozen=True):
    """Modes of a session."""

    current_mode_id: str = ""


class SelectableModel(_Wire, frozen=True):
    """A model that can be chosen."""

    model_id: str = ""
    name: str | None = None


class Models(_Wire, frozen=True):
    """Models of a session, in the form older than ``configOptions``."""

    current_model_id: str = ""
    available_models: tuple[SelectableModel, ...] | None = None


class ConfigChoice(_Wire, frozen=True):
    """A value that a setting can have, or a group of such values."""

    value: object = None
    name: str | None = None
    options: tuple[ConfigChoice, ...] | None = None


class ConfigOption(_Wire, frozen=True):
    """One setting of a session, such as its model."""

    id: str = ""
    category: object = None
    current_value: object = None
    options: tuple[ConfigChoice, ...] | None = None


class SessionState(_Wire, frozen=True):
    """The answer to ``session/new``, ``session/load`` and ``session/resume``."""

    session_id: str | None = None
    modes: Modes | None = None
    models: Models | None = None
    config_options: tuple[ConfigOption, ...] | None = None


class ListedSession(_Wire, frozen=True):
    """A session in the agent's store."""

    session_id: str = ""
    cwd: str | None = None
    title: str | None = None
    updated_at: str | None = None


class StoredSessions(_Wire, frozen=True):
    """The answer to ``session/list``."""

    sessions: tuple[ListedSession, ...] = ()
    next_cursor: str | None = None


class Content(_Wire, frozen=True):
    """A content block; only texts are read."""

    type: str = ""
    text: str | None = None


class ToolContent(_Wire, frozen=True):
    """A result of a tool call: content, a diff or a terminal."""

    type: str = ""
    content: Content | None = None
    path: str | None = None
    old_text: str | None = None
    new_text: str | None = None
    terminal_id: str | None = None


class Location(_Wire, frozen=True):
    """A file a tool call works on."""

    path: str = ""


class ClaudeMeta(_Wire, frozen=True):
    """What claude-agent-acp adds to a tool call."""

    tool_name: str | None = None


class ToolMeta(_Wire, frozen=True):
    """What agents add to a tool call: qwen-code reports the tool's own name there."""

    tool_name: str | None = None
    claude_code: ClaudeMeta | None = None


class ToolCallReport(_Wire, frozen=True):
    """A tool call, or a report about one: what is ``None`` is unchanged."""

    tool_call_id: str = ""
    title: str | None = None
    kind: str | None = None
    status: str | None = None
    content: tuple[ToolContent, ...] | None = None
    locations: tuple[Location, ...] | None = None
    raw_input: object = None
    raw_output: object = None
    meta: ToolMeta | None = msgspec.field(name="_meta", default=None)

    @property
    def tool_names(self) -> tuple[str, ...]:
        """The tool's own names, as far as they are reported."""
        claude = self.meta.claude_code if self.meta else None
        names = (self.meta.tool_name if self.meta else None, claude.tool_name if claude else None)
        return tuple(name for name in names if name)


class PlanEntry(_Wire, frozen=True):
    """One step of a plan."""

    content: str = ""
    status: str = "pending"


class Update(_Wire, frozen=True, gc=False):
    """What any ``session/update`` says, distinguished by ``session_update``.

    The form of ``content`` depends on that kind, so it stays undecoded.
    """

    session_update: str = ""
    message_id: str | None = None
    content: msgspec.Raw = msgspec.Raw(b"null")


class SessionUpdate(_Wire, frozen=True, gc=False):
    """The parameters of ``session/update``."""

    session_id: str = ""
    update: Update = Update()


class PlanUpdate(_Wire, frozen=True):
    """An update with the whole plan."""

    entries: tuple[PlanEntry, ...] = ()


class UsageUpdate(_Wire, frozen=True):
    """An update with the state of the context window, in tokens."""

    used: int | None = None
    size: int | None = None


class TokenUsage(_Wire, frozen=True):
    """Tokens of one prompt."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    thought_tokens: int | None = None
    cached_read_tokens: int | None = None
    cached_write_tokens: int | None = None


class QuotaCount(Struct, frozen=True):
    """Tokens as Gemini CLI counts them."""

    input_tokens: int = 0
    output_tokens: int = 0


class QuotaModel(Struct, frozen=True):
    """One of the models that answered, in the order in which they began to."""

    model: str = ""


class Quota(Struct, frozen=True):
    """``_meta.quota`` of Gemini CLI."""

    token_count: QuotaCount | None = None
    model_usage: tuple[QuotaModel, ...] = ()


class ChunkMeta(_Wire, frozen=True):
    """What agents add to a chunk: qwen-code reports the tokens of each model request there."""

    usage: TokenUsage | None = None


class ChunkExtra(_Wire, frozen=True):
    """The part of a chunk besides its content."""

    meta: ChunkMeta | None = msgspec.field(name="_meta", default=None)


class PromptMeta(_Wire, frozen=True):
    """What agents add to the end of a prompt."""

    quota: Quota | None = None


class PromptResult(_Wire, frozen=True):
    """The answer to ``session/prompt``: the end of the turn."""

    stop_reason: str = ""
    usage: TokenUsage | None = None
    meta: PromptMeta | None = msgspec.field(name="_meta", default=None)


class PermissionOption(_Wire, frozen=True):
    """One of the answers an agent offers to its question."""

    option_id: str = ""
    kind: str = ""
    name: str = ""


class PermissionRequest(_Wire, frozen=True):
    """The parameters of ``session/request_permission``."""

    session_id: str = ""
    tool_call: ToolCallReport = ToolCallReport()
    options: tuple[PermissionOption, ...] = ()


class ReadTextFile(_Wire, frozen=True):
    """The parameters of ``fs/read_text_file``; lines are counted from 1."""

    session_id: str = ""
    path: str = ""
    line: int | None = None
    limit: int | None = None


class WriteTextFile(_Wire, frozen=True):
    """The parameters of ``fs/write_text_file``."""

    session_id: str = ""
    path: str = ""
    content: str = ""


class EnvVariable(_Wire, frozen=True):
    """A variable for a command."""

    name: str = ""
    value: str = ""

    def __repr__(self) -> str:
        """Leaves out the value, which may be a secret."""
        return f"EnvVariable({self.name!r})"


class CreateTerminal(_Wire, frozen=True):
    """The parameters of ``terminal/create``."""

    session_id: str = ""
    command: str = ""
    args: tuple[str, ...] | None = None
    env: tuple[EnvVariable, ...] | None = None
    cwd: str | None = None
    output_byte_limit: int | None = None


class TerminalId(_Wire, frozen=True):
    """The parameters of all other terminal methods."""

    session_id: str = ""
    terminal_id: str = ""


class Addressed(_Wire, frozen=True, gc=False):
    """The part of any message that says which session it is about."""

    session_id: str = ""
