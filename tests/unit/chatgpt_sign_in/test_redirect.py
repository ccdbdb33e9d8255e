"""The address a browser comes back to."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given, strategies as st

from signedin.providers.chatgpt.sign_in.pages import HEADERS, SIGNED_IN, not_signed_in
from signedin.providers.chatgpt.sign_in.redirect import NotOursError, Redirect, read_redirect

STATE = "the-state-that-was-sent"
AT = "http://127.0.0.1:1455/auth/callback"


def address(**query: str) -> str:
    return f"{AT}?{urlencode(query)}"


def test_a_code_is_taken_from_the_whole_address_or_its_path() -> None:
    expected = Redirect(code="abc", client_id="oaiapp_1")
    whole = address(code="abc", state=STATE, client_id="oaiapp_1")
    assert read_redirect(whole, STATE) == expected
    assert read_redirect(f"  {whole}\n", STATE) == expected
    assert read_redirect(whole.removeprefix("http://127.0.0.1:1455"), STATE) == expected


@pytest.mark.parametrize(
    "strange",
    [
        "",
        AT,
        address(code="abc"),
        address(code="abc", state=""),
        address(code="abc", state="another"),
        address(code="abc", state=STATE[:-1]),
        address(code="abc", state=f"{STATE} "),
        address(code="abc", state="ünïcode"),
        address(error="access_denied"),
        address(error="access_denied", state="another"),
        address(state=STATE),
        address(code="", state=STATE),
        address(code="abc", state=STATE) + "&code=def",
        f"{address(code='abc', state='another')}&state={STATE}",
        f"{address(code='abc', state=STATE)}{'&a=b' * 50}",
        "http://[/auth/callback?state=" + STATE,
    ],
)
def test_anything_else_is_not_ours_whatever_it_says(strange: str) -> None:
    with pytest.raises(NotOursError) as caught:
        read_redirect(strange, STATE)
    assert STATE not in str(caught.value)


@given(st.text(), st.text(min_size=1))
def test_no_address_is_too_strange(text: str, state: str) -> None:
    with suppress(NotOursError):
        assert isinstance(read_redirect(text, state), Redirect)


def test_a_refusal_is_told_in_one_line_that_a_terminal_can_show() -> None:
    redirect = read_redirect(
        address(
            error="access_denied", error_description="No\x1b[2J\nway " + "x" * 900, state=STATE
        ),
        STATE,
    )
    assert redirect.error == "access_denied"
    assert redirect.refusal.startswith("access_denied: No [2J way xxx")
    assert len(redirect.refusal) == 300


def test_a_workspace_without_codex_is_told_what_to_do() -> None:
    redirect = read_redirect(
        address(error="access_denied", error_description="missing_codex_entitlement", state=STATE),
        STATE,
    )
    assert redirect.refusal == "Codex is not enabled for this workspace; ask its administrator"


def test_no_text_form_shows_a_code() -> None:
    assert "abc" not in repr(read_redirect(address(code="abc", state=STATE), STATE))


def test_pages_run_nothing_and_keep_nothing() -> None:
    page = not_signed_in("<script>alert('1')</script>")
    assert page.status == 200
    assert b"<script" not in page.body()
    assert b"&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;" in page.body()
    assert HEADERS == {
        "Content-Type": "text/html; charset=utf-8",
        "Connection": "close",
        "Cache-Control": "no-store",
        "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    assert SIGNED_IN.body().count(b"http") == 0
