"""The contract between the client and whatever answers prompts.

A provider is created per client and opens sessions; a session starts turns, one at a time; a turn
yields batches of events until it has ended. Providers normalise: nothing above them sees a vendor's
wire format except as the ``payload`` of events.
"""

from __future__ import annotations

import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

import msgspec

from signedin.accounts.status import AuthBackend
from signedin.model.approvals import Host
from signedin.model.capabilities import Capabilities
from signedin.model.choices import AuthSource, Billing, EnvPolicy
from signedin.model.errors import CassetteError, UnsupportedOptionError
from signedin.model.events import Event, RateLimits
from signedin.model.options import TurnOptions
from signedin.model.results import ModelInfo, PastTurn, SessionPage

if TYPE_CHECKING:
    from signedin.cassettes.cassette import Cassette
    from signedin.wire.process import Process

T = TypeVar("T")


class StartProcess(Protocol):
    """Starts a program; see `Process.start`."""

    def __call__(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str | Path | None = None,
        stdout_through: Path | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
        prefix: Sequence[str] = (),
        suffix: Sequence[str] = (),
    ) -> Awaitable[Process]:
        """Starts it."""
        ...


class ProviderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What a client knows before its first turn.

    Attributes:
        transport: One of the provider's transports.
        binary: The program to run, if the caller chose one.
        command: The program and its arguments, for an unknown agent.
        auth_source: Which login is used.
        account: Name of an isolated login.
        billing: Who should pay; ``None`` prefers a login if there is one.
        env_policy: How much of the parent's environment the child gets.
        ledger: Whether its turns are to be counted.
        cassette: What it is recorded into, or played from.
    """

    transport: str
    binary: Path | None = None
    command: tuple[str, ...] = ()
    auth_source: AuthSource = "auto"
    account: str | None = None
    billing: Billing | None = None
    env_policy: EnvPolicy = "minimal"
    ledger: bool = True
    cassette: Cassette | None = None

    @property
    def start_process(self) -> StartProcess:
        """Starts programs, as `Process.start` does."""
        if self.cassette is not None:
            return self.cassette.start
        from signedin.wire.process import Process  # noqa: PLC0415 - not every client starts one

        return Process.start

    @property
    def replays(self) -> bool:
        """Whether a recording answers: nothing of this machine matters then."""
        return self.cassette is not None and self.cassette.replays

    @property
    def is_counted(self) -> bool:
        """Whether what its turns use belongs in the ledger: a replay uses nothing."""
        return self.ledger and not self.replays

    def recall(self, name: str, kind: type[T], find: Callable[[], T]) -> T:
        """Returns what is found on this machine, or was when a cassette was recorded.

        Args:
            name: What it is.
            kind: Its type, which msgspec can encode.
            find: Looks for it.
        """
        return find() if self.cassette is None else self.cassette.recall(name, kind, find)

    def usual(self, name: str, find: Callable[[], str | None], default: str | None) -> str | None:
        """Returns what the user has set for a vendor, else our default.

        Args:
            name: What it is.
            find: Looks for it on this machine.
            default: What holds where nothing is set.
        """
        if self.replays:
            try:
                return self.recall(name, str, str)
            except CassetteError:  # nothing was set where it was recorded
                return default
        found = find()
        return default if found is None else self.recall(name, str, lambda: found)


class SessionRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How a session begins.

    Attributes:
        options: The defaults for all its turns.
        resume: The stored session to continue; ``None`` begins a new one.
        fork: Whether to continue in a copy, which leaves the stored session as it is.
    """

    options: TurnOptions
    resume: str | None = None
    fork: bool = False


class SessionQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which stored sessions to list; see `AsyncClient.sessions`."""

    cwd: Path | None = None
    search: str | None = None
    archived: bool = False
    limit: int | None = None
    cursor: str | None = None


class ReviewTarget(msgspec.Struct, frozen=True, kw_only=True):
    """What to review: uncommitted changes if nothing is given, else exactly one of these.

    Attributes:
        base: Changes against this branch.
        commit: This commit.
        instructions: Whatever these instructions describe.
    """

    base: str | None = None
    commit: str | None = None
    instructions: str | None = None


class Compaction(msgspec.Struct, frozen=True):
    """That the conversation is replaced by a summary of it."""


class TurnRequest(msgspec.Struct, frozen=True):
    """What begins a turn.

    Attributes:
        ask: The prompt, or one of the others.
        options: How.
        host: Answers what the agent asks meanwhile.
    """

    ask: str | ReviewTarget | Compaction
    options: TurnOptions
    host: Host


class ProviderTurn(Protocol):
    """One running turn."""

    @property
    def id(self) -> str | None:
        """The provider's id of the turn."""
        ...

    async def next_events(self) -> Sequence[Event]:
        """Waits for the next events.

        Returns:
            The events, the last batch ending with a `DoneEvent`. None means that the turn is still
            waiting for something that it waits for on purpose.

        Raises:
            SignedinError: The transport failed. Only `aclose` may be called after that.
        """
        ...

    async def steer(self, text: str) -> None:
        """Adds to the prompt while the agent works."""
        ...

    async def interrupt(self) -> None:
        """Asks the agent to stop; the turn then ends by itself with a `DoneEvent`."""
        ...

    async def aclose(self) -> None:
        """Stops the turn if it is still running and frees everything. Idempotent, bounded.

        A pending `next_events` returns a `DoneEvent` with the reason ``interrupted``.
        """
        ...


