"""Translates app-server notifications into events, with the little state a turn needs.

Wire facts seen with codex 0.163 and 0.169. ``item/completed`` is the truth and deltas are previews;
items may never complete, or complete after their turn.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import msgspec

from signedin.model import events as e
from signedin.providers.codex import protocol as p
from signedin.providers.codex.app_server.items import item_event
from signedin.providers.codex.failure import failure_event
from signedin.providers.codex.refused import METHOD_ITEM, METHOD_RESPONSE, Refused

METHOD_DIFF = "turn/diff/updated"


class TurnNormaliser:
    """Translates the notifications of one turn.

    Args:
        counted: The tokens of the whole thread before the turn.
        cwd: The working directory of the turn.
        stale: Why the review before this turn could not begin. Codex 0.163 repeats it at the end
            of the next turn, which has nothing to do with it.

    Attributes:
        refused: What Codex refused at once.
        requests: How many requests of the model were counted.
        file_changes: Each file change as it started; an approval request names only its id.
        tool_calls: The latest tool call that started on each MCP server, for the same reason.
        counted: The tokens of the whole thread as counted last; the server may repeat a count.
    """

    def __init__(
        self,
        counted: p.TokenUsageBreakdown | None = None,
        cwd: Path | None = None,
        stale: str | None = None,
    ) -> None:
        self._stale = stale
        self.refused = Refused(cwd or Path())
        self.requests = 0
        self.file_changes: dict[str, e.FileChangeEvent] = {}
        self.tool_calls: dict[str | None, e.ToolEvent] = {}
        self._commands: dict[str, e.CommandEvent] = {}
        self._ended_items: set[str] = set()
        self._summarised: dict[str, bool] = {}
        self._usage = e.Usage()
        self.counted = counted
        self._limits: e.RateLimits | None = None
        self._diff: e.OtherEvent | None = None
        self._failed = False

    @property
    def running(self) -> bool:
        """Whether a command has started and not ended."""
        return bool(self._commands)

    def events(
        self, method: str, params: p.Incoming | None, line: bytes, *, turn_id: str | None
    ) -> list[e.Event]:
        """Returns the events of one notification.

        Args:
            method: Its method.
            params: Its parameters, ``None`` if method or form are unknown.
            line: The whole message, for `Event.payload`.
            turn_id: The turn that is being read, ``None`` until it has started: what is about a
                turn before then is about an earlier one, such as the usage of the last turn,
                which is repeated after a thread is resumed.
        """
        if method == METHOD_ITEM:
            return self.refused.events(line)
        if method == METHOD_RESPONSE:
            return []
        payload = msgspec.Raw(line)
        now = time.time()
        event: e.Event | list[e.Event] | None = None
        # Reported for another turn: a command that outlived the turn it was started in.
        foreign = getattr(params, "turn_id", None) not in (None, turn_id)
        if params is not None and not foreign:
            translate = _TRANSLATIONS.get(type(params))
            event = translate(self, params, now, payload) if translate else None
        if event is None:
            return [e.OtherEvent(name=method, timestamp=now, payload=payload)]
        return event if isinstance(event, list) else [event]

    def message_delta(
        self, params: p.AgentMessageDeltaNotification, now: float, payload: msgspec.Raw
    ) -> e.Event:
        """A piece of a message."""
        return e.MessageDeltaEvent(
            item_id=params.item_id, text=params.delta, timestamp=now, payload=payload
        )

    def summary_delta(
        self, params: p.ReasoningSummaryTextDeltaNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """A piece of a reasoning summary."""
        return self._reasoning_delta(params.item_id, params.delta, now, payload, summary=True)

    def summary_part(
        self, params: p.ReasoningSummaryPartAddedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """The start of a summary's part; parts are paragraphs."""
        if params.summary_index == 0:
            return None
        return self._reasoning_delta(params.item_id, "\n\n", now, payload, summary=True)

    def reasoning_delta(
        self, params: p.ReasoningTextDeltaNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """A piece of full reasoning."""
        return self._reasoning_delta(params.item_id, params.delta, now, payload, summary=False)

    def plan_delta(
        self, params: p.PlanDeltaNotification, now: float, payload: msgspec.Raw
    ) -> e.Event:
        """A piece of a plan."""
        return e.PlanDeltaEvent(
            item_id=params.item_id, text=params.delta, timestamp=now, payload=payload
        )

    def output_delta(
        self, params: p.CommandExecutionOutputDeltaNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """A piece of a command's output, as long as the command is known to run."""
        command = self._commands.get(params.item_id)
        if command is None:
            return None
        return msgspec.structs.replace(
            command, status="output", text=params.delta, timestamp=now, payload=payload
        )

    def item_started(
        self, params: p.ItemStartedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """The start of an item."""
        self.refused.mark_reported(params.item.id)
        event = item_event(params.item, started=True, timestamp=now, payload=payload)
        if isinstance(event, e.CommandEvent) and event.item_id not in self._ended_items:
            self._commands[event.item_id] = event
        elif isinstance(event, e.FileChangeEvent):
            self.file_changes[event.item_id] = event
        elif isinstance(event, e.ToolEvent):
            self.tool_calls[event.server] = event
        return event

    def item_completed(
        self, params: p.ItemCompletedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """The end of an item; what comes after it is not reported as part of the item."""
        if params.item.id in self._ended_items:
            return None
        self.refused.mark_reported(params.item.id)
        event = item_event(params.item, started=False, timestamp=now, payload=payload)
        if event is not None:
            self._ended_items.add(params.item.id)
        self._commands.pop(params.item.id, None)
        return event

    def plan_updated(
        self, params: p.TurnPlanUpdatedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event:
        """The current state of a checklist."""
        return e.PlanEvent(
            item_id=f"plan-{params.turn_id}",
            text=params.explanation or "",
            steps=tuple(e.PlanStep(step.step, _snake(step.status)) for step in params.plan),
            timestamp=now,
            payload=payload,
        )

    def token_usage(
        self, params: p.ThreadTokenUsageUpdatedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event:
        """Tokens of the latest model request; the server may report the same count twice."""
        latest = params.token_usage.last
        if params.token_usage.total != self.counted:
            self.counted = params.token_usage.total
            self.requests += 1
            self._usage += e.Usage(
                input_tokens=latest.input_tokens,
                cached_input_tokens=latest.cached_input_tokens,
                cache_write_tokens=latest.cache_write_input_tokens,
                output_tokens=latest.output_tokens,
                reasoning_tokens=latest.reasoning_output_tokens,
                # Not Codex's total: it counts a full context window as a request of that size.
                total_tokens=latest.input_tokens + latest.output_tokens,
            )
        return e.UsageEvent(
            usage=self._usage,
            context_tokens=latest.total_tokens,
            context_window=params.token_usage.model_context_window,
            timestamp=now,
            payload=payload,
        )

    def rate_limits(
        self, params: p.AccountRateLimitsUpdatedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """What is left of the plan, if the server knows anything about it."""
        self._limits = read_limits(params.rate_limits)
        if not self._limits.windows and self._limits.plan is None:
            return None
        return e.RateLimitEvent(limits=self._limits, timestamp=now, payload=payload)

    def warning(
        self,
        params: p.WarningNotification | p.GuardianWarningNotification,
        now: float,
        payload: msgspec.Raw,
    ) -> e.Event:
        """A warning."""
        return e.WarningEvent(text=params.message, timestamp=now, payload=payload)

    def notice(
        self,
        params: p.ConfigWarningNotification | p.DeprecationNoticeNotification,
        now: float,
        payload: msgspec.Raw,
    ) -> e.Event:
        """A warning with details."""
        text = f"{params.summary}: {params.details}" if params.details else params.summary
        return e.WarningEvent(text=text, timestamp=now, payload=payload)

    def rerouted(
        self, params: p.ModelReroutedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event:
        """Another model answers than was requested."""
        text = f"answered by {params.to_model} instead of {params.from_model}: {params.reason}"
        return e.WarningEvent(text=text, timestamp=now, payload=payload)

    def server_startup(
        self, params: p.McpServerStatusUpdatedNotification, now: float, payload: msgspec.Raw
    ) -> e.Event | None:
        """An MCP server that does not start."""
        if params.status != "failed":
            return None
        text = f"MCP server {params.name!r} did not start: {params.error}"
        return e.WarningEvent(text=text, timestamp=now, payload=payload)

    def diff_updated(
        self, params: p.TurnDiffUpdatedNotification, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        """All changes of the turn so far; only the last such message becomes an event."""
        del params  # it may be large, and repeats everything each time
        self._diff = e.OtherEvent(name=METHOD_DIFF, timestamp=now, payload=payload)
        return []

    def error(self, params: p.ErrorNotification, now: float, payload: msgspec.Raw) -> e.Event:
        """A failure, of a request that is retried or of the turn."""
        if params.will_retry:
            return e.RetryEvent(text=params.error.message, timestamp=now, payload=payload)
        return self._failure(params.error, now, payload)

    def turn_completed(
        self, params: p.TurnCompletedNotification, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        """The end of the turn."""
        status, error = params.turn.status, params.turn.error
        if status == "failed" and error and error.message == self._stale and not self._failed:
            status = "completed"
        reason: e.DoneReason = status if status in ("completed", "interrupted") else "failed"
        done = e.DoneEvent(reason=reason, timestamp=now, payload=payload)
        last: list[e.Event] = [self._diff] if self._diff else []
        if reason == "completed":
            last += [
                e.WarningEvent(
                    text=f"a command runs on, until its session is closed: {command.command}",
                    timestamp=now,
                    payload=payload,
                )
                for command in self._commands.values()
            ]
        if reason == "failed" and not self._failed:
            failure = error or p.TurnError(message=f"the turn ended as {status!r}")
            return [*last, self._failure(failure, now, payload), done]
        return [*last, done]

    def _failure(self, error: p.TurnError, now: float, payload: msgspec.Raw) -> e.Event:
        self._failed = True
        text = error.message
        if error.additional_details and error.additional_details not in text:
            text = f"{text} ({error.additional_details})"
        return failure_event(
            text,
            error.codex_error_info,
            timestamp=now,
            payload=payload,
            resets_at=_reset_of(self._limits),
            plan=self._limits.plan if self._limits else None,
        )

    def _reasoning_delta(
        self, item_id: str, text: str, now: float, payload: msgspec.Raw, *, summary: bool
    ) -> e.Event | None:
        # A model may send a summary and the full text of the same reasoning. The item will
        # have the summary if there is one, so only the stream that came first becomes its deltas.
        if self._summarised.setdefault(item_id, summary) is not summary:
            return None
        return e.ReasoningDeltaEvent(item_id=item_id, text=text, timestamp=now, payload=payload)


def read_limits(snapshot: p.RateLimitSnapshot) -> e.RateLimits:
    """Returns the limits of a plan in the common form."""
    windows = {
        name: e.RateLimitWindow(window.used_percent, window.window_duration_mins, window.resets_at)
        for name, window in (("primary", snapshot.primary), ("secondary", snapshot.secondary))
        if window is not None
    }
    return e.RateLimits(
        windows=windows,
        plan=snapshot.plan_type,
        credits=snapshot.credits.balance if snapshot.credits else None,
    )


def _reset_of(limits: e.RateLimits | None) -> float | None:
    """When the fullest window of a plan resets."""
    if limits is None or not limits.windows:
        return None
    return max(limits.windows.values(), key=lambda window: window.used_percent).resets_at


def _snake(status: str) -> str:
    return "in_progress" if status == "inProgress" else status


_Translate: TypeAlias = Callable[
    [TurnNormaliser, p.Incoming, float, msgspec.Raw], e.Event | list[e.Event] | None
]
_TRANSLATIONS: dict[type[p.Incoming], _Translate] = cast(
    "dict[type[p.Incoming], _Translate]",
    {
        p.AgentMessageDeltaNotification: TurnNormaliser.message_delta,
        p.ReasoningSummaryTextDeltaNotification: TurnNormaliser.summary_delta,
        p.ReasoningSummaryPartAddedNotification: TurnNormaliser.summary_part,
        p.ReasoningTextDeltaNotification: TurnNormaliser.reasoning_delta,
        p.PlanDeltaNotification: TurnNormaliser.plan_delta,
        p.CommandExecutionOutputDeltaNotification: TurnNormaliser.output_delta,
        p.ItemStartedNotification: TurnNormaliser.item_started,
        p.ItemCompletedNotification: TurnNormaliser.item_completed,
        p.TurnPlanUpdatedNotification: TurnNormaliser.plan_updated,
        p.ThreadTokenUsageUpdatedNotification: TurnNormaliser.token_usage,
        p.AccountRateLimitsUpdatedNotification: TurnNormaliser.rate_limits,
        p.WarningNotification: TurnNormaliser.warning,
        p.GuardianWarningNotification: TurnNormaliser.warning,
        p.ConfigWarningNotification: TurnNormaliser.notice,
        p.DeprecationNoticeNotification: TurnNormaliser.notice,
        p.ModelReroutedNotification: TurnNormaliser.rerouted,
        p.McpServerStatusUpdatedNotification: TurnNormaliser.server_startup,
        p.TurnDiffUpdatedNotification: TurnNormaliser.diff_updated,
        p.ErrorNotification: TurnNormaliser.error,
        p.TurnCompletedNotification: TurnNormaliser.turn_completed,
    },
)
