"""Signing in with a browser, and what strangers can do to it."""

import asyncio
import base64
import logging
import socket
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import msgspec
import pytest

from signedin.accounts.status import AuthStatus
from signedin.loopback import LoopbackIssuer
from signedin.model.errors import (
    AuthRequiredError,
    InvalidOptionError,
    SignedinError,
    TimeoutExceededError,
    UnsupportedOptionError,
)
from signedin.providers.base import ProviderConfig
from signedin.providers.chatgpt.auth import ChatGPTAuth
from signedin.providers.chatgpt.sign_in import callback
from signedin.providers.chatgpt.sign_in.pages import NOT_OURS, SIGNED_IN
from signedin.providers.chatgpt.sign_in.settings import sign_in_settings
from signedin.providers.shared import pending_login as signing
from signedin.providers.shared.pending_login import PendingLogin, PendingLogins
from support.chatgpt_account import SignedInUser, profile_at

PROFILES = pytest.mark.parametrize("profile", ["siwc", "codex"])


@pytest.fixture
async def user(issuer: LoopbackIssuer, account: str) -> AsyncIterator[SignedInUser]:
    user = SignedInUser(issuer, account)
    yield user
    await user.sign_ins.aclose()


def asked(begun: PendingLogin) -> dict[str, str]:
    """The query of the page that the user has to open."""
    return {name: value for name, [value] in parse_qs(urlsplit(str(begun.url)).query).items()}


async def visit(url: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        return await browser.get(url, headers=headers)


def returning(begun: PendingLogin, **query: str) -> str:
    """The address at which a browser comes back with an answer."""
    request = asked(begun)
    return f"{request['redirect_uri']}?{urlencode({'state': request['state'], **query})}"


@PROFILES
async def test_signing_in_and_out(issuer: LoopbackIssuer, account: str, profile: str) -> None:
    user = SignedInUser(issuer, account, profile)
    nobody = await user.auth.status()
    assert (nobody.authenticated, nobody.billing, nobody.mode) == (False, "none", "none")
    login = await user.sign_in()
    assert await user.auth.status() == AuthStatus(
        provider="chatgpt",
        installed=True,
        authenticated=True,
        mode="login",
        billing="subscription",
        source="isolated",
        account=account,
        home=user.stored_login.folder,
        decided_by="login.json",
        plan="pro",
        email="user@example.com",
        details={"profile": profile, "account_id": "acct-loopback"},
    )
    assert issuer.is_good(login.access_token)
    assert user.file.stat().st_mode & 0o777 == 0o600
    await user.auth.logout()
    assert await user.auth.status() == nobody
    assert not user.file.exists()
    assert issuer.requests[-1].path.endswith("/oauth/revoke")
    await user.auth.logout()  # not signed in: nothing to do


async def test_the_codex_way_asks_what_codex_asks(issuer: LoopbackIssuer, account: str) -> None:
    options = {"allowed_accounts": ["acct-loopback", "acct-2"]}
    user = SignedInUser(issuer, account, "codex", options)
    begun = await user.auth.start_login("browser", None)
    request = asked(begun)
    port = urlsplit(request["redirect_uri"]).port
    for secret in ("state", "code_challenge"):
        assert len(request.pop(secret)) == 43
    assert request == {
        "response_type": "code",
        "client_id": "app_EMoamEEZ73f0CkXaXp7hrann",
        "redirect_uri": f"http://127.0.0.1:{port}/auth/callback",
        "scope": "openid profile email offline_access",
        "code_challenge_method": "S256",
        "allowed_workspace_id": "acct-loopback,acct-2",
        "id_token_add_organizations": "true",
        "codex_cli_simplified_flow": "true",
        "originator": "signedin",
    }
    await begun.cancel()


async def test_the_documented_way_registers_once_and_is_known_from_then_on(
    user: SignedInUser,
) -> None:
    first = await user.auth.start_login("browser", None)
    request = asked(first)
    assert request["client_id"] == "dynamic_agent_client"
    assert request["agent_name_hint"] == "signedin"
    assert request["resource"] == "https://api.openai.com/v1"
    assert request["ext_agent_host_id"].startswith("urn:uuid:")
    await visit(str(first.url), follow="")
    await asyncio.to_thread(user.issuer.visit, str(first.url))
    await first.wait(30)
    issued = (await user.stored()).client_id
    assert user.issuer.agents.clients[issued] == "signedin"
    await user.auth.logout()

    again = await user.auth.start_login("browser", None)
    known = asked(again)
    assert known["client_id"] == issued
    assert known["ext_agent_host_id"] == request["ext_agent_host_id"]
    assert "agent_name_hint" not in known
    assert known["nonce"] != request["nonce"]
    await asyncio.to_thread(user.issuer.visit, str(again.url))
    await again.wait(30)
    assert (await user.stored()).client_id == issued


async def test_a_program_removed_from_the_account_registers_anew(user: SignedInUser) -> None:
    await user.sign_in()
    begun = await user.auth.start_login("browser", None)
    await visit(returning(begun, error="unauthorized_client"))
    with pytest.raises(AuthRequiredError, match="sign in again to register it again"):
        await begun.wait(30)
    again = await user.auth.start_login("browser", None)
    assert asked(again)["client_id"] == "dynamic_agent_client"


async def test_two_accounts_are_kept_apart(issuer: LoopbackIssuer, account: str) -> None:
    one, two = SignedInUser(issuer, f"{account}-a"), SignedInUser(issuer, f"{account}-b")
    first, second = await one.sign_in(), await two.sign_in()
    assert first.access_token != second.access_token
    assert first.client_id != second.client_id
    await one.auth.logout()
    assert (await two.auth.status()).authenticated


async def test_strangers_do_not_end_the_sign_in(user: SignedInUser) -> None:
    begun = await user.auth.start_login("browser", None)
    secret = asked(begun)["state"]
    at = asked(begun)["redirect_uri"]
    root = at.removesuffix("/auth/callback")
    for address, status in {
        f"{at}?code=stolen&state=guessed": 400,
        f"{at}?error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E": 400,
        f"{at}?error=access_denied&state=guessed": 400,
        f"{at}?state={secret}": 400,
        at: 400,
        f"{root}/cancel": 404,
        f"{root}/success": 404,
        f"{root}/": 404,
    }.items():
        answer = await visit(address)
        assert answer.status_code == status, address
        assert "script" not in answer.text
        assert secret not in answer.text
    assert (await visit(f"{at}?code=c&state={secret}", Host="evil.example")).status_code == 403
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        assert (await browser.post(f"{at}?code=c&state={secret}")).status_code == 405
    assert user.token_requests("authorization_code") == 0
    with pytest.raises(TimeoutExceededError):
        await begun.wait(0.01)

    assert await asyncio.to_thread(user.issuer.visit, str(begun.url)) == 200
    await begun.wait(30)
    assert (await user.auth.status()).authenticated


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
        (b"GET /auth/callback HTTP/1.1\r\n\r\n", b"403"),
        (b"GET /auth/callback HTTP/1.1\r\nHost: evil\r\nHost: 127.0.0.1:PORT\r\n\r\n", b"403"),
        (b"GET /auth/callback HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n", b"403"),
        (b"GET /" + b"x" * 17_000, b"400"),
        (b"", b"400"),
    ],
)
async def test_garbage_does_not_end_the_sign_in(
    user: SignedInUser, sent: bytes, status: bytes
) -> None:
    begun = await user.auth.start_login("browser", None)
    port = urlsplit(asked(begun)["redirect_uri"]).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent.replace(b"PORT", b"%d" % port))
    writer.write_eof()
    assert (await reader.read()).split(b" ")[1] == status
    writer.close()
    assert await asyncio.to_thread(user.issuer.visit, str(begun.url)) == 200
    await begun.wait(30)


