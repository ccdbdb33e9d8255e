"""What ``claude-agent-sdk`` promises: a run like that of ``claude-cli``, and the SDK's own options.

The session, its turns and what is stored are the same code; it is tested with ``claude-cli``.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from claude_agent_sdk import AgentDefinition, HookMatcher, create_sdk_mcp_server, tool as sdk_tool

from signedin import (
    ApprovalRequest,
    Client,
    Decision,
    DoneEvent,
    InvalidOptionError,
    McpServer,
    MessageDeltaEvent,
    MissingExtraError,
    TurnFailedError,
    UnsupportedOptionError,
    allow,
    deny,
    tool,
)
from signedin.loopback import Hang, HttpError, Reply, Shell, Text, ToolCall
from signedin.providers.claude import provider
from support.agents import program, versions
from support.claude_login import TOKEN, sign_in
from support.processes import children_with, command_of
from support.stage import Stage
from support.turns import checked, events_of, failed

SDK = "claude-agent-sdk"
SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    if "id" in asked:
        result = {"protocolVersion": "2025-06-18", "capabilities": {}}
        result["serverInfo"] = {"name": "words", "version": "1"}
        print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
"""
STRAY = "sk-ant-api03-stray-key-9876543210"


@pytest.fixture(scope="module")
def kind() -> tuple[str, str]:
    """The newest Claude Code, through the SDK."""
    return (SDK, versions("claude")[0])


def options(**given: object) -> dict[str, object]:
    return {"provider_options": given}


def test_a_run(client: Client, stage: Stage, tmp_path: Path) -> None:
    stage.play(Text(["It ", "is."]))
    events = events_of(client.stream("What is this?", cwd=tmp_path))
    assert [(type(e), e.text) for e in events if isinstance(e, MessageDeltaEvent | DoneEvent)] == [
        (MessageDeltaEvent, "It "),
        (MessageDeltaEvent, "is."),
        (DoneEvent, "It is."),
    ]
    stage.play(ToolCall("StructuredOutput", {"value": [1, 2]}), "Done.")
    result = checked(client.run("And this?", cwd=tmp_path, output=list[int]))
    assert (result.transport, result.output) == (SDK, [1, 2])


def test_a_conversation_goes_on(new_client: Callable[..., Client], stage: Stage) -> None:
    stage.play(Text.echo("You said: {prompt}"))
    with new_client() as client:
        first = client.run("one")
    with new_client() as client, client.session(resume=first.session_id) as session:
        assert checked(session.run("two")).session_id == first.session_id
    assert "You said: one" in str(stage.requests[-1].body)


def test_what_it_may_do_is_asked(client: Client, stage: Stage, tmp_path: Path) -> None:
    asked: list[ApprovalRequest] = []

    def decide(request: ApprovalRequest) -> Decision:
        asked.append(request)
        return allow if len(asked) == 1 else deny

    stage.play(Shell("touch made"), Shell("touch unmade"), "Done.")
    checked(client.run("go", cwd=tmp_path, on_approval=decide))
    checked(client.run("go", cwd=tmp_path))  # nobody to ask
    assert [request.command for request in asked] == ["touch made", "touch unmade"]
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_failure_and_an_interrupted_turn(client: Client, stage: Stage) -> None:
    stage.play(HttpError(400, "No."))
    _, error = failed(client.stream("go"), TurnFailedError)
    assert "No." in error.message
    stage.play(Reply("one two three", ending=Hang(after=2)))
    with client.stream("go") as turn:
        for event in turn:
            if isinstance(event, MessageDeltaEvent) and event.text == "two ":
                turn.interrupt()
    assert (event.reason, event.text) == ("interrupted", "one two ")


def test_hooks_are_called_and_can_refuse(client: Client, stage: Stage, tmp_path: Path) -> None:
    seen: list[str] = []

    async def hook(given: Any, tool_use_id: str | None, context: object) -> dict[str, Any]:
        seen.append(given["tool_input"]["command"])
        refusal = {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "not on a Sunday",
        }
        return {"hookSpecificOutput": refusal}

    stage.play(Shell("touch made"), Text.echo("{tool_output}"))
    hooks = {"PreToolUse": [HookMatcher(matcher="Bash", hooks=[hook])]}
    result = checked(client.run("go", cwd=tmp_path, **options(hooks=hooks)))
    assert seen == ["touch made"]
    assert "not on a Sunday" in result.text
    assert not (tmp_path / "made").exists()


def test_servers_of_the_sdk_serve_tools_beside_ours(client: Client, stage: Stage) -> None:
    @sdk_tool("double", "Doubles.", {"number": int})
    async def double(arguments: dict[str, Any]) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": str(arguments["number"] * 2)}]}

    @tool
    def half(number: int) -> int:
        """Halves."""
        return number // 2

    sums = create_sdk_mcp_server("sums", "1.0", [double])
    stage.play(
        ToolCall("mcp__sums__double", {"number": 21}),
        ToolCall("half", {"number": 42}),
        Text.echo("{tool_output}"),
    )
    given = options(mcp_servers={"sums": sums}, allowed_tools=["mcp__sums"])
    result = checked(client.run("go", tools=[half], **given))
    assert result.text == "21"
    ended = [e.result for e in result.events if e.kind == "tool" and e.status == "completed"]
    assert ended == ["42", "21"]


def test_subagents_are_defined(client: Client, stage: Stage) -> None:
    helper = AgentDefinition(description="Counts things.", prompt="You count.", tools=["Read"])
    again = {"description": "Sings.", "prompt": "You sing."}
    stage.play("Done.")
    client.run("go", **options(agents={"counter": helper, "singer": again}))
    body = str(stage.requests[0].body)
    assert "Counts things." in body
    assert "Sings." in body


