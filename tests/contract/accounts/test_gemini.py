"""Who is signed in to Gemini CLI, and who pays: by what reaches the loopback server."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import (
    AuthRequiredError,
    BillingError,
    Client,
    SignedinError,
    UnsupportedOptionError,
    WarningEvent,
)
from signedin.accounts.status import AuthStatus
from signedin.loopback import LoopbackModel, ModelRequest
from signedin.providers.gemini.account.method import RETIRED
from support import google_login
from support.agents import program, versions
from support.google_login import choose

STRAY = "AIza-stray-key-0123456789-0123456789"


@pytest.fixture(params=versions("gemini"))
def binary(request: pytest.FixtureRequest) -> Path:
    return program("gemini", request.param)


@pytest.fixture(params=["gemini-acp", "gemini-cli"])
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel("Hello.") as model:
        yield model


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Gemini CLI keeps its own login, as far as this test goes."""
    home = tmp_path / "external"
    (home / ".gemini").mkdir(parents=True)
    monkeypatch.setenv("GEMINI_CLI_HOME", str(home))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    return home


@pytest.fixture
def new_client(
    model: LoopbackModel, binary: Path, transport: str, external: Path, tmp_path: Path
) -> Callable[..., Client]:
    """Makes clients that talk to nobody but the model, with whatever login there is."""
    env = dict(model.client_options("gemini")["env"])
    for name in ("GEMINI_API_KEY", "GEMINI_CLI_HOME", "GOOGLE_GENAI_USE_GCA"):
        del env[name]
    project = tmp_path / "project"
    project.mkdir()

    def make(**options: object) -> Client:
        return Client("gemini", transport=transport, binary=binary, env=env, cwd=project, **options)

    return make


def prompts(model: LoopbackModel) -> list[ModelRequest]:
    """What would be paid for."""
    return [request for request in model.requests if "enerateContent" in request.path]


def expected(home: Path, binary: Path, **facts: object) -> AuthStatus:
    basis = {"provider": "gemini", "installed": True, "authenticated": True, "binary": binary}
    if facts.get("authenticated") is False:
        basis["sign_in"] = (
            "export GEMINI_API_KEY=…, or choose how to sign in with: "
            "signedin auth login --provider gemini --source external"
        )
    return AuthStatus(**{**basis, "home": home, **facts})


def test_nobody_is_signed_in(
    new_client: Callable[..., Client], external: Path, binary: Path, model: LoopbackModel
) -> None:
    env = {"GOOGLE_GEMINI_BASE_URL": None}
    with new_client() as client:
        assert client.available()  # an address of one's own is a gateway, without a login
    with Client("gemini", binary=binary, env=env) as client:
        assert client.auth_status() == expected(
            external, binary, authenticated=False, reason="not_signed_in"
        )
        with pytest.raises(AuthRequiredError, match="gemini is not signed in"):
            client.run("hi")
    assert model.requests == ()


