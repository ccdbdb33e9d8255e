"""The asynchronous client: one provider and one account, or several in an order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal, Self, TypeVar, Unpack, overload

import msgspec

import signedin
from signedin.accounts.status import AsyncLogin, AuthBackend, AuthStatus, LoginMethod, read_status
from signedin.accounts.transfer import PortableLogin
from signedin.client.attempts import run_to_end
from signedin.client.config import FromConfig
from signedin.client.conversations import Conversations
from signedin.client.keywords import (
    check_keywords,
    check_many,
    check_prompt,
    merge_keywords,
)
from signedin.client.many import map_prompts
from signedin.client.members import (
    ClientChoices,
    ProviderChoice,
    combined,
    configured,
    members_of,
    opened_cassette,
    save_cassette,
)
from signedin.client.route import Route
from signedin.client.session import AsyncSession
from signedin.client.turn import AsyncTurn
from signedin.ledger.watch import LedgerWatch
from signedin.model.capabilities import (
    Capabilities,
    check_retry,
    check_single_try,
    check_supported,
)
from signedin.model.choices import (
    AuthSource,
    Billing,
    CassetteMode,
    EnvPolicy,
    OnBatchLimit,
    OnCrash,
    OnLimit,
)
from signedin.model.errors import InvalidOptionError, SignedinError, UnsupportedOptionError
from signedin.model.events import OnEvents, RateLimits
from signedin.model.options import (
    Output,
    StrPath,
    TurnKeywords,
    TurnOptions,
    past_directory,
)
from signedin.model.results import ModelInfo, Outcome, RunResult, SessionPage
from signedin.model.turn_recorder import TurnRecorder
from signedin.providers.base import (
    Installation,
    Provider,
    ProviderTurn,
    SessionQuery,
    TurnRequest,
)
from signedin.providers.registry import load_provider
from signedin.runtime.aio import (
    Leftovers,
    check_loop,
    check_process,
    is_fork_of,
    patiently,
    running_loop,
)

T = TypeVar("T")
_log = logging.getLogger("signedin")
# What the caller is to know comes as an event or an error; the log is for who asks for it.
_log.addHandler(logging.NullHandler())


class AsyncClient(FromConfig):
    """Drives one provider with one account, or the first of several whose plan is not used up.

    Nothing starts until the first turn; then the provider's process stays warm until the client is
    closed. A client belongs to the event loop of its first turn.

    Every turn takes the keywords of `TurnKeywords`, which says what they mean; given here they are
    defaults: ``cwd``, ``model``, ``effort``, ``timeout``, ``idle_timeout``, ``budget``, ``env``,
    ``permissions``, ``sandbox``, ``sandbox_exclude_read``, ``instructions``, ``images``,
    ``policy``, ``on_approval``, ``on_question``, ``tools``, ``mcp_servers``, ``output_retries``,
    ``retry``, ``ephemeral``, ``trust_project``, ``provider_options``.

    Args:
        provider: Name of the provider, such as ``codex``. Several in the order in which they are
            preferred, each a name or ``(name, keywords)``: what holds for this provider only.
        on_limit: What happens when a plan is used up: ``next`` gives the prompt to the next
            provider, unless the agent has begun to act; ``handover`` gives it the conversation and
            the work as well; ``wait`` continues when the plan resets; ``raise``, the default for
            one provider, raises a `UsageLimitError`. Several providers need it.
        transport: How to drive it, if not in the default way.
        binary: The program to run instead of the installed one.
        auth_source: Whose login to use: signedin's isolated state, the vendor's own (``external``),
            or the first of them that is signed in (``auto``).
        account: Name of an isolated login.
        billing: Who has to pay: ``subscription``, the plan of a login, or ``api``, an API key. What
            cannot be guaranteed is refused with a `BillingError`. By default a login pays if there
            is one, and variables that would take precedence are removed from the agent's
            environment.
        auth_backend: Manages the account instead of the provider.
        env_policy: ``minimal`` keeps other vendors' credentials from the agent.
        command: The agent and its arguments, for the provider ``acp``. No secrets: every user can
            read them.
        prewarm: Whether to start the provider's process ahead of the first turn: at once in a
            running event loop, else when the client is entered. What goes wrong is reported by the
            first turn.
        ledger: Whether what turns use is written to the user's ledger, see ``signedin usage``.
        cassette: A file into which the messages between signedin and the agent are recorded, or
            from which they are replayed without the agent. It is written when the client is closed.
        cassette_mode: ``once``, the default, replays the file or records it if it is not there;
            ``none`` only replays, ``rewrite`` records and replaces it, ``all`` adds to it.
        **defaults: Defaults for all turns, see `TurnKeywords`.

    Raises:
        UnsupportedProviderError: There is no such provider.
        UnsupportedOptionError: The provider has no such transport, or cannot honour a keyword.
        InvalidOptionError: An option has an unusable value.
        CassetteError: The cassette cannot be used.
    """

    def __init__(
        self,
        provider: str | Sequence[ProviderChoice],
        *,
        on_limit: OnLimit | None = None,
        transport: str | None = None,
        binary: StrPath | None = None,
        auth_source: AuthSource = "auto",
        account: str | None = None,
        billing: Billing | None = None,
        auth_backend: AuthBackend | None = None,
        env_policy: EnvPolicy = "minimal",
        command: Sequence[str] | None = None,
        prewarm: bool = False,
        ledger: bool = True,
        cassette: StrPath | None = None,
        cassette_mode: CassetteMode | None = None,
        **defaults: Unpack[TurnKeywords],
    ) -> None:
        self._cassette = opened_cassette(cassette, cassette_mode)
        choices = ClientChoices(
            transport=transport,
            binary=binary,
            auth_source=auth_source,
            account=account,
            billing=billing,
            env_policy=env_policy,
            command=command,
            ledger=ledger,
            cassette=self._cassette,
        )
        self._arguments = {
            **msgspec.structs.asdict(choices),
            **defaults,
            "provider": provider,
            "on_limit": on_limit,
            "prewarm": prewarm,
        }
        if isinstance(provider, str) and on_limit in {None, "raise"}:
            self._spec = load_provider(provider)
            self._config = configured(self._spec, choices)
            can = self._spec.transports[self._config.transport]
            self._accounts = {self._spec.name: (self._config, can)}
        else:
            members = members_of(provider, on_limit, choices, load_provider)
            self._spec, self._config = combined(members, on_limit)
            self._accounts = {m.name: (m.config, m.capabilities) for m in members}
            if auth_backend is not None and len(members) > 1:
                raise UnsupportedOptionError(self._spec.name, "auth_backend", "each has its own")
        self._ledger = LedgerWatch(self._accounts)
        can = self._spec.transports[self._config.transport]
        self._route = Route(self._spec.name, self._config.transport, can, (self._ledger,))
        if self._cassette is not None:
            check_supported(self._spec.name, can, {"cassette": cassette or True})
            self._cassette.belongs_to(self._spec.name, self._config.transport)
        self._auth_backend = auth_backend
        self._on_limit: OnLimit = on_limit or "raise"
        self._defaults = check_keywords(defaults, "client")
        self._conversations: Conversations | None = None
        self._leftovers = Leftovers()
        self._process = os.getpid()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._warming: asyncio.Task[None] | None = None
        check_supported(self.provider, self.capabilities, {"prewarm": prewarm})
        self._cold = prewarm
        with suppress(RuntimeError):  # no event loop is running yet
            self._warm_up()

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return self._route.provider

    @property
    def transport(self) -> str:
        """How the provider is driven."""
        return self._route.transport

    @property
    def on_limit(self) -> OnLimit:
        """What happens when a plan is used up."""
        return self._on_limit

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do through this transport."""
        return self._route.capabilities

    def installation(self) -> Installation:
        """Looks for the provider's program, without starting it."""
        from signedin.providers.shared.binary import with_known_version  # noqa: PLC0415 - seldom needed

        return with_known_version(self._spec.find(self._config))

    @overload
    async def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: None = None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[None]: ...
    @overload
    async def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: type[T],
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[T]: ...
    @overload
    async def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]: ...
    async def run(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None = None,
        on_events: OnEvents | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> RunResult[object]:
        """Runs one prompt to its end.

        Args:
            prompt: What to ask; may be of any size and may begin with any character.
            resume: Id of a session to continue, or ``"latest"`` for the newest one of ``cwd``.
            output: A type or JSON Schema the answer has to fit; `RunResult.output` has it then.
            on_events: Called with the events as they come, several at once if it takes its time.
                Between two tries there is a `RetryEvent`. What it raises ends the turn.
            **keywords: See `TurnKeywords`; they take precedence over the client's.

        Raises:
            SignedinError: The turn failed; ``error.result`` has what was received.
        """
        check_prompt(prompt)
        options = self.turn_options(keywords, output, resume)
        return await self.run_with(prompt, options, resume, on_events)

    def turn_options(
        self, keywords: TurnKeywords, output: Output | None = None, resume: str | None = None
    ) -> TurnOptions:
        """Returns the complete options of a run; see `run`."""
        checked = check_keywords(keywords)
        if resume is not None:
            check_retry(self.provider, self.capabilities, checked.get("retry"))
        return self._options(checked, output)

    async def run_with(
        self,
        prompt: str,
        options: TurnOptions,
        resume: str | None = None,
        on_events: OnEvents | None = None,
        *,
        fork: bool = False,
    ) -> RunResult[object]:
        """Runs a prompt with complete options; see `run` and `session`."""
        if resume is None:
            return await run_to_end(self._own_session, prompt, options, on_events=on_events)
        if not self.capabilities.roll_back:
            options = msgspec.structs.replace(options, retry=None)
        async with self._closing(self.session(resume=resume, fork=fork)) as session:
            return await session.run_with(prompt, options, on_events)

    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncTurn[None]: ...
    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncTurn[T]: ...
    @overload
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncTurn[object]: ...
    def stream(
        self,
        prompt: str,
        *,
        resume: str | None = None,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncTurn[object]:
        """Returns a turn that starts when it is iterated, entered or awaited.

        Takes the arguments of `run`, except ``retry`` and ``output_retries``: what the caller has
        seen cannot be taken back. Defaults of the client for them are ignored here.
        """
        check_prompt(prompt)
        checked = check_keywords(keywords)
        check_single_try(self.provider, checked)
        options = self._options(checked, output)
        return AsyncTurn(
            self._route,
            partial(self._single_turn, resume),
            prompt,
            options,
            clean_up=lambda cleanup: self._leftovers.begin(cleanup, self),
        )

    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncGenerator[Outcome[None], None]: ...
    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncGenerator[Outcome[T], None]: ...
    @overload
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncGenerator[Outcome[object], None]: ...
    def map(
        self,
        prompts: Iterable[str],
        *,
        concurrency: int = 8,
        ordered: bool = False,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> AsyncGenerator[Outcome[object], None]:
        """Runs many prompts, each in its own session, a few at a time.

        A prompt that fails does not stop the others: its outcome carries the error. Once the plan
        is used up the others fail without being sent. Prompts are
        taken as they are needed and outcomes are not stored, so there may be any number of them.
        Leaving the loop early stops what is running.

        Args:
            prompts: What to ask.
            concurrency: How many run at once.
            ordered: Whether outcomes come in the order of the prompts rather than as they finish.
            output: As in `run`.
            **keywords: As in `run`.

        Returns:
            The outcome of each prompt.

        Raises:
            InvalidOptionError: ``prompts`` is a single one, or a keyword has an unusable value.
        """
        check_many("prompts", prompts)
        options = self._options(check_keywords(keywords, "map"), output)

        async def run(prompt: str) -> RunResult[object]:
            check_prompt(prompt)
            return await self.run_with(prompt, options)

        return map_prompts(run, prompts, concurrency, ordered=ordered)

    @overload
    def batch(
        self,
        rows: Iterable[Mapping[str, object] | str],
        *,
        journal: StrPath,
        prompt: str = "{prompt}",
        key: str | None = None,
        concurrency: int | Literal["auto"] = "auto",
        on_limit: OnBatchLimit = "wait",
        on_crash: OnCrash | None = None,
        worktree: bool = False,
        output: None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> signedin.AsyncBatch[None]: ...
    @overload
    def batch(
        self,
        rows: Iterable[Mapping[str, object] | str],
        *,
        journal: StrPath,
        prompt: str = "{prompt}",
        key: str | None = None,
        concurrency: int | Literal["auto"] = "auto",
        on_limit: OnBatchLimit = "wait",
        on_crash: OnCrash | None = None,
        worktree: bool = False,
        output: type[T],
        **keywords: Unpack[TurnKeywords],
    ) -> signedin.AsyncBatch[T]: ...
    @overload
    def batch(
        self,
        rows: Iterable[Mapping[str, object] | str],
        *,
        journal: StrPath,
        prompt: str = "{prompt}",
        key: str | None = None,
        concurrency: int | Literal["auto"] = "auto",
        on_limit: OnBatchLimit = "wait",
        on_crash: OnCrash | None = None,
        worktree: bool = False,
        output: Output | None,
        **keywords: Unpack[TurnKeywords],
    ) -> signedin.AsyncBatch[object]: ...
    def batch(
        self,
        rows: Iterable[Mapping[str, object] | str],
        *,
        journal: StrPath,
        prompt: str = "{prompt}",
        key: str | None = None,
        concurrency: int | Literal["auto"] = "auto",
        on_limit: OnBatchLimit = "wait",
        on_crash: OnCrash | None = None,
        worktree: bool = False,
        output: Output | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> signedin.AsyncBatch[object]:
        """Returns a batch: rows that are each answered once, whatever dies meanwhile.

        What became of each row is stored in a journal. A later batch with the same journal, also in
        another process, runs only what is missing.

        Args:
            rows: Fields by name, or just prompts. They are taken as they are needed.
            journal: The file, which is made if it is not there. It has the rows and the answers.
            prompt: What to ask about a row: names of fields in braces.
            key: The field that distinguishes the rows; without it all of their fields do.
            concurrency: How many run at once. ``auto`` finds out: more as long as that goes well,
                half as many after too many requests, no more than the machine's memory takes.
            on_limit: When the plan is used up: ``wait`` until the limit is lifted, or ``stop``
                once the rows that are running have ended. ``next`` is for a client that goes to its
                next provider: only a row whose agent has acted waits for its own, and the rest
                once all are used up.
            on_crash: What to do with a row whose process died while it was running: ``resume`` its
                conversation, run it ``again`` from the beginning, or ``ask``, which makes it a
                failed row. The default is to resume, and ``again`` with ``worktree``.
            worktree: Whether each row works in a copy of its own of the repository of ``cwd``. What
                it has changed there is in the journal; see `BatchRecord.changes`.
            output: As in `run`.
            **keywords: As in `run`; ``budget`` is that of all rows of this batch object together.

        Raises:
            InvalidOptionError: The journal was made for other options, or cannot be one.
            UnsupportedOptionError: The provider cannot resume conversations, or does not report
                what the budget limits.
        """
        return signedin.AsyncBatch(
            self,
            rows,
            self._options(check_keywords(keywords, "batch"), output),
            prompt=prompt,
            journal=journal,
            key=key,
            concurrency=concurrency,
            on_limit=on_limit,
            on_crash=on_crash,
            worktree=worktree,
        )

    def session(
        self, *, resume: str | None = None, fork: bool = False, **keywords: Unpack[TurnKeywords]
    ) -> AsyncSession:
        """Returns a conversation of several turns.

        Args:
            resume: Id of a session to continue, or ``"latest"`` for the newest one of ``cwd``;
                without it, a new one begins.
            fork: Continue in a copy of it.
            **keywords: See `TurnKeywords`; they hold for all turns of the session.

        Raises:
            InvalidOptionError: There is nothing to copy, or a keyword has an unusable value.
            UnsupportedOptionError: The provider cannot continue sessions, or not in copies.
        """
        check_supported(self.provider, self.capabilities, {"resume": resume, "fork": fork})
        if fork and resume is None:
            raise InvalidOptionError("fork=True copies the session that resume= names; give both")
        checked = check_keywords(keywords, "session")
        check_retry(self.provider, self.capabilities, checked.get("retry"))
        defaults = self._defaults
        if not self.capabilities.roll_back:  # then only conversations of one turn are retried
            defaults = merge_keywords(defaults, {"retry": None})
        return self._session(merge_keywords(defaults, checked), resume=resume, fork=fork)

    async def sessions(
        self,
        *,
        cwd: StrPath | None = None,
        search: str | None = None,
        archived: bool = False,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> SessionPage:
        """Lists stored conversations, the newest first.

        Args:
            cwd: Sessions of this working directory only, which may be gone by now.
            search: Sessions whose title or first prompt contains these words only.
            archived: Archived sessions only.
            limit: Maximum number to return.
            cursor: Continue where an earlier page ended (`SessionPage.next_cursor`).
        """
        query = SessionQuery(
            cwd=past_directory(cwd) if cwd is not None else None,
            search=search,
            archived=archived,
            limit=limit,
            cursor=cursor,
        )
        async with self._conversing().until_closed() as provider:
            return await provider.sessions(query, self._options({}, None))

    async def models(self) -> list[ModelInfo]:
        """Lists the models the account can use."""
        async with self._conversing().until_closed() as provider:
            return await provider.models(self._options({}, None))

    async def limits(self) -> RateLimits:
        """Returns the remaining quota of the plan."""
        async with self._conversing().until_closed() as provider:
            return await provider.limits(self._options({}, None))

    async def auth_status(self) -> AuthStatus:
        """Reports who is signed in and who pays, without changing anything, in bounded time.

        A status that cannot be determined is reported as such, see `AuthStatus.reason`.

        An ACP agent is asked by beginning a session; it does not report who pays.
        """
        login = "" if self._auth_backend else self._spec.login
        return await read_status(self._auth(), self.provider, login)

    async def available(self) -> bool:
        """Returns whether the provider is installed and somebody is signed in."""
        installation = self.installation()
        if installation.path is None or installation.problem:
            return False
        return (await self.auth_status()).authenticated

    @overload
    async def login(self) -> None: ...
    @overload
    async def login(self, *, method: Literal["browser", "device"]) -> AsyncLogin: ...
    @overload
    async def login(self, *, method: Literal["api-key"], api_key: str) -> AsyncLogin: ...
    @overload
    async def login(
        self, *, method: LoginMethod | None, api_key: str | None
    ) -> AsyncLogin | None: ...
    async def login(
        self, *, method: LoginMethod | None = None, api_key: str | None = None
    ) -> AsyncLogin | None:
        """Signs in: on the terminal with the vendor's own program, or with a method without one.

        With ``auth_source="auto"`` the isolated login is signed in to.

        Args:
            method: ``browser`` and ``device`` give a page to open, where the vendor has them, and
                ``api-key`` stores a key.
            api_key: The key, for the method ``api-key``.

        Returns:
            With a method, the pending login; without one, nothing, after it has succeeded.

        Raises:
            InvalidOptionError: There is a key without ``method="api-key"``, or the other way round.
            UnsupportedOptionError: The vendor has no such method.
            CommandExecutionError: The vendor's program did not end well.
        """
        if (method == "api-key") != bool(api_key):
            raise InvalidOptionError("method='api-key' needs api_key=, and nothing else takes it")
        if method is None:
            return await self._auth().login()
        return await self._auth().start_login(method, api_key)

    async def logout(self) -> None:
        """Ends the login, also at the vendor where it allows that."""
        await self._auth().logout()

    async def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line of text, to be carried to another machine.

        Use it on one machine only from then on: its tokens are single-use, and logging out on
        either ends it on both.

        Args:
            passphrase: Encrypts it; ``None`` leaves it readable by anyone.

        Raises:
            UnsupportedOptionError: The vendor's logins cannot be exported.
        """
        return await self._portable().export_login(passphrase)

    async def import_login(
        self, line: str, passphrase: Callable[[], str], *, force: bool = False
    ) -> Path:
        """Imports an exported login as an isolated login.

        Args:
            line: What `export_login` returned.
            passphrase: Returns the passphrase; called if there is one.
            force: Replace an existing login.

        Returns:
            The file the login is in.

        Raises:
            InvalidOptionError: It is not a login of this provider, or there is one already.
            AuthRequiredError: The passphrase is wrong.
        """
        return await self._portable().import_login(line, passphrase, force=force)

    async def aclose(self) -> None:
        """Ends the provider's processes. Idempotent; a later turn starts them again."""
        if is_fork_of(self._process):
            return
        if self._conversations is not None:
            check_loop(self._loop, "AsyncClient")
        self._cold = False
        if self._warming is not None and not self._warming.done():
            self._warming.cancel()
            await asyncio.wait([self._warming])
        conversations, self._conversations = self._conversations, None
        if conversations is not None:
            await conversations.aclose()
        await self._leftovers.ended()
        await self._ledger.aclose()
        if self._cassette is not None and not self._cassette.replays:
            configs = {name: config for name, (config, _) in self._accounts.items()}
            save_cassette(self._cassette, configs, load_provider)

    async def __aenter__(self) -> Self:
        self._warm_up()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def __reduce__(self) -> tuple[object, ...]:
        """Is made anew in another process, from its arguments."""
        if self._auth_backend is not None:
            raise TypeError("a client with auth_backend= belongs to the process that made it")
        if self._cassette is not None:
            raise TypeError("a client with cassette= belongs to the process that made it")
        return partial(type(self), **self._arguments), ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.provider!r}, transport={self.transport!r})"

    def _warm_up(self) -> None:
        """Starts the provider's process in the background, once and if that was asked for."""
        if self._cold:
            self._warming = asyncio.get_running_loop().create_task(self._prewarm())
            self._cold = False

    async def _prewarm(self) -> None:
        try:
            await self._connected().prewarm(self._options({}, None))
        except SignedinError as error:  # the first turn meets the same, and reports it
            _log.info("prewarm failed: %s", error)

    @asynccontextmanager
    async def _single_turn(
        self, resume: str | None, request: TurnRequest, recorder: TurnRecorder
    ) -> AsyncGenerator[ProviderTurn, None]:
        """A turn in its own session, which is freed with it."""
        async with (
            self._closing(self.session(resume=resume)) as session,
            session.running(request, recorder) as turn,
        ):
            yield turn

    def _session(
        self, defaults: TurnKeywords, *, resume: str | None = None, fork: bool = False
    ) -> AsyncSession:
        return AsyncSession(
            self._route, self._conversing, self._leftovers, defaults, resume=resume, fork=fork
        )

    def _own_session(self) -> AbstractAsyncContextManager[AsyncSession]:
        """A session for one attempt of a run, which has its options already."""
        return self._closing(self._session({}))

    @asynccontextmanager
    async def _closing(self, session: AsyncSession) -> AsyncGenerator[AsyncSession, None]:
        try:
            yield session
        finally:
            if self._leftovers.has(session):
                await patiently(self._leftovers.begin(session.aclose(), self))
            else:
                await session.aclose()

    def _options(self, checked: TurnKeywords, output: Output | None) -> TurnOptions:
        return self._route.options(self._defaults, checked, output)

    def _portable(self) -> PortableLogin:
        auth = self._auth()
        if not isinstance(auth, PortableLogin):
            hint = "sign in on the other machine instead"
            raise UnsupportedOptionError(self.provider, "export", hint)
        return auth

    def _auth(self) -> AuthBackend:
        return self._auth_backend or self._connected().auth(self._options({}, None))

    def _connected(self) -> Provider:
        return self._conversing().provider

    def _conversing(self) -> Conversations:
        loop = running_loop()
        if self._conversations is None:
            self._conversations = Conversations(self._spec.create(self._config))
            self._loop, self._process = loop, os.getpid()
        check_process(self._process)
        check_loop(self._loop, "AsyncClient")
        return self._conversations
