"""Where isolated logins live."""

import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signedin import InvalidOptionError
from signedin.accounts.homes import (
    account_names,
    cache_folder,
    isolated_home,
    make_missing,
    make_private,
    signedin_home,
)
from signedin.ledger.file import ledger_file
from signedin.providers.shared.binary import known_version, remember_version
from signedin.runtime import ownership
from signedin.runtime.ownership import check_own, check_shared
from signedin.runtime.temporary import TemporaryFolder


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
    assert account_names("codex") == ["home", "work"]
    (isolated_home("codex") / "auth.json").touch()
    assert account_names("codex") == [None, "home", "work"]
    assert account_names("claude") == []


def mode(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


@pytest.fixture(params=[0o000, 0o002, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.mark.usefixtures("umask")
def test_every_folder_is_private_from_its_birth(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = isolated_home("codex", "work")
    monkeypatch.setattr(Path, "chmod", None)  # afterwards is too late
    assert make_private(folder) == folder
    made = [home, home / "codex", home / "codex" / "accounts", folder]
    assert [mode(each) for each in made] == [0o700] * 4


def test_folders_of_ours_that_others_can_read_are_mended(home: Path, tmp_path: Path) -> None:
    folder = isolated_home("codex", "work")
    folder.mkdir(parents=True)
    tmp_path.chmod(0o755)
    made = [home, home / "codex", home / "codex" / "accounts", folder]
    for each in made:
        each.chmod(0o775)
    make_private(folder)
    assert [mode(each) for each in made] == [0o700] * 4
    assert mode(tmp_path) == 0o755  # where the home is, is nothing of ours


def test_elsewhere_only_the_folder_itself_is_changed(tmp_path: Path) -> None:
    above = tmp_path / "a"
    above.mkdir()
    above.chmod(0o755)
    make_private(above / "b" / "c")
    assert [mode(above), mode(above / "b"), mode(above / "b" / "c")] == [0o755, 0o700, 0o700]


def test_missing_folders_are_made_and_others_stay_as_they_are(tmp_path: Path) -> None:
    above = tmp_path / "a"
    above.mkdir()
    above.chmod(0o755)
    make_missing(above)
    make_missing(above / "b")
    assert [mode(above), mode(above / "b")] == [0o755, 0o700]


Given = Callable[[Path], int]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Given:
    """Gives a file or a link to another user, and returns that user's id."""

    def given(path: Path) -> int:
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534, follow_symlinks=False)
        else:
            owner = path.lstat().st_uid
            monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
        return path.lstat().st_uid

    return given


DOORS: dict[str, Callable[[], object]] = {
    "home": signedin_home,
    "login": lambda: isolated_home("codex", "work"),
    "accounts": lambda: account_names("codex"),
    "ledger": ledger_file,
    "made": lambda: make_private(Path(os.environ["SIGNEDIN_HOME"], "codex")),
    "cache": cache_folder,
    "program": lambda: known_version(Path(sys.executable)),
    "temporary": lambda: TemporaryFolder("test"),
}
VARIABLES = {"cache": "XDG_CACHE_HOME", "program": "XDG_CACHE_HOME", "temporary": "TMPDIR"}
REFUSED = "belongs to another user|a link of another user"


@pytest.fixture(params=DOORS)
def door(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[[], object]:
    """One of the doors, whose folder is ``tmp_path / "place"``."""
    variable = VARIABLES.get(request.param, "SIGNEDIN_HOME")
    monkeypatch.setenv(variable, str(tmp_path / "place"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return DOORS[request.param]


@pytest.mark.skipif(os.name != "posix", reason="folders have no owners there")
@pytest.mark.parametrize("kind", ["folder", "link to it", "link of another", "link above"])
def test_what_is_another_users_is_refused(
    door: Callable[[], object], kind: str, given: Given, tmp_path: Path
) -> None:
    place, real = tmp_path / "place", tmp_path / "real"
    if kind == "folder":
        place.mkdir()
        owner = given(place)
    elif kind == "link above":
        (real / "place").mkdir(parents=True)
        place.symlink_to(tmp_path / "between" / "place")
        (tmp_path / "between").symlink_to(real)
        owner = given(tmp_path / "between")
    else:
        real.mkdir()
        place.symlink_to(real)
        owner = given(real if kind == "link to it" else place)
    with pytest.raises(InvalidOptionError, match=REFUSED) as raised:
        door()
    assert f"(id {owner})" in str(raised.value)
    assert list((real if real.exists() else place).rglob("*.json")) == []


def test_a_folder_of_another_user_is_told(home: Path, given: Given) -> None:
    home.mkdir()
    owner = given(home)
    with pytest.raises(InvalidOptionError) as raised:
        isolated_home("codex")
    assert str(raised.value) == (
        f"{home} belongs to another user (id {owner}), who could read the logins in it; remove it, "
        "or set SIGNEDIN_HOME to a folder of your own"
    )


def test_folders_in_the_home_are_looked_at_as_well(home: Path, given: Given) -> None:
    (home / "codex").mkdir(parents=True)
    given(home / "codex")
    with pytest.raises(InvalidOptionError, match="belongs to another user"):
        make_private(home / "codex" / "accounts" / "work")
    assert not (home / "codex" / "accounts").exists()


def test_a_folder_that_another_user_could_replace_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, given: Given, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can have its own folder in that of another user here")
    above = tmp_path / "above"
    (above / "own").mkdir(parents=True)
    given(above)
    for variable, door in {"SIGNEDIN_HOME": signedin_home, "XDG_CACHE_HOME": cache_folder}.items():
        place = above / "own" if variable == "SIGNEDIN_HOME" else above
        monkeypatch.setenv(variable, str(place))
        with pytest.raises(InvalidOptionError, match="could replace what is in it"):
            door()


def test_owners_that_a_user_namespace_does_not_show(
    monkeypatch: pytest.MonkeyPatch, given: Given, tmp_path: Path
) -> None:
    """There ``/tmp`` and the like belong to somebody who cannot be known."""
    given(tmp_path)
    shown = tmp_path / "uid_map"
    shown.write_text(f"{os.geteuid()} {os.geteuid()} 1\n")
    with pytest.raises(InvalidOptionError):
        check_shared(tmp_path, "TMPDIR")
    monkeypatch.setattr(ownership, "_USERS", shown)
    assert check_shared(tmp_path, "TMPDIR") == tmp_path
    with pytest.raises(InvalidOptionError):
        check_own(tmp_path, "SIGNEDIN_HOME")


def test_a_link_that_the_user_has_made_leads_to_a_folder_that_stays_as_it_is(
    home: Path, tmp_path: Path
) -> None:
    dotfiles = tmp_path / "dotfiles" / "signedin"
    dotfiles.mkdir(parents=True)
    dotfiles.chmod(0o755)
    home.symlink_to(dotfiles)
    make_private(isolated_home("codex", "work"))
    assert home.is_symlink()
    assert mode(dotfiles) == 0o755
    assert [mode(each) for each in dotfiles.rglob("*")] == [0o700] * 3
    dotfiles.chmod(0o775)
    with pytest.raises(InvalidOptionError) as raised:
        make_private(isolated_home("codex", "work"))
    assert str(raised.value) == (
        f"{home} is a link to {dotfiles.resolve()}, which other users may write to; run: "
        f"chmod go-w {dotfiles.resolve()}"
    )


def test_a_file_in_the_way(home: Path) -> None:
    home.touch()
    with pytest.raises(OSError, match=str(home)):
        make_private(isolated_home("codex"))


@pytest.mark.parametrize(
    ("platform", "variables", "folder"),
    [
        ("linux", {}, "~/.cache/signedin"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "~/.cache/signedin"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/signedin"),
        ("darwin", {}, "~/Library/Caches/signedin"),
        ("win32", {}, "~/AppData/Local/signedin"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/signedin"),
    ],
)
def test_caches_are_where_the_system_has_them(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], folder: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.delenv("XDG_CACHE_HOME")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == Path(folder).expanduser()


@pytest.mark.usefixtures("umask")
def test_versions_of_programs_are_kept_privately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "program"
    program.touch()
    remember_version(program, "1.2.3")
    assert known_version(program) == "1.2.3"
    kept = tmp_path / "cache" / "signedin"
    modes = [mode(kept.parent), mode(kept), *(mode(file) for file in kept.iterdir())]
    assert modes == [0o700, 0o700, 0o600]


def test_links_that_lead_in_a_circle_are_not_followed_for_ever(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(FileExistsError) as caught:
        make_private(check_own(tmp_path / "one" / "home", "SIGNEDIN_HOME"))
    assert caught.value.filename == str(tmp_path / "one")
