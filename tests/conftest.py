"""What all tests share: nothing of the machine's own accounts and caches is read or written."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.accounts.environment import CREDENTIALS


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
        for names in CREDENTIALS.values():
            for name in names:
                if name in os.environ:
                    patch.delenv(name)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tries a test of a vendor's program once more if it fails; see docs/decisions/006."""
    for item in items:
        if {"contract", "faults"} & set(Path(item.path).relative_to(item.config.rootpath).parts):
            item.add_marker(pytest.mark.flaky(reruns=1))
