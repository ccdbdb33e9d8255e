"""Sessions on the app-server: Codex's threads behind the provider contract."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET

from signedin.approvals import Host
from signedin.errors import InvalidOptionError, SessionBusyError, TransportClosedError
from signedin.events import SessionEvent
from signedin.options import TurnOptions
from signedin.providers.base import ProviderSession, ReviewTarget, SessionRequest
from signedin.providers.codex import config, protocol as p, store, trust
from signedin.providers.codex.app_server import AppServer
from signedin.providers.codex.live import session_event
from signedin.providers.codex.turns import CodexTurn
from signedin.results import PastTurn
from signedin.wire.jsonrpc import IncomingRequest
from signedin.wire.rpc_errors import (
    METHOD_NOT_FOUND,
    InvalidParamsError,
    InvalidRequestError,
    JsonRpcError,
)

if TYPE_CHECKING:
    from signedin.tools import AnyTool

LONGEST_INPUT = 1_000_000
"""Characters of one turn's input. The server refuses more than 1,048,576 (codex 0.169)."""

Connect = Callable[[], Awaitable[AppServer]]
"""Returns a live server, starting one if need be."""


TurnStarter = Callable[[AppServer, SessionEvent], Awaitable[str | None]]
"""Sends the request that begins a turn; returns the turn's id if the answer tells it."""


