"""What `with_signedin.py` does, reported to OpenTelemetry."""

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from stopwatch import chosen
from with_signedin import JOBS

from signedin import otel

if __name__ == "__main__":
    spans = TracerProvider()
    spans.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    meters = MeterProvider([InMemoryMetricReader()])
    otel.instrument(tracer_provider=spans, meter_provider=meters)
    chosen(JOBS)()
