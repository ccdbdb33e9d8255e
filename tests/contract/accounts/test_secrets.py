"""Planted secrets are looked for in everything that turns leave behind, good and bad ones."""

import asyncio
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from signedin import Client, McpServer, SignedinError
from signedin.loopback import HttpError, LoopbackModel, ModelRequest, Reply
from signedin.loopback.issuer import LoopbackIssuer
from signedin.providers.chatgpt.sign_in.profiles import CODEX, relocated
from signedin.providers.registry import load_provider
from signedin.providers.shared.environment import vendor_variables
from support import claude_login, codex_home, google_login
from support.agents import program, versions
from support.chatgpt_account import SignedInUser
from support.leaks import Leaks
from support.processes import command_of, environment_of, processes_with

GIVEN = "sk-proj-given-key-1234567890"
"""A key of somebody else that the caller hands to the agent."""

MCP_SERVER = Path(__file__).parents[2] / "support" / "mcp_server.py"
GITHUB = "ghp_planted0123456789planted0123456789"
"""A key for an MCP server."""


HARMLESS = (
    "0123456789abcdef0123456789abcdef01234567",
    "01a1fda5-77f3-73e0-bc59-8942ee3d8ba8",
    "--ask-for-approval",
)
"""What only looks like a secret, or like the name of one."""


FOREIGN = "planted-foreign-key-0123456789"
"""What all other vendors' keys are."""


class Planted(msgspec.Struct, frozen=True, kw_only=True):
    """An agent with a login, and keys all around it.

    Attributes:
        provider: Its name.
        options: What makes a client of it.
        secrets: What must be found nowhere.
        stored_in: Where the agent itself keeps them, and what was said in its conversations.
        stray: A key in the environment.
    """

    provider: str
    options: dict[str, object]
    secrets: list[str]
    stored_in: list[str]
    stray: str


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything that is written is below it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "home").mkdir()
    (tmp_path / "project").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return tmp_path


@pytest.fixture
def answers() -> list[Reply | HttpError]:
    """What the model answers next."""
    return []


@pytest.fixture
def argv() -> list[str]:
    """What was on a command line while the model was asked."""
    return []


@pytest.fixture
def variables() -> list[str]:
    """What was in the environment of the agent and its children at that moment."""
    return []


@pytest.fixture
def model(
    folder: Path, answers: list[Reply | HttpError], argv: list[str], variables: list[str]
) -> Iterator[LoopbackModel]:
    def answer(request: ModelRequest) -> Reply | HttpError:
        for pid in processes_with(folder):
            argv.extend(command_of(pid))
            variables.extend(environment_of(pid))
        return answers.pop(0)

    with LoopbackModel(answer) as model:
        yield model


