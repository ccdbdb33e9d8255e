"""Sessions on the app-server: Codex's threads behind the provider contract."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET, UnsetType

from signedin.accounts.billing import Account
from signedin.accounts.hints import how_to_sign_in
from signedin.model.approvals import Host
from signedin.model.errors import (
    AuthRequiredError,
    InvalidOptionError,
    SessionBusyError,
    UnsupportedOptionError,
)
from signedin.model.events import SessionEvent
from signedin.model.options import McpServer, TurnOptions
from signedin.model.results import PastTurn
from signedin.providers.base import ProviderSession, ReviewTarget, SessionRequest
from signedin.providers.codex import protocol as p, trust
from signedin.providers.codex.account.home import OWN_PROVIDER, nobody_signed_in
from signedin.providers.codex.app_server import store
from signedin.providers.codex.app_server.process import AppServer
from signedin.providers.codex.app_server.running_turn import ThreadOpened, session_event
from signedin.providers.codex.app_server.turn import CodexTurn
from signedin.providers.codex.app_server.turn_settings import TurnSettings
from signedin.providers.codex.failure import refusal_in
from signedin.providers.codex.options import (
    FIXED_OPTIONS,
    REVIEWER,
    SANDBOX_MODES,
    WORKSPACE_WRITE_KEY,
    CodexOptions,
    image_file,
    with_mcp_servers,
)
from signedin.providers.shared.images import image_url
from signedin.wire.jsonl import UNDECODABLE
from signedin.wire.rpc_errors import InternalRpcError, InvalidParamsError, InvalidRequestError

if TYPE_CHECKING:
    from signedin.tools.tool import AnyTool

LONGEST_INPUT = 1_000_000
"""Characters of one turn's input. The server refuses more than 1,048,576 (codex 0.169)."""

ACCOUNT_SECONDS = 10.0
"""How long Codex may take to report whether anybody is signed in; it looks into a file."""

Connect = Callable[[str | None], Awaitable[AppServer]]
"""Returns a live server for a thread, or for a new one, starting one if need be."""


