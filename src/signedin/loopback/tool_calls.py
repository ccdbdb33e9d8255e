"""How agents that share an API differ: what they call the tools for commands and files."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from signedin.loopback.parts import (
    AskUser,
    Call,
    EditFile,
    FreeformCall,
    ReadFile,
    Shell,
    ToolCall,
    WriteFile,
)


class ToolNames(Struct, frozen=True):
    """An agent's names for its tools and for their arguments."""

    shell: str
    read: str
    write: str
    edit: str
    ask: str
    path: str
    old: str
    new: str
    content: str = "content"
    shell_extra: Mapping[str, str] = {}
    """Further arguments of its tool for commands."""
    edit_extra: Mapping[str, str] = {}
    """Further arguments of its tool for edits."""
    ask_extra: Mapping[str, object] = {}
    """Further arguments of its tool for questions, for each question."""
    unseen: str = "{name}"
    """What it calls a tool that it has and does not show before it is searched for."""


CLAUDE = ToolNames(
    "Bash",
    "Read",
    "Write",
    "Edit",
    "AskUserQuestion",
    "file_path",
    "old_string",
    "new_string",
    ask_extra={"multiSelect": False},
)


GEMINI = ToolNames(
    "run_shell_command",
    "read_file",
    "write_file",
    "replace",
    "ask_user",
    "file_path",
    "old_string",
    "new_string",
    edit_extra={"instruction": "A scripted edit."},
    ask_extra={"type": "choice"},
)
QWEN = ToolNames(
    "run_shell_command",
    "read_file",
    "write_file",
    "edit",
    "ask_user_question",
    "file_path",
    "old_string",
    "new_string",
    shell_extra={"description": "A scripted command."},
    unseen="mcp__signedin__{name}",
)
OPENCODE = ToolNames(
    "bash",
    "read",
    "write",
    "edit",
    "question",
    "filePath",
    "oldString",
    "newString",
    shell_extra={"description": "A scripted command."},
)
COPILOT = ToolNames(
    "bash",
    "view",
    "create",
    "edit",
    "ask_user",
    "path",
    "old_str",
    "new_str",
    content="file_text",
    shell_extra={"description": "A scripted command."},
)


def chat_agent(offered: Sequence[str]) -> ToolNames:
    """The names of the agent that offers these tools over the chat completions API."""
    if "view" in offered:
        return COPILOT
    return QWEN if "read_file" in offered else OPENCODE


def tool_call(part: Call, names: ToolNames, offered: Sequence[str]) -> ToolCall:
    """`part` as a call of the agent's own tool, one of those it has `offered`."""
    match part:
        case Shell():
            arguments = {"command": part.command, **names.shell_extra, **part.arguments}
            return ToolCall(names.shell, arguments, id=part.id)
        case ReadFile():
            return ToolCall(names.read, {names.path: part.path}, id=part.id)
        case WriteFile():
            arguments = {names.path: part.path, names.content: part.content}
            return ToolCall(names.write, arguments, id=part.id)
        case EditFile():
            arguments = {names.path: part.path, names.old: part.old, names.new: part.new}
            arguments |= names.edit_extra
            return ToolCall(names.edit, arguments, id=part.id)
        case AskUser():
            return ToolCall(names.ask, part.arguments(names.ask_extra), id=part.id)
        case FreeformCall():
            return ToolCall(part.name, {"input": part.input}, id=part.id)
        case ToolCall():
            name = _offered_name(part, offered)
            if name is None:
                is_whole = "tool_search" not in offered or part.name.startswith("mcp__")
                name = part.name if is_whole else names.unseen.format(name=part.name)
            return ToolCall(name, part.arguments, id=part.id)


def _offered_name(call: ToolCall, offered: Sequence[str]) -> str | None:
    """What an agent calls a tool; it puts the name of an MCP server before those of its tools."""
    whole = f"{call.namespace}__{call.name}" if call.namespace else call.name
    if whole in offered:
        return whole
    server = (call.namespace or "").rpartition("__")[2]
    endings = tuple(f"{server}{between}{call.name}" for between in ("_", "__", "-"))
    found = (name for name in offered if name.endswith(endings))
    return next(found, whole if call.namespace else None)
