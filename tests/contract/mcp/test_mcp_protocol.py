"""``signedin mcp`` as clients of MCP see it: the real Codex behind it, the SDK's client before."""

import asyncio
from pathlib import Path

import mcp_types as types
import pytest
from mcp import MCPError

from signedin.loopback import AskUser, Hold, HttpError, Shell, Text, shell
from support.mcp_program import ERAS, agent_program, agent_server, refused, texts, user
from support.processes import app_servers_with
from support.stage import Stage

ESCALATED = shell("touch new", sandbox_permissions="require_escalated", justification="to write")
ASKED = "codex asks to be allowed: command"

in_each_era = pytest.mark.parametrize("mode", ERAS)


async def test_the_tools_and_their_arguments(stage: Stage, work: Path) -> None:
    async with agent_server(stage, cwd=work) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert client.server_info.name == "signedin"
    assert list(tools) == [
        *("ask", "reply", "start", "result", "stop", "sessions", "limits", "providers"),
        *("codex", "codex-reply"),
    ]
    ask = tools["ask"].input_schema
    assert ask["required"] == ["prompt"]
    assert ask["properties"]["provider"]["enum"] == ["codex"]
    assert ask["properties"]["permissions"]["enum"] == ["read-only"]
    assert {name: tool.annotations.read_only_hint for name, tool in tools.items()} == dict.fromkeys(
        tools, False
    ) | dict.fromkeys(("result", "sessions", "limits", "providers"), True)


async def test_the_removed_servers_arguments_are_unchanged(stage: Stage, work: Path) -> None:
    async with agent_server(stage, cwd=work) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    kinds = {
        name: schema.get("type")
        for name, schema in tools["codex"].input_schema["properties"].items()
    }
    strings = ("approval-policy", "base-instructions", "compact-prompt", "cwd", "model", "profile")
    assert kinds == {
        **dict.fromkeys((*strings, "developer-instructions", "prompt", "sandbox"), "string"),
        "config": "object",
    }
    assert tools["codex"].input_schema["required"] == ["prompt"]
    reply = tools["codex-reply"].input_schema
    assert (sorted(reply["properties"]), reply["required"]) == (
        ["conversationId", "prompt", "threadId"],
        ["prompt"],
    )
    assert {name: tools[name].output_schema["required"] for name in ("codex", "codex-reply")} == {
        "codex": ["threadId", "content"],
        "codex-reply": ["threadId", "content"],
    }


@in_each_era
async def test_asking_and_replying(stage: Stage, work: Path, mode: str) -> None:
    stage.play(Text.echo("You said {prompt}."))
    home = stage.model.variables("codex")["CODEX_HOME"]
    async with agent_program(stage, cwd=work, mode=mode) as client:
        first = await client.call_tool("ask", {"prompt": "one", "effort": "high"})
        session = first.structured_content["session_id"]
        [agent] = app_servers_with(home)
        second = await client.call_tool("reply", {"prompt": "two", "session_id": session})
        assert app_servers_with(home) == {agent}
    answer = dict(first.structured_content)
    assert answer.pop("elapsed") > 0
    assert answer == {
        "provider": "codex",
        "session_id": session,
        "text": "You said one.",
        "output": None,
        "notes": [],
        "model": "gpt-5.5",
        "usage": {
            "input_tokens": 10,
            "cached_input_tokens": 4,
            "cache_write_tokens": 0,
            "output_tokens": 5,
            "reasoning_tokens": 1,
            "total_tokens": 15,
            "cost_usd": None,
        },
    }
    assert texts(first) == ["You said one.", f"session_id: {session}"]
    assert second.structured_content["text"] == "You said two."
    assert second.structured_content["session_id"] == session
    assert "You said one." in str(stage.requests[-1].body)
    assert [r.body["reasoning"]["effort"] for r in stage.requests] == ["high"] * 2


async def test_codex_and_codex_reply(stage: Stage, work: Path) -> None:
    stage.play(Text.echo("You said {prompt}."))
    (work / "below").mkdir()
    arguments = {
        "prompt": "one",
        "base-instructions": "BASE",
        "developer-instructions": "DEVELOPER",
        "compact-prompt": "Compact it.",
        "config": {"model_verbosity": "low"},
        "cwd": "below",
        "approval-policy": "never",
        "sandbox": "read-only",
    }
    async with agent_server(stage, cwd=work) as client:
        first = await client.call_tool("codex", arguments)
        thread = first.structured_content["threadId"]
        given = {"prompt": "two", "conversationId": thread}
        second = await client.call_tool("codex-reply", given)
        assert refused(await client.call_tool("codex-reply", {"prompt": "three"})).startswith(
            "invalid_option: codex has no session ''"
        )
    assert first.structured_content == {"threadId": thread, "content": "You said one."}
    assert texts(first) == ["You said one."]
    assert second.structured_content == {"threadId": thread, "content": "You said two."}
    for request in stage.requests:
        assert request.body["text"]["verbosity"] == "low"
        assert all(word in str(request.body) for word in ("BASE", "DEVELOPER", str(work / "below")))


