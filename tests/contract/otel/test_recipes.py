"""The programs of the page about OpenTelemetry, with each back end they are written for."""

import base64
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from signedin.loopback import Collector, Export, LoopbackModel, Shell
from signedin.providers.codex.options import to_toml

PAGE = Path(__file__).parents[3] / "docs/integrations/opentelemetry.md"
OTLP, LOGFIRE = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
KEYS = base64.b64encode(b"pk-lf-1:sk-lf-2").decode()
LANGFUSE = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}/api/public/otel",
    "OTEL_EXPORTER_OTLP_HEADERS": f"Authorization=Basic%20{KEYS}",
}
PHOENIX = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}",
    "OTEL_RESOURCE_ATTRIBUTES": "openinference.project.name=agents",
}
HANDED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of a Codex that is set up to talk to the scripted model."""
    with LoopbackModel([Shell("echo hi"), "Certainly."]) as model:
        options = model.client_options("codex")
        settings = options["provider_options"]["config"]
        home = Path(str(options["env"]["CODEX_HOME"]))
        lines = "".join(f"{name} = {to_toml(value)}\n" for name, value in settings.items())
        (home / "config.toml").write_text(lines)
        yield home


def sent(
    program: str, variables: dict[str, str], collector: Collector, home: Path, folder: Path
) -> tuple[Export, ...]:
    """Runs a program; returns what it has sent."""
    filled = {name: value.format(url=collector.url) for name, value in variables.items()}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CODEX_HOME": str(home), **filled},
        check=False,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert "Certainly." in done.stdout
    return collector.exports


def read(exports: tuple[Export, ...]) -> tuple[dict[str, str], set[str]]:
    """The resource's attributes, and the names of its spans with those that are above each."""
    requests = [ExportTraceServiceRequest.FromString(each.body) for each in exports]
    resources = [resource for each in requests for resource in each.resource_spans]
    spans = {span.span_id: span for each in resources for s in each.scope_spans for span in s.spans}

    def path(span_id: bytes) -> str:
        span = spans[span_id]
        return f"{path(span.parent_span_id)}/{span.name}" if span.parent_span_id else span.name

    attributes = {item.key: item.value.string_value for item in resources[0].resource.attributes}
    return attributes, {path(span_id) for span_id in spans}


TREE = {
    "nightly",
    "nightly/invoke_agent codex",
    "nightly/invoke_agent codex/execute_tool command",
}


def test_langfuse(collector: Collector, home: Path, tmp_path: Path) -> None:
    exports = sent(OTLP, LANGFUSE, collector, home, tmp_path)
    assert {each.path for each in exports} == {"/api/public/otel/v1/traces"}
    assert {each.headers["authorization"] for each in exports} == {f"Basic {KEYS}"}
    assert read(exports)[1] == TREE


def test_phoenix(collector: Collector, home: Path, tmp_path: Path) -> None:
    exports = sent(OTLP, PHOENIX, collector, home, tmp_path)
    assert {each.path for each in exports} == {"/v1/traces"}
    assert {each.headers["content-type"] for each in exports} == {"application/x-protobuf"}
    attributes, names = read(exports)
    assert attributes["openinference.project.name"] == "agents"
    assert names == TREE


def test_logfire(collector: Collector, home: Path, tmp_path: Path) -> None:
    exports = sent(LOGFIRE, HANDED, collector, home, tmp_path)
    traces = tuple(each for each in exports if each.path == "/v1/traces")
    assert read(traces)[1] >= TREE
    metrics = [
        ExportMetricsServiceRequest.FromString(each.body)
        for each in exports
        if each.path == "/v1/metrics"
    ]
    names = {
        metric.name
        for each in metrics
        for resource in each.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name.startswith("gen_ai.")
    }
    assert {"gen_ai.invoke_agent.duration", "gen_ai.execute_tool.duration"} <= names