def test_the_prompt_of_the_sdk_is_the_one_of_claude_code_unless_said_otherwise(
    client: Client, stage: Stage
) -> None:
    stage.play("Done.")
    client.run("go", instructions="Be brief.")
    client.run("go", **options(system_prompt="You are a parrot."))
    custom = {"type": "custom", "prompt": "You are a crow."}
    client.run("go", **options(system_prompt=custom))
    usual, parrot, crow = (str(request.body["system"]) for request in stage.requests)
    assert "Be brief." in usual
    assert "You are a parrot." in parrot
    assert "You are a crow." in crow
    assert len(usual) > 2 * max(len(parrot), len(crow))


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("can_use_tool", print, "use on_approval="),
        ("cwd", "/", "use cwd="),
        ("env", {"A": "b"}, "use env="),
        ("resume", "x", "use resume="),
        ("stderr", print, "errors include what Claude Code wrote to stderr"),
    ],
)
def test_what_signedin_has_a_word_for_is_not_taken_twice(
    client: Client, name: str, value: object, hint: str
) -> None:
    with pytest.raises(UnsupportedOptionError, match=hint):
        client.run("go", **options(**{name: value}))


def test_options_that_do_not_fit_are_told(client: Client) -> None:
    with pytest.raises(InvalidOptionError, match="claude has no provider option 'bogus'; known: "):
        client.run("go", **options(bogus=1))
    with pytest.raises(InvalidOptionError, match=r"'agents'\]\['x'\]: .*colour"):
        client.run("go", **options(agents={"x": {"colour": "red"}}))
    with pytest.raises(InvalidOptionError, match="the Claude Agent SDK refused an option: "):
        client.run("go", **options(skills=["a, b"]))


def test_options_reach_the_program(
    new_client: Callable[..., Client], stage: Stage, marker: str, tmp_path: Path
) -> None:
    schema = {"type": "object", "properties": {"related": {"type": "boolean"}}}
    given = {
        "extra_args": {"debug-to-stderr": None},
        "include_hook_events": True,
        "output_format": {"type": "json_schema", "schema": schema},
        "plugins": [{"type": "local", "path": str(tmp_path)}],
        "sandbox": {"enabled": False},
        "skills": ["otter"],
        "strict_mcp_config": True,
        "task_budget": {"total": 20000},
        "thinking": {"type": "enabled", "budget_tokens": 4096},
    }
    stage.play(ToolCall("StructuredOutput", {"related": True}), "Done.")
    with new_client() as client:
        client.run("go", **options(**given))
        [pid] = children_with(marker)
        command = " ".join(command_of(pid))
    for words in (
        "--debug-to-stderr",
        "--include-hook-events",
        f"--json-schema {json.dumps(schema)}",
        f"--plugin-dir {tmp_path}",
        '"sandbox"',
        "Skill(otter)",
        "--strict-mcp-config",
        "--task-budget 20000",
        "--max-thinking-tokens 4096",
    ):
        assert words in command


def test_nothing_secret_stands_on_the_command_line(
    new_client: Callable[..., Client], stage: Stage, marker: str
) -> None:
    stage.play("Done.")
    secret = "sk-ant-secret-0123456789abcdef"
    server = McpServer(command=sys.executable, args=["-c", SERVER], env={"TOKEN": secret})
    with new_client() as client:
        client.run("go", mcp_servers={"words": server}, instructions=f"Never say {secret}.")
        [pid] = children_with(marker)
        command = command_of(pid)
    assert "--input-format" in command
    assert secret not in " ".join(command)


@pytest.fixture
def signed_in(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Options for a client with a login of its own, and nothing else to pay with."""
    home = tmp_path / "external"
    home.mkdir()
    sign_in(home)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    env = dict(stage.options["env"])
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN"):
        del env[name]
    return {"env": env, "cwd": tmp_path, "auth_source": "external"}


def test_a_stray_key_and_keys_of_others_do_not_reach_it(
    signed_in: dict[str, Any], stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", STRAY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    signed_in["env"] |= {"SIGNEDIN_TEST": "a-stray-key"}
    binary = program("claude", versions("claude")[0])
    stage.play("Hello.")
    with Client("claude", transport=SDK, binary=binary, **signed_in) as client:
        assert client.auth_status().billing == "subscription"
        assert client.run("hi").text == "Hello."
        [pid] = children_with("SIGNEDIN_TEST=a-stray-key")
        environment = Path(f"/proc/{pid}/environ").read_text().split("\0")
    [request] = stage.requests
    assert request.credential_is(TOKEN)
    assert "x-api-key" not in request.headers
    names = {variable.partition("=")[0] for variable in environment}
    assert names.isdisjoint({"ANTHROPIC_API_KEY", "OPENAI_API_KEY"})
    assert not [variable for variable in environment if STRAY in variable]


def test_status_and_runs_use_the_same_program(
    client: Client, stage: Stage, binary: Path, marker: str
) -> None:
    stage.play("Done.")
    with stage.client(SDK, binary=binary, env={"SIGNEDIN_TEST": marker}) as client:
        client.run("go")
        [pid] = children_with(marker)
        assert command_of(pid)[0] == str(client.auth_status().binary)


def test_without_the_sdk(
    new_client: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(provider.importlib, "import_module", missing)
    with new_client() as client, pytest.raises(MissingExtraError) as caught:
        client.run("go")
    assert caught.value.message == (
        "claude's transport claude-agent-sdk is not installed: claude_agent_sdk is missing. "
        'Install it with: pip install "signedin[claude]"'
    )
