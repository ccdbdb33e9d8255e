"""What tests of the program in this process need."""

import pytest


@pytest.fixture
def own_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keeps the end of the program from silencing the standard output of the tests."""
    monkeypatch.setattr("signedin.cli.app.silence_stdout", lambda: None)
    monkeypatch.setattr("signedin.cli.app.open_streams", lambda: None)
    monkeypatch.setattr("signedin.cli.app.exit_on_termination", lambda: None)
