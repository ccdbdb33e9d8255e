"""The agents of a server: what may be asked of them, and a warm client for each provider."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self, cast, get_args

import msgspec

from signedin.client.async_client import AsyncClient
from signedin.integrations.mcp import asking
from signedin.integrations.mcp.jobs import Job
from signedin.model import events as e
from signedin.model.approvals import ApprovalRequest, Decision, Question, allow
from signedin.model.choices import Permissions
from signedin.model.errors import InvalidOptionError, PermissionDeniedError
from signedin.model.options import TurnKeywords, checked_directory
from signedin.model.redact import redact
from signedin.model.results import RunResult
from signedin.providers.registry import load_provider, provider_names

_LEVELS: tuple[Permissions, ...] = get_args(Permissions)
_LONGEST_LINE = 200


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a server was started with.

    Attributes:
        providers: Who may be asked.
        permissions: The most that an agent may do without asking.
        folder: Agents work in it or below, with symlinks resolved.
    """

    providers: tuple[str, ...]
    permissions: Permissions
    folder: Path

    @classmethod
    def of(cls, providers: Sequence[str], permissions: Permissions, cwd: str) -> Self:
        """Returns what is asked for, by default all providers that are installed.

        Raises:
            SignedinError: A provider or the folder does not exist.
        """
        names = [name for name in provider_names() if AsyncClient(name).installation().usable]
        for name in providers:
            load_provider(name)
        folder = checked_directory(cwd).resolve()
        return cls(providers=tuple(providers or names), permissions=permissions, folder=folder)

    @property
    def levels(self) -> tuple[Permissions, ...]:
        """The permissions that may be given."""
        return _LEVELS[: _LEVELS.index(self.permissions) + 1]

    def provider(self, name: str | None) -> str:
        """Returns the provider that was named, or the only one."""
        if name is None and len(self.providers) == 1:
            return self.providers[0]
        if name not in self.providers:
            asks = f"provider must be one of: {', '.join(self.providers)}"
            raise InvalidOptionError(asks if name is None else f"{asks}; not {name!r}")
        return name

    def permit(self, asked: Permissions) -> Permissions:
        """Returns the permissions that are asked for."""
        if asked not in self.levels:
            raise PermissionDeniedError(
                f"agents of this server have at most the permissions {self.permissions}, not "
                f"{asked}; start it with --permissions {asked} to allow this"
            )
        return asked

    def folder_at(self, cwd: str | None) -> Path:
        """Returns a folder, which may be relative to the server's, with symlinks resolved."""
        try:
            found = Path(os.path.realpath(self.folder / (cwd or "")))
        except ValueError:  # no name holds a NUL
            raise InvalidOptionError(f"cwd {cwd!r} does not exist") from None
        if not found.is_relative_to(self.folder):
            raise PermissionDeniedError(
                f"agents of this server work in {self.folder} and below, not in {found}; "
                "start it with another --cwd to allow this"
            )
        return found


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt within the scope of the server.

    Attributes:
        provider: Who is to answer.
        text: What is asked.
        folder: Where the agent works.
        permissions: What it may do unasked.
        session_id: The conversation it continues, if any.
        output: JSON Schema of the answer, if it has one.
        asks: Whether the client's user is asked for what is not permitted.
        keywords: Everything else; see `TurnKeywords`.
    """

    provider: str
    text: str
    folder: Path
    permissions: Permissions
    session_id: str | None = None
    output: Mapping[str, object] | None = None
    asks: bool = True
    keywords: Mapping[str, object] = {}

    def then(self, text: str, session_id: str, output: Mapping[str, object] | None) -> Prompt:
        """Returns the next prompt of its conversation: as many permissions, the same keywords."""
        return msgspec.structs.replace(self, text=text, session_id=session_id, output=output)


class Agents(AsyncExitStack):
    """The clients of a server; leaving its ``with`` block ends their processes.

    Attributes:
        scope: What may be asked of them.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__()
        self.scope = scope
        self._clients: dict[str, AsyncClient] = {}
        self._sessions: dict[str, Prompt] = {}

    def client(self, provider: str | None) -> AsyncClient:
        """Returns the client of a provider, made on first use."""
        name = self.scope.provider(provider)
        if name not in self._clients:
            self._clients[name] = AsyncClient(name)
            self.push_async_callback(self._clients[name].aclose)
        return self._clients[name]

    def prompt(
        self,
        text: str,
        provider: str | None,
        cwd: str | None,
        permissions: Permissions | None,
        *,
        output: Mapping[str, object] | None = None,
        keywords: Mapping[str, object] | None = None,
    ) -> Prompt:
        """Returns a prompt, by default with the most permissions that may be given.

        Raises:
            SignedinError: It is not within the scope of the server.
        """
        client = self.client(provider)
        if permissions is None:
            permissions = self.scope.permissions if client.capabilities.workspace else "read-only"
        return Prompt(
            provider=client.provider,
            text=text,
            folder=self.scope.folder_at(cwd),
            permissions=self.scope.permit(permissions),
            output=output,
            keywords=keywords or {},
        )

    async def last_prompt(self, session: str, provider: str | None, cwd: str | None) -> Prompt:
        """Returns how a session was used last; of one that another program began, the defaults.

        Raises:
            InvalidOptionError: The folder has no such session.
        """
        if prompt := self._sessions.get(session):
            elsewhere = cwd is not None and self.scope.folder_at(cwd) != prompt.folder
            if elsewhere or provider not in {None, prompt.provider}:
                raise InvalidOptionError(
                    f"session {session!r} is one of {prompt.provider} in {prompt.folder}"
                )
            return prompt
        prompt = self.prompt("", provider, cwd, None)
        client = self.client(prompt.provider)
        cursor: str | None = ""
        while cursor is not None:
            page = await client.sessions(cwd=prompt.folder, cursor=cursor or None)
            if any(stored.id == session for stored in page.sessions):
                return prompt
            cursor = page.next_cursor
        raise InvalidOptionError(
            f"{client.provider} has no session {session!r} of {prompt.folder}; see sessions"
        )

    async def run(self, prompt: Prompt, job: Job) -> RunResult[object]:
        """Runs a prompt to its end, and reports to its job what happens."""
        client = self.client(prompt.provider)
        keywords = {
            **prompt.keywords,
            "cwd": prompt.folder,
            "permissions": prompt.permissions,
            **_callbacks(client, prompt, job),
        }

        async def on_events(events: Sequence[e.AnyEvent]) -> None:
            for event in events:
                if isinstance(event, e.SessionEvent):
                    job.session_id = event.session_id
                    self._sessions[event.session_id] = prompt
                elif line := _line_of(event):
                    job.report(line)

        return await client.run(
            prompt.text,
            resume=prompt.session_id,
            output=prompt.output,
            on_events=on_events,
            **cast("TurnKeywords", keywords),
        )