class CodexSession(ProviderSession):
    """A thread. If the server dies, the next turn resumes the thread on a new one."""

    provider = "codex"

    def __init__(self, connect: Connect, request: SessionRequest) -> None:
        self._connect = connect
        self._options = request.options
        self._id = request.resume
        self._fork = request.fork
        self._server: AppServer | None = None
        self._opening: SessionEvent | None = None
        self._turn: CodexTurn | None = None
        self._counted: p.TokenUsageBreakdown | None = None

    @property
    def id(self) -> str | None:
        """The thread's id."""
        return self._id

    @property
    def busy(self) -> bool:
        """Whether a turn of this handle runs."""
        return self._turn is not None

    async def open(self) -> AppServer:
        """Starts the thread, or resumes it, on a live server.

        Raises:
            InvalidOptionError: The server refused the options, or knows no such thread.
        """
        if self._server is not None and self._server.closed is None:
            return self._server
        server = await self._connect()
        settings = _thread_settings(self._options, Path(server.identity.codex_home))
        async with refusals():
            if self._id is None:
                params = _start_params(self._options, settings)
                opened = await server.call("thread/start", params, p.ThreadStartResponse)
                await give_instructions(
                    server, opened, config.thread_config(self._options), self._options.cwd
                )
            elif self._fork:
                fork = _fork_params(self._id, self._options, settings)
                opened = await server.call("thread/fork", fork, p.ThreadForkResponse)
            else:
                resume = p.ThreadResumeParams(thread_id=self._id, exclude_turns=True, **settings)
                opened = await server.call("thread/resume", resume, p.ThreadResumeResponse)
        self._server = server
        self._fork = False
        self._id = opened.thread.id
        self._opening = session_event(opened)
        server.hold(opened.thread.id)
        return server

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> CodexTurn:
        """Sends a prompt."""
        head, text = prompt[:-LONGEST_INPUT], prompt[-LONGEST_INPUT:]

        async def begin(server: AppServer, opening: SessionEvent) -> str:
            params = p.TurnStartParams(
                thread_id=opening.session_id,
                input=[p.TextUserInput(text=text), *_image_inputs(options)],
                output_schema=options.output.strict_schema if options.output else UNSET,
                **_turn_settings(options, opening.model),
            )
            if head:
                injected = _injected(opening.session_id, head)
                await server.call("thread/inject_items", injected, msgspec.Raw)
            started = await server.call("turn/start", params, p.TurnStartResponse)
            return started.turn.id

        return await self._start(host, begin)

    async def start_compaction(self, options: TurnOptions, host: Host) -> CodexTurn:
        """Has Codex replace the thread's history by a summary."""

        async def begin(server: AppServer, opening: SessionEvent) -> None:
            await _permit(server, opening.session_id, options)
            params = p.ThreadCompactStartParams(thread_id=opening.session_id)
            await server.call("thread/compact/start", params, p.ThreadCompactStartResponse)

        return await self._start(host, begin)

    async def start_review(
        self, target: ReviewTarget, options: TurnOptions, host: Host
    ) -> CodexTurn:
        """Has Codex review changes, in this thread."""

        async def begin(server: AppServer, opening: SessionEvent) -> str:
            await _permit(server, opening.session_id, options)
            params = p.ReviewStartParams(
                thread_id=opening.session_id, target=store.review_target(target), delivery="inline"
            )
            started = await server.call("review/start", params, p.ReviewStartResponse)
            return started.turn.id

        return await self._start(host, begin)

    async def history(self) -> list[PastTurn]:
        """Returns the thread's turns, the oldest first."""
        server = await self.open()
        return await store.read_history(server, cast("str", self._id))

    async def rename(self, name: str) -> None:
        """Names the thread."""
        server = await self.open()
        params = p.ThreadSetNameParams(thread_id=cast("str", self._id), name=name)
        async with refusals():
            await server.call("thread/name/set", params, p.ThreadSetNameResponse)

    async def set_archived(self, *, archived: bool) -> None:
        """Puts the thread away, or brings it back."""
        server = await self._connect()
        thread_id = cast("str", self._id)
        async with refusals():
            if archived:
                params = p.ThreadArchiveParams(thread_id=thread_id)
                await server.call("thread/archive", params, p.ThreadArchiveResponse)
            else:
                unarchive = p.ThreadUnarchiveParams(thread_id=thread_id)
                await server.call("thread/unarchive", unarchive, p.ThreadUnarchiveResponse)
        # Codex forgets a thread that it moves; the next call resumes it.
        self._leave(thread_id)

    async def delete(self) -> None:
        """Deletes the thread for good."""
        server = await self._connect()
        thread_id = cast("str", self._id)
        async with refusals():
            params = p.ThreadDeleteParams(thread_id=thread_id)
            await server.call("thread/delete", params, p.ThreadDeleteResponse)
        self._leave(thread_id)

    async def aclose(self) -> None:
        """Lets the server forget the thread, unless there are other handles of it.

        It stays in Codex's store.
        """
        server, thread_id = self._server, self._id
        if server is None or thread_id is None or server.closed is not None:
            return
        if self._leave(thread_id):
            server.send("thread/unsubscribe", p.ThreadUnsubscribeParams(thread_id=thread_id))

    def on_notification(self, method: str, params: p.Incoming | None, line: bytes) -> None:
        """Hands a message to the running turn. Between turns there is nobody to tell."""
        if self._turn is not None:
            self._turn.on_notification(method, params, line)

    def on_batch_end(self) -> None:
        """Wakes who waits for events."""
        if self._turn is not None:
            self._turn.wake()

    def on_close(self, error: TransportClosedError) -> None:
        """Tells the running turn that the process has ended."""
        if self._turn is not None:
            self._turn.on_close(error)

    async def on_request(self, request: IncomingRequest) -> object:
        """Has a question answered by the host of the running turn."""
        if self._turn is None:
            raise JsonRpcError(METHOD_NOT_FOUND, f"no turn is running to answer {request.method}")
        return await self._turn.on_request(request)

    async def _start(self, host: Host, begin: TurnStarter) -> CodexTurn:
        server = await self.open()
        opening = cast("SessionEvent", self._opening)
        self._take_over(server, opening.session_id)
        turn = self._turn = CodexTurn(
            server, opening.session_id, host, self._turn_over, counted=self._counted
        )
        turn.push([opening])
        async with refusals():
            await turn.start(lambda: begin(server, opening))
        return turn

    def _take_over(self, server: AppServer, thread_id: str) -> None:
        """Listens to the thread, which another handle may have done before.

        Raises:
            SessionBusyError: A turn of another handle runs. Codex would add this one's prompt to
                it, and do as it says with the permissions of the other.
        """
        other = server.listener(thread_id)
        if other is not self and isinstance(other, CodexSession) and other.busy:
            raise SessionBusyError(
                f"session {thread_id} is busy with a turn of another handle; wait for it"
            )
        server.listen(thread_id, self)

    def _leave(self, thread_id: str) -> bool:
        """Holds the thread no longer; returns whether nobody else does."""
        server, self._server = self._server, None
        if server is None:
            return False
        if server.listener(thread_id) is self:
            server.forget(thread_id)
        return server.release(thread_id)

    def _turn_over(self) -> None:
        if self._turn is not None:
            self._counted = self._turn.counted
            self._turn = None


@asynccontextmanager
async def refusals() -> AsyncGenerator[None, None]:
    """Turns the server's refusal of a request into an error about the caller's options."""
    try:
        yield
    except (InvalidParamsError, InvalidRequestError) as error:
        raise InvalidOptionError(f"codex refused: {error.message}") from error


