"""How Claude Code is started."""

import os
from pathlib import Path

import pytest

from signedin import __version__, tool
from signedin.accounts import homes
from signedin.model.errors import InvalidOptionError, PermissionDeniedError, UnsupportedOptionError
from signedin.model.options import McpServer, TurnOptions
from signedin.providers.base import ProviderConfig
from signedin.providers.claude.launch import QUIET, Launch, resume_arguments
from signedin.providers.claude.options import launch_for
from signedin.tools.structured_output import OutputSpec

PROGRAM = Path("/opt/claude")
FIXED = (
    "--print",
    "--input-format=stream-json",
    "--output-format=stream-json",
    "--include-partial-messages",
    "--verbose",
    "--permission-prompt-tool=stdio",
)


def launch(auth_source: str = "external", **options: object) -> Launch:
    config = ProviderConfig(transport="claude-cli", auth_source=auth_source)  # type: ignore[arg-type]
    return launch_for(PROGRAM, config, TurnOptions(cwd=Path("/w"), **options))  # type: ignore[arg-type]


def test_the_defaults_are_the_least() -> None:
    plain = launch()
    assert plain.command == (
        str(PROGRAM),
        *FIXED,
        "--permission-mode=default",
        "--setting-sources=",
        "--strict-mcp-config",
        "--model=opus",
        "--effort=low",
    )
    assert plain.initialize == {"systemPromptSnapshot": False}
    assert plain.mcp_servers == {}


def test_every_option_has_its_flag() -> None:
    given = launch(
        model="sonnet[1m]",
        effort="max",
        permissions="workspace-write",
        instructions="Be brief.",
        ephemeral=True,
        provider_options={
            "setting_sources": ["user"],
            "allowed_tools": ["Bash(git *)", "Read"],
            "disallowed_tools": ["WebFetch"],
            "tools": [],
            "max_turns": 3,
            "max_budget_usd": 0.5,
            "fallback_model": "haiku",
            "settings": {"cleanupPeriodDays": 1},
            "add_dirs": [Path("/x")],
            "system_prompt": "You are a parrot.",
            "agents": {"helper": {"description": "helps", "prompt": "Help."}},
        },
    )
    assert given.command == (
        str(PROGRAM),
        *FIXED,
        "--permission-mode=acceptEdits",
        "--setting-sources=user",
        "--fallback-model=haiku",
        "--max-budget-usd=0.5",
        '--settings={"cleanupPeriodDays":1}',
        "--max-turns=3",
        "--allowedTools=Bash(git *),Read",
        "--disallowedTools=WebFetch",
        "--tools=",
        "--no-session-persistence",
        "--add-dir=/x",
        "--model=sonnet[1m]",
        "--effort=max",
    )
    assert given.initialize == {
        "systemPromptSnapshot": False,
        "appendSystemPrompt": "Be brief.",
        "systemPrompt": "You are a parrot.",
        "agents": {"helper": {"description": "helps", "prompt": "Help."}},
    }


def test_python_tools_are_an_mcp_server_that_is_trusted() -> None:
    @tool
    def add(a: int) -> int:
        """Adds one."""
        return a + 1

    given = launch(tools=(add,), mcp_servers={"words": McpServer(command="w")})
    assert given.arguments[-1] == "--allowedTools=mcp__signedin"
    assert given.mcp_servers["signedin"] == {
        "type": "sdk",
        "name": "signedin",
        "alwaysLoad": True,
    }
    assert given.mcp_servers.keys() == {"words", "signedin"}
    assert given.tools == (
        {
            "name": "add",
            "description": "Adds one.",
            "inputSchema": add.portable_schema,
            "annotations": {"readOnlyHint": True},
            "_meta": {"anthropic/alwaysLoad": True},
        },
    )
    with pytest.raises(InvalidOptionError, match="needs another name"):
        launch(tools=(add,), mcp_servers={"signedin": McpServer(command="w")})


def test_the_shape_of_the_answer_is_plain() -> None:
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"at": {"type": "string", "format": "date", "pattern": r"\A2"}},
        "x-made-by": "a generator",
    }
    given = launch(output=OutputSpec.of(document))
    schema = given.initialize["jsonSchema"]
    assert schema["properties"]["at"].keys() == {"type", "description"}  # type: ignore[index]
    assert schema.keys() <= {"type", "properties", "required", "additionalProperties"}  # type: ignore[attr-defined]


