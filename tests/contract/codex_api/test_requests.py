"""What the server asks: refused, unless the handler answers it."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from signedin.loopback import LoopbackModel, ModelRequest, Text, ToolCall, WriteFile, shell
from signedin.providers.codex import AsyncCodex, Codex, JsonRpcError, protocol as p
from support.stage import Stage

ESCALATED = shell("touch new", sandbox_permissions="require_escalated", justification="to write")
TOOL = p.FunctionDynamicToolSpec(
    name="weather",
    description="Tells the weather",
    input_schema={"type": "object", "properties": {"city": {"type": "string"}}},
)


def accept(method: str, params: p.Incoming) -> object:
    return {"decision": "accept"}


def told_to_the_model(stage: Stage) -> str:
    return stage.requests[-1].tool_outputs[-1].text


def run(options: dict[str, object], on_request: Callable[..., object] | None, **settings) -> list:
    """Runs a turn and returns its items."""
    with Codex(**options, on_request=on_request) as codex:
        thread = codex.thread_start(approval_policy="on-request", sandbox="read-only", **settings)
        result = thread.run("go")
        assert result.final_response == "Done."
        return list(result.items)


def test_a_command_is_refused_without_a_handler(
    options: dict[str, object], stage: Stage, tmp_path: Path
) -> None:
    stage.play(ESCALATED, "Done.")
    _, command, _ = run(options, None)
    assert isinstance(command, p.CommandExecutionThreadItem)
    assert command.status == "declined"
    assert not (tmp_path / "new").exists()
    assert "rejected by user" in told_to_the_model(stage)


def test_a_file_change_is_refused_without_a_handler(
    options: dict[str, object], stage: Stage, tmp_path: Path
) -> None:
    stage.play(WriteFile("new", "text\n"), "Done.")
    _, change, _ = run(options, None)
    assert isinstance(change, p.FileChangeThreadItem)
    assert change.status == "declined"
    assert not (tmp_path / "new").exists()


def test_a_handler_that_returns_none_refuses(
    options: dict[str, object], stage: Stage, tmp_path: Path
) -> None:
    stage.play(ESCALATED, "Done.")
    asked = []

    def ask(method: str, params: p.Incoming) -> None:
        asked.append((method, params))

    run(options, ask)
    [(method, params)] = asked
    assert method == "item/commandExecution/requestApproval"
    assert isinstance(params, p.CommandExecutionRequestApprovalParams)
    assert (params.command, params.cwd, params.reason) == (
        "/bin/bash -c 'touch new'",
        str(tmp_path),
        "to write",
    )
    assert not (tmp_path / "new").exists()


def test_a_plain_handler_allows(options: dict[str, object], stage: Stage, tmp_path: Path) -> None:
    stage.play(ESCALATED, WriteFile("other", "text\n"), "Done.")
    _, command, change, _ = run(options, accept)
    assert (command.status, command.exit_code, change.status) == ("completed", 0, "completed")
    assert (tmp_path / "new").exists()
    assert (tmp_path / "other").read_text() == "text\n"


async def test_an_asynchronous_handler_allows(
    options: dict[str, object], stage: Stage, tmp_path: Path
) -> None:
    stage.play(ESCALATED, "Done.")

    async def ask(method: str, params: p.Incoming) -> p.CommandExecutionRequestApprovalResponse:
        account = await codex.account()
        assert account.account is None
        return p.CommandExecutionRequestApprovalResponse(decision="accept")

    async with AsyncCodex(**options, on_request=ask) as codex:
        thread = await codex.thread_start(sandbox="read-only", approval_policy="on-request")
        await thread.run("go")
    assert (tmp_path / "new").exists()


def test_a_plain_handler_may_call_the_client(
    options: dict[str, object], stage: Stage, tmp_path: Path
) -> None:
    stage.play(ESCALATED, "Done.")

    def ask(method: str, params: p.Incoming) -> dict[str, object]:
        assert codex.thread_read(params.thread_id).thread.cwd == str(tmp_path)
        return {"decision": "accept"}

    with Codex(**options, on_request=ask) as codex:
        codex.thread_start(sandbox="read-only", approval_policy="on-request").run("go")
    assert (tmp_path / "new").exists()


def raising(error: Exception) -> Callable[..., object]:
    def ask(method: str, params: p.Incoming) -> object:
        raise error

    return ask


@pytest.mark.parametrize(
    "handler",
    [
        raising(JsonRpcError(-32000, "not today")),
        raising(ValueError("broken")),
        lambda *_: "accept",
    ],
    ids=["JSON-RPC error", "failing", "no answer"],
)
def test_a_handler_that_fails_refuses(
    options: dict[str, object],
    stage: Stage,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    handler: Callable[..., object],
) -> None:
    stage.play(ESCALATED, "Done.")
    _, command, _ = run(options, handler)
    assert command.status == "failed"
    assert not (tmp_path / "new").exists()


def test_dynamic_tools(options: dict[str, object], stage: Stage) -> None:
    stage.play(
        [ToolCall("weather", {"city": "Oslo"}), ToolCall("weather", {"city": "Bergen"})], "Done."
    )

    def answer(method: str, params: p.Incoming) -> p.DynamicToolCallResponse:
        assert isinstance(params, p.DynamicToolCallParams)
        text = f"{params.tool} in {params.arguments['city']}: rain"
        return p.DynamicToolCallResponse(
            content_items=[p.InputTextDynamicToolCallOutputContentItem(text=text)], success=True
        )

    items = run(options, answer, dynamic_tools=[TOOL])
    calls = [item for item in items if isinstance(item, p.DynamicToolCallThreadItem)]
    assert {(call.status, call.content_items[0].text) for call in calls} == {
        ("completed", "weather in Oslo: rain"),
        ("completed", "weather in Bergen: rain"),
    }
    assert {output.text for output in stage.requests[-1].tool_outputs} == {
        "weather in Oslo: rain",
        "weather in Bergen: rain",
    }


def test_a_tool_that_nobody_runs_fails(options: dict[str, object], stage: Stage) -> None:
    stage.play(ToolCall("weather", {"city": "Oslo"}), "Done.")
    _, call, _ = run(options, None, dynamic_tools=[TOOL])
    assert (call.status, call.success) == ("failed", False)
    assert told_to_the_model(stage) == "There is no handler for the tool 'weather'."


async def test_a_question_ends_with_its_turn(options: dict[str, object], stage: Stage) -> None:
    stage.play(ESCALATED, "never said")
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def ask(method: str, params: p.Incoming) -> None:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with AsyncCodex(**options, on_request=ask) as codex:
        thread = await codex.thread_start(sandbox="read-only", approval_policy="on-request")
        turn = await thread.turn("go")
        await asked.wait()
        await turn.interrupt()
        assert (await turn.run()).status == "interrupted"
        async with asyncio.timeout(10):
            await cancelled.wait()
        stage.play(Text("still there"))
        assert (await thread.run("next")).final_response == "still there"


def reviewed(outcome: str, tmp_path: Path) -> list[p.Incoming]:
    """What is reported of a model's review of a command, which says this."""

    def reply(request: ModelRequest) -> list[Text | ToolCall]:
        if "format" in request.body["text"]:  # the reviewer answers in JSON
            return [Text(json.dumps({"outcome": outcome}))]
        return [Text("Done.")] if request.tool_outputs else [ESCALATED]

    with LoopbackModel(reply) as model:
        given = model.client_options("codex")
        config = given["provider_options"]["config"]
        with Codex(env=given["env"], config=config, cwd=tmp_path) as codex:
            thread = codex.thread_start(
                approval_policy="on-request", approvals_reviewer="auto_review", sandbox="read-only"
            )
            turn = thread.turn("go")
            notifications = [news.params for news in turn.stream()]
            assert turn.result.final_response == "Done."
    return notifications


@pytest.mark.parametrize(("outcome", "status"), [("allow", "approved"), ("deny", "denied")])
def test_a_model_decides(tmp_path: Path, outcome: str, status: str) -> None:
    seen = reviewed(outcome, tmp_path)
    [begun] = [n for n in seen if isinstance(n, p.ItemGuardianApprovalReviewStartedNotification)]
    assert begun.action.command.endswith("'touch new'")
    [ended] = [n for n in seen if isinstance(n, p.ItemGuardianApprovalReviewCompletedNotification)]
    assert ended.review.status == status
    assert (tmp_path / "new").exists() is (outcome == "allow")
