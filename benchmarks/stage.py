"""What all contestants share: a loopback model in a process of its own, Codex, and the peers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers

PROGRAMS = Path(__file__).with_name("programs")

_CONFIG = """\
model = "gpt-5.5"
model_provider = "loopback"
check_for_update_on_startup = false
analytics.enabled = false
features.plugins = false
features.shell_snapshot = false
features.unbounded_connection_retries = false

[model_providers.loopback]
name = "loopback"
base_url = "{url}/v1"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
"""

_KEPT_OUT = (
    "CODEX_ACCESS_TOKEN",
    "CODEX_API_KEY",
    "OPENAI_API_KEY",
    # Byte code that is compiled anew at every start would be most of what is measured.
    "PYTHONDONTWRITEBYTECODE",
)


class Stage(NamedTuple):
    """Where a measurement takes place.

    Attributes:
        url: Address of the loopback model.
        codex: The native Codex program, the same for all.
        ours: The interpreter that has signedin.
        folder: Holds the contestants' homes.
        cwd: An empty folder to work in.
    """

    url: str
    codex: Path
    ours: Path
    folder: Path
    cwd: Path

    @property
    def peers(self) -> Path:
        """The interpreter that has the peers."""
        return peers.python()

    def environment(self, name: str) -> dict[str, str]:
        """A contestant's environment: a home of its own whose configuration is everybody's."""
        home = self.folder / name
        if not home.exists():
            home.mkdir(mode=0o700)
            (home / "config.toml").write_text(_CONFIG.format(url=self.url), encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if name not in _KEPT_OUT}
        return {
            **inherited,
            "CODEX_HOME": str(home),
            "OAUTHPY_CODEX_BINARY": str(self.codex),
            "SIGNEDIN_CODEX_BINARY": str(self.codex),
            "SIGNEDIN_HOME": str(self.folder / "signedin-home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_STATE_HOME": str(self.folder / "state"),
        }


@contextmanager
def stage(codex: Path) -> Generator[Stage, None, None]:
    """Sets the stage up and clears it away."""
    with (
        tempfile.TemporaryDirectory(prefix="signedin-bench-", ignore_cleanup_errors=True) as folder,
        _loopback_model() as url,
    ):
        cwd = Path(folder, "empty")
        cwd.mkdir()
        yield Stage(url, codex, Path(sys.executable), Path(folder), cwd)


@contextmanager
def _loopback_model() -> Generator[str, None, None]:
    command = [sys.executable, "-m", "benchmarks.loopback_model"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        url = server.stdout.readline().strip()
        if not url:
            raise SystemExit("the loopback model did not start")
        yield url
        server.stdin.close()