class CodexSession(ProviderSession):
    """A thread. If the server dies, the next turn resumes the thread on a new one."""

    provider = "codex"
    fixed_options = FIXED_OPTIONS

    def __init__(
        self, connect: Connect, request: SessionRequest, asked: CodexOptions, account: Account
    ) -> None:
        self._connect = connect
        self._account = account
        self._needs_login = False
        self._left_running = False
        self._begun_with = asked
        self._id = request.resume
        # Codex stores what a resumed thread does, whatever is asked; a copy can be without trace.
        self._fork = request.fork or (request.resume is not None and request.options.ephemeral)
        stored = self._resumed = request.resume is not None
        if stored and self._begun_with.keys.personality:
            raise UnsupportedOptionError(
                "codex", "personality", "a thread keeps what it began with"
            )
        # Codex gives instructions to the model when a thread starts, and never to a stored one.
        self._pending_instructions = request.options.instructions if stored else None
        self._awaited: Mapping[str, McpServer] = {}
        self._settings = TurnSettings(stored=stored)
        self._server: AppServer | None = None
        self._opening: SessionEvent | None = None
        self._file: str | None = None
        self._stale: str | None = None
        self._counted: p.TokenUsageBreakdown | None = None

    @property
    def id(self) -> str | None:
        """The thread's id."""
        return self._id

    async def open(self, server: AppServer) -> None:
        """Starts the thread, or resumes it, on a live server.

        Raises:
            InvalidOptionError: The server refused the options, or knows no such thread.
        """
        with server.in_use():
            await self._open_on(server)

    async def _opened(self) -> AppServer:
        """Returns the server that has the thread; if there is none, opens it on another one."""
        server = await self._reach()
        if server is not self._server:
            await self.open(server)
        return server

    async def _open_on(self, server: AppServer) -> None:
        home = Path(server.identity.codex_home)
        trusted = trust.trusted_folders(home)
        settings = _thread_settings(self._begun_with, home, trusted)
        settings["config"] = server.kept_from_commands(settings["config"])
        async with refusals():
            if self._id is None:
                params = _start_params(self._begun_with.turn, settings)
                opened = await server.call("thread/start", params, p.ThreadStartResponse)
                await give_instructions(
                    server, opened, self._begun_with.config, self._begun_with.turn.cwd, trusted
                )
            elif self._fork:
                fork = _fork_params(self._id, self._begun_with.turn, settings)
                opened = await server.call("thread/fork", fork, p.ThreadForkResponse)
            else:
                resume = p.ThreadResumeParams(thread_id=self._id, exclude_turns=True, **settings)
                opened = await server.call("thread/resume", resume, p.ThreadResumeResponse)
        if self._resumed:
            await _check_tools(opened, self._begun_with.turn)
        self._resumed = False
        self._server = server
        self._awaited = self._begun_with.turn.mcp_servers
        self._fork = False
        self._id = opened.thread.id
        self._opening = session_event(opened)
        self._file = opened.thread.path
        self._needs_login = opened.model_provider == OWN_PROVIDER
        server.hold(opened.thread.id)

    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> CodexTurn:
        """Sends a prompt."""
        opened_with = self._begun_with
        asked = opened_with if options is opened_with.turn else opened_with.of_turn(options)
        if options.on_question and not opened_with.turn.on_question:
            raise InvalidOptionError(
                "'on_question' is fixed when a session of codex begins: in one that began without, "
                "Codex asks nothing; give it to session()"
            )
        head, text = prompt[:-LONGEST_INPUT], prompt[-LONGEST_INPUT:]
        async with self._beginning(asked, host) as turn:
            params = p.TurnStartParams(
                thread_id=turn.thread_id,
                input=[p.TextUserInput(text=text), *_image_inputs(options)],
                output_schema=options.output.strict_schema if options.output else UNSET,
                **await self._settings_of(turn, asked),
            )
            if head:
                injected = _injected(turn.thread_id, head)
                await turn.server.call("thread/inject_items", injected, msgspec.Raw)
            started = await turn.ask("turn/start", params, p.TurnStartResponse)
            turn.id = started.turn.id
        return turn

    async def start_compaction(self, options: TurnOptions, host: Host) -> CodexTurn:
        """Compacts the thread: Codex replaces its history by a summary."""
        asked = self._begun_with.of_turn(options)
        _refuse_images(options, "a compaction")
        async with self._beginning(asked, host) as turn:
            await self._settle(turn, asked)
            params = p.ThreadCompactStartParams(thread_id=turn.thread_id)
            await turn.ask("thread/compact/start", params, p.ThreadCompactStartResponse)
        return turn

    async def start_review(
        self, target: ReviewTarget, options: TurnOptions, host: Host
    ) -> CodexTurn:
        """Asks Codex to review changes, in this thread.

        Raises:
            UnsupportedOptionError: It was given images.
            InvalidOptionError: What to review was given in two ways.
        """
        asked = self._begun_with.of_turn(options)
        _refuse_images(options, "a review")
        reviewed = store.review_target(target)
        async with self._beginning(asked, host, may_not_begin=True) as turn:
            await self._settle(turn, asked)
            params = p.ReviewStartParams(
                thread_id=turn.thread_id, target=reviewed, delivery="inline"
            )
            started = await turn.ask("review/start", params, p.ReviewStartResponse)
            turn.id = started.turn.id
        return turn

    async def history(self) -> list[PastTurn]:
        """Returns the thread's turns, the oldest first.

        It need not be open for that: Codex would take it for used just now.
        """
        async with self._asked() as server:
            return await store.read_history(server, cast("str", self._id))

    async def rename(self, name: str) -> None:
        """Names the thread."""
        server = await self._opened()
        params = p.ThreadSetNameParams(thread_id=cast("str", self._id), name=name)
        async with refusals():
            await server.call("thread/name/set", params, p.ThreadSetNameResponse)

    async def set_archived(self, *, archived: bool) -> None:
        """Archives the thread, or unarchives it."""
        thread_id = cast("str", self._id)
        async with self._asked() as server:
            if archived:
                params = p.ThreadArchiveParams(thread_id=thread_id)
                await server.call("thread/archive", params, p.ThreadArchiveResponse)
            else:
                unarchive = p.ThreadUnarchiveParams(thread_id=thread_id)
                await server.call("thread/unarchive", unarchive, p.ThreadUnarchiveResponse)
        # Codex forgets a thread that it moves; the next call resumes it.
        await self._leave(thread_id)

    async def delete(self) -> None:
        """Deletes the thread permanently."""
        thread_id = cast("str", self._id)
        async with self._asked() as server:
            params = p.ThreadDeleteParams(thread_id=thread_id)
            await server.call("thread/delete", params, p.ThreadDeleteResponse)
        await self._leave(thread_id)

    async def aclose(self) -> None:
        """Lets the server forget the thread, unless there are other handles of it.

        It stays in Codex's store.
        """
        server, thread_id = self._server, self._id
        if server is None or thread_id is None or server.closed is not None:
            return
        if await self._leave(thread_id) and server.closed is None:
            if self._left_running:
                # Nobody could reach them any more; Codex would let them run on.
                clean = p.ThreadBackgroundTerminalsCleanParams(thread_id=thread_id)
                server.send("thread/backgroundTerminals/clean", clean)
            server.send("thread/unsubscribe", p.ThreadUnsubscribeParams(thread_id=thread_id))

    async def roll_back(self) -> None:
        """Takes the last turn out of the thread."""
        if self._begun_with.turn.ephemeral:
            raise UnsupportedOptionError("codex", "retry", "an ephemeral session is not stored")
        server = await self._opened()
        thread_id = cast("str", self._id)
        newest = p.ThreadTurnsListParams(thread_id=thread_id, sort_direction="desc", limit=1)
        async with refusals():
            page = await server.call("thread/turns/list", newest, p.ThreadTurnsListResponse)
            for turn in page.data:
                params = {"threadId": thread_id, "beforeTurnId": turn.id}
                await server.call("thread/revert", params, msgspec.Raw)

    async def _settle(self, turn: CodexTurn, asked: CodexOptions) -> None:
        """Says what holds for a turn if the request that begins it cannot."""
        settings = await self._settings_of(turn, asked)
        params = _ThreadSettings(thread_id=turn.thread_id, **settings)
        await turn.server.call("thread/settings/update", params, msgspec.Raw)

    async def _settings_of(self, turn: CodexTurn, asked: CodexOptions) -> dict[str, Any]:
        model = cast("SessionEvent", self._opening).model
        return await self._settings.of(turn.server, asked, model)

    @asynccontextmanager
    async def _beginning(
        self, asked: CodexOptions, host: Host, *, may_not_begin: bool = False
    ) -> AsyncGenerator[CodexTurn, None]:
        """Gives a turn to a block that begins it; whatever that raises, none is left running."""
        server = await self._opened()
        opened = cast("SessionEvent", self._opening)
        opening = msgspec.structs.replace(opened, effort=asked.effort)
        if self._needs_login and not server.signed_in:
            await _require_account(server, self._account)
        turn = CodexTurn(
            server,
            opening.session_id,
            host,
            lambda: self._turn_over(turn),
            counted=self._counted,
            cwd=asked.turn.cwd,
            confined=asked.turn.permissions != "full-access",
            file=self._file,
            stale=self._stale,
            awaited=self._awaited,
            may_not_begin=may_not_begin,
        )
        turn.queue.put([opening])
        server.listen(opening.session_id, turn)
        async with refusals(), turn.beginning():
            if self._awaited:
                failed = await server.mcp_startups.settled(opening.session_id, self._awaited)
                self._awaited = turn.awaited = {}
                turn.queue.put(failed)
                turn.queue.wake()
            if instructions := self._pending_instructions:
                injected = _injected(opening.session_id, instructions, role="developer")
                await server.call("thread/inject_items", injected, msgspec.Raw)
                self._pending_instructions = None
            yield turn

    async def _reach(self) -> AppServer:
        """Returns the server that has the thread, else another one."""
        if self._server is not None and self._server.closed is None:
            return self._server
        return await self._connect(self._id)

    @asynccontextmanager
    async def _asked(self) -> AsyncGenerator[AppServer, None]:
        """Gives a server for requests about a thread that need not be open."""
        server = await self._reach()
        with server.in_use():
            async with refusals():
                yield server

    async def _leave(self, thread_id: str) -> bool:
        """Holds the thread no longer; returns whether nobody else does."""
        server, self._server = self._server, None
        if server is None:
            return False
        last = server.release(thread_id)
        if server.retired and not server.held:
            await server.aclose()
        return last

    def _turn_over(self, turn: CodexTurn) -> None:
        self._counted = turn.counted
        self._stale = turn.refusal
        self._left_running |= turn.left_running


