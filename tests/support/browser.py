"""A headless Chromium, and what it makes of a page."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

SECONDS = 90
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
)


class Rendered(NamedTuple):
    """A page after the browser has loaded it.

    Attributes:
        dom: Its elements as HTML.
        console: What it wrote to the console, the browser's own complaints about it included.
    """

    dom: str
    console: list[str]


def chromium() -> str:
    """Path of the browser; without one the test is skipped, which CI must not do."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("there is no Chromium on this machine; see scripts/install_browser.py")
    return found


def render(page: Path, profile: Path) -> Rendered:
    """Loads a file with a profile of its own."""
    return visit(page.as_uri(), profile)


def visit(url: str, profile: Path, *flags: str) -> Rendered:
    """Opens an address with a profile of its own."""
    done = subprocess.run(
        [chromium(), *_FLAGS, *flags, f"--user-data-dir={profile}", "--dump-dom", url],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return Rendered(done.stdout, console)


class Tab:
    """A page of a running browser, driven over the DevTools protocol.

    Attributes:
        events: What it has reported since a page was last opened.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0
        self.events: list[dict[str, Any]] = []

    async def command(self, method: str, **params: object) -> dict[str, Any]:
        """Has the browser do something, and returns what it answers."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while (message := await self._message()).get("id") != self._number:
            pass
        assert "error" not in message, message
        return message["result"]

    async def open(self, page: Path) -> None:
        """Opens a file, and waits until all of it is loaded."""
        self.events.clear()
        await self.command("Page.navigate", url=page.as_uri())
        await self.loaded()

    async def loaded(self) -> None:
        """Waits until all of a page is loaded that has begun to since the events were cleared."""
        while not self.reported("Page.loadEventFired"):
            await self._message()

    async def run(self, script: str) -> Any:
        """Returns what a script does, or what its promise brings."""
        answer = await self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def reported(self, method: str) -> list[dict[str, Any]]:
        """What the events of one kind say."""
        return [event["params"] for event in self.events if event["method"] == method]

    async def _message(self) -> dict[str, Any]:
        message = await self._socket.receive_json()
        if "method" in message:
            self.events.append(message)
        return message


@asynccontextmanager
async def open_tab(profile: Path) -> AsyncIterator[Tab]:
    """Starts a browser with a profile of its own, and ends it."""
    process = await asyncio.create_subprocess_exec(
        *[chromium(), *_FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}"],
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    found = None
    while not found:
        found = re.search(r"ws://([^/]+)/", (await process.stderr.readline()).decode())
    rest = asyncio.create_task(process.stderr.read())
    try:
        async with aiohttp.ClientSession(f"http://{found[1]}") as session:
            async with session.put("/json/new") as answer:
                url = (await answer.json())["webSocketDebuggerUrl"]
            async with session.ws_connect(url, max_msg_size=0) as socket:
                tab = Tab(socket)
                for domain in ("Page", "Runtime", "Log", "Network"):
                    await tab.command(f"{domain}.enable")
                yield tab
    finally:
        process.terminate()
        await process.wait()
        await rest
