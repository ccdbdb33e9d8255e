"""What an agent asks its client during a turn: may I, read this, write that, run this."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from signedin.model.approvals import (
    ApprovalRequest,
    ApprovalSubject,
    Decision,
    Host,
    approval_events,
)
from signedin.model.events import Event, FileChange
from signedin.model.options import TurnOptions
from signedin.providers.acp import protocol as acp
from signedin.providers.acp.mcp import McpTool
from signedin.providers.acp.normalise import TurnNormaliser
from signedin.providers.acp.terminals import Terminals
from signedin.providers.acp.toolcalls import changes_of, command_of, paths_in, unified_diff
from signedin.providers.acp.workspace import Workspace
from signedin.safety.sandbox.confinement import Access, Confinement
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import INTERNAL_ERROR, METHOD_NOT_FOUND, JsonRpcError, rpc_error

_SUBJECTS: Mapping[str, ApprovalSubject] = {
    "execute": "command",
    "edit": "file_change",
    "delete": "file_change",
    "move": "file_change",
    "fetch": "network",
}
_CANCELLED = {"outcome": {"outcome": "cancelled"}}
_WANTED_KINDS = {
    "allow": ("allow_once",),
    # What agents do "always" is wider than a session: every file, in others too, or a whole mode.
    "allow_for_session": ("allow_once",),
    "deny": ("reject_once", "reject_always"),
}

Granted: TypeAlias = tuple[str, str | None, str | None, str | None, tuple[str, ...]]
"""What an approval is about, to recognise the same again."""

T = TypeVar("T")


class RequestHandler:
    """Answers the questions of one turn.

    What the permission level covers is allowed without asking: everything with ``full-access``;
    with ``workspace-write`` file changes below the working directory, except to files that programs
    run unasked. The host decides anything else. What the agent then asks its client to do is
    checked against the same answers, so the host is asked even if the agent did not ask.

    Args:
        options: The options of the turn.
        host: Decides.
        normaliser: Has the tool calls of the turn.
        terminals: Runs commands for the agent.
        env: Environment for commands.
        granted: What was allowed for the whole session; the agent is not told.
        limits: The sandbox of the agent, which no answer lifts.
        emit: Takes the events that report questions and answers.

    Attributes:
        stop_wanted: Whether an answer was to stop the turn.
    """

    def __init__(
        self,
        options: TurnOptions,
        host: Host,
        normaliser: TurnNormaliser,
        terminals: Terminals,
        *,
        env: Mapping[str, str],
        granted: set[Granted],
        limits: Confinement | None,
        emit: Callable[[Sequence[Event]], None],
    ) -> None:
        self._options = options
        self._host = host
        self._normaliser = normaliser
        self._env = env
        self._granted = granted
        self._limits = limits
        self._emit = emit
        self._workspace = Workspace(options.cwd)
        self._terminals = terminals
        self._allowed_paths: set[str] = set()
        self._allowed_commands: set[str] = set()
        self._pending: set[asyncio.Task[Decision]] = set()
        self._stopping = False
        self.stop_wanted = False
        self._notes: list[str] = []

    async def answer(self, request: IncomingRequest) -> object:
        """Answers a question.

        Raises:
            JsonRpcError: It is refused, failed, or not known.
        """
        match request.method:
            case "session/request_permission":
                return await self._permission(request)
            case "fs/read_text_file":
                return await self._read_file(_params(request, acp.ReadTextFile))
            case "fs/write_text_file":
                return await self._write_file(_params(request, acp.WriteTextFile), request)
            case "terminal/create":
                return await self._create_terminal(_params(request, acp.CreateTerminal), request)
            case "terminal/output":
                name = _params(request, acp.TerminalId).terminal_id
                return _existing(lambda: self._terminals.output(name))
            case "terminal/wait_for_exit":
                name = _params(request, acp.TerminalId).terminal_id
                return await _existing(lambda: self._terminals.wait(name))
            case "terminal/kill":
                name = _params(request, acp.TerminalId).terminal_id
                return await _existing(lambda: self._terminals.kill(name))
            case "terminal/release":
                name = _params(request, acp.TerminalId).terminal_id
                return await _existing(lambda: self._terminals.release(name))
            case method:
                raise JsonRpcError(METHOD_NOT_FOUND, f"signedin has no method {method}")

    def take_notes(self) -> str:
        """Returns what the agent may do in place of what was refused, once; empty for nothing."""
        notes = "\n".join(self._notes)
        self._notes.clear()
        return notes

    def stop(self) -> None:
        """Answers whatever is still open with "cancelled", as the protocol requires."""
        self._stopping = True
        for task in self._pending:
            task.cancel()

    async def aclose(self) -> None:
        """Ends the commands that still run."""
        self.stop()
        await self._terminals.aclose()

    async def _permission(self, request: IncomingRequest) -> object:
        asked = _with_title(_params(request, acp.PermissionRequest))
        self._emit(self._normaliser.permission(asked.tool_call, request))
        call = self._normaliser.calls.state(asked.tool_call.tool_call_id)
        tool = self._normaliser.calls.mcp_tool(call.tool_call_id)
        approval = _approval_request(call, tool, self._options)
        trusted = self._is_trusted(tool)
        unasked = trusted and self._options.policy is None
        decision = (
            Decision("allow") if unasked else await self._decide(approval, request, trusted=trusted)
        )
        option = _option(asked.options, decision)
        if decision.changed is not None:
            self._notes.append(f"{approval.summary}: {decision.reason}")
        if decision.verdict in {"deny", "stop"} or option is None:
            payload = msgspec.Raw(request.line)
            self._emit(self._normaliser.calls.declined(call.tool_call_id, payload))
        if option is None or self._stopping:
            return _CANCELLED
        return {"outcome": {"outcome": "selected", "optionId": option}}

    async def _read_file(self, wanted: acp.ReadTextFile) -> object:
        return {"content": await _with_rpc_errors(asyncio.to_thread(self._read, wanted))}

    def _read(self, wanted: acp.ReadTextFile) -> str:
        if self._access_of(wanted.path) == "deny":
            raise _confined("reading", wanted.path)
        if self._options.permissions == "full-access":
            workspace = _everywhere(wanted.path)
        else:
            workspace = self._workspace
        return workspace.read(wanted.path, line=wanted.line, limit=wanted.limit)

    async def _write_file(self, wanted: acp.WriteTextFile, request: IncomingRequest) -> object:
        # Chosen before the decision: what is allowed inside is written inside or not at all.
        choice = asyncio.to_thread(self._place_and_change, wanted)
        workspace, change = await _with_rpc_errors(choice)
        approval = ApprovalRequest(
            subject="file_change",
            item_id=f"{request.method}:{request.id}",
            changes=(change,),
            cwd=str(self._options.cwd),
        )
        if wanted.path not in self._allowed_paths:
            decision = await self._decide(approval, request)
            if decision.verdict in {"deny", "stop"}:
                raise _refusal(f"writing {wanted.path}", decision)
        if self._access_of(wanted.path) != "write":
            raise _confined("writing", wanted.path)
        await _with_rpc_errors(asyncio.to_thread(workspace.write, wanted.path, wanted.content))
        return {}

    def _place_and_change(self, wanted: acp.WriteTextFile) -> tuple[Workspace, FileChange]:
        if self._access_of(wanted.path) == "deny":  # the change would show what is there
            raise _confined("writing", wanted.path)
        inside = self._workspace.contains(wanted.path)
        workspace = self._workspace if inside else Workspace(Path(wanted.path).parent)
        return workspace, _change_of(wanted, str(self._options.cwd / wanted.path))

    async def _create_terminal(
        self, wanted: acp.CreateTerminal, request: IncomingRequest
    ) -> object:
        command = shlex.join([wanted.command, *(wanted.args or ())])
        approval = ApprovalRequest(
            subject="command",
            item_id=f"{request.method}:{request.id}",
            command=command,
            cwd=wanted.cwd or str(self._options.cwd),
        )
        if command not in self._allowed_commands:
            decision = await self._decide(approval, request)
            if decision.verdict in {"deny", "stop"}:
                raise _refusal(f"running {command}", decision)
        create = self._terminals.create(wanted, env=self._env, cwd=str(self._options.cwd))
        return await _with_rpc_errors(create)

    async def _decide(
        self, approval: ApprovalRequest, request: IncomingRequest, *, trusted: bool = False
    ) -> Decision:
        decision = Decision("allow")
        covered = trusted or self._covered(approval)
        if not covered or self._options.policy is not None:
            decision = await self._ask(msgspec.structs.replace(approval, permitted=covered))
            self._emit(approval_events(approval, decision, msgspec.Raw(request.line)))
        if decision.verdict == "allow_for_session":
            self._granted.add(_grant(approval))
        self.stop_wanted = self.stop_wanted or decision.verdict == "stop"
        if decision.verdict in {"allow", "allow_for_session"}:
            self._allowed_paths.update(change.path for change in approval.changes)
            if approval.command:
                self._allowed_commands.add(approval.command)
        return decision

    async def _ask(self, approval: ApprovalRequest) -> Decision:
        if self._stopping:
            return Decision("stop")
        task = asyncio.ensure_future(self._host.approve(approval))
        self._pending.add(task)
        try:
            return await task
        except asyncio.CancelledError:
            if not task.cancelled() or not self._stopping:
                task.cancel()
                raise
            return Decision("stop")
        finally:
            self._pending.discard(task)

    def _access_of(self, path: str) -> Access:
        if self._limits is None:
            return "write"
        return self._limits.access_of(str(self._options.cwd / path))

    def _covered(self, approval: ApprovalRequest) -> bool:
        if self._options.permissions == "full-access" or _grant(approval) in self._granted:
            return True
        return (
            self._options.permissions == "workspace-write"
            and approval.subject == "file_change"
            and bool(approval.changes)
            and all(self._workspace.covers(path) for path in _touched(approval))
        )

    def _is_trusted(self, tool: McpTool | None) -> bool:
        """Whether it is a Python tool of the caller, or one of a server they trust."""
        if tool is None:
            return False
        return tool.server is None or self._options.mcp_servers[tool.server].trusted


def _touched(approval: ApprovalRequest) -> list[str]:
    """The paths a change reports, and those that only its arguments name."""
    return [*(change.path for change in approval.changes), *paths_in(approval.arguments)]


def _grant(approval: ApprovalRequest) -> Granted:
    paths = tuple(change.path for change in approval.changes)
    return (approval.subject, approval.command, approval.server, approval.tool, paths)


def _approval_request(
    call: acp.ToolCallReport, tool: McpTool | None, options: TurnOptions
) -> ApprovalRequest:
    subject = _SUBJECTS.get(call.kind or "", "tool")
    name = tool.name if tool else call.title
    return ApprovalRequest(
        subject=subject,
        item_id=call.tool_call_id,
        reason=call.title or "",
        command=command_of(call) if subject == "command" else None,
        cwd=str(options.cwd),
        changes=changes_of(call, str(options.cwd)) if subject == "file_change" else (),
        tool=name if subject in {"tool", "network"} else None,
        server=tool.server if tool else None,
        arguments=call.raw_input,
    )


def _with_title(asked: acp.PermissionRequest) -> acp.PermissionRequest:
    """Returns a request with the tool's name as its title.

    qwen 0.15 gives the arguments of an MCP tool as the title, and names the tool in the answers
    that it offers: "Always Allow in project: shout".
    """
    call = asked.tool_call
    names = {option.name.rpartition(": ")[2] for option in asked.options if ": " in option.name}
    if len(names) != 1 or not (call.title or "").startswith("{"):
        return asked
    return msgspec.structs.replace(
        asked, tool_call=msgspec.structs.replace(call, title=names.pop())
    )


def _everywhere(path: str) -> Workspace:
    return Workspace(Path(Path(path).anchor or "/"))


def _change_of(wanted: acp.WriteTextFile, path: str) -> FileChange:
    try:
        old = _everywhere(path).read(path)
    except FileNotFoundError:
        return FileChange(wanted.path, "add", wanted.content)
    return FileChange(wanted.path, "update", unified_diff(old, wanted.content))


def _option(options: Sequence[acp.PermissionOption], decision: Decision) -> str | None:
    """The offered answer that allows no more than was decided; ``None`` if there is none."""
    for kind in _WANTED_KINDS.get(decision.verdict, ()):
        for option in options:
            if option.kind == kind:
                return option.option_id
    return None


def _params(request: IncomingRequest, params_type: type[T]) -> T:
    try:
        return msgspec.json.decode(request.params, type=params_type)
    except acp.UNREADABLE as error:
        raise rpc_error(-32602, f"unknown form of {request.method}: {error}") from error


def _existing(use: Callable[[], T]) -> T:
    try:
        return use()
    except KeyError as error:
        raise rpc_error(-32602, f"there is no terminal {error}") from error


async def _with_rpc_errors(work: Awaitable[T]) -> T:
    """Turns errors of the system into answers that agents understand."""
    try:
        return await work
    except FileNotFoundError as error:
        raise JsonRpcError(acp.RESOURCE_NOT_FOUND, _system_message(error)) from error
    except OSError as error:
        raise JsonRpcError(INTERNAL_ERROR, _system_message(error)) from error
    except ValueError as error:  # a path that cannot be one
        raise rpc_error(-32602, str(error)) from error


def _system_message(error: OSError) -> str:
    return f"{error.strerror or error}: {error.filename}"


def _confined(what: str, path: str) -> JsonRpcError:
    return JsonRpcError(INTERNAL_ERROR, f"{what} {path}: the sandbox does not allow it")


def _refusal(what: str, decision: Decision) -> JsonRpcError:
    return JsonRpcError(INTERNAL_ERROR, f"{what} was not allowed: {decision.reason or 'denied'}")
