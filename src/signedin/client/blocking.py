"""The blocking API: the same calls without ``await``.

All blocking clients of a process share one background thread with one event loop, so they work in
scripts, in threads and inside a running event loop (a notebook) alike.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Generic, Literal, Self, TypeVar, Unpack, overload

from signedin.accounts.status import AsyncLogin, AuthBackend, AuthStatus, LoginMethod
from signedin.client.async_client import AsyncClient
from signedin.client.session import AsyncSession
from signedin.client.turn import AsyncTurn
from signedin.model.capabilities import Capabilities
from signedin.model.choices import AuthSource, Billing, EnvPolicy
from signedin.model.events import AnyEvent, RateLimits
from signedin.model.items import AnyItem, ItemFeed
from signedin.model.options import Output, StrPath, TurnKeywords
from signedin.model.results import ModelInfo, Outcome, OutputT_co, PastTurn, RunResult, SessionPage
from signedin.providers.base import Installation
from signedin.runtime.background_loop import call, clean_up, close_with
from signedin.runtime.batches import Batches

T = TypeVar("T")


class Turn(Batches[AnyEvent], Generic[OutputT_co]):
    """A running turn: an iterator of events that ends in a result.

    It starts when it is iterated, entered or asked for its result. Leaving a loop over it early
    stops it, unless it is used as a context manager: then leaving the block does.
    """

    def __init__(self, turn: AsyncTurn[OutputT_co], owner: object) -> None:
        super().__init__(turn, owner)
        self._turn = turn

    @property
    def id(self) -> str | None:
        """The provider's id of the turn, once it has started and if it has one."""
        return self._turn.id

    def result(self) -> RunResult[OutputT_co]:
        """Waits for the end of the turn; see `AsyncTurn.result`."""
        return call(self._turn.result)

    def items(self) -> Iterator[AnyItem]:
        """Iterates over the items of the turn, each as soon as it has begun.

        Use it in a turn that is a context manager. ``for piece in item.stream()`` and
        ``item.wait()`` wait for more of an item.
        """
        return self._iterate_items(
            ItemFeed(self._turn.next_batch, lambda feed, ready: call(lambda: feed.until(ready)))
        )

    def steer(self, text: str) -> None:
        """Adds to the prompt while the agent works."""
        call(lambda: self._turn.steer(text))

    def interrupt(self) -> None:
        """Asks the agent to stop. The remaining events, ending with ``done``, still arrive."""
        call(self._turn.interrupt)

    def __iter__(self) -> Iterator[AnyEvent]:
        """Iterates over the events."""
        return self._iterate()

    def __repr__(self) -> str:
        return repr(self._turn).removeprefix("Async")

    def _iterate_items(self, feed: ItemFeed) -> Generator[AnyItem, None, None]:
        try:
            yield from feed
        finally:
            self._leave()
        self._turn.raise_failure()


