"""How agents that share an API differ: what they call the tools for commands and files."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from signedin.loopback.script import EditFile, FreeformCall, Shell, ToolCall, WriteFile


class ToolNames(Struct, frozen=True):
    """An agent's names for its tools and for their arguments."""

    shell: str
    write: str
    edit: str
    path: str
    old: str
    new: str
    shell_extra: Mapping[str, str] = {}
    """More that its tool for commands wants to be told."""
    edit_extra: Mapping[str, str] = {}
    """More that its tool for edits wants to be told."""


GEMINI = ToolNames(
    "run_shell_command",
    "write_file",
    "replace",
    "file_path",
    "old_string",
    "new_string",
    edit_extra={"instruction": "A scripted edit."},
)
QWEN = ToolNames(
    "run_shell_command",
    "write_file",
    "edit",
    "file_path",
    "old_string",
    "new_string",
    shell_extra={"description": "A scripted command."},
)
OPENCODE = ToolNames(
    "bash",
    "write",
    "edit",
    "filePath",
    "oldString",
    "newString",
    shell_extra={"description": "A scripted command."},
)


def chat_agent(offered: Sequence[str]) -> ToolNames:
    """The names of the agent that offers these tools over the chat completions API."""
    return QWEN if "read_file" in offered else OPENCODE


def tool_call(
    part: Shell | WriteFile | EditFile | ToolCall | FreeformCall, names: ToolNames
) -> ToolCall:
    """`part` as a call of the agent's own tool."""
    match part:
        case Shell():
            arguments = {"command": part.command, **names.shell_extra, **part.arguments}
            return ToolCall(names.shell, arguments, id=part.id)
        case WriteFile():
            arguments = {names.path: part.path, "content": part.content}
            return ToolCall(names.write, arguments, id=part.id)
        case EditFile():
            arguments = {names.path: part.path, names.old: part.old, names.new: part.new}
            arguments |= names.edit_extra
            return ToolCall(names.edit, arguments, id=part.id)
        case FreeformCall():
            return ToolCall(part.name, {"input": part.input}, id=part.id)
        case ToolCall():
            return part