def test_default_leaves_the_choice_to_the_vendor() -> None:
    arguments = launch(model="default", effort="default").arguments
    assert not [a for a in arguments if a.startswith(("--model", "--effort"))]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDECODE", "1")
    monkeypatch.setenv("CLAUDE_CODE_SESSION_ID", "outer")
    monkeypatch.setenv("CLAUDE_CODE_MAX_RETRIES", "7")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
    environment = launch(env={"ENABLE_CLAUDEAI_MCP_SERVERS": None, "MINE": "1"}).environment
    assert environment["CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC"] == "1"
    assert environment["CLAUDE_CODE_EMIT_SESSION_STATE_EVENTS"] == "1"
    assert environment["CLAUDE_AGENT_SDK_CLIENT_APP"] == f"signedin/{__version__}"
    assert environment["CLAUDE_CODE_MAX_RETRIES"] == "7"
    assert environment["MINE"] == "1"
    left_out = {
        "CLAUDECODE",
        "CLAUDE_CODE_SESSION_ID",
        "ENABLE_CLAUDEAI_MCP_SERVERS",
        "OPENAI_API_KEY",
    }
    assert not left_out & environment.keys()


def test_an_isolated_login_has_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    assert "CLAUDE_CONFIG_DIR" not in launch("external").environment
    assert "CLAUDE_CONFIG_DIR" not in launch("auto").environment
    home = str(tmp_path / "claude")
    assert launch("isolated").environment["CLAUDE_CONFIG_DIR"] == home
    kept = tmp_path / "claude" / ".credentials.json"
    for damaged in ("{}", '{"claudeAiOauth": {"accessToken": "a", "expiresAt": 1}}', "["):
        kept.write_text(damaged)
        assert "CLAUDE_CONFIG_DIR" not in launch("auto").environment
    kept.write_text('{"claudeAiOauth": {"accessToken": "a", "refreshToken": "r", "expiresAt": 1}}')
    assert launch("auto").environment["CLAUDE_CONFIG_DIR"] == home


def test_full_access_is_refused_to_root_outside_a_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    own_home = Path(os.environ["SIGNEDIN_HOME"])  # whose owner is somebody else then
    monkeypatch.setattr(homes, "signedin_home", lambda: own_home)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("IS_SANDBOX", raising=False)
    monkeypatch.delenv("CLAUDE_CODE_BUBBLEWRAP", raising=False)
    for sandbox in (None, "0", "yes"):
        with pytest.raises(PermissionDeniedError, match="to the user root"):
            launch(permissions="full-access", env={"IS_SANDBOX": sandbox})
    allowed = launch(permissions="full-access", env={"IS_SANDBOX": "1"})
    assert "--permission-mode=bypassPermissions" in allowed.arguments
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "IS_SANDBOX" not in launch(permissions="full-access").environment


def test_mcp_servers_and_their_secrets_stay_off_the_command_line() -> None:
    given = launch(
        env={"TOKEN_OF_IT": "t0ken"},
        mcp_servers={
            "files": McpServer(command="files-server", args=["-v"], env={"KEY": "s3cret"}),
            "web": McpServer(
                url="http://127.0.0.1:1/mcp", bearer_token_variable="TOKEN_OF_IT", trusted=True
            ),
        },
    )
    assert given.mcp_servers == {
        "files": {
            "type": "stdio",
            "alwaysLoad": True,
            "command": "files-server",
            "args": ["-v"],
            "env": {"KEY": "s3cret"},
        },
        "web": {
            "type": "http",
            "alwaysLoad": True,
            "url": "http://127.0.0.1:1/mcp",
            "headers": {"Authorization": "Bearer t0ken"},
        },
    }
    assert "--allowedTools=mcp__web" in given.arguments
    shown = " ".join(given.arguments) + repr(given)
    assert "s3cret" not in shown
    assert "t0ken" not in shown
    with pytest.raises(InvalidOptionError, match="TOKEN_OF_IT, which is not set"):
        launch(mcp_servers={"a": McpServer(url="http://x", bearer_token_variable="TOKEN_OF_IT")})
    with pytest.raises(UnsupportedOptionError, match="tool_timeout"):
        launch(mcp_servers={"a": McpServer(command="x", tool_timeout=3)})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nonsense": 1}, "claude has no provider option 'nonsense'; known: add_dirs, agents"),
        ({"allowed_tools": "Bash"}, "allowed_tools must be a list of strings, not 'Bash'"),
        ({"max_budget_usd": True}, "max_budget_usd must be a string or a number, not True"),
        ({"agents": ["a"]}, "must be a mapping"),
        ({"settings": "sk-ant-api03-abcdefgh"}, "--settings holds a secret"),
        ({"settings": "x" * 200_000}, "--settings is too large for a command line"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidOptionError, match=message):
        launch(provider_options=options)


