"""The blocking API: the same calls without ``await``.

All blocking clients of a process share one background thread with one event loop, so they work in
scripts, in threads and inside a running event loop (a notebook) alike.

Generated from the asynchronous classes: python scripts/generate_blocking.py
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, Self, TypeVar, Unpack, overload

import signedin
from signedin.accounts.status import AsyncLogin, AuthBackend, AuthStatus, LoginMethod
from signedin.client.async_client import AsyncClient
from signedin.client.config import FromConfig
from signedin.client.members import ProviderChoice
from signedin.client.session import BlockingSession
from signedin.client.turn import BlockingTurn
from signedin.model.capabilities import Capabilities
from signedin.model.choices import (
    AuthSource,
    Billing,
    CassetteMode,
    EnvPolicy,
    OnBatchLimit,
    OnCrash,
    OnLimit,
)
from signedin.model.events import RateLimits
from signedin.model.options import Output, StrPath, TurnKeywords
from signedin.model.results import ModelInfo, Outcome, OutputT_co, PastTurn, RunResult, SessionPage
from signedin.providers.base import Installation
from signedin.runtime.background_loop import call, clean_up, close_with
from signedin.runtime.handles import Handle, each_of

T = TypeVar("T")


class Turn(BlockingTurn[OutputT_co]):
    """A running turn: an iterator of events that ends in a result.

    It starts when it is iterated, entered or asked for its result. Iterating it
    directly (``for event in client.stream(...)``) stops the turn when the loop is left early;
    as a context manager (``with client.stream(...) as turn``) it is stopped when the block is
    left, and iteration can be paused and resumed.

    A failed turn raises its error after the last event; a turn that was interrupted just ends.
    """

    @property
    def id(self) -> str | None:
        """The provider's id of the turn, once it has started and if it has one."""
        return self._async.id

    def result(self) -> RunResult[OutputT_co]:
        """Waits for the end of the turn.

        Raises:
            OutputError: The answer does not fit the ``output=`` that was asked for.
            SignedinError: The turn failed, timed out or was interrupted; ``error.result`` has what
                was received.
            BaseException: A callback has raised it, such as `KeyboardInterrupt`; ``error.result``
                likewise.
        """
        return call(self._async.result)

    def steer(self, text: str) -> None:
        """Adds to the prompt while the agent works; it takes it into account at once."""
        call(lambda: self._async.steer(text))

    def interrupt(self) -> None:
        """Asks the agent to stop. The remaining events, ending with ``done``, still arrive.

        Does nothing if the turn has ended meanwhile. A turn that then reports nothing for 5 s is
        ended; an agent that cannot end it is replaced (qwen 0.15 sometimes never does).
        """
        call(self._async.interrupt)

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")


