"""The trace of the caller goes down: what agents report of a turn hangs below the span of it."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from signedin import AsyncClient, Client
from signedin.loopback import Collector, Shell, UsageLimit
from support.folders import outside_of_sandboxes
from support.otel import Telemetry
from support.rows import COMPATIBILITY, ROWS, Row, row_of
from support.stage import Stage

ROOTS = {"claude": "claude_code.interaction", "codex": "turn/start"}
"""The span that the agent of a provider makes of a turn."""

REPORTING = [row for row in ROWS if row.provider in ROOTS]
"""The ways to drive an agent that reports spans."""

TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01")
LIMIT = UsageLimit(resets_at=4_102_444_800)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    with outside_of_sandboxes() as folder:
        yield folder


def reporting(stage: Stage, row: Row, collector: Collector) -> dict[str, object]:
    """Keywords for a client whose agent reports its spans to the collector."""
    options = stage.options
    env = dict(options["env"])
    if row.provider == "claude":
        env |= {
            "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
            "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        }
    else:
        where = f'endpoint = "{collector.url}/v1/traces", protocol = "json"'
        settings = f"[otel]\ntrace_exporter = {{ otlp-http = {{ {where} }} }}\n"
        Path(str(env["CODEX_HOME"]), "config.toml").write_text(settings)
    binary = str(row.binary) if row.binary else None
    return {**options, "env": env, "binary": binary, "transport": row.transport}


def ours(telemetry: Telemetry) -> set[tuple[str, str]]:
    """The spans of turns: trace and span."""
    return {
        (f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}")
        for span in telemetry.spans
        if span.name.startswith("invoke_agent")
    }


def theirs(collector: Collector, provider: str) -> list[tuple[str, str]]:
    """What the agent's spans of turns hang below: trace and span."""
    return sorted(
        (span.trace_id, span.parent_span_id)
        for span in collector.spans
        if span.name == ROOTS[provider]
    )


def at_every_door(client: Client, folder: Path) -> int:
    """Runs turns in each way there is; returns their number."""
    client.run("a")
    list(client.stream("a"))
    with client.session() as session:
        session.run("a")
        list(session.stream("a"))
        with session.fork() as fork:
            fork.run("a")
    client.run("a", resume=session.id)
    list(client.map(["a"]))
    list(client.batch(["a"], journal=folder / "run.db").run())
    return 8


@pytest.mark.parametrize("row", REPORTING, ids=lambda row: row.name)
def test_spans_of_the_agent_hang_below_those_of_their_turns(
    row: Row, telemetry: Telemetry, collector: Collector, work: Path
) -> None:
    with Stage(row.provider) as stage, ExitStack() as stack:
        stage.play("Done.")
        client = stack.enter_context(
            Client(row.provider, cwd=work, **reporting(stage, row, collector))
        )
        with telemetry.tracer.start_as_current_span("caller"):
            turns = at_every_door(client, work)
        stack.close()
        collector.wait_for(lambda seen: len(theirs(seen, row.provider)) >= turns)
    assert theirs(collector, row.provider) == sorted(ours(telemetry))
    assert len({trace for trace, _ in ours(telemetry)}) == 1


@pytest.mark.parametrize("row", [REPORTING[0], REPORTING[-1]], ids=lambda row: row.name)
async def test_many_at_once_are_not_mixed_up(
    row: Row, telemetry: Telemetry, collector: Collector, work: Path
) -> None:
    with Stage(row.provider) as stage:
        stage.play("Done.")
        options = reporting(stage, row, collector)
        async with AsyncClient(row.provider, cwd=work, **options) as client:
            outcomes = [each async for each in client.map(["a", "b", "c"], concurrency=3)]
        assert [each.error for each in outcomes] == [None] * 3
        collector.wait_for(lambda seen: len(theirs(seen, row.provider)) >= 3)
    assert theirs(collector, row.provider) == sorted(ours(telemetry))
    assert len({trace for trace, _ in ours(telemetry)}) == 3


def test_who_continues_a_turn_reports_into_it_as_well(
    telemetry: Telemetry, collector: Collector, work: Path
) -> None:
    """The plan is found used up in the middle of the turn, which another agent then continues."""
    claude, codex = row_of("claude-cli"), row_of("codex-app-server")
    login = {"ANTHROPIC_API_KEY": None, "CLAUDE_CODE_OAUTH_TOKEN": "sk-ant-oat01-loopback"}
    with Stage("claude") as first, Stage("codex") as second:
        first.play(LIMIT)
        second.play("Done.")
        begins = reporting(first, claude, collector)
        begins["env"] = {**begins["env"], **login, "CLAUDE_CODE_MAX_RETRIES": "0"}
        members = [("claude", begins), ("codex", reporting(second, codex, collector))]
        with Client(members, on_limit="next", cwd=work) as client:
            assert client.run("Go.").provider == "codex"
        collector.wait_for(lambda seen: theirs(seen, "codex") and theirs(seen, "claude"))
    [turn] = ours(telemetry)
    assert theirs(collector, "claude") == theirs(collector, "codex") == [turn]


@pytest.mark.parametrize(
    "row", [row for row in COMPATIBILITY if row.kind == "codex-exec"], ids=lambda row: row.name
)
def test_codex_without_a_server_gets_the_trace(row: Row, telemetry: Telemetry, work: Path) -> None:
    binary = str(row.binary) if row.binary else None
    with Stage(row.provider) as stage:
        stage.play(Shell("echo $TRACEPARENT"), "Done.")
        client = stage.client(row.transport, binary=binary, cwd=work, permissions="full-access")
        with client:
            result = client.run("Go.")
    [output] = [event.output for event in result.events if getattr(event, "output", "")]
    assert TRACEPARENT.findall(output) == list(ours(telemetry))


def test_nothing_goes_down_if_nobody_watches(collector: Collector, work: Path) -> None:
    row = row_of("codex-app-server")
    with Stage(row.provider) as stage:
        stage.play("Done.")
        with Client(row.provider, cwd=work, **reporting(stage, row, collector)) as client:
            client.run("a")
        collector.wait_for(lambda seen: bool(theirs(seen, "codex")))
    assert [parent for _, parent in theirs(collector, "codex")] == [""]
