"""Sign-in servers that fail in ways of their own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import msgspec
import pytest

from signedin.loopback import LoopbackIssuer
from signedin.loopback.server import HttpServer
from signedin.model.errors import AuthRequiredError, ErrorKind, SignedinError
from signedin.providers.chatgpt.sign_in import code_exchange, device, endpoint
from signedin.providers.chatgpt.sign_in.endpoint import HttpAnswer, SignInServerError
from signedin.wire.http import HttpRequest, HttpResponse
from support.chatgpt_account import SignedInUser, profile_at

HTML = {"Content-Type": "text/html; charset=UTF-8", "cf-ray": "8f-OSL"}


@asynccontextmanager
async def serving(
    answer: Callable[[HttpRequest, HttpResponse], Awaitable[None]],
) -> AsyncIterator[str]:
    async def handle(http: HttpRequest, response: HttpResponse) -> None:
        await answer(http, response)

    server = HttpServer(handle)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.close()


async def refresh_at(issuer: LoopbackIssuer, account: str, url: str) -> None:
    """Refreshes a login at another server than the one that gave it."""
    user = SignedInUser(issuer, account)
    await user.sign_in()
    await user.age()
    moved = msgspec.structs.replace(profile_at(issuer.url), token_url=f"{url}/token")
    await SignedInUser(issuer, account, moved).stored_login.current()


@pytest.mark.parametrize(
    ("status", "headers", "body", "message", "kind"),
    [
        (403, HTML, b"<html>Just a moment", "blocks this machine or network", "network"),
        (500, HTML, b"<html>Oops", "answered: HTTP status 500", "server"),
        (502, {}, b"", "answered: HTTP status 502", "server"),
        (429, {}, b'{"error": "slow_down"}', "answered: slow_down", "rate_limited"),
        (400, {}, b'{"error": "a secret: <token>"}', "answered: HTTP status 400", "protocol"),
        (400, {}, b'{"error": {"code": "invalid_scope"}}', "answered: invalid_scope", "protocol"),
        (200, {}, b"\xff\xfe", None, None),
        (200, {}, b"[1]", None, None),
    ],
)
async def test_an_answer_that_is_none_keeps_the_login(
    issuer: LoopbackIssuer,
    account: str,
    status: int,
    headers: dict[str, str],
    body: bytes,
    message: str | None,
    kind: str | None,
) -> None:
    async def answer(_: HttpRequest, response: HttpResponse) -> None:
        await response.send(status, headers, body)

    async with serving(answer) as url:
        if message is None or kind is None:
            await refresh_at(issuer, account, url)
        else:
            with pytest.raises(SignInServerError, match=message) as caught:
                await refresh_at(issuer, account, url)
            assert caught.value.kind == kind
            assert "secret" not in str(caught.value)
    assert (await SignedInUser(issuer, account).auth.status()).authenticated
    assert issuer.is_good((await SignedInUser(issuer, account).stored_login.current()).token)


async def test_a_cloudflare_page_is_named_by_its_ray(issuer: LoopbackIssuer, account: str) -> None:
    async def answer(_: HttpRequest, response: HttpResponse) -> None:
        await response.send(403, HTML, b"<html>Just a moment")

    async with serving(answer) as url:
        with pytest.raises(SignedinError, match=r"\(HTTP status 403, ray 8f-OSL\)"):
            await refresh_at(issuer, account, url)


async def test_silence_has_an_end(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: object) -> None:
        await asyncio.Event().wait()

    user = SignedInUser(issuer, account)
    await user.sign_in()
    await user.age()
    monkeypatch.setattr(endpoint, "REQUEST_SECONDS", 0.1)
    async with serving(answer) as url:
        moved = msgspec.structs.replace(profile_at(issuer.url), token_url=f"{url}/token")
        with pytest.raises(SignInServerError, match=r"127\.0\.0\.1") as caught:
            await SignedInUser(issuer, account, moved).stored_login.current()
    assert caught.value.kind is ErrorKind.NETWORK


async def test_a_network_that_comes_and_goes_does_not_end_a_code(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = SignedInUser(issuer, account, "codex")
    start, post, failures = issuer._grants.start_device, device.post_json, []

    async def post_later(*given: Any) -> HttpAnswer:
        if given[0].endswith("/deviceauth/token") and len(failures) < 3:
            failures.append(given)
            raise SignInServerError("no network", ErrorKind.NETWORK)
        return await post(*given)

    monkeypatch.setattr(issuer._grants, "start_device", lambda: {**start(), "interval": "0.01"})
    monkeypatch.setattr(device, "post_json", post_later)
    begun = await user.auth.start_login("device", None)
    issuer.approve_device(str(begun.user_code))
    await begun.wait(30)
    assert len(failures) == 3
    assert (await user.auth.status()).authenticated


async def test_cancelling_while_tokens_are_given_signs_nobody_in(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def never(*_: object, **__: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(code_exchange, "exchange_code", never)
    user = SignedInUser(issuer, account)
    begun = await user.auth.start_login("browser", None)
    visit = asyncio.create_task(asyncio.to_thread(issuer.visit, str(begun.url)))
    await asked.wait()
    await begun.cancel()
    with pytest.raises(AuthRequiredError, match="the login was cancelled"):
        await begun.wait()
    with pytest.raises(httpx2.TransportError):  # the browser's page never comes
        await visit
    assert not (await user.auth.status()).authenticated


async def test_an_issuer_that_gives_no_name_signs_nobody_in(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agents = issuer.agents
    authorize = agents.authorize
    monkeypatch.setattr(agents, "authorize", lambda query: {"code": authorize(query)["code"]})
    user = SignedInUser(issuer, account)
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(issuer.visit, str(begun.url))
    with pytest.raises(AuthRequiredError, match="no client id was given"):
        await begun.wait(30)


async def test_a_name_that_changes_signs_nobody_in(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = SignedInUser(issuer, account)
    await user.sign_in()
    agents = issuer.agents
    authorize = agents.authorize
    monkeypatch.setattr(
        agents, "authorize", lambda query: {**authorize(query), "client_id": "oaiapp_other"}
    )
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(issuer.visit, str(begun.url))
    with pytest.raises(AuthRequiredError, match="the client id has changed"):
        await begun.wait(30)


async def test_keys_that_cannot_be_read_sign_nobody_in(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issuer.agents, "keys", lambda: {"keys": []})
    user = SignedInUser(issuer, account)
    begun = await user.auth.start_login("browser", None)
    await asyncio.to_thread(issuer.visit, str(begun.url))
    with pytest.raises(SignInServerError, match="the sign-in server's keys cannot be read"):
        await begun.wait(30)
    assert not (await user.auth.status()).authenticated


async def test_a_proxy_that_is_not_http_loses_no_login(
    issuer: LoopbackIssuer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = SignedInUser(issuer, account)
    await user.sign_in()
    await user.age()
    openai = msgspec.structs.replace(
        profile_at(issuer.url),
        token_url="https://auth.openai.com/oauth/token",
        revoke_url="https://auth.openai.com/oauth/revoke",
    )
    behind = SignedInUser(issuer, account, openai)
    monkeypatch.setenv("all_proxy", "socks5://me:secret@127.0.0.1:9")
    with pytest.raises(SignedinError, match=r"^the proxy socks5://127\.0\.0\.1:9 is not an HTTP"):
        await behind.stored_login.current()
    assert user.file.exists()
    with pytest.raises(SignedinError, match="on this machine, but OpenAI did not confirm it"):
        await behind.auth.logout()
    assert not user.file.exists()


async def test_signing_in_goes_through_the_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readline())
        writer.write(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("https_proxy", f"127.0.0.1:{port}")
        with pytest.raises(SignInServerError, match=r"auth\.openai\.com could not be asked: Proxy"):
            await endpoint.get("https://auth.openai.com/keys")
    assert seen == [b"CONNECT auth.openai.com:443 HTTP/1.1\r\n"]
