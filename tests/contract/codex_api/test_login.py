"""Signing in and out, at an issuer on this machine."""

import asyncio
import threading
from collections.abc import Iterator

import msgspec
import pytest

from signedin import AuthRequiredError, TimeoutExceededError, TransportClosedError
from signedin.loopback import HttpError, LoopbackAccount, LoopbackIssuer, Text
from signedin.providers.codex import AsyncCodex, Codex, InvalidRequestError, protocol as p
from support.stage import Stage

ADA = LoopbackAccount(email="ada@example.com", account_id="acct-ada", plan="plus", used_percent=7)


@pytest.fixture
def issuer(login_ports: None) -> Iterator[LoopbackIssuer]:
    with LoopbackIssuer(ADA) as issuer:
        yield issuer


@pytest.fixture
def options(
    options: dict[str, object], issuer: LoopbackIssuer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, object]:
    """Keywords for a client that signs in at the issuer, with a home of its own."""
    home = tmp_path_factory.mktemp("codex-home")
    return {
        **options,
        "env": {**options["env"], **issuer.codex_env, "CODEX_HOME": str(home)},
        "config": {**options["config"], **issuer.codex_config},
    }


def paths(issuer: LoopbackIssuer) -> list[str]:
    return [request.path for request in issuer.requests]


def granted(issuer: LoopbackIssuer) -> list[object]:
    """What was asked of the token endpoint, in order."""
    asked = [request.fields for request in issuer.requests if request.path == "/oauth/token"]
    return [str(fields["grant_type"]).rpartition(":")[2] for fields in asked]


def updates(codex: Codex) -> p.AccountUpdatedNotification:
    """The next change of the account that the server tells."""
    while True:
        notification = codex.next_notification(timeout=20)
        if isinstance(notification.params, p.AccountUpdatedNotification):
            return notification.params


def test_an_api_key(codex: Codex, stage: Stage) -> None:
    assert codex.account().account is None
    codex.login_api_key("sk-loopback-0123456789")
    account = codex.account()
    assert account.account is not None
    assert account.account.type == "apiKey"
    assert updates(codex).auth_mode == "apikey"
    stage.play("ok")
    codex.thread_start().run("go")
    assert stage.requests[-1].credential_is("sk-loopback-0123456789")
    with pytest.raises(AuthRequiredError, match="chatgpt authentication required"):
        codex.limits()
    codex.logout()
    assert codex.account().account is None


def test_in_a_browser(codex: Codex, stage: Stage, issuer: LoopbackIssuer) -> None:
    with pytest.raises(AuthRequiredError):
        codex.limits()
    login = codex.login_chatgpt()
    assert login.auth_url.startswith(f"{issuer.url}/oauth/authorize?")
    assert issuer.visit(login.auth_url) == 200
    completed = login.wait(timeout=20)
    assert (completed.login_id, completed.success, completed.error) == (login.login_id, True, None)
    assert login.wait(timeout=1) == completed

    updated = updates(codex)
    assert (updated.auth_mode, updated.plan_type) == ("chatgpt", "plus")
    account = codex.account().account
    assert account is not None
    assert (account.type, account.email, account.plan_type) == (
        "chatgpt",
        "ada@example.com",
        "plus",
    )
    limits = codex.limits().rate_limits
    assert limits.primary is not None
    assert (limits.primary.used_percent, limits.primary.window_duration_mins) == (7, 300)
    assert (limits.plan_type, limits.credits.balance) == ("plus", "9.5")

    stage.play("ok")
    codex.thread_start().run("go")
    request = stage.requests[-1]
    assert request.headers["chatgpt-account-id"] == "acct-ada"
    assert request.headers["authorization"].startswith("Bearer ")


def test_a_login_is_there_for_the_next_client(
    codex: Codex, options: dict[str, object], issuer: LoopbackIssuer
) -> None:
    login = codex.login_chatgpt()
    issuer.visit(login.auth_url)
    login.wait(timeout=20)
    codex.close()
    with Codex(**options) as other:
        assert other.account().account.email == "ada@example.com"


def test_refreshing_and_signing_out(codex: Codex, issuer: LoopbackIssuer) -> None:
    login = codex.login_chatgpt()
    issuer.visit(login.auth_url)
    login.wait(timeout=20)
    assert granted(issuer) == ["authorization_code", "token-exchange"]
    codex.account()
    assert granted(issuer) == ["authorization_code", "token-exchange"]
    for _ in range(2):
        assert codex.account(refresh_token=True).account.email == "ada@example.com"
    assert granted(issuer)[2:] == ["refresh_token", "refresh_token"]
    codex.logout()
    assert codex.account().account is None
    assert paths(issuer)[-1] == "/oauth/revoke"


def test_with_a_device_code(codex: Codex, issuer: LoopbackIssuer) -> None:
    login = codex.login_chatgpt_device_code()
    assert login.verification_url == f"{issuer.url}/codex/device"
    with pytest.raises(TimeoutExceededError) as early:
        login.wait(timeout=0.1)
    assert str(early.value) == (
        "sign-in not completed within 0.1 s; the attempt continues: wait again or cancel it"
    )
    issuer.approve_device(login.user_code)
    assert login.wait(timeout=20).success
    assert codex.account().account.email == "ada@example.com"
    assert granted(issuer) == ["authorization_code"]