class Session:
    """One conversation with a provider; made by `Client.session`."""

    def __init__(self, session: AsyncSession, owner: object) -> None:
        self._session = session
        self._owner = owner  # a client without references is closed

    @property
    def id(self) -> str | None:
        """The id that resumes the conversation; ``None`` before the first turn of a new one."""
        return self._session.id

    @overload
    def run(
        self, prompt: str, *, output: None = None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[None]: ...
    @overload
    def run(
        self, prompt: str, *, output: type[T], **keywords: Unpack[TurnKeywords]
    ) -> RunResult[T]: ...
    @overload
    def run(
        self, prompt: str, *, output: Output | None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[object]: ...
    def run(
        self, prompt: str, *, output: Output | None = None, **keywords: Unpack[TurnKeywords]
    ) -> RunResult[object]:
        """Runs one turn to its end; see `AsyncSession.run`."""
        return call(lambda: self._session.run(prompt, output=output, **keywords))

    @overload
    def stream(
        self, prompt: str, *, output: None = None, **keywords: Unpack[TurnKeywords]
    ) -> Turn[None]: ...
    @overload
    def stream(
        self, prompt: str, *, output: type[T], **keywords: Unpack[TurnKeywords]
    ) -> Turn[T]: ...
    @overload
    def stream(
        self, prompt: str, *, output: Output | None, **keywords: Unpack[TurnKeywords]
    ) -> Turn[object]: ...
    def stream(
        self, prompt: str, *, output: Output | None = None, **keywords: Unpack[TurnKeywords]
    ) -> Turn[object]:
        """Returns a turn that starts when it is iterated, entered or asked for its result."""
        return Turn(self._session.stream(prompt, output=output, **keywords), self._owner)

    def fork(self) -> Session:
        """Copies the conversation; the copy and the original go on independently."""
        return Session(call(self._session.fork), self._owner)

    def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first."""
        return call(self._session.history)

    def rename(self, name: str) -> None:
        """Names the conversation in the provider's store."""
        call(lambda: self._session.rename(name))

    def archive(self) -> None:
        """Archives the conversation; unarchive it before continuing."""
        call(self._session.archive)

    def unarchive(self) -> None:
        """Unarchives the conversation."""
        call(self._session.unarchive)

    def delete(self) -> None:
        """Deletes the conversation from the provider's store, permanently."""
        call(self._session.delete)

    def compact(self, **keywords: Unpack[TurnKeywords]) -> Turn:
        """Returns a turn in which the agent replaces the conversation by a summary of it."""
        return Turn(self._session.compact(**keywords), self._owner)

    def review(
        self,
        focus: str | None = None,
        /,
        *,
        base: str | None = None,
        commit: str | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Turn:
        """Returns a turn in which the agent reviews changes; see `AsyncSession.review`."""
        turn = self._session.review(focus, base=base, commit=commit, **keywords)
        return Turn(turn, self._owner)

    def close(self) -> None:
        """Frees what the session holds. The conversation stays stored and can be resumed."""
        call(self._session.aclose)

    def __enter__(self) -> Self:
        call(self._session.__aenter__)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._session).removeprefix("Async")


class Login:
    """A pending login; made by `Client.login`."""

    def __init__(self, login: AsyncLogin, owner: object) -> None:
        self._login = login
        self._owner = owner  # a client without references is closed

    @property
    def url(self) -> str | None:
        """The page to open; ``None`` if there is nothing to do."""
        return self._login.url

    @property
    def user_code(self) -> str | None:
        """The code to type there, for the method ``device``."""
        return self._login.user_code

    @property
    def wants_code(self) -> bool:
        """Whether the page shows a code in the end, which `submit_code` takes."""
        return self._login.wants_code

    def submit_code(self, code: str) -> None:
        """Gives the vendor's program the code that the page shows."""
        call(lambda: self._login.submit_code(code))

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in; see `AsyncLogin.wait`."""
        call(lambda: self._login.wait(timeout))

    def cancel(self) -> None:
        """Gives up. Idempotent."""
        call(self._login.cancel)


class Client:
    """Drives one provider with one account, blocking; takes the arguments of `AsyncClient`.

    It may be used from several threads. The provider's process stays warm until the client is
    closed or garbage collected, and at the latest ends with the interpreter.

    Every turn takes the keywords of `TurnKeywords`, which says what they mean; given here they are
    defaults: ``cwd``, ``model``, ``effort``, ``timeout``, ``idle_timeout``, ``env``,
    ``permissions``, ``instructions``, ``images``, ``on_approval``, ``on_question``, ``tools``,
    ``mcp_servers``, ``output_retries``, ``retry``, ``ephemeral``, ``trust_project``,
    ``provider_options``.
    """

    def __init__(
        self,
        provider: str,
        *,
        transport: str | None = None,
        binary: StrPath | None = None,
        auth_source: AuthSource = "auto",
        account: str | None = None,
        billing: Billing | None = None,
        auth_backend: AuthBackend | None = None,
        env_policy: EnvPolicy = "minimal",
        command: Sequence[str] | None = None,
        prewarm: bool = False,
        **defaults: Unpack[TurnKeywords],
    ) -> None:
        self._client = AsyncClient(
            provider,
            transport=transport,
            binary=binary,
            auth_source=auth_source,
            account=account,
            billing=billing,
            auth_backend=auth_backend,
            env_policy=env_policy,
            command=command,
            prewarm=prewarm,
            **defaults,
        )
        close_with(self, self._client.aclose)
        if prewarm:
            call(self._client.__aenter__)

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return self._client.provider

    @property
    def transport(self) -> str:
        """How the provider is driven."""
        return self._client.transport

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do through this transport."""
        return self._client.capabilities

    def installation(self) -> Installation:
        """Looks for the provider's program, without starting it."""
        return self._client.installation()

    @overload
    def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[None]: ...
    @overload
    def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[T]: ...
    @overload
    def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]: ...
    def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]:
        """Runs one prompt to its end; see `AsyncClient.run`."""
        return call(lambda: self._client.run(prompt, resume=resume, output=output, **keywords))

    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Turn[None]: ...
    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> Turn[T]: ...
    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> Turn[object]: ...
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Turn[object]:
        """Returns a turn that starts when it is iterated, entered or asked for its result."""
        return Turn(self._client.stream(prompt, resume=resume, output=output, **keywords), self)

    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Iterator[Outcome[None]]: ...
    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> Iterator[Outcome[T]]: ...
    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> Iterator[Outcome[object]]: ...
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Iterator[Outcome[object]]:
        """Runs many prompts, a few at a time; see `AsyncClient.map`."""
        outcomes = self._client.map(
            prompts, concurrency=concurrency, ordered=ordered, output=output, **keywords
        )
        try:
            while (outcome := call(lambda: _next_of(outcomes))) is not None:
                yield outcome
        finally:
            clean_up(outcomes.aclose)

    def session(
        self, *, resume: str | None = None, fork: bool = False, **keywords: Unpack[TurnKeywords]
    ) -> Session:
        """Returns a conversation of several turns; see `AsyncClient.session`."""
        return Session(self._client.session(resume=resume, fork=fork, **keywords), self)

    def sessions(
        self,
        *,
        cwd: StrPath | None = None,
        search: str | None = None,
        archived: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SessionPage:
        """Lists stored conversations, the newest first; see `AsyncClient.sessions`."""
        return call(
            lambda: self._client.sessions(
                cwd=cwd, search=search, archived=archived, limit=limit, cursor=cursor
            )
        )

    def models(self) -> list[ModelInfo]:
        """Lists the models the account can use."""
        return call(self._client.models)

    def limits(self) -> RateLimits:
        """Returns what is left of the plan."""
        return call(self._client.limits)

    def auth_status(self) -> AuthStatus:
        """Reports who is signed in and who pays; see `AsyncClient.auth_status`."""
        return call(self._client.auth_status)

    def available(self) -> bool:
        """Returns whether the provider is installed and somebody is signed in."""
        return call(self._client.available)

    @overload
    def login(self) -> None: ...
    @overload
    def login(self, *, method: Literal["browser", "device"]) -> Login: ...
    @overload
    def login(self, *, method: Literal["api-key"], api_key: str) -> Login: ...
    def login(
        self, *, method: LoginMethod | None = None, api_key: str | None = None
    ) -> Login | None:
        """Signs in; see `AsyncClient.login`."""
        started = call(lambda: self._client.start_login(method, api_key))
        return None if started is None else Login(started, self)

    def logout(self) -> None:
        """Ends the login; see `AsyncClient.logout`."""
        call(self._client.logout)

    def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line of text; see `AsyncClient.export_login`."""
        return call(lambda: self._client.export_login(passphrase))

    def import_login(
        self, line: str, passphrase: Callable[[], str], *, force: bool = False
    ) -> Path:
        """Imports an exported login as an isolated one; see `AsyncClient.import_login`."""
        return call(lambda: self._client.import_login(line, passphrase, force=force))

    def close(self) -> None:
        """Ends the provider's processes. Idempotent; a later turn starts them again."""
        call(self._client.aclose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Client({self.provider!r}, transport={self.transport!r})"


async def _next_of(outcomes: AsyncGenerator[Outcome[object], None]) -> Outcome[object] | None:
    return await anext(outcomes, None)
