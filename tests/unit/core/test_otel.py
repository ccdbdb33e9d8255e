"""Spans and metrics of turns, whatever becomes of them, and what is said of them by default."""

import asyncio
import gc
import json
import logging
from collections.abc import Callable, Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import signedin
from signedin import (
    ApprovalEvent,
    ApprovalRequest,
    AsyncClient,
    Budget,
    BudgetExceededError,
    Client,
    CommandEvent,
    ErrorEvent,
    ErrorKind,
    FallbackEvent,
    FileChange,
    FileChangeEvent,
    SessionEvent,
    SignedinError,
    TimeoutExceededError,
    ToolEvent,
    TurnFailedError,
    Usage,
    UsageEvent,
    allow,
    otel,
    tool,
)
from signedin.model.approvals import Decision
from signedin.runtime import watching
from signedin.runtime.watching import TRACE
from support.events import delta, done, message, session_event
from support.fakes import FakeProvider
from support.otel import Telemetry, seconds

Play = Callable[..., None]
CONTENT = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
NAMES = "OTEL_SEMCONV_STABILITY_OPT_IN"
SECRET = "sk-ant-0123456789abcdef"
WHO = {"gen_ai.provider.name": "fake", "gen_ai.agent.name": "fake"}
TURN = {"gen_ai.operation.name": "invoke_agent", **WHO}
CALL = {"gen_ai.operation.name": "execute_tool", **WHO}
USED = UsageEvent(usage=Usage(100, 40, 10, 20, 5, 120))


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


def command(status: str, **more: object) -> CommandEvent:
    return CommandEvent(item_id="c", command="cat secret.txt", status=status, **more)


