"""Where a login may be sent."""

import msgspec
import pytest

from signedin.model.errors import InvalidOptionError
from signedin.providers.chatgpt.sign_in.hosts import check_trusted
from signedin.providers.chatgpt.sign_in.profiles import (
    CODEX,
    PROFILES,
    SIWC,
    profile_named,
    relocated,
)


@pytest.mark.parametrize(
    "url",
    [
        "https://chatgpt.com/backend-api/codex",
        "https://api.openai.com/v1",
        "https://auth.openai.com:443/oauth/token",
        "https://gov.chatgpt.com/backend-api/codex",
        "http://127.0.0.1:8080/v1",
    ],
)
def test_openai_and_this_machine_get_tokens(url: str) -> None:
    assert check_trusted(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.example.net/v1",
        "https://example.net/api.openai.com",
        "https://api.openai.com@example.net/v1",
        "https://example.net@api.openai.com/v1",
        "https://xchatgpt.com/",
        "https://127.0.0.1/v1",
        "http://127.0.0.1.example.net/",
        "http://127.0.0.2:80/",
        "http://localhost:80/",
        "http://[::1]:80/",
        "http://0.0.0.0:80/",
        "file:///etc/passwd",
        "http://127.0.0.1:port/",
        "http://[/",
        "",
    ],
)
def test_nobody_else_does(url: str) -> None:
    with pytest.raises(InvalidOptionError, match=r"not sent to|is not an address"):
        check_trusted(url)


@pytest.mark.parametrize("field", ["base_url", "token_url", "revoke_url", "authorize_url"])
def test_a_profile_cannot_be_turned_into_a_leak(field: str) -> None:
    for profile in PROFILES.values():
        with pytest.raises(InvalidOptionError, match=r"not sent to https://example\.net"):
            msgspec.structs.replace(profile, **{field: "https://example.net/x"})


def test_a_profile_is_chosen_by_name() -> None:
    assert profile_named("siwc") is SIWC
    assert profile_named("codex") is CODEX
    with pytest.raises(
        InvalidOptionError, match="unknown profile 'pro'; choose one of: siwc, codex"
    ):
        profile_named("pro")


def test_a_profile_can_be_moved_as_a_whole() -> None:
    for profile in PROFILES.values():
        moved = relocated(profile, "http://127.0.0.1:5/x", "http://127.0.0.1:6/v1")
        assert b"auth.openai.com" not in msgspec.json.encode(moved)
        assert moved.base_url == "http://127.0.0.1:6/v1"
        assert moved.client_id == profile.client_id
    with pytest.raises(InvalidOptionError):
        relocated(SIWC, "https://example.net", "http://127.0.0.1:6/v1")


def test_the_default_way_is_honest_about_who_asks() -> None:
    assert SIWC.originator == CODEX.originator == CODEX.parameters["originator"] == "signedin"
    assert SIWC.registration is not None
    assert SIWC.registration.app_name == "signedin"
