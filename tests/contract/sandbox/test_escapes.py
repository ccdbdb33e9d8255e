"""Attempts to get out of the sandbox: with it none gets through, without it all of them do."""

import json
import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal, NamedTuple

import pytest

from signedin import Client, CommandEvent, allow
from signedin.loopback import Shell
from signedin.providers.registry import load_provider
from support.folders import outside_of_sandboxes
from support.rows import WITH_COPILOT, Row
from support.stage import Stage
from support.turns import checked, of_type

ATTEMPTS = Path(__file__).parent / "attempts.py"
Level = Literal["read-only", "workspace-write", "off"]

ALL = frozenset(
    line.split()[1].partition("(")[0]
    for line in ATTEMPTS.read_text().splitlines()
    if line.startswith("def ") and "main" not in line
)

OF_ROOT = {"open_a_setting_of_the_kernel"}
"""What only root can do without a sandbox, and in Codex's."""

TO_ROOT = OF_ROOT if os.geteuid() == 0 else set()
READS = {"read_a_key", "list_the_keys", "read_the_login_of_another_agent"}
OPEN = {
    ("signedin", "read-only"): {"connect_to_the_network"},
    ("signedin", "workspace-write"): {"connect_to_the_network", "write_in_the_project"},
    ("agent", "read-only"): READS | TO_ROOT,
    ("agent", "workspace-write"): {
        *READS,
        *TO_ROOT,
        "write_a_hook_of_a_repository_below",
        "replace_the_link_of_a_submodule",
        "write_in_the_project",
        "write_in_the_temporary_folder",
        "write_the_settings_of_the_agent",  # its home is in /tmp here
    },
}
"""What each sandbox leaves open: signedin's the network, over which the agent asks the model; that
of Codex all reading, the temporary folders, repositories below the project, and what is root's."""


class Scene(NamedTuple):
    """What is there to be reached."""

    work: Path
    out: Path
    home: Path
    victim: int
    stranger: int
    listener: socket.socket


@pytest.fixture(scope="session")
def daemon() -> Iterator[Path]:
    """A folder with sockets that somebody listens on, as long as other tests make sandboxes.

    One that goes away in the moment when a sandbox is made stops that, here as anywhere.
    """
    with (
        outside_of_sandboxes() as folder,
        socket.socket(socket.AF_UNIX) as listening,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal,
    ):
        listening.bind(str(folder / "daemon.sock"))
        listening.listen()
        journal.bind(str(folder / "journal.sock"))
        yield folder