def test_a_key_pays_by_use(
    new_client: Callable[..., Client],
    external: Path,
    binary: Path,
    model: LoopbackModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = choose(external, "gemini-api-key")
    monkeypatch.setenv("GEMINI_API_KEY", STRAY)
    for billing in (None, "api"):
        with new_client(billing=billing) as client:
            assert client.auth_status() == expected(
                external,
                binary,
                mode="api-key",
                billing="api",
                decided_by=str(file),
                details={"method": "gemini-api-key"},
            )
            assert client.run("hi").text == "Hello."
    assert [request.credential_is(STRAY) for request in prompts(model)] == [True, True]


@pytest.mark.parametrize("place", ["environment", ".env", "settings"])
def test_a_stray_key_does_not_pay_for_a_login(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    decided_by = "GEMINI_API_KEY"
    if place == "settings":
        decided_by = str(choose(external, "gemini-api-key"))
    if place in ("environment", "settings"):
        monkeypatch.setenv("GEMINI_API_KEY", STRAY)
    else:
        (external / place).write_text(f"GEMINI_API_KEY={STRAY}\n")
        decided_by = f"GEMINI_API_KEY in {external / place}"
    gateway = {"GOOGLE_GEMINI_BASE_URL": None}
    with new_client(billing="subscription") as client:
        with pytest.raises(BillingError) as raised:
            client.run("hi", env=gateway)
        assert f"is an API key (decided by {decided_by})" in str(raised.value)
    assert model.requests == ()


@pytest.fixture
def google(tmp_path: Path) -> Iterator[google_login.Google]:
    with google_login.Google(tmp_path) as google:
        yield google


def test_a_google_login_pays_by_its_plan(
    binary: Path,
    transport: str,
    external: Path,
    model: LoopbackModel,
    google: google_login.Google,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(external, "oauth-personal")
    expired = transport == "gemini-acp"
    google_login.sign_in(external, expired=expired)
    (tmp_path / ".env").write_text(f"GEMINI_API_KEY={STRAY}\n")
    project = tmp_path / "project"
    project.mkdir()
    (project / ".env").write_text(f"GEMINI_API_KEY={STRAY}\nGOOGLE_API_KEY={STRAY}\n")
    monkeypatch.setenv("GEMINI_API_KEY", STRAY)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", model.url)
    env = google.environment(model)
    with Client(
        "gemini",
        transport=transport,
        binary=binary,
        billing="subscription",
        model="gemini-2.5-pro",
        env=env,
        cwd=project,
        trust_project=transport == "gemini-cli",  # headless, it is refused beside a .env file
    ) as client:
        assert client.auth_status().billing == "subscription"
        assert client.run("hi").text == "Hello."
    token = google_login.ISSUED if expired else google_login.TOKEN
    assert [request.api for request in prompts(model)] == ["code-assist"]
    assert all(request.credential_is(token) for request in model.requests)
    assert not any(request.credential_is(STRAY) for request in model.requests)
    assert ("/token" in google.paths) is expired


def test_a_project_that_chooses_another_payer(
    new_client: Callable[..., Client],
    external: Path,
    model: LoopbackModel,
    google: google_login.Google,
    tmp_path: Path,
) -> None:
    choose(external, "oauth-personal")
    google_login.sign_in(external)
    project = tmp_path / "project"
    file = choose(project, "gemini-api-key")
    (project / ".env").write_text(f"GEMINI_API_KEY={STRAY}\n")
    with new_client(billing="subscription", trust_project=True) as client:
        assert client.auth_status().billing == "api"
        with pytest.raises(BillingError) as raised:
            client.run("hi")
    assert f"is an API key (decided by {file})" in str(raised.value)
    assert model.requests == ()
    with new_client(trust_project=True) as client:
        result = client.run("hi", env=google.environment(model))
        status = client.auth_status()
    assert [event.text for event in result.events if isinstance(event, WarningEvent)] == [
        f"{file} chooses how to sign in: gemini-api-key; it takes precedence over the user's "
        "settings"
    ]
    assert list(status.warnings) == [
        f"{file} chooses how to sign in: gemini-api-key; it takes precedence over the user's "
        "settings"
    ]
    assert [request.credential_is(STRAY) for request in prompts(model)] == [True]


def test_a_login_is_sent_nowhere_else(
    binary: Path,
    external: Path,
    model: LoopbackModel,
    google: google_login.Google,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    choose(external, "oauth-personal")
    google_login.sign_in(external)
    monkeypatch.setenv("CODE_ASSIST_ENDPOINT", model.url)
    (tmp_path / ".env").write_text(f"CODE_ASSIST_ENDPOINT={model.url}\n")
    env = {
        name: value
        for name, value in google.environment(model).items()
        if name != "CODE_ASSIST_ENDPOINT"
    }
    keywords = {"env": env, "cwd": tmp_path, "trust_project": True}
    with Client("gemini", transport="gemini-cli", binary=binary, **keywords) as client:
        assert client.auth_status().removed == ("CODE_ASSIST_ENDPOINT",)
        with pytest.raises(SignedinError):  # this Google knows no plans
            client.run("hi")
    assert model.requests == ()
    assert "/v1internal:loadCodeAssist" in google.paths


def test_a_google_login_is_told_with_what_google_allows(
    new_client: Callable[..., Client], external: Path, binary: Path, model: LoopbackModel
) -> None:
    file = choose(external, "oauth-personal")
    with new_client() as client:
        status = client.auth_status()
        assert not status.authenticated
        assert "Google sign-in is chosen but" in status.warnings[0]
        (external / ".gemini" / "oauth_creds.json").write_text("{}")
        assert client.auth_status() == expected(
            external,
            binary,
            mode="login",
            billing="subscription",
            decided_by=str(file),
            warnings=(RETIRED,),
            details={"method": "oauth-personal"},
        )
    with new_client(billing="api") as client, pytest.raises(BillingError, match="plan of a login"):
        client.run("hi")
    assert model.requests == ()


def test_isolated_logins(
    new_client: Callable[..., Client],
    tmp_path: Path,
    model: LoopbackModel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "signedin" / "gemini" / "accounts" / "work"
    with new_client(account="work") as client:
        assert client.auth_status().home == home
    assert not home.exists()
    (home / ".gemini").mkdir(parents=True)
    choose(home, "gemini-api-key")
    monkeypatch.setenv("GEMINI_API_KEY", STRAY)
    with new_client(account="work") as client:
        status = client.auth_status()
        assert (status.source, status.account, status.billing) == ("isolated", "work", "api")
        assert client.run("hi").text == "Hello."
    assert prompts(model)[0].credential_is(STRAY)
    assert (home / ".gemini").stat().st_mode & 0o777 == 0o700


def test_what_gemini_has_no_command_for(new_client: Callable[..., Client]) -> None:
    with new_client() as client:
        with pytest.raises(UnsupportedOptionError, match="set GEMINI_API_KEY"):
            client.login(method="browser")
        with pytest.raises(UnsupportedOptionError, match="type /auth"):
            client.logout()
        with pytest.raises(UnsupportedOptionError, match="other machine"):
            client.export_login(None)