async def give_instructions(
    server: AppServer, opened: p.ThreadStartResponse, given: Mapping[str, object], cwd: Path
) -> None:
    """Gives a new thread the project's instructions if Codex left them out for want of trust."""
    home = Path(server.identity.codex_home)
    distrusted = trust.concerning(cwd, trust.trusted_folders(home))
    read = any(Path(source).parent != home for source in opened.instruction_sources)
    if distrusted and not read and (text := trust.instructions(home, cwd, given)):
        await server.call("thread/inject_items", _injected(opened.thread.id, text), msgspec.Raw)


async def _permit(server: AppServer, thread_id: str, options: TurnOptions) -> None:
    """Sets what a turn may do if the request that begins it cannot say so."""
    settings = {
        "threadId": thread_id,
        "cwd": str(options.cwd),
        "sandboxPolicy": config.sandbox_policy(options),
        "approvalPolicy": config.approval_policy(options),
        "approvalsReviewer": config.REVIEWER,
    }
    await server.call("thread/settings/update", settings, msgspec.Raw)


def _start_params(options: TurnOptions, settings: dict[str, Any]) -> p.ThreadStartParams:
    # Codex writes into the user's configuration that it trusts the folder of a thread that begins
    # with more. Every turn has its own permissions anyway.
    settings["sandbox"] = "read-only"
    return p.ThreadStartParams(
        ephemeral=options.ephemeral,
        dynamic_tools=[_tool_spec(tool) for tool in options.tools] or UNSET,
        **settings,
    )


def _fork_params(
    thread_id: str, options: TurnOptions, settings: dict[str, Any]
) -> p.ThreadForkParams:
    del settings["personality"]  # thread/fork has no such parameter
    return p.ThreadForkParams(
        thread_id=thread_id, ephemeral=options.ephemeral, exclude_turns=True, **settings
    )


def _thread_settings(options: TurnOptions, home: Path) -> dict[str, Any]:
    """What starting and resuming a thread have in common."""
    settings = config.with_mcp_servers(config.thread_config(options), options.mcp_servers)
    if not options.trust_project:
        settings = trust.without_skills(home, options.cwd, settings)
    if chosen := config.effort(options):
        settings["model_reasoning_effort"] = chosen
    if options.on_question:
        # Left to itself Codex asks nothing outside of its plan mode (seen with 0.163 and 0.169).
        settings.setdefault("features.default_mode_request_user_input", True)
        # Else it warns, now and then, of a feature that the user has not switched on.
        settings.setdefault("suppress_unstable_features_warning", True)
    settings |= config.workspace_write(options)
    settings |= (
        trust.trusting(options.cwd)
        if options.trust_project
        else trust.distrusting(trust.trusted_folders(home))
    )
    return {
        "cwd": str(options.cwd),
        "sandbox": config.SANDBOX_MODES[options.permissions],
        "approval_policy": config.approval_policy(options),
        "approvals_reviewer": config.REVIEWER,
        "config": settings,
        "model": config.model(options) or UNSET,
        "developer_instructions": options.instructions or UNSET,
        "base_instructions": _option(options, "base_instructions"),
        "service_tier": _option(options, "service_tier"),
        "personality": _option(options, "personality"),
    }


def _turn_settings(options: TurnOptions, model: str | None) -> dict[str, Any]:
    """What may change from turn to turn.

    All of it is said each time: nobody knows what else was done with the thread. Codex keeps what
    it was told last, and for a thread it has loaded it does not look at what ``thread/resume`` says
    (seen with 0.163 and 0.169).
    """
    return {
        "cwd": str(options.cwd),
        "model": config.model(options) or model or UNSET,
        "effort": config.effort(options) or UNSET,
        "sandbox_policy": config.sandbox_policy(options),
        "approval_policy": config.approval_policy(options),
        "approvals_reviewer": config.REVIEWER,
        "summary": _option(options, "summary"),
    }


def _option(options: TurnOptions, name: str) -> object:
    value = config.provider_option(options, name)
    return UNSET if value is None else value


def _tool_spec(tool: AnyTool) -> p.FunctionDynamicToolSpec:
    return p.FunctionDynamicToolSpec(
        name=tool.name, description=tool.description, input_schema=tool.portable_schema
    )


def _image_inputs(options: TurnOptions) -> list[p.UserInputParam]:
    return [
        p.LocalImageUserInput(path=str(path))
        if (path := config.image_file(image))
        else p.ImageUserInput(url=config.image_url(image))
        for image in options.images
    ]


def _injected(thread_id: str, text: str) -> dict[str, object]:
    """The part of a prompt that is too long for an input, as a message of the user before it."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    return {"threadId": thread_id, "items": [item]}
