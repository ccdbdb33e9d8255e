"""What ``--json`` writes where it is not a type of the Python API.

Their names are part of the program's interface: fields and kinds may be added, none is renamed or
taken away.
"""

from __future__ import annotations

from typing import Literal, Self, TypeAlias

import msgspec

from signedin.accounts.status import Payer
from signedin.jobs.batch.reports import BatchRecord, BatchStatus, RowOutcome
from signedin.model.errors import ErrorKind, SignedinError
from signedin.model.events import AnyEvent, DoneReason, FileChange, Subagent, Usage
from signedin.model.results import Fallback, RunResult, SessionInfo


class Failure(msgspec.Struct, frozen=True, rename={"error_class": "class"}):
    """Why a turn failed; ``class`` is the exception that the Python API raises."""

    kind: ErrorKind
    message: str
    error_class: str

    @classmethod
    def of(cls, error: SignedinError) -> Self:
        """Describes an error."""
        return cls(error.kind, error.message, type(error).__name__)


class FailureDocument(msgspec.Struct, frozen=True):
    """What a command writes with ``--json`` that fails before it has anything else to write."""

    error: Failure


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How a turn ended: a `RunResult` without its events, and ``error`` if it failed."""

    provider: str
    transport: str
    session_id: str | None
    turn_id: str | None
    model: str | None
    cwd: str
    text: str
    output: object
    usage: Usage | None
    reason: DoneReason
    elapsed: float
    retries: int
    fallbacks: tuple[Fallback, ...]
    agents: tuple[Subagent, ...]
    error: Failure | None

    @classmethod
    def of(cls, result: RunResult[object], error: SignedinError | None) -> Self:
        """Returns the document for a result, or for what there is of one."""
        fields = {
            name: getattr(result, name)
            for name in RunResult.__struct_fields__
            if name in cls.__struct_fields__
        }
        return cls(**fields, error=Failure.of(error) if error else None)


class RunDocument(Ending, frozen=True, kw_only=True):
    """What ``signedin run --json`` writes."""

    events: tuple[AnyEvent, ...]


class ResultLine(Ending, frozen=True, kw_only=True, tag_field="kind", tag="result"):
    """The result, the line after the events of ``signedin run --json --stream``."""


class ChangesLine(msgspec.Struct, frozen=True, tag_field="kind", tag="changes"):
    """The line after the result of ``signedin run --worktree --json``.

    Attributes:
        files: What was changed in the worktree.
        diff: The same as one diff.
        applied: The files that were changed by applying it, with ``--apply``.
    """

    files: tuple[FileChange, ...]
    diff: str
    applied: tuple[str, ...]


class CheckDocument(msgspec.Struct, frozen=True):
    """How the check of a candidate ended."""

    returncode: int | None
    output: str
    seconds: float


class CandidateDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What one agent made of the prompt of ``signedin best-of``."""

    name: str
    passed: bool
    run: Ending | None
    error: Failure | None
    files: tuple[FileChange, ...]
    diff: str
    check: CheckDocument | None


class VerdictDocument(msgspec.Struct, frozen=True):
    """What a judge said: its choice, if there is one, and why."""

    best: str | None
    why: str


class BestOfDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``signedin best-of --json`` writes."""

    best: str | None
    reason: str
    candidates: list[CandidateDocument]
    verdicts: list[VerdictDocument]
    applied: tuple[str, ...]


class RowLine(BatchRecord, frozen=True, kw_only=True, tag_field="kind", tag="row"):
    """A line of ``signedin batch run --json``: how a row ended."""

    @classmethod
    def of(cls, outcome: RowOutcome[object]) -> Self:
        """Returns the line for an outcome."""
        error = outcome.error
        result = outcome.result or (error.result if error else None)
        usage = (result.usage if result else None) or Usage()
        return cls(
            key=outcome.key,
            index=outcome.index,
            state="failed" if error else "done",
            row=dict(outcome.row),
            text=result.text if result else None,
            output=result.output if result else None,
            error=error.message if error else None,
            error_kind=error.kind if error else None,
            provider=result.provider if result else None,
            model=result.model if result else None,
            session_id=result.session_id if result else None,
            attempts=outcome.attempts,
            seconds=result.elapsed if result else None,
            input_tokens=usage.input_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            output_tokens=usage.output_tokens,
            cost_usd=usage.reported_usd,
        )


class StatusLine(BatchStatus, frozen=True, kw_only=True, tag_field="kind", tag="status"):
    """The last line of ``signedin batch run --json``."""


class Retried(msgspec.Struct, frozen=True):
    """What ``signedin batch retry --json`` writes: how many rows are pending again."""

    retried: int


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """What ``signedin available --json`` writes."""

    provider: str
    available: bool
    installed: bool
    path: str | None
    version: str | None
    problem: str | None
    install: str
    sign_in: str | None


class TransportRow(msgspec.Struct, frozen=True):
    """A transport of a provider, and what it can do."""

    name: str
    default: bool
    abilities: list[str]


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """A provider in the list that ``signedin providers --json`` writes.

    Attributes:
        signed_in: Whether somebody is signed in; ``None`` if that is not known: it is not
            installed, manages its logins itself, or did not answer.
        sign_in: How to sign in, without a login.
        billing: Who pays for a turn, as in `signedin auth status`; ``None`` likewise.
    """

    provider: str
    installed: bool
    path: str | None
    version: str | None
    problem: str | None
    install: str
    signed_in: bool | None
    sign_in: str | None
    billing: Payer | None
    transports: list[TransportRow]


class StoredSession(SessionInfo, frozen=True, kw_only=True):
    """A stored conversation, and the provider that stores it."""

    provider: str

    @property
    def searched(self) -> str:
        """What a search looks at."""
        words = (self.provider, self.cwd, self.name, self.preview)
        return " ".join(filter(None, words)).casefold()


class ResumeDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``signedin resume --json`` writes.

    Attributes:
        sessions: Of all providers, the one that was used last first.
        missing: The providers whose sessions are not known, each with why.
    """

    sessions: list[StoredSession]
    missing: dict[str, str]


ChangeWord: TypeAlias = Literal["forked", "renamed", "archived", "unarchived", "deleted"]


class SessionChange(msgspec.Struct, frozen=True, kw_only=True):
    """What the commands of ``signedin sessions`` that change one write with ``--json``.

    Attributes:
        session_id: The session that was changed.
        change: What was done to it.
        new_session_id: The copy, of a fork.
    """

    session_id: str
    change: ChangeWord
    new_session_id: str | None = None


class Checked(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="check"):
    """The last line of ``signedin demo --json``: what the program itself found afterwards."""

    file_changed: bool
    test_passes: bool


class Serving(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="serving"):
    """The first line of ``signedin loopback --json``.

    Attributes:
        url: Where the model is.
        arguments: The words of a command that uses it, up to the prompt.
    """

    url: str
    arguments: list[str]


class Served(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="request"):
    """A line of ``signedin loopback --json``: a request that arrived.

    Attributes:
        number: Counted from 1.
        method: Of HTTP.
        path: Of the address.
        api: The model API that serves it, empty if none does.
        model: The model that was asked.
        prompt: What was asked.
        tool_outputs: How many outputs of tools came with it.
    """

    number: int
    method: str
    path: str
    api: str
    model: str
    prompt: str
    tool_outputs: int


class PolicyAnswer(msgspec.Struct, frozen=True):
    """What ``signedin policy test --json`` writes.

    Attributes:
        verdict: ``allow``, ``ask`` or ``deny``; ``None`` if no rule is about it.
        why: What decided.
        rule: The place of the rule that decided, from 1; 0 if none did.
        part: The part of the request that it is about.
    """

    verdict: Literal["allow", "ask", "deny"] | None
    why: str
    rule: int
    part: str
