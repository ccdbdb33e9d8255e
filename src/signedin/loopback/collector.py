"""A collector of telemetry on 127.0.0.1: takes what OpenTelemetry exporters send over HTTP."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Self

import msgspec

from signedin.loopback.server import HttpServer
from signedin.wire.http import HttpRequest, HttpResponse

_JSON = "application/json"


class _Attribute(msgspec.Struct):
    key: str
    value: Mapping[str, object] = {}


class CollectedSpan(msgspec.Struct, frozen=True, rename="camel"):
    """A span as it was exported in JSON.

    Attributes:
        name: Its name.
        trace_id: The trace it belongs to, in hexadecimal digits, as the other ids.
        span_id: Its own id.
        parent_span_id: The id of the span it hangs below, empty for a root.
        typed: Its attributes with the types of their values, as the format has them.
    """

    name: str
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    typed: Sequence[_Attribute] = msgspec.field(name="attributes", default=())

    @property
    def attributes(self) -> dict[str, object]:
        """Its attributes by name, as JSON has them: an integer is a text of digits."""
        return {each.key: next(iter(each.value.values()), None) for each in self.typed}


class _Scope(msgspec.Struct):
    spans: Sequence[CollectedSpan] = ()


class _Resource(msgspec.Struct, rename="camel"):
    scope_spans: Sequence[_Scope] = ()


class _Traces(msgspec.Struct, rename="camel"):
    resource_spans: Sequence[_Resource] = ()


class Export(msgspec.Struct, frozen=True):
    """What an exporter sent at once.

    Attributes:
        path: ``/v1/traces``, ``/v1/metrics`` or ``/v1/logs``, with whatever the endpoint adds.
        headers: By lower-case name.
        body: Uncompressed; JSON or protobuf, as ``content-type`` says.
    """

    path: str
    headers: Mapping[str, str]
    body: bytes


class Collector:
    """Serves in a ``with`` block; point exporters at `url`, with the protocol ``http/json``.

    Spans that are sent as protobuf are stored, but not decoded: see `exports`.
    """

    def __init__(self) -> None:
        self._server = HttpServer(self._take)
        self._changed = threading.Condition()
        self._exports: list[Export] = []

    @property
    def url(self) -> str:
        """The address for ``OTEL_EXPORTER_OTLP_ENDPOINT``."""
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def exports(self) -> tuple[Export, ...]:
        """What has arrived, in that order."""
        with self._changed:
            return tuple(self._exports)

    @property
    def spans(self) -> tuple[CollectedSpan, ...]:
        """The spans that have arrived as JSON."""
        traces = [each for each in self.exports if each.path.endswith("/v1/traces")]
        in_json = [each for each in traces if each.headers.get("content-type") == _JSON]
        decoded = [msgspec.json.decode(each.body, type=_Traces) for each in in_json]
        scopes = [s for each in decoded for r in each.resource_spans for s in r.scope_spans]
        return tuple(span for scope in scopes for span in scope.spans)

    def wait_for(self, found: Callable[[Self], bool], timeout: float = 30.0) -> None:
        """Waits until what has arrived is enough.

        Raises:
            TimeoutError: It is not, after ``timeout`` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: found(self), timeout):
                arrived = [f"{each.path}: {len(each.body)} bytes" for each in self._exports]
                raise TimeoutError(f"not enough telemetry within {timeout} s: {arrived}")

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.close()

    async def _take(self, request: HttpRequest, response: HttpResponse) -> None:
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self._changed:
            self._exports.append(Export(request.target, request.headers, body))
            self._changed.notify_all()
        kind = request.headers.get("content-type", _JSON)
        await response.send(200, {"Content-Type": kind}, b"{}" if kind == _JSON else b"")