@in_each_era
async def test_progress_is_reported(stage: Stage, work: Path, mode: str) -> None:
    stage.play([Text("I look.", phase="commentary"), Shell("ls")], "Nothing there.")
    seen: list[tuple[float, str | None]] = []

    async def progress(number: float, total: float | None, message: str | None) -> None:
        assert total is None
        seen.append((number, message))

    async with agent_server(stage, cwd=work, mode=mode) as client:
        await client.call_tool("ask", {"prompt": "What?"}, progress_callback=progress)
    assert [number for number, _ in seen] == [1, 2, 3]
    assert seen[0][1] == "I look."
    assert seen[1][1].startswith("runs ")
    assert seen[2][1] == "Nothing there."


@in_each_era
async def test_the_clients_user_allows(stage: Stage, work: Path, mode: str, outside: Path) -> None:
    stage.play(ESCALATED, "Done.")
    shown: list[str] = []
    asks = user("accept", {}, shown)
    async with agent_server(stage, cwd=outside, mode=mode, asks=asks) as client:
        answer = await client.call_tool("ask", {"prompt": "Write it."})
    assert answer.structured_content["text"] == "Done."
    assert answer.structured_content["notes"] == []
    [message] = shown
    assert message.startswith(f"{ASKED}\n")
    assert "touch new" in message
    assert str(outside) in message
    assert "to write" in message
    assert (outside / "new").exists()


@in_each_era
@pytest.mark.parametrize("action", ["decline", "cancel"])
async def test_the_clients_user_declines(
    stage: Stage, mode: str, action: str, outside: Path
) -> None:
    stage.play(ESCALATED, "Then not.")
    asks = user(action, None, [])
    async with agent_server(stage, cwd=outside, mode=mode, asks=asks) as client:
        answer = await client.call_tool("ask", {"prompt": "Write it."})
    assert answer.structured_content["text"] == "Then not."
    [note] = answer.structured_content["notes"]
    assert note.startswith("denied command ")
    assert note.endswith(": the user of the MCP client said no; the agent continues without it")
    assert texts(answer)[-1] == note
    assert not (outside / "new").exists()


@in_each_era
@pytest.mark.parametrize(
    ("tool", "arguments", "why"),
    [
        (
            "ask",
            {},
            "the MCP client cannot ask its user; use a client that has elicitation, or start "
            "signedin mcp with more --permissions",
        ),
        (
            "codex",
            {"approval-policy": "never"},
            "approval-policy is never; use on-request to have the user asked",
        ),
    ],
)
async def test_nobody_is_asked(
    stage: Stage, mode: str, outside: Path, tool: str, arguments: dict, why: str
) -> None:
    stage.play(ESCALATED, "Then not.")
    shown: list[str] = []
    asks = user("accept", {}, shown) if arguments else None
    async with agent_server(stage, cwd=outside, mode=mode, asks=asks) as client:
        answer = await client.call_tool(tool, {"prompt": "Write it.", **arguments})
    assert texts(answer)[0] == "Then not."
    assert texts(answer)[-1].endswith(f": {why}")
    assert shown == []
    assert not (outside / "new").exists()


async def test_structured_output(stage: Stage, work: Path) -> None:
    stage.play('{"name": null, "size": 3}')
    schema = {
        "type": "object",
        "properties": {"name": {"type": ["string", "null"]}, "size": {"type": "integer"}},
        "required": ["name", "size"],
        "additionalProperties": False,
    }
    async with agent_server(stage, cwd=work) as client:
        answer = await client.call_tool("ask", {"prompt": "Which?", "output_schema": schema})
    assert answer.structured_content["output"] == {"name": None, "size": 3}


async def test_a_job_that_is_waited_for(stage: Stage, work: Path) -> None:
    stage.play(Text(["first ", Hold("middle"), "second"]))
    async with agent_server(stage, cwd=work) as client:
        started = (await client.call_tool("start", {"prompt": "Take long."})).structured_content
        job = started["job"]
        await asyncio.to_thread(stage.wait_until_held, "middle")
        early = (await client.call_tool("result", {"job": job, "wait": 0})).structured_content
        stage.release("middle")
        late = (await client.call_tool("result", {"job": job})).structured_content
        again = (await client.call_tool("result", {"job": job})).structured_content
    assert (started["status"], early["status"], late["status"]) == ("running", "running", "done")
    assert started["answer"] is early["answer"] is None
    assert late["answer"]["text"] == "first second"
    assert early["session_id"] == late["session_id"] == late["answer"]["session_id"]
    assert again == late


async def test_a_job_is_stopped(stage: Stage, work: Path) -> None:
    stage.play(Text(["first ", Hold("middle"), "second"]))
    async with agent_server(stage, cwd=work) as client:
        job = (await client.call_tool("start", {"prompt": "Take long."})).structured_content["job"]
        await asyncio.to_thread(stage.wait_until_held, "middle")
        stopped = (await client.call_tool("stop", {"job": job})).structured_content
        result = (await client.call_tool("result", {"job": job})).structured_content
        assert refused(await client.call_tool("stop", {"job": "none"})) == (
            "invalid_option: this server has no job 'none'; start returns their names"
        )
    assert (stopped["status"], stopped["answer"], stopped["error"]) == ("stopped", None, None)
    assert result == stopped
    assert len(stage.requests) == 1


