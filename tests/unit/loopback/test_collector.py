"""A collector takes what exporters send, as JSON or protobuf, compressed or not."""

import gzip
import json
import urllib.request
from collections.abc import Iterator

import pytest

from signedin.loopback import CollectedSpan, Collector, Export

SPAN = {
    "name": "work",
    "traceId": "0" * 31 + "1",
    "spanId": "0" * 15 + "2",
    "attributes": [
        {"key": "text", "value": {"stringValue": "a"}},
        {"key": "number", "value": {"intValue": "3"}},
        {"key": "none", "value": {}},
    ],
}
TRACES = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}).encode()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


def send(collector: Collector, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(collector.url + path, body, named)
    with urllib.request.urlopen(request, timeout=10) as response:
        return response.status, response.read()


def test_spans_in_json(collector: Collector) -> None:
    assert send(collector, "/v1/traces", TRACES, content_type="application/json") == (200, b"{}")
    [span] = collector.spans
    assert (span.name, span.trace_id, span.span_id) == ("work", "0" * 31 + "1", "0" * 15 + "2")
    assert (span.parent_span_id, span.attributes) == (
        "",
        {"text": "a", "number": "3", "none": None},
    )
    assert isinstance(span, CollectedSpan)


def test_a_compressed_export(collector: Collector) -> None:
    zipped = gzip.compress(TRACES)
    send(
        collector,
        "/v1/traces",
        zipped,
        content_type="application/json",
        content_encoding="gzip",
    )
    assert [span.name for span in collector.spans] == ["work"]


def test_what_is_not_json_is_stored_as_it_is(collector: Collector) -> None:
    kind = "application/x-protobuf"
    assert send(collector, "/v1/metrics", b"\x0a\x00", content_type=kind) == (200, b"")
    assert send(collector, "/v1/traces", b"\x0a\x00", content_type=kind) == (200, b"")
    [export, _] = collector.exports
    assert isinstance(export, Export)
    assert (export.path, export.body) == ("/v1/metrics", b"\x0a\x00")
    assert export.headers["content-type"] == kind
    assert collector.spans == ()


def test_waiting(collector: Collector) -> None:
    send(collector, "/v1/logs", b"{}", content_type="application/json")
    collector.wait_for(lambda seen: len(seen.exports) == 1)
    with pytest.raises(TimeoutError, match=r"within 0 s: \['/v1/logs: 2 bytes'\]"):
        collector.wait_for(lambda seen: len(seen.exports) == 2, timeout=0)