@pytest.fixture
def scene(daemon: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A project, things beside it, a home with keys, and processes that go on."""
    with ExitStack() as ends:
        base = ends.enter_context(outside_of_sandboxes())
        work, out, home = base / "work", base / "out", base / "home"
        _furnish(work, out, home)
        monkeypatch.setenv("HOME", str(home))
        victim = ends.enter_context(_running([], out))
        stranger = ends.enter_context(_running(_AS_ANOTHER, out))
        for name in ("daemon.sock", "journal.sock"):
            (out / name).symlink_to(daemon / name)
        listener = ends.enter_context(socket.create_server(("127.0.0.1", 0)))
        yield Scene(work, out, home, victim, stranger, listener)
        with suppress(FileNotFoundError):
            Path("/tmp", f"{out.name}-tmp").unlink()


_AS_ANOTHER = ["setpriv", "--reuid", "65534", "--clear-groups"] if os.geteuid() == 0 else []


class _running:  # noqa: N801 - reads as a function
    def __init__(self, prefix: list[str], cwd: Path) -> None:
        command = [*prefix, "sleep", "600"]
        self.process = subprocess.Popen(command, cwd=cwd, env={**os.environ, "SECRET": "planted"})

    def __enter__(self) -> int:
        return self.process.pid

    def __exit__(self, *ended: object) -> None:
        self.process.kill()
        self.process.wait()


def _furnish(work: Path, out: Path, home: Path) -> None:
    for folder in (work, out, home / ".ssh", home / ".codex"):
        folder.mkdir(parents=True)
    out.chmod(0o755)
    for name in ("precious", "deleted", "moved"):
        (out / name).write_text("mine")
    (home / ".ssh" / "id_ed25519").write_text("key")
    (home / ".codex" / "auth.json").write_text("login")
    (work / "link").symlink_to(out)
    subprocess.run(["git", "init", "-q", str(work)], check=True)
    subprocess.run(["git", "init", "-q", str(work / "src" / "below")], check=True)
    for repository in (work, work / "src" / "below"):
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
    (work / "module").mkdir()
    (work / "module" / ".git").write_text("gitdir: ../.git/modules/module")


def reached(row: Row, level: Level, scene: Scene) -> set[str]:
    """Has an agent try everything; returns what got through."""
    capabilities = load_provider(row.provider).transports[row.transport]
    keywords = {"permissions": "full-access" if level == "off" else level}
    if capabilities.sandbox == "signedin":
        keywords["sandbox"] = level
    if capabilities.approvals:
        keywords["on_approval"] = lambda _: allow
    else:
        keywords["permissions"] = (
            keywords["permissions"] if row.provider == "codex" else "full-access"
        )
    with Stage(row.provider) as stage:
        settings = _settings(stage)
        words = [sys.executable, ATTEMPTS, *scene[:5], scene.listener.getsockname()[1], settings]
        stage.play(Shell(shlex.join(map(str, words))), "Tried.")
        with Client(
            row.provider,
            transport=row.transport,
            binary=row.binary,
            cwd=scene.work,
            trust_project=row.trusts,
            **stage.options,
        ) as client:
            result = checked(client.run("Try.", **keywords))
    return _report(scene.listener, of_type(result.events, CommandEvent))


def _settings(stage: Stage) -> Path:
    """A file that says what the agent runs, in the home that the stage has made."""
    env = stage.options["env"]
    for name in ("CODEX_HOME", "GEMINI_CLI_HOME", "HOME"):
        if home := env.get(name):
            break
    for place in (".gemini/settings.json", ".qwen/settings.json"):
        if Path(home, place).exists():
            return Path(home, place)
    folder = Path(env["XDG_CONFIG_HOME"], "opencode") if "XDG_CONFIG_HOME" in env else Path(home)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / ("opencode.json" if "XDG_CONFIG_HOME" in env else "config.toml")
    if not file.exists():
        file.write_text("{}" if file.suffix == ".json" else "")
    return file


def _report(listener: socket.socket, commands: list[CommandEvent]) -> set[str]:
    said = [event.output or "" for event in commands if "done" in (event.output or "")]
    listener.settimeout(5)
    while not said:
        connection, _ = listener.accept()
        with connection, connection.makefile() as file:
            said = [each for each in [file.read()] if each]
    # What a shell or a sandbox may say, before and after, is in the output as well.
    report, _ = json.JSONDecoder().raw_decode(said[-1], said[-1].index("{"))
    return set(report["done"])


CONFINED = [
    row for row in WITH_COPILOT if load_provider(row.provider).transports[row.transport].sandboxed
]


@pytest.mark.parametrize("level", ["read-only", "workspace-write"])
@pytest.mark.parametrize("row", CONFINED, ids=lambda row: row.name)
def test_nothing_gets_out(row: Row, level: Level, scene: Scene) -> None:
    """Nothing but that qwen stores the model it was set to among its settings."""
    capabilities = load_provider(row.provider).transports[row.transport]
    stored = {"write_the_settings_of_the_agent"} if row.agent == "qwen" else set()
    assert reached(row, level, scene) == OPEN[capabilities.sandbox, level] | stored
    untouched = {name: (scene.out / name).read_text() for name in ("precious", "deleted", "moved")}
    assert untouched == dict.fromkeys(untouched, "mine")


@pytest.mark.slow  # says that the attempts work, nothing of signedin
@pytest.mark.parametrize("row", CONFINED, ids=lambda row: row.name)
def test_without_it_all_do(row: Row, scene: Scene) -> None:
    assert ALL - reached(row, "off", scene) == OF_ROOT - TO_ROOT
