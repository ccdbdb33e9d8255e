"""Real agents that ask other real agents through ``signedin mcp``, all on scripted models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import Client, McpServer, ToolEvent
from signedin.loopback import Text, ToolCall
from support.agents import program, versions
from support.mcp_program import PROGRAM
from support.stage import Stage
from support.turns import checked, of_type

ASKS = {"codex": "claude", "claude": "gemini", "gemini": "acp:opencode", "acp:opencode": "codex"}
"""Who asks whom."""

BINARIES = {"gemini": "SIGNEDIN_GEMINI_BINARY", "acp:opencode": "SIGNEDIN_OPENCODE_BINARY"}


@pytest.fixture(params=ASKS)
def asker(request: pytest.FixtureRequest) -> Iterator[Stage]:
    with Stage(request.param) as stage:
        yield stage


def binary(provider: str) -> Path:
    """A program that does not come with an extra."""
    name = provider.removeprefix("acp:")
    return program(name, versions(name)[0])


def agent(provider: str) -> dict[str, object]:
    """Keywords for the client of a provider, which is not confined: so its servers are not."""
    return {"binary": binary(provider), "sandbox": "off"} if provider in BINARIES else {}


def server(stage: Stage, work: Path) -> McpServer:
    """A server that asks the agent of a stage."""
    ours = stage.model.variables(stage.provider)
    env = {name: value for name, value in ours.items() if value is not None}
    if stage.provider in BINARIES:
        env[BINARIES[stage.provider]] = str(binary(stage.provider))
    return McpServer(
        command=str(PROGRAM),
        args=["mcp", "--provider", stage.provider, "--cwd", str(work)],
        env=env,
        trusted=True,
        startup_timeout=90,
    )


def test_an_agent_asks_another(asker: Stage, work: Path) -> None:
    with (
        Stage(ASKS[asker.provider]) as asked,
        Client(asker.provider, **asker.options, **agent(asker.provider)) as client,
    ):
        asked.play(Text.echo("You said {prompt}."))
        call = ToolCall("ask", {"prompt": "what now?"}, namespace="mcp__agents")
        asker.play(call, Text.echo("It answered: {tool_output}"))
        result = checked(client.run("Ask.", cwd=work, mcp_servers={"agents": server(asked, work)}))
    assert "You said what now?." in result.text
    ended = of_type(result.events, ToolEvent)[-1]
    assert (ended.name, ended.server, ended.status) == ("ask", "agents", "completed")
    assert [request.prompt for request in asked.requests] == ["what now?"]


def test_an_agent_that_reaches_itself_is_refused(work: Path) -> None:
    """Codex gives MCP servers few of its variables, so its own server has to look further."""
    call = ToolCall("ask", {"prompt": "deeper"}, namespace="mcp__agents")
    with Stage("codex") as outer, Stage("codex") as inner:
        agents = server(inner, work)
        home = agents.env["CODEX_HOME"]
        with (Path(home) / "config.toml").open("a") as config:
            config.write(
                f"[mcp_servers.agents]\ncommand = '{PROGRAM}'\nargs = ['mcp', '-p', 'codex']\n"
                f"default_tools_approval_mode = 'approve'\nrequired = true\n"
                f"startup_timeout_sec = 90\nenv = {{ CODEX_HOME = '{home}' }}\n"
            )
        for stage in (outer, inner):
            stage.play(call, Text.echo("{tool_output}"))
        with Client("codex", **outer.options) as client:
            result = checked(client.run("Ask.", cwd=work, mcp_servers={"agents": agents}))
    assert "agents that reach each other would not come to an end" in result.text
    assert len(inner.requests) == 2
