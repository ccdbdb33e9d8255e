"""Metrics of turns, under the names of release 0.1.0 of the conventions and of the older 1.37."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.metrics import Histogram, Meter

from signedin.model.results import RunResult

Attributes = Mapping[str, str]

_OLDER = {"input_tokens": "input_tokens", "output_tokens": "output_tokens"}
_LATEST = {
    **_OLDER,
    "cached_input_tokens": "cache_read.input_tokens",
    "cache_write_tokens": "cache_write.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}

_SECONDS = [0.01 * 2**power for power in range(14)]
_NUMBERS = [4**power for power in range(14)]


class LatestMetrics:
    """The metrics of release 0.1.0, and its names of numbers of tokens by ours."""

    usage: Mapping[str, str] = _LATEST

    def __init__(self, meter: Meter) -> None:
        self._turn = _seconds(meter, "gen_ai.invoke_agent.duration")
        self._first = _seconds(meter, "gen_ai.client.inference.time_to_first_chunk")
        self._tool = _seconds(meter, "gen_ai.execute_tool.duration")
        self._calls = _numbers(meter, "gen_ai.invoke_agent.tool_calls", "{call}")
        self._tokens = {
            name: meter.create_counter(f"gen_ai.client.inference.usage.{name}", "{token}")
            for name in _LATEST.values()
        }

    def turn(
        self, attributes: Attributes, result: RunResult[object], first: float | None, calls: int
    ) -> None:
        """Counts a turn that has ended; ``first`` is when it first said something, in seconds."""
        self._turn.record(result.elapsed, attributes)
        self._calls.record(calls, attributes)
        if first is not None:
            self._first.record(first, attributes)
        for name, number in tokens(result, _LATEST).items():
            self._tokens[name].add(number, {**attributes, "gen_ai.token.modality": "unknown"})

    def tool(self, attributes: Attributes, seconds: float) -> None:
        """Counts a tool call that has ended."""
        self._tool.record(seconds, attributes)


class OlderMetrics:
    """The metrics of release 1.37, and its names of numbers of tokens by ours."""

    usage: Mapping[str, str] = _OLDER

    def __init__(self, meter: Meter) -> None:
        self._duration = _seconds(meter, "gen_ai.client.operation.duration")
        self._tokens = _numbers(meter, "gen_ai.client.token.usage", "{token}")

    def turn(
        self, attributes: Attributes, result: RunResult[object], first: float | None, calls: int
    ) -> None:
        """Counts a turn that has ended; ``first`` and ``calls`` have no names there."""
        del first, calls
        self._duration.record(result.elapsed, attributes)
        for name, number in tokens(result, _OLDER).items():
            kind = name.removesuffix("_tokens")
            self._tokens.record(number, {**attributes, "gen_ai.token.type": kind})

    def tool(self, attributes: Attributes, seconds: float) -> None:
        """Counts a tool call that has ended."""
        self._duration.record(seconds, attributes)


def tokens(result: RunResult[object], names: Mapping[str, str]) -> dict[str, int]:
    """Returns what a turn has used, by these names of it; nothing that it has not."""
    numbers = {name: getattr(result.usage, field, 0) for field, name in names.items()}
    return {name: number for name, number in numbers.items() if number}


def _seconds(meter: Meter, name: str) -> Histogram:
    return meter.create_histogram(name, "s", explicit_bucket_boundaries_advisory=_SECONDS)


def _numbers(meter: Meter, name: str, unit: str) -> Histogram:
    return meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=_NUMBERS)