@asynccontextmanager
async def refusals() -> AsyncGenerator[None, None]:
    """Turns the server's refusal of a request into an error about the caller's options."""
    try:
        yield
    except (InvalidParamsError, InvalidRequestError) as error:
        if _LOCKED.search(error.message):
            raise SessionBusyError(
                f"codex refused: {error.message}. Another process of Codex has it open: one of "
                "another client, or of this one with another 'env'; close that client, or continue "
                "in a copy with fork=True"
            ) from error
        raise InvalidOptionError(f"codex refused: {_in_our_words(error.message)}") from error
    except InternalRpcError as error:
        if (refusal := refusal_in(error.message)) is None:
            raise
        raise refusal from error


_UNARCHIVE = re.compile(r"Run `codex unarchive \S+` to unarchive it first\.?")
_LOCKED = re.compile(r"already has an active writer")
_UNKNOWN_ID = re.compile(r"(no rollout found|invalid (?:session|thread) id)(?:: .*)?")


def _in_our_words(refusal: str) -> str:
    """Replaces the way out that Codex names by ours (seen with codex 0.163 and 0.169)."""
    if _UNKNOWN_ID.search(refusal):
        what = _UNKNOWN_ID.sub(r"\1", refusal)
        return f"{what}; `signedin sessions list` has the ids of those that are stored"
    return _UNARCHIVE.sub("Unarchive it first, with session.unarchive().", refusal)


