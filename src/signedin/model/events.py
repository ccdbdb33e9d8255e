"""What happens during a turn, in one vocabulary for every provider.

Events are frozen `msgspec.Struct`s tagged by ``kind``. A stream of them always starts with a
`SessionEvent` (another one follows a `FallbackEvent` only), gives deltas before the item they
belong to, and ends with exactly one `DoneEvent`, also after an error or an interrupt. Whatever a
provider sends that has no event type here arrives as an `OtherEvent`; nothing is dropped.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from enum import StrEnum
from typing import ClassVar, Literal, TypeAlias, cast

import msgspec

from signedin.model.errors import (
    AuthRequiredError,
    BillingError,
    ErrorKind,
    PermissionDeniedError,
    ProtocolError,
    RateLimitedError,
    SignedinError,
    TimeoutExceededError,
    TransportClosedError,
    TurnFailedError,
    TurnInterruptedError,
    UsageLimitError,
)
from signedin.model.redact import redact

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"
"""A decoded JSON value."""

EMPTY_PAYLOAD = msgspec.Raw(b"null")


def _no_payload() -> msgspec.Raw:
    return EMPTY_PAYLOAD


class EventKind(StrEnum):
    """The names of the events; stable, also in ``--json`` output.

    ``event.kind`` is such a name as a literal string: ``event.kind == "command"`` shows type
    checkers which event it is, and mypy takes nothing but the string there.
    """

    SESSION = "session"
    MESSAGE = "message"
    MESSAGE_DELTA = "message_delta"
    REASONING = "reasoning"
    REASONING_DELTA = "reasoning_delta"
    PLAN = "plan"
    PLAN_DELTA = "plan_delta"
    COMMAND = "command"
    FILE_CHANGE = "file_change"
    TOOL = "tool"
    APPROVAL = "approval"
    USAGE = "usage"
    RATE_LIMIT = "rate_limit"
    RETRY = "retry"
    FALLBACK = "fallback"
    WARNING = "warning"
    ERROR = "error"
    DONE = "done"
    OTHER = "other"


ItemStatus: TypeAlias = Literal[
    "started", "output", "completed", "failed", "declined", "interrupted"
]
"""How far a command, file change or tool call has come. ``output`` events are previews; each item
ends with exactly one of the last four."""

DoneReason: TypeAlias = Literal["completed", "failed", "interrupted", "timeout", "budget"]
"""Why a turn ended."""


class Subagent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that the agent of a turn has started.

    Attributes:
        id: What the provider calls it: the tool call that started it, or its thread.
        name: Its type or nickname, empty if not reported.
        task: What it was asked.
        status: How far it has come. ``running`` in a result if no end was reported.
        text: Its last message; in results only.
        usage: Tokens it has used, not part of the turn's usage; ``None`` if not reported.
    """

    id: str
    name: str = ""
    task: str = ""
    status: Literal["running", "completed", "failed", "interrupted"] = "running"
    text: str = ""
    usage: Usage | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", rename={"payload": "raw"}):
    """What all events have in common.

    Attributes:
        kind: What it is, as one of the words of `EventKind`.
        text: The human-readable content of the event, empty if it has none.
        timestamp: When it happened, in Unix seconds.
        payload: The provider's own message as JSON text; `raw` is the same, decoded.
        agent: The subagent it comes from, as it is then; ``None`` for the agent of the turn.
    """

    kind: ClassVar[str]

    text: str = ""
    timestamp: float = 0.0
    # Not the value itself: it has no place in a JSON Schema.
    payload: msgspec.Raw = msgspec.field(default_factory=_no_payload)
    agent: Subagent | None = None

    @property
    def raw(self) -> JSON:
        """The provider's own message, decoded at each access.

        Falls back to its text if it cannot be decoded: nested too deeply, or a number out of range.
        """
        try:
            return cast("JSON", msgspec.json.decode(self.payload))
        except (msgspec.MsgspecError, RecursionError):
            return bytes(self.payload).decode("utf-8", "replace")

    def __repr__(self) -> str:
        """Shows the event without the provider's payload, secrets masked."""
        shown = (
            f"{name}={value!r}"
            for name in self.__struct_fields__
            if name not in {"payload", "timestamp"}
            and (value := getattr(self, name)) is not None
            and value not in ("", ())
        )
        return redact(f"{type(self).__name__}({', '.join(shown)})")


