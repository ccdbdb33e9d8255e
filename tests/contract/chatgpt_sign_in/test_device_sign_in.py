"""Signing in with a code that is typed on another device."""

from collections.abc import Mapping

import pytest

from signedin.loopback import LoopbackIssuer
from signedin.loopback.grants import GrantError
from signedin.model.errors import (
    AuthRequiredError,
    SignedinError,
    TimeoutExceededError,
    UnsupportedOptionError,
)
from signedin.providers.chatgpt.sign_in import device
from support.chatgpt_account import SignedInUser


@pytest.fixture
async def user(issuer: LoopbackIssuer, account: str) -> SignedInUser:
    return SignedInUser(issuer, account, "codex")


async def test_a_code_is_typed_elsewhere(user: SignedInUser) -> None:
    begun = await user.auth.start_login("device", None)
    assert begun.url == f"{user.issuer.url}/codex/device"
    assert begun.user_code
    assert not begun.wants_code
    with pytest.raises(TimeoutExceededError):
        await begun.wait(0.01)
    user.issuer.approve_device(begun.user_code)
    await begun.wait(30)
    status = await user.auth.status()
    assert (status.email, status.billing) == ("user@example.com", "subscription")
    paths = [request.path for request in user.issuer.requests]
    assert paths[0] == "/api/accounts/deviceauth/usercode"
    assert paths[-1] == "/oauth/token"


async def test_a_code_nobody_typed_yet_is_asked_for_again(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants = user.issuer._grants
    start, poll, asked = grants.start_device, grants.poll_device, []

    def poll_until_typed(fields: Mapping[str, str], redirect_uri: str) -> Mapping[str, str]:
        asked.append(fields["user_code"])
        if len(asked) == 3:
            grants.approve_device(fields["user_code"])
        return poll(fields, redirect_uri)

    # The interval is a string on the wire.
    monkeypatch.setattr(grants, "start_device", lambda: {**start(), "interval": "0.01"})
    monkeypatch.setattr(grants, "poll_device", poll_until_typed)
    begun = await user.auth.start_login("device", None)
    await begun.wait(30)
    assert asked == [begun.user_code] * 3


async def test_a_server_without_codes_is_told_apart(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise GrantError(404, "not_found")

    monkeypatch.setattr(user.issuer._grants, "start_device", refuse)
    with pytest.raises(AuthRequiredError, match="not enabled for this account or workspace"):
        await user.auth.start_login("device", None)


async def test_an_answer_without_a_code_is_an_error(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user.issuer._grants, "start_device", lambda: {"interval": None})
    with pytest.raises(SignedinError, match="the sign-in server returned no code"):
        await user.auth.start_login("device", None)


async def test_a_refused_code_ends_the_sign_in(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise GrantError(410, "device_code_expired")

    monkeypatch.setattr(user.issuer._grants, "poll_device", refuse)
    begun = await user.auth.start_login("device", None)
    with pytest.raises(
        AuthRequiredError, match=r"sign-in to chatgpt failed: .*device_code_expired"
    ):
        await begun.wait(30)


async def test_cancelling_ends_the_questions(user: SignedInUser) -> None:
    begun = await user.auth.start_login("device", None)
    await begun.cancel()
    with pytest.raises(AuthRequiredError, match="the login was cancelled"):
        await begun.wait()


async def test_there_is_nothing_to_paste(user: SignedInUser) -> None:
    begun = await user.auth.start_login("device", None)
    with pytest.raises(UnsupportedOptionError, match="type the code on the page instead"):
        await begun.submit_code("http://127.0.0.1/auth/callback?code=x")
    await begun.cancel()


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "server_error"), (429, "rate_limited"), (400, "authorization_pending")],
)
async def test_what_passes_does_not_end_the_sign_in(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    grants = user.issuer._grants
    start, poll, refused = grants.start_device, grants.poll_device, []

    def refuse_once(fields: Mapping[str, str], redirect_uri: str) -> Mapping[str, str]:
        if not refused:
            refused.append(code)
            grants.approve_device(fields["user_code"])
            raise GrantError(status, code)
        return poll(fields, redirect_uri)

    monkeypatch.setattr(device, "DEFAULT_INTERVAL", 0.0)
    monkeypatch.setattr(grants, "start_device", lambda: {**start(), "interval": 0.01})
    monkeypatch.setattr(grants, "poll_device", refuse_once)
    begun = await user.auth.start_login("device", None)
    await begun.wait(30)
    assert refused == [code]
    assert (await user.auth.status()).authenticated


@pytest.mark.parametrize("interval", ["0", "-5", "inf", "nan", None, [], "9" * 400])
async def test_an_interval_that_is_none_is_the_usual_one(
    user: SignedInUser, monkeypatch: pytest.MonkeyPatch, interval: object
) -> None:
    start = user.issuer._grants.start_device
    monkeypatch.setattr(
        user.issuer._grants, "start_device", lambda: {**start(), "interval": interval}
    )
    begun = await user.auth.start_login("device", None)
    assert begun._flow._interval == device.DEFAULT_INTERVAL
    await begun.cancel()
