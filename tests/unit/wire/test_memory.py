"""How much memory a process takes."""

import os
import sys

import pytest

from signedin.wire.process import resident_bytes


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells it in /proc")
def test_memory_of_a_process() -> None:
    assert 5 << 20 < (resident_bytes(os.getpid()) or 0) < 1 << 32


def test_of_no_process_nothing_is_known() -> None:
    assert resident_bytes(1 << 30) is None
