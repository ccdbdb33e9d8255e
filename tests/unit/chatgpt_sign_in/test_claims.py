"""What tokens tell of an account."""

import base64

import msgspec
import pytest
from hypothesis import given, strategies as st

from signedin.providers.chatgpt.claims import Claims, read_claims


def token(**claims: object) -> str:
    parts = ({"alg": "RS256"}, claims, {})
    return ".".join(
        base64.urlsafe_b64encode(msgspec.json.encode(part)).rstrip(b"=").decode() for part in parts
    )


def test_the_account_is_the_workspace_not_an_organization_or_a_person() -> None:
    owner = {
        "chatgpt_account_id": "workspace-1",
        "chatgpt_plan_type": "team",
        "chatgpt_account_is_fedramp": True,
        "organizations": [{"id": "org-inner", "is_default": True}],
    }
    read = read_claims(
        token(
            sub="auth0|person",
            exp=1_900_000_000,
            email="a@example.com",
            organizations=[{"id": "org-outer"}],
            **{"https://api.openai.com/auth": owner},
        )
    )
    assert read == Claims(
        expires_at=1_900_000_000.0,
        subject="auth0|person",
        email="a@example.com",
        account_id="workspace-1",
        plan="team",
        fedramp=True,
    )


def test_without_a_workspace_no_other_id_takes_its_place() -> None:
    read = read_claims(token(sub="auth0|person", organizations=[{"id": "org-outer"}]))
    assert read == Claims(subject="auth0|person")


def test_an_address_may_be_in_the_profile() -> None:
    claims = {"https://api.openai.com/profile": {"email": "b@example.com"}}
    assert read_claims(token(**claims)).email == "b@example.com"


def test_what_one_token_leaves_out_the_other_may_tell() -> None:
    claims = Claims(email="a@example.com", plan="plus").or_else(
        Claims(email="b@example.com", account_id="w", expires_at=0.0, fedramp=True)
    )
    assert claims == Claims(
        email="a@example.com", plan="plus", account_id="w", expires_at=0.0, fedramp=True
    )


@pytest.mark.parametrize(
    "junk",
    [
        None,
        "",
        "opaque",
        "a.b.c",
        "a..c",
        "a.%%%.c",
        "é.ü.ö",
        token() + "x",
        ".".join(["a", base64.urlsafe_b64encode(b"[1]").decode(), "c"]),
        token(exp="soon", email=5, **{"https://api.openai.com/auth": ["x"]}),
        token(exp=True),
    ],
)
def test_what_is_no_token_says_nothing(junk: str | None) -> None:
    assert read_claims(junk) == Claims()


@given(st.text())
def test_nothing_is_too_strange_to_read(text: str) -> None:
    assert isinstance(read_claims(text), Claims)
    assert isinstance(read_claims(f"a.{text}.c"), Claims)
