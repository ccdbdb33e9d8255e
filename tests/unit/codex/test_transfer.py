"""Codex logins as lines of text, ours and those of older tools."""

import base64
import json
import zlib
from pathlib import Path

import pytest

from signedin.accounts import transfer as lines
from signedin.model.errors import AuthRequiredError, InvalidOptionError
from signedin.providers.codex.account.transfer import export_login, import_login

TOKENS = {"id_token": "a.b.c", "access_token": "a.b.d", "refresh_token": "rt_planted_0123456789"}
LOGIN = json.dumps({"OPENAI_API_KEY": None, "tokens": TOKENS}).encode()
KEY_LOGIN = json.dumps({"auth_mode": "apikey", "OPENAI_API_KEY": "sk-planted-0123"}).encode()
CLAUDE_LOGIN = json.dumps({"claudeAiOauth": {"refreshToken": "sk-ant-ort01-planted"}}).encode()


def never() -> str:
    raise AssertionError("nobody must be asked for a passphrase")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "new" / "codex"


@pytest.mark.parametrize("login", [LOGIN, KEY_LOGIN])
@pytest.mark.parametrize("passphrase", ["open sesame", None])
def test_what_is_exported_can_be_imported(
    tmp_path: Path, home: Path, login: bytes, passphrase: str | None
) -> None:
    (tmp_path / "auth.json").write_bytes(login)
    line = export_login(tmp_path, passphrase)
    file = import_login(home, line, lambda: str(passphrase), force=False)
    assert file == home / "auth.json"
    assert file.read_bytes() == login
    assert [path.name for path in home.iterdir()] == ["auth.json"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert home.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "older",
    [
        base64.urlsafe_b64encode(zlib.compress(LOGIN)).decode(),
        base64.urlsafe_b64encode(zlib.compress(LOGIN)).decode().rstrip("=") + "\n",
        base64.b64encode(LOGIN).decode(),
        LOGIN.decode(),
    ],
)
def test_older_forms_can_be_imported(home: Path, older: str) -> None:
    assert import_login(home, older, never, force=False).read_bytes() == LOGIN


def test_a_login_is_replaced_only_by_force(home: Path) -> None:
    import_login(home, KEY_LOGIN.decode(), never, force=False)
    with pytest.raises(InvalidOptionError) as raised:
        import_login(home, LOGIN.decode(), never, force=False)
    file = home / "auth.json"
    assert str(raised.value) == f"{file} has a login already; it is replaced only by force"
    assert file.read_bytes() == KEY_LOGIN
    import_login(home, LOGIN.decode(), never, force=True)
    assert file.read_bytes() == LOGIN


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "hello",
        "{}",
        '{"tokens": {}}',
        LOGIN.decode()[:-9],
        CLAUDE_LOGIN.decode(),
        base64.urlsafe_b64encode(zlib.compress(CLAUDE_LOGIN)).decode(),
        base64.b64encode(b"\xff\xfe").decode(),
    ],
)
def test_what_is_no_login_is_refused(home: Path, line: str) -> None:
    with pytest.raises(InvalidOptionError) as raised:
        import_login(home, line, never, force=True)
    assert str(raised.value) == (
        "this is not a Codex login; give the whole line that was exported, or an auth.json"
    )
    assert not home.exists()


def test_another_providers_line_is_refused(home: Path) -> None:
    with pytest.raises(InvalidOptionError, match=r"^this is a login of claude, not of codex$"):
        import_login(home, lines.write_plain("claude", CLAUDE_LOGIN), never, force=True)
    assert not home.exists()


def test_there_is_nothing_to_export(tmp_path: Path) -> None:
    file = tmp_path / "auth.json"
    with pytest.raises(AuthRequiredError) as raised:
        export_login(tmp_path, None)
    assert str(raised.value) == (
        f"there is no login in {file}: not signed in there, or the login is in a keyring"
    )
    file.write_bytes(LOGIN[:30])
    with pytest.raises(InvalidOptionError) as damaged:
        export_login(tmp_path, None)
    assert str(damaged.value) == f"{file} is not a Codex login"
