"""Questions the agent asks before it acts: answered by the caller, or denied."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import (
    ApprovalEvent,
    ApprovalRequest,
    AsyncClient,
    CommandEvent,
    Decision,
    FileChange,
    FileChangeEvent,
    McpServer,
    Question,
    RunResult,
    ToolEvent,
    TurnInterruptedError,
    WarningEvent,
    allow,
    allow_for_session,
    deny,
    stop,
)
from signedin.loopback import Shell, ToolCall, WriteFile
from signedin.testing import assert_event_contract
from support.folders import outside_of_sandboxes
from support.stage import Stage

SERVER = Path(__file__).parents[2] / "support" / "mcp_server.py"


@pytest.fixture
def outside() -> Iterator[Path]:
    """A folder no sandbox lets the agent write to; temporary ones are always writable."""
    with outside_of_sandboxes() as folder:
        yield folder


def escalated(command: str) -> Shell:
    return Shell(command, {"sandbox_permissions": "require_escalated", "justification": "must"})


def approvals(result: RunResult[object]) -> list[tuple[str, str]]:
    assert_event_contract(result.events)
    return [(e.subject, e.decision) for e in result.events if isinstance(e, ApprovalEvent)]


async def test_nobody_to_ask_means_no(
    client: AsyncClient, stage: Stage, tmp_path: Path, outside: Path
) -> None:
    stage.play(escalated(f"touch {outside}/escaped"), "I could not")
    result = await client.run("go", cwd=tmp_path)

    assert result.text == "I could not"
    assert approvals(result) == [("command", "deny")]
    assert not (outside / "escaped").exists()
    [warning] = [e for e in result.events if isinstance(e, WarningEvent)]
    assert "no approval callback is set; pass on_approval=" in warning.text
    [end] = [e for e in result.events if isinstance(e, CommandEvent) and e.status != "started"]
    assert end.status == "declined"


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_callback_is_told_everything_and_decides(
    client: AsyncClient, stage: Stage, tmp_path: Path, outside: Path, *, is_async: bool
) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return allow

    async def decide_later(request: ApprovalRequest) -> Decision:
        return decide(request)

    stage.play(escalated(f"touch {outside}/made"), "made it")
    result = await client.run("go", cwd=tmp_path, on_approval=decide_later if is_async else decide)
    assert approvals(result) == [("command", "allow")]
    assert (outside / "made").exists()
    [request] = asked
    assert (request.subject, request.reason, request.cwd) == ("command", "must", str(tmp_path))
    assert request.command is not None
    assert f"touch {outside}/made" in request.command


async def test_a_file_change_is_shown_with_its_diff(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return deny("not today")

    stage.play(WriteFile("new.txt", "hello\n"), "as you wish")
    result = await client.run("go", cwd=tmp_path, on_approval=decide)
    assert approvals(result) == [("file_change", "deny")]
    assert asked[0].changes == (FileChange(str(tmp_path / "new.txt"), "add", "hello\n"),)
    assert [e.status for e in result.events if isinstance(e, FileChangeEvent)] == [
        "started",
        "declined",
    ]
    assert not (tmp_path / "new.txt").exists()
    assert not [e for e in result.events if isinstance(e, WarningEvent)]


async def test_allowed_for_the_session_is_not_asked_again(
    client: AsyncClient, stage: Stage, tmp_path: Path, outside: Path
) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return allow_for_session

    stage.play(escalated(f"touch {outside}/made"), "made it")
    async with client.session(cwd=tmp_path, on_approval=decide) as session:
        await session.run("go")
        (outside / "made").unlink()
        await session.run("again")
    assert (outside / "made").exists()
    assert len(asked) == 1


async def test_stop_ends_the_turn(
    client: AsyncClient, stage: Stage, tmp_path: Path, outside: Path
) -> None:
    stage.play(escalated(f"touch {outside}/escaped"), "never said")
    with pytest.raises(TurnInterruptedError) as raised:
        await client.run("go", cwd=tmp_path, on_approval=lambda _: stop)
    assert raised.value.result is not None
    assert approvals(raised.value.result) == [("command", "stop")]
    assert not (outside / "escaped").exists()


@pytest.mark.parametrize(
    ("decide", "reason", "logged"),
    [
        (lambda _: {}["oops"], "on_approval failed: KeyError: 'oops'", "on_approval failed"),
        (lambda _: None, "on_approval returned no decision", "on_approval returned None"),
    ],
)
async def test_a_callback_that_fails_denies_with_a_warning(
    client: AsyncClient,
    stage: Stage,
    tmp_path: Path,
    outside: Path,
    caplog: pytest.LogCaptureFixture,
    decide: Callable[[ApprovalRequest], Decision],
    reason: str,
    logged: str,
) -> None:
    stage.play(escalated(f"touch {outside}/escaped"), "I could not")
    result = await client.run("go", cwd=tmp_path, on_approval=decide)
    assert approvals(result) == [("command", "deny")]
    [warning] = [event.text for event in result.events if event.kind == "warning"]
    assert warning.startswith("denied ")
    assert warning.endswith(f": {reason}; change on_approval")
    assert not (outside / "escaped").exists()
    assert logged in caplog.text


ASK = ToolCall(
    "request_user_input",
    {
        "questions": [
            {
                "id": "color",
                "header": "Color",
                "question": "Which color?",
                "options": [
                    {"label": "Red", "description": "warm"},
                    {"label": "Blue", "description": "cold"},
                ],
            }
        ]
    },
)
ASKING = {"config": {"features.default_mode_request_user_input": True}}


async def test_questions_are_answered(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    asked: list[Question] = []

    def answer(questions: tuple[Question, ...]) -> dict[str, str]:
        asked.extend(questions)
        return {"color": "Blue"}

    stage.play(ASK, "blue it is")
    result = await client.run("go", cwd=tmp_path, on_question=answer)
    [question] = asked
    assert (question.id, question.text, question.header) == ("color", "Which color?", "Color")
    assert [option.label for option in question.options][:2] == ["Red", "Blue"]
    assert approvals(result) == [("question", "answered")]
    assert "Blue" in str(stage.requests[-1].tool_outputs)


async def test_questions_nobody_answers(client: AsyncClient, stage: Stage, tmp_path: Path) -> None:
    stage.play(ASK, "then I choose")
    result = await client.run("go", cwd=tmp_path, provider_options=ASKING)
    assert result.text == "then I choose"
    assert approvals(result) == [("question", "deny")]
    warnings = [e.text for e in result.events if isinstance(e, WarningEvent)]
    assert "the agent's question 'Which color?' was not answered" in warnings


def toy(**options: object) -> dict[str, McpServer]:
    return {"toy": McpServer(command=sys.executable, args=[str(SERVER)], **options)}


async def test_tools_of_an_mcp_server_are_asked_for(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return allow

    stage.play(ToolCall("shout", {"text": "hi"}, namespace="mcp__toy"), "done")
    servers = toy(env={"TOY_SUFFIX": "!"})
    denied = await client.run("go", cwd=tmp_path, mcp_servers=servers)
    assert approvals(denied) == [("tool", "deny")]
    allowed = await client.run("go", cwd=tmp_path, mcp_servers=servers, on_approval=decide)
    assert approvals(allowed) == [("tool", "allow")]
    assert (asked[0].tool, asked[0].server, asked[0].arguments) == ("shout", "toy", {"text": "hi"})
    call = [e for e in allowed.events if isinstance(e, ToolEvent)][-1]
    assert (call.name, call.server, call.status) == ("shout", "toy", "completed")
    assert call.result == [{"type": "text", "text": "HI!"}]


async def test_an_address_of_an_mcp_server_is_visited_only_if_the_user_says_so(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    asked: list[Question] = []
    ends: list[str] = []

    def consent(questions: tuple[Question, ...]) -> dict[str, str]:
        asked.extend(questions)
        return {questions[0].id: "Accept"}

    asking = McpServer(command=sys.executable, args=[str(SERVER.with_name("mcp_asking.py"))])
    for answer in (consent, None):
        stage.play(ToolCall("visit", {}, namespace="mcp__asking"), "done")
        await client.run(
            "go",
            cwd=tmp_path,
            mcp_servers={"asking": asking},
            on_approval=lambda _: allow,
            on_question=answer,
        )
        ends.append(stage.requests[-1].tool_outputs[-1].text)
    assert [(one.text, one.url) for one in asked] == [
        ("Sign in there.", "https://example.com/in"),
    ]
    assert "accept" in ends[0]
    assert "decline" in ends[1]


async def test_a_trusted_mcp_server_is_not_asked_for(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play(ToolCall("shout", {"text": "hi"}, namespace="mcp__toy"), "done")
    result = await client.run("go", cwd=tmp_path, mcp_servers=toy(trusted=True))
    assert approvals(result) == []
    assert [e.status for e in result.events if isinstance(e, ToolEvent)][-1] == "completed"


async def test_an_mcp_server_that_does_not_start_is_a_warning(
    client: AsyncClient, stage: Stage, tmp_path: Path
) -> None:
    stage.play("fine without")
    servers = {"toy": McpServer(command=str(tmp_path / "nothing-there"))}
    result = await client.run("go", cwd=tmp_path, mcp_servers=servers)
    assert result.text == "fine without"
    [warning] = [e for e in result.events if isinstance(e, WarningEvent)]
    assert warning.text.startswith("MCP server 'toy' did not start, the turn continues")
