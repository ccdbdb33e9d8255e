"""The tools of the server, each a method of the call that a client makes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, cast

import mcp_types as types
import msgspec
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from signedin.integrations.mcp.agents import Agents, Prompt
from signedin.integrations.mcp.asking import Entered
from signedin.integrations.mcp.jobs import Asked, Job, Jobs, Status
from signedin.model.choices import Permissions
from signedin.model.errors import PermissionDeniedError, SignedinError, UnsupportedOptionError
from signedin.model.events import RateLimits, Usage, WarningEvent
from signedin.model.results import RunResult, SessionPage
from signedin.tools.tool import tool

if TYPE_CHECKING:
    from mcp.server.context import ServerRequestContext

Task: TypeAlias = Annotated[str, "What to do. The agent does not know your conversation."]
Provider: TypeAlias = Annotated[str | None, "Who is to do it; see providers."]
Cwd: TypeAlias = Annotated[str | None, "The folder: that of the server, or one below."]
Level: TypeAlias = Annotated[
    Permissions | None, "What the agent may do unasked; by default as much as the server gives."
]
OutputSchema: TypeAlias = Annotated[
    dict[str, object] | None, "JSON Schema that the answer has to fit."
]
SessionId: TypeAlias = Annotated[str, "The session_id of an answer, or an id of sessions."]
JobId: TypeAlias = Annotated[str, "What start returned."]
Shown: TypeAlias = tuple[list[str], msgspec.Struct]
"""What the model is shown, and the same as data."""

_SANDBOXES: Mapping[str, Permissions] = {
    "read-only": "read-only",
    "workspace-write": "workspace-write",
    "danger-full-access": "full-access",
}
_HARMLESS = (
    *("model_auto_compact_token_limit", "model_context_window", "model_reasoning_effort"),
    *("model_reasoning_summary", "model_verbosity", "personality", "tool_output_token_limit"),
)
"""Settings of Codex that give it nothing more to do, to run or to talk to."""


class Answer(msgspec.Struct, kw_only=True):
    """What an agent answered; ``notes`` say what was denied, and other warnings."""

    provider: str
    session_id: str | None
    text: str
    output: object
    notes: list[str]
    model: str | None
    usage: Usage | None
    elapsed: float


class Report(msgspec.Struct, kw_only=True):
    """How far a job is."""

    job: str
    provider: str
    status: Status
    session_id: str | None
    answer: Answer | None
    error: str | None


class Thread(msgspec.Struct, rename="camel"):
    """What ``codex`` returns."""

    thread_id: str
    content: str


class Available(msgspec.Struct):
    """Whether a provider is installed, and somebody signed in, or what is missing."""

    provider: str
    installed: bool
    signed_in: bool | None = None
    problem: str | None = None


class Providers(msgspec.Struct):
    """What ``providers`` returns."""

    providers: list[Available]


RETURNS: Mapping[str, type[msgspec.Struct]] = {
    **dict.fromkeys(("ask", "reply"), Answer),
    **dict.fromkeys(("start", "result", "stop"), Report),
    "sessions": SessionPage,
    "limits": RateLimits,
    "providers": Providers,
    **dict.fromkeys(("codex", "codex-reply"), Thread),
}
"""The tools, and what they return."""

LEAVING = "signedin.leaving"
"""What is called when the client of an HTTP request leaves, in the scope of the request."""

ACTING = ("ask", "reply", "start", "codex", "codex-reply")
"""The tools that have an agent work."""


class InputNeededError(Exception):
    """The client is to ask its user, and to repeat the call with the answers."""

    def __init__(self, required: types.InputRequiredResult) -> None:
        self.required = required
        super().__init__(required.request_state)


class Call:
    """One call by a client, whose methods are the tools.

    Args:
        context: The request.
        agents: Who answers.
        jobs: What they work on.
        job: What the call waits for already, if it repeats another.
    """

    def __init__(
        self, context: ServerRequestContext[Any], agents: Agents, jobs: Jobs, job: Job | None
    ) -> None:
        self._context = context
        self._agents = agents
        self._jobs = jobs
        self._job = job
        self._repeats = context.protocol_version in MODERN_PROTOCOL_VERSIONS

    @tool
    async def ask(
        self,
        prompt: Task,
        provider: Provider = None,
        cwd: Cwd = None,
        permissions: Level = None,
        model: str | None = None,
        effort: str | None = None,
        output_schema: OutputSchema = None,
    ) -> Shown:
        """Have a coding agent do something, and wait for its answer."""
        keywords = {"model": model, "effort": effort}
        wanted = self._agents.prompt(
            prompt, provider, cwd, permissions, output=output_schema, keywords=keywords
        )
        return _answered(await self._result_of(wanted))

    @tool
    async def reply(
        self,
        session_id: SessionId,
        prompt: Task,
        provider: Provider = None,
        cwd: Cwd = None,
        output_schema: OutputSchema = None,
    ) -> Shown:
        """Continue a conversation with an agent, and wait for its answer."""
        last = await self._agents.last_prompt(session_id, provider, cwd)
        return _answered(await self._result_of(last.then(prompt, session_id, output_schema)))

    @tool
    async def start(
        self,
        prompt: Task,
        provider: Provider = None,
        cwd: Cwd = None,
        permissions: Level = None,
        session_id: SessionId | None = None,
        output_schema: OutputSchema = None,
    ) -> Shown:
        """Have an agent do something that takes long, without waiting; result has its answer."""
        if session_id is None:
            wanted = self._agents.prompt(prompt, provider, cwd, permissions, output=output_schema)
        else:
            last = await self._agents.last_prompt(session_id, provider, cwd)
            wanted = last.then(prompt, session_id, output_schema)
            if permissions is not None:
                allowed = self._agents.scope.permit(permissions)
                wanted = msgspec.structs.replace(wanted, permissions=allowed)
        return _reported(self._begin(wanted))

    @tool
    async def result(
        self, job: JobId, wait: Annotated[float, "Seconds to wait, at most."] = 45
    ) -> Shown:
        """Wait for a job that start began; report how far it is, or its answer."""
        found = self._jobs.find(job)
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._follow(found)
        return _reported(found)

    @tool
    async def stop(self, job: JobId) -> Shown:
        """Stop a job that start began."""
        found = self._jobs.find(job)
        await found.stop()
        return _reported(found)

    @tool
    async def sessions(
        self,
        provider: Provider = None,
        cwd: Cwd = None,
        limit: int = 20,
        cursor: Annotated[str | None, "The next_cursor of an earlier page."] = None,
    ) -> Shown:
        """List the stored sessions of a folder, the newest first; reply continues one."""
        folder = self._agents.scope.folder_at(cwd)
        client = self._agents.client(provider)
        return _shown(await client.sessions(cwd=folder, limit=limit, cursor=cursor))

    @tool
    async def limits(self, provider: Provider = None) -> Shown:
        """Report the remaining quota of the plan of a provider."""
        return _shown(await self._agents.client(provider).limits())

    @tool
    async def providers(self) -> Shown:
        """List the agents that can be asked, and whether somebody is signed in to them."""
        rows = map(self._availability, self._agents.scope.providers)
        return _shown(Providers(await asyncio.gather(*rows)))

    @tool
    async def codex(
        self,
        prompt: Task,
        approval_policy: Literal["untrusted", "on-failure", "on-request", "never"] | None = None,
        base_instructions: str | None = None,
        compact_prompt: str | None = None,
        config: dict[str, object] | None = None,
        cwd: Cwd = None,
        developer_instructions: str | None = None,
        model: str | None = None,
        profile: Annotated[str | None, "Not supported: give its settings instead."] = None,
        sandbox: Literal["read-only", "workspace-write", "danger-full-access"] | None = None,
    ) -> Shown:
        """Run a Codex session; takes the arguments of codex mcp-server."""
        if profile is not None:
            raise UnsupportedOptionError("codex", "profile", "give its settings instead")
        if approval_policy in {"untrusted", "on-failure"}:
            hint = "use on-request, with which Codex asks before it leaves its sandbox, or never"
            raise UnsupportedOptionError("codex", f"approval-policy {approval_policy}", hint)
        settings = self._checked(config or {}) | (
            {"compact_prompt": compact_prompt} if compact_prompt else {}
        )
        keywords = {
            "model": model,
            "instructions": developer_instructions,
            "provider_options": {"base_instructions": base_instructions, "config": settings},
        }
        permissions = _SANDBOXES[sandbox] if sandbox else None
        wanted = self._agents.prompt(prompt, "codex", cwd, permissions, keywords=keywords)
        wanted = msgspec.structs.replace(wanted, asks=approval_policy != "never")
        return _thread(await self._result_of(wanted))

    @tool(name="codex-reply")
    async def codex_reply(
        self,
        prompt: Task,
        threadId: str | None = None,  # noqa: N803 - its name there
        conversationId: str | None = None,  # noqa: N803
    ) -> Shown:
        """Continue a Codex session by the threadId that codex returned."""
        thread = threadId or conversationId or ""
        last = await self._agents.last_prompt(thread, "codex", None)
        return _thread(await self._result_of(last.then(prompt, thread, None)))

    def _begin(self, prompt: Prompt) -> Job:
        job = Job(prompt.provider, prompt.session_id, can_ask=self._can_ask())
        return self._jobs.start(job, partial(self._agents.run, prompt))

    def _can_ask(self) -> bool:
        capabilities = self._context.session.client_capabilities
        elicitation = capabilities and capabilities.elicitation
        if not elicitation or (elicitation.url and not elicitation.form):
            return False
        return self._repeats or self._context.session.can_send_request

    async def _result_of(self, prompt: Prompt) -> RunResult[object]:
        """The result of a prompt, which is stopped when the caller leaves."""
        job = self._job or self._begin(prompt)
        request = self._context.request
        leaving = [] if request is None else cast("list[object]", request.scope[LEAVING])
        leaving.append(job.cancel)
        try:
            await self._follow(job)
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            leaving.remove(job.cancel)
        if job.result is None:
            error = job.error or SignedinError("the prompt was stopped")
            if job.session_id is not None:
                error.add_note(f"session_id: {job.session_id}")
            raise error
        return job.result

    async def _follow(self, job: Job) -> None:
        """Passes on what happens in a job, until it has ended."""
        asking: set[asyncio.Task[None]] = set()
        reported = 0
        try:
            runs = True
            while runs:
                runs = job.runs  # what it reported last is passed on as well
                lines, asked = await job.news()
                for line in lines:
                    reported += 1
                    await self._context.session.report_progress(reported, message=line)
                if asked and self._repeats:
                    job.unseen += asked  # for another call, if this one is not repeated
                    raise InputNeededError(_input_required(job, asked))
                asking |= {asyncio.create_task(self._elicit(job, each)) for each in asked}
        finally:
            for task in asking:
                task.cancel()

    async def _elicit(self, job: Job, asked: Asked) -> None:
        try:
            answer = await self._context.session.elicit_form(
                asked.form.message, asked.form.schema, self._context.request_id
            )
        except asyncio.CancelledError:
            job.unseen.append(asked)  # the next call asks
            raise
        except (MCPError, ValueError):  # also an answer that is not one
            job.answer(asked.key, None)
        else:
            job.answer(asked.key, entered(answer))

    def _checked(self, config: Mapping[str, object]) -> dict[str, object]:
        """Settings of Codex that the server may give it."""
        most = self._agents.scope.permissions
        risky = sorted(config.keys() - _HARMLESS)
        if risky and most != "full-access":
            raise PermissionDeniedError(
                f"config {risky[0]!r} is more than the server may give Codex ({most}); only these "
                f"can be set: {', '.join(_HARMLESS)}"
            )
        return dict(config)

    async def _availability(self, name: str) -> Available:
        client = self._agents.client(name)
        installation = client.installation()
        if installation.usable is None:
            return Available(name, installed=False, problem=installation.problem)
        try:
            status = await client.auth_status()
        except SignedinError as error:
            return Available(name, installed=True, problem=error.message)
        return Available(name, True, status.authenticated, status.reason)  # noqa: FBT003 - a row


def entered(answer: types.ElicitResult) -> Entered:
    """Returns what the user entered."""
    return (answer.content or {}) if answer.action == "accept" else None


def reason_of(error: SignedinError) -> str:
    """Returns what went wrong, and what is noted about it."""
    return "\n".join([f"{error.kind}: {error.message}", *getattr(error, "__notes__", ())])


def _answer(result: RunResult[object]) -> Answer:
    return Answer(
        provider=result.provider,
        session_id=result.session_id,
        text=result.text,
        output=result.output,
        notes=_notes(result),
        model=result.model,
        usage=result.usage,
        elapsed=result.elapsed,
    )


def _notes(result: RunResult[object]) -> list[str]:
    return [event.text for event in result.events if isinstance(event, WarningEvent)]


def _answered(result: RunResult[object]) -> Shown:
    return [result.text, f"session_id: {result.session_id}", *_notes(result)], _answer(result)


def _thread(result: RunResult[object]) -> Shown:
    return [result.text, *_notes(result)], Thread(result.session_id or "", result.text)


def _reported(job: Job) -> Shown:
    report = Report(
        job=job.id,
        provider=job.provider,
        status=job.status,
        session_id=job.session_id,
        answer=_answer(job.result) if job.result else None,
        error=reason_of(job.error) if job.error else None,
    )
    return _shown(report)


def _shown(value: msgspec.Struct) -> Shown:
    return [msgspec.json.encode(value).decode()], value


def _input_required(job: Job, asked: list[Asked]) -> types.InputRequiredResult:
    forms: dict[str, types.InputRequest] = {}
    for each in asked:
        params = types.ElicitRequestFormParams(
            message=each.form.message, requested_schema=each.form.schema
        )
        forms[each.key] = types.ElicitRequest(params=params)
    return types.InputRequiredResult(input_requests=forms, request_state=job.id)
