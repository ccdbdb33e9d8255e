"""What all tests share: nothing of the machine's own accounts and caches is read or written, and
no test makes signedin log a secret."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from hypothesis import settings

from signedin.loopback import LoopbackIssuer
from signedin.model.redact import redact
from signedin.providers.shared.environment import vendor_variables

CANARY = "sk-canary-0123456789"
"""A key in the environment of every test."""

settings.register_profile("signedin", deadline=None)  # a busy machine is no mistake of ours
settings.load_profile("signedin")


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
        patch.delenv("CODEX_HOME", raising=False)
        for variables in vendor_variables().values():
            for name in variables.credentials:
                patch.delenv(name, raising=False)
        patch.setenv("CANARY_API_KEY", CANARY)
        yield
    ours = [home / "cache" / "signedin", home / "signedin" / "chatgpt"]
    kept = [path for folder in ours for path in folder.rglob("*") if path.is_file()]
    assert [path for path in kept if CANARY.encode() in path.read_bytes()] == []


@pytest.fixture
def login_ports() -> Iterator[None]:
    """Keeps the ports that Codex signs in at for one test of all that run on this machine.

    A Codex that begins to sign in has the one that waits at its port give up: "Login cancelled".
    """
    with FileLock(Path(tempfile.gettempdir()) / "signedin-tests-login-ports.lock"):
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


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tries a test of a vendor's program once more if it fails, see docs/decisions/006.

    Keeps the tests of a file in one process, which shares its agents; unless they say otherwise.
    """
    for item in items:
        path = Path(item.path).relative_to(item.config.rootpath)
        if {"contract", "faults"} & set(path.parts):
            item.add_marker(pytest.mark.flaky(reruns=1))
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(str(path)))