def test_the_project_counts_if_it_is_trusted() -> None:
    trusted = launch(trust_project=True, provider_options={"setting_sources": ["user", "project"]})
    assert "--setting-sources=user,project,local" in trusted.arguments
    assert "--strict-mcp-config" not in trusted.arguments
    untrusted = launch()
    assert "--setting-sources=" in untrusted.arguments
    assert "--strict-mcp-config" in untrusted.arguments


def test_nothing_but_the_caller_speaks() -> None:
    for trust_project in (False, True):
        given = launch(trust_project=trust_project, env={"CLAUDE_CODE_DISABLE_CRON": "0"})
        assert given.environment["CLAUDE_CODE_DISABLE_CRON"] == "1"


@pytest.mark.parametrize("source", ["project", "local"])
def test_settings_of_a_project_want_trust(source: str) -> None:
    with pytest.raises(InvalidOptionError) as caught:
        launch(provider_options={"setting_sources": ["user", source]})
    assert str(caught.value) == (
        f"provider_options['setting_sources'] names {source!r}, which comes with the project: pass "
        "trust_project=True (--trust-project) to load the project's settings"
    )


def test_equal_options_make_equal_launches() -> None:
    assert launch(model="opus") == launch()
    assert launch(model="sonnet") != launch()


def test_resuming() -> None:
    assert resume_arguments(None) == ()
    assert resume_arguments("s1") == ("--resume=s1",)
    assert resume_arguments("s1", fork=True) == ("--resume=s1", "--fork-session")


@pytest.mark.parametrize(
    ("other", "can"),
    [
        ({}, True),
        ({"model": "sonnet", "effort": "high"}, True),
        ({"model": "default"}, True),
        ({"effort": "default"}, False),
        ({"effort": "max"}, False),
        ({"instructions": "Be brief."}, False),
        ({"permissions": "workspace-write"}, False),
        ({"trust_project": True}, False),
    ],
)
def test_what_may_change_in_a_running_process(other: dict[str, object], can: bool) -> None:
    assert launch().can_become(launch(**other)) is can


def test_a_shape_may_need_a_second_turn() -> None:
    limited = {"provider_options": {"max_turns": 1}}
    assert "--max-turns=1" in launch(**limited).arguments
    shaped = launch(output=OutputSpec.of({"type": "object"}), **limited)
    assert "--max-turns=2" in shaped.arguments
    for wrong in (True, 0, "3", 1.5):
        with pytest.raises(InvalidOptionError, match="max_turns must be a whole number"):
            launch(provider_options={"max_turns": wrong})


def test_a_process_that_may_ask_still_reports_nothing() -> None:
    plain = launch()
    assert plain.environment[QUIET] == "1"
    asking = plain.asking.environment
    assert QUIET not in asking
    assert asking["DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize("name", ["hooks", "mcp_servers"])
def test_what_only_the_sdk_takes_is_refused_with_the_way_out(name: str) -> None:
    with pytest.raises(UnsupportedOptionError, match='transport="claude-agent-sdk" takes it'):
        launch(provider_options={name: {}})


def test_the_most_patient_server_decides_how_long_all_may_take_to_start() -> None:
    plain, quick = McpServer(command="w"), McpServer(command="q", startup_timeout=1.5)
    assert "MCP_TIMEOUT" not in launch(mcp_servers={"w": plain}).environment
    assert launch(mcp_servers={"q": quick}).environment["MCP_TIMEOUT"] == "1500"
    assert launch(mcp_servers={"q": quick, "w": plain}).environment["MCP_TIMEOUT"] == "30000"
