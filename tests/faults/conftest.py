"""Things to break, and things that are broken."""

import shlex
import sys
from pathlib import Path

import pytest

from support.stage import stage_of

stage = stage_of("codex")


@pytest.fixture(scope="module")
def fake_codex(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program in the place of Codex; see `fake_codex.py` for what it does."""
    script = Path(__file__).with_name("fake_codex.py")
    program = tmp_path_factory.mktemp("fake") / "codex"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(str(script))} "$@"\n'
    )
    program.chmod(0o700)
    return program
