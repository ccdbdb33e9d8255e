"""A login as a line of text."""

import base64
import zlib

import pytest
from hypothesis import given, strategies as st

from signedin.accounts import transfer
from signedin.model.errors import AuthRequiredError, InvalidOptionError

LOGIN = b'{"tokens":{"refresh_token":"rt_planted_secret_0123456789"}}'
DAMAGED = r"^the login is damaged: it is not the whole line that was exported$"


def never() -> str:
    raise AssertionError("nobody must be asked for a passphrase")


def test_a_sealed_line_opens_with_its_passphrase_only() -> None:
    line = transfer.seal("codex", LOGIN, "häkchen und mehr")
    assert line.startswith("signedin-login-1.codex.")
    assert "\n" not in line
    assert transfer.read_line("codex", f"  {line}\n", lambda: "häkchen und mehr") == LOGIN
    with pytest.raises(AuthRequiredError) as raised:
        transfer.read_line("codex", line, lambda: "haekchen")
    assert str(raised.value) == (
        "the login cannot be opened: the passphrase is wrong, or the line was changed"
    )


def test_sealing_twice_gives_different_lines_that_do_not_show_the_login() -> None:
    lines = [transfer.seal("codex", LOGIN, "pass") for _ in range(2)]
    assert lines[0] != lines[1]
    for line in lines:
        data = transfer.decode_base64(line.rpartition(".")[2])
        assert data is not None
        assert b"rt_planted" not in data
        assert zlib.compress(LOGIN) not in data


def test_a_sealed_line_belongs_to_its_provider() -> None:
    line = transfer.seal("codex", LOGIN, "pass")
    with pytest.raises(InvalidOptionError, match=r"^this is a login of codex, not of claude$"):
        transfer.read_line("claude", line, never)
    forged = line.replace(".codex.", ".claude.")
    with pytest.raises(AuthRequiredError, match="the line was changed"):
        transfer.read_line("claude", forged, lambda: "pass")


def test_a_plain_line_needs_no_passphrase() -> None:
    line = transfer.write_plain("codex", LOGIN)
    assert line.startswith("signedin-login-plain-1.codex.")
    assert transfer.read_line("codex", line, never) == LOGIN
    with pytest.raises(InvalidOptionError, match=r"^this is a login of codex, not of gemini$"):
        transfer.read_line("gemini", line, never)


def test_an_empty_passphrase_is_refused() -> None:
    with pytest.raises(InvalidOptionError, match="the passphrase is empty"):
        transfer.seal("codex", LOGIN, "")


@pytest.mark.parametrize("keep", [40, 50, 60])
def test_a_cut_line_is_damaged(keep: int) -> None:
    sealed = transfer.seal("codex", LOGIN, "pass")
    with pytest.raises((InvalidOptionError, AuthRequiredError)):
        transfer.read_line("codex", sealed[:keep], lambda: "pass")
    plain = transfer.write_plain("codex", LOGIN)
    with pytest.raises(InvalidOptionError, match=DAMAGED):
        transfer.read_line("codex", plain[:keep] + "*", never)
    with pytest.raises(InvalidOptionError, match=DAMAGED):
        transfer.read_line("codex", plain[:-8], never)


def test_a_line_that_would_fill_the_memory_is_refused() -> None:
    huge = transfer.write_plain("codex", bytes(transfer.LARGEST_LOGIN + 1))
    with pytest.raises(InvalidOptionError, match=DAMAGED):
        transfer.read_line("codex", huge, never)


@given(st.text())
def test_any_other_text_is_none_of_ours(text: str) -> None:
    assert transfer.read_line("codex", f"x{text}", never) is None


@given(st.binary(max_size=200))
def test_base64_in_every_spelling(data: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(data).decode()
        assert transfer.decode_base64(text) == data
        assert transfer.decode_base64(text.rstrip("=")) == data
        assert transfer.decode_base64("\n".join(text)) == data
