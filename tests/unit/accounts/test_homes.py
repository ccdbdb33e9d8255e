"""Where isolated logins live."""

import stat
from pathlib import Path

import pytest

from signedin import InvalidOptionError
from signedin.accounts.homes import (
    account_names,
    isolated_home,
    make_private,
    signedin_home,
)


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SIGNEDIN_HOME", str(tmp_path / "own"))
    return tmp_path / "own"


def test_signedin_home(home: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert signedin_home() == home
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SIGNEDIN_HOME", "~/elsewhere")
    assert signedin_home() == tmp_path / "elsewhere"
    monkeypatch.setenv("SIGNEDIN_HOME", "")
    assert signedin_home() == tmp_path / ".signedin"
    monkeypatch.delenv("SIGNEDIN_HOME")
    assert signedin_home() == tmp_path / ".signedin"
    assert list(tmp_path.iterdir()) == []


def test_isolated_home(home: Path) -> None:
    assert isolated_home("codex") == home / "codex"
    assert isolated_home("codex", "work") == home / "codex" / "accounts" / "work"
    assert isolated_home("codex", "me@example.com") == home / "codex/accounts/me@example.com"


@pytest.mark.parametrize(
    "account", ["", ".", "..", "a/b", "../x", "/etc", "-x", ".hidden", "a b", "a\n", "x" * 65, "ä"]
)
def test_names_that_are_no_folder(account: str) -> None:
    with pytest.raises(InvalidOptionError, match="must consist of letters, digits"):
        isolated_home("codex", account)


def test_names_of_accounts() -> None:
    assert account_names("codex") == []
    for account in (None, "work", "home"):
        make_private(isolated_home("codex", account))
    (isolated_home("codex") / "accounts" / "file").touch()
    assert account_names("codex") == [None, "home", "work"]
    assert account_names("claude") == []


def test_make_private(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert make_private(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o755)
    make_private(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
