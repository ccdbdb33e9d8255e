"""Who is signed in may take long to find out while other tests keep the machine busy."""

from collections.abc import Iterator

import pytest

from signedin.accounts import status
from signedin.providers.claude import auth


@pytest.fixture(scope="package", autouse=True)
def patient() -> Iterator[None]:
    """Waits longer for programs that report it; `faults/test_status_hangs.py` tests the limit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(status, "STATUS_SECONDS", 60.0)
        patch.setattr(auth, "STATUS_SECONDS", 60.0)
        yield