async def test_a_refusal_ends_it_with_its_reason_and_a_harmless_page(user: SignedInUser) -> None:
    begun = await user.auth.start_login("browser", None)
    page = await visit(
        returning(begun, error="access_denied", error_description="<script>alert(1)</script>")
    )
    assert page.status_code == 200
    assert "&lt;script&gt;" in page.text
    assert "<script" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    with pytest.raises(AuthRequiredError, match="sign-in to chatgpt failed: access_denied"):
        await begun.wait(30)
    assert not (await user.auth.status()).authenticated


async def test_a_code_that_is_not_good_leaves_the_old_login(user: SignedInUser) -> None:
    before = await user.sign_in()
    begun = await user.auth.start_login("browser", None)
    page = await visit(returning(begun, code="forged"))
    assert "Not signed in" in page.text
    with pytest.raises(AuthRequiredError, match="sign-in to chatgpt failed: invalid_client"):
        await begun.wait(30)
    assert await user.stored() == before


async def test_a_browser_that_comes_twice_sees_the_same_page(user: SignedInUser) -> None:
    begun = await user.auth.start_login("browser", None)
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        sent_back = (await browser.get(str(begun.url))).headers["location"]
        pages = await asyncio.gather(visit(sent_back), visit(sent_back), visit(sent_back))
    await begun.wait(30)
    assert {page.content for page in pages} == {SIGNED_IN.body()}
    assert user.token_requests("authorization_code") == 1


