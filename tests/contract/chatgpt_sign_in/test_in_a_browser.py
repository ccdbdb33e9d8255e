"""Signing in to ChatGPT in a real browser, and what hostile pages in it can do."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest

from signedin.loopback import LoopbackIssuer
from signedin.model.errors import AuthRequiredError, TimeoutExceededError
from signedin.providers.shared.pending_login import PendingLogin
from support import browser
from support.browser import Rendered
from support.chatgpt_account import SignedInUser

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def user(issuer: LoopbackIssuer, account: str) -> AsyncIterator[SignedInUser]:
    browser.chromium()
    user = SignedInUser(issuer, account)
    yield user
    await user.sign_ins.aclose()


async def visit(url: object, profile: Path, *flags: str) -> Rendered:
    return await asyncio.to_thread(browser.visit, str(url), profile, *flags)


def callback(begun: PendingLogin) -> tuple[str, str]:
    """The address the browser comes back to, and the state it must bring."""
    query = parse_qs(urlsplit(str(begun.url)).query)
    return query["redirect_uri"][0], query["state"][0]


@pytest.mark.parametrize("profile", ["siwc", "codex"])
async def test_the_user_sees_that_they_are_signed_in(
    user: SignedInUser, tmp_path: Path, profile: str
) -> None:
    user = SignedInUser(user.issuer, f"browser-{profile}", profile)
    begun = await user.auth.start_login("browser", None)
    page = await visit(begun.url, tmp_path)
    assert "<h1>Signed in to ChatGPT</h1>" in page.dom
    assert page.console == []
    await begun.wait(30)
    assert (await user.auth.status()).email == "user@example.com"


async def test_hostile_pages_get_nowhere(user: SignedInUser, tmp_path: Path) -> None:
    begun = await user.auth.start_login("browser", None)
    at, state = callback(begun)
    script = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

    hostile = tmp_path / "hostile.html"
    forged = {"error": "access_denied", "error_description": script, "state": "guessed"}
    hostile.write_text(
        f'<img src="{at}?{urlencode(forged).replace("&", "&amp;")}">'
        f'<img src="{at.removesuffix("/auth/callback")}/cancel">'
        f'<iframe src="{at}?code=x&amp;state=y"></iframe>'
        f'<form id=f method=post action="{at}"></form><script>f.submit()</script>'
    )
    assert "Only GET is answered." in (await visit(hostile.as_uri(), tmp_path / "a")).dom

    page = await visit(f"{at}?{urlencode(forged)}", tmp_path / "a")
    assert "This address does not belong to the pending sign-in." in page.dom
    assert "owned" not in page.dom

    # DNS rebinding: somebody else's name for this machine, with the state even.
    port = urlsplit(at).port
    rebound = f"http://evil.example:{port}/auth/callback?code=x&state={quote(state)}"
    page = await visit(rebound, tmp_path / "a", "--host-resolver-rules=MAP evil.example 127.0.0.1")
    assert "This server has another name." in page.dom
    with pytest.raises(TimeoutExceededError):
        await begun.wait(0.01)

    # What the issuer itself says is shown as text.
    page = await visit(f"{at}?{urlencode({**forged, 'state': state})}", tmp_path / "a")
    assert "<title>Not signed in</title>" in page.dom
    assert "&lt;script&gt;" in page.dom
    with pytest.raises(AuthRequiredError, match="access_denied"):
        await begun.wait(30)
    assert user.token_requests("authorization_code") == 0
