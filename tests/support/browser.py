"""A headless Chromium, and what it makes of a page."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

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