async def give_instructions(
    server: AppServer,
    opened: p.ThreadStartResponse,
    given: Mapping[str, object],
    cwd: Path,
    trusted: Iterable[Path],
) -> None:
    """Gives a new thread the project's instructions if Codex left them out for want of trust."""
    home = Path(server.identity.codex_home)
    distrusted = trust.concerning(cwd, trusted)
    read = any(Path(source).parent != home for source in opened.instruction_sources)
    if distrusted and not read and (text := trust.instructions(home, cwd, given)):
        await server.call("thread/inject_items", _injected(opened.thread.id, text), msgspec.Raw)


async def _require_account(server: AppServer, account: Account) -> None:
    """Asks, once for each process, whether anybody is signed in.

    Raises:
        AuthRequiredError: Nobody is. Codex would try for half a minute to connect all the same.
    """
    params = p.GetAccountParams(refresh_token=False)
    try:
        answer = await server.call(
            "account/read", params, p.GetAccountResponse, timeout=ACCOUNT_SECONDS
        )
    except InvalidRequestError as error:  # half a login
        raise AuthRequiredError(
            f"codex cannot use the login in {account.home}: {error.message}. "
            f"{how_to_sign_in('codex')}"
        ) from error
    if answer.requires_openai_auth and answer.account is None:
        raise nobody_signed_in(account)
    server.signed_in = True


async def _check_tools(opened: ThreadOpened, options: TurnOptions) -> None:
    """Refuses tools that a stored thread does not have: it has those that it began with.

    Raises:
        UnsupportedOptionError: There are others among them.
    """
    if not options.tools:
        return
    stored = await asyncio.to_thread(_stored_tools, opened.thread.path)
    if missing := [tool.name for tool in options.tools if tool.name not in stored]:
        raise UnsupportedOptionError(
            "codex",
            "tools",
            f"a stored session has the tools it began with, not {', '.join(missing)}; "
            "begin a new session",
        )