class Session(BlockingSession):
    """One conversation with a provider; made by `Client.session`.

    It opens with its first turn, or when entered as a context manager. Keywords given to the
    session hold for all its turns, those given to a turn for that turn.
    """

    @property
    def id(self) -> str | None:
        """The id that resumes the conversation; ``None`` before the first turn of a new one."""
        return self._async.id

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
        """Runs one turn to its end.

        Args:
            prompt: What to ask; may be of any size and may begin with any character.
            output: A type or JSON Schema the answer has to fit; `RunResult.output` has it then.
            **keywords: See `TurnKeywords`; they take precedence over the session's.

        Raises:
            SignedinError: The turn failed; ``error.result`` has what was received.
            SessionBusyError: Another turn of this session still runs.
        """
        return call(lambda: self._async.run(prompt, output=output, **keywords))

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
        """Returns a turn that starts when it is iterated, entered or asked for its result.

        Takes the arguments of `run`, except ``retry`` and ``output_retries``: what the caller has
        seen cannot be taken back. Defaults of the client or session for them are ignored here.

        Raises:
            InvalidOptionError: A keyword has an unusable value.
        """
        return Turn(self._async.stream(prompt, output=output, **keywords), self._owner)

    def fork(self) -> Session:
        """Copies the conversation; the copy and the original continue independently.

        Raises:
            SessionBusyError: A turn of it runs.
            SignedinError: There has been no turn that could be copied.
        """
        return Session(call(self._async.fork), self._owner)

    def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first; also while a turn runs."""
        return call(self._async.history)

    def rename(self, name: str) -> None:
        """Names the conversation in the provider's store."""
        call(lambda: self._async.rename(name))

    def archive(self) -> None:
        """Archives the conversation; unarchive it before continuing.

        Raises:
            SessionBusyError: A turn of it runs.
        """
        call(self._async.archive)

    def unarchive(self) -> None:
        """Unarchives the conversation."""
        call(self._async.unarchive)

    def delete(self) -> None:
        """Deletes the conversation from the provider's store, permanently.

        Raises:
            SessionBusyError: A turn of it runs.
        """
        call(self._async.delete)

    def compact(self, **keywords: Unpack[TurnKeywords]) -> Turn:
        """Returns a turn in which the agent replaces the conversation by a summary of it.

        Nothing happens before that begins: ask for its `Turn.result`.
        """
        return Turn(self._async.compact(**keywords), self._owner)

    def review(
        self,
        focus: str | None = None,
        /,
        *,
        base: str | None = None,
        commit: str | None = None,
        **keywords: Unpack[TurnKeywords],
    ) -> Turn:
        """Returns a turn in which the agent reviews changes.

        Args:
            focus: Review what these words say.
            base: Review against this branch.
            commit: Review this commit. Without any of the three: what is not committed.
            **keywords: See `TurnKeywords`.

        Raises:
            InvalidOptionError: More than one of the three is given.
        """
        return Turn(self._async.review(focus, base=base, commit=commit, **keywords), self._owner)

    def close(self) -> None:
        """Frees what the session holds. The conversation stays stored and can be resumed.

        Other sessions on the same conversation continue; without any, a turn that still runs is
        interrupted.
        """
        clean_up(self._async.aclose)

    def __enter__(self) -> Self:
        call(self._async.__aenter__)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")


class Login(Handle[AsyncLogin]):
    """A pending login."""

    @property
    def url(self) -> str | None:
        """The page to open; ``None`` if there is nothing to do."""
        return self._async.url

    @property
    def user_code(self) -> str | None:
        """The code to type there, for the method ``device``."""
        return self._async.user_code

    @property
    def wants_code(self) -> bool:
        """Whether the page shows a code in the end, which `submit_code` takes."""
        return self._async.wants_code

    def submit_code(self, code: str) -> None:
        """Gives the vendor's program the code that the page shows."""
        call(lambda: self._async.submit_code(code))

    def wait(self, timeout: float | None = None) -> None:
        """Waits until the user has signed in.

        Raises:
            AuthRequiredError: It was refused, cancelled, or replaced by another login.
            TimeoutExceededError: It took longer than ``timeout`` seconds; it can be waited for
                again.
        """
        call(lambda: self._async.wait(timeout))

    def cancel(self) -> None:
        """Gives up. Idempotent."""
        call(self._async.cancel)


