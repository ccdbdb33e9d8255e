"""The real Codex against a scripted model."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from signedin import Client
from support.folders import outside_of_sandboxes
from support.stage import Stage, stage_of

stage = stage_of("codex")


@pytest.fixture
def client(stage: Stage) -> Client:
    """A warm client."""
    return stage.warm()


@pytest.fixture
def run_in_threads() -> Callable[[Sequence[Callable[[], object]]], list[object]]:
    """Runs functions at the same time and returns what they return, in their order."""

    def run(functions: Sequence[Callable[[], object]]) -> list[object]:
        with ThreadPoolExecutor(len(functions)) as pool:
            return [future.result() for future in [pool.submit(f) for f in functions]]

    return run


@pytest.fixture
def outside_of_tmp() -> Iterator[Path]:
    """A folder that no sandbox lets the agent write to; temporary ones are always writable."""
    with outside_of_sandboxes() as folder:
        yield folder