def _callbacks(client: AsyncClient, prompt: Prompt, job: Job) -> dict[str, object]:
    """Asks the client's user, as far as the agent and the client can ask."""

    async def approve(request: ApprovalRequest) -> Decision:
        if not (prompt.asks and job.can_ask):
            return asking.UNABLE if prompt.asks else asking.NEVER
        entered = await job.ask(asking.approval_form(prompt.provider, request))
        return asking.DECLINED if entered is None else allow

    async def answer(questions: tuple[Question, ...]) -> Mapping[str, str] | None:
        if not job.can_ask or any(question.secret for question in questions):
            return None  # MCP has no forms for secrets
        entered = await job.ask(asking.question_form(prompt.provider, questions))
        return asking.answers_of(questions, entered)

    callbacks: dict[str, object] = {}
    if client.capabilities.approvals:
        callbacks["on_approval"] = approve
    if client.capabilities.questions:
        callbacks["on_question"] = answer
    return callbacks


def _line_of(event: e.AnyEvent) -> str:
    """What is worth a progress notification; empty for all else."""
    match event:
        case e.CommandEvent(status="started"):
            line = f"runs {event.command}"
        case e.FileChangeEvent(status="completed"):
            line = f"changed {', '.join(change.path for change in event.changes)}"
        case e.ToolEvent(status="started"):
            line = f"calls {event.name}"
        case e.MessageEvent() | e.WarningEvent() | e.RetryEvent() | e.FallbackEvent():
            line = event.text
        case _:
            line = ""
    line = " ".join(redact(line).split())
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
