"""Who is signed in to the real Codex, and who pays: by what reaches the loopback servers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin import (
    AuthRequiredError,
    BillingError,
    Client,
    InvalidOptionError,
    TimeoutExceededError,
    UnsupportedOptionError,
    WarningEvent,
)
from signedin.accounts.status import AuthBackend, AuthStatus
from signedin.loopback import LoopbackModel, ModelRequest
from signedin.loopback.issuer import LoopbackIssuer
from support import codex_home
from support.agents import program, versions
from support.codex_home import KEY
from support.processes import Watch, processes_with

STRAY = "sk-proj-stray-key-9876543210"
KEPT_AWAY = (
    "CODEX_API_KEY is set and would take precedence over the codex login; it is removed "
    "from the agent's environment (billing='api' lets it through)"
)
TRANSPORTS = ("codex-app-server", "codex-exec")


@pytest.fixture(params=["packaged", *versions("codex")], autouse=True)
def codex(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each installed Codex: that of the Python package, and those of npm."""
    if request.param != "packaged":
        monkeypatch.setenv("SIGNEDIN_CODEX_BINARY", str(program("codex", request.param)))


@pytest.fixture
def model() -> Iterator[LoopbackModel]:
    with LoopbackModel("Hello.") as model:
        yield model


@pytest.fixture
def issuer(issuer: LoopbackIssuer, monkeypatch: pytest.MonkeyPatch) -> LoopbackIssuer:
    """The issuer that Codex is configured to sign in at."""
    for name, value in issuer.codex_env.items():
        monkeypatch.setenv(name, str(value))
    return issuer


