"""Reports turns to OpenTelemetry, by its conventions for generative AI."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

from signedin import __version__
from signedin.model.extras import from_extra
from signedin.runtime import watching

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

_NAMES = "OTEL_SEMCONV_STABILITY_OPT_IN"
_CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class _SpanWatch(partial[watching.TurnWatcher]):
    """What `instrument` adds and `uninstrument` takes away."""


def instrument(
    *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
) -> None:
    """Reports all turns of this process that begin from now on; replaces an earlier call.

    Reads the environment once: ``OTEL_SEMCONV_STABILITY_OPT_IN`` with ``gen_ai/v1.37`` chooses the
    older names, ``OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`` (``true``, ``span_only`` or
    ``span_and_event``) adds prompts, answers, arguments and results, with secrets masked.

    Args:
        tracer_provider: Takes the spans; the global one by default.
        meter_provider: Takes the metrics; the global one by default.

    Raises:
        MissingExtraError: ``opentelemetry-api`` is not installed.
    """
    with from_extra("otel", "OpenTelemetry"):
        from opentelemetry import metrics, trace  # noqa: PLC0415 - an extra

        from signedin.integrations.otel.metrics import LatestMetrics, OlderMetrics  # noqa: PLC0415
        from signedin.integrations.otel.spans import TurnSpan  # noqa: PLC0415
    names = {name.strip() for name in os.environ.get(_NAMES, "").split(",")}
    is_older = "gen_ai/v1.37" in names and "gen_ai_latest_experimental" not in names
    meter = metrics.get_meter("signedin", __version__, meter_provider)
    uninstrument()
    watch = _SpanWatch(
        TurnSpan,
        trace.get_tracer("signedin", __version__, tracer_provider),
        OlderMetrics(meter) if is_older else LatestMetrics(meter),
        content=os.environ.get(_CONTENT, "").lower() in {"true", "span_only", "span_and_event"},
    )
    watching.watches = (*watching.watches, watch)


def uninstrument() -> None:
    """Stops reporting turns that begin from now on; those that run are reported to their end."""
    others = (watch for watch in watching.watches if not isinstance(watch, _SpanWatch))
    watching.watches = tuple(others)