def _stored_tools(path: str | None) -> set[str]:
    """Reads which tools a thread began with, from the first line of its file."""
    if path is None:
        return set()
    try:
        with Path(path).open("rb") as file:
            first = msgspec.json.decode(file.readline(), type=_FirstLine)
    except (OSError, *UNDECODABLE):
        return set()
    return {tool.name for tool in first.payload.dynamic_tools or ()}


class _StoredTool(msgspec.Struct):
    name: str = ""


class _FirstPayload(msgspec.Struct):
    dynamic_tools: list[_StoredTool] | None = None


class _FirstLine(msgspec.Struct):
    payload: _FirstPayload


class _ThreadSettings(msgspec.Struct, rename="camel", kw_only=True):
    thread_id: str
    cwd: str
    sandbox_policy: p.SandboxPolicyParam
    approval_policy: str
    approvals_reviewer: str
    model: str | UnsetType = UNSET
    effort: str | UnsetType = UNSET
    summary: str | UnsetType = UNSET
    service_tier: str | UnsetType | None = UNSET


def _refuse_images(options: TurnOptions, turn: str) -> None:
    if options.images:
        raise UnsupportedOptionError("codex", "images", f"images are not supported by {turn}")


def _start_params(options: TurnOptions, settings: dict[str, Any]) -> p.ThreadStartParams:
    # Codex writes into the user's configuration that it trusts the folder of a thread that begins
    # with more. Every turn has its own permissions anyway.
    settings["sandbox"] = "read-only"
    return p.ThreadStartParams(
        ephemeral=options.ephemeral,
        dynamic_tools=[_tool_spec(tool) for tool in options.tools] or UNSET,
        experimental_raw_events=True,
        **settings,
    )


def _fork_params(
    thread_id: str, options: TurnOptions, settings: dict[str, Any]
) -> p.ThreadForkParams:
    settings.pop("personality")  # thread/fork has no such parameter
    return p.ThreadForkParams(
        thread_id=thread_id, ephemeral=options.ephemeral, exclude_turns=True, **settings
    )


def _thread_settings(asked: CodexOptions, home: Path, trusted: Iterable[Path]) -> dict[str, Any]:
    """What starting and resuming a thread have in common."""
    options = asked.turn
    settings = with_mcp_servers(asked.config, options.mcp_servers)
    if not options.trust_project:
        settings = trust.without_skills(home, options.cwd, settings)
    if chosen := asked.effort:
        settings["model_reasoning_effort"] = chosen
    if options.on_question:
        # Left to itself Codex asks nothing outside of its plan mode (seen with 0.163 and 0.169).
        settings.setdefault("features.default_mode_request_user_input", True)
        # Else it warns, now and then, of a feature that the user has not switched on.
        settings.setdefault("suppress_unstable_features_warning", True)
    settings[WORKSPACE_WRITE_KEY] = asked.workspace_write
    settings |= trust.trusting(options.cwd) if options.trust_project else trust.distrusting(trusted)
    return {
        "cwd": str(options.cwd),
        "sandbox": SANDBOX_MODES[options.permissions],
        "approval_policy": asked.approval_policy,
        "approvals_reviewer": REVIEWER,
        "config": settings,
        "model": asked.model or UNSET,
        "developer_instructions": options.instructions or UNSET,
        "base_instructions": asked.keys.base_instructions or UNSET,
        "service_tier": asked.keys.service_tier or UNSET,
        "personality": asked.keys.personality or UNSET,
    }


def _tool_spec(tool: AnyTool) -> p.FunctionDynamicToolSpec:
    return p.FunctionDynamicToolSpec(
        name=tool.name, description=tool.description, input_schema=tool.portable_schema
    )


def _image_inputs(options: TurnOptions) -> list[p.UserInputParam]:
    return [
        p.LocalImageUserInput(path=str(path))
        if (path := image_file(image))
        else p.ImageUserInput(url=image_url(image))
        for image in options.images
    ]


def _injected(thread_id: str, text: str, role: str = "user") -> dict[str, object]:
    """A message that comes before the next turn."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": role, "content": content}
    return {"threadId": thread_id, "items": [item]}
