"""Programs that signedin is not tested with."""

from pathlib import Path

import pytest

from signedin.providers.base import Installation, ProviderConfig
from signedin.providers.shared.binary import remember_version
from signedin.providers.shared.versions import VersionCheck, age_of, unfit


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program, and a cache of what is known about programs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "agent"
    path.write_text("")
    return path


def check(program: Path) -> VersionCheck:
    """What a new client has."""
    found = Installation(path=program, origin="argument")
    return VersionCheck(
        ProviderConfig(transport="t"), "agent", ("1.2", "1.4"), lambda: found, "get agent"
    )


@pytest.mark.parametrize(
    ("version", "age"),
    [
        ("1.1.9", "older"),
        ("1.2", "tested"),
        ("1.2.0", "tested"),
        ("1.4.99", "tested"),
        ("1.4.0-beta.3", "tested"),
        ("1.5.0", "newer"),
        ("1.10", "newer"),
        ("2", "newer"),
    ],
)
def test_ages(version: str, age: str) -> None:
    assert age_of(version, ("1.2", "1.4")) == age


def test_a_version_is_reported_once_on_a_machine(program: Path) -> None:
    older = (
        "agent 1.1.0 is older than 1.2, the oldest that signedin is tested with; update it with: "
        "get agent"
    )
    newer = (
        "agent 1.5.0 is newer than 1.4, the newest that signedin is tested with; look for an "
        "update of signedin if something does not work"
    )
    assert check(program).notices() == ()  # nobody knows its version yet
    remember_version(program, "1.1.0")
    client = check(program)
    assert (client.notices(), client.notices()) == ((older,), ())
    assert check(program).notices() == ()
    assert check(program).notices("1.5.0") == (newer,)
    assert check(program).notices("1.5.0") == ()
    assert check(program).notices("1.3.0") == ()


def test_a_client_that_learns_the_version_late_reports_it(program: Path) -> None:
    client = check(program)
    assert client.notices() == ()
    remember_version(program, "1.5.0")
    [notice] = client.notices()
    assert notice.startswith("agent 1.5.0 is newer than 1.4")


def test_an_option_that_a_program_does_not_know() -> None:
    error = unfit("claude", "error: unknown option '--effort=low'\n", "get claude")
    assert str(error) == (
        "claude is not installed: this version of it is too old, or too new for this signedin "
        "(error: unknown option '--effort=low'). Install it with: get claude"
    )
    assert unfit("claude", "No conversation found with session ID: x", "get claude") is None
