"""What all tests share: nothing depends on who started them, nothing of the machine's own accounts
and caches is read or written, and no test makes signedin log a secret."""

import getpass
import logging
import os
import re
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings
from hypothesis.configuration import set_hypothesis_home_dir
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from signedin.loopback import LoopbackIssuer
from signedin.model.redact import redact
from signedin.providers.shared.environment import vendor_variables
from support.rows import WITH_COPILOT
from support.tiers import tier_of

pytest_plugins = ["support.costs"]

CANARY = "sk-canary-0123456789"
"""A key in the environment of every test."""

if not os.access(Path(__file__).parents[1], os.W_OK):  # else hypothesis warns
    set_hypothesis_home_dir(tempfile.mkdtemp())
settings.register_profile("signedin", deadline=None)  # a busy machine is no mistake of ours
settings.load_profile("signedin")


def start_as_from_a_terminal() -> None:
    """Undoes what a background job, a script or a supervisor hands down to all it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("SIGCHLD", "SIGHUP", "SIGQUIT", "SIGTERM", "SIGTSTP", "SIGTTIN", "SIGTTOU"):
        signal.signal(signal.Signals[name], signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.umask(0o022)
    if (nothing := os.open(os.devnull, os.O_RDWR)) != 0:  # 0 if it was closed
        os.dup2(nothing, 0)
        os.close(nothing)
    os.set_inheritable(0, True)
    if sys.__stdin__ is None:  # pytest's stand-in asks it for its encoding
        sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


start_as_from_a_terminal()
sys.dont_write_bytecode = False  # else each run rewrites and compiles all tests anew


def pytest_xdist_auto_num_workers() -> int:
    """Returns twice the number of processors: half of the time tests wait for programs."""
    return 2 * (os.cpu_count() or 1)


@pytest.hookimpl(tryfirst=True)  # before tests are left out by their markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks what only `make test-all` runs."""
    for item in items:
        if (tier := tier_of(item.nodeid)) != "live":
            item.add_marker(tier)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped for each reason; by test it would be hundreds of lines."""
    skipped = terminalreporter.stats.get("skipped", [])
    for reason, count in Counter(report.longrepr[2] for report in skipped).most_common():
        terminalreporter.write_line(f"{count} tests: {reason}")


_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_OF_THE_STARTER = (
    "CODEX_HOME",
    "LC_ALL",
    "LC_CTYPE",
    "NO_COLOR",
    "FORCE_COLOR",
    *_PROXIES,
    *map(str.lower, _PROXIES),
    # Else each of the many programs that tests start compiles signedin anew.
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
)
"""Variables of whoever starts the tests that no test may depend on."""


@pytest.fixture(scope="session", autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps signedin's folders in a temporary one, and credentials out of the environment."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        # Agents run commands in login shells, whose start-up files would print into their output.
        (home / "user").mkdir()
        patch.setenv("HOME", str(home / "user"))
        patch.setenv("SIGNEDIN_HOME", str(home / "signedin"))
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        (home / "config.toml").touch()
        patch.setenv("SIGNEDIN_CONFIG", str(home / "config.toml"))
        for name in _OF_THE_STARTER:
            patch.delenv(name, raising=False)
        patch.setenv("LANG", "C.UTF-8")
        for variables in vendor_variables().values():
            for name in variables.credentials:
                patch.delenv(name, raising=False)
        patch.setenv("CANARY_API_KEY", CANARY)
        patch.setenv("PATH", str(Path(__file__).parent / "support" / "bin"), prepend=os.pathsep)
        # As in an activated environment: messages name our program as it is found.
        patch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)
        yield
    ours = [home / "cache" / "signedin", home / "signedin" / "chatgpt"]
    kept = [path for folder in ours for path in folder.rglob("*") if path.is_file()]
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


@pytest.fixture
def login_ports() -> Iterator[None]:
    """Keeps the ports that Codex signs in at for one test of all that this user runs.

    A Codex that begins to sign in has the one that waits at its port give up: "Login cancelled".
    """
    # Nobody may lock what belongs to another user in a folder that all share.
    name = f"signedin-tests-login-ports-{getpass.getuser()}.lock"
    lock = FileLock(Path(tempfile.gettempdir()) / name)
    # Looked at often: whoever has it takes it again for the next test, after some milliseconds.
    with lock.acquire(poll_interval=0.005):
        yield


class _Suspicions(logging.Handler):
    """Keeps what is logged and looks like a secret."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += str(record.exc_info[1])
        if redact(text) != text:
            self.found.append(text)


@pytest.fixture(scope="session")
def suspicions() -> Iterator[list[str]]:
    """What any test has made signedin log that looks like a secret, such as the canary."""
    handler = _Suspicions()
    logging.getLogger("signedin").addHandler(handler)
    yield handler.found
    logging.getLogger("signedin").removeHandler(handler)


@pytest.fixture(autouse=True)
def nothing_secret_is_logged(suspicions: list[str]) -> Iterator[None]:
    """Fails the test during which it was."""
    yield
    found = suspicions.copy()
    suspicions.clear()
    assert found == []


@pytest.fixture
def issuer() -> Iterator[LoopbackIssuer]:
    """An issuer of logins on this machine."""
    with LoopbackIssuer() as issuer:
        yield issuer


class _Groups(LoadScopeScheduling):
    """Keeps the tests of a file in one process, which shares their agents; those of a way to drive
    an agent, where the file has tests of several.

    Stands in for ``--dist loadgroup``, which has no effect with pytest 9.2 (pytest-xdist#1386).
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if file.startswith("tests/packaging/"):  # all of them share a wheel
            return "tests/packaging"
        row = _ROW.search(test)
        return f"{file} {row[1]}" if row else file


_ROW = re.compile(rf"[\[-]({'|'.join(re.escape(row.name) for row in WITH_COPILOT)})[\]-]")


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Groups:
    """Decides which tests run side by side."""
    return _Groups(config, log)