class Client(FromConfig):
    """Drives one provider with one account, or the first of several whose plan is not used up.

    Nothing starts until the first turn; then the provider's process stays warm until the client is
    closed. It may be used from several threads.
    It ends with its last reference, at the latest with the interpreter.

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
        prewarm: Whether to start the provider's process ahead of the first turn.
            What goes wrong is reported by the
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
        self._async = AsyncClient(
            provider,
            on_limit=on_limit,
            transport=transport,
            binary=binary,
            auth_source=auth_source,
            account=account,
            billing=billing,
            auth_backend=auth_backend,
            env_policy=env_policy,
            command=command,
            prewarm=prewarm,
            ledger=ledger,
            cassette=cassette,
            cassette_mode=cassette_mode,
            **defaults,
        )
        close_with(self, self._async.aclose)
        if prewarm:
            call(self._async.__aenter__)

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return self._async.provider

    @property
    def transport(self) -> str:
        """How the provider is driven."""
        return self._async.transport

    @property
    def on_limit(self) -> OnLimit:
        """What happens when a plan is used up."""
        return self._async.on_limit

    @property
    def capabilities(self) -> Capabilities:
        """What the provider can do through this transport."""
        return self._async.capabilities

    def installation(self) -> Installation:
        """Looks for the provider's program, without starting it."""
        return self._async.installation()

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
        """Runs one prompt to its end.

        Args:
            prompt: What to ask; may be of any size and may begin with any character.
            resume: Id of a session to continue, or ``"latest"`` for the newest one of ``cwd``.
            output: A type or JSON Schema the answer has to fit; `RunResult.output` has it then.
            **keywords: See `TurnKeywords`; they take precedence over the client's.

        Raises:
            SignedinError: The turn failed; ``error.result`` has what was received.
        """
        return call(lambda: self._async.run(prompt, resume=resume, output=output, **keywords))

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
        """Returns a turn that starts when it is iterated, entered or asked for its result.

        Takes the arguments of `run`, except ``retry`` and ``output_retries``: what the caller has
        seen cannot be taken back. Defaults of the client for them are ignored here.
        """
        return Turn(self._async.stream(prompt, resume=resume, output=output, **keywords), self)

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
        return each_of(
            self._async.map(
                prompts, concurrency=concurrency, ordered=ordered, output=output, **keywords
            ),
            self,
        )

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
    ) -> signedin.Batch[None]: ...

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
    ) -> signedin.Batch[T]: ...

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
    ) -> signedin.Batch[object]: ...

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
    ) -> signedin.Batch[object]:
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
        return signedin.Batch(
            self._async.batch(
                rows,
                journal=journal,
                prompt=prompt,
                key=key,
                concurrency=concurrency,
                on_limit=on_limit,
                on_crash=on_crash,
                worktree=worktree,
                output=output,
                **keywords,
            ),
            self,
        )

    def session(
        self, *, resume: str | None = None, fork: bool = False, **keywords: Unpack[TurnKeywords]
    ) -> Session:
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
        return Session(self._async.session(resume=resume, fork=fork, **keywords), self)

    def sessions(
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
        return call(
            lambda: self._async.sessions(
                cwd=cwd, search=search, archived=archived, limit=limit, cursor=cursor
            )
        )

    def models(self) -> list[ModelInfo]:
        """Lists the models the account can use."""
        return call(self._async.models)

    def limits(self) -> RateLimits:
        """Returns what is left of the plan."""
        return call(self._async.limits)

    def auth_status(self) -> AuthStatus:
        """Reports who is signed in and who pays, without changing anything, in bounded time.

        A status that cannot be determined is reported as such, see `AuthStatus.reason`.

        An ACP agent is asked by beginning a session; it does not report who pays.
        """
        return call(self._async.auth_status)

    def available(self) -> bool:
        """Returns whether the provider is installed and somebody is signed in."""
        return call(self._async.available)

    @overload
    def login(self) -> None: ...

    @overload
    def login(self, *, method: Literal["browser", "device"]) -> Login: ...

    @overload
    def login(self, *, method: Literal["api-key"], api_key: str) -> Login: ...

    @overload
    def login(self, *, method: LoginMethod | None, api_key: str | None) -> Login | None: ...

    def login(
        self, *, method: LoginMethod | None = None, api_key: str | None = None
    ) -> Login | None:
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
        made = call(lambda: self._async.login(method=method, api_key=api_key))
        return None if made is None else Login(made, self)

    def logout(self) -> None:
        """Ends the login, also at the vendor where it allows that."""
        call(self._async.logout)

    def export_login(self, passphrase: str | None) -> str:
        """Returns the login as one line of text, to be carried to another machine.

        Use it on one machine only from then on: its tokens are single-use, and logging out on
        either ends it on both.

        Args:
            passphrase: Encrypts it; ``None`` leaves it readable by anyone.

        Raises:
            UnsupportedOptionError: The vendor's logins cannot be exported.
        """
        return call(lambda: self._async.export_login(passphrase))

    def import_login(
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
        return call(lambda: self._async.import_login(line, passphrase, force=force))

    def close(self) -> None:
        """Ends the provider's processes. Idempotent; a later turn starts them again."""
        clean_up(self._async.aclose)

    def __enter__(self) -> Self:
        call(self._async.__aenter__)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._async).removeprefix("Async")
