"""The span tree of a turn: the same for every provider."""

from pathlib import Path

import pytest

from signedin import Client, RunResult, SignedinError, tool
from signedin.loopback import HttpError, Shell, ToolCall, WriteFile
from support.otel import Telemetry
from support.rows import Row
from support.stage import Stage

VENDORS = {
    "acp:copilot": "copilot",
    "acp:opencode": "opencode",
    "acp:qwen": "qwen",
    "chatgpt": "openai",
    "claude": "anthropic",
    "codex": "openai",
    "gemini": "gcp.gemini",
}
MODELS = {"chatgpt": {"gen_ai.request.model": "scripted-large"}}
"""Where the stage asks for one."""

TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cached_input_tokens": "cache_read.input_tokens",
    "cache_write_tokens": "cache_write.input_tokens",
    "reasoning_tokens": "reasoning.output_tokens",
}


@pytest.fixture(autouse=True)
def sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets Claude Code have full access as root."""
    monkeypatch.setenv("IS_SANDBOX", "1")


def who(row: Row, operation: str) -> dict[str, object]:
    return {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": VENDORS[row.provider],
        "gen_ai.agent.name": row.provider,
        **MODELS.get(row.provider, {}),
    }


def called(row: Row, name: str, kind: str, status: str, **more: object) -> tuple[object, ...]:
    """A span of something that the agent did."""
    attributes = who(row, "execute_tool") | {
        "gen_ai.tool.name": name,
        "gen_ai.tool.type": kind,
        "signedin.tool.status": status,
    }
    failed = {"error.type": status} if status == "failed" else {}
    name_of_status = "ERROR" if failed else "UNSET"
    return f"execute_tool {name}", name_of_status, attributes | failed | more


def invoked(row: Row, result: RunResult[object]) -> dict[str, object]:
    """The attributes of the span of a turn, as far as its result has them."""
    used = {
        f"gen_ai.usage.{name}": number
        for field, name in TOKENS.items()
        if (number := getattr(result.usage, field, 0))
    }
    model = {"gen_ai.response.model": result.model} if result.model else {}
    session = {"gen_ai.conversation.id": result.session_id} if result.session_id else {}
    rest = {"signedin.transport": row.transport, **used, **model, **session}
    return who(row, "invoke_agent") | rest


def test_the_tree_of_a_turn(client: Client, stage: Stage, row: Row, file: Path) -> None:
    @tool
    def look() -> str:
        """Looks around."""
        return "There is a tree."

    able = client.capabilities
    if able.workspace:
        stage.play(Shell("echo hi; exit 3"), WriteFile(str(file), "text\n"), "Done.")
        asked: dict[str, object] = {"permissions": "full-access"}
        status, code = ("failed", {"process.exit.code": 3})
        if not able.command_output:
            status, code = "completed", {}
        done = [
            called(row, "command", "extension", status, **code),
            called(row, "file_change", "extension", "completed"),
        ]
    else:
        stage.play(ToolCall("look", {}), "Done.")
        asked = {"tools": [look]}
        done = [called(row, "look", "function", "completed")]
    with Telemetry() as telemetry:
        with telemetry.tracer.start_as_current_span("caller"):
            result = client.run("Go.", **asked)
        *calls, turn, caller = telemetry.spans
    found = []
    for span in calls:
        assert span.parent.span_id == turn.context.span_id
        assert turn.start_time <= span.start_time <= span.end_time <= turn.end_time
        attributes = dict(span.attributes)
        assert attributes.pop("gen_ai.tool.call.id")
        found.append((span.name, span.status.status_code.name, attributes))
    assert found == done
    assert (turn.name, turn.parent.span_id) == (
        f"invoke_agent {row.provider}",
        caller.context.span_id,
    )
    attributes = dict(turn.attributes)
    assert 0 < attributes.pop("gen_ai.response.time_to_first_chunk") <= result.elapsed
    assert attributes == invoked(row, result) | {"gen_ai.response.finish_reasons": ("stop",)}
    assert (turn.status.status_code.name, turn.events) == ("UNSET", ())


def test_the_span_of_a_turn_that_fails(client: Client, stage: Stage, row: Row) -> None:
    stage.play(HttpError(400, "nonsense"))
    with Telemetry() as telemetry:
        with pytest.raises(SignedinError) as caught:
            client.run("Go.")
        [turn] = telemetry.spans
    result = caught.value.result
    kind = caught.value.kind.value
    assert (turn.status.status_code.name, turn.status.description) == (
        "ERROR",
        caught.value.message,
    )
    ended = {"gen_ai.response.finish_reasons": ("error",), "error.type": kind}
    attributes = dict(turn.attributes)
    attributes.pop("gen_ai.response.time_to_first_chunk", None)  # some say it in a message as well
    assert attributes == invoked(row, result) | ended
