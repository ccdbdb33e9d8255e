"""Who is signed in may take long to find out while other tests keep the machine busy."""

import pytest

from signedin.accounts import status
from signedin.providers.claude import auth


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits longer for programs that report it; `faults/test_status_hangs.py` tests the limit."""
    monkeypatch.setattr(status, "STATUS_SECONDS", 60.0)
    monkeypatch.setattr(auth, "STATUS_SECONDS", 60.0)
