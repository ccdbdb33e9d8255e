"""Keeping a login fresh."""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import msgspec
import pytest

from signedin.accounts.files import write_private
from signedin.loopback import LoopbackIssuer
from signedin.loopback.server import HttpServer
from signedin.model.errors import (
    AuthRequiredError,
    ErrorKind,
    InvalidOptionError,
    SignedinError,
    UnsupportedOptionError,
)
from signedin.providers.chatgpt.sign_in import stored_login as storing
from signedin.providers.chatgpt.sign_in.access import Access
from signedin.providers.chatgpt.sign_in.endpoint import SignInServerError
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.settings import sign_in_settings
from signedin.providers.chatgpt.sign_in.stored_login import StoredLogin
from signedin.wire.http import HttpRequest, HttpResponse
from support.chatgpt_account import SignedInUser, profile_at

COMMAND = "Sign in with: signedin auth login --provider chatgpt --method browser --profile siwc"


@pytest.fixture
async def user(issuer: LoopbackIssuer, account: str) -> SignedInUser:
    user = SignedInUser(issuer, account)
    await user.sign_in()
    return user


async def test_a_fresh_login_is_used_as_it_is(user: SignedInUser) -> None:
    login = await user.stored()
    assert await user.stored_login.current() == Access(login.access_token, "acct-loopback")
    assert user.token_requests("refresh_token") == 0


@pytest.mark.parametrize(("left", "refreshed"), [(400, False), (240, True), (-10, True)])
async def test_it_is_refreshed_five_minutes_before_its_end(
    user: SignedInUser, left: float, refreshed: bool
) -> None:
    login = msgspec.structs.replace(await user.stored(), expires_at=time.time() + left)
    await user.stored_login.save(login)
    access = await user.stored_login.current()
    assert (access.token != login.access_token) is refreshed
    assert user.token_requests("refresh_token") == int(refreshed)


async def test_five_tasks_and_two_clients_refresh_it_once(user: SignedInUser) -> None:
    old = await user.age()
    other = SignedInUser(user.issuer, user.stored_login.folder.name)
    tasks = [user.stored_login.current() for _ in range(5)] + [
        other.stored_login.current() for _ in range(5)
    ]
    got = {access.token for access in await asyncio.gather(*tasks)}
    assert user.token_requests("refresh_token") == 1
    assert got == {(await user.stored()).access_token} != {old.access_token}


async def test_a_refused_token_is_refreshed_once_for_all_who_were_refused(
    user: SignedInUser,
) -> None:
    refused = await user.stored_login.current()
    got = await asyncio.gather(*(user.stored_login.renewed(refused) for _ in range(5)))
    assert user.token_requests("refresh_token") == 1
    assert {access.token for access in got} == {(await user.stored()).access_token}
    assert got[0] != refused


async def test_a_refused_token_that_was_replaced_meanwhile_costs_nothing(
    user: SignedInUser,
) -> None:
    stale = Access("the-token-before-the-stored-one")
    assert (await user.stored_login.renewed(stale)).token == (await user.stored()).access_token
    assert user.token_requests("refresh_token") == 0


