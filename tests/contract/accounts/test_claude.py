"""Who is signed in to the real Claude Code, and who pays: by what reaches the loopback server."""

import json
from collections.abc import Callable, Container, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from signedin import (
    AuthRequiredError,
    BillingError,
    Client,
    SignedinError,
    TimeoutExceededError,
    UnsupportedOptionError,
    WarningEvent,
)
from signedin.accounts.status import AuthStatus
from signedin.loopback import LoopbackModel, ModelRequest
from signedin.providers.claude.binary import native_program
from support.agents import program, versions
from support.claude_issuer import TOKEN as ISSUED, ClaudeIssuer
from support.claude_login import TOKEN, sign_in
from support.processes import Watch, processes_with

STRAY = "sk-ant-api03-stray-key-9876543210"
KEPT_AWAY = (
    "ANTHROPIC_API_KEY is set and would take precedence over the claude login; it is removed "
    "from the agent's environment (billing='api' lets it through)"
)


@pytest.fixture(params=versions("claude"))
def binary(request: pytest.FixtureRequest) -> Path:
    """Each installed Claude Code."""
    return program("claude", request.param)


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel("Hello.") as model:
        yield model


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Claude Code keeps its own login, as far as this test goes."""
    home = tmp_path / "external"
    home.mkdir()
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    return home


@pytest.fixture
def isolated(tmp_path: Path) -> Path:
    return tmp_path / "signedin" / "claude"


@pytest.fixture
def new_client(
    model: LoopbackModel, binary: Path, external: Path, tmp_path: Path
) -> Callable[..., Client]:
    """Makes clients that talk to nobody but the model, with whatever login there is.

    Variables that one `inherits` are not changed for it.
    """
    env = dict(model.client_options("claude")["env"])
    for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN"):
        del env[name]
    project = tmp_path / "project"
    project.mkdir()

    def make(*, inherits: Container[str] = (), **options: object) -> Client:
        given = {name: value for name, value in env.items() if name not in inherits}
        return Client("claude", binary=binary, env=given, cwd=project, **options)

    return make


def prompts(model: LoopbackModel) -> list[ModelRequest]:
    return [request for request in model.requests if request.api]


def warnings_of(events: tuple[object, ...]) -> list[str]:
    return [event.text for event in events if isinstance(event, WarningEvent)]


def test_nobody_is_signed_in(
    new_client: Callable[..., Client], external: Path, isolated: Path, binary: Path
) -> None:
    with new_client() as client:
        assert client.auth_status() == AuthStatus(
            provider="claude",
            installed=True,
            authenticated=False,
            reason="not_signed_in",
            sign_in="signedin auth login --provider claude --source external",
            binary=native_program(binary),
            home=external,
        )
        assert client.available() is False
    with new_client(auth_source="isolated") as client:
        assert client.auth_status().home == isolated
    assert not isolated.exists()


def test_a_login_pays_by_its_plan(
    new_client: Callable[..., Client], external: Path, model: LoopbackModel
) -> None:
    sign_in(external)
    for billing in (None, "subscription"):
        with new_client(billing=billing) as client:
            status = client.auth_status()
            assert (status.mode, status.billing) == ("login", "subscription")
            assert status.plan in ("max", "max_20x")
            assert status.decided_by == ".credentials.json"
            assert client.run("hi").text == "Hello."
    assert [request.credential_is(TOKEN) for request in prompts(model)] == [True, True]


@pytest.mark.parametrize("billing", [None, "subscription"])
def test_a_stray_key_pays_nothing(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    billing: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(external)
    monkeypatch.setenv("ANTHROPIC_API_KEY", STRAY)
    with new_client(billing=billing) as client:
        result = client.run("hi")
        status = client.auth_status()
    assert prompts(model)[0].credential_is(TOKEN)
    assert not any(request.credential_is(STRAY) for request in model.requests)
    assert status.billing == "subscription"
    assert status.removed == ("ANTHROPIC_API_KEY",)
    assert warnings_of(result.events) == list(status.warnings) == [KEPT_AWAY]


def test_whatever_goes_before_a_login_is_kept_away(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(external)
    stray = {
        "ANTHROPIC_AUTH_TOKEN": STRAY,
        "ANTHROPIC_CUSTOM_HEADERS": f"x-api-key: {STRAY}",
        "CLAUDE_CODE_USE_BEDROCK": "1",
    }
    for name, value in stray.items():
        monkeypatch.setenv(name, value)
    with new_client(billing="subscription", inherits=stray) as client:
        result = client.run("hi")
        assert client.auth_status().removed == tuple(stray)
    expected = [KEPT_AWAY.replace("ANTHROPIC_API_KEY", name) for name in stray]
    assert warnings_of(result.events) == expected
    [request] = prompts(model)
    assert request.credential_is(TOKEN)
    assert not request.credential_is(STRAY)


def test_a_login_is_sent_nowhere_else(
    binary: Path,
    external: Path,
    model: LoopbackModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(external)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
    env = dict(model.client_options("claude")["env"])
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR"):
        del env[name]
    with ClaudeIssuer(tmp_path) as issuer:
        env |= issuer.env
        with Client("claude", binary=binary, env=env, cwd=tmp_path) as client:
            assert client.auth_status().removed == ("ANTHROPIC_BASE_URL",)
            with pytest.raises(SignedinError):  # this Anthropic has no models
                client.run("hi")
        assert "/v1/messages" in issuer.paths
    assert model.requests == ()


def test_a_key_pays_where_there_is_no_login(
    new_client: Callable[..., Client], model: LoopbackModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", STRAY)
    with new_client() as client:
        status = client.auth_status()
        assert (status.mode, status.billing) == ("api-key", "api")
        assert (status.decided_by, status.removed) == ("ANTHROPIC_API_KEY", ())
        assert warnings_of(client.run("hi").events) == []
    assert prompts(model)[0].credential_is(STRAY)


def test_a_key_pays_that_was_asked_for(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sign_in(external)
    monkeypatch.setenv("ANTHROPIC_API_KEY", STRAY)
    with new_client(billing="api") as client:
        assert client.auth_status().billing == "api"
        assert client.run("hi").text == "Hello."
    assert prompts(model)[0].credential_is(STRAY)


def test_what_cannot_be_assured_is_refused(
    new_client: Callable[..., Client], external: Path, model: LoopbackModel
) -> None:
    with (
        new_client(billing="subscription") as client,
        pytest.raises(BillingError, match="is nothing, as no login was found"),
    ):
        client.run("hi")
    sign_in(external)
    with new_client(billing="api") as client, pytest.raises(BillingError) as raised:
        client.run("hi")
    assert str(raised.value) == (
        "billing='api' cannot be assured: what pays for claude is the plan of a login (decided "
        "by .credentials.json). See: signedin auth status --provider claude"
    )
    assert prompts(model) == []


@pytest.mark.parametrize(
    ("place", "content"),
    [
        ("user", {"apiKeyHelper": "x"}),
        ("project", {"env": {"ANTHROPIC_API_KEY": STRAY}}),
        ("local", {"apiKeyHelper": "x"}),
    ],
    ids=["user", "project", "local"],
)
def test_a_key_in_the_settings(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    tmp_path: Path,
    place: str,
    content: dict[str, object],
) -> None:
    sign_in(external)
    folder = external if place == "user" else tmp_path / "project" / ".claude"
    folder.mkdir(exist_ok=True)
    file = folder / ("settings.local.json" if place == "local" else "settings.json")
    file.write_text(json.dumps(content))
    name = "apiKeyHelper" if "apiKeyHelper" in content else "ANTHROPIC_API_KEY"
    with new_client(billing="subscription") as client:
        status = client.auth_status()
        assert status.billing == "subscription"
        assert status.warnings == (
            f"{file} sets {name}; signedin does not load it, but claude started by hand does",
        )
        assert warnings_of(client.run("hi").events) == []
    [request] = prompts(model)
    assert request.credential_is(TOKEN)
    assert not request.credential_is(STRAY)
    loaded: dict[str, object] = (
        {"provider_options": {"setting_sources": ["user"]}}
        if place == "user"
        else {"trust_project": True}
    )
    with (
        new_client(billing="subscription", **loaded) as client,
        pytest.raises(BillingError, match="billing='subscription' cannot be assured"),
    ):
        client.run("hi")
    assert len(prompts(model)) == 1


def test_settings_that_are_loaded_are_reported(
    new_client: Callable[..., Client], external: Path, model: LoopbackModel
) -> None:
    sign_in(external)
    file = external / "settings.json"
    file.write_text(json.dumps({"env": {"ANTHROPIC_API_KEY": STRAY}}))
    with new_client(provider_options={"setting_sources": ["user"]}) as client:
        expected = [f"{file} sets ANTHROPIC_API_KEY; it takes precedence over the login"]
        assert warnings_of(client.run("hi").events) == expected
        status = client.auth_status()
    assert list(status.warnings) == expected
    assert (status.billing, status.decided_by) == ("api", "ANTHROPIC_API_KEY")


def test_named_logins_live_side_by_side(
    new_client: Callable[..., Client], isolated: Path, model: LoopbackModel
) -> None:
    sign_in(isolated / "accounts" / "work")
    with new_client(account="work") as client:
        assert client.auth_status().authenticated
        client.run("hi")
    with new_client(account="home") as client:
        assert client.auth_status().authenticated is False
    assert [request.credential_is(TOKEN) for request in prompts(model)] == [True]


def test_a_login_that_is_given_up(new_client: Callable[..., Client], isolated: Path) -> None:
    with new_client() as client:
        login = client.login(method="browser")
        assert str(login.url).startswith("https://claude.")
        assert login.wants_code
        with pytest.raises(TimeoutExceededError, match="sign-in not completed within"):
            login.wait(0.05)
        login.cancel()
        with pytest.raises(AuthRequiredError, match="sign-in to claude failed"):
            login.wait(60)
        with pytest.raises(UnsupportedOptionError, match="ANTHROPIC_API_KEY"):
            client.login(method="api-key", api_key=STRAY)
    Watch(processes_with(isolated)).all_gone(60)


def test_signing_in_and_out(
    model: LoopbackModel, binary: Path, isolated: Path, external: Path, tmp_path: Path
) -> None:
    with ClaudeIssuer(tmp_path) as issuer:
        env = dict(model.client_options("claude")["env"])
        for name in ("ANTHROPIC_API_KEY", "CLAUDE_CONFIG_DIR", "CLAUDE_CODE_OAUTH_TOKEN"):
            del env[name]
        env |= issuer.env
        with Client("claude", binary=binary, env=env, cwd=tmp_path) as client:
            login = client.login(method="browser")
            [state] = parse_qs(urlsplit(str(login.url)).query).get("state", ["state"])
            login.submit_code(f"code#{state}")
            login.wait(60)
            login.wait()
            status = client.auth_status()
            assert (status.source, status.home) == ("isolated", isolated)
            assert (status.billing, status.email) == ("subscription", "u@example.com")
            assert client.run("hi").text == "Hello."
            client.logout()
            assert client.auth_status().authenticated is False
        assert issuer.paths[0] == "/v1/oauth/token"
        assert "/v1/oauth/token/revoke" in issuer.paths
    assert [request.credential_is(ISSUED) for request in prompts(model)] == [True]
    assert isolated.stat().st_mode & 0o777 == 0o700
    assert not (external / ".credentials.json").exists()


def test_a_login_is_not_carried_about(new_client: Callable[..., Client], external: Path) -> None:
    sign_in(external)
    with new_client() as client, pytest.raises(UnsupportedOptionError, match="other machine"):
        client.export_login("pass")


def test_logging_out(new_client: Callable[..., Client], external: Path) -> None:
    sign_in(external)
    with new_client() as client:
        client.logout()
        assert client.auth_status().authenticated is False
    assert not (external / ".credentials.json").exists()
