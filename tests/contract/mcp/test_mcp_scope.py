"""What clients of ``signedin mcp`` may not have: more permissions, other folders, no end."""

from pathlib import Path

import pytest

from signedin.loopback import Text
from support.mcp_program import agent_program, agent_server, refused, texts
from support.stage import Stage

MORE = (
    "permission_denied: agents of this server have at most the permissions read-only, not {}; "
    "start it with --permissions {} to allow this"
)
FOLDER = (
    "permission_denied: agents of this server work in {} and below, not in {}; "
    "start it with another --cwd to allow this"
)


async def test_what_is_refused(stage: Stage, work: Path, tmp_path: Path) -> None:
    stage.play(Text.echo())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (work / "link").symlink_to(elsewhere)
    (work / "loop").symlink_to("loop")
    long = "a" * 300
    refusals = {
        ("ask", "permissions", "full-access"): MORE.format(*["full-access"] * 2),
        ("start", "permissions", "workspace-write"): MORE.format(*["workspace-write"] * 2),
        ("codex", "sandbox", "danger-full-access"): MORE.format(*["full-access"] * 2),
        ("codex", "config", "notify"): (
            "permission_denied: config 'notify' is more than the server may give Codex (read-only);"
            " only these can be set: model_auto_compact_token_limit, model_context_window, "
            "model_reasoning_effort, model_reasoning_summary, model_verbosity, personality, "
            "tool_output_token_limit"
        ),
        ("codex", "profile", "mine"): (
            "invalid_option: codex does not support 'profile': give its settings instead"
        ),
        ("codex", "approval-policy", "untrusted"): (
            "invalid_option: codex does not support 'approval-policy untrusted': use on-request, "
            "with which Codex asks before it leaves its sandbox, or never"
        ),
        ("ask", "cwd", ".."): FOLDER.format(work, tmp_path),
        ("codex", "cwd", str(elsewhere)): FOLDER.format(work, elsewhere),
        ("sessions", "cwd", "link"): FOLDER.format(work, elsewhere),
        ("ask", "cwd", "nowhere"): (
            f"invalid_option: cwd '{work}/nowhere' does not exist (resolved to {work}/nowhere)"
        ),
        ("ask", "cwd", "a\0b"): "invalid_option: cwd 'a\\x00b' does not exist",
        ("codex", "cwd", "loop"): (
            f"invalid_option: cwd '{work}/loop' cannot be used: Too many levels of symbolic links "
            f"(resolved to {work}/loop)"
        ),
        ("sessions", "cwd", long): (
            f"invalid_option: cwd '{work}/{long}' cannot be used: File name too long "
            f"(resolved to {work}/{long})"
        ),
        ("ask", "provider", "claude"): (
            "invalid_option: provider must be one of: codex; not 'claude'"
        ),
        ("ask", "promt", "x"): (
            "wrong arguments for ask: /promt: there is no such parameter; the parameters are: "
            "prompt, provider, cwd, permissions, model, effort, output_schema"
        ),
        ("ask", "effort", 3): "wrong arguments for ask: /effort: expected str | null, got int",
    }
    async with agent_server(stage, cwd=work) as client:
        for (tool, name, value), why in refusals.items():
            given = {"notify": {"notify": ["touch", "x"]}}.get(str(value), value)
            prompt = {} if tool == "sessions" else {"prompt": "Do it."}
            assert refused(await client.call_tool(tool, {**prompt, name: given})) == why
    assert stage.requests == ()


async def test_sessions_of_other_folders_are_refused(
    stage: Stage, work: Path, tmp_path: Path
) -> None:
    stage.play(Text.echo("You said {prompt}."))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    sessions: list[str] = []
    for folder in (work, elsewhere):
        async with agent_server(stage, cwd=folder) as client:
            answer = await client.call_tool("ask", {"prompt": "one"})
            sessions.append(answer.structured_content["session_id"])
    here, there = sessions
    async with agent_server(stage, cwd=work) as client:
        listed = (await client.call_tool("sessions", {})).structured_content["sessions"]
        known = await client.call_tool("reply", {"session_id": here, "prompt": "three"})
        why = refused(await client.call_tool("reply", {"session_id": there, "prompt": "four"}))
        more = {"session_id": here, "prompt": "five", "permissions": "full-access"}
        assert refused(await client.call_tool("start", more)) == MORE.format(*["full-access"] * 2)
        (work / "below").mkdir()
        other = {"session_id": here, "prompt": "six", "cwd": "below"}
        assert refused(await client.call_tool("reply", other)) == (
            f"invalid_option: session '{here}' is one of codex in {work}"
        )
    assert [session["id"] for session in listed] == [here]
    assert listed[0]["preview"] == "one"
    assert texts(known) == ["You said three.", f"session_id: {here}"]
    assert why == f"invalid_option: codex has no session '{there}' of {work}; see sessions"


async def test_a_session_stays_within_its_permissions(stage: Stage, work: Path) -> None:
    stage.play(Text.echo())
    full = ("--permissions", "full-access")
    async with agent_program(stage, cwd=work, arguments=full) as client:
        given = {"prompt": "one", "sandbox": "read-only"}
        thread = (await client.call_tool("codex", given)).structured_content["threadId"]
        await client.call_tool("codex-reply", {"prompt": "two", "threadId": thread})
        await client.call_tool("ask", {"prompt": "three"})
    modes = ["read-only" in str(request.body["input"]) for request in stage.requests]
    assert modes == [True, True, False]


@pytest.mark.parametrize("depth", ["1", "many"])
async def test_an_agent_that_was_asked_asks_nobody(stage: Stage, work: Path, depth: str) -> None:
    stage.play(Text.echo())
    async with agent_server(stage, cwd=work, SIGNEDIN_MCP_DEPTH=depth) as client:
        for tool in ("ask", "start", "codex"):
            assert refused(await client.call_tool(tool, {"prompt": "Do it."})) == (
                "permission_denied: an agent that was asked through signedin mcp asks another "
                "through it; agents that reach each other would not come to an end, so do it "
                "yourself"
            )
        assert (await client.call_tool("sessions", {})).is_error is False
    assert stage.requests == ()
