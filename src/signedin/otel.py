"""OpenTelemetry: each turn as a span, what the agent does in it as spans below, and metrics.

Needs the extra ``otel``, which is the OpenTelemetry API only; the application brings the SDK.
"""

from signedin.integrations.otel import instrument, uninstrument

__all__ = ["instrument", "uninstrument"]