class ProviderSession(ABC):
    """One conversation.

    The default methods refuse what a vendor does not support.

    Attributes:
        provider: The vendor's name, for messages.
        notices: What the user should know about how it was opened; reported with the first turn.
        fixed_options: Names in ``provider_options`` that only apply when the session begins; a
            later turn that sets another value is refused.
    """

    provider: str
    notices: Sequence[str] = ()
    fixed_options: frozenset[str] = frozenset()

    @property
    @abstractmethod
    def id(self) -> str | None:
        """The provider's id of the session, as soon as it is known."""

    def start(self, request: TurnRequest) -> Awaitable[ProviderTurn]:
        """Begins a turn. The caller ensures that no other turn of the session is running."""
        ask, options, host = request.ask, request.options, request.host
        if isinstance(ask, str):
            return self.start_turn(ask, options, host)
        if isinstance(ask, ReviewTarget):
            return self.start_review(ask, options, host)
        return self.start_compaction(options, host)

    @abstractmethod
    async def start_turn(self, prompt: str, options: TurnOptions, host: Host) -> ProviderTurn:
        """Sends a prompt."""

    @abstractmethod
    async def aclose(self) -> None:
        """Frees what the session holds in the agent's process; the conversation stays stored."""

    async def roll_back(self) -> None:
        """Removes the last turn, which has failed, from the conversation, so it can be repeated."""
        raise UnsupportedOptionError(self.provider, "retry", "a session stores its failed turns")

    async def history(self) -> list[PastTurn]:
        """Returns the turns of the conversation, the oldest first."""
        raise UnsupportedOptionError(self.provider, "history")

    async def rename(self, name: str) -> None:
        """Names the conversation."""
        del name
        raise UnsupportedOptionError(self.provider, "rename")

    async def set_archived(self, *, archived: bool) -> None:
        """Archives or unarchives the conversation."""
        del archived
        raise UnsupportedOptionError(self.provider, "archive")

    async def delete(self) -> None:
        """Deletes the conversation permanently."""
        raise UnsupportedOptionError(self.provider, "delete")

    async def start_compaction(self, options: TurnOptions, host: Host) -> ProviderTurn:
        """Asks the agent to replace the conversation by a summary of it."""
        del options, host
        raise UnsupportedOptionError(self.provider, "compact")

    async def start_review(
        self, target: ReviewTarget, options: TurnOptions, host: Host
    ) -> ProviderTurn:
        """Asks the agent to review changes."""
        del target, options, host
        raise UnsupportedOptionError(self.provider, "review")


class Provider(ABC):
    """Everything one client does with one vendor.

    Attributes:
        name: The vendor's name, for messages.
    """

    name: str

    @abstractmethod
    async def open_session(self, request: SessionRequest) -> ProviderSession:
        """Begins, resumes or forks a conversation."""

    @abstractmethod
    async def aclose(self) -> None:
        """Ends every process and connection. Idempotent."""

    async def prewarm(self, options: TurnOptions) -> None:
        """Starts the agent and waits until it is ready for the first turn.

        Raises:
            SignedinError: It cannot be started.
        """
        del options
        raise UnsupportedOptionError(self.name, "prewarm")

    async def sessions(self, query: SessionQuery, options: TurnOptions) -> SessionPage:
        """Lists stored conversations, the newest first."""
        del query, options
        raise UnsupportedOptionError(self.name, "sessions")

    async def models(self, options: TurnOptions) -> list[ModelInfo]:
        """Lists the models the account can use."""
        del options
        raise UnsupportedOptionError(self.name, "models")

    async def limits(self, options: TurnOptions) -> RateLimits:
        """Returns the remaining quota of the plan."""
        del options
        raise UnsupportedOptionError(self.name, "limits")

    def auth(self, options: TurnOptions) -> AuthBackend:
        """Returns the object that manages the account."""
        del options
        hint = "it manages its accounts itself"
        raise UnsupportedOptionError(self.name, "auth", hint)


class ProviderSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the registry knows about a provider without starting anything.

    Attributes:
        name: As in ``Client(name)``.
        transports: What each of its transports can do, the default first.
        create: Creates the provider for one client.
        find: Looks for the program on this machine.
        takes_command: Whether the caller passes the command to start.
        takes_binary: Whether there is a program that the caller can replace.
        install: The command that installs what it needs.
        login: The command that signs in.
        quirks: What users should know about it besides its capabilities.
        profiles: Names of the ways to sign in, the default first, if there are several.
        vendor: Whose accounts it uses, by the name of the vendor's own provider, if not of its own.
        tested: The oldest and the newest version of the program that signedin is tested with.
    """

    name: str
    transports: Mapping[str, Capabilities]
    create: Callable[[ProviderConfig], Provider]
    find: Callable[[ProviderConfig], Installation]
    takes_command: bool = False
    takes_binary: bool = True
    install: str = ""
    login: str = ""
    quirks: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    vendor: str | None = None
    tested: tuple[str, str] | None = None


class Installation(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's program on this machine.

    Attributes:
        path: Where it is, ``None`` if it is not installed.
        origin: How it was found: ``argument``, ``environment``, ``package`` or ``path``.
        version: Its version, if it is known without starting it or was probed before.
        problem: Why it cannot be used.
        install: The command that installs it.
    """

    path: Path | None
    origin: Literal["argument", "environment", "package", "path", "none"]
    version: str | None = None
    problem: str | None = None
    install: str = ""

    @property
    def usable(self) -> Path | None:
        """The program if it can be used."""
        return None if self.problem else self.path
