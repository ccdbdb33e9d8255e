"""The keys of ``provider_options`` that are about signing in."""

import pytest

from signedin.model.errors import InvalidOptionError
from signedin.providers.chatgpt.sign_in.login import ChatGPTLogin
from signedin.providers.chatgpt.sign_in.profiles import CODEX, SIWC
from signedin.providers.chatgpt.sign_in.settings import SignInSettings, sign_in_settings


def notify(login: ChatGPTLogin) -> None:
    """Does nothing."""


def test_without_any_nothing_is_chosen() -> None:
    assert sign_in_settings({"verbosity": "low"}) == SignInSettings()


def test_a_profile_has_a_name_or_is_one() -> None:
    assert sign_in_settings({"profile": "codex"}).profile is CODEX
    assert sign_in_settings({"profile": SIWC}).profile is SIWC


def test_the_rest_is_kept() -> None:
    settings = sign_in_settings({"allowed_accounts": ["a", "b"], "on_auth_refresh": notify})
    assert settings.allowed_accounts == ("a", "b")
    assert settings.on_auth_refresh is notify


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"profile": "pro"}, "unknown profile 'pro'"),
        ({"profile": 5}, "profile must be 'siwc', 'codex' or a Profile"),
        ({"allowed_accounts": "acct-1"}, "allowed_accounts must be a list of account ids"),
        ({"allowed_accounts": [5]}, "allowed_accounts must be a list of account ids"),
        ({"on_auth_refresh": "print"}, "on_auth_refresh must be a function"),
    ],
)
def test_what_cannot_be_used_is_named(options: dict[str, object], reason: str) -> None:
    with pytest.raises(InvalidOptionError, match=reason):
        sign_in_settings(options)
