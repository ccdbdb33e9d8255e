"""Clients of several real agents, each with a scripted model of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from signedin.providers.fallback.used_up import used_up_file
from support.folders import outside_of_sandboxes
from support.troupe import Troupe


@pytest.fixture(scope="module")
def troupe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Troupe]:
    """The agents of a module."""
    with outside_of_sandboxes() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SIGNEDIN_HOME", str(tmp_path_factory.mktemp("home") / "signedin"))
        patch.setenv("IS_SANDBOX", "1")
        used_up_file().parent.mkdir()
        troupe = Troupe(folder)
        try:
            yield troupe
        finally:
            troupe.close()


@pytest.fixture(autouse=True)
def nothing_used_up(troupe: Troupe) -> Iterator[None]:
    """Forgets which plans the test before has used up."""
    used_up_file().unlink(missing_ok=True)
    yield


@pytest.fixture
def log(troupe: Troupe) -> Iterator[Path]:
    """A file that agents append to."""
    path = troupe.cwd / "log.txt"
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)