class SessionEvent(Event, frozen=True, kw_only=True, tag="session"):
    """The session a turn runs in; the first event of every stream.

    Attributes:
        session_id: Resumes the session.
        model: What it is set to, if reported; it may be a word such as ``auto``.
        cwd: Where the agent works.
        effort: The reasoning effort it is set to, if reported.
        provider: Who answers, of a client with several providers.
        transport: How that provider is driven.
    """

    kind: ClassVar[Literal["session"]] = "session"

    session_id: str
    model: str | None = None
    cwd: str | None = None
    effort: str | None = None
    provider: str | None = None
    transport: str | None = None


class MessageEvent(Event, frozen=True, kw_only=True, tag="message"):
    """A complete message of the agent.

    Attributes:
        item_id: Joins the message with its deltas.
        phase: ``commentary`` for words between actions, ``final_answer`` for the answer, ``None``
            where the provider makes no difference.
        complete: False if the turn ended while the message was still growing.
    """

    kind: ClassVar[Literal["message"]] = "message"

    item_id: str
    phase: str | None = None
    complete: bool = True


class MessageDeltaEvent(Event, frozen=True, kw_only=True, gc=False, tag="message_delta"):
    """A further piece of a message.

    Attributes:
        item_id: Joins the events of one message.
    """

    kind: ClassVar[Literal["message_delta"]] = "message_delta"

    item_id: str


class ReasoningEvent(Event, frozen=True, kw_only=True, tag="reasoning"):
    """A complete reasoning block: its summary where there is one, else the full reasoning.

    Attributes:
        item_id: Joins the events of one block.
        complete: False if the turn ended while it was still growing.
    """

    kind: ClassVar[Literal["reasoning"]] = "reasoning"

    item_id: str
    complete: bool = True


class ReasoningDeltaEvent(Event, frozen=True, kw_only=True, gc=False, tag="reasoning_delta"):
    """A further piece of a reasoning block.

    Attributes:
        item_id: Joins the events of one block.
    """

    kind: ClassVar[Literal["reasoning_delta"]] = "reasoning_delta"

    item_id: str


class PlanStep(msgspec.Struct, frozen=True):
    """One step of a plan, ``status`` being ``pending``, ``in_progress`` or ``completed``.

    Attributes:
        text: What is to be done.
        status: How far it is.
    """

    text: str
    status: str = "pending"


class PlanEvent(Event, frozen=True, kw_only=True, tag="plan"):
    """The agent's plan as it stands now.

    Attributes:
        item_id: Joins the events of one plan.
        steps: Its steps, where the agent reports them one by one.
        complete: False if the turn ended while it was still growing.
    """

    kind: ClassVar[Literal["plan"]] = "plan"

    item_id: str
    steps: tuple[PlanStep, ...] = ()
    complete: bool = True


class PlanDeltaEvent(Event, frozen=True, kw_only=True, gc=False, tag="plan_delta"):
    """A further piece of a plan's text.

    Attributes:
        item_id: Joins the events of one plan.
    """

    kind: ClassVar[Literal["plan_delta"]] = "plan_delta"

    item_id: str


