"""What all contestants share: a loopback model in a process of its own, the agents, the peers."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks import peers
from signedin.loopback.clients import CLIENTS

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
    "CLAUDECODE",
    "CODEX_ACCESS_TOKEN",
    "CODEX_API_KEY",
    "OPENAI_API_KEY",
    # Byte code that is compiled anew at every start would be most of what is measured.
    "PYTHONDONTWRITEBYTECODE",
)

_ALIKE: Mapping[str, Mapping[str, str]] = {
    # Otherwise Claude Code talks to its vendor at every start; signedin sets it by itself.
    "claude": {"CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"},
    # Without it headless Gemini refuses to work in a folder it has not seen.
    "gemini": {"GEMINI_CLI_TRUST_WORKSPACE": "true"},
}
"""What every contestant gets, so that all do the same work."""


class Stage(NamedTuple):
    """Where a measurement takes place.

    Attributes:
        url: Address of the loopback model.
        agents: The agents' programs by provider, the same for all.
        ours: The interpreter that has signedin.
        folder: Holds the contestants' homes.
        cwd: An empty folder to work in.
    """

    url: str
    agents: Mapping[str, Path]
    ours: Path
    folder: Path
    cwd: Path

    @property
    def peers(self) -> Path:
        """The interpreter that has the peers."""
        return peers.python()

    def environment(self, name: str, provider: str = "codex") -> dict[str, str]:
        """A contestant's environment: a home of its own whose configuration is everybody's."""
        home = self.folder / name
        home.mkdir(mode=0o700, exist_ok=True)
        agent = self.agents[provider]
        changes: dict[str, str | None] = {
            **dict.fromkeys(_KEPT_OUT),
            **dict.fromkeys(name for name in os.environ if name.startswith("CLAUDE_")),
            f"OAUTHPY_{provider.upper()}_BINARY": str(agent),
            f"SIGNEDIN_{provider.upper()}_BINARY": str(agent),
            # For those that cannot be told where it is.
            "PATH": f"{agent.parent}{os.pathsep}{os.environ['PATH']}",
            "SIGNEDIN_HOME": str(self.folder / "signedin-home"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_STATE_HOME": str(self.folder / "state"),
            **_ALIKE.get(provider, {}),
            **self._variables(provider, home),
        }
        merged = {**os.environ, **changes}
        return {name: value for name, value in merged.items() if value is not None}

    def _variables(self, provider: str, home: Path) -> Mapping[str, str | None]:
        """Has an agent ask the loopback model."""
        if provider != "codex":
            return CLIENTS[provider](self.url, home)["env"]
        # Contestants that start Codex themselves have no command line to configure it with.
        (home / "config.toml").write_text(_CONFIG.format(url=self.url), encoding="utf-8")
        return {"CODEX_HOME": str(home)}


@contextmanager
def stage(agents: Mapping[str, Path]) -> Generator[Stage, None, None]:
    """Sets the stage up and clears it away."""
    with (
        tempfile.TemporaryDirectory(prefix="signedin-bench-", ignore_cleanup_errors=True) as folder,
        _loopback_model() as url,
    ):
        cwd = Path(folder, "empty")
        cwd.mkdir()
        yield Stage(url, agents, Path(sys.executable), Path(folder), cwd)


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