@pytest.mark.parametrize("start", [Codex.login_chatgpt, Codex.login_chatgpt_device_code])
def test_cancelling(codex: Codex, start) -> None:
    login = start(codex)
    waiting: list[p.AccountLoginCompletedNotification] = []
    thread = threading.Thread(target=lambda: waiting.append(login.wait(timeout=20)))
    thread.start()
    assert login.cancel().status == "canceled"
    thread.join()
    assert [(ended.login_id, ended.success) for ended in waiting] == [(login.login_id, False)]
    assert "not completed" in waiting[0].error
    assert login.cancel().status == "notFound"
    assert codex.account().account is None


def test_refused_in_the_browser(codex: Codex, issuer: LoopbackIssuer) -> None:
    login = codex.login_chatgpt()
    issuer.refuse(login.auth_url, "not today")
    ended = login.wait(timeout=20)
    assert (ended.success, ended.error) == (False, "Login server error: Sign-in failed: not today")
    assert paths(issuer) == []


def test_an_issuer_that_fails(codex: Codex, issuer: LoopbackIssuer) -> None:
    issuer.failing = True
    login = codex.login_chatgpt()
    issuer.visit(login.auth_url)
    ended = login.wait(timeout=20)
    assert not ended.success
    assert "token endpoint returned status 500" in ended.error
    assert codex.account().account is None


async def test_a_replaced_attempt_wakes_only_its_own_waiter(
    options: dict[str, object], issuer: LoopbackIssuer
) -> None:
    async with AsyncCodex(**options) as codex:
        first = await codex.login_chatgpt()
        first_waits = asyncio.create_task(first.wait())
        second = await codex.login_chatgpt_device_code()
        second_waits = asyncio.create_task(second.wait())
        ended = await first_waits
        assert (ended.login_id, ended.success) == (first.login_id, False)
        third = await codex.login_chatgpt_device_code()
        ended = await second_waits
        assert (ended.login_id, ended.success) == (second.login_id, False)
        third_waits = asyncio.create_task(third.wait())
        issuer.approve_device(third.user_code)
        assert (await third_waits).success
        assert not (await first.wait()).success


async def test_a_key_replaces_an_attempt(options: dict[str, object]) -> None:
    async with AsyncCodex(**options) as codex:
        login = await codex.login_chatgpt_device_code()
        await codex.login_api_key("sk-loopback-0123456789")
        assert not (await login.wait()).success
        assert (await codex.account()).account.type == "apiKey"


async def test_a_completion_before_anybody_waits_is_kept(
    options: dict[str, object], issuer: LoopbackIssuer
) -> None:
    async with AsyncCodex(**options) as codex:
        login = await codex.login_chatgpt()
        await asyncio.to_thread(issuer.visit, login.auth_url)
        while True:
            notification = await codex.next_notification(timeout=20)
            assert notification.method != "account/login/completed"
            if notification.method == "account/updated":
                break
        assert (await login.wait(timeout=0)).success


async def test_waiting_is_cancelled_without_harm(
    options: dict[str, object], issuer: LoopbackIssuer
) -> None:
    async with AsyncCodex(**options) as codex:
        login = await codex.login_chatgpt_device_code()
        impatient, patient = (asyncio.create_task(login.wait()) for _ in range(2))
        await asyncio.sleep(0)
        impatient.cancel()
        issuer.approve_device(login.user_code)
        assert (await patient).success
        assert impatient.cancelled()


async def test_the_server_ends_while_somebody_waits(options: dict[str, object]) -> None:
    codex = AsyncCodex(**options)
    login = await codex.login_chatgpt_device_code()
    waiting = asyncio.create_task(login.wait())
    await asyncio.sleep(0)
    await codex.aclose()
    for wait in (waiting, login.wait()):
        with pytest.raises(TransportClosedError, match="closed by its client"):
            await wait


def test_tokens_of_the_caller(
    options: dict[str, object], stage: Stage, issuer: LoopbackIssuer
) -> None:
    """Codex asks for fresh tokens when the caller's are no longer accepted."""
    tokens = [issuer.issue_tokens().access_token for _ in range(2)]
    asked = []

    def refresh(method: str, params: p.Incoming) -> p.ChatgptAuthTokensRefreshResponse:
        asked.append(params)
        return p.ChatgptAuthTokensRefreshResponse(
            access_token=tokens[1], chatgpt_account_id="acct-ada"
        )

    stage.play(HttpError(401, times=1), Text("ok"))
    with Codex(**options, on_request=refresh) as codex:
        codex.request(
            "account/login/start",
            p.ChatgptAuthTokensLoginAccountParams(
                access_token=tokens[0], chatgpt_account_id="acct-ada"
            ),
        )
        assert codex.account().account.email == "ada@example.com"
        codex.thread_start().run("go")
        with pytest.raises(InvalidRequestError, match="External auth is active"):
            codex.login_chatgpt()
    [params] = asked
    assert (params.reason, params.previous_account_id) == ("unauthorized", "acct-ada")
    sent = [r for r in stage.requests if r.path.endswith("/responses")]
    assert [[r.credential_is(token) for token in tokens] for r in sent] == [
        [True, False],
        [False, True],
    ]


def test_nothing_secret_is_kept_by_the_issuer(codex: Codex, issuer: LoopbackIssuer) -> None:
    login = codex.login_chatgpt()
    issuer.visit(login.auth_url)
    login.wait(timeout=20)
    codex.logout()
    requests = msgspec.json.encode([request.fields for request in issuer.requests]).decode()
    assert "rt_" not in requests
    assert "eyJ" not in requests
