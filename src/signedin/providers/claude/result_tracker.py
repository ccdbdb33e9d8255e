"""How a turn of Claude Code ended, whatever its result claims, and what it used.

Wire facts seen with 2.1.197 and 2.1.330.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from signedin.model import events as e
from signedin.model.errors import ErrorKind
from signedin.providers.claude.failure import ApiError, failure_event
from signedin.providers.claude.messages import (
    ModelUsage,
    RateLimitInfo,
    ResultMessage,
    Tokens,
)

_FIVE_HOURS = 300
_SEVEN_DAYS = 7 * 24 * 60
_SHOWN_STDERR = 1000
_MISFIT = "error_max_structured_output_retries"

_DIGITS = 12
"""Of a cost; what is behind them comes of adding and subtracting fractions."""


class ResultTracker:
    """What is known about the end of a turn, which may have several results.

    Args:
        total_cost: What the process had cost before the turn, in US dollars.
        stderr: Returns the end of the process's standard error, for failures without a reason.

    Attributes:
        reason: How the latest result says the turn ended; ``None`` before the first.
        total_cost: What the process has cost so far, as it counts.
        api_error: The failure of a model request that no answer has followed yet.
        last_text: The latest message of the agent.
        acted: Whether it did something, such as calling a tool.
        compact_error: Why the conversation could not be replaced by a summary.
        output: Its latest structured output, as JSON; it may not match the schema.
        output_item: The item this answer was streamed as.
        latest: The tokens of the latest model request, those of its answer as far as it had come.
    """

    def __init__(self, total_cost: float, stderr: Callable[[], str]) -> None:
        self.reason: e.DoneReason | None = None
        self.total_cost = total_cost
        self.api_error: ApiError | None = None
        self.last_text = ""
        self.acted = False
        self.compact_error = ""
        self.output: str | None = None
        self.output_item: str | None = None
        self.latest: Tokens | None = None
        self._stderr = stderr
        self._limit: RateLimitInfo | None = None
        self._usage = e.Usage()
        self._asked = e.Usage()

    def take_request(self, tokens: Tokens, now: float, payload: msgspec.Raw) -> e.UsageEvent:
        """Returns the event for a request to the model whose result is still to come."""
        self._asked += _used(tokens)
        return e.UsageEvent(
            usage=self._usage + self._asked,
            context_tokens=all_input(tokens),
            timestamp=now,
            payload=payload,
        )

    def take_result(
        self, result: ResultMessage, model: str | None, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        """Returns the events of a result."""
        self._usage += _used(result.usage, self._cost(result))
        self._asked = e.Usage()
        if result.subtype == _MISFIT and self.latest is not None:
            # The result does not wait for the end of the answer, which it therefore leaves out.
            self._usage += _used(self.latest)
        used = e.UsageEvent(
            usage=self._usage,
            context_tokens=None if self.latest is None else all_input(self.latest),
            context_window=_window(result.model_usage, model),
            timestamp=now,
            payload=payload,
        )
        return [used, *self._judge(result, now, payload)]

    def take_limit(self, info: RateLimitInfo, now: float, payload: msgspec.Raw) -> list[e.Event]:
        """Returns the event for the remaining quota of the plan, if it is reported."""
        # Too many requests in a short time are reported alike, but for no window of the plan.
        rejected = info.status == "rejected" and info.rate_limit_type is not None
        self._limit = info if rejected else None
        if info.utilization is None and not rejected:
            return []
        name = info.rate_limit_type or "plan"
        minutes = _SEVEN_DAYS if name.startswith("seven_day") else None
        window = e.RateLimitWindow(
            used_percent=100.0 if rejected else (info.utilization or 0.0) * 100,
            minutes=_FIVE_HOURS if name == "five_hour" else minutes,
            resets_at=info.resets_at,
        )
        return [
            e.RateLimitEvent(limits=e.RateLimits({name: window}), timestamp=now, payload=payload)
        ]

    def broken(self, text: str, now: float, payload: msgspec.Raw) -> e.ErrorEvent:
        """Returns the event for an end that the protocol does not provide for."""
        self.reason = "failed"
        if stderr := self._stderr().strip():
            text += f"; the end of its stderr:\n{stderr[-_SHOWN_STDERR:]}"
        return e.ErrorEvent(text=text, error=ErrorKind.PROTOCOL, timestamp=now, payload=payload)

    def _judge(self, result: ResultMessage, now: float, payload: msgspec.Raw) -> list[e.Event]:
        if (result.terminal_reason or "").startswith("aborted"):
            self.reason = "interrupted"
            return []
        if result.subtype == _MISFIT and self.output is not None:
            # The caller has it checked anyway, and sent back.
            return self._completed(self.output, result, now, payload)
        if self.compact_error and result.num_turns == 0:
            # The turn was nothing else; continuing without the summary is a turn of its own.
            self.reason = "failed"
            error = ErrorKind.OTHER
            return [
                e.ErrorEvent(text=self.compact_error, error=error, timestamp=now, payload=payload)
            ]
        if result.is_error or result.subtype != "success" or self.api_error:
            self.reason = "failed"
            failure = failure_event(
                result, self.api_error, self._limit, timestamp=now, payload=payload
            )
            return [failure]
        text = result.result or ""
        if not text and not self.last_text and not self.acted:
            # How it ends when the model's answer was empty or could not be read.
            return [self.broken("claude reported success without any answer", now, payload)]
        return self._completed(text, result, now, payload)

    def _completed(
        self, text: str, result: ResultMessage, now: float, payload: msgspec.Raw
    ) -> list[e.Event]:
        self.reason = "completed"
        if not text or text == self.last_text:
            return []
        # Several blocks make up the answer, or Claude Code itself gave it.
        self.last_text = text
        item_id = self.output_item or f"{result.uuid}-result"
        self.output_item = None
        return [e.MessageEvent(item_id=item_id, text=text, timestamp=now, payload=payload)]

    def _cost(self, result: ResultMessage) -> float | None:
        """The cost since the last result.

        2.1.330 reports it. 2.1.197 only reports the total of the process.
        """
        before, self.total_cost = self.total_cost, result.total_cost_usd or 0.0
        if (since := result.model_usage_since_last_result) is not None:
            return round(sum(usage.cost_usd for usage in since.values()), _DIGITS)
        return None if result.total_cost_usd is None else round(self.total_cost - before, _DIGITS)


def all_input(tokens: Tokens) -> int:
    """Returns all input tokens, including what came from or went to the cache."""
    cached = tokens.cache_read_input_tokens + tokens.cache_creation_input_tokens
    return tokens.input_tokens + cached


def _used(tokens: Tokens, cost: float | None = None) -> e.Usage:
    details = tokens.output_tokens_details
    return e.Usage(
        input_tokens=all_input(tokens),
        cached_input_tokens=tokens.cache_read_input_tokens,
        cache_write_tokens=tokens.cache_creation_input_tokens,
        output_tokens=tokens.output_tokens,
        reasoning_tokens=details.thinking_tokens if details else 0,
        total_tokens=all_input(tokens) + tokens.output_tokens,
        reported_usd=cost,
    )


def _window(usage: Mapping[str, ModelUsage], model: str | None) -> int | None:
    used = usage.get(model or "")
    return used.context_window if used else None
