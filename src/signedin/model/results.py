"""What a turn returns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from signedin.model.display import html
from signedin.model.errors import SignedinError
from signedin.model.events import AnyEvent, DoneReason, MessageEvent, Subagent, Usage
from signedin.model.redact import redact

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    OutputT_co = TypeVarWithDefault("OutputT_co", covariant=True, default=object)
else:
    OutputT_co = TypeVar("OutputT_co", covariant=True)  # only Python 3.13 knows defaults


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """A provider whose plan was used up, so that another continued, or the same one later.

    Attributes:
        provider: Who it was.
        reason: What it said, with secrets masked.
        resets_at: When its plan resets, in Unix seconds, if reported.
    """

    provider: str
    reason: str
    resets_at: float | None = None


class RunResult(msgspec.Struct, Generic[OutputT_co], frozen=True, kw_only=True):
    """The result of one turn.

    Attributes:
        provider: Who answered.
        transport: How it was driven.
        session_id: Resumes the conversation; ``None`` if the provider never reported one.
        turn_id: The provider's id of the turn, if it has one.
        model: The model that answered, if reported.
        cwd: Working directory of the agent.
        text: The final answer. Never commentary glued to it, and what there was of it if the turn
            did not end well.
        output: The structured output asked for with ``output=``, else ``None``.
        events: Everything that happened, without the deltas: complete items contain their text.
        usage: Tokens of this turn, ``None`` where the provider does not report them.
        reason: How the turn ended.
        elapsed: Seconds from the call to the end.
        retries: How often the turn was retried.
        fallbacks: Whose plans were used up before this provider answered, in that order.
        agents: The subagents it has started, in that order, where the provider reports them.
    """

    provider: str
    transport: str
    session_id: str | None
    turn_id: str | None
    model: str | None
    cwd: str
    text: str
    output: OutputT_co
    events: tuple[AnyEvent, ...]
    usage: Usage | None
    reason: DoneReason
    elapsed: float
    retries: int = 0
    fallbacks: tuple[Fallback, ...] = ()
    agents: tuple[Subagent, ...] = ()

    def __repr__(self) -> str:
        """Short on purpose: who, how long, and the start of the text."""
        shown = self.text if len(self.text) <= 80 else self.text[:77] + "…"
        return redact(
            f"RunResult({self.provider}/{self.transport}, {self.reason}, {self.elapsed:.2f} s, "
            f"{len(self.events)} events, text={shown!r})"
        )

    def __str__(self) -> str:
        """The answer."""
        return self.text

    def _repr_html_(self) -> str | None:
        """The transcript, as notebooks show it."""
        return html(self)

    def _repr_markdown_(self) -> str:
        """The answer, where a notebook shows no HTML."""
        return self.text


class _HasText(Protocol):
    @property
    def phase(self) -> str | None: ...


MessageT = TypeVar("MessageT", bound=_HasText)


def answer_among(messages: Sequence[MessageT]) -> MessageT | None:
    """Returns the answer among a turn's messages: the final one, else the last without a phase.

    Commentary is never the answer.
    """
    for phase in ("final_answer", None):
        of_phase = [message for message in messages if message.phase == phase]
        if of_phase:
            return of_phase[-1]
    return None


def answer_text(messages: Sequence[MessageEvent]) -> str:
    """Returns the text of a turn's answer, empty if there is none.

    A message that was cut off is the answer only if there is no other, as in a turn that did not
    end well.
    """
    for complete in (True, False):
        answer = answer_among([m for m in messages if m.complete is complete])
        if answer is not None:
            return answer.text
    return ""


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A stored conversation.

    Attributes:
        id: Resumes it.
        name: The name it was given, if any.
        preview: The beginning of its first prompt.
        cwd: Where the agent worked.
        model: The model it used last, if reported.
        created_at: When it began, in Unix seconds.
        updated_at: When it was used last, in Unix seconds.
        archived: Whether it is archived.
        forked_from: The session it was copied from.
    """

    id: str
    name: str | None = None
    preview: str = ""
    cwd: str | None = None
    model: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    archived: bool = False
    forked_from: str | None = None


class SessionPage(msgspec.Struct, frozen=True):
    """Some of the stored conversations.

    Attributes:
        sessions: The newest first.
        next_cursor: Continues the list where this page ends; ``None`` on the last page.
    """

    sessions: tuple[SessionInfo, ...]
    next_cursor: str | None = None


class PastTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a stored conversation.

    Attributes:
        id: The provider's id of it.
        prompt: What was asked.
        text: The final answer.
        events: What happened, as far as the provider stores it.
        reason: How it ended.
        started_at: When, in Unix seconds, if reported.
    """

    id: str | None
    prompt: str
    text: str
    events: tuple[AnyEvent, ...]
    reason: DoneReason
    started_at: float | None = None


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model the account can use.

    Attributes:
        id: What to give as ``model=``.
        name: What the vendor calls it.
        efforts: What may be given as ``effort=``.
        default_effort: What is used if none is chosen: the user's own, else ours or the vendor's.
        default: Whether it is used if none is chosen.
        images: Whether it can see images.
    """

    id: str
    name: str
    efforts: tuple[str, ...] = ()
    default_effort: str | None = None
    default: bool = False
    images: bool = False


def with_usual(
    models: Sequence[ModelInfo], model: str | None, effort: str | None
) -> list[ModelInfo]:
    """Returns models with what is used if nothing is chosen; the vendor's choice where `None`."""
    return [
        msgspec.structs.replace(
            each,
            default=each.default if model is None else each.id == model,
            default_effort=effort if effort in each.efforts else each.default_effort,
        )
        for each in models
    ]


class Outcome(msgspec.Struct, Generic[OutputT_co], frozen=True, kw_only=True):
    """What became of one prompt of a `map`.

    Attributes:
        index: Its place among the prompts, from 0.
        prompt: The prompt.
        result: What it gave, ``None`` if it failed.
        error: Why it failed; ``error.result`` has what was received.
    """

    index: int
    prompt: str
    result: RunResult[OutputT_co] | None = None
    error: SignedinError | None = None

    def unwrap(self) -> RunResult[OutputT_co]:
        """Returns the result, or raises the error."""
        if self.result is None:
            raise self.error or SignedinError("the prompt has neither result nor error")
        return self.result