class CommandEvent(Event, frozen=True, kw_only=True, tag="command"):
    """A command the agent runs: once when it starts, per piece of output, once at its end.

    Attributes:
        item_id: Joins the events of one command.
        command: The command line as the provider shows it.
        status: How far it is; ``output`` carries the new piece in ``text``.
        cwd: Working directory, if reported.
        output: All output together, at the end; vendors may cut the middle of large outputs.
        exit_code: At the end, if it ran.
        seconds: How long it ran, if reported.
    """

    kind: ClassVar[Literal["command"]] = "command"

    item_id: str
    command: str
    status: ItemStatus
    cwd: str | None = None
    output: str = ""
    exit_code: int | None = None
    seconds: float | None = None


class FileChange(msgspec.Struct, frozen=True):
    """One file that is added, updated or deleted.

    Attributes:
        path: Absolute path.
        kind: What happens to it.
        diff: Unified diff, or the whole content of an added or deleted file where the provider
            gives no diff.
        moved_to: New path if the change also renames the file.
    """

    path: str
    kind: Literal["add", "update", "delete"]
    diff: str = ""
    moved_to: str | None = None


class FileChangeEvent(Event, frozen=True, kw_only=True, tag="file_change"):
    """Files the agent writes; ``text`` lists them.

    Attributes:
        item_id: Joins the events of one change.
        changes: The files, with diffs.
        status: How far it is.
    """

    kind: ClassVar[Literal["file_change"]] = "file_change"

    item_id: str
    changes: tuple[FileChange, ...]
    status: ItemStatus


class ToolEvent(Event, frozen=True, kw_only=True, tag="tool"):
    """A tool the agent calls: a Python function, an MCP tool or one of the agent's own.

    Attributes:
        item_id: Joins the events of one call.
        name: The tool's name.
        status: How far it is.
        server: The MCP server or namespace the tool belongs to.
        arguments: What it is called with, decoded JSON.
        result: What it returned, decoded JSON.
        error: Why it failed.
        seconds: How long it took, if reported.
    """

    kind: ClassVar[Literal["tool"]] = "tool"

    item_id: str
    name: str
    status: ItemStatus
    server: str | None = None
    arguments: object = None
    result: object = None
    error: str | None = None
    seconds: float | None = None


class ApprovalEvent(Event, frozen=True, kw_only=True, tag="approval"):
    """A question the agent asked before it acted, and how it was answered.

    Attributes:
        item_id: The command, file change or tool call it is about.
        subject: ``command``, ``file_change``, ``network``, ``tool``, ``permission`` or
            ``question``.
        decision: ``allow``, ``allow_for_session``, ``deny``, ``stop`` or, for a question,
            ``answered``.
        changed: What the answer allows in place of what was asked for. With ``allow`` that runs;
            with ``deny`` the agent cannot be given it, and is informed instead.
    """

    kind: ClassVar[Literal["approval"]] = "approval"

    item_id: str
    subject: str
    decision: str
    changed: str | None = None


