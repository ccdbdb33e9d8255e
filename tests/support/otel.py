"""Spans and metrics in memory, and what signedin reports into them."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler
from opentelemetry.trace import Tracer

from signedin import otel


class Telemetry:
    """Reports the turns of a ``with`` block.

    Attributes:
        provider: Makes the spans; add processors to it.
        tracer: For spans of the test's own.
    """

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self._exporter = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.meters = MeterProvider([self._reader])
        self.tracer: Tracer = self.provider.get_tracer("test")

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in that order."""
        return list(self._exporter.get_finished_spans())

    @property
    def statuses(self) -> list[str]:
        return [span.status.status_code.name for span in self.spans]

    @property
    def tree(self) -> dict[str, object]:
        """The names of spans, each with those below it."""
        return {span.name: self._below(span) for span in self.spans if span.parent is None}

    @property
    def metrics(self) -> dict[str, list[tuple[Mapping[str, object], float]]]:
        """The points of each metric: attributes, and the sum of what was recorded."""
        data = self._reader.get_metrics_data()
        metrics = [
            metric
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]
        return {
            metric.name: [
                (dict(point.attributes), getattr(point, "sum", None) or getattr(point, "value", 0))
                for point in metric.data.data_points
            ]
            for metric in metrics
        }

    def clear(self) -> None:
        self._exporter.clear()

    def instrument(self) -> None:
        otel.instrument(tracer_provider=self.provider, meter_provider=self.meters)

    def __enter__(self) -> Self:
        self.instrument()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        otel.uninstrument()
        self.provider.shutdown()
        self.meters.shutdown()

    def _below(self, parent: ReadableSpan) -> dict[str, object]:
        return {
            span.name: self._below(span)
            for span in self.spans
            if span.parent is not None and span.parent.span_id == parent.context.span_id
        }


def seconds(span: ReadableSpan) -> float:
    """How long a span took."""
    return round((span.end_time - span.start_time) / 1e9, 3)