async def test_a_turn_and_what_the_agent_does_in_it(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    @tool
    def add(a: int) -> int:
        """Adds."""
        return a

    change = FileChange("/x", "add", "text")
    play(
        [session_event(), command("started", timestamp=10.0)],
        [command("output", text="more")],
        [command("failed", timestamp=12.5, exit_code=3, output="more")],
        [FileChangeEvent(item_id="f", changes=(change,), status="declined", timestamp=13.0)],
        [ToolEvent(item_id="t", name="add", status="completed", timestamp=14.0, seconds=0.5)],
        [ToolEvent(item_id="u", name="search", server="web", status="started", timestamp=15.0)],
        [ApprovalEvent(item_id="c", subject="command", decision="allow", text="why")],
        [delta("{"), delta("}"), USED, message("{}"), done()],
    )
    await client.run("go", tools=[add], model="fake-large", effort="high", output={})
    *calls, turn = telemetry.spans
    assert [(each.name, each.attributes) for each in calls] == [
        (
            "execute_tool command",
            CALL
            | {
                "gen_ai.request.model": "fake-large",
                "gen_ai.tool.name": "command",
                "gen_ai.tool.type": "extension",
                "gen_ai.tool.call.id": "c",
                "signedin.tool.status": "failed",
                "process.exit.code": 3,
                "error.type": "failed",
            },
        ),
        (
            "execute_tool file_change",
            CALL
            | {
                "gen_ai.request.model": "fake-large",
                "gen_ai.tool.name": "file_change",
                "gen_ai.tool.type": "extension",
                "gen_ai.tool.call.id": "f",
                "signedin.tool.status": "declined",
                "error.type": "declined",
            },
        ),
        (
            "execute_tool add",
            CALL
            | {
                "gen_ai.request.model": "fake-large",
                "gen_ai.tool.name": "add",
                "gen_ai.tool.type": "function",
                "gen_ai.tool.call.id": "t",
                "signedin.tool.status": "completed",
            },
        ),
        (
            "execute_tool search",
            CALL
            | {
                "gen_ai.request.model": "fake-large",
                "gen_ai.tool.name": "search",
                "gen_ai.tool.type": "extension",
                "gen_ai.tool.call.id": "u",
                "signedin.tool.status": "interrupted",
            },
        ),
    ]
    assert telemetry.statuses == ["ERROR", "ERROR", "UNSET", "UNSET", "UNSET"]
    assert [seconds(each) for each in calls[:3]] == [2.5, 0.0, 0.5]
    assert turn.name == "invoke_agent fake"
    assert turn.kind is trace.SpanKind.CLIENT
    attributes = dict(turn.attributes)
    assert attributes.pop("gen_ai.response.time_to_first_chunk") > 0
    assert attributes == TURN | {
        "gen_ai.request.model": "fake-large",
        "gen_ai.request.reasoning.level": "high",
        "gen_ai.output.type": "json",
        "gen_ai.conversation.id": "s1",
        "gen_ai.response.model": "fake-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 40,
        "gen_ai.usage.cache_write.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "signedin.transport": "fake-wire",
    }
    assert [(each.name, dict(each.attributes)) for each in turn.events] == [
        (
            "signedin.approval",
            {
                "signedin.approval.item_id": "c",
                "signedin.approval.subject": "command",
                "signedin.approval.decision": "allow",
            },
        )
    ]


async def test_the_metrics_of_a_turn(client: AsyncClient, play: Play, telemetry: Telemetry) -> None:
    play(
        [session_event(), command("started", timestamp=10.0)],
        [command("completed", timestamp=12.5), delta("Done")],
        [USED, message("Done"), done()],
    )
    result = await client.run("go")
    turn = TURN | {"gen_ai.response.model": "fake-1"}
    metrics = telemetry.metrics
    [(attributes, first)] = metrics.pop("gen_ai.client.inference.time_to_first_chunk")
    assert attributes == turn
    assert 0 < first <= result.elapsed
    tokens = turn | {"gen_ai.token.modality": "unknown"}
    assert metrics == {
        "gen_ai.invoke_agent.duration": [(turn, result.elapsed)],
        "gen_ai.invoke_agent.tool_calls": [(turn, 1)],
        "gen_ai.execute_tool.duration": [(CALL | {"gen_ai.tool.name": "command"}, 2.5)],
        "gen_ai.client.inference.usage.input_tokens": [(tokens, 100)],
        "gen_ai.client.inference.usage.output_tokens": [(tokens, 20)],
        "gen_ai.client.inference.usage.cache_read.input_tokens": [(tokens, 40)],
        "gen_ai.client.inference.usage.cache_write.input_tokens": [(tokens, 10)],
        "gen_ai.client.inference.usage.reasoning.output_tokens": [(tokens, 5)],
    }


@pytest.mark.parametrize(
    ("opted", "older"),
    [
        ("gen_ai/v1.37", True),
        ("http, gen_ai/v1.37", True),
        ("", False),
        ("http/dup", False),
        ("gen_ai_latest_experimental", False),
        ("gen_ai/v1.37,gen_ai_latest_experimental", False),
    ],
)
async def test_the_older_layout(
    client: AsyncClient, play: Play, monkeypatch: pytest.MonkeyPatch, opted: str, *, older: bool
) -> None:
    monkeypatch.setenv(NAMES, opted)
    play(
        [session_event(), command("started", timestamp=10.0)], [command("completed"), USED, done()]
    )
    with Telemetry() as telemetry:
        result = await client.run("go")
        names = {name for name in telemetry.spans[1].attributes if "usage" in name}
        metrics = telemetry.metrics
    if not older:
        assert "gen_ai.usage.cache_read.input_tokens" in names
        assert "gen_ai.invoke_agent.duration" in metrics
        return
    assert names == {"gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    turn = TURN | {"gen_ai.response.model": "fake-1"}
    assert metrics == {
        "gen_ai.client.operation.duration": [
            (CALL | {"gen_ai.tool.name": "command"}, 0),
            (turn, result.elapsed),
        ],
        "gen_ai.client.token.usage": [
            (turn | {"gen_ai.token.type": "input"}, 100),
            (turn | {"gen_ai.token.type": "output"}, 20),
        ],
    }


SAYING = (
    [session_event(), CommandEvent(item_id="c", command="echo PRIVATE", status="started")],
    [CommandEvent(item_id="c", command="echo PRIVATE", status="completed", output="PRIVATE")],
    [ToolEvent(item_id="t", name="x", status="completed", arguments={"a": "PRIVATE"}, result=1)],
    [FileChangeEvent(item_id="f", changes=(FileChange("/PRIVATE", "add"),), status="completed")],
    [message(f"PRIVATE {SECRET}"), done()],
)


@pytest.mark.parametrize("asked", ["", "false", "no_content", "event_only"])
async def test_what_is_said_and_done_is_not_reported(
    client: AsyncClient, play: Play, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv(CONTENT, asked)
    play(*SAYING)
    with Telemetry() as telemetry:
        await client.run("PRIVATE prompt", instructions="PRIVATE")
        assert len(telemetry.spans) == 4
        assert "PRIVATE" not in " ".join(span.to_json() for span in telemetry.spans)
        assert "PRIVATE" not in str(telemetry.metrics)


@pytest.mark.parametrize("asked", ["true", "SPAN_ONLY", "span_and_event"])
async def test_what_is_said_and_done_where_that_is_asked_for(
    client: AsyncClient, play: Play, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    monkeypatch.setenv(CONTENT, asked)
    play(*SAYING)
    with Telemetry() as telemetry:
        await client.run(f"key {SECRET}", instructions=f"never {SECRET}")
        *calls, turn = telemetry.spans
    assert [
        tuple(json.loads(span.attributes[f"gen_ai.tool.call.{name}"]) for name in ARGS)
        for span in calls
    ] == [
        ("echo PRIVATE", "PRIVATE"),
        ({"a": "PRIVATE"}, 1),
        ([{"path": "/PRIVATE", "kind": "add", "diff": "", "moved_to": None}], ""),
    ]
    assert {
        name: json.loads(value)
        for name, value in turn.attributes.items()
        if name.endswith(("messages", "instructions"))
    } == {
        "gen_ai.input.messages": [{"role": "user", "parts": [text("key ***")]}],
        "gen_ai.system_instructions": [text("never ***")],
        "gen_ai.output.messages": [
            {"role": "assistant", "parts": [text("PRIVATE ***")], "finish_reason": "stop"}
        ],
    }


ARGS = ("arguments", "result")
SAID = (*ARGS, "input.messages", "system_instructions", "output.messages")


def text(content: str) -> dict[str, str]:
    return {"type": "text", "content": content}


@pytest.mark.parametrize("character", ["x", '"', "\\", "\x1b"])
async def test_attributes_have_a_limit(
    client: AsyncClient, play: Play, monkeypatch: pytest.MonkeyPatch, character: str
) -> None:
    monkeypatch.setenv(CONTENT, "true")
    huge = character * 3_000_000
    play(
        [SessionEvent(session_id=huge, model=huge)],
        [ToolEvent(item_id=huge, name=huge, status="failed", arguments=[huge], result=huge)],
        [message(huge), ErrorEvent(error=ErrorKind.OTHER, text=huge), done("failed")],
    )
    with Telemetry() as telemetry:
        with pytest.raises(SignedinError):
            await client.run(huge, model=huge, instructions=huge)
        call, turn = telemetry.spans
    attributes = {**call.attributes, **turn.attributes}
    said = [value for name, value in attributes.items() if name.endswith(SAID)]
    assert len(list(map(json.loads, said))) == len(SAID)
    assert max(len(str(value)) for value in attributes.values()) < 66_000
    assert len(turn.status.description) < 33_000


FAILED = [session_event(), ErrorEvent(error=ErrorKind.OVERLOADED, text="too busy"), done("failed")]


async def ending(client: AsyncClient, telemetry: Telemetry) -> tuple[object, ...]:
    """How the newest span of a turn ended."""
    span = telemetry.spans[-1]
    assert span.name == "invoke_agent fake"
    return (
        span.status.status_code.name,
        span.status.description,
        span.attributes.get("error.type"),
        span.attributes["gen_ai.response.finish_reasons"],
    )


async def test_a_turn_that_fails(client: AsyncClient, play: Play, telemetry: Telemetry) -> None:
    play(FAILED)
    with pytest.raises(TurnFailedError):
        await client.run("go")
    assert await ending(client, telemetry) == ("ERROR", "too busy", "overloaded", ("error",))
    [(attributes, _)] = telemetry.metrics["gen_ai.invoke_agent.duration"]
    assert attributes["error.type"] == "overloaded"


async def test_a_turn_that_cannot_begin(
    client: AsyncClient, provider: FakeProvider, telemetry: Telemetry
) -> None:
    provider.opening_fails.append(SignedinError(f"no {SECRET}"))
    with pytest.raises(SignedinError):
        await client.run("go")
    assert await ending(client, telemetry) == ("ERROR", "no ***", "other", ("error",))


async def test_a_turn_whose_time_is_up(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    play([session_event(), command("started", timestamp=1.0)])
    with pytest.raises(TimeoutExceededError):
        await client.run("go", timeout=0.05)
    message = "the turn took longer than 0.05 s (timeout)"
    assert await ending(client, telemetry) == ("ERROR", message, "timeout", ("timeout",))
    assert telemetry.spans[0].attributes["signedin.tool.status"] == "interrupted"


async def test_a_turn_that_is_over_its_budget(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    play([session_event(), USED])
    with pytest.raises(BudgetExceededError):
        await client.run("go", budget=Budget(tokens=10))
    status, _, kind, reasons = await ending(client, telemetry)
    assert (status, kind, reasons) == ("ERROR", "budget", ("budget",))


async def test_a_turn_that_is_cancelled(
    client: AsyncClient, provider: FakeProvider, play: Play, telemetry: Telemetry
) -> None:
    play([session_event(), command("started", timestamp=1.0)])
    running = asyncio.create_task(client.run("go"))
    await provider.turn_started.wait()
    await provider.turns[0].waiting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await ending(client, telemetry) == ("UNSET", None, None, ("interrupted",))
    assert telemetry.tree == {"invoke_agent fake": {"execute_tool command": {}}}


async def test_a_stream_that_is_left_early(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    play([session_event(), delta("half")])
    turn = client.stream("go")
    async for _ in turn:
        break
    await turn.aclose()
    assert await ending(client, telemetry) == ("UNSET", None, None, ("interrupted",))


async def test_a_stream_that_nobody_reads_to_its_end_or_closes(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    play([session_event(), delta("half")])
    turn = client.stream("go")
    await turn.next_batch()
    assert telemetry.spans == []
    del turn
    gc.collect()
    assert await ending(client, telemetry) == ("UNSET", None, None, ("abandoned",))


async def test_a_turn_that_another_provider_continues(
    client: AsyncClient, play: Play, telemetry: Telemetry
) -> None:
    play(
        [SessionEvent(session_id="s1", provider="claude")],
        [FallbackEvent(provider="claude", successor="codex", text="PRIVATE", timestamp=1.0)],
        [SessionEvent(session_id="s2", provider="codex"), message(), done()],
    )
    await client.run("go")
    [span] = telemetry.spans
    assert span.name == "invoke_agent codex"
    assert span.attributes["gen_ai.provider.name"] == "openai"
    assert span.attributes["gen_ai.conversation.id"] == "s2"
    [event] = span.events
    fields = {"provider": "claude", "successor": "codex", "handover": False, "skipped": False}
    assert event.name == "signedin.fallback"
    assert event.attributes == {f"signedin.fallback.{key}": value for key, value in fields.items()}


async def test_it_hangs_below_the_span_of_the_caller(
    client: AsyncClient, telemetry: Telemetry
) -> None:
    with telemetry.tracer.start_as_current_span("caller"):
        await client.run("go")
        [_ async for _ in client.stream("go")]
        [_ async for _ in client.map(["a"])]
        async with client.session() as session:
            await session.run("go")
    assert len(telemetry.spans) == 5
    assert telemetry.tree == {"caller": {"invoke_agent fake": {}}}
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_it_hangs_below_the_span_of_the_thread_that_called(
    blocking: Client, telemetry: Telemetry
) -> None:
    with telemetry.tracer.start_as_current_span("caller"):
        blocking.run("go")
        list(blocking.stream("go"))
        list(blocking.map(["a"]))
        with blocking.session() as session:
            session.run("go")
    assert len(telemetry.spans) == 5
    assert telemetry.tree == {"caller": {"invoke_agent fake": {}}}


async def test_functions_of_the_caller_work_in_the_span_of_their_turn(
    client: AsyncClient, play: Play, provider: FakeProvider, telemetry: Telemetry
) -> None:
    seen: list[object] = []

    def decide(request: ApprovalRequest) -> Decision:
        with telemetry.tracer.start_as_current_span("deciding"):
            seen.append(TRACE.get())
        return allow

    play([session_event()])
    async with client.stream("go", on_approval=decide) as turn:
        await turn.next_batch()
        await provider.hosts[0].approve(
            ApprovalRequest(subject="command", item_id="c", command="ls")
        )
    below, span = telemetry.spans
    assert (below.name, below.parent.span_id) == ("deciding", span.context.span_id)
    context = span.context
    assert seen == [{"traceparent": f"00-{context.trace_id:032x}-{context.span_id:016x}-01"}]


async def test_sampling_is_respected(client: AsyncClient, play: Play) -> None:
    play([session_event(), command("started", timestamp=1.0)], [command("completed"), done()])
    with Telemetry(ALWAYS_OFF) as telemetry:
        await client.run("go")
        assert telemetry.spans == []
        assert set(telemetry.metrics) == {
            "gen_ai.execute_tool.duration",
            "gen_ai.invoke_agent.duration",
            "gen_ai.invoke_agent.tool_calls",
        }


async def test_to_instrument_twice_is_to_instrument_once(
    client: AsyncClient, telemetry: Telemetry
) -> None:
    telemetry.instrument()
    await client.run("go")
    assert len(telemetry.spans) == 1


async def test_uninstrument(client: AsyncClient, play: Play, telemetry: Telemetry) -> None:
    play([session_event(), delta()], [message(), done()])
    turn = client.stream("go")
    await turn.next_batch()
    otel.uninstrument()
    await turn
    await client.run("go")
    assert telemetry.statuses == ["UNSET"]
    otel.uninstrument()
    assert watching.watches == ()


async def test_an_application_without_an_sdk(client: AsyncClient, play: Play) -> None:
    play([session_event(), command("started", timestamp=1.0)], [command("completed"), done()])
    otel.instrument()
    try:
        await client.run("go")
        assert TRACE.get() == {}
    finally:
        otel.uninstrument()


class Broken:
    def see(self, *given: object) -> None:
        raise ZeroDivisionError(SECRET)

    end = see


@pytest.mark.parametrize("watch", [Broken().see, lambda turn: Broken()])
async def test_a_watcher_may_fail_a_turn_may_not(
    client: AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    watch: object,
) -> None:
    monkeypatch.setattr(watching, "watches", (watch,))
    with caplog.at_level(logging.WARNING, "signedin"):
        assert (await client.run("go")).text == "go"
    assert set(caplog.messages) == {"watching a turn failed: ZeroDivisionError('***')"}


def test_its_name() -> None:
    assert signedin.otel is otel