class Usage(msgspec.Struct, frozen=True, dict=True):
    """Tokens a turn used.

    Attributes:
        input_tokens: All input, including what came from the cache.
        cached_input_tokens: Input read from the cache.
        cache_write_tokens: Input written to the cache.
        output_tokens: All output, including reasoning.
        reasoning_tokens: Output spent on reasoning.
        total_tokens: Input and output together.
        reported_usd: Price in US dollars, only where the vendor reports it; ``cost_usd`` in JSON.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    total_tokens: int = 0
    reported_usd: float | None = msgspec.field(default=None, name="cost_usd")

    @property
    def model(self) -> str | None:
        """The model that answered, of the usage of a result, if reported."""
        return vars(self).get("model")

    @property
    def cost_usd(self) -> float | None:
        """Price in US dollars as the vendor reports it, else at list price, if that is known.

        List prices need the extra ``prices``; the first of a process takes half a second.
        """
        return self._list_price() if self.reported_usd is None else self.reported_usd

    @property
    def priced_by(self) -> Literal["vendor", "list"] | None:
        """Where `cost_usd` comes from; ``None`` if the price is not known."""
        if self.reported_usd is not None:
            return "vendor"
        return None if self._list_price() is None else "list"

    def of_model(self, model: str | None) -> Usage:
        """Returns the same usage with the model that list prices depend on."""
        usage = copy(self)
        vars(usage)["model"] = model
        return usage

    def __add__(self, other: Usage) -> Usage:
        """Adds two usages, for totals over several turns."""
        costs = [each.reported_usd for each in (self, other) if each.reported_usd is not None]
        return Usage(
            self.input_tokens + other.input_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.output_tokens + other.output_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.total_tokens + other.total_tokens,
            sum(costs) if costs else None,
        ).of_model(self.model if self.model == other.model else None)

    def __reduce__(self) -> tuple[object, ...]:
        """Takes the model to other processes as well."""
        return _usage_of, (self.model, *msgspec.structs.astuple(self))

    def _list_price(self) -> float | None:
        if self.model is None:
            return None
        from signedin.model.prices import unit_prices  # noqa: PLC0415 - seldom needed

        prices = unit_prices(self.model)
        return None if prices is None else prices.of(self)


def _usage_of(model: str | None, *fields: int) -> Usage:
    return Usage(*fields).of_model(model)


class UsageEvent(Event, frozen=True, kw_only=True, tag="usage"):
    """Tokens used by the turn so far.

    Attributes:
        usage: Everything the turn used until now.
        context_tokens: Tokens in the context window after the latest model request.
        context_window: Size of the model's context window.
        model: Which model answered, where that is reported with the tokens only.
    """

    kind: ClassVar[Literal["usage"]] = "usage"

    usage: Usage
    context_tokens: int | None = None
    context_window: int | None = None
    model: str | None = None


class RateLimitWindow(msgspec.Struct, frozen=True):
    """How much of one window of a plan is used.

    Attributes:
        used_percent: 0 to 100.
        minutes: Length of the window.
        resets_at: When it resets, in Unix seconds.
    """

    used_percent: float
    minutes: int | None = None
    resets_at: float | None = None


class RateLimits(msgspec.Struct, frozen=True):
    """What is left of a plan.

    Attributes:
        windows: By the provider's name for them, such as ``primary`` and ``secondary``.
        plan: The plan's name.
        credits: Balance as the vendor writes it.
    """

    windows: dict[str, RateLimitWindow]
    plan: str | None = None
    credits: str | None = None


class RateLimitEvent(Event, frozen=True, kw_only=True, tag="rate_limit"):
    """A change of the remaining quota of the plan.

    Attributes:
        limits: What is left, as reported.
    """

    kind: ClassVar[Literal["rate_limit"]] = "rate_limit"

    limits: RateLimits


class RetryEvent(Event, frozen=True, kw_only=True, tag="retry"):
    """A request or a whole turn is retried; ``text`` says why.

    Attributes:
        attempt: The retry about to be made, counted from 1, if reported.
        delay: Seconds until then, if reported.
    """

    kind: ClassVar[Literal["retry"]] = "retry"

    attempt: int | None = None
    delay: float | None = None


class FallbackEvent(Event, frozen=True, kw_only=True, tag="fallback"):
    """A plan is used up; ``text`` says so in the provider's words, and the turn continues.

    Attributes:
        provider: Whose plan it is.
        successor: Who continues: another provider, or the same after ``resets_at``.
        resets_at: When the plan resets, in Unix seconds, if reported.
        handover: Whether the successor gets the conversation and the work so far.
        skipped: Whether the provider has done nothing in this turn, not even begun a session.
    """

    kind: ClassVar[Literal["fallback"]] = "fallback"

    provider: str
    successor: str
    resets_at: float | None = None
    handover: bool = False
    skipped: bool = False


class WarningEvent(Event, frozen=True, kw_only=True, tag="warning"):
    """Something the user should know; the turn continues."""

    kind: ClassVar[Literal["warning"]] = "warning"


class ErrorEvent(Event, frozen=True, kw_only=True, tag="error"):
    """Why the turn fails, in the provider's own words.

    Attributes:
        error: The kind of failure.
        status: HTTP status of the model request, if there was one.
        resets_at: For a usage limit: when it is lifted, in Unix seconds.
        retry_after: For a rate limit: seconds to wait.
        plan: For a usage limit: the plan it belongs to.
    """

    kind: ClassVar[Literal["error"]] = "error"

    error: ErrorKind
    status: int | None = None
    resets_at: float | None = None
    retry_after: float | None = None
    plan: str | None = None


class DoneEvent(Event, frozen=True, kw_only=True, tag="done"):
    """The end of the turn, always the last event; ``text`` is the final answer.

    Attributes:
        reason: ``completed``, ``failed``, ``interrupted``, ``timeout`` or ``budget``.
    """

    kind: ClassVar[Literal["done"]] = "done"

    reason: DoneReason


class OtherEvent(Event, frozen=True, kw_only=True, tag="other"):
    """A message of the provider that has no event type of its own.

    Attributes:
        name: The provider's name for it, such as ``thread/status/changed``.
    """

    kind: ClassVar[Literal["other"]] = "other"

    name: str


AnyEvent: TypeAlias = (
    SessionEvent
    | MessageEvent
    | MessageDeltaEvent
    | ReasoningEvent
    | ReasoningDeltaEvent
    | PlanEvent
    | PlanDeltaEvent
    | CommandEvent
    | FileChangeEvent
    | ToolEvent
    | ApprovalEvent
    | UsageEvent
    | RateLimitEvent
    | RetryEvent
    | FallbackEvent
    | WarningEvent
    | ErrorEvent
    | DoneEvent
    | OtherEvent
)
"""All events, for ``match`` and for decoding: ``msgspec.json.decode(line, type=AnyEvent)``."""

OnEvents: TypeAlias = Callable[[Sequence[AnyEvent]], Awaitable[object] | object]
"""Takes the events of a run as they come; may be async, and may block, as `OnApproval`."""


_PLAIN = {
    ErrorKind.AUTH_REQUIRED: AuthRequiredError,
    ErrorKind.BILLING: BillingError,
    ErrorKind.PERMISSION_DENIED: PermissionDeniedError,
    ErrorKind.PROTOCOL: ProtocolError,
    ErrorKind.PROCESS: TransportClosedError,
    ErrorKind.TIMEOUT: TimeoutExceededError,
    ErrorKind.INTERRUPTED: TurnInterruptedError,
}


def error_from_event(event: ErrorEvent) -> SignedinError:
    """Returns the exception that a turn raises which failed with this event."""
    if event.error is ErrorKind.USAGE_LIMIT:
        return UsageLimitError(event.text, resets_at=event.resets_at, plan=event.plan)
    if event.error is ErrorKind.RATE_LIMITED:
        return RateLimitedError(event.text, retry_after=event.retry_after)
    if error_type := _PLAIN.get(event.error):
        return error_type(event.text)
    return TurnFailedError(event.text, event.error, event.status)


def not_understood(name: str, what: str, error: Exception) -> ProtocolError:
    """Returns the error of a turn whose provider sent what its reader fails at.

    Args:
        name: Who sent it.
        what: What it was, as far as that is known.
        error: What the reader raised.
    """
    fault = ProtocolError(f"{name} sent {what} in a form that cannot be read: {error!r}"[:500])
    fault.__cause__ = error
    return fault


def event_from_error(error: SignedinError) -> ErrorEvent:
    """Returns the event for an exception."""
    return ErrorEvent(
        text=error.message,
        timestamp=time.time(),
        error=error.kind,
        status=getattr(error, "status", None),
        resets_at=getattr(error, "resets_at", None),
        retry_after=getattr(error, "retry_after", None),
        plan=getattr(error, "plan", None),
    )