@in_each_era
async def test_a_job_asks_who_waits_for_it(stage: Stage, mode: str, outside: Path) -> None:
    stage.play(ESCALATED, "Done.")
    shown: list[str] = []
    asks = user("accept", {}, shown)
    async with agent_server(stage, cwd=outside, mode=mode, asks=asks) as client:
        started = await client.call_tool("start", {"prompt": "Write it."})
        job = started.structured_content["job"]
        status = "running"
        while status == "running":
            report = await client.call_tool("result", {"job": job, "wait": 60})
            status = report.structured_content["status"]
    assert status == "done"
    assert len(shown) == 1
    assert (outside / "new").exists()


async def test_a_client_that_did_not_ask_may_come_back(stage: Stage, outside: Path) -> None:
    stage.play(ESCALATED, "Done.")
    shown: list[str] = []

    async def asks(context: object, params: types.ElicitRequestParams) -> object:
        shown.append(params.message)
        if len(shown) == 1:
            return types.ErrorData(code=types.INTERNAL_ERROR, message="no window")
        return types.ElicitResult(action="accept", content={})

    async with agent_server(stage, cwd=outside, mode=ERAS[1], asks=asks) as client:
        started = await client.call_tool("start", {"prompt": "Write it."})
        job = {"job": started.structured_content["job"], "wait": 60}
        with pytest.raises(MCPError, match="no window"):
            await client.call_tool("result", job)
        report = (await client.call_tool("result", job)).structured_content
    assert (report["status"], report["answer"]["text"]) == ("done", "Done.")
    assert len(shown) == 2
    assert (outside / "new").exists()


@in_each_era
async def test_a_call_that_is_cancelled_stops_its_turn(work: Path, mode: str) -> None:
    with Stage("codex") as stage:
        stage.play(Text(["first ", Hold("middle"), "second"]))
        async with agent_server(stage, cwd=work, mode=mode) as client:
            call = asyncio.create_task(client.call_tool("ask", {"prompt": "Take long."}))
            await asyncio.to_thread(stage.wait_until_held, "middle")
            call.cancel()
            await asyncio.to_thread(stage.model.wait_for_disconnect, timeout=60)
            stage.play("Hello.")
            answer = await client.call_tool("ask", {"prompt": "And now?"})
    assert answer.structured_content["text"] == "Hello."


async def test_a_failed_turn_says_why(stage: Stage, work: Path) -> None:
    stage.play(HttpError(400, "the model says no"))
    async with agent_server(stage, cwd=work) as client:
        text = refused(await client.call_tool("ask", {"prompt": "Hello?"}))
        job = (await client.call_tool("start", {"prompt": "Hello?"})).structured_content["job"]
        report = (await client.call_tool("result", {"job": job})).structured_content
    why, session = text.split("\n")
    assert "the model says no" in why
    assert session.startswith("session_id: ")
    assert (report["status"], report["answer"]) == ("failed", None)
    assert "the model says no" in report["error"]


async def test_a_tool_that_is_not_there(stage: Stage, work: Path) -> None:
    async with agent_server(stage, cwd=work) as client:
        with pytest.raises(MCPError, match="no tool 'aks'; there are: ask, reply, start"):
            await client.call_tool("aks", {})


async def test_fifty_calls_at_once(stage: Stage, work: Path) -> None:
    stage.play(Text.echo())
    prompts = [f"number {number}" for number in range(50)]
    async with agent_program(stage, cwd=work) as client:
        calls = [client.call_tool("ask", {"prompt": prompt}) for prompt in prompts]
        answers = [each.structured_content for each in await asyncio.gather(*calls)]
    assert [answer["text"] for answer in answers] == prompts
    assert len({answer["session_id"] for answer in answers}) == 50


@in_each_era
async def test_the_agents_question_is_asked(work: Path, mode: str) -> None:
    shown: list[str] = []
    asks = user("accept", {"answer_1": "tea"}, shown)
    with Stage("claude") as stage:
        stage.play(AskUser("Tea or coffee?", ["tea", "coffee"]), Text.echo("{tool_output}"))
        async with agent_server(stage, cwd=work, mode=mode, asks=asks) as client:
            answer = await client.call_tool("ask", {"prompt": "Ask me."})
        async with agent_server(stage, cwd=work, mode=mode) as client:
            unasked = await client.call_tool("ask", {"prompt": "Ask me."})
    assert shown == ["claude asks: Tea or coffee?"]
    assert "tea" in answer.structured_content["text"]
    assert answer.structured_content["notes"] == []
    assert unasked.structured_content["notes"] == [
        "the agent's question 'Tea or coffee?' was not answered"
    ]