@pytest.fixture
def external(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where Codex keeps its own login, as far as this test goes."""
    home = tmp_path / "external"
    home.mkdir()
    monkeypatch.setenv("CODEX_HOME", str(home))
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "signedin"))
    monkeypatch.setenv("HOME", str(tmp_path))
    return home


@pytest.fixture
def isolated(external: Path, tmp_path: Path) -> Path:
    """Where the isolated login is."""
    return tmp_path / "signedin" / "codex"


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> str:
    return request.param


def prompts(model: LoopbackModel) -> list[ModelRequest]:
    """What would be paid for. A start also lists the models, which costs nothing."""
    return [request for request in model.requests if request.method == "POST"]


def status_of(**options: object) -> AuthStatus:
    with Client("codex", **options) as client:
        return client.auth_status()


def expected(home: Path, **facts: object) -> AuthStatus:
    basis = {"provider": "codex", "installed": True, "authenticated": True, "home": home}
    if facts.get("authenticated") is False:
        external = "" if facts.get("source") == "isolated" else " --source external"
        basis["reason"] = "not_signed_in"
        basis["sign_in"] = f"signedin auth login --provider codex{external}"
    return AuthStatus(**{**basis, "binary": Path(codex_home.program()), **facts})


def test_nobody_is_signed_in(external: Path, transport: str) -> None:
    assert status_of(transport=transport) == expected(external, authenticated=False)
    with Client("codex", transport=transport) as client:
        assert client.available() is False


def test_a_mistyped_home_is_no_home(
    external: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistyped = external.with_name("extrenal")
    monkeypatch.setenv("CODEX_HOME", str(mistyped))
    with Client("codex", transport=transport) as client:
        for ask in (client.auth_status, client.available):
            with pytest.raises(InvalidOptionError, match=f"CODEX_HOME={mistyped} is not a folder"):
                ask()
    assert not mistyped.exists()


def test_asking_makes_no_home(
    tmp_path: Path, isolated: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODEX_HOME")
    external = tmp_path / ".codex"
    assert status_of(transport=transport) == expected(external, authenticated=False)
    assert status_of(transport=transport, auth_source="isolated") == expected(
        isolated, authenticated=False, source="isolated"
    )
    assert not external.exists()
    assert not isolated.exists()


def test_an_api_key_pays_by_use(external: Path, transport: str) -> None:
    codex_home.sign_in_with_key(external)
    assert status_of(transport=transport) == expected(
        external, mode="api-key", billing="api", decided_by="auth.json"
    )


def test_a_login_pays_by_its_plan(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    codex_home.configure(external, model, issuer)
    codex_home.sign_in(external, issuer)
    with Client("codex", transport=transport) as client:
        assert client.auth_status() == expected(
            external,
            mode="login",
            billing="subscription",
            decided_by="auth.json",
            plan="pro",
            email="user@example.com",
        )
        assert client.available() is True


def test_a_damaged_login_is_nobody(external: Path, transport: str) -> None:
    (external / "auth.json").write_text('{"tokens":')
    assert status_of(transport=transport) == expected(
        external, authenticated=False, reason="damaged"
    )


def test_a_model_provider_of_the_user_cannot_be_told(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer
) -> None:
    codex_home.configure(external, model, issuer)
    config = external / "config.toml"
    config.write_text(config.read_text().replace("requires_openai_auth = true", ""))
    codex_home.sign_in(external, issuer)
    assert status_of() == expected(
        external, mode="unknown", billing="unknown", decided_by="model_provider in config.toml"
    )
    with (
        Client("codex", billing="subscription") as client,
        pytest.raises(BillingError, match="is not known"),
    ):
        client.run("hi")
    assert prompts(model) == []


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "CODEX_API_KEY"])
@pytest.mark.parametrize("billing", [None, "subscription"])
def test_a_stray_key_pays_nothing(
    external: Path,
    model: LoopbackModel,
    issuer: LoopbackIssuer,
    transport: str,
    variable: str,
    billing: str | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codex_home.configure(external, model, issuer)
    token = codex_home.sign_in(external, issuer)
    monkeypatch.setenv(variable, STRAY)
    with Client("codex", transport=transport, billing=billing) as client:
        result = client.run("hi")
        status = client.auth_status()
    assert result.text == "Hello."
    responses = prompts(model)
    assert len(responses) == 1
    assert responses[0].credential_is(token)
    assert not any(request.credential_is(STRAY) for request in model.requests)
    assert status.billing == "subscription"
    warnings = [event.text for event in result.events if isinstance(event, WarningEvent)]
    if variable == "OPENAI_API_KEY":  # Codex itself does not look at it
        assert status.removed == ()
        assert warnings == []
    else:
        assert status.removed == ("CODEX_API_KEY",)
        assert warnings == list(status.warnings) == [KEPT_AWAY]


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "CODEX_API_KEY"])
def test_a_key_in_the_homes_dotenv_file_pays_nothing(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str, variable: str
) -> None:
    codex_home.configure(external, model, issuer)
    token = codex_home.sign_in(external, issuer)
    (external / ".env").write_text(f"{variable}={STRAY}\n")
    with Client("codex", transport=transport, billing="subscription") as client:
        assert client.run("hi").text == "Hello."
    [request] = prompts(model)
    assert request.credential_is(token)
    assert not any(request.credential_is(STRAY) for request in model.requests)


def test_a_key_pays_that_was_asked_for(
    external: Path,
    model: LoopbackModel,
    issuer: LoopbackIssuer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codex_home.configure(external, model, issuer)
    codex_home.sign_in(external, issuer)
    monkeypatch.setenv("CODEX_API_KEY", STRAY)
    with Client("codex", transport="codex-exec", billing="api") as client:
        assert client.run("hi").text == "Hello."
        assert client.auth_status() == expected(
            external, mode="api-key", billing="api", decided_by="CODEX_API_KEY"
        )
    assert [request.credential_is(STRAY) for request in prompts(model)] == [True]


def test_a_key_given_by_the_caller_goes_through(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer
) -> None:
    codex_home.configure(external, model, issuer)
    codex_home.sign_in(external, issuer)
    given = {"CODEX_API_KEY": STRAY}
    with Client("codex", transport="codex-exec", env=given) as client:
        assert client.run("hi").text == "Hello."
    assert [request.credential_is(STRAY) for request in prompts(model)] == [True]
    with (
        Client("codex", transport="codex-exec", env=given, billing="subscription") as client,
        pytest.raises(BillingError, match="contradict each other: CODEX_API_KEY takes precedence"),
    ):
        client.run("hi")


def test_what_cannot_be_assured_is_refused(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    codex_home.configure(external, model, issuer)
    for billing, payer in (("subscription", "nothing"), ("api", "nothing")):
        with (
            Client("codex", transport=transport, billing=billing) as client,
            pytest.raises(BillingError, match=rf"billing='{billing}' cannot be .* {payer}"),
        ):
            client.run("hi")
    codex_home.sign_in(external, issuer)
    with (
        Client("codex", transport=transport, billing="api") as client,
        pytest.raises(BillingError) as raised,
    ):
        client.run("hi")
    assert str(raised.value) == (
        "billing='api' cannot be assured: what pays for codex is the plan of a login (decided "
        "by auth.json). See: signedin auth status --provider codex"
    )
    (external / "auth.json").unlink()
    codex_home.sign_in_with_key(external)
    with (
        Client("codex", transport=transport, billing="subscription") as client,
        pytest.raises(BillingError, match=r"is an API key \(decided by auth.json\)"),
    ):
        client.run("hi")
    assert prompts(model) == []


def test_a_model_provider_of_the_caller_is_refused(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    codex_home.configure(external, model, issuer)
    codex_home.sign_in(external, issuer)
    options = model.client_options("codex")["provider_options"]
    with (
        Client(
            "codex", transport=transport, billing="subscription", provider_options=options
        ) as client,
        pytest.raises(BillingError, match="chooses the model provider 'loopback'"),
    ):
        client.run("hi")
    assert prompts(model) == []


def test_auto_takes_the_isolated_login_if_there_is_one(
    external: Path, isolated: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    for home in (external, isolated):
        codex_home.configure(home, model, issuer)
    own = codex_home.sign_in(external, issuer)
    with Client("codex", transport=transport) as client:
        assert client.auth_status().source == "external"
        client.run("hi")
        ours = codex_home.sign_in(isolated, issuer)
        assert client.auth_status().source == "external"  # decided once
        client.run("hi")
    with Client("codex", transport=transport) as client:
        assert client.auth_status().home == isolated
        client.run("hi")
    with Client("codex", transport=transport, auth_source="external") as client:
        client.run("hi")
    tokens = {own: "external", ours: "isolated"}
    used = [
        [name for token, name in tokens.items() if request.credential_is(token)]
        for request in prompts(model)
    ]
    assert used == [["external"], ["external"], ["isolated"], ["external"]]


def test_named_logins_live_side_by_side(
    external: Path, isolated: Path, model: LoopbackModel, issuer: LoopbackIssuer
) -> None:
    tokens = {}
    for name in ("work", "home"):
        home = isolated / "accounts" / name
        codex_home.configure(home, model, issuer)
        tokens[name] = codex_home.sign_in(home, issuer)
    for name in ("work", "home"):
        with Client("codex", account=name) as client:
            client.run("hi")
            status = client.auth_status()
            assert (status.source, status.account) == ("isolated", name)
    responses = prompts(model)
    assert responses[0].credential_is(tokens["work"])
    assert responses[1].credential_is(tokens["home"])


def test_an_isolated_home_is_private_and_keeps_its_configuration(isolated: Path) -> None:
    isolated.mkdir(parents=True)
    config = '# cli_auth_credentials_store\nmodel = "gpt-5.5"\n\n[features]\nplugins = false # no\n'
    (isolated / "config.toml").write_text(config)
    status_of(auth_source="isolated")
    assert isolated.stat().st_mode & 0o777 == 0o700
    assert (isolated / "config.toml").read_text() == (
        f'cli_auth_credentials_store = "file"\n{config}'
    )


def test_logging_out_revokes_the_login(
    external: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    codex_home.configure(external, model, issuer)
    codex_home.sign_in(external, issuer)
    with Client("codex", transport=transport) as client:
        assert client.auth_status().authenticated
        client.logout()
        assert client.auth_status() == expected(external, authenticated=False)
    assert not (external / "auth.json").exists()
    assert "/oauth/revoke" in [request.path for request in issuer.requests]


@pytest.fixture
def on_loopback(isolated: Path, model: LoopbackModel, issuer: LoopbackIssuer) -> Path:
    """An isolated home that is configured but not signed in."""
    codex_home.configure(isolated, model, issuer)
    return isolated


@pytest.mark.usefixtures("login_ports")
def test_signing_in_with_a_browser(
    on_loopback: Path, model: LoopbackModel, issuer: LoopbackIssuer, transport: str
) -> None:
    with Client("codex", transport=transport) as client:
        assert client.auth_status().authenticated is False
        login = client.login(method="browser")
        assert login.user_code is None
        with pytest.raises(TimeoutExceededError, match="sign-in not completed within"):
            login.wait(0.05)
        assert issuer.visit(str(login.url)) == 200
        login.wait(60)
        login.wait()
        login.cancel()
        status = client.auth_status()
        assert (status.source, status.home) == ("isolated", on_loopback)
        assert (status.billing, status.plan) == ("subscription", "pro")
        assert client.run("hi").text == "Hello."
    assert (on_loopback / "auth.json").stat().st_mode & 0o777 == 0o600
    Watch(processes_with(on_loopback)).all_gone(60)


def test_signing_in_with_a_code(on_loopback: Path, issuer: LoopbackIssuer) -> None:
    with Client("codex") as client:
        login = client.login(method="device")
        assert login.url == f"{issuer.url}/codex/device"
        issuer.approve_device(str(login.user_code))
        login.wait(60)
        assert client.auth_status().email == "user@example.com"


def test_signing_in_with_a_key(on_loopback: Path, model: LoopbackModel, transport: str) -> None:
    with Client("codex", transport=transport) as client:
        login = client.login(method="api-key", api_key=KEY)
        login.wait()
        assert (login.url, login.user_code) == (None, None)
        assert client.auth_status().billing == "api"
        assert client.run("hi").text == "Hello."
    assert [request.credential_is(KEY) for request in prompts(model)] == [True]


@pytest.mark.usefixtures("login_ports")
def test_a_login_that_is_refused_or_given_up(on_loopback: Path, issuer: LoopbackIssuer) -> None:
    with Client("codex") as client:
        login = client.login(method="browser")
        issuer.refuse(str(login.url), "I would rather not")
        with pytest.raises(AuthRequiredError, match="I would rather not"):
            login.wait(60)
        login = client.login(method="device")
        login.cancel()
        with pytest.raises(AuthRequiredError, match="sign-in to codex failed"):
            login.wait(60)
        assert client.auth_status().authenticated is False
    Watch(processes_with(on_loopback)).all_gone(60)


@pytest.mark.usefixtures("login_ports")
def test_closing_the_client_gives_up_its_logins(on_loopback: Path, issuer: LoopbackIssuer) -> None:
    with Client("codex") as client:
        client.login(method="browser")
        assert processes_with(on_loopback)
    Watch(processes_with(on_loopback)).all_gone(60)


def test_a_method_and_a_key_belong_together() -> None:
    with Client("codex") as client:
        for options in ({"method": "api-key"}, {"method": "browser", "api_key": KEY}):
            with pytest.raises(InvalidOptionError, match="needs api_key="):
                client.login(**options)


def test_a_login_moves_to_another_machine(
    external: Path, isolated: Path, model: LoopbackModel, issuer: LoopbackIssuer
) -> None:
    codex_home.configure(external, model, issuer)
    token = codex_home.sign_in(external, issuer)
    with Client("codex") as client:
        line = client.export_login("open sesame")
        (external / "auth.json").unlink()
        codex_home.configure(isolated, model, issuer)
        assert client.import_login(line, lambda: "open sesame") == isolated / "auth.json"
        assert client.auth_status().source == "isolated"
        client.run("hi")
    assert [request.credential_is(token) for request in prompts(model)] == [True]
    with (
        Client("codex", auth_source="external") as client,
        pytest.raises(InvalidOptionError, match="is Codex's own"),
    ):
        client.import_login(line, lambda: "open sesame")
    assert not (external / "auth.json").exists()


def test_a_backend_of_the_callers_own(external: Path) -> None:
    class Backend:
        async def status(self) -> AuthStatus:
            return AuthStatus(provider="codex", installed=True, authenticated=True)

        async def login(self) -> None:
            self.signed_in = True

        async def start_login(self, method: str, api_key: str | None) -> None:
            raise AssertionError

        async def logout(self) -> None:
            self.signed_in = False

    backend = Backend()
    assert isinstance(backend, AuthBackend)
    with Client("codex", auth_backend=backend) as client:
        assert client.auth_status().authenticated
        client.login()
        assert backend.signed_in
        client.logout()
        assert not backend.signed_in
        with pytest.raises(UnsupportedOptionError, match="sign in on the other machine instead"):
            client.export_login(None)
