"""Signing in on the screen of the axio plug-in, in a Textual program."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Link, Static

from signedin import AsyncClient
from signedin.integrations.axio import SignInScreen
from signedin.loopback import LoopbackIssuer
from signedin.providers.chatgpt.sign_in import profiles
from support.chatgpt_account import profile_at

SECONDS = 60


@pytest.fixture
def issuer(
    issuer: LoopbackIssuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LoopbackIssuer:
    """An issuer in the place of OpenAI's, and a user who has no login."""
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path))
    for name in list(profiles.PROFILES):
        monkeypatch.setitem(profiles.PROFILES, name, profile_at(issuer.url, name))
    return issuer


class Shown:
    """The screen in a program, and what it ended with."""

    def __init__(self, pilot: Pilot[None], screen: SignInScreen) -> None:
        self.pilot = pilot
        self.screen = screen
        self.result: asyncio.Future[dict[str, str] | None] = asyncio.Future()

    @property
    def url(self) -> str:
        return self.screen.query_one("#address", Link).url

    @property
    def code(self) -> str:
        return str(self.screen.query_one("#code", Static).render()).rpartition(" ")[2]

    async def press(self, button: str) -> None:
        assert await self.pilot.click(f"#{button}")

    async def until(self, attribute: str, accepted: Callable[[object], bool]) -> None:
        """Waits until something that the screen shows is as expected."""
        reached = asyncio.Event()

        def look(value: object) -> None:
            if accepted(value):
                reached.set()

        self.screen.watch(self.screen, attribute, look)
        async with asyncio.timeout(SECONDS):
            await reached.wait()
        await self.pilot.pause()

    async def ended(self) -> dict[str, str] | None:
        async with asyncio.timeout(SECONDS):
            return await self.result


@asynccontextmanager
async def shown(settings: Mapping[str, str] = {}) -> AsyncIterator[Shown]:
    screen = SignInScreen(settings)
    async with App[None]().run_test(size=(80, 24)) as pilot:
        what = Shown(pilot, screen)
        await pilot.app.push_screen(screen, what.result.set_result)
        await what.until("status", bool)
        yield what


async def sign_in(issuer: LoopbackIssuer, settings: Mapping[str, str] = {}) -> object:
    async with shown(settings) as what:
        await what.press("siwc")
        await what.until("is_waiting", bool)
        assert await asyncio.to_thread(issuer.visit, what.url) == 200
        return await what.ended()


async def test_the_user_signs_in_with_a_browser(issuer: LoopbackIssuer, tmp_path: Path) -> None:
    assert await sign_in(issuer) == {}
    assert (tmp_path / "chatgpt" / "login.json").is_file()
    async with shown() as what:
        assert what.screen.status == "Signed in: user@example.com, plan pro"
        await what.press("close")
        assert await what.ended() is None


async def test_the_settings_stay_and_name_the_account(
    issuer: LoopbackIssuer, tmp_path: Path
) -> None:
    settings = {"account": "work", "effort": "low", "_error": "not signed in"}
    assert await sign_in(issuer, settings) == {"account": "work", "effort": "low"}
    assert (tmp_path / "chatgpt" / "accounts" / "work" / "login.json").is_file()


async def test_the_user_types_a_code_elsewhere(issuer: LoopbackIssuer) -> None:
    async with shown() as what:
        await what.press("device")
        await what.until("is_waiting", bool)
        assert what.url == f"{issuer.url}/codex/device"
        issuer.approve_device(what.code)
        assert await what.ended() == {}
    async with AsyncClient("chatgpt") as client:
        assert (await client.auth_status()).details["profile"] == "codex"


async def test_an_address_that_is_none_is_not_taken_and_the_screen_goes_on_waiting(
    issuer: LoopbackIssuer,
) -> None:
    async with shown() as what:
        await what.press("codex")
        await what.until("is_waiting", bool)
        await what.press("answer")
        await what.pilot.press(*"nonsense", "enter")
        await what.until("status", lambda status: "address" in str(status))
        assert what.screen.is_waiting
        assert await asyncio.to_thread(issuer.visit, what.url) == 200
        assert await what.ended() == {}


async def test_signing_in_is_given_up_and_then_the_screen_is_closed(
    issuer: LoopbackIssuer, tmp_path: Path
) -> None:
    async with shown() as what:
        assert what.screen.status == "Not signed in."
        await what.press("siwc")
        await what.until("is_waiting", bool)
        await what.pilot.press("escape")
        await what.until("is_waiting", lambda is_waiting: not is_waiting)
        assert what.screen.status == "The sign-in was cancelled."
        await what.pilot.press("escape")
        assert await what.ended() is None
    assert not (tmp_path / "chatgpt" / "login.json").exists()


async def test_a_program_that_ends_meanwhile_leaves_nothing_behind(
    issuer: LoopbackIssuer,
) -> None:
    before = asyncio.all_tasks()
    async with shown() as what:
        await what.press("siwc")
        await what.until("is_waiting", bool)
        await what.pilot.press("ctrl+y")
        assert what.pilot.app.clipboard == what.url
    if left := asyncio.all_tasks() - before:
        _, running = await asyncio.wait(left, timeout=SECONDS)
        assert not running


async def test_what_goes_wrong_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoopbackIssuer() as issuer:
        gone = profile_at(issuer.url, "codex")
    monkeypatch.setitem(profiles.PROFILES, "codex", gone)
    async with shown({"account": "gone"}) as what:
        await what.press("device")
        await what.until("status", lambda status: "127.0.0.1" in str(status))
        assert not what.screen.is_waiting


async def test_the_user_signs_out(issuer: LoopbackIssuer, tmp_path: Path) -> None:
    await sign_in(issuer)
    async with shown() as what:
        await what.press("sign-out")
        assert await what.ended() == {}
    assert not (tmp_path / "chatgpt" / "login.json").exists()