@pytest.fixture
def codex(folder: Path, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> Iterator[Planted]:
    home = folder / "signedin" / "codex"
    stray = "sk-proj-stray-key-9876543210"
    monkeypatch.setenv("CODEX_API_KEY", stray)
    with LoopbackIssuer() as issuer:
        for name, value in issuer.codex_env.items():
            monkeypatch.setenv(name, str(value))
        codex_home.configure(home, model, issuer)
        access = codex_home.sign_in(home, issuer)
        tokens = [access, *codex_home.tokens_in((home / "auth.json").read_bytes())]
        stored_in = ["*/auth.json", "*/codex/sessions/*", "*/thread_history_*.sqlite*"]
        yield Planted(
            provider="codex", options={}, secrets=tokens, stored_in=stored_in, stray=stray
        )


@pytest.fixture
def claude(folder: Path, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch) -> Planted:
    stray = "sk-ant-api03-stray-key-9876543210"
    monkeypatch.setenv("ANTHROPIC_API_KEY", stray)
    claude_login.sign_in(folder / "signedin" / "claude")
    env = dict(model.client_options("claude")["env"])
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN"):
        del env[name]
    return Planted(
        provider="claude",
        options={"env": env, "binary": program("claude", versions("claude")[0])},
        secrets=[claude_login.TOKEN, claude_login.REFRESH],
        stored_in=["*/.credentials.json", "*/claude/projects/*"],
        stray=stray,
    )


@pytest.fixture
def gemini(
    folder: Path, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Planted]:
    stray = "AIza-stray-key-0123456789-0123456789"
    monkeypatch.setenv("GEMINI_API_KEY", stray)
    home = folder / "signedin" / "gemini"
    google_login.choose(home, "oauth-personal")
    google_login.sign_in(home)
    (folder / "project" / ".env").write_text(f"GEMINI_API_KEY={stray}\n")
    certificates = folder / "google"
    certificates.mkdir()
    with google_login.Google(certificates) as google:
        yield Planted(
            provider="gemini",
            options={
                "env": google.environment(model),
                "binary": program("gemini", versions("gemini")[0]),
                "model": "gemini-2.5-pro",
                "trust_project": True,
            },
            secrets=[google_login.TOKEN, google_login.REFRESH],
            stored_in=["*/oauth_creds.json", "project/.env", "*/chats/*"],
            stray=stray,
        )


@pytest.fixture
def chatgpt(
    folder: Path, model: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Planted]:
    stray = "sk-proj-stray-key-9876543210"
    monkeypatch.setenv("OPENAI_API_KEY", stray)
    with LoopbackIssuer() as issuer:
        moved = relocated(CODEX, issuer.url, f"{model.url}/backend-api/codex")
        profile = msgspec.structs.replace(moved, redirect_ports=(0,))
        user = SignedInUser(issuer, "planted", profile)
        login = asyncio.run(user.sign_in())
        yield Planted(
            provider="chatgpt",
            options={
                "account": "planted",
                "model": "m",
                "provider_options": {"profile": profile, "request_max_retries": 0},
            },
            secrets=[login.access_token, login.refresh_token, login.id_token],
            stored_in=["*/login.json"],
            stray=stray,
        )


AGENTS = [
    ("codex", "codex-app-server"),
    ("codex", "codex-exec"),
    ("claude", "claude-cli"),
    ("gemini", "gemini-acp"),
    ("gemini", "gemini-cli"),
]


@pytest.mark.timeout(300)  # three starts of a slow agent
@pytest.mark.parametrize(("provider", "transport"), [*AGENTS, ("chatgpt", "chatgpt-responses")])
def test_no_secret_is_left_anywhere(
    provider: str,
    transport: str,
    folder: Path,
    model: LoopbackModel,
    answers: list[Reply | HttpError],
    argv: list[str],
    variables: list[str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for owner, names in vendor_variables().items():
        if owner != provider:
            for name in names.credentials:
                monkeypatch.setenv(name, FOREIGN)
    planted: Planted = request.getfixturevalue(provider)
    options = {**planted.options}
    if provider != "chatgpt":  # which starts no program
        options["env"] = {**planted.options.get("env", {}), "GIVEN_API_KEY": GIVEN}
    leaks = Leaks([*planted.secrets, planted.stray, GIVEN, GITHUB])
    if load_provider(provider).transports[transport].mcp_servers:
        server = McpServer(
            command=sys.executable, args=[str(MCP_SERVER)], env={"GITHUB_TOKEN": GITHUB}
        )
        options["mcp_servers"] = {"planted": server}
    if load_provider(provider).transports[transport].cassette:
        options["cassette"] = folder / "run.jsonl"
    keys = f"{planted.secrets[0]} or {planted.stray} or {GIVEN}"
    echoed = f"Incorrect API key provided: {keys}; {' '.join(HARMLESS)}"
    with (
        caplog.at_level(logging.DEBUG),
        Client(provider, transport=transport, cwd=folder / "project", **options) as client,
    ):
        answers += [Reply("Hello.")]
        leaks.look_at_result(client.run("hi"))
        for status in (400, 401):
            answers[:] = [HttpError(status, echoed)] * 20
            events = []
            with pytest.raises(SignedinError) as raised:
                events.extend(client.stream("hi"))
            leaks.look_at_events(events)
            leaks.look_at_error(raised.value)
            assert [word for word in HARMLESS if word not in str(raised.value)] == []
        leaks.look("status", repr(client.auth_status()), repr(client))
    assert bool(argv) is ("env" in options)
    leaks.look("command line", *argv)
    assert [variable for variable in variables if FOREIGN in variable] == []
    leaks.look("requests", repr(model.requests))
    leaks.look("log", caplog.text, *(repr(record.args) for record in caplog.records))
    leaks.look("output", *capfd.readouterr())
    leaks.look_at_files(folder, besides=planted.stored_in)
    assert leaks.found == []
    if "cassette" in options:
        assert "Hello." in (folder / "run.jsonl").read_text("utf-8")
    assert any(request.credential_is(planted.secrets[0]) for request in model.requests)


QUOTING_SERVER = """
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    if "id" in request:
        said = "refused: " + os.environ["SERVICE_API_KEY"]
        print(said, file=sys.stderr, flush=True)
        error = {"code": -32000, "message": said}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}), flush=True)
"""
"""An MCP server that refuses everything and quotes its key."""

BY_VALUE = {
    "hex": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "words": "correct-horse-battery-staple",
    "odd": "ab/cd+ef=gh&ij",
}
"""Keys that nothing in them tells."""


@pytest.mark.parametrize(("provider", "transport"), [*AGENTS, ("chatgpt", "chatgpt-responses")])
def test_keys_are_masked_by_their_values(
    provider: str,
    transport: str,
    folder: Path,
    answers: list[Reply | HttpError],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    caplog: pytest.LogCaptureFixture,
) -> None:
    planted: Planted = request.getfixturevalue(provider)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", BY_VALUE["hex"])
    monkeypatch.setenv("MISTRAL_API_KEY", BY_VALUE["words"])
    options = {**planted.options}
    options["env"] = {**planted.options.get("env", {}), "GIVEN_TOKEN": BY_VALUE["odd"]}
    if provider == "chatgpt":  # which starts no program
        monkeypatch.setenv("GIVEN_TOKEN", BY_VALUE["odd"])
        del options["env"]
    forms = [form for value in BY_VALUE.values() for form in (value, quote(value, safe=""))]
    leaks = Leaks(forms)
    answers[:] = [HttpError(401, f"Incorrect API key provided: {' or '.join(forms)}")] * 20
    events = []
    with (
        caplog.at_level(logging.DEBUG),
        Client(provider, transport=transport, cwd=folder / "project", **options) as client,
        pytest.raises(SignedinError) as raised,
    ):
        events.extend(client.stream("hi"))
    leaks.look_at_events(events)
    leaks.look_at_error(raised.value)
    leaks.look("log", caplog.text, *(repr(record.args) for record in caplog.records))
    assert leaks.found == []
    assert "***" in str(raised.value)


@pytest.mark.parametrize(
    ("provider", "transport", "reported"),
    [
        ("codex", "codex-app-server", "JSON-RPC error: -32000: refused: ***"),
        # Claude Code masks it itself, and begins no turn without the server.
        ("claude", "claude-cli", "refused: [redacted]"),
    ],
)
def test_what_an_mcp_server_says_of_its_key(
    provider: str,
    transport: str,
    reported: str,
    folder: Path,
    answers: list[Reply | HttpError],
    request: pytest.FixtureRequest,
) -> None:
    planted: Planted = request.getfixturevalue(provider)
    env = {"SERVICE_API_KEY": BY_VALUE["hex"]}
    server = McpServer(command=sys.executable, args=["-c", QUOTING_SERVER], env=env)
    options = {**planted.options, "mcp_servers": {"quoting": server}}
    leaks = Leaks([BY_VALUE["hex"]])
    answers += [Reply("Hello.")]
    said = []
    with Client(provider, transport=transport, cwd=folder / "project", **options) as client:
        try:
            for event in client.stream("hi"):
                leaks.look_at_events([event])
                said.append(msgspec.json.encode(event).decode())
        except SignedinError as error:
            leaks.look_at_error(error)
            said.append(str(error))
    assert leaks.found == []
    assert reported in "".join(said)


@pytest.mark.parametrize("value", [GIVEN, *BY_VALUE.values()], ids=["form", *BY_VALUE])
@pytest.mark.parametrize(("provider", "transport"), AGENTS)
def test_an_agent_that_dies_shouting_its_keys(
    provider: str, transport: str, value: str, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    agent = folder / "agent"
    agent.write_text(
        '#!/bin/sh\necho "$GIVEN_API_KEY"\necho "key: $GIVEN_API_KEY" >&2\n'
        'echo "{\\"error\\": \\"$GIVEN_API_KEY\\"}"\nexit 3\n'
    )
    agent.chmod(0o755)
    leaks = Leaks([value])
    # Variables with which each of them would start.
    env = {"GIVEN_API_KEY": value, "GEMINI_API_KEY": "planted", "CODEX_API_KEY": "planted"}
    with (
        caplog.at_level(logging.DEBUG),
        Client(provider, transport=transport, binary=agent, env=env, cwd=folder) as client,
        pytest.raises(SignedinError) as raised,
    ):
        client.run("hi")
    leaks.look_at_error(raised.value)
    leaks.look("log", caplog.text, *(repr(record.args) for record in caplog.records))
    leaks.look_at_files(folder, besides=[])
    assert leaks.found == []
    assert "***" in str(raised.value)