async def test_pasting_the_address_when_the_browser_cannot_reach_this_machine(
    user: SignedInUser,
) -> None:
    begun = await user.auth.start_login("browser", None)
    assert not begun.wants_code
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        sent_back = (await browser.get(str(begun.url))).headers["location"]
    for wrong in ("", "code", sent_back.replace("state=", "state=x"), str(begun.url)):
        with pytest.raises(InvalidOptionError, match="paste the complete address"):
            await begun.submit_code(wrong)
    await begun.submit_code(f" {sent_back}\n")
    await begun.wait(30)
    assert (await user.auth.status()).authenticated


async def test_cancelling_frees_the_port_and_says_so(user: SignedInUser) -> None:
    begun = await user.auth.start_login("browser", None)
    port = urlsplit(asked(begun)["redirect_uri"]).port
    idle = await asyncio.open_connection("127.0.0.1", port)  # as browsers open in advance
    await begun.cancel()
    await begun.cancel()
    with pytest.raises(AuthRequiredError, match="the login was cancelled"):
        await begun.wait()
    assert await idle[0].read() == b""
    idle[1].close()
    with pytest.raises(OSError, match="Connect call failed"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_closing_the_client_ends_what_waits(user: SignedInUser) -> None:
    begun = [await user.auth.start_login("browser", None) for _ in range(2)]
    await user.sign_ins.aclose()
    for login in begun:
        with pytest.raises(AuthRequiredError, match="the login was cancelled"):
            await login.wait()


async def test_nobody_waits_for_ever(user: SignedInUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signing, "SIGN_IN_SECONDS", 0.05)
    begun = await user.auth.start_login("browser", None)
    with pytest.raises(AuthRequiredError, match="sign-in to chatgpt not completed within"):
        await begun.wait(30)


async def test_a_taken_port_gives_way_to_the_next(issuer: LoopbackIssuer, account: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        serve = asyncio.create_task(_answer(taken, b"HTTP/1.1 404 Not Found\r\n\r\n"))
        both = msgspec.structs.replace(profile_at(issuer.url), redirect_ports=(port, 0))
        begun = await SignedInUser(issuer, account, both).auth.start_login("browser", None)
        assert urlsplit(asked(begun)["redirect_uri"]).port != port
        assert (await serve).startswith(b"GET /cancel HTTP/1.1\r\n")
        await begun.cancel()

        serve = asyncio.create_task(_answer(taken, b"HTTP/1.1 404 Not Found\r\n\r\n"))
        only = msgspec.structs.replace(profile_at(issuer.url), redirect_ports=(port,))
        with pytest.raises(SignedinError, match=rf"{port} \(Address already in use\).*device"):
            await SignedInUser(issuer, account, only).auth.start_login("browser", None)
        await serve


async def test_an_older_sign_in_of_codex_is_asked_to_leave_the_port() -> None:
    old = socket.create_server(("127.0.0.1", 0))
    port = old.getsockname()[1]

    async def leave() -> None:
        await _answer(old, b"HTTP/1.1 200 OK\r\n\r\n")
        old.close()

    leaving = asyncio.create_task(leave())
    with await callback.bind([port]) as bound:
        assert bound.getsockname() == ("127.0.0.1", port)
    await leaving


async def _answer(listener: socket.socket, answer: bytes) -> bytes:
    """Answers one client; returns what it asked."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    client, _ = await loop.sock_accept(listener)
    with client:
        asked = await loop.sock_recv(client, 4096)
        await loop.sock_sendall(client, answer)
        return asked


@pytest.mark.parametrize("broken", ["signature", "unsigned", "audience", "nonce", "missing"])
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    agents = user.issuer.agents
    genuine = agents._id_token

    def forged(issuer: str, client_id: str, nonce: str) -> str:
        match broken:
            case "signature":
                head, body, signature = genuine(issuer, client_id, nonce).split(".")
                return f"{head}.{body}.{signature[::-1]}"
            case "unsigned":
                body = genuine(issuer, client_id, nonce).split(".")[1]
                head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"loopback-key"}')
                return f"{head.decode().rstrip('=')}.{body}."
            case "audience":
                return genuine(issuer, "oaiapp_another", nonce)
            case "nonce":
                return genuine(issuer, client_id, "another")
            case _:
                return ""

    monkeypatch.setattr(agents, "_id_token", forged)
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(user.issuer.visit, str(begun.url))
    with pytest.raises(AuthRequiredError, match="ID token") as caught:
        await begun.wait(30)
    assert "ey" not in str(caught.value)
    assert not (await user.auth.status()).authenticated
    assert user.issuer.requests[-1].path == "/api/accounts/oauth/revoke"


async def test_another_persons_account_does_not_take_over_a_login(user: SignedInUser) -> None:
    before = await user.sign_in()
    user.issuer.agents._account = msgspec.structs.replace(user.issuer.account, user_id="eve")
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(user.issuer.visit, str(begun.url))
    with pytest.raises(AuthRequiredError, match="another person's account than before"):
        await begun.wait(30)
    assert await user.stored() == before


async def test_without_the_permission_to_use_the_plan_nobody_is_signed_in(
    user: SignedInUser,
) -> None:
    user.issuer.agents.scope = "openid profile email"
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(user.issuer.visit, str(begun.url))
    with pytest.raises(AuthRequiredError, match=r"was not granted \(chatgpt\.tokens\.use\.direct"):
        await begun.wait(30)
    assert user.issuer.requests[-1].path == "/api/accounts/oauth/revoke"


async def test_an_account_that_is_not_allowed_is_not_kept(
    issuer: LoopbackIssuer, account: str
) -> None:
    user = SignedInUser(issuer, account, "codex", {"allowed_accounts": ["acct-work"]})
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(issuer.visit, str(begun.url))
    with pytest.raises(
        AuthRequiredError,
        match="the chatgpt account acct-loopback is not in allowed_accounts: acct-work",
    ):
        await begun.wait(30)
    assert not (await user.auth.status()).authenticated
    assert issuer.requests[-1].path == "/oauth/revoke"


async def test_a_stored_login_of_an_account_that_is_not_allowed_is_not_used(
    user: SignedInUser,
) -> None:
    await user.sign_in()
    options = {"allowed_accounts": ["acct-work"]}
    other = SignedInUser(user.issuer, user.stored_login.folder.name, options=options)
    with pytest.raises(
        AuthRequiredError, match="the chatgpt account acct-loopback is not in allowed_accounts"
    ):
        await other.stored_login.current()


async def test_a_sign_in_server_that_fails_says_so(user: SignedInUser) -> None:
    user.issuer.failing = True
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(user.issuer.visit, str(begun.url))
    with pytest.raises(SignedinError, match="the sign-in server answered: server_error") as caught:
        await begun.wait(30)
    assert caught.value.transient


async def test_nothing_secret_is_logged(
    user: SignedInUser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    begun = await user.auth.start_login("browser", None)
    request = asked(begun)
    async with httpx2.AsyncClient(trust_env=False, timeout=60) as browser:
        sent_back = (await browser.get(str(begun.url))).headers["location"]
    caplog.clear()  # what the browser of this test logs is not ours
    await begun.submit_code(sent_back)
    login = await user.stored()
    await user.age()
    await user.stored_login.current()
    await user.auth.logout()
    [code] = parse_qs(urlsplit(sent_back).query)["code"]
    secrets = [code, request["state"], login.access_token, str(login.refresh_token)]
    assert caplog.text
    assert [secret for secret in secrets if secret in caplog.text] == []


def test_other_programs_logins_are_never_used() -> None:
    config = ProviderConfig(transport="chatgpt-responses", auth_source="external")
    with pytest.raises(UnsupportedOptionError, match="would sign the other program out"):
        ChatGPTAuth(config, sign_in_settings({}), PendingLogins("chatgpt"))


async def test_ways_that_do_not_exist_are_refused(user: SignedInUser) -> None:
    with pytest.raises(UnsupportedOptionError, match="the profile siwc has none; use the method"):
        await user.auth.start_login("device", None)
    with pytest.raises(UnsupportedOptionError, match="an API key is not a ChatGPT login"):
        await user.auth.start_login("api-key", "sk-x")


def test_the_page_for_strangers_tells_them_nothing() -> None:
    assert NOT_OURS.status == 400


async def test_connections_that_ask_for_nothing_do_not_fill_the_machine(
    user: SignedInUser,
) -> None:
    begun = await user.auth.start_login("browser", None)
    port = int(urlsplit(asked(begun)["redirect_uri"]).port or 0)
    open_ones = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
    assert await asyncio.to_thread(user.issuer.visit, str(begun.url)) == 200
    await begun.wait(30)
    ended = [reader for reader, _ in open_ones if reader.at_eof()]
    assert len(ended) >= 100 - 32
    for _, writer in open_ones:
        writer.close()


async def test_another_issuer_signs_nobody_in(user: SignedInUser) -> None:
    begun = await user.auth.start_login("browser", None)
    query = {"code": "c", "state": asked(begun)["state"], "iss": "https://auth.example"}
    await visit(f"{asked(begun)['redirect_uri']}?{urlencode(query)}")
    with pytest.raises(AuthRequiredError, match="another issuer answered"):
        await begun.wait(30)
