"""Installs Chromium, in which the tests of signing in and of pages are run.

    python scripts/install_browser.py

Nothing is done where there is one. Where it cannot be installed (no apt-get, not root), the reason
is printed; that is an error only if the environment has CI=true, because there the tests in a
browser must not be left out.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
PACKAGE = "chromium"
SECONDS = 300
OPTIONS = ("-qq", "-o", "Acquire::Retries=1", "-o", "Acquire::http::Timeout=30")


def main() -> int:
    """Installs; the exit code is 1 if there is no browser though there must be one."""
    if any(map(shutil.which, NAMES)):
        return 0
    apt_get = shutil.which("apt-get")
    if apt_get is None:
        return unavailable("apt-get is not on PATH; install Chromium in your system's way")
    if os.geteuid() != 0:
        return unavailable(f"only root may install it; run: sudo apt-get install {PACKAGE}")
    return unavailable(reason) if (reason := install(apt_get)) else 0


def install(apt_get: str) -> str:
    """Installs the package; returns why it could not be, else nothing."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    # The list of packages may be older than the packages on the server.
    for words in (["update"], ["install", "-y", "--no-install-recommends", PACKAGE]):
        try:
            done = subprocess.run(
                [apt_get, *OPTIONS, *words],
                capture_output=True,
                text=True,
                check=False,
                env=environment,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired:
            return f"apt-get {words[0]} did not end within {SECONDS} s"
        if done.returncode != 0:
            return f"apt-get {words[0]} failed:\n{done.stderr.strip()}"
    print(f"installed {PACKAGE}")
    return ""


def unavailable(reason: str) -> int:
    """Says what is missing; returns the exit code."""
    print(f"There is no Chromium: {reason}\nThe tests in a browser are left out.", file=sys.stderr)
    return 1 if os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())