async def test_a_cancelled_refresh_leaves_the_user_signed_in(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced, go_on = asyncio.Event(), asyncio.Event()
    refresh = storing.refresh_login

    async def slow_to_arrive(*given: Any) -> ChatGPTLogin:
        login = await refresh(*given)
        replaced.set()
        await go_on.wait()
        return login

    monkeypatch.setattr(storing, "refresh_login", slow_to_arrive)
    old = await user.age()
    refreshed: list[ChatGPTLogin] = []
    user.stored_login._settings = msgspec.structs.replace(
        user.stored_login._settings, on_auth_refresh=refreshed.append
    )
    task = asyncio.create_task(user.stored_login.current())
    await replaced.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    stored = await user.stored()
    assert stored.refresh_token != old.refresh_token
    assert refreshed == [stored]
    assert user.issuer.is_good((await user.stored_login.current()).token)
    assert user.token_requests("refresh_token") == 1


async def test_who_asks_for_it_is_told_of_the_login_that_is_stored(user: SignedInUser) -> None:
    refreshed: list[ChatGPTLogin] = []

    async def remember(login: ChatGPTLogin) -> None:
        assert await user.stored() == login  # stored before it is used
        refreshed.append(login)

    client = SignedInUser(
        user.issuer, user.stored_login.folder.name, options={"on_auth_refresh": remember}
    )
    await user.age()
    access = await client.stored_login.current()
    assert [login.access_token for login in refreshed] == [access.token]
    await client.stored_login.current()
    assert len(refreshed) == 1


async def test_a_failing_on_auth_refresh_is_an_error_and_the_login_is_kept(
    user: SignedInUser,
) -> None:
    def fail(login: ChatGPTLogin) -> None:
        raise OSError(f"disk full while writing {login.access_token}")

    client = SignedInUser(
        user.issuer, user.stored_login.folder.name, options={"on_auth_refresh": fail}
    )
    old = await user.age()
    with pytest.raises(SignedinError, match="on_auth_refresh failed: OSError: disk full") as caught:
        await client.stored_login.current()
    stored = await user.stored()
    assert stored.access_token != old.access_token
    assert stored.access_token not in str(caught.value)
    assert str(user.file) in str(caught.value)
    assert (await client.stored_login.current()).token == stored.access_token


async def test_a_cancelled_refresh_whose_callback_fails_stays_cancelled(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = asyncio.Event(), asyncio.Event()
    refresh = storing.refresh_login

    async def wait_for_it(*given: Any) -> ChatGPTLogin:
        began.set()
        await go_on.wait()
        return await refresh(*given)

    def fail(_: ChatGPTLogin) -> None:
        raise ValueError("no room")

    monkeypatch.setattr(storing, "refresh_login", wait_for_it)
    client = SignedInUser(
        user.issuer, user.stored_login.folder.name, options={"on_auth_refresh": fail}
    )
    old = await user.age()
    task = asyncio.create_task(client.stored_login.current())
    await began.wait()
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError) as caught:
        await task
    [note] = caught.value.__notes__
    assert note.startswith("on_auth_refresh failed: ValueError: no room")
    assert (await user.stored()).refresh_token != old.refresh_token


async def test_an_ended_login_says_how_to_sign_in_and_is_not_asked_for_again(
    user: SignedInUser,
) -> None:
    await user.age()
    user.issuer.revoke_all()
    for _ in range(3):
        with pytest.raises(AuthRequiredError) as caught:
            await user.stored_login.current()
        assert str(caught.value) == (
            "the chatgpt login has ended: it was revoked (refresh_token_invalidated). "
            f"{COMMAND} --account {user.stored_login.folder.name}"
        )
    assert user.token_requests("refresh_token") == 1
    await user.sign_in()
    assert user.issuer.is_good((await user.stored_login.current()).token)


async def test_nobody_signed_in_says_how(issuer: LoopbackIssuer, account: str) -> None:
    user = SignedInUser(issuer, account)
    for ask in (user.stored_login.current, user.stored_login.profile):
        with pytest.raises(AuthRequiredError, match="not signed in: there is no login") as caught:
            await ask()
        assert COMMAND in str(caught.value)


async def test_a_failing_server_does_not_stop_a_login_that_still_lasts(user: SignedInUser) -> None:
    user.issuer.failing = True
    login = msgspec.structs.replace(await user.stored(), expires_at=time.time() + 250)
    await user.stored_login.save(login)
    assert (await user.stored_login.current()).token == login.access_token
    await user.age()
    with pytest.raises(SignedinError, match="the sign-in server answered: server_error") as caught:
        await user.stored_login.current()
    assert caught.value.transient
    user.issuer.failing = False
    assert user.issuer.is_good((await user.stored_login.current()).token)


async def test_a_server_that_cannot_be_reached_is_named(user: SignedInUser) -> None:
    await user.age()
    user.issuer.close()
    with pytest.raises(
        SignedinError, match=r"127\.0\.0\.1 could not be asked: ConnectError"
    ) as caught:
        await user.stored_login.current()
    assert caught.value.kind is ErrorKind.NETWORK


async def test_an_early_refresh_never_spends_the_token(
    issuer: LoopbackIssuer, account: str
) -> None:
    issuer.agents.earliest_refresh = 600.0
    user = SignedInUser(issuer, account)
    login = await user.sign_in()
    assert login.earliest_refresh_at is not None
    almost_over = msgspec.structs.replace(login, expires_at=time.time() + 60)
    await user.stored_login.save(almost_over)
    access = await user.stored_login.current()
    assert access.token == login.access_token
    with pytest.raises(AuthRequiredError, match=r"OpenAI refreshes it only \d+ s from now"):
        await user.stored_login.renewed(access)
    assert user.token_requests("refresh_token") == 0

    issuer.agents.earliest_refresh = None
    issuer.agents._earliest.clear()
    due = msgspec.structs.replace(login, earliest_refresh_at=time.time())
    await user.stored_login.save(due)
    assert (await user.stored_login.current()).token != login.access_token


async def test_what_an_answer_leaves_out_stays_as_it_was(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = user.issuer.agents
    whole: Callable[..., Any] = agents.answer

    def partial(form: Any, issuer: str) -> Any:
        return {"access_token": whole(form, issuer)["access_token"], "expires_in": "120"}

    monkeypatch.setattr(agents, "answer", partial)
    old = await user.age()
    await user.stored_login.current()
    stored = await user.stored()
    assert stored.access_token != old.access_token
    assert (stored.refresh_token, stored.id_token) == (old.refresh_token, old.id_token)


@pytest.mark.parametrize(
    ("earliest", "understood"),
    [
        (1_900_000_000, 1_900_000_000.0),
        ("1900000000.5", 1_900_000_000.5),
        (1_900_000_000_000, 1_900_000_000.0),
        ("2030-03-17T17:46:40Z", 1_900_000_000.0),
        (None, None),
        ("soon", None),
        ([], None),
    ],
)
async def test_a_token_that_says_nothing_lasts_as_long_as_the_server_says(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, earliest: object, understood: float | None
) -> None:
    opaque = {"access_token": "opaque", "expires_in": 1000, "earliest_refresh_at": earliest}
    monkeypatch.setattr(user.issuer.agents, "answer", lambda *_: opaque)
    await user.age()
    began = time.time()
    assert await user.stored_login.current() == Access("opaque")
    stored = await user.stored()
    assert stored.expires_at is not None
    assert began + 999 < stored.expires_at < time.time() + 1001
    assert stored.earliest_refresh_at == understood


async def test_what_the_token_endpoint_says_is_in_no_message(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    secret = "a-secret-that-is-no-known-form"
    monkeypatch.setattr(
        user.issuer.agents, "answer", lambda *_: {"refresh_token": secret, "code": f"no {secret}"}
    )
    await user.age()
    await user.stored_login.current()  # kept, as all of an answer is optional
    await user.auth.logout()
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(user.issuer.visit, str(begun.url))
    with pytest.raises(SignedinError, match="returned no access token") as caught:
        await begun.wait(30)
    assert secret not in str(caught.value) + caplog.text


async def test_no_text_form_of_a_login_shows_a_token(user: SignedInUser) -> None:
    login = await user.stored()
    shown = repr([login, login.access, user.auth, user.stored_login, user.stored_login._settings])
    for secret in (login.access_token, login.refresh_token, login.id_token):
        assert secret
        assert secret not in shown


async def test_a_login_of_another_profile_is_not_used(user: SignedInUser) -> None:
    other = SignedInUser(user.issuer, user.stored_login.folder.name, "codex")
    with pytest.raises(AuthRequiredError, match="signed in with the profile siwc, not codex"):
        await other.stored_login.profile()
    with pytest.raises(AuthRequiredError, match="signed in with the profile siwc, not codex"):
        await other.stored_login.current()


async def test_without_a_choice_the_login_says_where_requests_go(user: SignedInUser) -> None:
    stored_login = StoredLogin(user.stored_login.folder.name, sign_in_settings({}))
    assert (await stored_login.profile()).base_url == "https://api.openai.com/v1"
    assert await user.stored_login.profile() == profile_at(user.issuer.url)


async def test_a_damaged_login_is_left_as_it_is(user: SignedInUser) -> None:
    write_private(user.file, b"{not json")
    with pytest.raises(SignedinError, match="it is damaged") as caught:
        await user.stored_login.current()
    status = await user.auth.status()
    assert (status.authenticated, status.reason) == (False, "damaged")
    assert status.warnings == (caught.value.message,)
    assert "not json" not in caught.value.message
    assert user.file.read_bytes() == b"{not json"


async def test_the_keyring_may_keep_the_login(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: dict[tuple[str, str], str] = {}
    keyring = ModuleType("keyring")
    keyring.get_password = lambda service, name: kept.get((service, name))
    keyring.set_password = lambda service, name, value: kept.update({(service, name): value})
    keyring.delete_password = lambda service, name: kept.pop((service, name))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    monkeypatch.setenv("SIGNEDIN_STORE", "keyring")
    user = SignedInUser(issuer, account)
    login = await user.sign_in()
    assert login.access_token in kept["signedin", f"chatgpt-{account}"]
    assert not user.file.exists()
    assert (await user.auth.status()).decided_by == "keyring"
    await user.age()
    assert user.issuer.is_good((await user.stored_login.current()).token)
    await user.auth.logout()
    assert kept == {}
    monkeypatch.setenv("SIGNEDIN_STORE", "paper")
    with pytest.raises(
        InvalidOptionError, match="SIGNEDIN_STORE must be file or keyring, not 'pap"
    ):
        SignedInUser(issuer, account)


async def test_a_token_endpoint_cannot_send_the_login_elsewhere(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[HttpRequest] = []

    async def redirect(http: HttpRequest, response: HttpResponse) -> None:
        seen.append(http)
        await response.send(307, {"Location": f"http://127.0.0.1:{server.port}/elsewhere"}, b"")

    server = HttpServer(redirect)
    server.start()
    try:
        moved = msgspec.structs.replace(
            profile_at(user.issuer.url), token_url=f"http://127.0.0.1:{server.port}/token"
        )
        await user.age()
        other = SignedInUser(user.issuer, user.stored_login.folder.name, moved)
        with pytest.raises(SignedinError, match="the sign-in server answered: HTTP status 307"):
            await other.stored_login.current()
    finally:
        server.close()
    assert [http.target for http in seen] == ["/token"]


async def test_signing_out_without_a_network_says_what_is_left_to_do(user: SignedInUser) -> None:
    user.issuer.close()
    with pytest.raises(SignedinError, match="signed out of chatgpt on this machine, but OpenAI"):
        await user.auth.logout()
    assert not (await user.auth.status()).authenticated


async def test_a_login_can_be_carried_to_another_machine(
    issuer: LoopbackIssuer, account: str
) -> None:
    here = SignedInUser(issuer, account, "codex")
    there = SignedInUser(issuer, f"{account}-there", "codex")
    with pytest.raises(AuthRequiredError, match="there is no login"):
        await here.auth.export_login(None)
    login = await here.sign_in()
    sealed = await here.auth.export_login("a passphrase")
    assert login.access_token not in sealed
    folder = await there.auth.import_login(sealed, lambda: "a passphrase", force=False)
    assert folder == there.stored_login.folder
    assert await there.stored() == login
    plain = await here.auth.export_login(None)
    with pytest.raises(InvalidOptionError, match="has a login already"):
        await there.auth.import_login(plain, str, force=False)
    with pytest.raises(InvalidOptionError, match="this is not a ChatGPT login"):
        await there.auth.import_login("nonsense", str, force=True)


async def test_a_login_that_axio_saved_goes_on_here(issuer: LoopbackIssuer, account: str) -> None:
    user = SignedInUser(issuer, account, "codex")
    tokens = issuer.issue_tokens()
    saved = {
        "api_key": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_at": "1234567890",
        "account_id": "auth0|not-an-account",
    }
    await user.auth.import_login(f"{json.dumps(saved)}\n", str, force=False)
    assert await user.stored_login.current() == Access(tokens.access_token, "acct-loopback")
    await user.auth.import_login(
        json.dumps({"refresh_token": tokens.refresh_token}), str, force=True
    )
    assert issuer.is_good((await user.stored_login.current()).token)
    assert user.token_requests("refresh_token") == 1


async def test_a_login_for_this_machine_stays_here(user: SignedInUser) -> None:
    with pytest.raises(UnsupportedOptionError, match="sign in on the other one"):
        await user.auth.export_login("a passphrase")


async def test_a_clock_that_is_ahead_costs_one_refresh(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = time.time() + 7 * 24 * 3600
    monkeypatch.setattr(time, "time", lambda: ahead)
    got = {(await user.stored_login.current()).token for _ in range(5)}
    assert user.token_requests("refresh_token") == 1
    again = SignedInUser(user.issuer, user.stored_login.folder.name)
    assert {(await again.stored_login.current()).token} == got
    assert user.token_requests("refresh_token") == 1


async def test_an_issuer_that_hangs_is_waited_for_once(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0

    async def hang(*_: object) -> ChatGPTLogin:
        nonlocal asked
        asked += 1
        raise SignInServerError("it did not answer within 30 s", ErrorKind.NETWORK)

    monkeypatch.setattr(storing, "refresh_login", hang)
    login = msgspec.structs.replace(await user.stored(), expires_at=time.time() + 100)
    await user.stored_login.save(login)
    tokens = [
        access.token
        for access in await asyncio.gather(user.stored_login.current(), user.stored_login.current())
    ]
    tokens += [(await user.stored_login.current()).token for _ in range(3)]
    assert set(tokens) == {login.access_token}
    assert asked == 1


async def test_a_lock_that_nobody_gives_back_does_not_stop_a_good_login(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "SHORT_WAIT", 0.05)
    login = msgspec.structs.replace(await user.stored(), expires_at=time.time() + 100)
    await user.stored_login.save(login)
    async with user.stored_login._store.locked("login"):
        assert (await user.stored_login.current()).token == login.access_token
        assert (await user.stored_login.current()).token == login.access_token
    assert user.token_requests("refresh_token") == 0


@pytest.mark.parametrize("left", [100, 4000, -10])
async def test_a_login_whose_folder_cannot_be_written(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, left: float
) -> None:
    login = msgspec.structs.replace(await user.stored(), expires_at=time.time() + left)
    await user.stored_login.save(login)

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("signedin.accounts.store.make_private", refuse)
    if left > 0:
        assert (await user.stored_login.current()).token == login.access_token
    else:
        with pytest.raises(SignedinError, match=r"cannot be written: Read-only file system"):
            await user.stored_login.current()
    assert user.token_requests("refresh_token") == 0
